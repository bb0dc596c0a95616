"""`ChatApp web`: the arguments of the web desk; `peer.web` serves it."""

import os
import sys
from typing import Annotated, Final

import typer

from chatapp.options import CONTEXT, QUIET, Data, Logging, RegistryKey, command_line
from chatapp.validation import (
    Misuse,
    check_options,
    counted,
    folder_from,
    language_from,
    listening_from,
    name_from,
    networks_from,
    registry_key_from,
    servers_from,
)
from chatapp.wire.address import parse_port

_ARGUMENTS: Final = ("server-ip", "server-port")
_LISTEN: Final = "127.0.0.1:8080"
_TITLE_MAX: Final = 80
_LIBRARIES: Final = frozenset({"h11", "python_multipart", "starlette", "uvicorn"})
_FAILED: Final = 1

app: Final = command_line()


@app.command(
    "web",
    epilog="Behind a proxy with TLS: docs/helpdesk.md. Exit status: 0 ended by a signal, 1 cannot serve, 2 misused.",
    context_settings=CONTEXT,
)
def web(
    words: Annotated[list[str] | None, typer.Argument(metavar="SERVER-IP SERVER-PORT")] = None,
    listen: Annotated[
        str, typer.Option(metavar="[ADDRESS:]PORT", help="Where browsers find it; a port alone: 127.0.0.1.")
    ] = _LISTEN,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS|NETWORK",
            help="A proxy whose X-Forwarded-For and X-Forwarded-Proto are believed (repeatable).",
        ),
    ] = None,
    queue: Annotated[
        str | None, typer.Option(metavar="NAME", help="The queue to join; by default the first one.")
    ] = None,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The name of the desk on its pages.")
    ] = None,
    lang: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="en or hi, for browsers that ask for neither.")
    ] = None,
    data: Data = None,
    log_level: Logging = QUIET,
    registry_key: RegistryKey = None,
) -> int:
    """Let visitors use a help desk with nothing but a browser."""
    words = words or []
    check_options(words)
    host, server_port = counted(words, "web", _ARGUMENTS)
    there = parse_port(server_port, "server-port")
    listen_at, proxies = listening_from(listen, "--listen"), networks_from(proxy or [], "--proxy")
    of = name_from(queue, "--queue") if queue else ""
    name = " ".join((title or "").split())
    if len(name) > _TITLE_MAX:
        raise Misuse(f"--title: has more than {_TITLE_MAX} characters")
    language, folder = language_from(lang), folder_from(data)
    demanded = registry_key_from(registry_key, os.environ)
    found = servers_from(host, there)
    try:
        from chatapp.peer.web.visitors.main import run
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in _LIBRARIES:
            raise
        print("ChatApp: web needs the extra web: pip install 'chatapp[web]'", file=sys.stderr)
        return _FAILED
    return run(
        servers=found,
        registry_key=demanded,
        listen_at=listen_at,
        proxies=proxies,
        queue=of,
        title=name,
        language=language,
        data=folder,
        log_level=log_level.value,
    )
