"""Estimated waiting times hold for most visitors of simulated desks; figures are those of the
day."""

from itertools import product

import pytest

from chatapp.registry.rules.desk.estimate import (
    PLAYED_AHEAD_MAX,
    SESSIONS_NEEDED,
    Busy,
    Now,
    Range,
    Session,
    WaitEstimates,
)
from chatapp.registry.rules.desk.statistics import Figures, ServedSession, Waits
from chatapp.wire.limits import DESK_SESSIONS_MAX
from chatapp.wire.messages.desk import AskPosition, LeaveDesk, PositionReported
from tests.registry.rules.desk.help_desk import HelpDesk
from tests.registry.rules.desk.waiting_worlds import World, day, score

DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2


def after(*lengths: float) -> WaitEstimates:
    """The estimates after sessions of these lengths."""
    estimates = WaitEstimates()
    for length in lengths:
        estimates.note(Session(length, 10.0))
    return estimates


def serving(*spans: float) -> Now:
    """Operators who have been serving for so long."""
    return Now([Busy(span, 10.0) for span in spans])


def test_there_is_none_before_three_sessions_or_with_nobody_on_duty() -> None:
    estimates = after(*[60.0] * (SESSIONS_NEEDED - 1))
    assert estimates.ranges(3, serving(1.0)) == []
    estimates.note(Session(60.0, 10.0))
    assert len(estimates.ranges(3, serving(1.0))) == 3
    assert estimates.ranges(3, Now([])) == []
    assert estimates.ranges(0, serving(1.0)) == []


def test_the_same_desk_has_the_same_estimate() -> None:
    assert after(60, 80, 200).ranges(9, serving(1, 5)) == after(60, 80, 200).ranges(
        9, serving(1, 5)
    )


def test_sessions_of_no_length_are_an_estimate_all_the_same() -> None:
    assert after(-1, 0, 0).ranges(1, serving(0.0))[0].most >= 1
    assert after(-1, 0, 0).ranges(1, Now([None])) == [Range(0, 1)]


@pytest.mark.parametrize("span", [0.0, 30.0, 100_000.0])
def test_ranges_grow_with_the_position(span: float) -> None:
    ranges = after(60, 80, 200, 90).ranges(PLAYED_AHEAD_MAX + 50, serving(span))
    assert len(ranges) == PLAYED_AHEAD_MAX + 50
    assert ranges == sorted(ranges)
    assert sorted(one.most for one in ranges) == [one.most for one in ranges]
    assert all(0 <= one.least < one.most for one in ranges)


def test_more_operators_and_more_who_leave_make_it_shorter() -> None:
    lengths = [100.0] * 20
    alone = after(*lengths).ranges(10, serving(50))[-1]
    assert after(*lengths).ranges(10, serving(50, 50, 50))[-1].most < alone.most
    estimates = after(*lengths)
    for _ in range(20):
        estimates.note_left(100.0)
    assert estimates.ranges(10, serving(50))[-1].most < alone.most


def test_who_leaves_at_once_says_nothing_about_how_long_others_stay() -> None:
    estimates = after(*[100.0] * 20)
    before = estimates.ranges(10, serving(50))
    for _ in range(1_000):
        estimates.note_left(0.05)
    assert estimates.ranges(10, serving(50)) == before
    assert estimates.take_left() == (0, 0.0)


def test_the_line_is_not_played_again_for_each_visitor_who_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = HelpDesk()
    desk.open()
    people = desk.line_of(*["Asha Rao"] * 12)
    for _ in range(3):
        desk.advance(100)
        desk.type(".end")
    desk.advance(50)
    plays = 0
    original = WaitEstimates.ranges

    def count(estimates: WaitEstimates, positions: int, now: Now) -> list[Range]:
        nonlocal plays
        plays += 1
        return original(estimates, positions, now)

    monkeypatch.setattr(WaitEstimates, "ranges", count)
    for gone in people[5:]:
        people[4].ask(AskPosition(7))
        gone.ask(LeaveDesk(9))
    assert people[4].last(PositionReported).most > 0
    assert plays == 1


def test_even_sessions_give_a_narrow_range_around_the_truth() -> None:
    least, most = after(*[100.0] * 60).ranges(10, serving(50))[-1]
    assert 700 < least < 950 < most < 1_250


def test_a_session_that_takes_long_does_not_end_at_once() -> None:
    """Most sessions are short; one that has outlived those is one of the long ones."""
    estimates = after(*[60.0] * 58, *[1_000.0] * 2)
    assert estimates.ranges(1, serving(10))[0].most < 200
    assert estimates.ranges(1, serving(400))[0].most > 500


WORLDS = [
    World(operators, lengths, leaving)
    for operators, lengths, leaving in product(
        (1, 3, 8), ("even", "lognormal", "bimodal"), (0.0, 0.2, 0.4)
    )
] + [World(4, "exponential", 0.4, by_patience=True)]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: "-".join(map(str, world)))
def test_four_in_five_are_called_within_their_range_and_one_in_ten_before_it(world: World) -> None:
    """Days that begin without any history. `waiting_worlds` plays more of them."""
    found = score([one for seed in range(3) for one in day(world, seed)])
    assert found.told >= 100
    assert found.within >= 0.8
    assert found.early <= 0.1
    assert found.width < 6


def test_a_desk_tells_what_follows_from_its_sessions_and_remembers_who_left() -> None:
    desk = HelpDesk()
    desk.open()
    people = desk.line_of(*["Asha Rao"] * 12)
    for length in (100, 120, 80):
        desk.advance(length)
        desk.type(".end")
    for gone in people[9:]:
        gone.ask(LeaveDesk(9))
    desk.advance(50)
    people[6].hear()
    people[6].ask(AskPosition(7))
    before = people[6].last(PositionReported)
    assert before.position == 3
    assert 0 < before.least < 250 < before.most < 900
    desk.type(".end")
    desk.restart()
    desk.open()
    for one in people[4:9]:
        one.come_back()
    people[6].hear()
    people[6].ask(AskPosition(8))
    after_restart = people[6].last(PositionReported)
    assert after_restart.position == 2
    assert 0 < after_restart.least < after_restart.most < before.most


def test_figures_start_again_at_local_midnight() -> None:
    figures = Figures(utc_offset=3_600)
    assert figures.note(ServedSession(NOON, NOON + 1_000, NOON + 2_000)) == 1
    assert figures.note(ServedSession(NOON, NOON + 3_000, NOON + 9_000)) == 2
    assert figures.served_today(NOON + DAY // 2 - 3_600_001) == 2
    assert figures.served_today(NOON + DAY // 2 - 3_600_000) == 0
    assert figures.waits([], NOON) == Waits(1, 3)
    assert figures.waits([], NOON + DAY) == Waits(0, 0)
    assert figures.note(ServedSession(NOON + DAY, NOON + DAY, NOON + DAY)) == 1


def test_percentiles_are_of_all_who_were_called_today() -> None:
    figures = Figures(utc_offset=0)
    for wait in range(1, 10):
        figures.note(ServedSession(NOON, NOON + 1_000 * wait, NOON + 20_000))
    assert figures.waits([ServedSession(NOON, NOON + 10_000, 0)], NOON) == Waits(5, 9)


def test_a_day_with_more_sessions_than_are_remembered_is_counted_right_after_a_restart() -> None:
    figures, again = Figures(utc_offset=0), Figures(utc_offset=0)
    session = ServedSession(NOON, NOON, NOON)
    for _ in range(DESK_SESSIONS_MAX + 5):
        of_day = figures.note(session)
    again.load(session, of_day=of_day)
    assert again.served_today(NOON) == DESK_SESSIONS_MAX + 5
