"""The inbox: which messages are new, and when they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.delivery.dedup import HOLES_MAX, NEW, REPEAT, Admission, Inbox, Shown
from chatapp.wire.delivery.policy import Policy

POLICY = Policy(hold_numbers=4)


def take_in(inbox: Inbox, number: int, *, now: float) -> Admission:
    admission = inbox.admit(number)
    if admission is Admission.NEW:
        inbox.store(number, now)
    return admission


@given(st.permutations(range(20)))
def test_any_order_is_shown_in_order_and_each_once(arrivals: list[int]) -> None:
    inbox = Inbox(Policy())
    shown: list[int] = []
    for number in arrivals:
        assert take_in(inbox, number, now=1.0) is Admission.NEW
        assert take_in(inbox, number, now=1.0) is Admission.REPEAT
        shown += inbox.ready(1.0)
    assert shown == list(range(20))
    assert inbox.next_timer() is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(0, 30)),
        st.tuples(st.just("floor"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.sampled_from((0, 1, 7, 15, 60))),
        st.tuples(st.just("gap"), st.integers(0, 30)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_against_the_rule_itself(actions: list[tuple[str, int]]) -> None:
    """A number is ready when all from max(floor, shown + 1) are stored or in a gap, or one above
    has waited for 15 s. A number that was not stored is new, wherever it is."""
    inbox = Inbox(POLICY)
    now, floor, stored, shown, gap = 0.0, 0, set[int](), list[int](), set[int]()
    since: dict[int, float] = {}
    for action, value in actions:
        known = stored | gap
        if action == "wait":
            now += value
        elif action == "floor":
            floor = max(floor, value)
            inbox.raise_floor(value)
        elif action == "gap":
            if inbox.range_count < 4:
                gap.update(range(max(floor, value), value + 3))
            inbox.add_gap(value, value + 3)
        elif action == "restart":
            inbox = Inbox(
                POLICY,
                floor=floor,
                seen=stored,
                shown=Shown(max(shown, default=-1), stored - set(shown)),
                holes=inbox.holes_below(floor),
            )
            since = dict.fromkeys(since, now)
            gap.clear()
        elif value in stored:
            assert inbox.admit(value) is Admission.REPEAT
            inbox.store(value, now)
        elif take_in(inbox, value, now=now) is Admission.NEW:
            stored.add(value)
            since[value] = now
        else:
            above = [number for number in known if number >= floor]
            ranges = sum(1 for number in above if number - 1 not in above)
            assert len(since) >= 4 or ranges >= 4
        known = stored | gap
        ready = inbox.ready(now)
        assert len(set(ready)) == len(ready)
        assert not set(ready) & set(shown)
        for number in ready:
            start = max(floor, max(shown, default=-1) + 1)
            is_waited_for = any(number <= held and now - at >= 15 for held, at in since.items())
            assert is_waited_for or all(other in known for other in range(start, number))
            shown.append(number)
        for number in ready:
            del since[number]
        top = max(floor, max(shown, default=-1) + 1)
        while top in gap - stored:
            top += 1
        assert all(held > top and now - at < 15 for held, at in since.items()), (
            "ready and not shown"
        )
        assert inbox.next_timer() == (min(since.values()) + 15 if since else None)
        assert inbox.held_count == len(since) <= 4
        assert inbox.has_ready is False


def test_a_hole_is_waited_for_15_seconds_and_a_latecomer_is_shown_once() -> None:
    inbox = Inbox(Policy(), floor=1)
    take_in(inbox, 2, now=10.0)
    take_in(inbox, 4, now=20.0)
    assert inbox.ready(20.0) == []
    assert inbox.next_timer() == 25.0
    assert inbox.ready(24.9) == []
    assert inbox.ready(25.0) == [2]
    assert inbox.next_timer() == 35.0
    assert take_in(inbox, 1, now=26.0) is Admission.NEW
    assert inbox.ready(26.0) == [1]
    assert take_in(inbox, 1, now=26.0) is Admission.REPEAT
    assert take_in(inbox, 3, now=27.0) is Admission.NEW
    assert inbox.ready(27.0) == [3, 4]


def test_latecomers_of_one_batch_are_shown_in_order() -> None:
    inbox = Inbox(Policy(), floor=1)
    take_in(inbox, 3, now=0.0)
    assert inbox.ready(15.0) == [3]
    for number in (4, 2, 1):
        take_in(inbox, number, now=16.0)
    assert inbox.ready(16.0) == [1, 2, 4]


def test_the_floor_ends_the_wait() -> None:
    inbox = Inbox(Policy(), floor=1)
    for number in (3, 2, 7):
        take_in(inbox, number, now=0.0)
    inbox.raise_floor(5)
    assert inbox.ready(0.0) == [2, 3]
    inbox.raise_floor(4)
    assert inbox.floor == 5
    assert [inbox.admit(number) for number in (3, 4)] == [Admission.REPEAT, Admission.NEW]
    inbox.raise_floor(7)
    assert inbox.ready(0.0) == [7]


def test_a_number_from_the_clock_waits_only_for_the_floor() -> None:
    inbox = Inbox(Policy())
    take_in(inbox, 1_700_000_000_000_000, now=0.0)
    assert inbox.ready(0.0) == []
    inbox.raise_floor(1_700_000_000_000_000)
    assert inbox.ready(0.0) == [1_700_000_000_000_000]


def test_a_full_hold_drops_what_is_beyond_and_takes_what_fills_the_hole() -> None:
    inbox = Inbox(POLICY)
    for number in (1, 2, 3, 4):
        assert take_in(inbox, number, now=0.0) is Admission.NEW
    assert inbox.admit(5) is Admission.BEYOND
    assert inbox.admit(4) is Admission.REPEAT
    assert take_in(inbox, 0, now=0.0) is Admission.NEW
    assert inbox.ready(0.0) == [0, 1, 2, 3, 4]
    assert inbox.admit(5) is Admission.NEW


def test_holes_that_are_never_filled_are_bounded() -> None:
    inbox = Inbox(POLICY)
    now = 0.0
    for number in range(0, 100, 2):
        now += 20.0
        take_in(inbox, number, now=now)
        inbox.ready(now)
    assert inbox.range_count == 4
    assert inbox.admit(7) is Admission.NEW
    assert inbox.admit(98) is Admission.BEYOND


def test_a_restart_shows_what_was_stored_and_not_marked() -> None:
    inbox = Inbox(Policy(), floor=1, seen=[1, 2, 3, 5], shown=Shown(1))
    assert inbox.ready(100.0) == [2, 3]
    assert inbox.admit(5) is Admission.REPEAT
    assert inbox.next_timer() == 115.0
    take_in(inbox, 4, now=101.0)
    assert inbox.ready(101.0) == [4, 5]


def test_a_restart_asks_to_be_called_at_once_when_it_holds_something() -> None:
    inbox = Inbox(Policy(), floor=1, seen=[3], shown=Shown(0))
    assert inbox.next_timer() == 0.0
    inbox.handle_timer(100.0)
    assert inbox.next_timer() == 115.0


def test_a_restart_shows_a_latecomer_that_was_stored_and_not_marked() -> None:
    inbox = Inbox(Policy(), floor=1, seen=[1, 2, 3], shown=Shown(3, [2]))
    assert inbox.ready(0.0) == [2]
    assert inbox.admit(2) is Admission.REPEAT


def test_what_is_in_gap_is_not_waited_for_however_early_it_is_said() -> None:
    """A sender restarts (2 to 9 are skipped) while 1 is on its way."""
    inbox = Inbox(Policy(), floor=1)
    inbox.add_gap(2, 10)
    inbox.add_gap(2, 5)
    take_in(inbox, 1, now=0.0)
    take_in(inbox, 10, now=0.0)
    assert inbox.has_ready
    assert inbox.ready(0.0) == [1, 10]


def test_what_the_sender_settles_on_its_way_to_the_disk_is_shown_once_and_in_order() -> None:
    inbox = Inbox(Policy(), floor=1)
    inbox.storing = {1, 2, 3, 4}
    inbox.add_gap(3, 4)
    inbox.store(3, 0.0)
    inbox.store(3, 0.0)
    assert inbox.ready(0.0) == []
    inbox.store(1, 0.0)
    assert inbox.ready(0.0) == [1]
    inbox.raise_floor(4)
    assert inbox.ready(0.0) == [3]
    inbox.store(2, 0.0)
    inbox.store(2, 0.0)
    inbox.store(4, 0.0)
    assert inbox.ready(0.0) == [2, 4]


def test_what_came_another_way_and_is_settled_on_its_way_to_the_disk_is_shown_too() -> None:
    inbox = Inbox(Policy(), floor=1)
    inbox.storing_aside.update((1, 2))
    inbox.raise_floor(2)
    inbox.store(1, 0.0)
    inbox.store(2, 0.0)
    assert inbox.ready(0.0) == [1, 2]


def test_what_the_sender_settled_and_never_came_is_new_once() -> None:
    """A lost state of the sender's folder has left it with the registry."""
    inbox = Inbox(Policy(), floor=1)
    take_in(inbox, 1, now=0.0)
    inbox.add_gap(3, 5)
    inbox.raise_floor(9)
    assert inbox.holes_below(9) == ((2, 9),)
    assert inbox.holes_below(12) == ((2, 9), (9, 12))
    for number in (4, 7):
        assert take_in(inbox, number, now=0.0) is Admission.NEW
        assert take_in(inbox, number, now=0.0) is Admission.REPEAT
    assert inbox.ready(0.0) == [1, 4, 7]
    again = Inbox(Policy(), floor=9, holes=[(2, 9)], seen=[4], gone=[(7, 8)], shown=Shown(7))
    assert again.holes_below(9) == inbox.holes_below(9) == ((2, 4), (5, 7), (8, 9))


def test_a_hole_in_the_store_ends_at_the_floor() -> None:
    inbox = Inbox(Policy(), floor=5, holes=[(1, 9)])
    assert inbox.holes_below(5) == ((1, 5),)
    assert take_in(inbox, 6, now=0.0) is Admission.NEW
    assert take_in(inbox, 6, now=0.0) is Admission.REPEAT


def test_past_the_limit_the_oldest_holes_are_closed() -> None:
    inbox = Inbox(Policy())
    inbox.storing = {0, 2}
    inbox.storing_aside.add(4)
    for number in range(1, 2 * HOLES_MAX + 8, 2):
        take_in(inbox, number, now=0.0)
    inbox.raise_floor(2 * HOLES_MAX + 8)
    assert len(inbox.holes_below(inbox.floor)) == HOLES_MAX
    assert [inbox.admit(number) for number in (2, 6, 8, 2 * HOLES_MAX)] == [NEW, REPEAT, NEW, NEW]
    inbox.ready(0.0)
    for number in (0, 2, 4):
        inbox.store(number, 0.0)
        inbox.store(number, 0.0)
    assert inbox.ready(0.0) == [0, 2, 4], "on its way to the disk when its hole was closed"


def test_what_is_in_gap_below_the_floor_is_old_news() -> None:
    inbox = Inbox(Policy(), floor=10)
    inbox.add_gap(5, 10)
    assert inbox.newest(32) is None
    inbox.add_gap(5, 12)
    assert inbox.newest(32) == (10, [2])


def test_the_gaps_remembered_are_bounded() -> None:
    inbox = Inbox(POLICY)
    for start in range(10, 1_000, 10):
        inbox.add_gap(start, start + 5)
    assert inbox.range_count == 4
    inbox = Inbox(Policy())
    for start in range(10, 1_000, 10):
        inbox.add_gap(start, start + 5)
    assert inbox.range_count == 64


def test_two_senders_may_use_one_number() -> None:
    alice, bob = Inbox(Policy()), Inbox(Policy())
    assert take_in(alice, 0, now=0.0) is Admission.NEW
    assert take_in(bob, 0, now=0.0) is Admission.NEW


def test_what_an_earlier_run_kept_as_numbers_begins_at_the_floor() -> None:
    for gone, known in (((3, 5), None), ((3, 8), (5, [3]))):
        assert Inbox(POLICY, floor=5, gone=[gone]).newest(9) == known
    for hole in ((5, 9), (7, 9)):
        assert Inbox(POLICY, floor=5, holes=[hole]).holes_below(8) == ((5, 8),)


def test_the_highest_number_may_be_one_whose_mark_is_not_on_disk() -> None:
    assert Inbox(POLICY, seen=[4, 5], shown=Shown(5, but=[5])).ready(0.0) == [5]


def test_what_an_earlier_run_held_is_dated_by_what_comes_first() -> None:
    inbox = Inbox(POLICY, floor=3, seen=[5])
    inbox.store(7, 10.0)
    assert inbox.next_timer() == 10.0 + POLICY.hold_span


def test_where_numbers_must_be_asked_for_one_by_one() -> None:
    inbox = Inbox(Policy(hold_numbers=2))
    inbox.store(0, 0.0)
    assert inbox.fresh_from == 1
    inbox.raise_floor(10)
    for number in (5, 8):
        inbox.store(number, 0.0)
    assert [inbox.admit(number) for number in (10, 12)] == [NEW, NEW]
    inbox.store(10, 0.0)
    inbox.store(12, 0.0)
    inbox.skip_holes()
    assert inbox.range_count == 2
    assert inbox.admit(inbox.fresh_from) is Admission.BEYOND


def test_past_the_limit_the_older_half_of_the_ranges_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.wire.delivery.dedup.RANGES_MAX", 6)
    inbox = Inbox(Policy())
    for number in range(1, 13, 2):
        inbox.store(number, 0.0)
    assert (inbox.range_count, inbox.floor) == (6, 0)
    inbox.store(13, 0.0)
    assert (inbox.range_count, inbox.floor) == (3, 9)
    assert inbox.newest(9) == (9, [1, 1, 1, 1, 1])


def test_all_missing_numbers_are_skipped_at_the_end() -> None:
    inbox = Inbox(POLICY)
    inbox.skip_holes()
    assert inbox.beyond == 0
    for number in (2, 4):
        inbox.store(number, 0.0)
    inbox.skip_holes()
    assert (inbox.ready(0.0), inbox.beyond, inbox.held_count) == ([2, 4], 5, 0)


def test_no_hole_is_made_of_what_is_on_its_way_to_the_disk_again() -> None:
    inbox = Inbox(Policy())
    inbox.store(1, 0.0)
    inbox.storing = (1,)  # a repeat that came another way
    inbox.raise_floor(4 + 2 * HOLES_MAX)
    for number in range(4, 4 + 2 * HOLES_MAX, 2):
        inbox.store(number, 0.0)
    inbox.raise_floor(6 + 2 * HOLES_MAX)
    assert inbox.admit(1) is REPEAT
