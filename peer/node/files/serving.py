"""Our files, and those of a room that we fetch or have, given to those who fetch them: a TCP port of the same
number as our UDP port (clauses 6.17 to 6.19). It is open while there is such a file."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from chatapp.peer.api.files import FileState, FileWay
from chatapp.peer.core.files.book import FileBook, KnownFile
from chatapp.peer.core.files.links import Chunk, ServingEnd
from chatapp.peer.core.files.readers import Readers
from chatapp.peer.node.files.disk import Changed, Shared, SharedFile, SharedPart
from chatapp.peer.node.files.fetching import TOLD_EACH, Fetching
from chatapp.peer.node.files.store import FileStore
from chatapp.peer.node.files.worker import Worker
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import Listener, Machine
from chatapp.wire.codec import CHUNK_OVERHEAD, frame
from chatapp.wire.errors import DecodeError, PortInUse, WireError
from chatapp.wire.files import packed
from chatapp.wire.limits import (
    CHUNK_SIZE,
    FILE_ASKED_MAX,
    FILE_LINK_IDLE_MAX,
    FILE_LINK_OPENS_WITHIN,
    FILE_LINKS_EACH,
    FILE_LINKS_MAX,
    FILE_STRANGERS_EACH,
    FILES_KNOWN_MAX,
)
from chatapp.wire.messages.files import (
    AskChunk,
    AskHave,
    AskPage,
    FileNotice,
    FileRequest,
    Have,
    NotServed,
    PageGiven,
    Unserved,
)

if TYPE_CHECKING:
    from chatapp.peer.core.core import PeerCore

_QUEUE_MAX: Final = (FILE_ASKED_MAX + 1) * (CHUNK_SIZE + CHUNK_OVERHEAD)
_log = logging.getLogger("chatapp.peer")


class ServingNode(Protocol):
    """What serving asks of the node."""

    @property
    def core(self) -> "PeerCore": ...
    def now(self) -> float: ...


class Serving:
    """The port, and the links on it."""

    def __init__(
        self,
        node: ServingNode,
        book: FileBook,
        store: FileStore,
        worker: Worker,
        machine: Machine,
        *,
        tell: Callable[[], None],
        under_way: Callable[[KnownFile], Fetching | None],
    ) -> None:
        """`tell`: called when the book has changed. `under_way`: returns a file that we fetch
        ourselves."""
        self.machine: Final = machine
        self.node: Final = node
        self.book: Final = book
        self.store: Final = store
        self.worker: Final = worker
        self.tell: Final = tell
        self.under_way: Final = under_way
        self._readers: Final[dict[bytes, Readers]] = {}
        """Those who fetch each file of a room, by its content."""
        self._listener: Listener | None = None
        self._opening: asyncio.Task[None] | None = None
        self._links: dict[ServedLink, None] = {}
        self.is_open = False
        """Whether links are accepted."""

    def open(self, port: int) -> None:
        """Accept links from now on: through tunnels alone, if the TCP port cannot be had."""
        is_new, self.is_open = not self.is_open, True
        if self._listener is not None:
            return
        try:
            self._listener = self.machine.listen(port)
        except (PortInUse, OSError) as error:
            if is_new:
                _log.warning("others fetch files from here by UDP only: %s", error)
            return
        serve = self._listener.serve(self.new_link)
        self._opening = asyncio.get_running_loop().create_task(serve)

    def close(self) -> None:
        """Accept nothing more, and end all links."""
        if self._opening is not None:
            self._opening.cancel()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.is_open = False
        for link in list(self._links):
            link.cut("leaving")

    @property
    def is_listening(self) -> bool:
        """Whether others can connect by TCP, as far as this machine is concerned."""
        return self._listener is not None

    def new_link(self, way: FileWay = FileWay.TCP) -> TcpLink:
        """Return our end of a link that somebody opens."""
        return TcpLink(ServedLink(self, way), queue_max=_QUEUE_MAX)

    def admit(self, link: "ServedLink", host: str) -> bool:
        """Note a link that was opened; return False if there are too many. Those on which nothing
        is asked for that we have make room."""
        strangers = sum(not one.is_known and one.host == host for one in self._links)
        if strangers >= FILE_STRANGERS_EACH:
            return False
        if len(self._links) >= FILE_LINKS_MAX:
            useless = next((one for one in self._links if not one.is_used), None)
            if useless is None:
                return False
            self.forget(useless)
            useless.cut("others need the place")
        self._links[link] = None
        return True

    def has_room_for(self, identity: bytes) -> bool:
        """Whether this person may have one link more."""
        return sum(link.identity == identity for link in self._links) < FILE_LINKS_EACH

    def find(self, file: bytes, identity: bytes) -> KnownFile | None:
        """Return the file that somebody names, if it may be given to them."""
        ours = self.book.of_ours(file)
        found = self.book.of_others(file) if ours is None else [ours]
        return next((one for one in found if self.is_offered(one, identity)), None)

    def is_offered(self, file: KnownFile, identity: bytes) -> bool:
        """Whether a file may be given to this person now."""
        if file.is_ours:
            return file.is_offered
        rooms = self.node.core.rooms
        return file.is_held and rooms.has_member(file.conversation.name, identity)

    def note_reader(self, file: KnownFile, identity: bytes) -> Readers:
        """Note that somebody fetches a file of a room: we may fetch it from them."""
        if file.content not in self._readers and len(self._readers) >= FILES_KNOWN_MAX:
            del self._readers[next(iter(self._readers))]
        readers = self._readers.setdefault(file.content, Readers(file.size, self.machine.rng))
        readers.note(identity)
        if (fetching := self.under_way(file)) is not None:
            fetching.noted((identity,))
        return readers

    def open_file(self, file: KnownFile) -> Shared | None:
        """Open a file, or as much of it as is here. Raises OSError."""
        if file.is_ours or file.state is FileState.DONE:
            return SharedFile(file, self.store.hashes_of(file.content))
        fetching = self.under_way(file)
        return None if fetching is None else SharedPart(fetching.part, fetching.fetch)

    def forget(self, link: "ServedLink") -> None:
        """Note that a link is over."""
        self._links.pop(link, None)


class ServedLink:
    """One link on which somebody fetches (a `TcpLinkOwner`)."""

    def __init__(self, serving: Serving, way: FileWay) -> None:
        self._serving: Final = serving
        self._way: Final = way
        self._loop: Final = asyncio.get_running_loop()
        self._told_at = 0.0
        self._link: TcpLink | None = None
        self._end: ServingEnd | None = None
        self._requests: deque[FileRequest] = deque()
        self._work: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._named = b""
        """The file for which the link is."""
        self._file: KnownFile | None = None
        self._readers: Readers | None = None
        """All who fetch it, if it is one of a room."""
        self._shared: Shared | None = None
        self._is_whole = False
        """Whether that is the whole file."""
        self.host = ""
        self.identity = b""
        """Who the other side is, once they have shown it."""

    @property
    def is_known(self) -> bool:
        """Whether the other side has shown who they are."""
        return self._end is not None

    @property
    def is_used(self) -> bool:
        """Whether the other side has asked for something that may be given to them."""
        return self._file is not None

    def cut(self, reason: str) -> None:
        """End it now."""
        if self._link is not None:
            self._link.cut(reason)

    # --- what the link reports

    def link_opened(self, link: TcpLink) -> None:
        self._link, self.host = link, link.remote.host
        if not self._serving.admit(self, self.host):
            link.cut("too many links")
            return
        self._end_after(FILE_LINK_OPENS_WITHIN)

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        try:
            for received in frames:
                self._receive(link, received)
        except WireError as error:
            self._serving.node.core.dropped[type(error).__name__] += 1
            link.cut(str(error))

    def link_progressed(self, *_: object) -> None:
        pass  # a request is a few bytes

    def link_closed(self, _: TcpLink, reason: str) -> None:
        _log.debug("a link for files has ended: %s", reason)
        self._link = None
        self._serving.forget(self)
        if self._readers is not None:
            self._readers.left(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._work is None:
            self._close_file()

    # --- inside

    def _receive(self, link: TcpLink, received: bytes) -> None:
        node = self._serving.node
        if self._end is None:
            who, answer, session = node.core.direct.take_link(received, link.remote, now=node.now())
            if not self._serving.has_room_for(who.identity):
                link.cut("too many links of one person")
                return
            self._end, self.identity = ServingEnd(session), who.identity
            link.write([frame(answer)])
        else:
            request = self._end.receive(received)
            if self._named not in (b"", request.file):
                raise DecodeError("request for a file", "another file than before")
            self._name(request.file)
            self._requests.append(request)
            if self._work is None:
                self._work = self._loop.create_task(self._serve())
        self._end_after(FILE_LINK_IDLE_MAX)

    def _name(self, file: bytes) -> None:
        """Note for which file the link is."""
        serving, known = self._serving, self._file
        if not self._named:
            known = serving.find(file, self.identity)
            if known is not None and known.conversation.is_room:
                self._readers = serving.note_reader(known, self.identity)
        elif known is not None and not serving.is_offered(known, self.identity):
            known = None
        self._named, self._file = file, known

    def _end_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.cut, "nothing came")

    async def _serve(self) -> None:
        """Answer what was asked, one after the other."""
        try:
            while self._requests and self._link is not None:
                request = self._requests.popleft()
                answer = await self._answer(request)
                if self._link is not None:
                    self._send(answer)
        finally:
            self._work = None
            if self._link is None:
                self._close_file()

    def _send(self, answer: FileNotice | Chunk) -> None:
        assert self._link is not None and self._end is not None
        if isinstance(answer, Chunk):
            self._link.write(self._end.chunk(answer))
            if self._readers is not None:
                self._readers.given(answer.place)
            self._note_progress(answer.place)
        else:
            self._link.write([self._end.notice(answer)])

    def _note_progress(self, index: int) -> None:
        """Note how far a file of ours was given, and tell it a few times a second."""
        if self._file is None or not self._file.is_ours:
            return
        book, now = self._serving.book, self._loop.time()
        is_new = book.move(self._file, FileState.RUNNING)
        book.note_given(self._file, (index + 1) * CHUNK_SIZE)
        book.note_way(self._file, self.identity, self._way)
        if is_new or now >= self._told_at + TOLD_EACH:
            self._told_at = now
            self._serving.tell()

    async def _answer(self, request: FileRequest) -> FileNotice | Chunk:
        """Return what answers a request."""
        answer = await self._serving.worker.run(lambda: self._read(request))
        is_open = self._link is not None
        if is_open and isinstance(answer, Have) and self._readers is not None:
            return self._advised(answer, self._readers)
        return answer

    def _advised(self, have: Have, readers: Readers) -> Have:
        """Return what we have with our advice where to begin."""
        suggested = readers.suggest(self, have.page) if self._is_whole else 0
        return replace(
            have,
            others=readers.others(self.identity),
            is_wireless=self._serving.machine.is_wireless(),
            suggested=packed(suggested),
        )

    def _read(self, request: FileRequest) -> FileNotice | Chunk:
        """Return what answers a request as far as the disk knows; in a thread."""
        file = self._file
        try:
            shared = None if file is None else self._open(file)
            if shared is None:
                return NotServed(request.file, Unserved.UNKNOWN)
            match request:
                case AskPage(page=page):
                    return PageGiven(page, shared.page(page))
                case AskHave(page=page):
                    return Have(page, shared.have(page), ())
                case AskChunk(chunk=chunk):
                    return shared.chunk(chunk)
        except Changed:
            return NotServed(request.file, Unserved.CHANGED)
        except OSError as error:
            _log.debug("a file that we offer cannot be read: %s", error)  # others decide how often
            return NotServed(request.file, Unserved.UNREADABLE)

    def _open(self, file: KnownFile) -> Shared | None:
        is_whole = file.is_ours or file.state is FileState.DONE
        if self._shared is not None and is_whole and not self._is_whole:
            self._shared.close()  # it has got its name, and its user may change it
            self._shared = None
        if self._shared is None:
            self._shared, self._is_whole = self._serving.open_file(file), is_whole
        return self._shared

    def _close_file(self) -> None:
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        file = self._file
        if file is not None and file.is_ours and file.state is FileState.RUNNING:
            self._serving.book.move(file, FileState.OFFERED)
            self._serving.tell()
