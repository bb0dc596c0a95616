"""What reads a line that begins with no command: a registry (`-s`), a peer (`-c`) or a visitor of a
help desk (`--desk`). The mode is chosen before its options are read."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import typer

from chatapp.commands import COMMANDS
from chatapp.commands.parsing import single_command
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
    from chatapp.wire.suggestions import nearest  # deferred: only a mistake needs it

    if words and (near := nearest(words[0].lower(), COMMANDS)):
        raise Misuse(f'"{quoted(words[0])}" is not a command: did you mean "{near}"?')
    raise Misuse(f"nothing to do: {SERVER_USAGE}, or {CLIENT_USAGE}")
