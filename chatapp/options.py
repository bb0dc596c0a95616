"""Options that several command lines have: their values and what their help says."""

import enum
from typing import Final

import typer

DATA_HELP: Final = "Where keys, mail and history are kept."
LOG_HELP: Final = "How much to log on standard error."
LOG_VARIABLE: Final = "CHATAPP_LOG_LEVEL"
KEY_HELP: Final = "The fingerprint that the registry's key must have, as the registry shows it."

HELP: Final = {"help_option_names": ["-h", "--help"]}
CONTEXT: Final = {"ignore_unknown_options": True, **HELP}
"""Words that look like options reach our own check, which names them."""


class LogLevel(enum.Enum):
    """How much the program tells about itself on standard error; never the text of a message."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def command_line() -> typer.Typer:
    """An empty command line of its own, in the look of all of them."""
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
