"""Wall time in cores: stamps follow the wall clock, ages are clamped, epochs always rise."""

import random

import pytest

from chatapp.registry.rules.limits import (
    EPOCHS_BY_CLOCK_MAX,
    WallClock,
    first_epoch,
    first_number,
    remaining,
)
from chatapp.wire.messages.table import RUN_BITS


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
        (
            2_000_000,
            100.0,
        ),  # in the future: the clock was set back, not an hour more than a full span
        (0, 20.0),  # for ages, or the clock is wrong: a while longer in any case
    ],
)
def test_ages_across_restarts_are_clamped(stored_at_ms: int, left: float) -> None:
    assert remaining(stored_at_ms, 1_010.0, kept_for=100.0, at_least=20.0) == left


@pytest.mark.parametrize(
    ("last", "wall", "epoch"),
    [
        (0, 1_000, 1_001),
        (500, 1_000, 1_001),  # also where the disk was put back to 500
        (2_000, 1_000, 2_001),  # the clock was set back
        (0, 2**40, EPOCHS_BY_CLOCK_MAX + 1),
    ],
)
def test_a_life_begins_above_the_last_epoch_on_disk_and_above_the_clock(
    last: int, wall: int, epoch: int
) -> None:
    assert first_epoch(last=last, wall=wall) == epoch


def test_numbers_of_a_life_leave_room_below_the_next_epoch() -> None:
    chance = random.Random(1)
    firsts = {first_number(epoch=7, chance=chance.randbytes(4)) for _ in range(100)}
    assert len(firsts) == 100
    assert min(firsts) >= 7 << RUN_BITS
    assert max(firsts) < (8 << RUN_BITS) - 2 ** (RUN_BITS - 1)
