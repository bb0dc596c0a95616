"""This file is about wall time in cores: stamps follow the wall clock, ages are clamped."""

import pytest

from registry.clock import WallClock, remaining


def test_stamps_follow_the_wall_clock() -> None:
    clock = WallClock(now=50.0, wall=1_000.0)
    assert clock.seconds(51.0) == 1_001
    clock.set(5_000.0, now=60.0)
    assert clock.millis(60.5) == 5_000_500


def test_a_clock_before_1970_stamps_zero() -> None:
    assert WallClock(now=50.0, wall=-9.0).seconds(50.0) == 0


@pytest.mark.parametrize(
    ("stored_at_ms", "left"),
    [
        (1_000_000, 90.0),  # ten seconds ago
        (2_000_000, 100.0),  # in the future: the clock was set back, not an hour more than a full span
        (0, 20.0),  # for ages, or the clock is wrong: a while longer in any case
    ],
)
def test_ages_across_restarts_are_clamped(stored_at_ms: int, left: float) -> None:
    assert remaining(stored_at_ms, 1_010.0, kept_for=100.0, at_least=20.0) == left
