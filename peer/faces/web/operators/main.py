"""`ChatApp web --as`: open the operator's peer or attach to it, and serve the page until a signal
ends that."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.faces.opening import NotOpened, elsewhere_line, offered, open_or_attach
from chatapp.peer.faces.program import start_logging
from chatapp.peer.faces.running import FAILED, INTERRUPTED
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.operators.access import Access
from chatapp.peer.faces.web.operators.app import OperatorApp
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.faces.web.server import listen, serve
from chatapp.peer.node.starts import remember
from chatapp.peer.sdk.anypeer import AnyPeer
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.running import is_same_server
from chatapp.peer.words.answers import attached_line
from chatapp.wire.address import Address
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import default_home
from chatapp.wire.names import PeerName

_CLOSES_WITHIN: Final = 0.3
"""Seconds that are given to the registry to answer that we leave."""


def run(
    *,
    name: PeerName,
    servers: Sequence[Address],
    registry_key: str | None,
    code: str | None,
    listen_at: Address,
    data: Path | None,
    log_level: str,
) -> int:
    """Serve the page of the operator `name` at `listen_at`, an address of this machine alone. All
    else is as in `Peer`. Returns the exit status."""
    start_logging(log_level)
    try:
        return asyncio.run(
            _run(name, servers, registry_key, code, listen_at, data or default_home())
        )
    except KeyboardInterrupt:
        return INTERRUPTED


async def _run(
    name: PeerName,
    servers: Sequence[Address],
    registry_key: str | None,
    code: str | None,
    listen_at: Address,
    home: Path,
) -> int:
    async with contextlib.AsyncExitStack() as undo:
        try:
            listener = listen(listen_at)
            undo.callback(listener.close)
        except ChatAppError as error:
            return _refuse([str(error)])
        own = Peer(name, servers, home=home, code=code, registry_key=registry_key)
        try:
            running = await open_or_attach(own, shows=False)
        except NotOpened as error:
            return _refuse(error.lines)
        peer: AnyPeer
        if running is not None:
            undo.push_async_callback(running.close)
            if not await is_same_server(running, servers, registry_key):
                return _refuse([elsewhere_line(running)])
            _say(attached_line(running.name))
            peer = running
        else:
            undo.push_async_callback(own.close, within=_CLOSES_WITHIN)
            offer = offered(own)
            if offer is not None:
                undo.callback(offer.close)
            peer = own
        try:
            remember(peer.folder, peer.name, servers, key=peer.server_key)
        except OSError as error:
            return _refuse([f"ChatApp: {error.filename or peer.folder}: {error.strerror or error}"])
        desk = OperatorDesk(peer, is_shared=running is not None)
        undo.push_async_callback(desk.close)
        place = Address(*listener.getsockname()[:2])
        access = Access()
        _say(
            "[Your page, for this machine alone; whoever opens the address can act as you. It works once:]"
        )
        _say(_address(place, access))

        def entered() -> None:
            _say("[A browser has opened your page. The address for another one:]")
            _say(_address(place, access))

        budget = WebBudget()
        return await serve(
            OperatorApp(desk, access, entered=entered, budget=budget).asgi,
            listener,
            proxies=(),
            until=asyncio.get_running_loop().create_future(),
            ending=desk.end_streams,
            budget=budget,
        )


def _address(place: Address, access: Access) -> str:
    """Return the address that the next browser may open."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"http://{host}:{place.port}/?token={access.token}"


def _say(line: str) -> None:
    print(line, flush=True)


def _refuse(lines: Sequence[str]) -> int:
    """Say why the program cannot run. Returns the exit status."""
    for line in lines:
        is_plain = not line.startswith(("[", "ChatApp: "))
        print(f"ChatApp: {line}" if is_plain else line, file=sys.stderr)
    return FAILED
