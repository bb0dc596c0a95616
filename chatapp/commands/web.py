"""`ChatApp web`: the arguments of the web desk; `peer.faces.web` serves it."""

import ipaddress
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import typer

from chatapp.commands.parsing import (
    QUIET,
    Code,
    Data,
    Logging,
    RegistryKey,
    single_command,
)
from chatapp.peer.faces.web.limits import ACCOUNTS_MAX
from chatapp.validation import (
    Misuse,
    check_options,
    code_from,
    counted,
    folder_from,
    hosts_from,
    is_of_web,
    language_from,
    listening_from,
    name_from,
    networks_from,
    own_name_from,
    registry_key_from,
    servers_from,
)
from chatapp.wire.address import Address, parse_port
from chatapp.wire.errors import needs_extra

_ARGUMENTS: Final = ("server-ip", "server-port")
_LISTEN: Final = "127.0.0.1:8080"
_LISTEN_AS: Final = "127.0.0.1:8081"
_OF_VISITORS: Final = "it is for the page of visitors, not for a person's own (--as)"
_TITLE_MAX: Final = 80
_FAILED: Final = 1


class WebOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `ChatApp web`."""

    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Serve this person's own page, for this machine alone, without a terminal.",
        ),
    ] = None
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS:]PORT",
            help="Where browsers find it; a port alone: 127.0.0.1.",
            show_default=f"{_LISTEN}; with --as {_LISTEN_AS}",
        ),
    ] = None
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS|NETWORK",
            help="A proxy whose X-Forwarded-For and X-Forwarded-Proto are believed (repeatable).",
        ),
    ] = None
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name under which browsers reach it, beside localhost and IP addresses "
            "(repeatable).",
        ),
    ] = None
    queue: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The queue to join; by default the first one."),
    ] = None
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The name of the desk on its pages.")
    ] = None
    lang: Annotated[
        str | None,
        typer.Option(metavar="LANGUAGE", help="en or hi, for browsers that ask for neither."),
    ] = None
    members: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            help="Let so many people have accounts and sign in; by default nobody.",
        ),
    ] = None
    data: Data = None
    log_level: Logging = QUIET
    registry_key: RegistryKey = None
    code: Code = None


def web(words: list[str], options: WebOptions) -> int:
    """Let visitors use a help desk with nothing but a browser; or, with --as, one person."""
    check_options(words)
    host, port_text = counted(words, "web", _ARGUMENTS)
    port = parse_port(port_text, "server-port")
    try:
        if options.as_ is not None:
            return _serve_person(options.as_, host, port, options)
        return _serve_visitors(host, port, options)
    except ModuleNotFoundError as missing:
        return _lacks(missing)


def _serve_person(name: str, host: str, port: int, options: WebOptions) -> int:
    of_visitors = {
        "--proxy": options.proxy,
        "--host": options.host,
        "--queue": options.queue,
        "--members": options.members,
        "--lang": options.lang,
        "--title": options.title,
    }
    for option, value in of_visitors.items():
        if value:
            raise Misuse(f"{option}: {_OF_VISITORS}")
    listen_at = listening_from(options.listen or _LISTEN_AS, "--listen")
    if not ipaddress.ip_address(listen_at.host).is_loopback:
        raise Misuse("--listen: a person's own page is for this machine alone: 127.0.0.1 or [::1]")
    me, folder = own_name_from(name, "--as"), folder_from(options.data)
    code = code_from(options.code, os.environ)
    demanded = registry_key_from(options.registry_key, os.environ)
    found = servers_from(host, port)
    from chatapp.peer.faces.web.members.alone import PageOptions, run

    page = PageOptions(
        name=me,
        servers=found,
        registry_key=demanded,
        code=code,
        listen_at=listen_at,
        data=folder,
    )
    return run(page, log_level=options.log_level.value)


def _title_from(options: WebOptions) -> str:
    title = " ".join((options.title or "").split())
    if len(title) > _TITLE_MAX:
        raise Misuse(f"--title: has more than {_TITLE_MAX} characters")
    return title


def _members_from(count: int | None, *, is_private: bool) -> int:
    if count is None:
        return 0
    if not 1 <= count <= ACCOUNTS_MAX:
        raise Misuse(f"--members: has to be between 1 and {ACCOUNTS_MAX:,}")
    if not is_private:
        raise Misuse(
            "--members: passphrases go by https alone: listen at 127.0.0.1, and name a proxy with TLS"
        )
    return count


def _is_private(listen_at: Address, proxies: Sequence[str]) -> bool:
    """Whether nobody but this machine and a proxy is to reach the port."""
    return bool(proxies) or ipaddress.ip_address(listen_at.host).is_loopback


def _serve_visitors(host: str, port: int, options: WebOptions) -> int:
    if options.code is not None:
        raise Misuse("--code: only a person (--as) has a join code")
    listen_at = listening_from(options.listen or _LISTEN, "--listen")
    proxies = networks_from(options.proxy or [], "--proxy")
    hosts = hosts_from(options.host or [], "--host")
    members = _members_from(options.members, is_private=_is_private(listen_at, proxies))
    queue = name_from(options.queue, "--queue") if options.queue else ""
    title = _title_from(options)
    language, folder = language_from(options.lang), folder_from(options.data)
    demanded = registry_key_from(options.registry_key, os.environ)
    found = servers_from(host, port)
    from chatapp.peer.faces.web.visitors.main import GatewayOptions, run

    gateway = GatewayOptions(
        servers=found,
        registry_key=demanded,
        listen_at=listen_at,
        proxies=proxies,
        hosts=hosts,
        queue=queue,
        title=title,
        language=language,
        data=folder,
        members=members,
    )
    return run(gateway, log_level=options.log_level.value)


web_app: Final = single_command(
    web,
    WebOptions,
    typer.Argument(metavar="SERVER-IP SERVER-PORT"),
    epilog="Behind a proxy with TLS: docs/howto/web-desk.md. "
    "Exit status: 0 ended by a signal, 1 cannot serve, 2 misused.",
)


def _lacks(missing: ModuleNotFoundError) -> int:
    """Say which extra is not installed; raise the error again if it is about something else.
    Returns the exit status."""
    if not is_of_web(missing):
        raise missing
    print(f"ChatApp: web {needs_extra('web')}", file=sys.stderr)
    return _FAILED
