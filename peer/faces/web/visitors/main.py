"""`ChatApp web`: open the gateway and the port, and serve visitors until a signal ends that."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from chatapp.peer.api import visit_events
from chatapp.peer.faces.program import start_logging
from chatapp.peer.faces.running import FAILED, INTERRUPTED
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.limits import CONNECTIONS_MAX, DESCRIPTORS_PER_SESSION, SESSIONS_MAX
from chatapp.peer.faces.web.server import allow_descriptors, connections_for, listen, serve
from chatapp.peer.faces.web.visitors.app import VisitorApp
from chatapp.peer.faces.web.visitors.gateway import Gateway
from chatapp.peer.faces.web.visitors.texts import TEXTS
from chatapp.peer.words.catalog import ENGLISH, catalog_of
from chatapp.peer.words.visitor import VisitorTexts
from chatapp.wire.address import Address
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import default_home

_OTHER_DESCRIPTORS: Final = 1_024
"""Descriptors beside those of visits and connections: files, the program's own."""


def run(
    *,
    servers: Sequence[Address],
    registry_key: str | None,
    listen_at: Address,
    proxies: Sequence[str],
    hosts: Sequence[str],
    queue: str,
    title: str,
    language: str | None,
    data: Path | None,
    log_level: str,
) -> int:
    """Serve visitors of a help desk at `listen_at`. `language`: of browsers that ask for none of
    ours; None: English. All else is as in `Gateway`, `serve` and `VisitorApp`. Returns the exit
    status."""
    start_logging(log_level)
    descriptors = allow_descriptors(
        CONNECTIONS_MAX + DESCRIPTORS_PER_SESSION * SESSIONS_MAX + _OTHER_DESCRIPTORS
    )
    budget = WebBudget(connections=connections_for(descriptors), proxied=bool(proxies))
    try:
        return asyncio.run(
            _run(
                servers,
                registry_key,
                listen_at,
                proxies,
                hosts,
                queue,
                title,
                language or ENGLISH,
                data,
                budget,
            )
        )
    except KeyboardInterrupt:
        return INTERRUPTED


async def _run(
    servers: Sequence[Address],
    registry_key: str | None,
    listen_at: Address,
    proxies: Sequence[str],
    hosts: Sequence[str],
    queue: str,
    title: str,
    language: str,
    data: Path | None,
    budget: WebBudget,
) -> int:
    until: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as undo:
        try:
            listener = listen(listen_at)
            undo.callback(listener.close)
            gateway = Gateway(
                servers,
                registry_key=registry_key,
                queue=queue,
                home=data or default_home(),
                language=language,
                tell=partial(_tell, until=until),
            )
            undo.push_async_callback(gateway.close)
            _say(TEXTS[ENGLISH]("terminal.serving", place=Address(*listener.getsockname()[:2])))
            _say(TEXTS[ENGLISH]("terminal.key", key=gateway.fingerprint.replace(" ", "")))
            gateway.open()
        except OSError as error:
            return _refuse(f"{error.filename or ''}: {error.strerror or error}")
        except ChatAppError as error:
            return _refuse(str(error))
        forwarded = None if proxies else _warn_of_proxy
        return await serve(
            VisitorApp(gateway, title=title, hosts=hosts, forwarded=forwarded, budget=budget).asgi,
            listener,
            proxies=proxies,
            until=until,
            ending=gateway.end_streams,
            budget=budget,
        )


def _tell(event: visit_events.VisitEvent, *, until: asyncio.Future[int]) -> None:
    """Print what the terminal is told of an event; end the program if it cannot serve anybody."""
    for line in _LINES.lines_of(event):
        _say(line)
    if isinstance(event, visit_events.QueueUnknown) and not until.done():
        until.set_result(FAILED)


def _warn_of_proxy() -> None:
    _say(TEXTS[ENGLISH]("terminal.proxy"))


_LINES: Final = VisitorTexts(catalog_of(ENGLISH))


def _say(line: str) -> None:
    print(line, flush=True)


def _refuse(why: str) -> int:
    """Say why the program cannot run. Returns the exit status."""
    print(f"ChatApp: {why}", file=sys.stderr)
    return FAILED
