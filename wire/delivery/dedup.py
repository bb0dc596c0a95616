"""The receiver's state for one sender: which message numbers are new, and in what order messages
are shown."""

from bisect import insort
from collections.abc import Collection, Iterable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.ranges import RangeSet

GAPS_MAX: Final = 64
"""Gaps remembered at once. An honest sender has one for each restart and one for each refused
message."""

_NEVER: Final = 2**63
"""Above all numbers, the provisional ones as well."""

HOLES_MAX: Final = 64
"""Holes remembered at once. An honest sender makes one at each start, and only a folder that was
put back fills one."""


RANGES_MAX: Final = 16_384
"""Ranges remembered at once. Datagrams add none past `Policy.hold_numbers`, but what comes through
the registry is taken in any case. An honest sender has a range for each number that is still on its
way and lies between others that have come: fewer than its window has parts, and our mailbox has
places."""


class Admission(Enum):
    """What to do with a message that arrives."""

    NEW = auto()
    """Store it, then call `store`."""
    REPEAT = auto()
    """Stored before: acknowledge it again, show nothing."""
    BEYOND = auto()
    """Too much is held already: drop it without an acknowledgement; the sender will try again."""


# Module names, since looking up an enum member costs more than all that `admit` does.
NEW, REPEAT, BEYOND = Admission.NEW, Admission.REPEAT, Admission.BEYOND


class Shown(NamedTuple):
    """The numbers of which a mark is on disk: all up to `highest`, but not the latecomers `but`, which
    are stored."""

    highest: int = -1
    but: Iterable[int] = ()


class Inbox:
    """The message numbers of one sender: stored, held back for an earlier one, or ready to show.
    `floor`: every number below it is settled.

    A number is ready when every number from the floor (or from the last one shown) up to it is
    stored. It waits at most `hold_span` seconds for a missing number. A number that arrives after
    its hole was skipped is new, once, and ready at once.

    A floor or a gap says that there is nothing to wait for; it does not say that a message that
    comes is a repeat. The sender's folder may have been put back from a backup, and the registry
    may still hold messages of the lost state. So the settled numbers that never came, the `holes`,
    stay new, each once. Past HOLES_MAX holes the oldest are closed. Past RANGES_MAX ranges the
    older ones are settled, as if the sender had raised the floor: so numbers that lie far apart on
    purpose do not fill our memory.

    `storing` is a view, kept by the caller that admits, of the numbers that were admitted and are
    not on disk yet; `storing_aside` holds those that came another way.

    Exactly once across a kill -9: the owner commits a message (which puts its number into `seen`)
    before it calls `store` and before anything is acknowledged, so what the sender takes for
    delivered is on disk. It commits a mark on each number that `ready` returned before it shows the
    message. After a restart it builds the inbox from these: `seen` makes every copy of a stored
    message a repeat; a number that is stored and unmarked is ready or held again, so nothing is
    lost between the two commits; a marked number never becomes ready again, so nothing is shown
    twice. `gone` are spans [start, end) of numbers that were stored and shown and are kept as
    numbers only. `shown` are the marked numbers, `holes` the spans [start, end) below the floor
    that never came; numbers in them that `seen` or `gone` has, did come.
    """

    __slots__ = (
        "_held",
        "_hold_numbers",
        "_hold_span",
        "_holes",
        "_next",
        "_gaps",
        "_ready",
        "_ranges",
        "_undated",
        "floor",
        "storing",
        "storing_aside",
    )

    def __init__(
        self,
        policy: Policy,
        *,
        floor: int = 0,
        seen: Iterable[int] = (),
        gone: Iterable[tuple[int, int]] = (),
        shown: Shown | None = None,
        holes: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._hold_span = policy.hold_span
        self._hold_numbers = policy.hold_numbers
        self.floor = floor
        self._gaps: dict[int, int] = {}
        self.storing: Collection[int] = ()
        self.storing_aside: set[int] = set()
        highest, unshown = shown or Shown()
        self._next = max(floor, highest + 1)
        stored = set(seen).union(unshown)
        self._ranges = RangeSet(number for number in stored if number >= floor)
        self._holes = RangeSet()
        for start, end in holes:
            if start < min(end, floor):
                self._holes.add_span(start, min(end, floor))
        for number in stored:
            if number < floor:
                self._holes.remove_span(number, number + 1)
        for start, end in gone:
            self._holes.remove_span(start, end)
            if end > floor:
                self._ranges.add_span(max(start, floor), end)
        waiting = sorted(number for number in stored if number > highest)
        self._ready = sorted(
            {n for n in unshown if n <= highest}.union(n for n in waiting if n < self._next)
        )
        # Held numbers and when they arrived, oldest first. Those of an earlier run of the program
        # get their time with the first call that passes one.
        self._held = dict.fromkeys((n for n in waiting if n >= self._next), 0.0)
        self._advance()
        self._undated = bool(self._held)

    @property
    def beyond(self) -> int:
        """The lowest number above all that are known here: stored, settled, shown, or on their way
        to the disk."""
        newest = self._ranges.newest(1)
        stored = 0 if newest is None else newest[0] + newest[1][0]
        storing = max((*self.storing, *self.storing_aside), default=-1) + 1
        return max(self._next, stored, storing)

    @property
    def held_count(self) -> int:
        """How many stored messages wait for an earlier one."""
        return len(self._held)

    @property
    def range_count(self) -> int:
        """How many separate ranges of numbers are remembered."""
        return self._ranges.count

    def admit(self, number: int) -> Admission:
        """Return what to do with a message of this number; changes nothing."""
        if number == self._next:
            return NEW
        ranges = self._ranges
        if (
            number > self._next
            and not (self._held or self._gaps)
            and ranges.count < self._hold_numbers
        ):
            return NEW  # nothing beyond the next number is known: a later message of one datagram
        if number < self.floor:
            return NEW if number in self._holes else REPEAT
        if number in ranges and number not in self._holes:
            return REPEAT
        if number > self._next and len(self._held) >= self._hold_numbers:
            return BEYOND
        if ranges.count >= self._hold_numbers and not ranges.touches(number):
            return BEYOND
        return NEW

    @property
    def fresh_from(self) -> int:
        """Every number from this one on is new; above all numbers where each must be asked for by
        `admit`."""
        if self._held or self._gaps or self._ranges.count >= self._hold_numbers:
            return _NEVER
        return self._next

    def store_all(self, numbers: Sequence[int], now: float) -> None:
        """Record that the owner has committed these messages."""
        first, end = numbers[0], numbers[-1] + 1
        # The length first: a hostile sender chooses the numbers, and a range between two of them
        # may be endless.
        is_one_range = end - first == len(numbers) and numbers == list(range(first, end))
        if is_one_range and first == self.fresh_from:
            self._ranges.add_span(first, end)
            self._ready += numbers
            self._next = end
            return
        for number in numbers:
            self.store(number, now)

    def store(self, number: int, now: float) -> None:
        """Record that the owner has committed this message. A repeat changes nothing."""
        ranges = self._ranges
        if number == self._next:
            ranges.add(number)
            self._ready.append(number)
            self._next = number + 1
            if self._held or self._gaps:
                self._advance()
            return
        if number in self._holes:
            self._holes.remove_span(number, number + 1)
        elif number < self.floor or number in ranges:
            return
        else:
            ranges.add(number)
        if number < self._next:
            insort(self._ready, number)
        else:
            self._date(now)
            self._held[number] = now
        if ranges.count > RANGES_MAX:
            kept_from, _ = list(ranges.spans())[-RANGES_MAX // 2]
            self.raise_floor(kept_from)

    def raise_floor(self, number: int) -> None:
        """Raise the floor: the sender sends nothing below `number` any more. A lower floor than
        before is ignored."""
        if number <= self.floor:
            return
        missing = self._ranges.missing(self.floor, number)
        if missing:
            self._note_holes(missing)
        self.floor = number
        self._ranges.drop_below(number)
        if number > self._next:
            self._release_below(number)

    def add_gap(self, start: int, end: int) -> None:
        """Record a gap: the sender never sends any of [start, end), so nothing waits for them.

        Gaps beyond the limit are ignored: the messages behind them then wait as for any missing
        number.
        """
        start = max(start, self.floor)
        is_full = len(self._gaps) >= GAPS_MAX or self._ranges.count >= self._hold_numbers
        if is_full or start >= end:
            return
        self._note_holes(self._ranges.missing(start, end))
        self._ranges.add_span(start, end)
        if end > self._next:
            self._gaps[start] = max(end, self._gaps.get(start, end))
            self._skip()

    def ready(self, now: float) -> list[int]:
        """Drain the numbers to show now, in order, each once."""
        if self._held:
            self.handle_timer(now)
        ready, self._ready = self._ready, []
        return ready

    @property
    def has_ready(self) -> bool:
        """Whether `ready` would return anything."""
        return bool(self._ready)

    def handle_timer(self, now: float) -> None:
        """Skip the missing numbers for which the oldest held message has waited long enough."""
        self._date(now)
        held = self._held
        while held:
            number, arrived = next(iter(held.items()))
            if now < arrived + self._hold_span:
                return
            self._release_below(number + 1)

    def skip_holes(self) -> None:
        """Stop waiting for all missing numbers."""
        if self._held:
            self._release_below(max(self._held) + 1)

    def next_timer(self) -> float | None:
        """Return when the next missing number is skipped; 0.0 (at once) for a restored inbox that
        holds numbers without a time."""
        if not self._held:
            return None
        if self._undated:
            return 0.0
        return next(iter(self._held.values())) + self._hold_span

    def newest(self, limit: int) -> tuple[int, list[int]] | None:
        """Return the highest `limit` ranges of stored numbers as in an Ack frame; None while
        nothing is stored."""
        return self._ranges.newest(limit)

    def holes_below(self, floor: int) -> tuple[tuple[int, int], ...]:
        """Return the holes as they are once the floor has risen to `floor`, to be stored with
        it."""
        holes = [(start, min(end, floor)) for start, end in self._holes.spans() if start < floor]
        return tuple(sorted(holes + self._ranges.missing(self.floor, floor))[-HOLES_MAX:])

    def _note_holes(self, missing: list[tuple[int, int]]) -> None:
        """Note spans of settled numbers that never came, and close the oldest holes if there are
        too many."""
        holes = self._holes
        for start, end in missing:
            holes.add_span(start, end)
        if holes.count <= HOLES_MAX:
            return
        kept_from = list(holes.spans())[-HOLES_MAX][0]
        # What is on its way to the disk is shown all the same.
        storing = [n for n in (*self.storing, *self.storing_aside) if n < kept_from and n in holes]
        holes.drop_below(kept_from)
        for number in storing:
            holes.add(number)

    def _date(self, now: float) -> None:
        if self._undated:
            self._undated = False
            self._held = dict.fromkeys(self._held, now)

    def _release_below(self, number: int) -> None:
        released = sorted(waiting for waiting in self._held if waiting < number)
        for waiting in released:
            del self._held[waiting]
        self._ready += released
        self._next = number
        self._advance()

    def _advance(self) -> None:
        held = self._held
        while self._next in held:
            del held[self._next]
            self._ready.append(self._next)
            self._next += 1
        if self._gaps:
            self._skip()

    def _skip(self) -> None:
        """Move past the gaps that have been reached."""
        for start, end in sorted(self._gaps.items()):
            if start > self._next:
                return
            del self._gaps[start]
            if end > self._next:
                self._release_below(end)
                return  # _release_below has moved on from there
