"""Options that several commands share: their values and their help."""

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typer

DATA_HELP: Final = "Where keys, mail and history are kept."
LOG_HELP: Final = "How much to log to standard error."
LOG_VARIABLE: Final = "CHATAPP_LOG_LEVEL"
CONFIG_VARIABLE: Final = "CHATAPP_CONFIG"
KEY_HELP: Final = (
    "The fingerprint of the registry's key, as the registry prints it; any other key is refused."
)
ACK_TIMEOUT_HELP: Final = "Seconds until a message without an answer is sent again (0.1 to 3; 0.5)."
CODE_HELP: Final = "Your join code, if the registry asks newcomers for one (- reads standard input)."

HELP: Final = {"help_option_names": ["-h", "--help"]}
CONTEXT: Final = {"ignore_unknown_options": True, **HELP}
"""Lets unknown options through to `validation.check_options`, which names them."""


class LogLevel(enum.Enum):
    """How much the program logs. The text of a message is never logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


DEFAULT_LOG_LEVEL: Final = LogLevel.WARNING.value


def command_line() -> "typer.Typer":
    """Make the command line of one command."""
    import typer  # not before it is needed: `chatapp.__main__` reads a plain line without it

    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
