"""Estimated waiting times hold for most visitors of a simulated desk; figures are those of the day."""

import random
from heapq import heapreplace

import pytest

from chatapp.registry.desk.statistics import SESSIONS_NEEDED, Estimates, Figures, ServedSession, Waits
from chatapp.wire.limits import DESK_SESSIONS_MAX

DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2


def test_there_is_none_before_three_sessions_or_with_nobody_on_duty() -> None:
    estimates = Estimates()
    for _ in range(SESSIONS_NEEDED - 1):
        estimates.note(60.0)
    assert estimates.range(ahead=0, operators=1) is None
    estimates.note(60.0)
    assert estimates.range(ahead=0, operators=1) == (0, 60)
    assert estimates.range(ahead=3, operators=1) == (180, 240)
    assert estimates.range(ahead=3, operators=2) == (90, 120)
    assert estimates.range(ahead=3, operators=0) is None


def test_sessions_of_no_length_are_an_estimate_all_the_same() -> None:
    estimates = Estimates()
    for _ in range(3):
        estimates.note(-1.0)
    assert estimates.range(ahead=5, operators=1) == (0, 1)


@pytest.mark.parametrize("operators", [1, 2, 5])
@pytest.mark.parametrize("ahead", [0, 1, 4, 12])
def test_most_visitors_wait_as_long_as_they_were_told(operators: int, ahead: int) -> None:
    """Sessions of very different lengths; the range has to hold for two visitors in three at least."""
    chance = random.Random(10 * operators + ahead)
    held = 0
    for _ in range(500):
        estimates = Estimates()
        for _ in range(20):
            estimates.note(chance.gammavariate(3.0, 100.0))
        told = estimates.range(ahead=ahead, operators=operators)
        assert told is not None
        under_way = [chance.gammavariate(3.0, 100.0) * chance.uniform(0.0, 1.0) for _ in range(operators)]
        under_way.sort()
        for _ in range(ahead):
            heapreplace(under_way, under_way[0] + chance.gammavariate(3.0, 100.0))
        held += told[0] <= under_way[0] <= told[1]
    assert held >= 330


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
