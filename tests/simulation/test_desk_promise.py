"""What the promise of the help desk (I6) says about several events of one step, which it sees
together."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Final, cast

import pytest

from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import CONSOLE
from chatapp.registry.rules.desk.settings import DEFAULT_QUEUE, DeskSettings
from chatapp.wire.messages.desk import HoldVisitor, MoveVisitor, OverCause
from tests.registry.rules.desk.people import visit
from tests.support.promise.desk import DeskPromise
from tests.support.world import World

NOT_ASKED: Final = "I6: a place was changed, and nobody has asked for it"


class Watched:
    """A queue with two visitors in line, and its promise."""

    def __init__(self) -> None:
        self.queue = DeskQueue(DeskSettings())
        desk = SimpleNamespace(
            _queue=self.queue,
            state=SimpleNamespace(
                openings=SimpleNamespace(_said={}), ratings=SimpleNamespace(_kept={})
            ),
        )
        self.registry = registry = SimpleNamespace(
            is_running=True,
            started_at=0.0,
            refused_at=-1.0,
            kept_until=0.0,
            desk=DeskSettings(),
            engine=SimpleNamespace(hub=SimpleNamespace(desk=desk)),
        )
        self.network = SimpleNamespace(now=0.0)
        world = SimpleNamespace(registry=registry, guests=[], network=self.network)
        self.promise = DeskPromise(cast("World", world))
        self.first, self.second = visit(1, DEFAULT_QUEUE), visit(2, DEFAULT_QUEUE)
        self.look()
        for one in (self.first, self.second):
            self.queue.join(one)
            self.queue.kept(one, now=0.0)
        self.look()

    def look(self) -> None:
        """End a step."""
        self.queue.take_events()
        self.promise.look()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_others_are_called_before_a_visitor_who_returns_later_in_the_same_step(
    watched: Watched,
) -> None:
    watched.queue.lost(watched.first, now=1.0)
    watched.queue.handle_timer(now=5.0)
    watched.look()
    watched.queue.take_duty(CONSOLE, DEFAULT_QUEUE)
    watched.queue.returned(watched.first)
    watched.look()
    assert watched.second.operator == CONSOLE


def test_others_are_called_before_a_visitor_who_resumes_later_in_the_same_step(
    watched: Watched,
) -> None:
    watched.queue.pause(watched.first)
    watched.look()
    watched.queue.take_duty(CONSOLE, DEFAULT_QUEUE)
    watched.queue.resume(watched.first)
    watched.look()
    assert watched.second.operator == CONSOLE


def test_nobody_is_called_before_a_visitor_who_pauses_later_in_the_same_step(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched.queue, "_first_for", lambda operator: watched.second)
    watched.queue.take_duty(CONSOLE, DEFAULT_QUEUE)
    watched.queue.pause(watched.first)
    with pytest.raises(AssertionError, match="I6: 2 was called, and 1 was before them"):
        watched.look()


def test_others_are_called_before_a_visitor_whom_an_operator_moves_behind_them_in_the_same_step(
    watched: Watched,
) -> None:
    watched.promise._asked[MoveVisitor, 1] += 1
    watched.queue.move(watched.first, 2)
    watched.queue.take_duty(CONSOLE, DEFAULT_QUEUE)
    watched.queue.pause(watched.first)
    watched.queue.lost(watched.first, now=1.0)
    watched.queue.handle_timer(now=5.0)
    watched.look()
    assert watched.second.operator == CONSOLE


@pytest.mark.parametrize("is_asked", [True, False])
@pytest.mark.parametrize("is_held", [False, True])
def test_a_newcomer_is_first_in_the_same_step_if_an_operator_asks_for_it(
    watched: Watched, *, is_held: bool, is_asked: bool
) -> None:
    watched.queue.take_duty(CONSOLE, DEFAULT_QUEUE)
    watched.queue.end_duty(CONSOLE)
    watched.look()
    watched.promise._asked.update({(HoldVisitor, 1): is_held, (MoveVisitor, 3): is_asked})
    third = visit(3, DEFAULT_QUEUE)
    if is_held:
        watched.queue.hold(watched.first, now=1.0)
    watched.queue.join(third)
    watched.queue.move(third, 1)
    with nullcontext() if is_asked else pytest.raises(AssertionError, match=NOT_ASKED):
        watched.look()


def test_a_newcomer_is_not_before_others_without_a_move(watched: Watched) -> None:
    third = visit(3, DEFAULT_QUEUE)
    watched.queue.join(third)
    third.rank = -1
    watched.queue.line(DEFAULT_QUEUE).load([watched.first, watched.second, third], [])
    watched.queue.kept(third, now=1.0)
    with pytest.raises(AssertionError, match=r"I6: .* was in line, now"):
        watched.look()


def test_nobody_is_moved_unless_an_operator_asks_for_it(watched: Watched) -> None:
    watched.queue.move(watched.first, 2)
    watched.queue.take_duty(CONSOLE, DEFAULT_QUEUE)
    with pytest.raises(AssertionError, match=NOT_ASKED):
        watched.look()


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_place_is_kept_from_the_loss_on_for_who_came_and_was_lost_in_one_step(
    watched: Watched, *, is_kept: bool
) -> None:
    third, keep_place = visit(3, DEFAULT_QUEUE), DeskSettings().keep_place
    watched.queue.join(third)
    watched.queue.lost(third, now=0.0)
    watched.look()
    watched.queue.kept(third, now=0.0)
    watched.queue.handle_timer(now=keep_place)
    watched.network.now = keep_place if is_kept else keep_place / 2
    with nullcontext() if is_kept else pytest.raises(AssertionError, match="I6: 3 is over after"):
        watched.look()


@pytest.mark.parametrize(("refused_at", "is_true"), [(0.0, False), (1.0, True), (1.5, True)])
def test_a_visit_is_not_kept_only_after_a_refusal_of_the_disk_since_it_came(
    watched: Watched, *, refused_at: float, is_true: bool
) -> None:
    """It is told so behind what waits for older entries."""
    third = visit(3, DEFAULT_QUEUE)
    watched.network.now = 1.0
    watched.queue.join(third)
    watched.look()
    watched.registry.refused_at, watched.network.now = refused_at, 2.0
    watched.queue.end(third, OverCause.NOT_KEPT)
    with nullcontext() if is_true else pytest.raises(AssertionError, match="I6: not kept"):
        watched.look()
