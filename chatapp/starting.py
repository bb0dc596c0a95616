"""Start a registry, a peer or a visitor of the help desk from the words of a command line.

Each function returns the exit status and raises Misuse, NameRefused or AddressRefused for a wrong
word. Each imports its program itself, so that a peer never loads the registry.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from chatapp.preferences import Face, Preferences, preferences_in
from chatapp.questions import ServerChoice, ask_another_name, ask_server, is_terminal, look_around
from chatapp.validation import (
    Misuse,
    ServerWords,
    check_readable_again,
    code_from,
    counted,
    folder_from,
    found_servers,
    language_from,
    listed_in,
    name_from,
    own_name_from,
    registry_key_from,
    seconds_from,
    server_words,
    servers_from,
)
from chatapp.wire.address import Address, parse_port, parse_servers
from chatapp.wire.folders import default_home
from chatapp.wire.names import PeerName

if TYPE_CHECKING:
    from chatapp.registry.program.settings import Settings


LOG_VARIABLE: Final = "CHATAPP_LOG_LEVEL"
CONFIG_VARIABLE: Final = "CHATAPP_CONFIG"
DEFAULT_LOG_LEVEL: Final = "warning"

_SERVER_ARGUMENTS: Final = ("port",)
_CLIENT_ARGUMENTS: Final = ("name", "server-ip", "server-port", "client-port")
_CLIENT_NEEDS: Final = 3
"""How many of them are needed, unless the name alone is given."""
_ANY_PORT: Final = 0
_DESK_ARGUMENTS: Final = ("server-ip", "server-port")

_ACK_TIMEOUT_LEAST: Final = 0.1
"""Seconds in which a peer far away, or one with a slow disk, can still answer."""
_ACK_TIMEOUT_MOST: Final = 3.0
"""Seconds. All five tries of a message must fit the 15 s for which its recipient holds later ones
back."""


def serve(
    words: Sequence[str],
    config: str | None = None,
    options: Mapping[str, object] = MappingProxyType({}),
    lists: Mapping[str, str | None] = MappingProxyType({}),
    *,
    port: str | None = None,
    quiet: bool = False,
) -> int:
    """Run a registry. `options` overrule the file `config`; `lists`: files with the keys that may,
    or may not, come in. `port`: as given by an option. `quiet`: the terminal rings for nothing."""
    (port_text,) = counted([*words, *([] if port is None else [port])], "-s", _SERVER_ARGUMENTS)
    number = parse_port(port_text, "port")
    data = options.get("data")
    folder_from(None if data is None else str(data))
    from chatapp.registry.program.settings import Misconfigured, configure

    def read() -> "Settings":
        listed = {key: listed_in(file, f"--{key}") for key, file in lists.items()}
        file = Path(config) if config else None
        return configure(file, environment=os.environ, options={**options, **listed}).settings

    try:
        settings = read()
    except Misconfigured as error:
        raise Misuse(str(error)) from None
    from chatapp.registry.program.server import run

    files = [file for file in (config, *lists.values()) if file]

    def read_again() -> "Settings":
        check_readable_again(files)
        return read()

    return run(port=number, settings=settings, again=read_again if files else None, quiet=quiet)


def visit(
    words: Sequence[str],
    *,
    host: str | None = None,
    port: str | None = None,
    queue: str | None = None,
    registry_key: str | None = None,
    data: str | None = None,
    plain: bool = False,
    quiet: bool = False,
    stay: bool = False,
    lang: str | None = None,
    log_level: str = DEFAULT_LOG_LEVEL,
) -> int:
    """Run a visitor of the help desk. `host`, `port`: the server's, as given by options."""
    named = server_words(words, host=host, port=port)
    given = [one for one in (named.host, named.port, *named.rest) if one is not None]
    host, server_port = counted(given, "--desk", _DESK_ARGUMENTS)
    found = servers_from(host, parse_port(server_port, "server-port"))
    name = name_from(queue, "--queue") if queue else ""
    demanded = registry_key_from(registry_key, os.environ)
    language = language_from(lang)
    _load_asyncio()
    from chatapp.peer.faces.line.visitor import run

    return run(
        servers=found,
        registry_key=demanded,
        data=folder_from(data),
        queue=name,
        plain=plain,
        quiet=quiet,
        stay=stay,
        language=language,
        log_level=log_level,
    )


def talk(
    words: Sequence[str],
    *,
    host: str | None = None,
    port: str | None = None,
    room: str | None = None,
    ack_timeout: str | None = None,
    code: str | None = None,
    registry_key: str | None = None,
    announced_key: str | None = None,
    data: str | None = None,
    face: Face | None = None,
    quiet: bool | None = None,
    stay: bool = False,
    log_level: str = DEFAULT_LOG_LEVEL,
    is_daemon: bool = False,
) -> int:
    """Run a peer at its terminal, or without one (`is_daemon`). `host`, `port`: the server's, as
    given by options. `announced_key`: the fingerprint with which the server was announced on the
    local network. `face`, `quiet`: None for what the user's preferences say. Without any server,
    the peer goes to the one of its last start."""
    mode = "daemon" if is_daemon else "-c"
    if not words:
        counted(words, mode, _CLIENT_ARGUMENTS[:_CLIENT_NEEDS])
    me = own_name_from(words[0])
    named = server_words(words[1:], host=host, port=port)
    folder = folder_from(data)
    servers, own_port = _places(mode, words[0], named)
    entered = None if room is None else name_from(room.removeprefix("#"), "--room")
    timeout = None
    if ack_timeout is not None:
        timeout = seconds_from(
            ack_timeout, "--ack-timeout", least=_ACK_TIMEOUT_LEAST, most=_ACK_TIMEOUT_MOST
        )
    # A script must not depend on the preferences of the person who runs it.
    prefers = (
        preferences_in(folder or default_home())
        if is_terminal() and not is_daemon
        else Preferences()
    )
    chosen = face or prefers.face
    plain = is_daemon or chosen is Face.PLAIN
    shown, demanded = code_from(code, os.environ), registry_key_from(registry_key, os.environ)
    if servers is not None:
        found = found_servers(servers)
    else:
        found, announced_key = server_to_use(me, folder, may_ask=not plain)
    _load_asyncio()
    if is_daemon:
        from chatapp.peer.faces.line.daemon import run as run_daemon

        return run_daemon(
            name=me,
            servers=found,
            registry_key=demanded,
            port=own_port,
            data=folder,
            room=entered,
            ack_timeout=timeout,
            code=shown,
            log_level=log_level,
        )
    from chatapp.peer.faces.line.main import run
    from chatapp.peer.faces.program import StartOptions

    wanted = StartOptions(
        name=me,
        servers=found,
        registry_key=demanded,
        announced_key=announced_key,
        port=own_port,
        home=folder or default_home(),
        room=entered,
        ack_timeout=timeout,
        code=shown,
        stay=stay,
        quiet=prefers.quiet if quiet is None else quiet,
        is_full=chosen is Face.FULL,
    )
    return run(
        wanted,
        plain=plain,
        log_level=log_level,
        ask_name=ask_another_name if not plain and is_terminal() else None,
        may_show_lines=face is None,
    )


def _places(mode: str, name: str, named: ServerWords) -> tuple[tuple[Address, ...] | None, int]:
    """Return the servers that the words of a peer name, None for none, and the peer's own port.
    Raises Misuse, AddressRefused."""
    if named.host is None and named.port is None:
        return None, _ANY_PORT
    if named.host is None:
        raise Misuse("--port is the server's port: say --host, too")
    words = [one for one in (name, named.host, named.port, *named.rest) if one is not None]
    arguments = (
        _CLIENT_ARGUMENTS if len(words) > _CLIENT_NEEDS else _CLIENT_ARGUMENTS[:_CLIENT_NEEDS]
    )
    _, host, port, *own = counted(words, mode, arguments)
    servers = parse_servers(host, parse_port(port, "server-port"), "server-ip")
    return servers, _ANY_PORT if own in ([], [str(_ANY_PORT)]) else parse_port(
        own[0], "client-port"
    )


def server_to_use(name: PeerName, folder: Path | None, *, may_ask: bool) -> ServerChoice:
    """Return the servers of the last start with this name; if there is none, ask for them where
    somebody can be asked. Raises Misuse, AddressRefused."""
    from chatapp.peer.node.starts import start_of

    if may_ask and is_terminal() and start_of(folder or default_home(), name) is None:
        return ask_server(None, look_around()())
    return ServerChoice(remembered_server(name, folder))


def remembered_server(
    name: PeerName,
    folder: Path | None,
    *,
    usage: str = "-c {name} <server-ip> <server-port> <client-port>",
) -> tuple[Address, ...]:
    """Return the servers of the last start with this name. Raises Misuse with the command line
    `usage` if there is none, AddressRefused."""
    from chatapp.peer.node.starts import start_of

    start = start_of(folder or default_home(), name)
    if start is None:
        example = usage.format(name=name)
        raise Misuse(
            f'the name "{name}" has not been used here yet, so its server is not known: type ChatApp {example}'
        )
    return found_servers(start.servers)


def _load_asyncio() -> None:
    """Load asyncio without ssl, which nothing here uses, and whose loading takes 3 % of a start.
    asyncio allows for Pythons that are built without it."""
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401
    finally:
        del sys.modules["ssl"]  # code that needs ssl can still import it


def open_closed_streams() -> None:
    """Open standard streams that were closed as empty ones: a socket would get their number
    otherwise, and be written to."""
    for descriptor, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The system gives out the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
