"""When a history is maintained: in quiet moments, in small steps, at the end, and now and then
during a flood."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import cast

from chatapp.peer.history.maintenance import (
    BUSY_LOOKS,
    LOOK_SPAN,
    STEP_SPAN,
    Maintenance,
    MaintenanceSchedule,
)


class Clock:
    """A timer that fires when the test says so."""

    def __init__(self) -> None:
        self.armed: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, span: float, ring: Callable[[], None]) -> "Clock":
        self.armed.append((span, ring))
        return self

    def cancel(self) -> None:
        self.armed.clear()

    def ring(self) -> float:
        """Fire once; return for how long the timer had been set."""
        ((span, ring),) = self.armed
        self.armed.clear()
        ring()
        return span


class Chores:
    """Replaces a history with so many steps to do."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.lines = 5
        self.done = 0
        self.is_full = False
        self.is_finished = False

    def newest(self) -> int:
        return self.lines

    def step(self) -> bool:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        self.done += 1
        return self.done < self.steps

    def finish(self) -> None:
        self.is_finished = True


def house(chores: Chores) -> tuple[Clock, MaintenanceSchedule]:
    clock = Clock()
    return clock, MaintenanceSchedule(
        cast(asyncio.AbstractEventLoop, clock), cast(Maintenance, chores)
    )


def test_nothing_is_done_while_lines_come_and_all_of_it_bit_by_bit_in_quiet() -> None:
    chores = Chores(steps=3)
    clock, _ = house(chores)
    for _ in range(3):
        chores.lines += 1
        assert clock.ring() == LOOK_SPAN
        assert chores.done == 0
    assert clock.ring() == LOOK_SPAN
    assert [clock.ring(), clock.ring()] == [STEP_SPAN, STEP_SPAN]
    assert chores.done == 3
    assert [span for span, _ in clock.armed] == [LOOK_SPAN]


def test_constant_messages_do_not_prevent_maintenance() -> None:
    chores = Chores(steps=5)
    clock, _ = house(chores)
    done = []
    for _ in range(2 * BUSY_LOOKS + 15):
        chores.lines += 1
        clock.ring()
        done.append(chores.done)
    assert done[: BUSY_LOOKS + 1] == [0] * BUSY_LOOKS + [1]
    assert done[BUSY_LOOKS : BUSY_LOOKS + 5] == [1, 2, 3, 4, 5]
    assert done[BUSY_LOOKS + 5] == 5
    assert done[-1] > 5


def test_a_disk_that_is_full_is_tried_again_later() -> None:
    chores = Chores(steps=1)
    chores.is_full = True
    clock, _ = house(chores)
    clock.ring()
    clock.ring()
    chores.is_full = False
    clock.ring()
    assert chores.done == 1


def test_the_end_is_the_last_chance() -> None:
    chores = Chores(steps=9)
    clock, keeping = house(chores)
    keeping.close()
    assert chores.is_finished
    assert clock.armed == []
