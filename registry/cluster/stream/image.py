"""What a stream says, taken together, in memory: each record's bytes with its place in the order of
all records."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

from chatapp.registry.cluster.stream.bundles import (
    ClusterFounded,
    OwnerBegan,
    Record,
    encode_control,
)
from chatapp.registry.store.entries import (
    CheckpointMark,
    DeskOwner,
    Entry,
    GroupLineKept,
    MailStored,
    Owner,
    decode,
    encode,
    erases,
)
from chatapp.registry.store.protocol import Loaded, RecordLost
from chatapp.registry.store.state import LoadedBuilder, StoreState
from chatapp.wire.storage import frame


class Ordered(NamedTuple):
    """A record: its number in the order of all records, and its encoding."""

    order: int
    payload: bytes


_E = TypeVar("_E", MailStored, GroupLineKept)


class Image:
    """The state of a cluster, as far as its journal was taken in."""

    def __init__(self) -> None:
        self._state: StoreState[Ordered] = StoreState()
        self._order = 0
        self.founded: ClusterFounded | None = None
        """The first record of all; None: the stream is new."""
        self.is_spent = False
        """Whether a session of the help desk has ended, or a line of one was taken back, so that
        older records of it can be erased by a snapshot."""

    def take(self, record: Record, payload: bytes) -> None:
        """Take in a record and its encoding."""
        match record:
            case ClusterFounded():
                self.founded = record
            case OwnerBegan():
                pass
            case _:
                self._order += 1
                self._state.apply(record, Ordered(self._order, payload))
                self.is_spent = self.is_spent or erases(record)

    def copy(self) -> "Image":
        """Return an independent copy of the same records."""
        twin = Image()
        twin._state, twin._order = self._state.copy(), self._order
        twin.founded, twin.is_spent = self.founded, self.is_spent
        return twin

    @property
    def highest_serial(self) -> int:
        """The highest number that a letter ever had."""
        return self._state.highest_serial

    @highest_serial.setter
    def highest_serial(self, serial: int) -> None:
        self._state.highest_serial = max(self._state.highest_serial, serial)

    def loaded(self) -> Loaded:
        """Return everything for the start of a core."""
        builder = LoadedBuilder()
        for kept in self._kept():
            entry = _entry_of(kept.payload)
            if entry is not None:
                builder.note(entry)
        return builder.loaded(self._state)

    def records(self) -> Iterator[bytes]:
        """Yield framed records from which the same image can be built."""
        if self.founded is not None:
            yield frame(encode_control(self.founded))
        for entry in self.people():
            yield frame(encode(entry))
        for kept in self._kept():
            yield frame(kept.payload)

    def entries(self) -> Iterator[Entry]:
        """Yield entries from which a store of another kind can be built."""
        yield from self.people()
        for kept in self._kept():
            entry = _entry_of(kept.payload)
            if entry is not None:
                yield entry

    def people(self) -> Iterable[Entry]:
        """Return what the state holds in memory as it is, such as names and room members."""
        return self._state.people()

    def letters(self, recipient: bytes, serials: Sequence[int]) -> list[bytes]:
        """Return letters, in the order of `serials`. Raises RecordLost."""
        found = self._found(self._state.mail.get(recipient, {}), serials, recipient.hex())
        return [entry.letter for entry in found if isinstance(entry, MailStored)]

    def lines(self, group: str, positions: Sequence[int]) -> list[bytes]:
        """Return frames of a group, in the order of `positions`. Raises RecordLost."""
        known = self._state.groups.get(group)
        found = self._found(known.lines if known else {}, positions, group)
        return [entry.frame for entry in found if isinstance(entry, GroupLineKept)]

    def _found(
        self, holder: dict[int, Ordered], keys: Sequence[int], where: str
    ) -> list[Entry | None]:
        lost = [key for key in keys if key not in holder]
        if lost:
            raise RecordLost(where, lost)
        return [_entry_of(holder[key].payload) for key in keys]

    def _kept(self) -> list[Ordered]:
        """Return the records of mailboxes, groups and the desk in the order in which they came."""
        state = self._state
        owners: list[Owner] = [*state.mail, *state.groups, DeskOwner.DESK]
        holders = chain.from_iterable(map(state.holders, owners))
        return sorted(chain.from_iterable(holder.values() for holder in holders))


def _entry_of(payload: bytes) -> Entry | None:
    entry = decode(payload)
    return None if isinstance(entry, CheckpointMark) else entry
