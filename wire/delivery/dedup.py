"""What has come from one sender: which numbers are new, and in what order they are shown.

It knows numbers, the sender's floor and arrival times.
"""

from collections.abc import Collection, Iterable
from enum import Enum, auto
from typing import Final

from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.ranges import Runs

SPANS_PASSED_MAX: Final = 64
"""Spans remembered that are to be passed over: an honest sender has one a restart and one a refused message."""


class Admission(Enum):
    """What to do with a number that comes."""

    NEW = auto()
    """Store it, then say so with `store`."""
    REPEAT = auto()
    """Stored before, or settled for ever: acknowledge again, show nothing."""
    BEYOND = auto()
    """No room to hold it: drop it without an acknowledgement, the sender will come again."""


# Looking a member up costs more than all that `admit` does.
NEW, REPEAT, BEYOND = Admission.NEW, Admission.REPEAT, Admission.BEYOND


class Inbox:
    """The numbers of one sender: those stored, those held back for an earlier one, those ready to show.

    `storing` is a view of the numbers that were admitted and are on their way to the disk; whoever admits keeps it, and in
    `storing_aside` those that came another way. The sender may settle one of them meanwhile (it let the message expire):
    that one is shown all the same, once.

    A number is ready when every number from the floor (or from the last one shown) up to it is stored. It waits
    at most `hold_span` seconds for a hole; whoever comes late out of a skipped hole is new, once, and ready at once.

    Exactly once across a kill -9: the owner commits a message (this puts its number into `seen`) before it calls
    `store` and before anything is acknowledged, so what the sender holds for delivered is on the disk. It commits a
    mark on each number that `ready` returned before it shows it. After a restart it builds the inbox from these:
    `seen` makes every copy of a stored message a repeat; what is stored and unmarked is ready or held again, so
    nothing is lost between the two commits; what is marked never becomes ready again, so nothing is shown twice.
    `gone` are spans [start, end) of numbers that were stored and shown and are kept as numbers only.
    `shown` is the highest marked number and `unshown` the stored, unmarked numbers below it (latecomers).
    """

    __slots__ = (
        "_floor",
        "_held",
        "_hold_numbers",
        "_hold_span",
        "_late",
        "_next",
        "_passed",
        "_ready",
        "_runs",
        "_undated",
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
        shown: int = -1,
        unshown: Iterable[int] = (),
    ) -> None:
        self._hold_span = policy.hold_span
        self._hold_numbers = policy.hold_numbers
        self._floor = floor
        self._passed: dict[int, int] = {}
        self.storing: Collection[int] = ()
        self.storing_aside: set[int] = set()
        # Those of them that the sender has settled since they were admitted.
        self._late: set[int] = set()
        self._next = max(floor, shown + 1)
        stored = set(seen).union(unshown)
        self._runs = Runs(number for number in stored if number >= floor)
        for start, end in gone:
            if end > floor:
                self._runs.add_span(max(start, floor), end)
        waiting = sorted(number for number in stored if number > shown)
        self._ready = sorted({n for n in unshown if n <= shown}.union(n for n in waiting if n < self._next))
        # In order of arrival, with the times. Those of an earlier life arrive with the first call that knows the time.
        self._held = dict.fromkeys((n for n in waiting if n >= self._next), 0.0)
        self._advance()
        self._undated = bool(self._held)

    @property
    def floor(self) -> int:
        """Every number below it is settled for ever."""
        return self._floor

    @property
    def held_count(self) -> int:
        """How many stored messages wait for an earlier one."""
        return len(self._held)

    @property
    def run_count(self) -> int:
        """How many separate runs of numbers are remembered."""
        return self._runs.count

    def admit(self, number: int) -> Admission:
        """What to do with a message of this number; changes nothing."""
        if number == self._next:
            return NEW
        runs = self._runs
        if number > self._next and not (self._held or self._passed) and runs.count < self._hold_numbers:
            return NEW  # nothing beyond the next one is known: the others of a datagram whose first is not stored yet
        if number < self._floor or number in runs:
            return REPEAT
        if number > self._next and len(self._held) >= self._hold_numbers:
            return BEYOND
        if runs.count >= self._hold_numbers and not runs.touches(number):
            return BEYOND
        return NEW

    def store(self, number: int, now: float) -> None:
        """The owner has committed this message. A second time, or below the floor, it changes nothing."""
        runs = self._runs
        if number == self._next:
            runs.add(number)
            self._ready.append(number)
            self._next = number + 1
            if self._held or self._passed:
                self._advance()
            return
        if number in self._late:
            self._late.remove(number)
        elif number < self._floor or number in runs:
            return
        else:
            runs.add(number)
        if number < self._next:
            self._ready.append(number)
        else:
            self._date(now)
            self._held[number] = now

    def forget(self, number: int) -> None:
        """The owner could not commit this message."""
        self._late.discard(number)

    def raise_floor(self, number: int) -> None:
        """The sender says that nothing below `number` comes again. A lower floor than before is old news."""
        if number <= self._floor:
            return
        # Almost always all of these are stored, and nobody looks through `storing`.
        if (self.storing or self.storing_aside) and not self._runs.has_span(self._floor, number):
            self._note_late(self._floor, number)
        self._floor = number
        self._runs.drop_below(number)
        if number > self._next:
            self._release_below(number)

    def pass_over(self, start: int, end: int) -> None:
        """The sender says that none of [start, end) ever comes (again): nothing waits for it. Too many such spans at
        once are ignored: the messages behind them then wait as for any hole."""
        start = max(start, self._floor)
        is_full = len(self._passed) >= SPANS_PASSED_MAX or self._runs.count >= self._hold_numbers
        if is_full or start >= end:
            return
        self._note_late(start, end)
        self._runs.add_span(start, end)
        if end > self._next:
            self._passed[start] = max(end, self._passed.get(start, end))
            self._skip()

    def ready(self, now: float) -> list[int]:
        """Drains the numbers to show now, in order, each once."""
        if self._held:
            self.handle_timer(now)
        ready, self._ready = self._ready, []
        return ready

    @property
    def has_ready(self) -> bool:
        """Whether `ready` has something to give."""
        return bool(self._ready)

    def handle_timer(self, now: float) -> None:
        """Skips the holes for which the oldest held message has waited long enough."""
        self._date(now)
        held = self._held
        while held:
            number, arrived = next(iter(held.items()))
            if now < arrived + self._hold_span:
                return
            self._release_below(number + 1)

    def skip_holes(self) -> None:
        """Wait for none of the missing ones any more."""
        if self._held:
            self._release_below(max(self._held) + 1)

    def next_timer(self) -> float | None:
        """When the next hole is skipped; 0.0 (at once) for an inbox restored with held numbers and not yet asked."""
        if not self._held:
            return None
        if self._undated:
            return 0.0
        return next(iter(self._held.values())) + self._hold_span

    def newest(self, limit: int) -> tuple[int, list[int]] | None:
        """The highest `limit` runs of stored numbers as in an Ack frame; None while nothing is stored."""
        return self._runs.newest(limit)

    def _note_late(self, start: int, end: int) -> None:
        runs = self._runs
        self._late.update(
            n for n in (*self.storing, *self.storing_aside) if start <= n < end and n not in runs
        )

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
        if self._passed:
            self._skip()

    def _skip(self) -> None:
        """Go over the spans that nothing is waited for any more."""
        for start, end in sorted(self._passed.items()):
            if start > self._next:
                return
            del self._passed[start]
            if end > self._next:
                self._release_below(end)
                return  # which went on from there
