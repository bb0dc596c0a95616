"""The timer of a driver: soon after a turn it looks for deadlines, and does no more than that while
none has passed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from chatapp.peer.core.context import WallClock
from chatapp.peer.node import driver
from chatapp.peer.node.driver import SETTLE_SPAN, DrivenNode, Driver
from chatapp.wire.address import Address
from chatapp.wire.aio.datagram import Receive
from chatapp.wire.aio.machine import Machine, MakeEndpoint


class Timer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self._due = due
        self.callback = callback
        self.is_over = False

    def when(self) -> float:
        return self._due

    def cancel(self) -> None:
        self.is_over = True


class Loop:
    """A loop in which only time passes."""

    def __init__(self) -> None:
        self.now = 1.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(due, callback))
        return self.timers[-1]

    def pass_time(self, span: float) -> None:
        """Let time pass, and every timer ring that is due until then."""
        end = self.now + span
        while due := [timer for timer in self.timers if not timer.is_over and timer.when() <= end]:
            first = min(due, key=Timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when())
            first.callback()
        self.now = end


class Endpoint:
    def __init__(self, loop: object, receive: Receive, **_: object) -> None: ...
    def open(self, port: int) -> int:
        return 5000

    def send_all(self, datagrams: Sequence[tuple[bytes, Address]]) -> None: ...
    def close(self) -> None: ...


class Core:
    def __init__(self) -> None:
        self.clock = WallClock(0.0)
        self.dropped: Counter[str] = Counter()
        self.due: float | None = None
        self.rang: list[float] = []

    def handle_timer(self, *, now: float) -> None:
        self.rang.append(now)
        if self.due is not None and self.due <= now:
            self.due = None


class Node:
    """A node whose turns are counted, and how often its deadlines are looked at."""

    def __init__(self) -> None:
        self.core = Core()
        self.turns = self.looks = 0

    def take_turn(self, *, now: float) -> None:
        self.turns += 1

    def next_timer(self) -> float | None:
        self.looks += 1
        return self.core.due


def started(monkeypatch: pytest.MonkeyPatch, *, lone_turns: int = 0) -> tuple[Loop, Node]:
    loop, node, made = made_driver(monkeypatch, lone_turns=lone_turns)
    made.start()
    return loop, node


def made_driver(monkeypatch: pytest.MonkeyPatch, *, lone_turns: int) -> tuple[Loop, Node, Driver]:
    loop = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    node = Node()
    monkeypatch.setattr(driver, "LONE_TURNS", lone_turns)
    machine = Machine(wall=loop.time, endpoint=cast("MakeEndpoint", Endpoint))
    return loop, node, Driver(cast("DrivenNode", node), port=0, machine=machine)


def test_a_turn_without_a_deadline_brings_no_other_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, node = started(monkeypatch)
    loop.pass_time(10.0)
    assert (node.core.rang, node.turns) == ([], 1)


def test_a_deadline_that_a_turn_sets_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, node = started(monkeypatch)
    node.core.due = due = loop.now + 3.0
    loop.pass_time(2.9)
    assert node.core.rang == []
    loop.pass_time(0.2)
    assert (node.core.rang, node.turns) == ([due], 2)


def test_a_deadline_that_has_passed_is_met_soon_after_the_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, node = started(monkeypatch)
    node.core.due = loop.now
    loop.pass_time(SETTLE_SPAN)
    assert len(node.core.rang) == 1
    loop.pass_time(10.0)
    assert len(node.core.rang) == 1


def test_a_lone_turn_looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, node = started(monkeypatch, lone_turns=1)
    assert loop.timers == []
    loop.pass_time(10.0)
    assert (node.core.rang, node.turns) == ([], 1)


def test_a_run_of_turns_looks_only_when_the_timer_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, node, made = made_driver(monkeypatch, lone_turns=2)
    rounds = 10
    for _ in range(rounds * 5):
        made.start()
        loop.pass_time(SETTLE_SPAN / 5)
    assert node.looks <= 2 + rounds
    loop.pass_time(2 * SETTLE_SPAN)
    node.core.due = due = loop.now + 3.0
    made.start()
    assert [timer.when() for timer in loop.timers if not timer.is_over] == [due]


def test_no_deadline_that_a_run_sets_is_late_by_more_than_the_span(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, node, made = made_driver(monkeypatch, lone_turns=2)
    for _ in range(50):
        made.start()
        loop.pass_time(SETTLE_SPAN / 5)
    node.core.due = due = loop.now + SETTLE_SPAN / 2
    for _ in range(10):
        made.start()
        loop.pass_time(SETTLE_SPAN / 5)
    (rang,) = node.core.rang
    assert due <= rang <= due + SETTLE_SPAN
