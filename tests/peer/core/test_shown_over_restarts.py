"""Lines over crashes: what was stored is shown, what is known to be shown is not shown again, and
that holds for those too that came late out of a hole which nobody waited for any more.
"""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.core.records import IncomingAdded, Overtaken, Shown, ShownBehind
from chatapp.wire.messages.direct import Floor
from tests.peer.core.cast import POLICY
from tests.peer.core.receiver_driver import BOB, ReceiverDriver, part
from tests.support.histories import in_memory

LONG = POLICY.hold_span + 1.0

steps = st.one_of(
    st.integers(1, 8),
    st.sampled_from(["store", "commit", "show", "wait", "crash"]),
)


class Story:
    """One stream of bob's over several runs of a program, and the facts about it."""

    def __init__(self) -> None:
        self.driver = ReceiverDriver(in_memory())
        self.driver.hears(Floor(1))
        self.stored: set[int] = set()
        self.seen: set[int] = set()
        self.marked: set[int] = set()
        """Whose being shown is on disk."""
        self._under_way: set[int] = set()

    def take(self, step: int | str) -> None:
        driver = self.driver
        match step:
            case int(number):
                driver.hears(part(number))
                self._under_way.add(number)
            case "store":
                self.commit()
                driver.stored()
            case "commit":
                self.commit()
            case "show":
                for line in driver.lines():
                    assert line.number not in self.marked, "shown again"
                    self.seen.add(line.number)
            case "wait":
                driver.now += LONG
                driver.streams.handle_timer(now=driver.now)
            case "crash":
                self._under_way.clear()
                self.seen = set(self.marked)
                self.driver = ReceiverDriver(driver.disk)

    def commit(self) -> None:
        """The disk stores everything, and the program may die before it learns of it."""
        records = self.driver.out.drain_records() + self.driver.streams.marks()
        self.driver.disk.apply(records)
        self.stored |= self._under_way
        self._under_way.clear()
        self.marked = set(self.seen)

    def end(self) -> None:
        for step in (
            "store",
            "wait",
            "store",
            "show",
            "crash",
            "wait",
            "store",
            "show",
            "store",
            "crash",
            "wait",
        ):
            self.take(step)
        assert self.seen == self.stored
        assert self.driver.lines() == []


@given(st.lists(steps, max_size=24))
def test_stored_is_shown_and_what_is_marked_is_not_shown_again(story: list[int | str]) -> None:
    told = Story()
    for step in story:
        told.take(step)
    told.end()


def after_a_skipped_hole() -> ReceiverDriver:
    """5 was shown though 4 has not come."""
    driver = ReceiverDriver(in_memory())
    driver.hears(Floor(3), part(3, "three"), part(5, "five"))
    driver.store()
    driver.now += LONG
    driver.streams.handle_timer(now=driver.now)
    assert driver.shown() == ["three", "five"]
    driver.store()
    return driver


def test_a_latecomer_that_a_crash_kept_from_being_shown_is_shown_in_the_next_life() -> None:
    driver = after_a_skipped_hole()
    driver.hears(part(4, "four"))
    driver.store()
    again = ReceiverDriver(driver.disk)  # which died before it showed anything
    assert again.shown() == ["four"]
    again.store()
    assert ReceiverDriver(again.disk).shown() == []


def test_the_ordinary_case_costs_no_record_more() -> None:
    driver = ReceiverDriver(in_memory())
    driver.hears(Floor(1), part(1), part(2))
    driver.store()
    driver.shown()
    assert driver.streams.marks() == [Shown(BOB.id, 2)]


def test_one_that_is_overtaken_on_its_way_to_the_disk_is_marked_before_the_other_counts_as_shown() -> (
    None
):
    driver = ReceiverDriver(in_memory())
    driver.hears(Floor(4), part(5, "five"))
    driver.store()
    driver.hears(part(4, "four"))
    assert IncomingAdded(BOB.id, 4, 4_000, "four", False, False, 2) in driver.out.records
    driver.now += LONG
    driver.streams.handle_timer(now=driver.now)  # 5 has waited long enough; 4 is not stored yet
    assert driver.shown() == ["five"]
    assert driver.streams.marks() == [Overtaken(BOB.id, 4), Shown(BOB.id, 5)]
    driver.store()
    assert driver.shown() == ["four"]
    assert driver.streams.marks() == [ShownBehind(BOB.id, 4)]
