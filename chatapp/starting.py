"""Start a registry, a peer or a visitor of the help desk from the words of a command line.

Each function returns the exit status and raises Misuse, NameRefused or AddressRefused for a wrong
word. Each imports its program itself, so that a peer never loads the registry.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatapp.options import DEFAULT_LOG_LEVEL, PeerOptions, RegistryOptions, VisitorOptions
from chatapp.preferences import Face, Preferences, preferences_in
from chatapp.questions import ServerChoice, ask_another_name, ask_server, is_terminal, look_around
from chatapp.system import load_without
from chatapp.validation import (
    Misuse,
    ServerWords,
    check_readable_again,
    code_from,
    counted,
    folder_from,
    found_servers,
    is_of_web,
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
from chatapp.wire.errors import needs_extra
from chatapp.wire.folders import default_home
from chatapp.wire.names import PeerName

if TYPE_CHECKING:
    from chatapp.peer.api.files import AutoAccept
    from chatapp.peer.faces.program import Beside
    from chatapp.registry.program.settings import Settings


_OF_REGISTRY: Final = RegistryOptions()
_OF_PEER: Final = PeerOptions()
_OF_VISITOR: Final = VisitorOptions()

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


def serve(words: Sequence[str], options: RegistryOptions = _OF_REGISTRY) -> int:
    """Run a registry."""
    port = [] if options.port is None else [options.port]
    (port_text,) = counted([*words, *port], "-s", _SERVER_ARGUMENTS)
    number = parse_port(port_text, "port")
    folder_from(options.data)
    from chatapp.registry.program.settings import (
        OPTIONS,
        Misconfigured,
        Reading,
        configure,
        value_typed,
    )

    file = Path(options.config) if options.config else None
    given = {key: getattr(options, key, None) for key in OPTIONS} | {"log_level": options.level()}
    typed = {key: value for key, value in given.items() if value not in (None, False, [])}
    files = {key: text for key, text in typed.items() if OPTIONS[key].reading is Reading.FILE}

    def read() -> "Settings":
        lists = {key: listed_in(text, OPTIONS[key].spelling) for key, text in files.items()}
        values = {key: value_typed(key, value) for key, value in typed.items()}
        return configure(file, environment=os.environ, options=values | lists).settings

    try:
        settings = read()
    except Misconfigured as error:
        raise Misuse(str(error)) from None
    from chatapp.registry.program.server import run

    named = [text for text in (options.config, *files.values()) if text]

    def read_again() -> "Settings":
        check_readable_again(named)
        return read()

    again = read_again if named else None
    return run(port=number, settings=settings, again=again, quiet=bool(options.quiet))


def visit(words: Sequence[str], options: VisitorOptions = _OF_VISITOR) -> int:
    """Run a visitor of the help desk."""
    named = server_words(words, host=options.host, port=options.port)
    given = [word for word in (named.host, named.port, *named.rest) if word is not None]
    host, server_port = counted(given, "--desk", _DESK_ARGUMENTS)
    found = servers_from(host, parse_port(server_port, "server-port"))
    name = name_from(options.queue, "--queue") if options.queue else ""
    demanded = registry_key_from(options.registry_key, os.environ)
    language = language_from(options.lang)
    _load_asyncio()
    from chatapp.peer.faces.line.main import run_visit
    from chatapp.peer.faces.program import VisitOptions

    wanted = VisitOptions(
        servers=found,
        registry_key=demanded,
        queue=name,
        data=folder_from(options.data),
        stay=options.stay,
        quiet=bool(options.quiet),
        language=language,
    )
    return run_visit(wanted, plain=options.plain, log_level=options.level() or DEFAULT_LOG_LEVEL)


def talk(
    words: Sequence[str],
    options: PeerOptions = _OF_PEER,
    *,
    announced_key: str | None = None,
    is_daemon: bool = False,
) -> int:
    """Run a peer at its terminal, or without one (`is_daemon`). `announced_key`: the fingerprint
    with which the server was announced on the local network. Without any server, the peer goes to
    the one of its last start."""
    face = options.face()
    mode = "daemon" if is_daemon else "-c"
    if not words:
        counted(words, mode, _CLIENT_ARGUMENTS[:_CLIENT_NEEDS])
    me = own_name_from(words[0])
    named = server_words(words[1:], host=options.host, port=options.port)
    folder = folder_from(options.data)
    servers, own_port = _places(mode, words[0], named)
    rooms = tuple(name_from(room.removeprefix("#"), "--room") for room in options.room or ())
    timeout = None
    if options.ack_timeout is not None:
        timeout = seconds_from(
            options.ack_timeout, "--ack-timeout", least=_ACK_TIMEOUT_LEAST, most=_ACK_TIMEOUT_MOST
        )
    # A script must not depend on the preferences of the person who runs it.
    home = folder or default_home()
    prefers = preferences_in(home) if is_terminal() or is_daemon else Preferences()
    chosen = face or prefers.face
    plain = is_daemon or chosen is Face.PLAIN
    code = code_from(options.code, os.environ)
    demanded = registry_key_from(options.registry_key, os.environ)
    if servers is not None:
        found = found_servers(servers)
    else:
        found, announced_key = server_to_use(me, folder, may_ask=not plain)
    level = options.level() or DEFAULT_LOG_LEVEL
    _load_asyncio()
    from chatapp.peer.faces.program import StartOptions

    wanted = StartOptions(
        name=me,
        servers=found,
        registry_key=demanded,
        announced_key=announced_key,
        port=own_port,
        home=home,
        rooms=rooms,
        ack_timeout=timeout,
        code=code,
        stay=options.stay,
        quiet=prefers.quiet if options.quiet is None else options.quiet,
        is_full=chosen is Face.FULL,
        slow_link=options.slow or prefers.slow,
        downloads=folder_from(options.downloads, "--downloads") or prefers.downloads,
        auto_accept=_auto_accept(prefers),
        gives_marks=options.seen or prefers.seen,
    )
    if is_daemon:
        from chatapp.peer.faces.line.daemon import run as run_daemon

        return run_daemon(wanted, log_level=level)
    from chatapp.peer.faces.line.main import run

    return run(
        wanted,
        plain=plain,
        log_level=level,
        ask_name=ask_another_name if not plain and is_terminal() else None,
        may_show_lines=face is None,
        beside=_page_beside(prefers) if options.web else None,
    )


def _auto_accept(prefers: Preferences) -> "AutoAccept | None":
    """Return whose files are fetched without a question."""
    if not prefers.auto_accept:
        return None
    from chatapp.peer.api.files import AutoAccept

    return AutoAccept(people=prefers.auto_accept, size_most=prefers.auto_accept_size)


def _page_beside(prefers: Preferences) -> "Beside":
    """Return what serves a page beside a terminal. Raises Misuse where its libraries are missing."""
    try:
        from chatapp.peer.faces.web.members.main import page_beside
    except ModuleNotFoundError as missing:
        if not is_of_web(missing):
            raise
        raise Misuse(f"--web {needs_extra('web')}") from None
    return partial(page_beside, uploads=prefers.page_files)


def _places(mode: str, name: str, named: ServerWords) -> tuple[tuple[Address, ...] | None, int]:
    """Return the servers that the words of a peer name, None for none, and the peer's own port.
    Raises Misuse, AddressRefused."""
    if named.host is None and named.port is None:
        return None, _ANY_PORT
    if named.host is None:
        raise Misuse("--port is the server's port: say --host, too")
    words = [word for word in (name, named.host, named.port, *named.rest) if word is not None]
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
    load_without("asyncio", "ssl")


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
