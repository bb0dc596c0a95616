"""The files of one open peer: what is asked of it about them, and what happens to them."""

import asyncio
import contextlib
import functools
import logging
import secrets
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from chatapp.peer.api import events, requests
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused, FileRefusal, FileRefused
from chatapp.peer.api.files import AutoAccept, FileReply, FileState, FileTransfer
from chatapp.peer.core.context import FileFrameCame
from chatapp.peer.core.files.book import MAY_BE_ACCEPTED, KnownFile
from chatapp.peer.core.records import Related, RelationKind
from chatapp.peer.node.bounds import FolderBounds
from chatapp.peer.node.files.disk import part_path, prepare, target_of
from chatapp.peer.node.files.fetching import Fetching, FetchingPort, Stopped
from chatapp.peer.node.files.keeper import Keeper
from chatapp.peer.node.files.keeping import Keeping
from chatapp.peer.node.files.ports import Ports
from chatapp.peer.node.files.serving import Serving
from chatapp.peer.node.files.store import FileStore, encoded
from chatapp.peer.node.files.tunnels import Tunnels, Ways
from chatapp.peer.node.files.worker import Worker
from chatapp.wire.aio.machine import Machine
from chatapp.wire.codec import decode_file_offer, encode
from chatapp.wire.errors import quoted
from chatapp.wire.files import content_id, file_id
from chatapp.wire.folders import platform_downloads, whole_path
from chatapp.wire.messages.direct import FileRelayRefused, PortTried, TryPort
from chatapp.wire.names import is_same_name

if TYPE_CHECKING:
    from chatapp.peer.core.contacts import Contact
    from chatapp.peer.node.local import PeerNode
    from chatapp.peer.node.receipts import Receipt

Told = TypeVar("Told", bound=events.Event)

_KEY_SIZE: Final = 32
_GIVEN_UP: Final = (FileState.WAITING, FileState.RUNNING, FileState.PAUSED, FileState.FAILED)
"""States of a file of somebody else that can be given up."""
LINES_LOOKED_AT: Final = 1_000
"""The newest lines at a start, among which is what the run before has said in its last moment."""
_OF_MESSAGES: Final = events.MessageChanged | events.Unacknowledged
"""What is told of a message of ours."""

_log = logging.getLogger("chatapp.peer")


class Files:
    """All files of a node."""

    def __init__(
        self,
        node: "PeerNode",
        machine: Machine,
        *,
        downloads: Path | None,
        auto_accept: AutoAccept | None,
        bounds: FolderBounds | None = None,
    ) -> None:
        """`downloads`: where files are put that the user gives no other place; None: where the
        platform puts such. `auto_accept`: whose files are fetched without a question. `bounds`: as
        in `NodeSettings`."""
        self._bounds: Final = bounds
        self._node: Final = node
        self._chosen_downloads: Final = downloads
        self._auto_accept: Final = auto_accept
        self._loop: Final = asyncio.get_running_loop()
        self._worker: Final = Worker(self._loop)
        self._store: Final = FileStore(lambda: node.folder)
        self._book: Final = self._store.load()
        self._serving: Final = Serving(
            node,
            self._book,
            self._store,
            self._worker,
            machine,
            tell=self.tell,
            under_way=self._under_way,
        )
        self.tunnels: Final = Tunnels(node, self._serving, machine.rng)
        self._ports: Final = Ports(node, machine, self.tunnels.send)
        keeper = Keeper(node, machine.connect)
        self._keeping: Final = Keeping(
            node, self._book, self._store, self._worker, keeper, self.tell
        )
        self._port: Final = FetchingPort(
            node,
            self._book,
            self._store,
            self._worker,
            connect=Ways(machine.connect, self.tunnels, keeper),
            rng=machine.rng,
            tell=self.tell,
        )
        self._fetches: Final[dict[int, tuple[Fetching, asyncio.Task[None]]]] = {}
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._saving: asyncio.Task[None] | None = None
        self._answers: Final[set[int]] = set()
        """The ids of our messages by which we only tell somebody that we have a file, or want none."""
        self._is_closed = False

    def begin(self) -> None:
        """Offer again what was offered, and go on with what was on its way."""
        for file in self._book:
            if file.is_ours and self._book.of_ours(file_id(file.key)) is not None:
                self._book.move(file, FileState.OFFERED)
                self._share()
            elif file.state in (FileState.WAITING, FileState.RUNNING):
                self._book.move(file, FileState.WAITING)
                self._fetch(file, goes_on=True)
            elif file.is_held:
                self._share()
        if unsaid := self._book.unsaid():
            _ = self._begin(self._find_lines(unsaid))
        self._keeping.look()

    async def _find_lines(self, files: Sequence[KnownFile]) -> None:
        """Find the lines by which an earlier run has offered these files in its last moment. What was
        not offered is forgotten."""
        latest = await self._node.storage.read(
            lambda lines: lines.latest(LINES_LOOKED_AT), by_index=False
        )
        lines = {
            decode_file_offer(about.raw).key: line.id
            for line in latest
            if line.outgoing
            and (about := line.related) is not None
            and about.kind is RelationKind.OFFER
            and about.raw
        }
        for file in files:
            self._book.offer(file, lines.get(file.key, 0))
            if file.id:
                self._share()
        self.tell()
        self._keeping.look()

    def close(self) -> None:
        """End all links. What is on its way goes on at the next start."""
        self._is_closed = True
        self._serving.close()
        self._keeping.close()
        self.tunnels.close()
        self._ports.close()
        for _, task in self._fetches.values():
            task.cancel()
        for task in self._tasks:
            task.cancel()
        self._worker.close()

    @functools.cached_property
    def downloads(self) -> Path:
        """Where files are put that the user gives no other place."""
        return self._chosen_downloads or platform_downloads()

    # --- requests

    def all(self) -> tuple[FileTransfer, ...]:
        """Return the files that are known, the oldest first."""
        return tuple(map(self._book.transfer, sorted(self._book, key=lambda file: file.number)))

    def find(self, id_: int) -> FileTransfer | None:
        """Return the file that the line with this id offers."""
        file = self._book.find(id_)
        return None if file is None else self._book.transfer(file)

    async def offer(self, request: requests.OfferFile) -> "Receipt":
        """Offer a file. Raises as the request."""
        to = request.conversation
        if not (to.is_person or to.is_room) or is_same_name(to.name, self._node.name):
            raise FileRefused(FileRefusal.IS_US)
        key = secrets.token_bytes(_KEY_SIZE)
        path = Path(whole_path(request.path))
        if self._bounds is not None:
            self._bounds.check(path)
        try:
            ready = await self._worker.run(lambda: prepare(path, key))
            content = content_id(key, ready.offer.pages)
            await self._worker.run(lambda: self._store.save_hashes(content, ready.hashes))
        except OSError as error:
            raise FileRefused(
                FileRefusal.NOT_KEPT, str(path), error.strerror or str(error)
            ) from None
        self._node.check_open()
        self._share()
        file = KnownFile(
            conversation=to,
            sender=self._node.name,
            identity=b"",
            name=ready.name,
            size=ready.offer.size,
            path=str(path),
            key=key,
            pages=ready.offer.pages,
            modified=ready.modified,
        )
        self._book.hold(file)
        await self._stored()
        related = Related(RelationKind.OFFER, raw=encode(ready.offer))
        line = 0
        try:
            receipt = await self._node.say(to, ready.name, related, asked=request)
            file.conversation, line = receipt.conversation, receipt.id
        finally:
            self._book.offer(file, line)
            self.tell()
            self._keeping.look()
        return receipt

    def _share(self) -> None:
        """Let others fetch from us."""
        self._serving.open(self._node.driver.port)

    # --- whether others can connect

    def frames_came(self, frames: Sequence[FileFrameCame]) -> None:
        """Take frames that are for files."""
        for identity, frame, through_server in frames:
            match frame:
                case TryPort() | PortTried():
                    if not through_server:
                        self._ports.frame_came(identity, frame)
                case FileRelayRefused(seconds=seconds):
                    self.tunnels.relay_refused(identity, seconds)
                case _:
                    self.tunnels.frame_came(identity, frame, through_server=through_server)
        self.tunnels.read()

    async def is_port_free(self) -> bool:
        """Whether we can listen at our TCP port."""
        with self._listening():
            return self._serving.is_listening

    async def is_reached_by(self, contact: "Contact") -> bool | None:
        """Whether somebody can connect to us; None if they do not answer."""
        with self._listening():
            return await self._ports.ask(contact)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Listen for a while, also if nothing is offered."""
        self._share()
        try:
            yield
        finally:
            if not any(file.is_offered or file.is_held for file in self._book.stored()):
                self._serving.close()

    async def accept(self, request: requests.AcceptFile) -> FileTransfer:
        """Fetch a file. Raises as the request."""
        file = self._offered(request.id)
        if file.state not in MAY_BE_ACCEPTED:
            raise FileRefused(FileRefusal.IS_OVER, file.name)
        path = whole_path(request.path) or file.path
        place = Path(path) if path else self.downloads / file.name
        if self._bounds is not None:
            self._bounds.check(place)
        target = target_of(path, self.downloads, file.name)
        if not file.key:
            line = await self._node.storage.read(lambda lines: lines.by_id(file.id), by_index=False)
            if line is None or line.related is None or not line.related.raw:
                raise FileRefused(FileRefusal.IS_OVER, file.name)
            offer = decode_file_offer(line.related.raw)
            file.key, file.pages = offer.key, offer.pages
        if self._bounds is not None:
            self._bounds.check(place, grows_by=self._book.to_come(file))
        if not self._book.move(file, FileState.WAITING):
            raise FileRefused(FileRefusal.IS_OVER, file.name)
        file.path = "" if target == self.downloads / file.name else str(target)
        await self._stored()
        if file.state is FileState.WAITING and file.id not in self._fetches:
            self._fetch(file)  # the user has not stopped it meanwhile
        return self._book.transfer(file)

    async def pause(self, request: requests.PauseFile) -> FileTransfer:
        """Fetch a file no further for now. Raises as the request."""
        file = self._offered(request.id)
        if not self._book.move(file, FileState.PAUSED):
            raise FileRefused(FileRefusal.NOT_UNDER_WAY, file.name)
        await self._stop(file)
        await self._stored()
        return self._book.transfer(file)

    async def refuse(self, request: requests.RefuseFile) -> FileTransfer:
        """Refuse a file. Raises as the request."""
        file = self._offered(request.id)
        if not self._book.move(file, FileState.REFUSED):
            raise FileRefused(FileRefusal.IS_OVER, file.name)
        await self._drop(file)
        await self._answer(file, RelationKind.WANTS_NO_FILE)
        await self._stored()
        return self._book.transfer(file)

    async def cancel(self, request: requests.CancelFile) -> FileTransfer:
        """Give up a file that is on its way, or offer one of ours no more. Raises as the request."""
        file = self._book.find(request.id)
        if file is None:
            raise FileRefused(FileRefusal.NO_SUCH_OFFER)
        await (self._take_back(file) if file.is_ours else self._give_up(file))
        await self._stored()
        return self._book.transfer(file)

    async def _take_back(self, file: KnownFile) -> None:
        if not self._book.move(file, FileState.WITHDRAWN):
            raise FileRefused(FileRefusal.IS_OVER, file.name)
        with contextlib.suppress(ChangeRefused):  # a message of long ago stays
            try:
                await self._node.send(requests.Cancel(id=file.id))
            except ChangeRefused as refused:
                if refused.reason is ChangeRefusal.SETTLED:
                    await self._node.send(requests.Retract(id=file.id))

    async def _give_up(self, file: KnownFile) -> None:
        if file.state not in _GIVEN_UP:
            raise FileRefused(FileRefusal.NOT_UNDER_WAY, file.name)
        has_begun = self._book.transfer(file).done > 0
        await self._drop(file)  # first: what is fetched is running again at once
        if not self._book.move(file, FileState.OFFERED):
            raise FileRefused(FileRefusal.NOT_UNDER_WAY, file.name)
        self._book.note_progress(file, 0, 0.0)
        file.path, file.ways = "", ()
        file.people.clear()
        if has_begun:
            await self._answer(file, RelationKind.STOPPED_FILE)

    async def _stop(self, file: KnownFile) -> None:
        """Fetch a file no further, and wait until nothing is written to it."""
        if (fetch := self._fetches.pop(file.id, None)) is not None:
            fetch[1].cancel()
            await asyncio.wait([fetch[1]])

    async def _drop(self, file: KnownFile) -> None:
        """Fetch a file no further, and remove what of it is here."""
        await self._stop(file)
        if file.key:
            part = self._part_of(file)
            await self._worker.run(lambda: part.unlink(missing_ok=True))

    def _offered(self, id_: int) -> KnownFile:
        file = self._book.find(id_)
        if file is None or file.is_ours:
            raise FileRefused(FileRefusal.NO_SUCH_OFFER)
        return file

    def _target(self, file: KnownFile) -> Path:
        return Path(file.path) if file.path else self.downloads / file.name

    def _part_of(self, file: KnownFile) -> Path:
        return part_path(self._target(file), file.content)

    # --- what happens

    def noted(self, batch: Sequence[events.Event]) -> list[events.Event]:
        """Take what others have told: offers, answers, what was taken back, and who is here. Return
        it as it is to be told: offers have their numbers, and nothing is told of messages by which we
        only say that we have a file, or want none."""
        return [
            self._noted(event)
            for event in batch
            if not (isinstance(event, _OF_MESSAGES) and event.id in self._answers)
        ]

    def _noted(self, event: Told) -> Told:
        match event:
            case events.MailReturned(lines=lines):
                return replace(event, lines=tuple(map(self._noted, lines)))
            case events.Said(file=file, is_ours=False) if file is not None:
                return replace(event, file=self._offer_came(event, file))
            case events.FileAnswered() | events.Retracted():
                _ = self._begin(self._line_changed(event))
            case events.PersonCame():
                for fetching, _ in self._fetches.values():
                    fetching.wake()
            case _:
                pass
        return event

    def _offer_came(self, line: events.Said, file: events.OfferedFile) -> events.OfferedFile:
        """Note a file that somebody offers; return it as it is to be told."""
        is_new = self._book.find(line.id) is None
        known = self._book.offered(line, now=self._node.now())
        if known is None:
            return file
        is_coming = is_new and self._is_welcome(known)
        if is_coming:
            _ = self._begin(self._accept_unasked(known))
        return replace(file, number=known.number, is_coming=is_coming)

    def _is_welcome(self, file: KnownFile) -> bool:
        """Whether a file is fetched without a question."""
        rule, contacts = self._auto_accept, self._node.core.roster.contacts
        contact = contacts.by_identity(file.identity)
        return (
            rule is not None
            and contact is not None
            and not contact.is_blocked
            and file.size <= rule.size_most
            and any(is_same_name(contact.name, name) for name in rule.people)
        )

    async def _accept_unasked(self, file: KnownFile) -> None:
        with contextlib.suppress(FileRefused):  # its user was quicker
            await self.accept(requests.AcceptFile(id=file.id))

    async def _line_changed(self, event: events.FileAnswered | events.Retracted) -> None:
        """Find the file that a message is about, and note what has become of it."""
        named = requests.LineName(conversation=event.conversation, target=event.target)
        found = (await self._node.request(requests.FindLines(wanted=(named,)))).lines[0]
        file = None if found is None else self._book.find(found.line.id)
        if file is None:
            return
        if isinstance(event, events.Retracted):
            self.withdraw(file.id)
        elif file.is_ours and event.reply is FileReply.STOPPED:
            self._book.note_progress(file, 0, 0.0)
        elif file.is_ours and file.conversation.is_person:  # one in a room speaks for no other
            has_it = event.reply is FileReply.HAS
            self._book.move(file, FileState.DONE if has_it else FileState.REFUSED)
        self.tell()

    def withdraw(self, id_: int) -> None:
        """Note that the line with this id was taken back, by us or its author."""
        file = self._book.find(id_)
        if file is None or not self._book.move(file, FileState.WITHDRAWN):
            return
        if not file.is_ours:
            _ = self._begin(self._drop(file))
        self.tell()

    # --- inside

    def _fetch(self, file: KnownFile, *, goes_on: bool = False) -> None:
        fetching = Fetching(self._port, file, self._target(file), goes_on=goes_on)
        task = self._begin(self._run(fetching))
        self._fetches[file.id] = fetching, task
        if file.conversation.is_room:
            self._share()

    def _under_way(self, file: KnownFile) -> Fetching | None:
        return self._fetches[file.id][0] if file.id in self._fetches else None

    async def _run(self, fetching: Fetching) -> None:
        file = fetching.file
        try:
            await fetching.run()
        except Stopped as stopped:
            self._book.move(file, FileState.FAILED, stopped.trouble, stopped.detail)
        else:
            self._book.move(file, FileState.DONE)
            await self._answer(file, RelationKind.HAS_FILE)
        finally:
            if self._fetches.get(file.id, (None,))[0] is fetching:
                del self._fetches[file.id]
            self.tell()

    async def _answer(self, file: KnownFile, kind: RelationKind) -> None:
        """Tell the one who offers a file to us alone what has become of it."""
        if not file.conversation.is_person:
            return
        line = await self._node.storage.read(lambda lines: lines.by_id(file.id), by_index=False)
        if line is None:
            return
        related = Related(kind, line.stream, is_ours=False, number=line.number)
        now = self._node.now()
        sent = self._node.core.direct.send_to_known(file.conversation.name, "", related, now=now)
        if sent is not None:
            self._answers.add(sent.id)
            self._node.driver.schedule()

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._is_closed:
            _log.error("fault with a file: %s", quoted(repr(error)))

    def tell(self) -> None:
        """Tell and store what has changed."""
        changed = self._book.drain_changed()
        if self._is_closed:
            return
        self._node.tell([events.FileChanged(file=file) for file in changed])
        if self._book.is_to_store and self._saving is None:
            self._saving = self._begin(self._save())

    async def _stored(self) -> None:
        """Tell what has changed, and wait until it is stored, as far as the disk takes it: what was
        answered outlives a crash."""
        self.tell()
        if self._saving is not None:
            await asyncio.wait([self._saving])

    async def _save(self) -> None:
        try:
            while self._book.is_to_store:
                self._book.is_to_store = False
                content = encoded(self._book)
                await self._worker.run(lambda: self._store.save(content))  # noqa: B023 - awaited
        except OSError as error:
            self._book.is_to_store = True
            _log.error("the list of files cannot be stored: %s", error)
        finally:
            self._saving = None
