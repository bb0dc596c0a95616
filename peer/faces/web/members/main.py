"""A person's page beside their terminal: its port, and the address that lets a browser in."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.entrance import Access
from chatapp.peer.faces.web.members.app import MemberApp
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.faces.web.page import compile_templates
from chatapp.peer.faces.web.server import listen, serve_until
from chatapp.wire.address import Address

if TYPE_CHECKING:
    from chatapp.peer.sdk.client import Peer

ANY_PORT: Final = Address("127.0.0.1", 0)


@contextlib.asynccontextmanager
async def page_beside(
    peer: "Peer",
    tell: Callable[[Iterable[str]], None],
    *,
    uploads: int | None = None,
    listener: socket.socket | None = None,
    start: str = "",
) -> AsyncGenerator[None, None]:
    """Serve the page of a person whose node this program runs or is attached to, for this machine
    alone. `tell`: shows lines to whoever runs the program, the address among them. `uploads`: as in
    `OpenWindows`. `listener`: the port, if not any; it is closed. `start`: as in `Entrance`. Raises
    CannotListen."""
    for folder in ("members", "operators"):
        compile_templates(folder)
    listener = listener or listen(ANY_PORT)
    place = Address(*listener.getsockname()[:2])
    access = Access()
    windows = OpenWindows(lambda: peer.name, Path(peer.folder).parents[1], uploads=uploads)
    budget = WebBudget()

    def invite(*, is_first: bool = False) -> None:
        tell(access.invitation(place, is_first=is_first))

    app = MemberApp(windows, access, entered=invite, start=start, budget=budget)
    until: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve_until(app.asgi, listener, until=until, ending=windows.end_streams, budget=budget)
    )
    invite(is_first=True)
    try:
        yield
    finally:
        until.set_result(0)
        await serving
        await windows.close()
        listener.close()
