"""The command line as a value, read from the program's own tables: what the manual and the
completion are made from."""

import enum
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import typer

from chatapp.commands import COMMANDS

PROGRAM: Final = "ChatApp"
HELP: Final = "--help"
_CHAT: Final = "chatapp.commands.chat"
_SHELL_OPTIONS: Final = frozenset({"install_completion", "show_completion"})
"""typer's own options, which write or print the completion of one shell: the files made here take
their place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRow:
    """One option of a command."""

    spellings: tuple[str, ...]
    about: str
    value: str = ""
    """What stands for its value, such as FILE; empty for an option without one."""
    choices: tuple[str, ...] = ()
    """All values that there are, if they can be listed."""
    default: str = ""
    variable: str = ""
    """The environment variable that sets it, too."""

    @property
    def takes_path(self) -> bool:
        """Whether its value is a file or a folder."""
        return self.value in ("FILE", "DIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPage:
    """One command: `ChatApp` itself, `ChatApp send`, or `ChatApp admin kick`."""

    words: tuple[str, ...]
    about: str
    after: str
    """What its help says at the end: the exit status, for most."""
    arguments: tuple[tuple[str, str], ...]
    """What follows it, as written in its usage, each with what is said of it."""
    options: tuple[OptionRow, ...]
    commands: tuple["CommandPage", ...] = ()

    @property
    def name(self) -> str:
        """The last word."""
        return self.words[-1]

    def every_command_has(self) -> tuple[OptionRow, ...]:
        """Return the options that all commands below this one have."""
        first, *others = [one.options for one in self.commands] or [()]
        return tuple(option for option in first if all(option in one for one in others))

    def pages(self) -> Iterator["CommandPage"]:
        """Yield this command and all below it."""
        yield self
        for one in self.commands:
            yield from one.pages()


def command_line() -> CommandPage:
    """Return the whole command line."""
    below = tuple(
        _page((PROGRAM, name), _command(module)) for name, (module, _) in COMMANDS.items()
    )
    return _page((PROGRAM,), _command(_CHAT), below=below)


def _command(module: str) -> Any:
    """Return the command of a module. The library below typer has no types of its own."""
    return typer.main.get_command(importlib.import_module(module).app)


def _page(words: tuple[str, ...], command: Any, below: tuple[CommandPage, ...] = ()) -> CommandPage:
    inner = getattr(command, "commands", {})
    return CommandPage(
        words=words,
        about=command.help or "",
        after=command.epilog or "",
        arguments=tuple(
            (_argument(one), one.help or "")
            for one in command.params
            if one.param_type_name == "argument"
        ),
        options=(
            *_options(command),
            OptionRow(spellings=("-h", HELP), about="Show the help and exit."),
        ),
        commands=below or tuple(_page((*words, name), one) for name, one in inner.items()),
    )


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _options(command: Any) -> Iterator[OptionRow]:
    for one in command.params:
        if one.param_type_name != "option" or one.hidden or one.name in _SHELL_OPTIONS:
            continue
        choices = tuple(getattr(one.type, "choices", ()))
        yield OptionRow(
            spellings=(*one.opts, *one.secondary_opts),
            about=one.help or "",
            value="" if one.is_flag else one.metavar or "|".join(choices) or one.type.name.upper(),
            choices=choices,
            default="" if one.is_flag else _default(one),
            variable=one.envvar if isinstance(one.envvar, str) else "",
        )


def _default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    value = option.default.value if isinstance(option.default, enum.Enum) else option.default
    return "" if value is None else str(value)
