"""This file is about where each record lies, and which files at rest are behind the journal. It makes no system calls.

It is not safe for threads by itself: the file store holds its lock around every call.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from registry.store.entries import (
    DeskOwner,
    DeskVisitOver,
    Entry,
    GroupGone,
    GroupLinesDropped,
    Owner,
    owner_of,
)
from registry.store.image import Image

AT_REST = 0

# A group's file is written anew when more of it is dead than alive, and enough to be worth the writing.
_WORTH_WRITING_ANEW = 64 * 1024


class Place(NamedTuple):
    """A whole record's bytes: in the journal of that generation, or (AT_REST) in its owner's own file.

    Places sort into the order in which the records were said.
    """

    generation: int
    offset: int
    length: int


Holder: TypeAlias = dict[int, Place]


@dataclass(slots=True)
class Drawer:
    """One file at rest: its length (0: there is none), how much of it is dead, and whether it must be written anew.

    `file` is open while the file that is read has not got its name yet.
    """

    size: int = 0
    dead: int = 0
    stale: bool = False
    file: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a checkpoint is to do for one owner: the live tables, each with a copy of the moment of planning."""

    owner: Owner
    drawer: Drawer
    rewrite: bool
    held: list[tuple[Holder, Holder]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the journals up to `generation` said and the files at rest don't say yet."""

    generation: int
    plans: list[Plan]
    people: list[Entry]  # names, who is in which room, and join codes
    highest_serial: int


@dataclass(frozen=True, slots=True)
class Item:
    """One record on its way to a file: the table that tells its place, its key there, and the place until now."""

    place: Place
    holder: Holder
    key: int


class Drawers:
    """The image of the file store, and the state of its files."""

    def __init__(self) -> None:
        self.image: Image[Place] = Image()
        self.behind: dict[Owner, None] = {}  # whose file a checkpoint has to write, in order
        self._drawers: dict[Owner, Drawer] = {}
        self._to_rewrite: set[Owner] = set()  # whose file says what does not count any more
        self.spent_through = AT_REST  # journals up to this one may hold what was said in visits that are over

    def drawer(self, owner: Owner) -> Drawer:
        found = self._drawers.get(owner)
        if found is None:
            found = self._drawers[owner] = Drawer()
        return found

    def take_in(self, entry: Entry, place: Place) -> None:
        """Keep what `entry` says; its bytes lie at `place`."""
        freed = self.image.apply(entry, place)
        owner = owner_of(entry)
        if owner is None:
            return
        if place.generation != AT_REST:
            self.behind[owner] = None
        if isinstance(entry, GroupGone | GroupLinesDropped):
            self._to_rewrite.add(owner)
        if isinstance(entry, DeskVisitOver):
            self.spent_through = max(self.spent_through, place.generation)
        for old in freed:
            if old.generation == AT_REST:
                self.drawer(owner).dead += old.length

    def mistrust(self, owner: Owner) -> None:
        """Have the file written anew: nothing may be appended to it as it is."""
        self.drawer(owner).stale = True
        self.behind[owner] = None

    def mistrust_all(self) -> None:
        """Have every file written anew."""
        for owner in list(self._drawers):
            self.mistrust(owner)

    def snapshot(self, generation: int) -> Snapshot:
        """Plan for everything that is behind. Copies tables only, as the store is locked meanwhile."""
        plans = [self._plan(owner) for owner in self.behind]
        self.behind = {}
        image = self.image
        people: list[Entry] = [*image.names.values(), *image.members.values(), *image.invites.values()]
        return Snapshot(generation, plans, people, self.image.highest_serial)

    def give_back(self, plans: Iterable[Plan]) -> None:
        """These were not carried out."""
        plans = list(plans)
        self._to_rewrite.update(plan.owner for plan in plans if plan.rewrite)
        self.behind.update(dict.fromkeys(plan.owner for plan in plans))

    def moved(self, plan: Plan, items: list[Item], offset: int) -> int:
        """The records of `items` now lie one after the other in the owner's file, from `offset` to what is returned."""
        for item in items:
            length = item.place.length
            if item.holder.get(item.key) == item.place:
                item.holder[item.key] = Place(AT_REST, offset, length)
            else:  # dropped while it was being written
                plan.drawer.dead += length
            offset += length
        return offset

    def read_from(self, plan: Plan, file: int, size: int) -> int | None:
        """The owner's file is another one from now on. Returned is the one that was open in its place, to be closed."""
        drawer = plan.drawer
        before, drawer.file = drawer.file, file
        drawer.size, drawer.dead, drawer.stale = size, 0, True
        return before

    def read_by_name(self, plan: Plan) -> int | None:
        """The new file has got its name, and may be appended to. Returned is the file to be closed."""
        plan.drawer.stale = False
        before, plan.drawer.file = plan.drawer.file, None
        return before

    def file(self, owner: Owner) -> int | None:
        """The owner's file, if it has to be read without its name."""
        drawer = self._drawers.get(owner)
        return drawer.file if drawer else None

    def open_files(self) -> list[int]:
        """Files that never got their names."""
        return [drawer.file for drawer in self._drawers.values() if drawer.file is not None]

    def lose(self, items: Iterable[Item]) -> None:
        """These records cannot be read any more."""
        for item in items:
            if item.holder.get(item.key) == item.place:
                del item.holder[item.key]

    def forget_file(self, plan: Plan) -> None:
        """The owner's file is gone."""
        if self._drawers.get(plan.owner) is plan.drawer:
            del self._drawers[plan.owner]

    def _plan(self, owner: Owner) -> Plan:
        drawer = self.drawer(owner)
        held = [(holder, holder.copy()) for holder in self.image.holders(owner)]
        # A letter that was taken, or what was said at the desk, leaves the disk with the next checkpoint; a group's lines
        # when they are many.
        bearable = 0 if isinstance(owner, bytes | DeskOwner) else max(_WORTH_WRITING_ANEW, drawer.size // 2)
        rewrite = drawer.stale or drawer.dead > bearable or owner in self._to_rewrite
        self._to_rewrite.discard(owner)
        return Plan(owner, drawer, rewrite, held)
