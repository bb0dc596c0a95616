"""`ChatApp web --as`: open the operator's peer or attach to it, and serve the page until a signal
ends that."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatapp.peer.faces.opening import (
    CLOSES_WITHIN,
    NotOpened,
    close_offered,
    elsewhere_line,
    is_same_server,
    offered,
    open_or_attach,
)
from chatapp.peer.faces.program import INTERRUPTED, start_logging
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.entrance import Access
from chatapp.peer.faces.web.operators.app import OperatorApp
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.faces.web.page import compile_templates
from chatapp.peer.faces.web.server import listen, refuse, say, serve
from chatapp.peer.node.starts import remember
from chatapp.peer.sdk.client import Peer
from chatapp.peer.words.answers import attached_line
from chatapp.wire.address import Address
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import default_home
from chatapp.wire.names import PeerName


class PageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `ChatApp web --as` was asked for. All else is as in `Peer`."""

    name: PeerName
    servers: Sequence[Address]
    registry_key: str | None
    code: str | None
    listen_at: Address
    """An address of this machine alone."""
    title: str
    """The name of the desk on the page; empty for the usual one."""
    data: Path | None


def run(options: PageOptions, *, log_level: str) -> int:
    """Serve the page of an operator. Returns the exit status."""
    start_logging(log_level)
    compile_templates("operators")
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _run(options: PageOptions) -> int:
    servers, registry_key = options.servers, options.registry_key
    async with contextlib.AsyncExitStack() as undo:
        try:
            listener = listen(options.listen_at)
            undo.callback(listener.close)
        except ChatAppError as error:
            return refuse([str(error)])
        own = Peer(
            options.name,
            servers,
            home=options.data or default_home(),
            code=options.code,
            registry_key=registry_key,
        )
        try:
            running = await open_or_attach(own, shows=False)
        except NotOpened as error:
            return refuse(error.lines)
        peer: Peer
        if running is not None:
            undo.push_async_callback(running.close, within=CLOSES_WITHIN)
            if not await is_same_server(running, servers, registry_key):
                return refuse([elsewhere_line(running)])
            say(attached_line(running.name))
            peer = running
        else:
            undo.push_async_callback(close_offered, own, offered(own))
            peer = own
        try:
            remember(peer.folder, peer.name, servers, key=peer.server_key)
        except OSError as error:
            return refuse([f"ChatApp: {error.filename or peer.folder}: {error.strerror or error}"])
        desk = OperatorDesk(peer, is_shared=running is not None)
        undo.push_async_callback(desk.close)
        place = Address(*listener.getsockname()[:2])
        access = Access()

        def invite(*, is_first: bool = False) -> None:
            for line in access.invitation(place, is_first=is_first):
                say(line)

        invite(is_first=True)

        budget = WebBudget()
        return await serve(
            OperatorApp(desk, access, entered=invite, title=options.title, budget=budget).asgi,
            listener,
            proxies=(),
            until=asyncio.get_running_loop().create_future(),
            ending=desk.end_streams,
            budget=budget,
        )
