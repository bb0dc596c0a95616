"""Options that several commands share, as types of their parameters, and the help of those that
differ in a word."""

import enum
from typing import Annotated, Final, TypeAlias

import typer

from chatapp.starting import DEFAULT_LOG_LEVEL, LOG_VARIABLE

KEY_HELP: Final = (
    "The fingerprint of the registry's key, as the registry prints it; any other key is refused."
)
ACK_TIMEOUT_HELP: Final = "Seconds until a message without an answer is sent again (0.1 to 3; 0.5)."
CODE_HELP: Final = (
    "Your join code, if the registry asks newcomers for one (- reads standard input)."
)
LOG_HELP: Final = "How much to log to standard error."

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


QUIET: Final = LogLevel(DEFAULT_LOG_LEVEL)
"""How much is logged unless somebody asks for more."""

Data: TypeAlias = Annotated[
    str | None, typer.Option(metavar="DIR", help="Where keys, mail and history are kept.")
]
Logging: TypeAlias = Annotated[LogLevel, typer.Option(envvar=LOG_VARIABLE, help=LOG_HELP)]
Code: TypeAlias = Annotated[str | None, typer.Option(metavar="CODE", help=CODE_HELP)]
RegistryKey: TypeAlias = Annotated[
    str | None, typer.Option("--registry-key", metavar="KEY", help=KEY_HELP)
]


def command_line() -> typer.Typer:
    """Make the command line of one command."""
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
