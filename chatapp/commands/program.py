"""`ChatApp` as a whole: its help, its commands, and what reads a given line."""

import importlib
import os
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
import typer.core

import chatapp
from chatapp.commands import COMMANDS
from chatapp.commands.modes import (
    AGAIN_USAGE,
    CLIENT_USAGE,
    DESK_USAGE,
    PEER,
    SERVER_USAGE,
    mode_of,
)
from chatapp.commands.parsing import CONTEXT

PROGRAM: Final = "ChatApp"

_LINE_VARIABLES: Final = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where bash, and zsh and fish, put the line that is to be completed."""
_VERSION: Final = "--version"
_OF_ALL: Final = frozenset({"-h", "--help", _VERSION, "--install-completion", "--show-completion"})
"""Options of the program where no mode is chosen."""


class Commands(typer.core.TyperGroup):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """Return what reads the rest of a line; None for no command."""
        if cmd_name not in COMMANDS:
            return None
        module, about = COMMANDS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        command.short_help = about
        return command


app: Final = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, cls=Commands)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{PROGRAM} {chatapp.__version__}")
        raise typer.Exit


@app.callback(
    epilog=f"{PROGRAM} alone, on a terminal, asks for what a peer needs.\n\n"
    f"Options and arguments: {PROGRAM} -s --help, {PROGRAM} -c --help, {PROGRAM} --desk --help, "
    f"and so on: add --help to any command.",
    context_settings=CONTEXT,
)
def program(
    *,
    _server: Annotated[
        bool, typer.Option("-s", "--server", help=f"Run a registry: {SERVER_USAGE}")
    ] = False,
    _client: Annotated[
        bool,
        typer.Option("-c", "--client", help=f"Chat as a peer: {CLIENT_USAGE}; later {AGAIN_USAGE}"),
    ] = False,
    _desk: Annotated[
        bool, typer.Option("--desk", help=f"Visit the help desk of a registry: {DESK_USAGE}")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Chat for people who share a network: a registry introduces them, then they talk directly to
    each other."""


def run(words: list[str], complete_var: str) -> object:
    """Carry out a line, or complete it if the environment has the variable `complete_var`. Return
    what its command returned. Raises what typer raises, and Misuse."""
    is_completed = complete_var in os.environ
    if is_completed:
        typer.main.get_command(app)  # makes the shells known to typer
    line = _line_to_complete() if is_completed else words
    if _VERSION in words and words[0] not in COMMANDS:
        line = words = [_VERSION]  # it is told whatever else is asked for
    command, name = _reader_of(line, asks_for_all=not is_completed)
    return command.main(
        args=words, prog_name=name, complete_var=complete_var, standalone_mode=False
    )


def _reader_of(line: Sequence[str], *, asks_for_all: bool) -> tuple[Any, str]:
    """Return what reads a line, and what the usage in its help begins with. `asks_for_all`: a line
    without a command and a mode starts a peer, which asks for what it needs."""
    is_of_command = bool(line) and line[0] in COMMANDS
    mode = None if is_of_command else mode_of(line)
    if mode is not None:
        return mode.command(), f"{PROGRAM} {mode.spellings[0]}"
    if asks_for_all and not is_of_command and _OF_ALL.isdisjoint(line):
        return PEER.command(), PROGRAM
    return typer.main.get_command(app), PROGRAM


def _line_to_complete() -> list[str]:
    """Return the words of the line under the cursor, after the program's name."""
    return next(filter(None, map(os.environ.get, _LINE_VARIABLES)), "").split()[1:]
