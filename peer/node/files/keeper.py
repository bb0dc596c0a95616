"""The registry as one who keeps files: links to it for them (clause 6.23)."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.files.links import Chunk, GivingEnd, framed
from chatapp.peer.node.files.disk import Shared
from chatapp.peer.node.files.worker import Worker
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import Connect, MakeLink
from chatapp.wire.codec import CHUNK_OVERHEAD, frame
from chatapp.wire.errors import WireError
from chatapp.wire.limits import CHUNK_SIZE, KEPT_LINK_IDLE_MAX, KEPT_WINDOW
from chatapp.wire.messages.files import (
    FileKept,
    GivePage,
    Have,
    KeeperRequest,
    NotServed,
    WantChunk,
    WantPage,
)
from chatapp.wire.sessions.link import LinkOpening

if TYPE_CHECKING:
    from chatapp.peer.core.core import PeerCore

CONNECTS_WITHIN: Final = 10.0
"""Seconds for which an attempt to connect is waited for."""

NOT_KEPT_FOR: Final = 3_600.0
"""Seconds for which a registry is not asked again that keeps no files, unless it begins anew."""

UNREACHED_FOR: Final = 60.0
"""Seconds for which a registry is not asked again to which no connection for files can be made."""

_QUEUE_MAX: Final = (KEPT_WINDOW + 1) * (CHUNK_SIZE + CHUNK_OVERHEAD)
_log = logging.getLogger("chatapp.peer")


class KeeperNode(Protocol):
    """What this asks of the node."""

    @property
    def core(self) -> "PeerCore": ...
    def now(self) -> float: ...


class Keeper:
    """Our registry, if it keeps files."""

    def __init__(self, node: KeeperNode, connect: Connect) -> None:
        self._node: Final = node
        self._connect: Final = connect
        self._keeps_none = (0, 0.0)
        """The run of a registry that keeps no files, and until when that counts."""
        self._unanswered_in = 0
        """The run of the registry in which the last link was not answered; 0: it was."""
        self._again_at = 0.0

    def can_be_asked(self) -> bool:
        """Whether a link may be tried."""
        core, now = self._node.core, self._node.now()
        life, until = self._keeps_none
        return (
            core.reach is RegistryReach.UP
            and now >= self._again_at
            and (core.registry.session.life != life or now >= until)
        )

    def opening(self) -> tuple[bytes, LinkOpening]:
        """Return the first frame of a link, and what opens the answer. Raises SealError."""
        return self._node.core.registry.session.open_file_link(now=self._node.now())

    async def connect(self, make_link: MakeLink) -> bool:
        """Make a connection. Return whether there is one."""
        try:
            async with asyncio.timeout(CONNECTS_WITHIN):
                await self._connect(make_link, *self._node.core.link_address)
        except (OSError, TimeoutError) as error:
            _log.debug("no connection for kept files: %s", error)
            self._again_at = self._node.now() + UNREACHED_FOR
            return False
        return True

    def note_end(self, *, was_answered: bool) -> None:
        """Note that a link has ended. A registry that keeps no files answers none; one that is not
        answered may have broken."""
        life, now = self._node.core.registry.session.life, self._node.now()
        if not was_answered and self._unanswered_in == life:
            self._keeps_none = life, now + NOT_KEPT_FOR
        elif not was_answered:
            self._again_at = now + UNREACHED_FOR
        self._unanswered_in = 0 if was_answered else life


Answer = FileKept | Have | NotServed


class GivingLink:
    """A link on which we ask the registry for one thing, and give what it asks for (a
    `TcpLinkOwner`)."""

    def __init__(
        self,
        worker: Worker,
        opening: tuple[bytes, LinkOpening],
        request: KeeperRequest,
        shared: Shared | None,
    ) -> None:
        """`shared`: the file, if it is to be given."""
        self._worker: Final = worker
        self._first, begun = opening
        self._end: Final = GivingEnd(begun)
        self._request: Final = request
        self._shared: Final = shared
        self._link: TcpLink | None = None
        self._loop: Final = asyncio.get_running_loop()
        self._answer: Final[asyncio.Future[Answer | None]] = self._loop.create_future()
        self._work: Final[set[asyncio.Task[None]]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def was_open(self) -> bool:
        """Whether the registry has answered."""
        return self._end.is_open

    def new_end(self) -> TcpLink:
        """Return our end of the connection that is being made."""
        return TcpLink(self, queue_max=_QUEUE_MAX)

    async def answer(self) -> Answer | None:
        """Wait for the answer; None if the link ends without one. Raises Changed, OSError of our
        disk."""
        try:
            return await self._answer
        finally:
            for task in self._work:
                task.cancel()
            await asyncio.gather(*self._work, return_exceptions=True)
            if self._timer is not None:
                self._timer.cancel()
            if self._link is not None:
                self._link.cut("done")

    # --- what the link reports

    def link_opened(self, link: TcpLink) -> None:
        self._link = link
        link.write([frame(self._first)])
        self._await_more()

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        try:
            for received in frames:
                self._receive(link, received)
        except WireError as error:
            link.cut(str(error))
        self._await_more()

    def link_progressed(self, *_: object) -> None:
        pass  # what comes is short

    def link_closed(self, _: TcpLink, reason: str) -> None:
        _log.debug("a link for kept files has ended: %s", reason)
        self._link = None
        self._settle(None)

    # --- inside

    def _receive(self, link: TcpLink, received: bytes) -> None:
        notice = self._end.receive(received)
        match notice:
            case None:
                link.write([self._end.request(self._request)])
            case WantPage() | WantChunk():
                if self._shared is None or len(self._work) > KEPT_WINDOW:
                    link.cut("asks for more than is given")
                else:
                    self._begin(self._give(notice, self._shared))
            case FileKept() | Have() | NotServed():
                self._settle(notice)
            case _:
                link.cut("answers what was not asked")

    async def _give(self, wanted: WantPage | WantChunk, shared: Shared) -> None:
        if isinstance(wanted, WantPage):
            page = wanted.page
            given = GivePage(page, await self._worker.run(lambda: shared.page(page)))
            pieces: tuple[bytes, ...] = (self._end.request(given),)
        else:
            pieces = framed(await self._chunk(wanted.chunk, shared))
        if self._link is not None:
            self._link.write(pieces)

    async def _chunk(self, index: int, shared: Shared) -> Chunk:
        return await self._worker.run(lambda: shared.chunk(index))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        error = None if task.cancelled() else task.exception()  # else asyncio reports each of them
        if error is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _settle(self, answer: Answer | None) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    def _await_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._answer.done():
            self._timer = self._loop.call_later(KEPT_LINK_IDLE_MAX, self._fell_silent)

    def _fell_silent(self) -> None:
        if self._link is not None:
            self._link.cut("nothing came")
