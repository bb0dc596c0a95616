"""Names that are asked for when somebody completes one: few questions, no word of a message, and
nothing that waits for an answer."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import pytest
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotAnswered
from chatapp.peer.api.requests import FindPeople
from chatapp.peer.commands.completion import (
    AGAIN_AFTER,
    FOUND_MOST,
    KNOWN_FOR,
    SOUGHT_AFTER,
    CompletionIndex,
    NameSearch,
    name_begun,
)
from chatapp.peer.faces.line.prompt import PromptApp
from chatapp.testing.clock import VirtualClock
from chatapp.wire.limits import FINDS_BURST
from tests.peer.faces.test_runner import STATE, flow_runner

PARTIAL: Final = replace(STATE, knows_everybody=False)


def found(*names: str, more: bool = False) -> events.PeopleFound:
    people = tuple(events.Person(name=name, online=True, since=0.0) for name in names)
    return events.PeopleFound(people=people, more=more)


class Asker:
    """A window's search, and a registry that answers."""

    def __init__(self, answer: Callable[[str], events.PeopleFound]) -> None:
        self.completions = CompletionIndex()
        self.search = NameSearch(self.completions)
        self.asked: list[str] = []
        self._answer = answer

    def seek(self, begun: str, *, now: float = 0.0) -> None:
        steps = self.search.seek(begun, now=now)
        for request in steps:
            self.asked.append(request.first)
            with contextlib.suppress(StopIteration):
                steps.send(self._answer(request.first))

    def offered(self, typed: str) -> list[str]:
        return [one.text for one in self.completions.after(typed, is_in_room=False)]


def test_names_that_come_are_offered_behind_those_that_are_known() -> None:
    asker = Asker(lambda _: found("Carl", "carol"))
    asker.completions.set_people(["carla", "carol"])
    asker.seek("CAR")
    assert asker.asked == ["car"]
    assert asker.offered("send ca") == ["carla", "carol", "Carl"]


def test_an_answer_counts_for_a_minute_and_one_with_everybody_for_longer_beginnings() -> None:
    asker = Asker(lambda begun: found(begun, more=begun == "al"))
    for begun in ("al", "al", "ali", "alic", "alice", "b", ""):
        asker.seek(begun)
    assert asker.asked == ["al", "ali"]
    asker.seek("alice", now=KNOWN_FOR)
    assert asker.asked == ["al", "ali", "alice"]


def test_little_is_asked_however_much_is_completed() -> None:
    """Most of what the registry answers is left to messages."""
    asker = Asker(lambda _: found(more=True))
    for number in range(200):
        asker.seek(f"n{number}")
    assert len(asker.asked) == FINDS_BURST // 3
    asker.seek("later", now=60.0)
    assert asker.asked[-1] == "later"


def test_without_an_answer_nothing_more_is_offered() -> None:
    asker = Asker(found)
    steps = asker.search.seek("car", now=0.0)
    assert next(steps) == FindPeople(first="car", limit=FOUND_MOST)
    assert not asker.search.wants("dave", now=0.0), "one question at a time"
    with pytest.raises(StopIteration):
        steps.throw(NotAnswered(events.NoAnswer.UNREACHABLE))
    assert not asker.search.wants("car", now=AGAIN_AFTER - 1)
    assert asker.search.wants("car", now=AGAIN_AFTER)
    assert asker.search.wants("dave", now=0.0)


@pytest.mark.parametrize(
    ("typed", "is_in_room", "begun"),
    [
        ("send al", False, "al"),
        ("send bob,al", False, "al"),
        ("al", False, "al"),
        ("hello @al", True, "al"),
        ("/verify al", True, "al"),
        ("send bob al", False, ""),
        ("/me al", True, ""),
        ("join al", False, ""),
        ("/send_file bob al", False, ""),
        ("send ", False, ""),
    ],
)
def test_where_a_name_is_completed(typed: str, begun: str, *, is_in_room: bool) -> None:
    assert name_begun(typed, is_in_room=is_in_room) == begun


async def test_names_are_asked_for_when_nobody_completes_for_a_moment() -> None:
    """Each key on a page completes. While everybody is known, nothing is asked."""
    node, view, _, runner = flow_runner()
    asked: list[object] = []

    async def request(what: object) -> object:
        asked.append(what)
        return found("alina") if isinstance(what, FindPeople) else None

    node.request = request  # type: ignore[method-assign,assignment]
    clock = VirtualClock()
    clock.start()
    completions = view._completions
    assert completions is not None
    completions.after("send al", is_in_room=False)
    await asyncio.sleep(1.0)
    assert asked == []
    node.state = PARTIAL
    for typed in ("send al", "send ali", "send alin"):
        completions.after(typed, is_in_room=False)
        await asyncio.sleep(SOUGHT_AFTER / 2)
    await asyncio.sleep(SOUGHT_AFTER)
    assert asked == [FindPeople(first="alin", limit=FOUND_MOST)]
    assert [one.text for one in completions.after("send al", is_in_room=False)] == ["alina"]
    runner.stop(0)
    await runner.run()
    await clock.stop()


def test_a_prompt_completes_again_when_names_come_and_nothing_else_was_typed() -> None:
    completions = CompletionIndex()
    prompt = PromptApp(
        completions,
        entered=print,
        drafted=lambda _: None,
        ended=print,
        warned=print,
        suspend=print,
        held=list,
    )
    completions.came = prompt.complete_again
    prompt._buffer.insert_text("/dm al")
    prompt.complete()
    completions.add_found(["alina"])
    assert prompt._buffer.text == "/dm alina"
    prompt._buffer.reset()
    prompt._buffer.insert_text("/dm bo")
    prompt.complete()
    prompt._buffer.insert_text("r")
    completions.add_found(["boris"])
    assert prompt._buffer.text == "/dm bor"
