"""This file is about what the entries mean, taken together. It knows entries, no files, threads or clocks.

`apply` is told each entry with a mark of *where* its bytes are: for the file store a place on the disk, for the memory
store the entry itself. So both stores share every rule, and letters and lines need not be in memory.

Saying things again changes nothing: a stored serial, a made key and a reached position are known, what was taken or cut
is not there. Only a letter that was stored *and* taken must not be told again without its taking; the journals'
generations see to that (loading.py).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, assert_never

from registry.store.desk import DeskImage
from registry.store.entries import (
    DeskLineKept,
    DeskOwner,
    DeskVisitKept,
    DeskVisitOver,
    Entry,
    GroupCut,
    GroupGone,
    GroupKeyMade,
    GroupLine,
    GroupLinesDropped,
    InviteGone,
    InviteMade,
    MailStored,
    MailTaken,
    NameBound,
    NameFreed,
    NameReserved,
    Owner,
    RoomMember,
    RoomMemberGone,
)

Where = TypeVar("Where")

# A line on its way may still use the key in force or the one before it while a newer one is on its way: these many keys
# are kept whether or not a line needs them.
NEWEST_KEYS_KEPT = 3


class Group(Generic[Where]):
    """One group's keys by epoch and lines by position; both rise."""

    __slots__ = ("cuts", "highest", "keys", "last_use", "lines")

    def __init__(self) -> None:
        self.keys: dict[int, Where] = {}
        self.lines: dict[int, Where] = {}
        self.cuts: dict[int, Where] = {}  # the latest only
        self.last_use: dict[int, int] = {}  # epoch -> the last position sealed with its key
        self.highest = -1  # the highest position ever used or cut

    @property
    def cut(self) -> int:
        """The position up to which lines were dropped, -1 for none."""
        return next(iter(self.cuts), -1)

    def copy(self) -> "Group[Where]":
        twin: Group[Where] = Group()
        twin.keys, twin.lines, twin.cuts = self.keys.copy(), self.lines.copy(), self.cuts.copy()
        twin.last_use, twin.highest = self.last_use.copy(), self.highest
        return twin

    def add_key(self, entry: GroupKeyMade, where: Where) -> Sequence[Where]:
        # The newest key is never dropped; an epoch below it is known, or was known and dropped.
        if self.keys and entry.epoch <= next(reversed(self.keys)):
            return (where,)
        self.keys[entry.epoch] = where
        return self._drop_unused_key()

    def add_line(self, entry: GroupLine, where: Where) -> Sequence[Where]:
        if entry.position <= self.highest:
            return (where,)
        self.highest = entry.position
        self.lines[entry.position] = where
        self.last_use[entry.epoch] = entry.position
        return ()

    def _drop_unused_key(self) -> Sequence[Where]:
        """A room may change its key every second for years: the key that ceases to be new goes if no line needs it."""
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


class Image(Generic[Where]):
    """Everything that the store holds."""

    def __init__(self) -> None:
        self.names: dict[str, NameBound | NameReserved] = {}  # the latest last
        self.members: dict[bytes, RoomMember] = {}
        self.invites: dict[bytes, InviteMade] = {}
        self.mail: dict[bytes, dict[int, Where]] = {}
        self.groups: dict[str, Group[Where]] = {}
        self.desk: DeskImage[Where] = DeskImage()
        self.highest_serial = 0

    def apply(self, entry: Entry, where: Where) -> Sequence[Where]:
        """Take in `entry`, which lies at `where`. Returned is what is not needed any more (`where` for a repeat)."""
        match entry:
            case MailStored():
                return self._store(entry, where)
            case MailTaken():
                return self._take(entry)
            case GroupKeyMade():
                return self._group(entry.group).add_key(entry, where)
            case GroupLine():
                return self._group(entry.group).add_line(entry, where)
            case GroupCut():
                return self._group(entry.group).cut_through(entry.position, where)
            case GroupLinesDropped():
                group = self.groups.get(entry.group)
                return () if group is None else group.drop_lines(entry)
            case GroupGone():
                return self._erase(entry.group)
            case DeskVisitKept() | DeskLineKept() | DeskVisitOver():
                return self.desk.apply(entry, where)
            case _:
                self._note(entry)
                return ()

    def _note(
        self,
        entry: NameBound | NameReserved | NameFreed | RoomMember | RoomMemberGone | InviteMade | InviteGone,
    ) -> None:
        """What is held as it is, in memory."""
        match entry:
            case NameBound() | NameReserved():
                self.names.pop(entry.name_key, None)
                self.names[entry.name_key] = entry
                if isinstance(entry, NameBound):
                    self.invites.pop(entry.code, None)
            case NameFreed():
                self.names.pop(entry.name_key, None)
            case RoomMember():
                self.members[entry.identity] = entry
            case RoomMemberGone():
                self.members.pop(entry.identity, None)
            case InviteMade():
                self.invites[entry.code] = entry
            case InviteGone():
                self.invites.pop(entry.code, None)
            case _:
                assert_never(entry)

    def copy(self) -> "Image[Where]":
        """An image of its own, of the same places."""
        twin: Image[Where] = Image()
        twin.names, twin.members = self.names.copy(), self.members.copy()
        twin.invites = self.invites.copy()
        twin.mail = {owner: box.copy() for owner, box in self.mail.items()}
        twin.groups = {name: group.copy() for name, group in self.groups.items()}
        twin.desk = self.desk.copy()
        twin.highest_serial = self.highest_serial
        return twin

    def holders(self, owner: Owner) -> list[dict[int, Where]]:
        """The live tables of what is kept for `owner`; together they are the whole content of its file."""
        if isinstance(owner, bytes):
            return [self.mail[owner]] if owner in self.mail else []
        if isinstance(owner, DeskOwner):
            return self.desk.holders()
        group = self.groups.get(owner)
        return [group.keys, group.lines, group.cuts] if group else []

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
            holder.clear()  # a checkpoint that is under way finds its copies out of date
        self.groups.pop(name, None)
        return freed

    def _group(self, name: str) -> Group[Where]:
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group()
        return group
