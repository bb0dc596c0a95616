"""One link to somebody who may have a file, on which it is fetched (clauses 6.17 to 6.19)."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Final, Protocol

from chatapp.peer.api.files import FileTrouble
from chatapp.peer.core.files.fetching import HAVE_ASKED_EACH, Fetch, Source
from chatapp.peer.core.files.links import Chunk, FetchingEnd
from chatapp.peer.node.files.disk import PartFile
from chatapp.peer.node.files.worker import Worker
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.codec import CHUNK_OVERHEAD, frame
from chatapp.wire.errors import ChatAppError, WireError
from chatapp.wire.limits import CHUNK_SIZE, LINK_RATE_LEAST
from chatapp.wire.messages.files import FileNotice, Have, NotServed, PageGiven, Unserved

OPENS_WITHIN: Final = 5.0
"""Seconds until the other side must have shown who they are."""

SILENT_FOR: Final = 20.0
"""Seconds without anything that was asked for after which a link is given up."""

IDLE_FOR: Final = 5.0
"""Seconds for which a link stays on which there is nothing to ask for."""

_log = logging.getLogger("chatapp.peer")

_UNSERVED: Final = {
    Unserved.UNKNOWN: FileTrouble.NOT_OFFERED,
    Unserved.CHANGED: FileTrouble.CHANGED,
    Unserved.UNREADABLE: FileTrouble.UNREADABLE,
}


class Left(ChatAppError):
    """A holder does not give the file."""

    def __init__(self, trouble: FileTrouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class Report(Protocol):
    """The object that learns what a link brings."""

    def chunk_kept(self) -> None:
        """A chunk is here."""

    def chunk_wrong(self) -> None:
        """A chunk is not the one that was offered. Raises Left."""

    def have_came(self, have: Have) -> None:
        """The holder says of themselves, and who else may have some of the file."""

    def went_on(self) -> None:
        """Something has come."""


class FetchLink:
    """One link on which we fetch (a `TcpLinkOwner`)."""

    def __init__(
        self,
        worker: Worker,
        fetch: Fetch,
        source: Source,
        part: PartFile,
        *,
        opening: tuple[bytes, FetchingEnd],
        report: Report,
    ) -> None:
        """`opening`: the frame that opens the link, and our end."""
        self._worker: Final = worker
        self._fetch: Final = fetch
        self._source: Final = source
        self._part: Final = part
        first, end = opening
        self._first: Final = first
        self._end: Final = end
        self._report: Final = report
        self._loop: Final = asyncio.get_running_loop()
        self._link: TcpLink | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._work: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._whole_at = 0.0
        """When the last whole frame came."""
        self._idle_since: float | None = None
        self._ticks: asyncio.TimerHandle | None = None

    def new_end(self) -> TcpLink:
        """Return our end of the connection that is being made."""
        return TcpLink(self)

    async def over(self) -> None:
        """Wait until the link is over, or all chunks are here. Raises Left, OSError of our
        disk."""
        try:
            await self._over
        finally:  # threads may still write
            await asyncio.gather(*self._work, return_exceptions=True)

    @property
    def was_open(self) -> bool:
        """Whether the other side has shown who they are."""
        return self._end.is_open

    def close(self) -> None:
        """End it."""
        for timer in (self._timer, self._ticks):
            if timer is not None:
                timer.cancel()
        if self._link is not None:
            self._link.cut("done")

    # --- what the link reports

    def link_opened(self, link: TcpLink) -> None:
        self._link, self._whole_at = link, self._loop.time()
        link.write([frame(self._first)])
        self._await_more()
        if self._fetch.rng is not None:
            self._tick()

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        if self._over.done():
            return
        try:
            for received in frames:
                self._receive(link, received)
        except WireError as error:
            link.cut(str(error))
        except Left as left:
            self._stop(left)

    def link_progressed(self, _: TcpLink, begun: int) -> None:
        """Wait on while a long frame comes at the least rate: who sends a byte now and then holds
        nobody up."""
        if begun >= (self._loop.time() - self._whole_at - SILENT_FOR) * LINK_RATE_LEAST:
            self._await_more()

    def link_closed(self, _: TcpLink, reason: str) -> None:
        _log.debug("a link for a file has ended: %s", reason)
        self._link = None
        if not self._over.done():
            self._over.set_result(None)

    # --- inside

    def _receive(self, link: TcpLink, received: bytes) -> None:
        what = self._end.receive(received)
        if what is None:
            link.allow_full_frames(CHUNK_SIZE + CHUNK_OVERHEAD)
        elif isinstance(what, Chunk):
            digest = self._source.chunk_came(what.place, now=self._loop.time())
            if digest is not None:
                self._begin(self._keep(what, digest))
        else:
            self._notice_came(what)
        self._whole_at = self._loop.time()
        self._await_more()
        self._ask()

    def _notice_came(self, notice: FileNotice) -> None:
        match notice:
            case PageGiven():
                if (chunks := self._source.page_came(notice)) is not None:
                    self._begin(self._check(notice, chunks))
            case Have():
                self._source.have_came(notice)
                self._report.have_came(notice)
            case NotServed(reason=reason):
                raise Left(_UNSERVED[reason])

    def _ask(self) -> None:
        if self._link is None or not self._end.is_open:
            return
        requests = self._source.take_requests(now=self._loop.time())
        if requests:
            self._link.write([self._end.request(request) for request in requests])

    def _tick(self) -> None:
        """Ask for what there is to ask for by now. A holder who has had nothing for us for a while
        is left."""
        now = self._loop.time()
        self._ask()
        if not self._source.is_idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now >= self._idle_since + IDLE_FOR and self._link is not None:
            self._link.cut("has nothing for us")
        self._ticks = self._loop.call_later(HAVE_ASKED_EACH, self._tick)

    async def _check(self, given: PageGiven, chunks: range) -> None:
        here = await self._worker.run(lambda: self._part.here(chunks, given.hashes))
        self._fetch.page_checked(given.page, here)
        self._went_on()

    async def _keep(self, chunk: Chunk, digest: bytes) -> None:
        if await self._worker.run(lambda: self._part.keep(chunk, digest)):
            self._source.chunk_kept(chunk.place)
            self._report.chunk_kept()
        else:
            self._source.chunk_wrong(chunk.place)
            self._report.chunk_wrong()
        self._went_on()

    def _went_on(self) -> None:
        self._report.went_on()
        if not self._fetch.is_whole:
            self._ask()
        elif not self._over.done():
            self._over.set_result(None)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    def _await_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = SILENT_FOR if self._end.is_open else OPENS_WITHIN
        self._timer = self._loop.call_later(seconds, self._fell_silent)

    def _fell_silent(self) -> None:
        if self._link is not None:
            self._link.cut("nothing came")
