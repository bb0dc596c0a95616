"""`chatapp.events`: every event, and events as JSON."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp import events as public
from chatapp.events import from_json, to_json
from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, person
from chatapp.wire.errors import DecodeError

EVENTS: tuple[Any, ...] = get_args(events.Event)


def any_event() -> st.SearchStrategy[Any]:
    texts = st.text(max_size=5)
    st.register_type_strategy(str, texts)
    st.register_type_strategy(
        float, st.floats(allow_nan=False, allow_infinity=False)
    )  # one that is not equal to itself cannot come back
    st.register_type_strategy(
        int, st.integers(-(2**63), 2**63 - 1)
    )  # as far as values are carried over
    return st.one_of([st.from_type(one) for one in EVENTS])


@given(any_event())
def test_every_event_comes_back_as_it_was(event: events.Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_it_says_what_it_is_and_enums_and_keys_are_readable() -> None:
    line = events.Said(
        conversation=person("bob"),
        id=7,
        sender="bob",
        identity=b"\x01\xff",
        number=5,
        text="hi",
        at=1.5,
    )
    assert to_json(events.MailReturned(lines=(line,))) == {
        "type": "MailReturned",
        "lines": [
            {
                "type": "Said",
                "conversation": {"kind": "person", "name": "bob", "is_claimed": False},
                "id": 7,
                "sender": "bob",
                "identity": "Af8=",
                "number": 5,
                "visit": 0,
                "text": "hi",
                "at": 1.5,
                "is_late": False,
                "doubt": None,
                "is_ours": False,
                "state": None,
                "is_seen": False,
                "reply_to": None,
                "quote": "",
                "is_edited": False,
                "is_retracted": False,
                "is_unknown": False,
                "file": None,
                "reactions": [],
            }
        ],
    }
    changed = events.MessageChanged(
        conversation=person("bob"), id=7, state=events.MessageState.SAVED
    )
    assert to_json(changed)["state"] == "saved"
    assert from_json(
        {"type": "PersonCame", "name": "bob", "of a later version": 1}
    ) == events.PersonCame(name="bob")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "Registered",
        {},
        {"type": "Unheard"},
        {"type": []},
        {"type": "PersonCame"},
        {"type": "PersonCame", "name": 5},
        {"type": "PersonAway", "name": "bob", "how": "flown"},
        {"type": "PersonAway", "name": "bob", "how": 1},
        {"type": "MailReturned", "lines": 7},
        {"type": "MailReturned", "lines": [{"type": "PersonCame", "name": "bob"}]},
    ],
)
def test_what_is_no_event_is_named(data: object) -> None:
    with pytest.raises(DecodeError):
        from_json(data)


def test_lines_are_found_in_whatever_event_brings_them() -> None:
    line = events.Said(
        conversation=EVERYBODY,
        id=7,
        sender="bob",
        identity=b"",
        number=5,
        text="hi",
        at=1.5,
    )
    assert (
        list(public.said_in(line))
        == list(public.said_in(events.MailReturned(lines=(line,))))
        == [line]
    )
    assert list(public.said_in(events.Registered())) == []
