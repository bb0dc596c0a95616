"""What the entries mean, taken together, without files, threads or clocks.

`apply` gets each entry with a mark of *where* its bytes are: for the file store a place on the
disk, for the memory store of the tests the entry itself. So both share every rule, and letters and
lines need not be in memory.

Applying an entry again changes nothing: a stored serial, a made key and a reached position are
known, and what was taken or cut is not there. Only a letter that was stored *and* taken must not be
applied again without its taking; the journals' generations see to that (`recovery.py`).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, assert_never

from chatapp.registry.store.entries import (
    BanKept,
    BanLifted,
    DeskEntry,
    DeskFilesDropped,
    DeskLineKept,
    DeskOpeningKept,
    DeskOwner,
    DeskPastDropped,
    DeskPieceKept,
    DeskSessionKept,
    DeskTranscriptKept,
    DeskVisitKept,
    DeskVisitOver,
    DeskVisitRated,
    Entry,
    GroupCut,
    GroupGone,
    GroupKeyMade,
    GroupLineKept,
    GroupLinesDropped,
    InviteGone,
    InviteMade,
    MailStored,
    MailTaken,
    NameBound,
    NameFreed,
    NameReserved,
    Owner,
    RoomMemberGone,
    RoomMemberKept,
    RoomTopicKept,
    SenderIndicesReserved,
)
from chatapp.registry.store.protocol import LetterHead, LineHead, Loaded, LoadedDesk, LoadedGroup
from chatapp.wire.limits import DESK_SESSIONS_MAX, DESK_UNTOLD_MAX

Where = TypeVar("Where")

_POSITION_BITS = 64


def line_key(visit: int, position: int) -> int:
    """Return one number for a line of a visit. They sort by visit, then by position."""
    return visit << _POSITION_BITS | position


def _replaced(kept: dict[int, Where], key: int, where: Where) -> Sequence[Where]:
    former = kept.get(key)
    kept[key] = where
    return () if former is None else (former,)


class DeskState(Generic[Where]):
    """The help desk: visits by number, lines by `line_key`, the newest sessions and ends by visit,
    and what is kept of past sessions."""

    def __init__(self) -> None:
        self.visits: dict[int, Where] = {}
        self.lines: dict[int, Where] = {}
        self.served: dict[int, Where] = {}  # in the order of their ends
        self.last: dict[
            int, Where
        ] = {}  # the highest visit that ended unserved: its number is not given again
        self.untold: dict[
            int, Where
            # visits that ended unserved whose visitor may still have to be told, in the order of their
            # ends
        ] = {}
        self.openings: dict[str, Where] = {}  # by queue
        self.ratings: dict[int, Where] = {}  # by visit, in the order of the first ones
        self.sessions: dict[int, Where] = {}  # who, what about, how long
        self.transcripts: dict[int, Where] = {}
        self.files: dict[tuple[int, int, int], Where] = {}
        # pieces by visit, position of the line, and index
        self.highest_visit = 0
        self._spans: dict[
            int, tuple[int, int]
        ] = {}  # of each visit with lines: the first and the last position

    def copy(self) -> "DeskState[Where]":
        """Return an independent copy, of the same places."""
        twin: DeskState[Where] = DeskState()
        twin.visits, twin.lines = self.visits.copy(), self.lines.copy()
        twin.served, twin.last, twin.untold = (
            self.served.copy(),
            self.last.copy(),
            self.untold.copy(),
        )
        twin.openings, twin.ratings = self.openings.copy(), self.ratings.copy()
        twin.sessions, twin.transcripts = self.sessions.copy(), self.transcripts.copy()
        twin.files = self.files.copy()
        twin.highest_visit, twin._spans = self.highest_visit, self._spans.copy()
        return twin

    def holders(self) -> list[dict[Any, Where]]:
        """Return the live tables: together the whole content of the desk's file."""
        tables: list[dict[Any, Where]] = [
            self.visits,
            self.lines,
            self.served,
            self.last,
            self.untold,
            self.openings,
            self.ratings,
            self.sessions,
            self.transcripts,
            self.files,
        ]
        return tables if any(tables) else []

    def apply(self, entry: DeskEntry, where: Where) -> Sequence[Where]:
        """Take in an entry. Return the places that are not needed any more."""
        match entry:
            case DeskVisitKept():
                return self._keep(entry, where)
            case DeskLineKept():
                return self._say(entry, where)
            case DeskVisitOver():
                return self._end(entry, where)
            case DeskVisitRated():
                return self._rate(entry, where)
            case DeskOpeningKept():
                former = self.openings.get(entry.queue)
                self.openings[entry.queue] = where
                return () if former is None else (former,)
            case DeskSessionKept():
                return _replaced(self.sessions, entry.visit, where)
            case DeskTranscriptKept():
                return _replaced(self.transcripts, entry.visit, where)
            case DeskPastDropped(sessions, transcripts):
                gone = [self.sessions.pop(visit, None) for visit in sessions]
                gone += [self.transcripts.pop(visit, None) for visit in transcripts]
                return [entry for entry in gone if entry is not None]
            case DeskPieceKept(visit, position, index):
                key = visit, position, index
                former = self.files.get(key)
                self.files[key] = where
                return () if former is None else (former,)
            case DeskFilesDropped(visit, positions):
                return list(self._drop_files(visit, positions))
        assert_never(entry)

    def _drop_files(self, visit: int, positions: Sequence[int]) -> Iterator[Where]:
        """Drop the pieces of these files, which were stored from the first on."""
        for position in positions:
            index = 0
            while (where := self.files.pop((visit, position, index), None)) is not None:
                yield where
                index += 1

    def _keep(self, entry: DeskVisitKept, where: Where) -> Sequence[Where]:
        if self._is_over(entry.visit):
            return (where,)
        self.highest_visit = max(self.highest_visit, entry.visit)
        former = self.visits.get(entry.visit)
        self.visits[entry.visit] = where
        return () if former is None else (former,)

    def _say(self, entry: DeskLineKept, where: Where) -> Sequence[Where]:
        first, last = self._spans.get(entry.visit, (entry.first, entry.first - 1))
        if self._is_over(entry.visit) or entry.position < first:
            return (where,)
        if entry.position <= last:  # it was changed
            return _replaced(self.lines, line_key(entry.visit, entry.position), where)
        self.lines[line_key(entry.visit, entry.position)] = where
        cut = max(first, entry.first)
        self._spans[entry.visit] = (cut, entry.position)
        return list(self._drop(entry.visit, first, cut))

    def _end(self, entry: DeskVisitOver, where: Where) -> Sequence[Where]:
        if self._is_over(entry.visit):
            return (where,)
        self.highest_visit = max(self.highest_visit, entry.visit)
        freed: list[Where] = []
        if entry.visit in self.visits:
            freed.append(self.visits.pop(entry.visit))
        first, last = self._spans.pop(entry.visit, (0, -1))
        freed += self._drop(entry.visit, first, last + 1)
        return [*freed, *self._remember(entry, where)]

    def _rate(self, entry: DeskVisitRated, where: Where) -> Sequence[Where]:
        former = self.ratings.get(entry.visit)
        self.ratings[entry.visit] = where
        if former is not None:
            return (former,)
        return (
            (self.ratings.pop(next(iter(self.ratings))),)
            if len(self.ratings) > DESK_SESSIONS_MAX
            else ()
        )

    def _remember(self, entry: DeskVisitOver, where: Where) -> Sequence[Where]:
        if entry.called_at or entry.ticket:
            kept, most = (
                (self.served, DESK_SESSIONS_MAX)
                if entry.called_at
                else (self.untold, DESK_UNTOLD_MAX)
            )
            kept[entry.visit] = where
            return (kept.pop(next(iter(kept))),) if len(kept) > most else ()
        known = next(iter(self.last), 0)
        if entry.visit < known:
            return (where,)
        freed = list(self.last.values())
        self.last.clear()
        self.last[entry.visit] = where
        return freed

    def _drop(self, visit: int, first: int, end: int) -> Iterator[Where]:
        for position in range(first, end):
            gone = self.lines.pop(line_key(visit, position), None)
            if gone is not None:
                yield gone

    def _is_over(self, visit: int) -> bool:
        return visit in self.served or visit in self.last or visit in self.untold


# A line on its way may still use the current key or the one before while a newer key is on its way,
# so this many keys are kept whether or not a line needs them.
NEWEST_KEYS_KEPT = 3


class StoredGroup(Generic[Where]):
    """One group's keys by epoch and lines by position. Both rise."""

    __slots__ = ("cuts", "highest", "keys", "last_use", "lines", "topics")

    def __init__(self) -> None:
        self.keys: dict[int, Where] = {}
        self.lines: dict[int, Where] = {}
        self.cuts: dict[int, Where] = {}  # the latest only
        self.topics: dict[int, Where] = {}  # the latest only, under 0
        self.last_use: dict[int, int] = {}  # epoch -> the last position sealed with its key
        self.highest = -1  # the highest position ever used or cut

    @property
    def cut(self) -> int:
        """The position up to which lines were dropped, -1 for none."""
        return next(iter(self.cuts), -1)

    def copy(self) -> "StoredGroup[Where]":
        twin: StoredGroup[Where] = StoredGroup()
        twin.keys, twin.lines, twin.cuts = self.keys.copy(), self.lines.copy(), self.cuts.copy()
        twin.last_use, twin.highest = self.last_use.copy(), self.highest
        twin.topics = self.topics.copy()
        return twin

    def add_key(self, entry: GroupKeyMade, where: Where) -> Sequence[Where]:
        # The newest key is never dropped, so a lower epoch is known, or was dropped.
        if self.keys and entry.epoch <= next(reversed(self.keys)):
            return (where,)
        self.keys[entry.epoch] = where
        return self._drop_unused_key()

    def add_line(self, entry: GroupLineKept, where: Where) -> Sequence[Where]:
        if entry.position <= self.highest:
            return (where,)
        self.highest = entry.position
        self.lines[entry.position] = where
        self.last_use[entry.epoch] = entry.position
        return ()

    def _drop_unused_key(self) -> Sequence[Where]:
        """Drop the oldest of the newest keys if no line needs it: a room may change its key every
        second for years."""
        old = next(islice(reversed(self.keys), NEWEST_KEYS_KEPT, None), None)
        if old is None or self.last_use.get(old, -1) > self.cut:
            return ()
        self.last_use.pop(old, None)
        return (self.keys.pop(old),)

    def cut_through(self, position: int, where: Where) -> Sequence[Where]:
        if position <= self.cut:
            return (where,)
        freed = [*self.cuts.values(), *self._drop_lines(position), *self._drop_keys(position)]
        self.cuts.clear()
        self.cuts[position] = where
        self.highest = max(self.highest, position)
        return freed

    def set_topic(self, where: Where) -> Sequence[Where]:
        former = tuple(self.topics.values())
        self.topics[0] = where
        return former

    def drop_lines(self, entry: GroupLinesDropped) -> Sequence[Where]:
        freed = [self.lines.pop(position) for position in entry.positions if position in self.lines]
        newest = set(list(self.keys)[-NEWEST_KEYS_KEPT:])
        for epoch, last_use in entry.last_uses:
            if last_use >= 0:
                self.last_use[epoch] = last_use
                continue
            self.last_use.pop(epoch, None)
            if epoch in self.keys and epoch not in newest:
                freed.append(self.keys.pop(epoch))
        return freed

    def _drop_lines(self, position: int) -> Iterator[Where]:
        while self.lines and (oldest := next(iter(self.lines))) <= position:
            yield self.lines.pop(oldest)

    def _drop_keys(self, position: int) -> Iterator[Where]:
        for epoch in list(self.keys)[:-NEWEST_KEYS_KEPT]:
            if self.last_use.get(epoch, -1) <= position:
                self.last_use.pop(epoch, None)
                yield self.keys.pop(epoch)


class StoreState(Generic[Where]):
    """Everything that the store holds."""

    def __init__(self) -> None:
        self.names: dict[str, NameBound | NameReserved] = {}  # the latest last
        self.members: dict[bytes, dict[str, RoomMemberKept]] = {}  # by identity and group
        self.invites: dict[bytes, InviteMade] = {}
        self.bans: dict[str, BanKept] = {}
        self.mail: dict[bytes, dict[int, Where]] = {}
        self.groups: dict[str, StoredGroup[Where]] = {}
        self.desk: DeskState[Where] = DeskState()
        self.highest_serial = 0
        self.sender_indices = 0  # how many were ever reserved

    def apply(self, entry: Entry, where: Where) -> Sequence[Where]:
        """Take in an entry that lies at `where`. Return the places that are not needed any more,
        `where` itself for a repeat."""
        match entry:
            case MailStored():
                return self._store(entry, where)
            case MailTaken():
                return self._take(entry)
            case GroupKeyMade():
                return self._group(entry.group).add_key(entry, where)
            case GroupLineKept():
                return self._group(entry.group).add_line(entry, where)
            case GroupCut():
                return self._group(entry.group).cut_through(entry.position, where)
            case GroupLinesDropped():
                group = self.groups.get(entry.group)
                return () if group is None else group.drop_lines(entry)
            case RoomTopicKept():
                return self._group(entry.group).set_topic(where)
            case GroupGone():
                return self._erase(entry.group)
            case (
                DeskVisitKept()
                | DeskLineKept()
                | DeskVisitOver()
                | DeskOpeningKept()
                | DeskVisitRated()
                | DeskSessionKept()
                | DeskTranscriptKept()
                | DeskPastDropped()
                | DeskPieceKept()
                | DeskFilesDropped()
            ):
                return self.desk.apply(entry, where)
            case _:
                self._note(entry)
                return ()

    def _note(
        self,
        entry: NameBound
        | NameReserved
        | NameFreed
        | RoomMemberKept
        | RoomMemberGone
        | InviteMade
        | InviteGone
        | BanKept
        | BanLifted
        | SenderIndicesReserved,
    ) -> None:
        """Take in an entry that is held in memory as it is."""
        match entry:
            case NameBound() | NameReserved():
                self.names.pop(entry.name_key, None)
                self.names[entry.name_key] = entry
                if isinstance(entry, NameBound):
                    self.invites.pop(entry.code, None)
            case NameFreed():
                self.names.pop(entry.name_key, None)
            case RoomMemberKept():
                self.members.setdefault(entry.identity, {})[entry.group] = entry
            case RoomMemberGone(identity, group):
                rooms = self.members.get(identity, {})
                rooms.pop(group or "", None)
                if group is None or not rooms:
                    self.members.pop(identity, None)
            case InviteMade():
                self.invites[entry.code] = entry
            case InviteGone():
                self.invites.pop(entry.code, None)
            case BanKept():
                self.bans[entry.what] = entry
            case BanLifted():
                self.bans.pop(entry.what, None)
            case SenderIndicesReserved():
                self.sender_indices = max(self.sender_indices, entry.upto)
            case _:
                assert_never(entry)

    def people(self) -> list[Entry]:
        """Return what is held in memory as it is: names, room members, join codes, bans, and how
        many sender indices are reserved."""
        entries: list[Entry] = [
            *self.names.values(),
            *self.memberships(),
            *self.invites.values(),
            *self.bans.values(),
        ]
        if self.sender_indices:
            entries.append(SenderIndicesReserved(self.sender_indices))
        return entries

    def memberships(self) -> Iterator[RoomMemberKept]:
        """Yield every membership of a room."""
        for rooms in self.members.values():
            yield from rooms.values()

    def copy(self) -> "StoreState[Where]":
        """Return an independent copy, of the same places."""
        twin: StoreState[Where] = StoreState()
        twin.names = self.names.copy()
        twin.members = {identity: rooms.copy() for identity, rooms in self.members.items()}
        twin.invites, twin.bans = self.invites.copy(), self.bans.copy()
        twin.mail = {owner: box.copy() for owner, box in self.mail.items()}
        twin.groups = {name: group.copy() for name, group in self.groups.items()}
        twin.desk = self.desk.copy()
        twin.highest_serial, twin.sender_indices = self.highest_serial, self.sender_indices
        return twin

    def holders(self, owner: Owner) -> list[dict[Any, Where]]:
        """Return the live tables of `owner`: together the whole content of its file."""
        if isinstance(owner, bytes):
            return [self.mail[owner]] if owner in self.mail else []
        if isinstance(owner, DeskOwner):
            return self.desk.holders()
        group = self.groups.get(owner)
        return [group.keys, group.lines, group.cuts, group.topics] if group else []

    def _store(self, entry: MailStored, where: Where) -> Sequence[Where]:
        self.highest_serial = max(self.highest_serial, entry.serial)
        box = self.mail.setdefault(entry.recipient, {})
        if entry.serial in box:
            return (where,)
        box[entry.serial] = where
        return ()

    def _take(self, entry: MailTaken) -> Sequence[Where]:
        box = self.mail.get(entry.recipient)
        if box is None:
            return ()
        freed = [box.pop(serial) for serial in entry.serials if serial in box]
        if not box:
            del self.mail[entry.recipient]
        return freed

    def _erase(self, name: str) -> Sequence[Where]:
        holders = self.holders(name)
        freed = [where for holder in holders for where in holder.values()]
        for holder in holders:
            holder.clear()  # a checkpoint under way finds that its copies are out of date
        self.groups.pop(name, None)
        return freed

    def _group(self, name: str) -> StoredGroup[Where]:
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = StoredGroup()
        return group


class LoadedBuilder:
    """Collects the heads of all entries; `loaded` leaves out what is gone."""

    def __init__(self) -> None:
        self._letters: dict[int, LetterHead] = {}
        self._lines: dict[tuple[str, int], LineHead] = {}
        self._keys: dict[tuple[str, int], bytes] = {}
        self._topics: dict[str, RoomTopicKept] = {}
        self._visits: dict[int, DeskVisitKept] = {}
        self._said: dict[int, DeskLineKept] = {}
        self._over: dict[int, DeskVisitOver] = {}
        self._openings: dict[str, DeskOpeningKept] = {}
        self._ratings: dict[int, DeskVisitRated] = {}
        self._sessions: dict[int, DeskSessionKept] = {}
        self._transcripts: dict[int, DeskTranscriptKept] = {}
        self._pieces: dict[tuple[int, int, int], DeskPieceKept] = {}

    def note(self, entry: Entry) -> None:
        match entry:
            case MailStored():
                self._letters[entry.serial] = LetterHead(
                    serial=entry.serial,
                    sender=entry.sender,
                    sender_name=entry.sender_name,
                    number=entry.number,
                    at=entry.at,
                    size=len(entry.letter),
                )
            case GroupLineKept():
                self._lines[entry.group, entry.position] = LineHead(
                    position=entry.position,
                    sender=entry.sender,
                    epoch=entry.epoch,
                    at=entry.at,
                    size=len(entry.frame),
                )
            case GroupKeyMade():
                self._keys[entry.group, entry.epoch] = entry.key
            case RoomTopicKept():
                self._topics[entry.group] = entry
            case _:
                self._note_of_desk(entry)

    def _note_of_desk(self, entry: Entry) -> None:
        match entry:
            case DeskVisitKept():
                self._visits[entry.visit] = entry
            case DeskLineKept():
                self._said[line_key(entry.visit, entry.position)] = entry
            case DeskVisitOver():
                self._visits.pop(entry.visit, None)
                self._over[entry.visit] = entry
            case DeskOpeningKept():
                self._openings[entry.queue] = entry
            case DeskVisitRated():
                self._ratings[entry.visit] = entry
            case DeskSessionKept():
                self._sessions[entry.visit] = entry
            case DeskTranscriptKept():
                self._transcripts[entry.visit] = entry
            case DeskPastDropped(sessions, transcripts):
                for visit in sessions:
                    self._sessions.pop(visit, None)
                for visit in transcripts:
                    self._transcripts.pop(visit, None)
            case DeskPieceKept(visit, position, index):
                self._pieces[visit, position, index] = entry
            case DeskFilesDropped(visit, positions):
                gone = [key for key in self._pieces if key[0] == visit and key[1] in positions]
                for key in gone:
                    del self._pieces[key]
            case _:
                pass

    def loaded(
        self, state: StoreState[Any], *, skipped: int = 0, damage: Sequence[str] = ()
    ) -> Loaded:
        """Return what is still in `state`."""
        return Loaded(
            names=list(state.names.values()),
            letters={
                owner: [self._letters[serial] for serial in sorted(box)]
                for owner, box in state.mail.items()
            },
            groups={name: self._group(name, group) for name, group in state.groups.items()},
            members=list(state.memberships()),
            invites=list(state.invites.values()),
            bans=list(state.bans.values()),
            highest_serial=state.highest_serial,
            sender_indices=state.sender_indices,
            skipped=skipped,
            damage=list(damage),
            desk=self._desk(state.desk),
        )

    def _desk(self, state: DeskState[Any]) -> LoadedDesk:
        lines: dict[int, list[DeskLineKept]] = {}
        for key in sorted(state.lines):
            said = self._said[key]
            lines.setdefault(said.visit, []).append(said)
        return LoadedDesk(
            visits=[self._visits[visit] for visit in sorted(state.visits)],
            lines=lines,
            served=[self._over[visit] for visit in state.served],
            untold=[self._over[visit] for visit in state.untold],
            sessions=[self._sessions[visit] for visit in state.sessions],
            transcripts=[self._transcripts[visit] for visit in state.transcripts],
            highest_visit=state.highest_visit,
            openings=[self._openings[queue] for queue in state.openings],
            pieces=[self._pieces[key] for key in state.files],
            ratings=[self._ratings[visit] for visit in state.ratings],
        )

    def _group(self, name: str, group: StoredGroup[Any]) -> LoadedGroup:
        return LoadedGroup(
            keys={epoch: self._keys[name, epoch] for epoch in group.keys},
            lines=[self._lines[name, position] for position in group.lines],
            cut=group.cut,
            highest=group.highest,
            topic=self._topics[name] if group.topics else None,
        )
