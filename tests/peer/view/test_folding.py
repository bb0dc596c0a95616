"""What a terminal shows of others' coming and going."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import events as happened
from chatapp.peer.view.folding import Folding
from chatapp.peer.words.events import lines_of
from tests.peer.faces.line.acting import line

CHANGED = happened.TableChanged()


def left(name: str) -> happened.Event:
    return happened.PersonAway(name=name, how=happened.Absence.LEFT)


def lost(name: str) -> happened.Event:
    return happened.PersonAway(name=name, how=happened.Absence.LOST)


def came(name: str) -> happened.Event:
    return happened.PersonCame(name=name)


def joined(name: str) -> happened.Event:
    return happened.MemberJoined(room="lab", name=name)


def out(name: str) -> happened.Event:
    return happened.MemberLeft(room="lab", name=name)


def shown(*batch: happened.Event) -> list[str]:
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
        ([joined("dave"), line("hi"), joined("eve")], ["dave joined lab.", "bob: hi", "eve joined lab."]),
        ([out("dave"), joined("dave")], ["dave joined lab."]),
        ([happened.Renamed(old="dave", new="dan", is_me=False)], []),
        (
            [happened.Renamed(old="bob", new="rob", is_me=False), left("rob")],
            ["bob is now rob", "rob has left."],
        ),
        ([happened.Renamed(old="alice", new="al", is_me=True)], ["[You are al now.]"]),
        ([happened.Registered(), CHANGED], ["[Welcome, You are registered.]"]),
    ],
    ids=repr,
)
def test_coming_and_going_is_one_line(batch: list[happened.Event], lines: list[str]) -> None:
    assert shown(*batch) == lines


def test_people_whom_the_user_knows_are_named_when_they_come() -> None:
    assert shown(CHANGED, came("dave"), came("bob"), came("carol")) == ["bob and carol are here."]
    assert shown(CHANGED, joined("bob"), came("bob")) == ["bob joined lab."]


def test_what_was_found_out_afterwards_is_no_news() -> None:
    gone = happened.PersonAway(name="carol", how=happened.Absence.LEFT, is_quiet=True)
    assert shown(happened.PersonCame(name="bob", is_quiet=True), gone) == []


def test_whoever_writes_is_known_from_then_on() -> None:
    folding = Folding()
    mail = happened.MailReturned(lines=(line("hi"),))
    folding.lines([mail], lines_of)
    assert folding.lines([left("bob")], lines_of) == ["bob has left."]


def test_whoever_is_written_to_is_known_from_then_on() -> None:
    folding = Folding()
    folding.lines([happened.Unacknowledged(to="bob", id=1)], lines_of)
    assert folding.lines([left("bob")], lines_of) == ["bob has left."]


names = st.text("abcdef", min_size=5, max_size=5)


@given(st.lists(st.one_of(st.just(CHANGED), names.map(came), names.map(left), names.map(lost)), max_size=30))
def test_strangers_make_no_noise(batch: list[happened.Event]) -> None:
    assert shown(*batch) == []
