"""`ChatApp web --as`: a person's page without a terminal. The program opens their peer or attaches to
it, and serves the page until a signal ends that."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from chatapp.peer.faces.opening import (
    CLOSES_WITHIN,
    NotOpened,
    close_offered,
    elsewhere_line,
    is_same_server,
    note_start,
    offered,
    open_or_attach,
)
from chatapp.peer.faces.program import INTERRUPTED, start_logging
from chatapp.peer.faces.web.members.main import page_beside
from chatapp.peer.faces.web.operators.app import HERE
from chatapp.peer.faces.web.server import listen, refuse, say, say_all, signals_end
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
    data: Path | None


def run(options: PageOptions, *, log_level: str) -> int:
    """Serve the page. Returns the exit status."""
    start_logging(log_level)
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
        peer.listen(partial(note_start, peer))
        until: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with signals_end(until):
            async with page_beside(peer, say_all, listener=listener, start=HERE):
                return await until
