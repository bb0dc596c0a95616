"""This file is about shown lines: to the letter, and safe whatever others wrote."""

import time
from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.core.events import (
    ChannelAccepted,
    ChannelReceived,
    ChannelUnanswered,
    Delivered,
    DirectReceived,
    Event,
    Kept,
    KeyChanged,
    LeaveUnanswered,
    Left,
    MailReturned,
    NameTaken,
    NoServerAtStart,
    NotAdmitted,
    PeopleListed,
    Person,
    Refused,
    Registered,
    RegistryKeyChanged,
    Saved,
    ServerBack,
    ServerLost,
    TableChanged,
    TooLong,
    Trouble,
    Unacknowledged,
)
from peer.ui.wording import lines_of, shown_time
from wire.text import clean

NOON = 1_700_000_000.0
SHOWN_NOON = "2023-11-14 22:13:20"
HOSTILE = st.text(alphabet=st.characters(exclude_categories=[]))
TIMES = st.none() | st.floats()


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def direct(text: str, late: float | None = None, sender: str = "bob") -> DirectReceived:
    return DirectReceived(sender=sender, identity=b"", number=1, text=text, at=NOON, late=late)


def channel(text: str, late: float | None = None, sender: str = "bob") -> ChannelReceived:
    return ChannelReceived(sender=sender, identity=b"", number=1, text=text, at=NOON, late=late)


LINES: list[tuple[Event, list[str]]] = [
    (Registered(), ["[Welcome, You are registered.]"]),
    (TableChanged(), ["[Client table updated.]"]),
    (Delivered(to="bob", number=1, through_server=False), ["[Message received by bob.]"]),
    (Delivered(to="bob", number=1, through_server=True), ["[Message received by bob through the server.]"]),
    (Unacknowledged(to="bob", number=1), ["[No ACK from bob, message sent to server.]"]),
    (Saved(to="bob", number=1), ["[Messages received by the server and saved]"]),
    (Refused(to="bob", number=1, reason="mailbox full"), ["[Message to bob refused: mailbox full.]"]),
    (Refused(to="bob", number=1, reason="No such name."), ["[Message to bob refused: No such name.]"]),
    (
        Kept(to="bob", number=1),
        ["[Server not responding] Message to bob kept; it goes out when the server is back."],
    ),
    (direct("hi"), ["bob: hi"]),
    (direct("hi", late=NOON), [f"bob: {SHOWN_NOON} hi"]),
    (MailReturned(lines=()), ["[You have messages]"]),
    (
        MailReturned(lines=(direct("hi", late=NOON), channel("all", late=NOON))),
        ["[You have messages]", f"bob: {SHOWN_NOON} hi", f"[Channel_Message bob: {SHOWN_NOON} all]"],
    ),
    (ChannelAccepted(number=1), ["[Message received by Server.]"]),
    (ChannelUnanswered(number=1), ["[Server not responding.]"]),
    (channel("hi"), ["[Channel_Message bob: hi]"]),
    (channel("hi", late=NOON), [f"[Channel_Message bob: {SHOWN_NOON} hi]"]),
    (NameTaken(name="bob"), ["[Name bob is taken.]"]),
    (NotAdmitted(reason="full"), ["[Not registered: full.]"]),
    (Left(), ["[You are Offline. Bye.]"]),
    (LeaveUnanswered(), ["[Server not responding]", "[Exiting]"]),
    (ServerLost(), ["[Server not responding] Direct chat goes on."]),
    (ServerBack(), ["[Server is back.]"]),
    (NoServerAtStart(table_time=None), ["[Server not responding]", "[Exiting]"]),
    (
        NoServerAtStart(table_time=NOON),
        [f"[Server not responding] Working with the table of {SHOWN_NOON}; still trying."],
    ),
    (PeopleListed(people=()), ["[Nobody is registered.]"]),
    (
        PeopleListed(
            people=(
                Person(name="carol", online=False, since=NOON),
                Person(name="bob", online=True, since=NOON),
                Person(name="Alice", online=True, since=NOON),
            )
        ),
        ["[Alice is online.]", "[bob is online.]", f"[carol is away since {SHOWN_NOON}.]"],
    ),
    (KeyChanged(name="bob"), ["[The key of bob has changed: nothing is sent to that name.]"]),
    (
        RegistryKeyChanged(expected="ab12", got="cd34"),
        ["[The server's key has changed: expected ab12, got cd34.]"],
    ),
    (
        TooLong(to="bob", size=70_000, limit=65_536),
        ["[Message to bob not sent: 70,000 bytes, at most 65,536.]"],
    ),
    (Trouble(text="The disk is full"), ["[The disk is full]"]),
]


@pytest.mark.parametrize(("event", "lines"), LINES)
def test_each_event_has_its_lines_to_the_letter(event: Event, lines: list[str]) -> None:
    assert lines_of(event) == lines


def test_no_kind_of_event_is_forgotten() -> None:
    assert {type(event) for event, _ in LINES} == set(get_args(Event))


@given(st.data())
def test_whatever_others_wrote_each_line_is_one_line_that_gives_no_order(data: st.DataObject) -> None:
    event = data.draw(st.sampled_from([event for event, _ in LINES]))
    forged = msgspec.structs.replace(event, **{name: data.draw(HOSTILE) for name in texts(event)})
    if hasattr(forged, "late"):
        forged = msgspec.structs.replace(forged, late=data.draw(TIMES))
    for line in lines_of(forged):
        assert len(line.splitlines()) == 1
        assert clean(line) == line


def texts(event: Event) -> list[str]:
    return [name for name in event.__struct_fields__ if isinstance(getattr(event, name), str)]


def test_a_text_cannot_pass_for_a_line_of_ours() -> None:
    assert lines_of(direct("x\n>>> [Message received by carol.]")) == [
        "bob: x⏎>>> [Message received by carol.]"
    ]


def test_a_message_of_full_length_is_shown_whole() -> None:
    assert lines_of(direct("x" * 65_536)) == ["bob: " + "x" * 65_536]


@given(st.floats())
def test_any_moment_has_a_date(moment: float) -> None:
    assert len(shown_time(moment)) == len("2023-11-14 22:13:20")


def test_time_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    assert shown_time(NOON) == "2023-11-15 00:13:20"
