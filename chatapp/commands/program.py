"""`ChatApp` as a whole: its help, its commands, and what reads a given line. A line that begins with no
command is one of a registry (`-s`), a peer (`-c`) or a visitor of a help desk (`--desk`): this mode
is chosen before its options are read."""

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import typer
import typer.core

import chatapp
from chatapp.commands import COMMANDS
from chatapp.commands.parsing import CONTEXT, single_command
from chatapp.options import PeerOptions, RegistryOptions, VisitorOptions
from chatapp.questions import ask_all, is_terminal
from chatapp.starting import serve, talk, visit
from chatapp.validation import Misuse, check_options, folder_from, is_option, servers_from
from chatapp.wire.address import parse_port, servers_text
from chatapp.wire.errors import quoted
from chatapp.wire.folders import default_home

SERVER_USAGE: Final = "ChatApp -s <port>"
CLIENT_USAGE: Final = "ChatApp -c <name> <server-ip> <server-port> <client-port>"
AGAIN_USAGE: Final = "ChatApp -c <name>"
DESK_USAGE: Final = "ChatApp --desk <server-ip> <server-port>"

_SERVERS: Final = (
    "The server is an IP address or a host name that resolves; several of one registry have commas "
    "between them, and :<port> where the port is another one."
)
_PORTS: Final = "Ports are 1024-65535."


def registry(words: list[str], options: RegistryOptions) -> int:
    """Run a registry, which introduces people who share a network to each other."""
    _check(words, REGISTRY)
    return serve(words, options)


def peer(words: list[str], options: PeerOptions) -> int:
    """Chat as a peer: talk directly to the people that a registry knows."""
    # `ChatApp` alone, or with nothing but a server, asks for what it needs.
    is_bare = not (words or options.client or options.plain) and (options.host is None) == (
        options.port is None
    )
    is_alone = is_bare and is_terminal()
    _check(words, PEER, is_chosen=options.client or is_alone)
    if not is_alone:
        return talk(words, options)
    options.face()  # two are refused before a question
    given = (
        None
        if options.host is None or options.port is None
        else servers_from(options.host, parse_port(options.port, "server-port"))
    )
    chosen = ask_all(folder_from(options.data) or default_home(), servers=given, rooms=options.room)
    servers, announced_key = chosen.server
    answered = msgspec.structs.replace(
        options, room=list(chosen.rooms), host=servers_text(servers), port=str(servers[0].port)
    )
    return talk([chosen.name], answered, announced_key=announced_key)


def visitor(words: list[str], options: VisitorOptions) -> int:
    """Visit the help desk of a registry."""
    _check(words, VISITOR)
    return visit(words, options)


class Mode(NamedTuple):
    """What is chosen by the first word of `spellings` on a line."""

    spellings: tuple[str, ...]
    who: str
    app: Callable[[], typer.Typer]

    def command(self) -> Any:
        """Return what reads the line. The library below typer has no types of its own."""
        return typer.main.get_command(self.app())

    def options(self) -> set[str]:
        """Return the spellings of all options."""
        return {
            spelling
            for parameter in self.command().params
            for spelling in (*parameter.opts, *parameter.secondary_opts)
        }


def _registry_app() -> typer.Typer:
    from chatapp.registry.program.settings import OPTIONS, Option, Reading

    def parameter(option: Option) -> Any:
        shapes: dict[Reading, Any] = {Reading.SWITCH: bool, Reading.EACH: list[str] | None}
        shown = typer.Option(option.spelling, metavar=option.value or None, help=option.about)
        return Annotated[shapes.get(option.reading, str | None), shown]

    fields = [
        (key, parameter(option), False if option.reading is Reading.SWITCH else None)
        for key, option in OPTIONS.items()
        if option.about
    ]
    options: Any = msgspec.defstruct(
        "SettingOptions", fields, bases=(RegistryOptions,), frozen=True, kw_only=True
    )
    epilog = "Settings have a file, too: ChatApp config shows them, and where each comes from."
    arguments = typer.Argument(metavar="PORT", help=_PORTS)
    return single_command(registry, options, arguments, epilog=epilog)


def _peer_app() -> typer.Typer:
    metavar = "NAME [SERVER-IP SERVER-PORT [CLIENT-PORT]]"
    arguments = typer.Argument(metavar=metavar, help=f"{_SERVERS} {_PORTS}")
    return single_command(peer, PeerOptions, arguments, epilog=f"Later: {AGAIN_USAGE}")


def _visitor_app() -> typer.Typer:
    arguments = typer.Argument(metavar="SERVER-IP SERVER-PORT", help=f"{_SERVERS} {_PORTS}")
    epilog = "Visitors in a browser: ChatApp web --help"
    return single_command(visitor, VisitorOptions, arguments, epilog=epilog)


REGISTRY: Final = Mode(("-s", "--server"), "a registry (-s)", _registry_app)
PEER: Final = Mode(("-c", "--client"), "a peer (-c)", _peer_app)
VISITOR: Final = Mode(("--desk",), "a visitor (--desk)", _visitor_app)
MODES: Final = (REGISTRY, PEER, VISITOR)


def mode_of(words: Sequence[str]) -> Mode | None:
    """Return the mode that a line chooses, None for none. A second one is refused later: it may be
    the value of an option."""
    before = words[: words.index("--")] if "--" in words else words
    return next((mode for word in before for mode in MODES if word in mode.spellings), None)


# --- checking


def _check(words: Sequence[str], mode: Mode, *, is_chosen: bool = True) -> None:
    """Check what the parser of a mode left as arguments. Raises Misuse for an option, which belongs
    to another mode or to none, and if no mode is chosen."""
    owners = {word: _owners(word.partition("=")[0]) for word in words if is_option(word)}
    check_options([word for word, modes in owners.items() if not modes])
    second = mode_of(list(owners))
    if second is not None:
        chosen = [other.spellings[0] for other in MODES if other in (mode, second)]
        raise Misuse(f"use either {' or '.join(sorted(chosen, key=len, reverse=True))}")
    if not is_chosen:
        _refuse_unchosen(words)
    for word, modes in owners.items():
        option = word.partition("=")[0]
        if option == "--stay":
            raise Misuse(f"{option}: a registry (-s) always keeps running")
        have = "have" if len(modes) > 1 else "has"
        who = " and ".join(owner.who for owner in modes)
        raise Misuse(f"{option}: only {who} {have} this option")


def _owners(option: str) -> list[Mode]:
    return [mode for mode in MODES if option in mode.options()]


def _refuse_unchosen(words: Sequence[str]) -> None:
    from chatapp.wire.text import nearest  # deferred: only a mistake needs it

    if words and (near := nearest(words[0].lower(), COMMANDS)):
        raise Misuse(f'"{quoted(words[0])}" is not a command: did you mean "{near}"?')
    raise Misuse(f"nothing to do: {SERVER_USAGE}, or {CLIENT_USAGE}")


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
        return command_of(cmd_name) if cmd_name in COMMANDS else None


def command_of(name: str) -> Any:
    """Return what reads the rest of a line that begins with a command."""
    module, about = COMMANDS[name]
    command = typer.main.get_command(getattr(importlib.import_module(module), f"{name}_app"))
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


def daemon(words: list[str], options: PeerOptions) -> int:
    """Run a peer without a terminal, for other programs of yours to use."""
    check_options(words)
    return talk(words, options, is_daemon=True)


daemon_app: Final = single_command(
    daemon,
    PeerOptions,
    typer.Argument(
        metavar="NAME [SERVER-IP SERVER-PORT [CLIENT-PORT]]",
        help="As of ChatApp -c; by default the server of the last time, and any free port.",
    ),
    epilog="It prints one line when it is ready, and ends by SIGTERM. "
    "ChatApp -c NAME and ChatApp send attach to it.",
    but=("client", "plain", "full", "line", "web", "quiet", "stay"),
)
