"""`ChatApp web`: open the gateway and the port, and serve visitors until a signal ends that."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.api import visit_events
from chatapp.peer.faces.program import FAILED, INTERRUPTED, start_logging
from chatapp.peer.faces.web.accounts.accounts import Accounts
from chatapp.peer.faces.web.accounts.app import AccountPages
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.limits import (
    CONNECTIONS_MAX,
    DESCRIPTORS_PER_MEMBER,
    DESCRIPTORS_PER_SESSION,
    SESSIONS_MAX,
)
from chatapp.peer.faces.web.page import compile_templates
from chatapp.peer.faces.web.server import (
    allow_descriptors,
    connections_for,
    listen,
    refuse,
    say,
    serve,
)
from chatapp.peer.faces.web.visitors.app import VisitorApp
from chatapp.peer.faces.web.visitors.gateway import Gateway
from chatapp.peer.faces.web.visitors.texts import TEXTS
from chatapp.peer.words import accounts as words
from chatapp.peer.words.catalog import ENGLISH, catalog_of
from chatapp.peer.words.visitor import VisitorTexts
from chatapp.wire.address import Address
from chatapp.wire.aio.loops import serving_loop
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import default_home

_OTHER_DESCRIPTORS: Final = 1_024
"""Descriptors beside those of visits and connections: files, the program's own."""


class GatewayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `ChatApp web` was asked for. All else is as in `Gateway`, `serve` and `VisitorApp`."""

    servers: Sequence[Address]
    registry_key: str | None
    listen_at: Address
    proxies: Sequence[str]
    hosts: Sequence[str]
    queue: str
    title: str
    language: str | None
    """Of browsers that ask for none of ours; None: English."""
    data: Path | None
    members: int = 0
    """How many people may have accounts; 0: the gateway serves visitors alone."""


def run(options: GatewayOptions, *, log_level: str) -> int:
    """Serve visitors of a help desk. Returns the exit status."""
    start_logging(log_level)
    compile_templates("visitors")
    descriptors = allow_descriptors(
        CONNECTIONS_MAX
        + DESCRIPTORS_PER_SESSION * SESSIONS_MAX
        + DESCRIPTORS_PER_MEMBER * options.members
        + _OTHER_DESCRIPTORS
    )
    budget = WebBudget(connections=connections_for(descriptors), proxied=bool(options.proxies))
    try:
        with asyncio.Runner(loop_factory=serving_loop) as runner:
            return runner.run(_run(options, budget))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _run(options: GatewayOptions, budget: WebBudget) -> int:
    until: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as undo:
        try:
            listener = listen(options.listen_at)
            undo.callback(listener.close)
            gateway = Gateway(
                options.servers,
                registry_key=options.registry_key,
                queue=options.queue,
                home=options.data or default_home(),
                language=options.language or ENGLISH,
                tell=partial(_tell, until=until),
            )
            undo.push_async_callback(gateway.close)
            say(TEXTS[ENGLISH]("terminal.serving", place=Address(*listener.getsockname()[:2])))
            say(TEXTS[ENGLISH]("terminal.key", key=gateway.fingerprint.replace(" ", "")))
            gateway.open()
            accounts = None if not options.members else _accounts(gateway, options)
            if accounts is not None:
                accounts.open()
                undo.push_async_callback(accounts.close)
                say(words.members_line(len(accounts), options.members))
        except OSError as error:
            return refuse([f"ChatApp: {error.filename or ''}: {error.strerror or error}"])
        except ChatAppError as error:
            return refuse([f"ChatApp: {error}"])
        app = VisitorApp(
            gateway,
            title=options.title,
            hosts=options.hosts,
            forwarded=None if options.proxies else _warn_of_proxy,
            budget=budget,
            beside=[]
            if accounts is None
            else AccountPages(accounts, budget, title=options.title).routes,
        )

        def end_streams() -> None:
            gateway.end_streams()
            if accounts is not None:
                accounts.end_streams()

        return await serve(
            app.asgi,
            listener,
            proxies=options.proxies,
            until=until,
            ending=end_streams,
            budget=budget,
        )


def _accounts(gateway: Gateway, options: GatewayOptions) -> Accounts:
    compile_templates("members")
    compile_templates("accounts")
    return Accounts(
        gateway.folder.path,
        options.servers,
        registry_key=options.registry_key,
        most=options.members,
    )


def _tell(event: visit_events.VisitEvent, *, until: asyncio.Future[int]) -> None:
    """Print what the terminal is told of an event; end the program if it cannot serve anybody."""
    for line in _LINES.lines_of(event):
        say(line)
    if isinstance(event, visit_events.QueueUnknown) and not until.done():
        until.set_result(FAILED)


def _warn_of_proxy() -> None:
    say(TEXTS[ENGLISH]("terminal.proxy"))


_LINES: Final = VisitorTexts(catalog_of(ENGLISH))
