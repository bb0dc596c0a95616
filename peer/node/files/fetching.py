"""One file of somebody else: fetched over a link, written as it comes, and tried again until it is whole
(clauses 6.16 to 6.18)."""

import asyncio
import errno
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.api.files import FileState, FileTrouble
from chatapp.peer.core.files.book import FileBook, KnownFile
from chatapp.peer.core.files.fetching import WRONG_MAX, Fetch
from chatapp.peer.core.files.links import Chunk, FetchingEnd
from chatapp.peer.node.files.disk import PartFile
from chatapp.peer.node.files.worker import Worker
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import Connect
from chatapp.wire.codec import CHUNK_OVERHEAD, frame
from chatapp.wire.errors import ChatAppError, SealError, WireError
from chatapp.wire.limits import CHUNK_SIZE, LINK_RATE_LEAST
from chatapp.wire.messages.direct import FileOffer
from chatapp.wire.messages.files import FileNotice, NotServed, PageGiven, Unserved

if TYPE_CHECKING:
    from chatapp.peer.core.contacts import Contact
    from chatapp.peer.core.core import PeerCore

CONNECTS_WITHIN: Final = 10.0
"""Seconds for which an attempt to connect is waited for."""

SILENT_FOR: Final = 20.0
"""Seconds without anything that was asked for after which a link is given up."""

TRIES_AGAIN_AFTER: Final = 1.0
TRIES_AGAIN_WITHIN: Final = 60.0
"""Seconds until the next attempt: twice as many each time. Who comes online is asked at once."""

AT_ONCE: Final = 4
"""Files that are fetched at a time; further ones wait."""

TOLD_EACH: Final = 0.25
"""Seconds between two words on how far a file is."""

_log = logging.getLogger("chatapp.peer")

_UNSERVED: Final = {
    Unserved.UNKNOWN: FileTrouble.NOT_OFFERED,
    Unserved.CHANGED: FileTrouble.CHANGED,
    Unserved.UNREADABLE: FileTrouble.UNREADABLE,
}


class Stopped(ChatAppError):
    """A file is not fetched on."""

    def __init__(self, trouble: FileTrouble, detail: str = "") -> None:
        super().__init__(trouble, detail)
        self.trouble = trouble
        self.detail = detail


def disk_failed(error: OSError) -> Stopped:
    """Return what an error of our disk means."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    where = f" ({error.filename})" if error.filename else ""
    trouble = FileTrouble.NO_SPACE if is_full else FileTrouble.OWN_DISK
    return Stopped(trouble, f"{error.strerror or error}{where}")


class FetchingNode(Protocol):
    """What fetching asks of the node."""

    @property
    def core(self) -> "PeerCore": ...
    def now(self) -> float: ...


class FetchingPort:
    """What all files that are fetched share."""

    def __init__(
        self,
        node: FetchingNode,
        book: FileBook,
        worker: Worker,
        *,
        connect: Connect,
        tell: Callable[[], None],
    ) -> None:
        """`tell`: called when the book has changed."""
        self.node: Final = node
        self.book: Final = book
        self.worker: Final = worker
        self.connect: Final = connect
        self.tell: Final = tell
        self.slots: Final = asyncio.Semaphore(AT_ONCE)


class Fetching:
    """A file on its way. `run` ends when it is whole, or does not go on by itself."""

    def __init__(self, port: FetchingPort, file: KnownFile, target: Path) -> None:
        self._port: Final = port
        self.file: Final = file
        offer = FileOffer(file.size, file.key, file.pages)
        self._target: Final = target
        self._fetch: Final = Fetch(offer)
        self._wake: Final = asyncio.Event()
        self._begun = (0.0, 0)
        """When the present link was opened, and how many bytes were here then."""
        self._told_at = 0.0

    def wake(self) -> None:
        """Try at once: somebody has come online."""
        self._wake.set()

    async def run(self) -> None:
        """Fetch it. Raises Stopped."""
        worker, fetch = self._port.worker, self._fetch
        try:
            part = await self._opened(
                worker.run(lambda: PartFile(self._target, fetch.offer, fetch.file))
            )
            try:
                await self._fetch_all(part)
                path = await self._finish(part)
            finally:
                part.close()
        except OSError as error:
            raise disk_failed(error) from None
        self.file.path = str(path)

    async def _opened(self, work: Coroutine[None, None, PartFile]) -> PartFile:
        """Return the open file. Who stops this waits until the thread has opened it, and closes it."""
        opening = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            for part in await asyncio.gather(opening, return_exceptions=True):
                if isinstance(part, PartFile):
                    part.close()
            raise

    async def _finish(self, part: PartFile) -> Path:
        """Give the file its name. Who stops this waits until the thread does nothing more."""
        finishing = asyncio.ensure_future(self._port.worker.run(part.finish))
        try:
            return await asyncio.shield(finishing)
        except asyncio.CancelledError:
            part.leave()
            await asyncio.gather(finishing, return_exceptions=True)
            raise

    async def _fetch_all(self, part: PartFile) -> None:
        """Fetch what is missing, however often it takes a new link."""
        before, again_after = 0, TRIES_AGAIN_AFTER
        while not await self._try(part):
            self._note(FileState.WAITING)
            if self._fetch.done > before:
                before, again_after = self._fetch.done, TRIES_AGAIN_AFTER
            try:
                async with asyncio.timeout(again_after):
                    await self._wake.wait()
            except TimeoutError:
                again_after = min(2 * again_after, TRIES_AGAIN_WITHIN)

    async def _try(self, part: PartFile) -> bool:
        """Fetch what can be fetched now. Return whether the file is whole."""
        core = self._port.node.core
        contact = core.roster.contacts.by_identity(self.file.identity)
        if contact is None:
            raise Stopped(FileTrouble.NO_PERSON)
        self._wake.clear()
        if not self._fetch.is_whole and contact.may_answer and not core.is_offline:
            async with self._port.slots:
                await self._fetch_from(contact, part)
        return self._fetch.is_whole

    async def _fetch_from(self, contact: "Contact", part: PartFile) -> None:
        """Fetch what one link brings."""
        node = self._port.node
        try:
            first, opening = node.core.direct.open_link(contact, now=node.now())
        except SealError:
            return
        end = FetchingEnd(opening)
        link = FetchLink(
            self._port, self._fetch, part, first, end, progress=lambda: self._went_on(node.now())
        )
        self._fetch.link_changed()
        try:
            async with asyncio.timeout(CONNECTS_WITHIN):
                await self._port.connect(link.new_end, *contact.address)
        except (OSError, TimeoutError) as error:
            _log.debug("no link for a file: %s", error)
            return
        try:
            await link.over()
        finally:
            link.close()

    def _went_on(self, now: float) -> None:
        """Tell how much is here, a few times a second."""
        book, (since, before) = self._port.book, self._begun
        if book.move(self.file, FileState.RUNNING):
            self._begun = since, before = now, self._fetch.done
        elif now < self._told_at + TOLD_EACH:
            return
        self._told_at = now
        rate = (self._fetch.done - before) / (now - since) if now > since else 0.0
        book.note_progress(self.file, self._fetch.done, rate)
        self._port.tell()

    def _note(self, state: FileState) -> None:
        if self._port.book.move(self.file, state):
            self._port.tell()


class FetchLink:
    """One link on which we fetch (a `TcpLinkOwner`)."""

    def __init__(
        self,
        port: FetchingPort,
        fetch: Fetch,
        part: PartFile,
        first: bytes,
        end: FetchingEnd,
        *,
        progress: Callable[[], None],
    ) -> None:
        """`first`: the frame that opens it. `progress`: called when more is here."""
        self._worker: Final = port.worker
        self._fetch: Final = fetch
        self._part: Final = part
        self._first: Final = first
        self._end: Final = end
        self._progress: Final = progress
        self._loop: Final = asyncio.get_running_loop()
        self._link: TcpLink | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._work: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._whole_at = 0.0
        """When the last whole frame came."""

    def new_end(self) -> TcpLink:
        """Return our end of the connection that is being made."""
        return TcpLink(self)

    async def over(self) -> None:
        """Wait until the link is over, or all chunks are here. Raises Stopped, OSError of our
        disk."""
        try:
            await self._over
        finally:  # threads may still write
            await asyncio.gather(*self._work, return_exceptions=True)

    def close(self) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()
        if self._link is not None:
            self._link.cut("done")

    # --- what the link reports

    def link_opened(self, link: TcpLink) -> None:
        self._link, self._whole_at = link, self._loop.time()
        link.write([frame(self._first)])
        self._await_more()

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        if self._over.done():
            return
        try:
            for received in frames:
                self._receive(link, received)
        except WireError as error:
            link.cut(str(error))
        except Stopped as stopped:
            self._stop(stopped)

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
            self._begin(self._keep(what, self._fetch.chunk_came(what.place)))
        else:
            self._notice_came(what)
        self._whole_at = self._loop.time()
        self._await_more()
        self._ask()

    def _notice_came(self, notice: FileNotice) -> None:
        match notice:
            case PageGiven():
                self._begin(self._check(notice, self._fetch.page_came(notice)))
            case NotServed(reason=reason):
                raise Stopped(_UNSERVED[reason])

    def _ask(self) -> None:
        if self._link is not None and self._end.is_open:
            asked = [self._end.request(request) for request in self._fetch.take_requests()]
            if asked:
                self._link.write(asked)

    async def _check(self, given: PageGiven, chunks: range) -> None:
        here = await self._worker.run(lambda: self._part.here(chunks, given.hashes))
        self._fetch.page_checked(given.page, here)
        self._went_on()

    async def _keep(self, chunk: Chunk, digest: bytes) -> None:
        if await self._worker.run(lambda: self._part.keep(chunk, digest)):
            self._fetch.chunk_kept(chunk.place)
        else:
            self._fetch.chunk_wrong(chunk.place)
            if self._fetch.wrong >= WRONG_MAX:
                raise Stopped(FileTrouble.WRONG_BYTES)
        self._went_on()

    def _went_on(self) -> None:
        self._progress()
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
        self._timer = self._loop.call_later(SILENT_FOR, self._fell_silent)

    def _fell_silent(self) -> None:
        if self._link is not None:
            self._link.cut("nothing came")
