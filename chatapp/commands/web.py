"""`ChatApp web`: the arguments of the web desk; `peer.faces.web` serves it."""

import ipaddress
import os
import sys
from typing import Annotated, Final

import typer

from chatapp.options import CONTEXT, QUIET, Code, Data, Logging, LogLevel, RegistryKey, command_line
from chatapp.validation import (
    Misuse,
    check_options,
    code_from,
    counted,
    folder_from,
    hosts_from,
    language_from,
    listening_from,
    name_from,
    networks_from,
    own_name_from,
    registry_key_from,
    servers_from,
)
from chatapp.wire.address import parse_port
from chatapp.wire.errors import needs_extra

_ARGUMENTS: Final = ("server-ip", "server-port")
_LISTEN: Final = "127.0.0.1:8080"
_LISTEN_AS: Final = "127.0.0.1:8081"
_OF_VISITORS: Final = "it is for the page of visitors, not for an operator's (--as)"
_TITLE_MAX: Final = 80
_LIBRARIES: Final = frozenset({"h11", "starlette", "uvicorn"})
_FAILED: Final = 1

app: Final = command_line()


@app.command(
    "web",
    epilog="Behind a proxy with TLS: docs/howto/helpdesk.md. Exit status: 0 ended by a signal, 1 cannot serve, 2 misused.",
    context_settings=CONTEXT,
)
def web(
    words: Annotated[list[str] | None, typer.Argument(metavar="SERVER-IP SERVER-PORT")] = None,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="Serve the page of this operator, for this machine alone."
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS:]PORT",
            help="Where browsers find it; a port alone: 127.0.0.1.",
            show_default=f"{_LISTEN}; with --as {_LISTEN_AS}",
        ),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS|NETWORK",
            help="A proxy whose X-Forwarded-For and X-Forwarded-Proto are believed (repeatable).",
        ),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="NAME",
            help="A name under which browsers reach it, beside localhost and IP addresses (repeatable).",
        ),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The queue to join; by default the first one."),
    ] = None,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The name of the desk on its pages.")
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option(metavar="LANGUAGE", help="en or hi, for browsers that ask for neither."),
    ] = None,
    data: Data = None,
    log_level: Logging = QUIET,
    registry_key: RegistryKey = None,
    code: Code = None,
) -> int:
    """Let visitors use a help desk with nothing but a browser; or, with --as, an operator."""
    words = words or []
    check_options(words)
    server, server_port = counted(words, "web", _ARGUMENTS)
    there = parse_port(server_port, "server-port")
    if as_ is not None:
        of_visitors = {
            "--proxy": proxy,
            "--host": host,
            "--queue": queue,
            "--title": title,
            "--lang": lang,
        }
        for option, value in of_visitors.items():
            if value:
                raise Misuse(f"{option}: {_OF_VISITORS}")
        return _serve_operator(
            as_, server, there, listen or _LISTEN_AS, code, data, log_level, registry_key
        )
    if code is not None:
        raise Misuse("--code: only an operator (--as) has a join code")
    listen_at = listening_from(listen or _LISTEN, "--listen")
    proxies = networks_from(proxy or [], "--proxy")
    hosts = hosts_from(host or [], "--host")
    of = name_from(queue, "--queue") if queue else ""
    name = " ".join((title or "").split())
    if len(name) > _TITLE_MAX:
        raise Misuse(f"--title: has more than {_TITLE_MAX} characters")
    language, folder = language_from(lang), folder_from(data)
    demanded = registry_key_from(registry_key, os.environ)
    found = servers_from(server, there)
    try:
        from chatapp.peer.faces.web.visitors.main import run
    except ModuleNotFoundError as missing:
        return _lacks(missing)
    return run(
        servers=found,
        registry_key=demanded,
        listen_at=listen_at,
        proxies=proxies,
        hosts=hosts,
        queue=of,
        title=name,
        language=language,
        data=folder,
        log_level=log_level.value,
    )


def _serve_operator(
    name: str,
    host: str,
    port: int,
    listen: str,
    code: str | None,
    data: str | None,
    log_level: LogLevel,
    registry_key: str | None,
) -> int:
    listen_at = listening_from(listen, "--listen")
    if not ipaddress.ip_address(listen_at.host).is_loopback:
        raise Misuse("--listen: an operator's page is for this machine alone: 127.0.0.1 or [::1]")
    me, folder = own_name_from(name, "--as"), folder_from(data)
    shown, demanded = code_from(code, os.environ), registry_key_from(registry_key, os.environ)
    found = servers_from(host, port)
    try:
        from chatapp.peer.faces.web.operators.main import run
    except ModuleNotFoundError as missing:
        return _lacks(missing)
    return run(
        name=me,
        servers=found,
        registry_key=demanded,
        code=shown,
        listen_at=listen_at,
        data=folder,
        log_level=log_level.value,
    )


def _lacks(missing: ModuleNotFoundError) -> int:
    """Say which extra is not installed; raise the error again if it is about something else.
    Returns the exit status."""
    if missing.name is None or missing.name.partition(".")[0] not in _LIBRARIES:
        raise missing
    print(f"ChatApp: web {needs_extra('web')}", file=sys.stderr)
    return _FAILED
