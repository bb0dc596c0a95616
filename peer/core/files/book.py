"""The files that a node knows: those that it offers, and those that were offered to it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.api.files import FileState, FileTransfer, FileTrouble, FileWay
from chatapp.wire.buckets import Buckets
from chatapp.wire.files import clean_name, content_id, file_id
from chatapp.wire.limits import FILE_OFFERS_BURST, FILE_OFFERS_PER_HOUR, FILES_KNOWN_MAX

_MOVES: Final[dict[FileState, frozenset[FileState]]] = {
    FileState.OFFERED: frozenset(FileState) - {FileState.OFFERED, FileState.PAUSED},
    FileState.WAITING: frozenset(FileState) - {FileState.WAITING},
    FileState.RUNNING: frozenset(FileState) - {FileState.RUNNING},
    FileState.PAUSED: frozenset(
        {FileState.OFFERED, FileState.WAITING, FileState.REFUSED, FileState.WITHDRAWN}
    ),
    FileState.FAILED: frozenset(
        {FileState.OFFERED, FileState.WAITING, FileState.REFUSED, FileState.WITHDRAWN}
    ),
    FileState.REFUSED: frozenset({FileState.WAITING, FileState.WITHDRAWN}),
    FileState.DONE: frozenset({FileState.WITHDRAWN}),
    FileState.WITHDRAWN: frozenset(),
}
"""What may follow each state."""

MAY_BE_ACCEPTED: Final = frozenset(
    state for state, following in _MOVES.items() if FileState.WAITING in following
)

_ON_WAY: Final = (FileState.WAITING, FileState.RUNNING)
_PREFIX: Final = 8
_HOUR: Final = 3_600.0


class KnownFile(msgspec.Struct, kw_only=True):
    """A file, as it is stored."""

    number: int = 0
    id: int = 0
    """Of the line that offers it; 0 for one of ours that is not said yet."""
    conversation: Conversation
    sender: str
    identity: bytes
    """The key of who offers it; empty for ours."""
    name: str
    size: int
    state: FileState = FileState.OFFERED
    trouble: FileTrouble | None = None
    detail: str = ""
    path: str = ""
    """Ours: where it is. Theirs: what the user wants to have it called, then where it is."""
    key: bytes = b""
    """Of ours, and of theirs once it was accepted."""
    pages: tuple[bytes, ...] = ()
    ways: tuple[FileWay, ...] = ()
    """By what some of it has come, or was fetched of us."""
    people: set[bytes] = msgspec.field(default_factory=set)
    """The first 8 bytes of the identities of those who have given us chunks, or fetched some."""
    is_kept: bool = False
    """Whether the registry has a copy of ours, as far as we know."""
    was_kept: bool = False
    """Whether it had one: what it has thrown away is not given again."""
    modified: int = 0
    """Of one that others may fetch from us: when it was last changed, in nanoseconds, as its file
    system says."""

    @property
    def is_ours(self) -> bool:
        """Whether we offer it."""
        return not self.identity

    @property
    def content(self) -> bytes:
        """What tells its content from that of all others, also of those with its key."""
        return content_id(self.key, self.pages)

    @property
    def is_offered(self) -> bool:
        """Whether it is ours, and may be fetched."""
        return self.is_ours and self.state not in (FileState.WITHDRAWN, FileState.REFUSED)

    @property
    def is_held(self) -> bool:
        """Whether it is of somebody else, was offered in a room, and we fetch it or have it."""
        return (
            not self.is_ours
            and bool(self.key)
            and self.conversation.is_room
            and self.state in (FileState.WAITING, FileState.RUNNING, FileState.DONE)
        )


class FileBook:
    """All files that are known."""

    def __init__(self, known: Iterable[KnownFile] = ()) -> None:
        every = list(known)
        self._files: Final = {file.id: file for file in every if file.id}
        self._unsaid: Final = {file.key: file for file in every if not file.id}
        """Files of ours whose offers are about to be said."""
        self._by_file_id: Final = {file_id(file.key): file for file in every if file.is_ours}
        self._done: Final[dict[int, tuple[int, float]]] = {}
        """The bytes that are there, and the rate, by the id of the line."""
        self._allowed: Final[Buckets[bytes]] = Buckets(
            rate=FILE_OFFERS_PER_HOUR / _HOUR, burst=FILE_OFFERS_BURST, most=FILES_KNOWN_MAX
        )
        self._changed: dict[int, None] = {}
        self.is_to_store = False
        """Whether what is stored is not what is known."""

    def __iter__(self) -> Iterator[KnownFile]:
        return iter(list(self._files.values()))

    def find(self, id_: int) -> KnownFile | None:
        """Return the file that the line with this id offers."""
        return self._files.get(id_)

    def ours(self) -> list[KnownFile]:
        """Return the files of ours that were offered, the oldest first."""
        return [file for file in self._files.values() if file.is_ours]

    def of_ours(self, file: bytes) -> KnownFile | None:
        """Return the file of ours that others name like this, while it is offered."""
        found = self._by_file_id.get(file)
        return found if found is not None and found.is_offered else None

    def of_others(self, file: bytes) -> list[KnownFile]:
        """Return the files that others name like this, which were offered in a room and which we
        fetch or have: they may be given to who is in it."""
        return [
            known for known in self._files.values() if known.is_held and file_id(known.key) == file
        ]

    # --- what happens

    def offered(self, line: Said, *, now: float) -> KnownFile | None:
        """Note a file that somebody offers to us, and return it; None if too many are offered."""
        if line.file is None or line.id in self._files:
            return self._files.get(line.id)
        if not self._allowed.take(line.identity, now=now):
            return None
        return self._add(
            KnownFile(
                number=self._next_number(),
                id=line.id,
                conversation=line.conversation,
                sender=line.sender,
                identity=line.identity,
                name=clean_name(line.text),
                size=line.file.size,
            )
        )

    def hold(self, file: KnownFile) -> None:
        """Note a file that we are about to offer: from now on it is given to those who ask for it,
        so that no crash leaves an offer without a file."""
        self._unsaid[file.key] = self._by_file_id[file_id(file.key)] = file
        self.is_to_store = True

    def offer(self, file: KnownFile, id_: int) -> None:
        """Note that we offer this file by the line with this id; 0: it was refused."""
        self._unsaid.pop(file.key, None)
        self.is_to_store = True
        if not id_:
            del self._by_file_id[file_id(file.key)]
            return
        file.id, file.number = id_, self._next_number()
        self._add(file)

    def unsaid(self) -> list[KnownFile]:
        """Return the files of ours whose lines are not known: at a start, those that an earlier run
        has offered in its last moment, or was about to."""
        return list(self._unsaid.values())

    def to_come(self, file: KnownFile) -> int:
        """Return how many bytes are still to come, of this file and of all that are on their way."""
        on_way = (
            one
            for one in self._files.values()
            if one is file or (not one.is_ours and one.state in _ON_WAY)
        )
        return sum(one.size - self._done.get(one.id, (0, 0.0))[0] for one in on_way)

    def stored(self) -> list[KnownFile]:
        """Return all that is to be stored."""
        return [*self._unsaid.values(), *self._files.values()]

    def move(
        self,
        file: KnownFile,
        state: FileState,
        trouble: FileTrouble | None = None,
        detail: str = "",
    ) -> bool:
        """Note how far a file got. Return False, and change nothing, if that cannot follow."""
        if state not in _MOVES[file.state]:
            return False
        file.state, file.trouble, file.detail = state, trouble, detail
        self._changed[file.id] = None
        self.is_to_store = True
        return True

    def note_trouble(self, file: KnownFile, trouble: FileTrouble | None) -> bool:
        """Note why a file waits. Return False if that is known."""
        if file.trouble is trouble:
            return False
        file.trouble = trouble
        self._changed[file.id] = None
        return True

    def note_progress(self, file: KnownFile, done: int, rate: float) -> None:
        """Note how much of a file is there."""
        self._done[file.id] = (done, rate)
        self._changed[file.id] = None

    def note_kept(self, file: KnownFile, *, is_kept: bool) -> None:
        """Note whether the registry has a copy of a file of ours."""
        if file.is_kept is not is_kept:
            file.is_kept = is_kept
            file.was_kept = True
            self._changed[file.id] = None
            self.is_to_store = True

    def note_way(self, file: KnownFile, identity: bytes, way: FileWay) -> None:
        """Note that somebody has given us some of a file, or has fetched some of it of us.
        `identity`: empty for the registry."""
        if way not in file.ways:
            file.ways += (way,)
            self._changed[file.id] = None
            self.is_to_store = True
        if identity:
            file.people.add(identity[:_PREFIX])

    def note_given(self, file: KnownFile, upto: int) -> None:
        """Note up to where somebody has fetched a file of ours."""
        done, _ = self._done.get(file.id, (0, 0.0))
        self.note_progress(file, max(done, min(upto, file.size)), 0.0)

    # --- what is told

    def transfer(self, file: KnownFile) -> FileTransfer:
        """Return how a file stands."""
        done, rate = self._done.get(file.id, (0, 0.0))
        return FileTransfer(
            number=file.number,
            id=file.id,
            conversation=file.conversation,
            sender=file.sender,
            name=file.name,
            size=file.size,
            is_ours=file.is_ours,
            state=file.state,
            trouble=file.trouble,
            detail=file.detail,
            done=file.size if file.state is FileState.DONE else done,
            rate=rate if file.state is FileState.RUNNING else 0.0,
            path=file.path,
            ways=file.ways,
            people=len(file.people),
            is_kept=file.is_kept,
        )

    def drain_changed(self) -> list[FileTransfer]:
        """Return the files that stand otherwise than before, once."""
        changed, self._changed = self._changed, {}
        return [self.transfer(self._files[id_]) for id_ in changed if id_ in self._files]

    def _next_number(self) -> int:
        return max((file.number for file in self._files.values()), default=0) + 1

    def _add(self, file: KnownFile) -> KnownFile:
        self._files[file.id] = file
        self._changed[file.id] = None
        self.is_to_store = True
        if len(self._files) > FILES_KNOWN_MAX:
            self._forget_oldest()
        return file

    def _forget_oldest(self) -> None:
        """Forget the oldest file that is done with; if none is, one that is offered to us and was
        not accepted, of who offers most; if there is none, the oldest that is not on its way."""
        over = (FileState.DONE, FileState.REFUSED, FileState.WITHDRAWN)
        untouched = Counter(file.identity for file in self._files.values() if _is_untouched(file))

        def rank(file: KnownFile) -> tuple[int, int, int]:
            if file.state in over:
                return 0, 0, file.number
            if _is_untouched(file):
                return 1, -untouched[file.identity], file.number
            return 2, 0, file.number

        idle = (file for file in self._files.values() if file.state not in _ON_WAY)
        if (file := min(idle, key=rank, default=None)) is not None:
            del self._files[file.id]
            self._done.pop(file.id, None)
            if file.is_ours:
                self._by_file_id.pop(file_id(file.key), None)


def _is_untouched(file: KnownFile) -> bool:
    return file.state is FileState.OFFERED and not file.is_ours
