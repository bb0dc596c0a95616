"""What the runner of a view promises: one reader of a log at a time, a timer that is early enough,
errors that reach whom they concern."""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pytest

from chatapp.peer.api import events, requests
from chatapp.peer.api.conversations import EVERYBODY, person
from chatapp.peer.api.events import Event, Said
from chatapp.peer.api.past import FoundLines, Lines
from chatapp.peer.api.state import PeerState, State
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.faces.runner import CHANGES_SPAN, Runner, ScreenRunner
from chatapp.peer.view.flow import FlowView
from chatapp.peer.view.screen import ScreenView
from chatapp.peer.view.view import LOOKS_EVERY, TYPING_SHOWN_FOR, Changes, HistoryUnreadable, Steps
from chatapp.testing.clock import VirtualClock
from chatapp.wire.address import Address

STATE: Final = State(
    name="alice",
    state=PeerState.ONLINE,
    server=Address("192.0.2.1", 5000),
    address=Address("192.0.2.1", 5000),
    folder="/nowhere",
)


class FakeNode:
    """A peer whose history is a few lines, and waits to be read."""

    def __init__(self) -> None:
        self.state = STATE
        self.gate = asyncio.Event()
        self.reading = 0
        self.most_reading = 0
        self.error: Exception | None = None
        self.seen: list[Event] = []
        self.news: asyncio.Queue[Event] = asyncio.Queue()

    def people(self) -> tuple[events.Person, ...]:
        return ()

    async def request(self, request: Any) -> Any:
        if isinstance(request, requests.ReadPage):
            self.reading += 1
            self.most_reading = max(self.reading, self.most_reading)
            await self.gate.wait()
            self.reading -= 1
            if self.error is not None:
                raise self.error
            return Lines(lines=tuple(line(number) for number in (1, 2, 3)))
        if isinstance(request, requests.FindLines):
            return FoundLines(lines=(None,) * len(request.wanted))
        return None

    def post(self, request: Any) -> None:
        raise AssertionError(request)

    async def next_events(self) -> list[Event]:
        return [await self.news.get(), *self.take_events()]

    def take_events(self) -> list[Event]:
        return [self.news.get_nowait() for _ in range(self.news.qsize())]

    def shown(self, batch: Sequence[Event]) -> None:
        self.seen += batch

    def listen(self, listener: object) -> Any:
        raise AssertionError(listener)


class Screen:
    """A display that never gets to show anything until it may."""

    def __init__(self) -> None:
        self.may_show = asyncio.Event()
        self.may_show.set()
        self.changes: list[Changes] = []

    def show(self, changes: Changes) -> None:
        self.changes.append(changes)

    async def shown(self) -> None:
        await self.may_show.wait()


def line(number: int) -> Said:
    return Said(
        conversation=EVERYBODY,
        id=number,
        sender="bob",
        identity=b"",
        number=number,
        text=f"line {number}",
        at=float(number),
    )


def screen_runner() -> tuple[FakeNode, ScreenRunner]:
    node = FakeNode()
    view = ScreenView(STATE, wall=lambda: 0.0, draw_line=lambda: 7)
    return node, ScreenRunner(node, view, Screen())


def flow_runner(*, is_screen: bool = True) -> tuple[FakeNode, FlowView, Screen, Runner]:
    node, display = FakeNode(), Screen()
    view = FlowView(STATE, is_screen=is_screen, completions=CompletionIndex(), draw_line=lambda: 7)
    return node, view, display, Runner(node, view, display)


async def test_a_jump_waits_for_the_load_that_is_under_way() -> None:
    node, runner = screen_runner()
    pane = runner.view.panes.pane(EVERYBODY)
    runner.begin(runner.view.load(pane), pane)
    jump = asyncio.create_task(runner.jump(EVERYBODY, 2))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (node.reading, pane.is_loading) == (1, True)
    node.gate.set()
    entry = await jump
    assert entry is not None
    assert (entry.text, node.most_reading, pane.is_loading) == ("line 2", 1, False)


async def test_the_status_is_looked_at_anew_as_early_as_it_changes() -> None:
    _, view, _, runner = flow_runner()
    loop = asyncio.get_running_loop()
    runner.handle([events.PersonTyping(name="bob")])
    assert runner._timer is not None
    assert runner._timer.when() - loop.time() == pytest.approx(TYPING_SHOWN_FOR, abs=0.1)
    view._under_way.begin(msgspec.UNSET, 5, "hi")  # type: ignore[arg-type]
    runner.update()
    assert runner._timer.when() - loop.time() == pytest.approx(LOOKS_EVERY, abs=0.1)
    runner._timer.cancel()


async def test_a_history_that_cannot_be_read_is_an_error_of_the_steps() -> None:
    node, _, _, runner = flow_runner()
    node.gate.set()
    node.error = sqlite3.OperationalError("disk I/O error")

    def steps() -> Steps:
        yield requests.ReadPage()

    with pytest.raises(HistoryUnreadable, match="disk I/O error"):
        await runner.perform(steps())


async def test_a_mistake_in_work_beside_all_else_ends_the_program() -> None:
    _, _, _, runner = flow_runner()

    def steps() -> Steps:
        yield requests.ListPeople()
        raise ZeroDivisionError

    runner.begin(steps())
    with pytest.raises(ZeroDivisionError):
        await runner.run()


async def test_work_that_is_not_done_ends_with_the_program() -> None:
    _, runner = screen_runner()
    pane = runner.view.panes.pane(person("bob"))
    runner.begin(runner.view.load(pane), pane)
    await asyncio.sleep(0)
    runner.stop(3)
    assert await runner.run() == 3
    assert not runner._work


async def test_what_ends_the_program_is_shown_before_it_ends() -> None:
    node, _, display, runner = flow_runner()
    display.may_show.clear()
    node.news.put_nowait(events.LeaveUnanswered())
    running = asyncio.create_task(runner.run(runner.show_events()))
    for _ in range(5):
        await asyncio.sleep(0)

    def steps() -> Steps:
        yield requests.ListPeople()

    await runner.perform(steps())  # another task comes to its end meanwhile
    assert not running.done()
    assert node.seen == []
    display.may_show.set()
    assert await running == 1
    assert node.seen == [events.LeaveUnanswered()]


@pytest.mark.parametrize("is_screen", [True, False])
async def test_a_storm_of_reactions_is_shown_ten_times_a_second(is_screen: bool) -> None:
    node, _, display, runner = flow_runner(is_screen=is_screen)
    clock = VirtualClock()
    clock.start()
    showing = asyncio.create_task(runner.show_events())
    loop = asyncio.get_running_loop()
    began, several = loop.time(), [reaction(number) for number in range(2_000)]
    for number, event in enumerate(several):
        node.news.put_nowait(event)
        if number % 10 == 0:
            await asyncio.sleep(0.005)
    took = loop.time() - began
    await asyncio.sleep(CHANGES_SPAN)
    assert node.seen == several
    assert len(display.changes) <= took / CHANGES_SPAN + 2
    node.news.put_nowait(line(1))
    for _ in range(9):
        await asyncio.sleep(0)
    assert node.seen[-1] == line(1), "a line does not wait"
    showing.cancel()
    await clock.stop()


def reaction(number: int) -> Event:
    return events.Reacted(
        conversation=EVERYBODY,
        id=number + 1,
        sender=f"p{number % 200}",
        number=number + 1,
        text="👍",
        at=1.0,
        target=events.Target(b"b", 7),
        is_on=True,
    )
