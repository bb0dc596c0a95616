"""No part of a core is due before its core says so: a core is woken by its `next_timer` alone.

All worlds check that now and then (`promise.timers`); here some check every program at each step.
"""

import importlib
from collections.abc import Callable

import pytest

from chatapp.peer.api import events
from chatapp.peer.core.context import Alarms
from chatapp.wire.messages.direct import DirectGroupLine
from tests.peer.core.cast import POLICY, WALL
from tests.peer.core.core_driver import CoreDriver
from tests.peer.core.lab import BOB, CAROL, enter, told
from tests.simulation.story import live_through
from tests.support.promise.timers import TimersPromise, deadlines, late_parts

SEEDS = (*range(1, 12), 41)


def live_through_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimersPromise, "look_closely", TimersPromise.look_at_all)
    for seed in SEEDS:
        live_through(seed)


def test_nothing_in_any_program_is_due_before_its_core_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live_through_all(monkeypatch)


@pytest.mark.parametrize(
    "name",
    [
        "chatapp.peer.core.context",
        "chatapp.peer.core.registry.connection",
        "chatapp.registry.engine.core",
        "chatapp.registry.rules.hub",
    ],
)
def test_a_core_that_tells_the_last_deadline_instead_of_the_first_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module(name), "min", max, raising=False)
    with pytest.raises(AssertionError, match="due before the next timer"):
        live_through_all(monkeypatch)


def of_followed_deadlines(alarms: Alarms) -> float | None:
    return min((due for asked, _ in alarms._asked if (due := asked()) is not None), default=None)


def of_set_deadlines(alarms: Alarms) -> float | None:
    return min((one.deadline for one in alarms._set if one.deadline is not None), default=None)


@pytest.mark.parametrize("told", [of_followed_deadlines, of_set_deadlines])
def test_a_core_that_tells_only_some_deadlines_is_found(
    told: Callable[[Alarms], float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Alarms, "next_timer", told)
    with pytest.raises(AssertionError, match="due before the next timer"):
        live_through_all(monkeypatch)


@pytest.fixture
def node() -> CoreDriver:
    """Alice in a room with bob and carol."""
    node = CoreDriver()
    node.come_in(BOB.row(1, sender_index=7), CAROL.row(2, sender_index=8))
    enter(node, who=(BOB, CAROL))
    return node


def deadlines_of(node: CoreDriver, part: str) -> list[float]:
    return [
        deadline for way, deadline in deadlines(node.core) if way.endswith(f"/{part}.next_timer")
    ]


def test_a_list_of_rooms_is_given_up_in_time_though_a_room_was_asked_for_later(
    node: CoreDriver,
) -> None:
    node.core.rooms.room_list.ask(now=node.now)
    node.pass_time(1.0)
    node.core.rooms.enter("yard", now=node.now)
    node.turn()
    assert late_parts(node.core) == []
    pending = node.core.rooms.room_list.pending
    assert pending is not None
    assert pending.deadline == node.core.next_timer()
    node.pass_time(POLICY.give_up_after - 0.99)
    assert [type(event) for event in node.saw()[-2:]] == [events.RoomsUnknown, events.RoomsKnown]


def test_a_line_that_waits_for_an_earlier_one_of_its_sender_is_not_held_back_by_another_sender(
    node: CoreDriver,
) -> None:
    asked = node.now
    for one in (BOB, CAROL):
        line = DirectGroupLine("#lab", 8, 8, 7, 0, int(WALL * 1_000), f"from {one.name}")
        node.hears(told(one, node, line), one.home)
        node.pass_time(5.0)
    assert sorted(deadlines_of(node, "Inbox")) == [
        asked + POLICY.hold_span,
        asked + 5.0 + POLICY.hold_span,
    ]
    assert deadlines_of(node, "Streams") == [asked + POLICY.hold_span]
    assert late_parts(node.core) == []
