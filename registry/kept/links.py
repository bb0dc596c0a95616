"""One link on which somebody gives files to the registry, or fetches them (clause 6.23)."""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from chatapp.registry.kept.disk import Damaged, KeptFile, Wrong
from chatapp.registry.kept.receipt import Chunk, Receipt
from chatapp.registry.kept.shelf import Gift, KeptHead, Refused
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.codec import (
    CHUNK_OVERHEAD,
    Kind,
    chunk_header,
    decode_keeper_request,
    encode,
    frame,
    unpack_chunk,
)
from chatapp.wire.errors import DecodeError, WireError
from chatapp.wire.files import chunk_count, packed, page_bits, page_count
from chatapp.wire.limits import (
    CHUNK_SIZE,
    FILE_ASKED_MAX,
    KEPT_GIVEN_WITHIN,
    KEPT_LINK_IDLE_MAX,
    KEPT_WINDOW,
)
from chatapp.wire.messages.files import (
    AskChunk,
    AskHave,
    AskPage,
    DropKept,
    FileKept,
    FileRequest,
    GivePage,
    Have,
    KeeperNotice,
    KeeperRequest,
    KeepFile,
    KeptResult,
    NotServed,
    PageGiven,
    Unserved,
)
from chatapp.wire.sessions.link import LinkSession

if TYPE_CHECKING:
    from chatapp.registry.kept.keeper import KeptFiles

QUEUE_MAX: Final = 2 * (CHUNK_SIZE + CHUNK_OVERHEAD)
"""Bytes that wait for a reader."""
READER_SEEN_EACH: Final = 0.02
"""Seconds between two looks whether a reader has taken what waits."""

_CHUNK: Final = bytes((Kind.CHUNK,))
FRAME_MAX: Final = CHUNK_SIZE + 2 * CHUNK_OVERHEAD
_log = logging.getLogger(__name__)


class KeptLink:
    """One link for files (a `TcpLinkOwner`)."""

    def __init__(
        self, files: "KeptFiles", link: TcpLink, identity: bytes, session: LinkSession
    ) -> None:
        self._files: Final = files
        self._session: Final = session
        self._link: TcpLink | None = link
        self.identity: Final = identity
        self.network = ""
        self.host: Final = link.remote.host
        self._came: Final[asyncio.Queue[KeeperRequest | Chunk | None]] = asyncio.Queue()
        self._bulk = 0
        """Pages and chunks among them."""
        self._receipt: Receipt | None = None
        self._named = b""
        """The file that is fetched."""
        self._open: KeptFile | None = None

    def cut(self, reason: str) -> None:
        """End it now."""
        if self._link is not None:
            self._link.cut(reason)

    # --- what the link reports

    def link_opened(self, link: TcpLink) -> None:
        pass  # it was handed over

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        try:
            for received in frames:
                came = self._opened(received)
                self._bulk += isinstance(came, Chunk | GivePage)
                self._came.put_nowait(came)
                if self._came.qsize() > FILE_ASKED_MAX or self._bulk > KEPT_WINDOW:
                    raise DecodeError("request for a kept file", "too many at a time")
        except WireError as error:
            link.cut(str(error))

    def _opened(self, received: bytes) -> KeeperRequest | Chunk:
        if received.startswith(_CHUNK):
            place, sealed = unpack_chunk(received)
            return Chunk(place, bytes(sealed))
        return decode_keeper_request(self._session.open(received))

    def link_progressed(self, *_: object) -> None:
        pass  # a frame that takes longer than the link may be idle ends it

    def link_closed(self, _: TcpLink, reason: str) -> None:
        _log.debug("a link for kept files has ended: %s", reason)
        self._link = None
        self._came.put_nowait(None)

    # --- inside

    async def run(self) -> None:
        """Serve it until it is over."""
        try:
            async with asyncio.timeout(KEPT_GIVEN_WITHIN):
                while (came := await self._next()) is not None and self._link is not None:
                    await self._serve(came)
        except TimeoutError:
            self.cut("too slow")
        except WireError as error:
            self.cut(str(error))
        except Exception:  # noqa: BLE001 - a fault of ours, whatever it is
            _log.exception("fault while serving a link for kept files")
            self.cut("fault")
        finally:
            await self._end()

    async def _next(self) -> KeeperRequest | Chunk | None:
        async with asyncio.timeout(KEPT_LINK_IDLE_MAX):
            return await self._came.get()

    async def _end(self) -> None:
        self._session.erase()
        await self._give_up()
        if self._open is not None:
            await self._files.run(self._open.close)
        self._files.forget(self)

    async def _serve(self, came: KeeperRequest | Chunk) -> None:
        match came:
            case KeepFile():
                await self._keep(came)
            case GivePage() | Chunk():
                self._bulk -= 1
                await self._take(came)
            case DropKept():
                await self._drop(came)
            case AskPage() | AskChunk() | AskHave():
                await self._fetch(came)

    def _say(self, notice: KeeperNotice) -> None:
        if self._link is not None:
            self._link.write([frame(self._session.seal(encode(notice)))])

    # --- given

    async def _keep(self, request: KeepFile) -> None:
        files = self._files
        if self._receipt is not None:
            raise DecodeError("request for a kept file", "another one is being given")
        if len(request.pages) != page_count(request.size):
            raise DecodeError("request for a kept file", "pages of another size")
        at = int(files.clocks.wall())
        head = KeptHead(self.identity, self.network, request.size, request.pages, at)
        gift = files.shelf.begin(head, now=files.clocks.now())
        if isinstance(gift, Refused):
            self._say(FileKept(head.id, *gift))
            return
        try:
            part = await files.run(lambda: files.folder.receive(head))
        except OSError as error:
            files.shelf.give_up(gift)
            self._say(FileKept(head.id, files.note_disk(error)))
            return
        self._receipt = Receipt(gift, part)
        self._ask()

    def _ask(self) -> None:
        if self._receipt is not None:
            for wanted in self._receipt.requests():
                self._say(wanted)

    async def _take(self, came: GivePage | Chunk) -> None:
        """Take a part of the file that is given. What it lacks is asked for."""
        receipt, files = self._receipt, self._files
        if receipt is None:
            raise DecodeError("file", "none is being given")
        part, head = receipt.part, receipt.gift.head
        try:
            if isinstance(came, GivePage):
                receipt.take_page(came)
                await self._place(receipt.gift, len(came.hashes))
                await files.run(lambda: part.take_page(came.page, came.hashes))
            else:
                receipt.take_chunk(came)
                await self._place(receipt.gift, len(came.sealed))
                await files.run(lambda: part.take_chunk(came.place, came.sealed))
                receipt.chunk_written()
            if receipt.is_whole:
                await files.run(part.finish)
        except _NoRoom:
            await self._refuse(head, KeptResult.TOO_FAST, KEPT_LINK_IDLE_MAX)
        except Wrong:
            await self._refuse(head, KeptResult.WRONG)
        except OSError as error:
            await self._refuse(head, files.note_disk(error))
        else:
            if receipt.is_whole:
                files.shelf.finish(receipt.gift)
                self._receipt = None
                self._say(FileKept(head.id, files.note_disk(None)))
            self._ask()

    async def _place(self, gift: Gift, size: int) -> None:
        """Make room for so many bytes. Raises _NoRoom."""
        files = self._files
        files.bytes_given += size
        room = files.shelf.grow(gift, size, now=files.clocks.now())
        await files.drop(room.gone)
        if not room.is_enough:
            raise _NoRoom
        await files.pace(size)

    async def _refuse(self, head: KeptHead, result: KeptResult, limit: float = 0) -> None:
        await self._give_up()
        self._say(FileKept(head.id, result, int(limit)))

    async def _give_up(self) -> None:
        """Remove what has come. In the thread: a write that was too slow may still be under way there."""
        if (receipt := self._receipt) is not None:
            self._receipt = None
            await self._files.run(receipt.part.abandon)
            self._files.shelf.give_up(receipt.gift)

    async def _drop(self, request: DropKept) -> None:
        files = self._files
        head = files.shelf.find(request.file)
        if head is not None and head.giver == self.identity:
            files.shelf.drop(request.file)
            await files.drop([request.file])
        self._say(FileKept(request.file, KeptResult.DROPPED))

    # --- fetched

    async def _fetch(self, request: FileRequest) -> None:
        files = self._files
        if self._named not in (b"", request.file):
            raise DecodeError("request for a kept file", "another file than before")
        self._named = request.file
        head = files.shelf.find(request.file)
        if head is None:
            self._say(NotServed(request.file, Unserved.UNKNOWN))
            return
        self._check(request, head)
        try:
            if self._open is None:
                self._open = await files.run(lambda: files.folder.open(request.file))
            await self._give(request, head, self._open)
        except (Damaged, FileNotFoundError):
            _log.warning("a kept file is damaged, and is dropped: %s", request.file.hex())
            files.shelf.drop(request.file)
            await files.drop([request.file])
            self._say(NotServed(request.file, Unserved.UNKNOWN))
        except OSError as error:
            files.note_disk(error)
            self._say(NotServed(request.file, Unserved.UNREADABLE))

    def _check(self, request: FileRequest, head: KeptHead) -> None:
        """Raises DecodeError for a place that the file does not have."""
        if isinstance(request, AskChunk):
            has_place = request.chunk < chunk_count(head.size)
        else:
            has_place = request.page < len(head.pages)
        if not has_place:
            raise DecodeError("request for a kept file", "it has no such place")

    async def _give(self, request: FileRequest, head: KeptHead, file: KeptFile) -> None:
        files = self._files
        match request:
            case AskHave(page=page):
                whole = packed(page_bits(head.size, page))
                self._say(Have(page, whole, ()))
            case AskPage(page=page):
                hashes = await files.run(lambda: file.page(page))
                await self._await_reader(len(hashes))
                self._say(PageGiven(page, hashes))
            case AskChunk(chunk=chunk):
                sealed = await files.run(lambda: file.chunk(chunk))
                await self._await_reader(len(sealed))
                if self._link is not None:
                    header = chunk_header(chunk)
                    self._link.write([frame(header + sealed)])

    async def _await_reader(self, size: int) -> None:
        """Wait until the other side has read nearly all before, and so many bytes may go."""
        await self._files.pace(size)
        self._files.bytes_fetched += size
        async with asyncio.timeout(KEPT_LINK_IDLE_MAX):
            while self._link is not None and self._link.waiting > CHUNK_SIZE:  # noqa: ASYNC110 - a link tells nobody
                await asyncio.sleep(READER_SEEN_EACH)


class _NoRoom(Exception):
    """Gifts of others hold the place."""
