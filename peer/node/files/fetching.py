"""One file of somebody else: fetched over a link, written as it comes, and tried again until it is whole
(clauses 6.16 to 6.18)."""

import asyncio
import errno
import logging
import random
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.api.files import FileState, FileTrouble, FileWay
from chatapp.peer.core.files.book import FileBook, KnownFile
from chatapp.peer.core.files.fetching import Fetch, Source
from chatapp.peer.core.files.holders import (
    TRIES_AGAIN_AFTER,
    TRIES_AGAIN_WITHIN,
    WRONG_MAX,
    Holder,
    Holders,
)
from chatapp.peer.core.files.links import FetchingEnd
from chatapp.peer.node.files.disk import PartFile, find_finished, part_path
from chatapp.peer.node.files.holder import FetchLink, Left, Report
from chatapp.peer.node.files.store import FileStore
from chatapp.peer.node.files.tunnels import Ways
from chatapp.peer.node.files.worker import Worker
from chatapp.wire.errors import ChatAppError, SealError
from chatapp.wire.files import kept_id
from chatapp.wire.messages.direct import FileOffer
from chatapp.wire.messages.files import Have

if TYPE_CHECKING:
    from chatapp.peer.core.contacts import Contact
    from chatapp.peer.core.core import PeerCore

KEPT_AGAIN_AFTER: Final = 600.0
"""Seconds until the registry is asked again for a file that it does not have."""

HOLDERS_AT_ONCE: Final = 4
"""Links on which one file is fetched."""

HOLDERS_SOUGHT_EACH: Final = 0.25
"""Seconds after which it is looked whether more people may be asked."""

AT_ONCE: Final = 4
"""Files that are fetched at a time; further ones wait."""

TOLD_EACH: Final = 0.25
"""Seconds between two words on how far a file is."""

_log = logging.getLogger("chatapp.peer")


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
        store: FileStore,
        worker: Worker,
        *,
        connect: Ways,
        rng: random.Random,
        tell: Callable[[], None],
    ) -> None:
        """`tell`: called when the book has changed."""
        self.rng: Final = rng
        self.node: Final = node
        self.book: Final = book
        self.store: Final = store
        self.worker: Final = worker
        self.connect: Final = connect
        self.tell: Final = tell
        self.slots: Final = asyncio.Semaphore(AT_ONCE)


class Fetching:
    """A file on its way. `run` ends when it is whole, or does not go on by itself."""

    def __init__(
        self, port: FetchingPort, file: KnownFile, target: Path, *, goes_on: bool = False
    ) -> None:
        """`goes_on`: an earlier run has fetched some of it, or all."""
        self._goes_on: Final = goes_on
        self._port: Final = port
        self.file: Final = file
        offer = FileOffer(file.size, file.key, file.pages)
        self._target: Final = target
        self._is_shared: Final = file.conversation.is_room
        """Whether others than the one who offers it may have it."""
        self.fetch: Final = Fetch(offer, port.rng if self._is_shared else None)
        self._holders: Final = Holders(file.identity, port.rng)
        self._kept_at = 0.0
        """When the registry may be asked for it again."""
        self._wake: Final = asyncio.Event()
        self._begun = (0.0, 0)
        """When the present link was opened, and how many bytes were here then."""
        self._told_at = 0.0

    @property
    def part(self) -> Path:
        """Where it is until it is whole."""
        return part_path(self._target, self.file.content)

    def wake(self) -> None:
        """Try at once: somebody has come online."""
        self._wake.set()

    async def run(self) -> None:
        """Fetch it. Raises Stopped."""
        worker, fetch = self._port.worker, self.fetch
        if self._goes_on:
            content = self.file.content
            found = await worker.run(lambda: find_finished(self._target, fetch.offer, content))
            if found is not None:
                await self._named(found.path, found.hashes)
                return
        try:
            part = await self._opened(
                worker.run(lambda: PartFile(self._target, fetch.offer, self.file.content))
            )
            try:
                await self._fetch_all(part)
                path = await self._finish(part)
            finally:
                part.close()
        except OSError as error:
            raise disk_failed(error) from None
        await self._named(path, fetch.all_hashes() if self._is_shared else b"")

    async def _named(self, path: Path, hashes: bytes) -> None:
        """Note where the whole file is."""
        self.file.path = str(path)
        if self._is_shared:
            await self._port.worker.run(lambda: self._share(hashes))

    def _share(self, hashes: bytes) -> None:
        """Keep what it takes to give the whole file to others in the room, as far as the disk takes
        it."""
        try:
            self.file.modified = Path(self.file.path).stat().st_mtime_ns
            self._port.store.save_hashes(self.file.content, hashes)
        except OSError as error:
            _log.warning("a file that came cannot be given to others: %s", error)

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
        """Fetch what is missing, however often it takes new links."""
        before, again_after = self.fetch.done, TRIES_AGAIN_AFTER
        while not await self._fetch_some(part):
            has_gone_on, before = self.fetch.done > before, self.fetch.done
            if (trouble := self._holders.trouble) and not (has_gone_on and self._is_shared):
                raise Stopped(trouble)
            if has_gone_on:
                again_after = TRIES_AGAIN_AFTER
            is_stuck = self._port.connect.is_stuck(self.file.identity)
            self._note(FileState.WAITING, FileTrouble.NOT_RELAYED if is_stuck else None)
            try:
                async with asyncio.timeout(again_after):
                    await self._wake.wait()
            except TimeoutError:
                again_after = min(2 * again_after, TRIES_AGAIN_WITHIN)

    async def _fetch_some(self, part: PartFile) -> bool:
        """Fetch what those bring who can be asked now, several at once. Return whether the file is
        whole."""
        self._wake.clear()
        self._holders.begin_again()
        links: set[asyncio.Task[None]] = set()
        async with self._port.slots:
            try:
                while not self.fetch.is_whole:
                    links |= self._new_links(part, HOLDERS_AT_ONCE - len(links))
                    links |= self._kept_link(part) if not links else set()
                    if not links:
                        return False
                    ended, links = await asyncio.wait(
                        links,
                        timeout=HOLDERS_SOUGHT_EACH if self._is_shared else None,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    for link in ended:
                        link.result()
            finally:
                for link in links:
                    link.cancel()
                await asyncio.gather(*links, return_exceptions=True)
        return True

    def _new_links(self, part: PartFile, most: int) -> set[asyncio.Task[None]]:
        """Begin to ask whoever can be asked now."""
        now, loop = self._port.node.now(), asyncio.get_running_loop()
        begun: set[asyncio.Task[None]] = set()
        if most <= 0:
            return begun
        present = self._present()
        while len(begun) < most and (identity := self._holders.next(present, now=now)):
            holder = self._holders.begin(identity)
            begun.add(loop.create_task(self._fetch_from(present[identity], holder, part)))
        return begun

    def _kept_link(self, part: PartFile) -> set[asyncio.Task[None]]:
        """Ask the registry, where nobody can be asked."""
        now, port = self._port.node.now(), self._port
        if (
            now < self._kept_at
            or port.node.core.is_offline
            or not port.connect.keeper.can_be_asked()
        ):
            return set()
        self._kept_at = now + KEPT_AGAIN_AFTER
        return {asyncio.get_running_loop().create_task(self._fetch_kept(part))}

    def _present(self) -> "dict[bytes, Contact]":
        """Return those who are there and may have the file."""
        core, file = self._port.node.core, self.file
        contact = core.roster.contacts.by_identity(file.identity)
        if contact is None and not self._is_shared:
            raise Stopped(FileTrouble.NO_PERSON)
        some = [] if contact is None else [contact]
        if self._is_shared:
            some += core.rooms.present_in(file.conversation.name)
        silent = core.roster.contacts.ignored
        if core.is_offline:
            return {}
        return {
            one.identity: one
            for one in some
            if one.may_answer
            and not (one.is_banned or one.is_blocked)
            and (one is contact or one.identity not in silent)
        }

    async def _fetch_from(self, contact: "Contact", holder: Holder, part: PartFile) -> None:
        """Fetch what one link brings."""
        node, before = self._port.node, holder.given
        source = self.fetch.source(is_whole=contact.identity == self._holders.origin)
        try:
            first, opening = node.core.direct.open_link(contact, now=node.now())
            end = FetchingEnd(opening)
            link = self._link(source, part, (first, end), _Report(self, holder))
            await self._use(link, contact, holder)
        except SealError:
            pass
        except Left as left:
            is_final = source.is_whole or left.trouble is FileTrouble.WRONG_BYTES
            holder.trouble = left.trouble if is_final else None
        finally:
            source.close()
            self._holders.end(holder, has_given=holder.given > before, now=node.now())

    async def _fetch_kept(self, part: PartFile) -> None:
        """Fetch what the registry has kept (clause 6.23)."""
        keeper, file = self._port.connect.keeper, self.file
        source = self.fetch.source(is_whole=True, file=kept_id(file.size, file.pages))
        try:
            first, opening = keeper.opening()
            link = self._link(source, part, (first, FetchingEnd(opening)), _KeptReport(self))
            if not await keeper.connect(link.new_end):
                return
            try:
                await link.over()
            finally:
                link.close()
            keeper.note_end(was_answered=link.was_open)
            if not self.fetch.is_whole:
                self._kept_at = self._port.node.now() + TRIES_AGAIN_AFTER
        except (SealError, Left):
            pass  # it does not have it
        finally:
            source.close()

    def _link(
        self, source: Source, part: PartFile, opening: tuple[bytes, FetchingEnd], report: Report
    ) -> FetchLink:
        worker = self._port.worker
        return FetchLink(worker, self.fetch, source, part, opening=opening, report=report)

    async def _use(self, link: FetchLink, contact: "Contact", holder: Holder) -> None:
        """Fetch over a link, whichever way it can be made."""
        ways, before = self._port.connect, holder.given
        holder.way = way = await ways.open(contact, link.new_end)
        try:
            await link.over()
        finally:
            link.close()
            ways.used(contact, way, was_open=link.was_open, has_given=holder.given > before)

    def chunk_kept(self, holder: Holder) -> None:
        """Note that somebody has given a chunk."""
        holder.given += 1
        if holder.way is not None:
            self._port.book.note_way(self.file, holder.identity, holder.way)

    def kept_chunk_came(self) -> None:
        """Note that the registry has given a chunk."""
        self._port.book.note_way(self.file, b"", FileWay.KEPT)

    def noted(self, identities: Iterable[bytes]) -> None:
        """Note people in the room who may have some of the file."""
        rooms, room = self._port.node.core.rooms, self.file.conversation.name
        if self._is_shared:
            self._holders.note(one for one in identities if rooms.has_member(room, one))

    def went_on(self) -> None:
        """Tell how much is here, a few times a second."""
        now = self._port.node.now()
        book, (since, before) = self._port.book, self._begun
        if book.move(self.file, FileState.RUNNING):
            self._begun = since, before = now, self.fetch.done
        elif now < self._told_at + TOLD_EACH:
            return
        self._told_at = now
        rate = (self.fetch.done - before) / (now - since) if now > since else 0.0
        book.note_progress(self.file, self.fetch.done, rate)
        self._port.tell()

    def _note(self, state: FileState, trouble: FileTrouble | None) -> None:
        book = self._port.book
        if book.move(self.file, state, trouble) or book.note_trouble(self.file, trouble):
            self._port.tell()


class _Report:
    """What a link to one holder brings to a file (a `Report`)."""

    def __init__(self, fetching: Fetching, holder: Holder) -> None:
        self._fetching: Final = fetching
        self._holder: Final = holder
        self.went_on: Final = fetching.went_on

    def have_came(self, have: Have) -> None:
        self._holder.is_wireless = have.is_wireless
        self._fetching.noted(have.others)

    def chunk_kept(self) -> None:
        self._fetching.chunk_kept(self._holder)

    def chunk_wrong(self) -> None:
        self._holder.wrong += 1
        if self._holder.wrong >= WRONG_MAX:
            raise Left(FileTrouble.WRONG_BYTES)


class _KeptReport:
    """What a link to the registry brings to a file (a `Report`)."""

    def __init__(self, fetching: Fetching) -> None:
        self._wrong = 0
        self.chunk_kept: Final = fetching.kept_chunk_came
        self.went_on: Final = fetching.went_on

    def have_came(self, have: Have) -> None:
        pass  # it has all of it

    def chunk_wrong(self) -> None:
        self._wrong += 1
        if self._wrong >= WRONG_MAX:
            raise Left(FileTrouble.WRONG_BYTES)
