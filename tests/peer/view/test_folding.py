"""What a terminal shows of others' coming and going."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.past import FoundLine
from chatapp.peer.api.requests import LineName
from chatapp.peer.view.flow import Folding
from chatapp.peer.words.events import lines_of
from tests.peer.faces.line.acting import line

CHANGED = events.TableChanged()


def left(name: str) -> events.Event:
    return events.PersonAway(name=name, how=events.Absence.LEFT)


def lost(name: str) -> events.Event:
    return events.PersonAway(name=name, how=events.Absence.LOST)


def came(name: str) -> events.Event:
    return events.PersonCame(name=name)


def joined(name: str) -> events.Event:
    return events.MemberJoined(room="lab", name=name)


def out(name: str) -> events.Event:
    return events.MemberLeft(room="lab", name=name)


def shown(*batch: events.Event) -> list[str]:
    """Lines for somebody who has talked with bob and carol."""
    folding = Folding()
    folding.talked_with("bob")
    folding.talked_with("carol")
    return folding.lines(batch, lines_of)


@pytest.mark.parametrize(
    ("batch", "lines"),
    [
        ([CHANGED], []),
        ([left("dave")], []),
        ([lost("dave")], []),
        ([left("Bob")], ["Bob has left."]),
        ([left("bob"), CHANGED, left("carol")], ["bob and carol have left."]),
        ([left("bob"), lost("carol")], ["bob has left. carol lost the connection."]),
        ([out("dave"), left("dave")], ["dave has left."]),
        ([out("dave"), lost("eve"), lost("dave")], ["dave lost the connection."]),
        ([out("dave")], ["dave left lab."]),
        ([joined("dave"), joined("eve")], ["dave and eve joined lab."]),
        (
            [joined("dave"), line("hi"), joined("eve")],
            ["dave joined lab.", "bob: hi", "eve joined lab."],
        ),
        ([out("dave"), joined("dave")], ["dave joined lab."]),
        ([events.Renamed(old="dave", new="dan", is_me=False)], []),
        (
            [events.Renamed(old="bob", new="rob", is_me=False), left("rob")],
            ["bob is now rob", "rob has left."],
        ),
        ([events.Renamed(old="alice", new="al", is_me=True)], ["[You are al now.]"]),
        ([events.Registered(), CHANGED], ["[Welcome, You are registered.]"]),
    ],
    ids=repr,
)
def test_coming_and_going_is_one_line(batch: list[events.Event], lines: list[str]) -> None:
    assert shown(*batch) == lines


def test_people_whom_the_user_knows_are_named_when_they_come() -> None:
    assert shown(CHANGED, came("dave"), came("bob"), came("carol")) == ["bob and carol are here."]
    assert shown(CHANGED, joined("bob"), came("bob")) == ["bob joined lab."]


def test_what_was_found_out_afterwards_is_no_news() -> None:
    gone = events.PersonAway(name="carol", how=events.Absence.LEFT, is_quiet=True)
    assert shown(events.PersonCame(name="bob", is_quiet=True), gone) == []


def test_whoever_writes_is_known_from_then_on() -> None:
    folding = Folding()
    mail = events.MailReturned(lines=(line("hi"),))
    folding.lines([mail], lines_of)
    assert folding.lines([left("bob")], lines_of) == ["bob has left."]


def test_whoever_is_written_to_is_known_from_then_on() -> None:
    folding = Folding()
    folding.lines([events.Unacknowledged(conversation=person("bob"), id=1)], lines_of)
    assert folding.lines([left("bob")], lines_of) == ["bob has left."]


names = st.text("abcdef", min_size=5, max_size=5)


@given(
    st.lists(
        st.one_of(st.just(CHANGED), names.map(came), names.map(left), names.map(lost)), max_size=30
    )
)
def test_strangers_make_no_noise(batch: list[events.Event]) -> None:
    assert shown(*batch) == []


SAID = line("hello")
KNOWN = {LineName(conversation=SAID.conversation, target=SAID.as_target): FoundLine(line=SAID)}


def reacted(name: str, emoji: str = "👍", *, is_on: bool = True) -> events.Event:
    return events.Reacted(
        conversation=SAID.conversation,
        id=9,
        sender=name,
        number=9,
        text=emoji,
        at=1.0,
        target=SAID.as_target,
        is_on=is_on,
    )


@pytest.mark.parametrize(
    ("batch", "lines"),
    [
        ([reacted("dave")], ['[dave: 👍 to "hello".]']),
        ([reacted("dave"), reacted("eve")], ['[dave and eve: 👍 to "hello".]']),
        (
            [reacted("dave"), reacted("eve", "🎉"), reacted("eve", is_on=False)],
            ['[dave: 👍 to "hello".]', '[eve: 🎉 to "hello".]', '[eve took 👍 from "hello".]'],
        ),
        (
            [reacted("dave"), reacted("dave", is_on=False), CHANGED, reacted("dave")],
            ['[dave: 👍 to "hello".]'],
        ),
        (
            [reacted("dave"), line("hi"), reacted("eve")],
            ['[dave: 👍 to "hello".]', "bob: hi", '[eve: 👍 to "hello".]'],
        ),
    ],
)
def test_reactions_to_one_line_are_one_line(batch: list[events.Event], lines: list[str]) -> None:
    assert Folding().lines(batch, lines_of, KNOWN) == lines
    many = [reacted(f"p{number}") for number in range(200)]
    (shown_line,) = Folding().lines(many, lines_of, KNOWN)
    assert len(shown_line) < 200
