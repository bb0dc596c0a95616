"""The seam between the registry and its store.

Rules for threads:

- `load` first, once, before anything else; `close` last, when no other call runs.
- `append`, `read_letters`, `read_lines`, `checkpoint_due` and `recovery_due` are for the thread of
  the event loop. They make
  no syncs.
- `sync`, `checkpoint` and `recover` are for worker threads. Each may wait for the disk, and while
  they do, appending and
  reading go on. One worker that calls them in turn is enough; with two, a sync need not wait for a
  long checkpoint.

An entry may be called stored when a `sync` has returned that began after its `append` returned.
"""

import shlex
from collections.abc import Sequence
from typing import Protocol

import msgspec

from chatapp.registry.store.entries import (
    BanKept,
    DeskLineKept,
    DeskOpeningKept,
    DeskPieceKept,
    DeskSessionKept,
    DeskTranscriptKept,
    DeskVisitKept,
    DeskVisitOver,
    DeskVisitRated,
    Entry,
    InviteMade,
    NameBound,
    NameReserved,
    RoomMemberKept,
    RoomTopicKept,
)
from chatapp.wire.errors import StoreError


class LetterHead(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A waiting letter without its bytes; `size` is their number."""

    serial: int
    sender: bytes
    sender_name: str
    number: int
    at: int
    size: int


class LineHead(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A group's line without its frame; `size` is the frame's length."""

    position: int
    sender: bytes
    epoch: int
    at: int
    size: int


class LoadedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group as it was stored. `cut` and `highest` are positions, -1 for none; the next line's is
    above `highest`."""

    keys: dict[int, bytes]  # by epoch, the newest last
    lines: list[LineHead]  # by position
    cut: int
    highest: int
    topic: RoomTopicKept | None = None


class LoadedDesk(msgspec.Struct, frozen=True, kw_only=True):
    """The help desk as it was stored."""

    visits: list[DeskVisitKept] = []  # by number
    lines: dict[int, list[DeskLineKept]] = {}  # by visit, then by position
    served: list[DeskVisitOver] = []  # the newest sessions that are over, the oldest first
    untold: list[DeskVisitOver] = []  # ended unserved, and the visitor may still have to be told
    sessions: list[DeskSessionKept] = []  # kept for operators, the oldest end first
    transcripts: list[DeskTranscriptKept] = []  # of some of these
    highest_visit: int = 0  # ever used; 0 for none
    pieces: list[DeskPieceKept] = []  # of files, in no order
    ratings: list[DeskVisitRated] = []  # the newest, the oldest first
    openings: list[DeskOpeningKept] = []  # what operators said last, one a queue


class KeptTable(msgspec.Struct, frozen=True, array_like=True):
    """The table as an earlier run has told it. `rows`: encoded, in the order of their last change;
    `gaps`: versions
    that a still earlier run may have told of, as in `registry.rules.directory.table`."""

    version: int
    rows: list[msgspec.Raw]
    gaps: list[tuple[int, int]]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the core needs at its start."""

    names: list[
        NameBound | NameReserved
    ]  # the latest entry of each name, in the order of the entries
    letters: dict[bytes, list[LetterHead]]  # by recipient, the lowest serial first
    groups: dict[str, LoadedGroup]
    members: list[RoomMemberKept] = []  # one for each person and room
    invites: list[InviteMade] = []  # join codes that are not used up
    bans: list[BanKept] = []  # those of the administrator that are not lifted
    highest_serial: int  # ever used; 0 for none
    sender_indices: int = 0  # ever reserved
    skipped: int  # records of an unknown kind
    damage: list[str]  # a line for people about each torn or damaged file
    desk: LoadedDesk = LoadedDesk()
    table: KeptTable | None = None  # None: nobody here knows what peers were told last


class RecordReader(Protocol):
    """Reads stored records one by one."""

    def read_letters(self, recipient: bytes, serials: Sequence[int]) -> list[bytes]:
        """Return the letters in the order of `serials`. RecordLost names those that are missing or
        unreadable."""

    def read_lines(self, group: str, positions: Sequence[int]) -> list[bytes]:
        """Return the frames in the order of `positions`. RecordLost names those that are missing or
        unreadable."""


class Store(RecordReader, Protocol):
    """What the registry needs of a store. Every method may raise StoreError."""

    def load(self) -> Loaded:
        """Return what was stored, also after a crash. Damage is reported in it, not raised."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Store `entries`, in this order, without waiting for the disk.

        Raises StoreFull (none of them counts; a later append may fit), StoreBroken (the same, for
        another reason) or StoreReadOnly; ValueError for an entry that no store can hold. After
        StoreLost this process stores nothing more, and nobody is told what became of what is under
        way.
        """

    def sync(self) -> None:
        """Return when everything appended before this call is on the disk. After StoreReadOnly
        whatever no earlier call covered never will be."""

    def checkpoint_due(self, now: float) -> bool:
        """Return whether it is time to call `checkpoint`; `now` by the clock that the store was
        made with."""

    def checkpoint(self) -> None:
        """Bring to rest what the journal says, and begin a new one. If it raises, nothing is lost;
        it is due again later."""

    def recovery_due(self, now: float) -> bool:
        """Return whether it is time to call `recover`: the store is read-only, and no recovery was
        tried just now."""

    def recover(self) -> None:
        """After StoreReadOnly: go back to what the last successful `sync` covered, and accept
        writes again. Raises StoreError while the disk does not work; then it is due again later."""

    def close(self) -> None:
        """Stop in order: sync, checkpoint, let go. It does not raise: what cannot come to rest
        stays in the journal."""


LOST_SUFFIX = ".lost"
"""A file with this suffix tells the store to go on without the file of the same name."""


class StoreInUse(StoreError):
    """Another process has the folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder, "another registry is using this folder")


class StoreUnusable(StoreError):
    """The folder cannot be made, opened or read."""


class StoreLacking(StoreUnusable):
    """A file is missing without which people's names would be anybody's: the administrator has to
    decide."""

    def __init__(self, folder: str, name: str, what: str) -> None:
        lost = shlex.quote(f"{folder}/{name}{LOST_SUFFIX}")
        super().__init__(
            f"{folder}/{name}",
            f"{what}; names, letters and lines that only it held would be lost, and such names be anybody's. "
            f"Restore it from a copy; or, to go on without it, run: touch {lost}; "
            f"or, to begin anew with all names free, move {folder} away",
        )


class RecordLost(StoreError):
    """`keys` (serials or positions) cannot be read: never stored, dropped, or damaged on the
    disk."""

    def __init__(self, where: str, keys: Sequence[int]) -> None:
        super().__init__(where, f"cannot be read: {', '.join(map(str, keys))}")
        self.keys = list(keys)
