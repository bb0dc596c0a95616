"""What a person at a terminal is asked at the start: the name, the server and the room, each with
its default."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from chatapp.validation import Misuse, found_servers, name_from, own_name_from, servers_from
from chatapp.wire.address import Address, parse_port, server_name, servers_of, servers_text
from chatapp.wire.errors import AddressRefused, ChatAppError
from chatapp.wire.names import PeerName

if TYPE_CHECKING:
    from chatapp.peer.node.starts import Start
    from chatapp.wire.aio.lan import FoundRegistry

ASK_SERVER: Final = "Server (address and port, such as 192.168.1.5 5000)"
ASK_FOUND: Final = "Server (a number, or address and port)"
ASK_ROOM: Final = "Room to enter (may stay empty): "

DISCOVER_VARIABLE: Final = "CHATAPP_DISCOVER"
"""The environment variable that turns the search for registries off with `false`."""
_NUMBER_DIGITS: Final = 4

T = TypeVar("T")

Read = Callable[[str], str]
"""Shows a question and returns the typed line. Raises EOFError at the end of input."""
Say = Callable[[str], object]
"""Shows a line."""
Look = Callable[[], Callable[[], "Sequence[FoundRegistry]"]]
"""Begins to look for registries; what it returns ends that and returns them."""


class InputEnded(ChatAppError):
    """The person has ended the input instead of answering, which ends the program in order."""


class ServerChoice(NamedTuple):
    """The servers of one registry that a person has chosen."""

    servers: tuple[Address, ...]
    announced_key: str | None = None
    """The digits of the fingerprint with which the chosen server was announced; None if no
    announcement was chosen."""


class Choice(msgspec.Struct, frozen=True):
    """What a person has chosen."""

    name: PeerName
    server: ServerChoice
    rooms: tuple[PeerName, ...]


def is_terminal() -> bool:
    """Return whether a person sits at both the input and the output."""
    return bool(sys.stdin and sys.stdout and sys.stdin.isatty() and sys.stdout.isatty())


def ask_all(
    home: Path,
    *,
    servers: tuple[Address, ...] | None = None,
    rooms: Sequence[str] | None = None,
    look: Look | None = None,
    read: Read = input,
    say: Say = print,
) -> Choice:
    """Ask for everything that a start needs, except what is given. Raises Misuse, InputEnded at the
    end of input."""
    from chatapp.peer.node.starts import latest_name, start_of

    given = None if servers is None else ServerChoice(servers)
    finish = tuple if given else (look or look_around)()
    name = ask_name(latest_name(home), read=read, say=say)
    server = given or ask_server(start_of(home, name), finish(), read=read, say=say)
    if not rooms:
        room = ask_room(read=read, say=say)
        return Choice(name, server, () if room is None else (room,))
    entered = tuple(name_from(room.removeprefix("#"), "--room") for room in rooms)
    return Choice(name, server, entered)


def look_around() -> "Callable[[], Sequence[FoundRegistry]]":
    """Begin to look for registries on this network, unless the environment says not to. Return what
    ends the search and returns them."""
    if os.environ.get(DISCOVER_VARIABLE) == "false":
        return tuple
    from chatapp.wire.aio.lan import Discovery

    return Discovery().finish


def ask_name(default: PeerName | None, *, read: Read = input, say: Say = print) -> PeerName:
    """Ask for the name. Raises InputEnded at the end of input."""
    return _asked(_with_default("Your name", default), default, own_name_from, read=read, say=say)


def ask_another_name(*, read: Read = input, say: Say = print) -> PeerName:
    """Ask for another name in place of one that is taken. Raises InputEnded at the end of input."""
    return _asked("Another name: ", None, own_name_from, read=read, say=say)


def ask_server(
    start: "Start | None",
    found: "Sequence[FoundRegistry]" = (),
    *,
    read: Read = input,
    say: Say = print,
) -> ServerChoice:
    """Ask for the server, or for several of one registry. `start`: the last start of the name; its
    servers are the default. Else a registry that was found alone is. Raises InputEnded at the end
    of input."""
    listed = sorted(found, key=lambda registry: not _is_where_last(registry, start))
    if listed:
        say("Servers on this network:")
    for number, registry in enumerate(listed, 1):
        say(_listed(number, registry, start))

    def convert(text: str) -> ServerChoice:
        is_number = text.isascii() and text.isdigit() and len(text) < _NUMBER_DIGITS
        if is_number and 0 < int(text) <= len(listed):
            return _announced(listed[int(text) - 1])
        if is_number and listed:
            raise Misuse(f"type a number from 1 to {len(listed)}, or an address and a port")
        return ServerChoice(servers_typed(text))

    default = _default_of(start, listed)
    shown = None if default is None else _shown(default.servers)
    question = ASK_FOUND if listed else ASK_SERVER
    return _asked(_with_default(question, shown), default, convert, read=read, say=say)


def _default_of(start: "Start | None", found: "Sequence[FoundRegistry]") -> ServerChoice | None:
    """Return what an empty answer means. Whoever announces the key of the last start at another
    address is not believed: such a registry is chosen by its number."""
    if start is not None:
        return ServerChoice(start.servers)
    return _announced(found[0]) if len(found) == 1 else None


def _announced(registry: "FoundRegistry") -> ServerChoice:
    return ServerChoice((registry.address,), registry.key)


def _shown(servers: Sequence[Address]) -> str:
    return servers_text(servers) if len(servers) > 1 else f"{servers[0].host} {servers[0].port}"


def _listed(number: int, registry: "FoundRegistry", start: "Start | None") -> str:
    key = " ".join(registry.key[at : at + 4] for at in range(0, len(registry.key), 4))
    place = f"{registry.address.host} {registry.address.port}"
    return f"  {number}  {registry.name}: {place} ({key}{_known_of(registry, start)})"


def _known_of(registry: "FoundRegistry", start: "Start | None") -> str:
    """Say what the last start tells about a registry that announces itself."""
    if start is None:
        return ""
    if _is_where_last(registry, start):
        return (
            ", where you were last"
            if start.key in ("", registry.key)
            else ", where you were last, with another key"
        )
    return ", claims to be the server where you were last" if registry.key == start.key else ""


def _is_where_last(registry: "FoundRegistry", start: "Start | None") -> bool:
    """Whether a registry announces itself at a server of the last start."""
    return start is not None and server_name(*registry.address) in {
        server_name(*server) for server in start.servers
    }


def ask_room(*, read: Read = input, say: Say = print) -> PeerName | None:
    """Ask for the room to enter; an empty line means none. Raises InputEnded at the end of
    input."""

    def room(text: str) -> PeerName | None:
        return name_from(text.removeprefix("#"), "room") if text else None

    return _asked(ASK_ROOM, None, room, read=read, say=say)


def servers_typed(text: str) -> tuple[Address, ...]:
    """Read a server: host and port with a blank or a colon between them; or several with commas
    between them. Raises Misuse, AddressRefused."""
    words: Sequence[str] = text.split()
    if len(words) == 1 and "," not in text:
        host, colon, port = words[0].rpartition(":")
        words = [host.removeprefix("[").removesuffix("]"), port] if colon and host else words
    if len(words) == 1 and "," in text:
        return found_servers(servers_of(text))
    if len(words) != 2:
        raise Misuse("type the server's address and its port")
    return servers_from(words[0], parse_port(words[1], "port"))


def _with_default(question: str, default: object) -> str:
    return f"{question}: " if default is None else f"{question} [{default}]: "


def _asked(
    question: str, default: T | None, convert: Callable[[str], T], *, read: Read, say: Say
) -> T:
    """Ask until the answer is valid. An empty answer means the default, if there is one."""
    while True:
        try:
            text = read(question).strip()
        except EOFError:
            say("")
            raise InputEnded from None
        if not text and default is not None:
            return default
        try:
            return convert(text)
        except (Misuse, AddressRefused) as mistake:
            say(str(mistake))
