"""Start a registry, a peer or a visitor of the help desk from the words of a command line.

Each function returns the exit status and raises Misuse, NameRefused or AddressRefused for a wrong word. Each imports its
program itself, so that a peer never loads the registry.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatapp.validation import (
    Misuse,
    check_readable_again,
    code_from,
    counted,
    folder_from,
    listed_in,
    name_from,
    registry_key_from,
    seconds_from,
    server_from,
)
from chatapp.wire.address import parse_port

if TYPE_CHECKING:
    from chatapp.registry.settings import Settings


_SERVER_ARGUMENTS: Final = ("port",)
_CLIENT_ARGUMENTS: Final = ("name", "server-ip", "server-port", "client-port")
_DESK_ARGUMENTS: Final = ("server-ip", "server-port")

_ACK_TIMEOUT_LEAST: Final = 0.1
"""Seconds in which a peer far away, or one with a slow disk, can still answer."""
_ACK_TIMEOUT_MOST: Final = 3.0
"""Seconds. All five tries of a message must fit the 15 s for which its recipient holds later ones back."""


def serve(
    words: Sequence[str],
    config: str | None,
    options: Mapping[str, object],
    lists: Mapping[str, str | None],
) -> int:
    """Run a registry. `options` overrule the file `config`; `lists` names the files of who may come in and who may not."""
    (port_text,) = counted(words, "-s", _SERVER_ARGUMENTS)
    port = parse_port(port_text, "port")
    folder_from(str(options["data"]) if options["data"] is not None else None)
    from chatapp.registry.settings import Misconfigured, configure

    def read() -> "Settings":
        listed = {key: listed_in(file, f"--{key}") for key, file in lists.items()}
        file = Path(config) if config else None
        return configure(file, environment=os.environ, options={**options, **listed}).settings

    try:
        settings = read()
    except Misconfigured as wrong:
        raise Misuse(str(wrong)) from None
    from chatapp.registry.server import run

    files = [file for file in (config, *lists.values()) if file]

    def read_again() -> "Settings":
        check_readable_again(files)
        return read()

    return run(port=port, settings=settings, again=read_again if files else None)


def visit(
    words: Sequence[str],
    *,
    queue: str | None,
    registry_key: str | None,
    data: str | None,
    plain: bool,
    stay: bool,
    log_level: str,
) -> int:
    """Run a visitor of the help desk."""
    host, server_port = counted(words, "--desk", _DESK_ARGUMENTS)
    port = parse_port(server_port, "server-port")
    found = server_from(host, port)
    name = name_from(queue, "--queue") if queue else ""
    demanded = registry_key_from(registry_key, os.environ)
    from chatapp.peer.visitor.face import run

    return run(
        server=found,
        registry_key=demanded,
        data=folder_from(data),
        queue=name,
        plain=plain,
        stay=stay,
        log_level=log_level,
    )


def talk(
    words: Sequence[str],
    *,
    room: str | None,
    ack_timeout: str | None,
    code: str | None,
    registry_key: str | None,
    data: str | None,
    plain: bool,
    stay: bool,
    log_level: str,
) -> int:
    """Run a peer at its terminal."""
    name, host, server_port, client_port = counted(words, "-c", _CLIENT_ARGUMENTS)
    me = name_from(name)
    entered = None if room is None else name_from(room.removeprefix("#"), "--room")
    ports = parse_port(server_port, "server-port"), parse_port(client_port, "client-port")
    timeout = None
    if ack_timeout is not None:
        timeout = seconds_from(ack_timeout, "--ack-timeout", least=_ACK_TIMEOUT_LEAST, most=_ACK_TIMEOUT_MOST)
    folder = folder_from(data)
    shown, demanded = code_from(code, os.environ), registry_key_from(registry_key, os.environ)
    found = server_from(host, ports[0])
    from chatapp.peer.ui.main import run

    return run(
        name=me,
        server=found,
        registry_key=demanded,
        port=ports[1],
        data=folder,
        plain=plain,
        stay=stay,
        room=entered,
        ack_timeout=timeout,
        code=shown,
        log_level=log_level,
    )


def open_closed_streams() -> None:
    """Open standard streams that were closed as empty ones: a socket would get their number otherwise, and be written to."""
    for descriptor, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The system gives out the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
