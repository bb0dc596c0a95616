"""How typer reads a command line: options that several commands share, as types of parameters, and
commands whose options are the fields of a struct."""

import enum
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Final, TypeAlias, TypeVar, get_type_hints

import msgspec
import typer

from chatapp.options import DEFAULT_LOG_LEVEL, LOG_VARIABLE

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

_LOG_HELP: Final = "How much to log to standard error."
Data: TypeAlias = Annotated[
    str | None, typer.Option(metavar="DIR", help="Where keys, mail and history are kept.")
]
Logging: TypeAlias = Annotated[LogLevel, typer.Option(envvar=LOG_VARIABLE, help=_LOG_HELP)]
MaybeLogging: TypeAlias = Annotated[
    LogLevel | None,
    typer.Option(envvar=LOG_VARIABLE, help=_LOG_HELP, show_default=DEFAULT_LOG_LEVEL),
]
Code: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="Your join code, if the registry asks newcomers for one (- reads standard input).",
    ),
]
RegistryKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="The fingerprint of the registry's key, as the registry prints it; "
        "any other key is refused.",
    ),
]

Options = TypeVar("Options", bound=msgspec.Struct)


def command_line() -> typer.Typer:
    """Make the command line of one command."""
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


def single_command(
    run: Callable[[list[str], Options], int],
    options: type[Options],
    arguments: object,
    *,
    epilog: str,
    but: Iterable[str] = (),
) -> typer.Typer:
    """Make the command line of a command. `run`: what it does, whose docstring is its help.
    `options`: its options, except the fields `but`. `arguments`: a `typer.Argument` that says what
    its words are."""
    defaults = options()
    hints = {"words": Annotated[list[str] | None, arguments]} | hints_of(options)
    for field in but:
        del hints[field]

    def command(words: list[str] | None = None, **given: object) -> int:
        return run(words or [], options(**given))

    vars(command)["__signature__"] = inspect.Signature(
        [
            inspect.Parameter(
                field, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default
            )
            for field, hint in hints.items()
            for default in [getattr(defaults, field, None)]
        ]
    )
    command.__annotations__ = hints
    app = command_line()
    app.command(help=inspect.getdoc(run), epilog=epilog, context_settings=CONTEXT)(command)
    return app


def hints_of(options: type[msgspec.Struct]) -> dict[str, object]:
    """Return the types of the fields, in their order, with what typer needs to know of them."""
    hints = get_type_hints(options, localns=globals(), include_extras=True)
    return {field: hints[field] for field in options.__struct_fields__}
