"""Values of the SDK as JSON and back."""

import json
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import events
from chatapp.peer.api.codec import decode, encode, shape_of
from chatapp.peer.api.conversations import EVERYBODY, person
from chatapp.peer.api.errors import NameTaken, NotAdmitted, NotAnswered, NotOpen, OtherRegistry
from chatapp.peer.api.events import AdmissionRefusal, NoAnswer, Said
from chatapp.peer.api.findings import Finding
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.rpc.protocol import RpcError
from chatapp.peer.rpc.refusals import exception_of, refusal_of
from chatapp.peer.rpc.shared import Greeting
from chatapp.wire.errors import ChatAppError, DecodeError, NameRefused, TextTooLong
from chatapp.wire.messages.desk import NoteVisitor, OperatorRequest, TakeDuty

EVENTS = typing.get_args(events.Event)


@pytest.mark.parametrize(
    "kind", [events.Event, OperatorRequest, Finding, Said, DeliveryTrace | None, Greeting]
)
def test_every_value_of_the_interface_has_a_shape(kind: Any) -> None:
    shape_of(kind)


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a struct, with every field drawn by its type."""
    fields = {field.name: drawn(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


def drawn(kind: Any) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return drawn(arguments[0])
    if arguments and origin is not tuple and origin is not dict:
        return st.one_of(*map(drawn, arguments))
    if origin is tuple:
        return st.lists(drawn(arguments[0]), max_size=2).map(tuple)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return made(kind)
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind is str:
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    if kind is int:
        return st.integers(-(1 << 63), (1 << 63) - 1)
    return st.from_type(kind)


@given(st.sampled_from(EVENTS).flatmap(made))
def test_every_event_comes_back_as_it_was(event: events.Event) -> None:
    told = json.loads(msgspec.json.encode(encode(event, events.Event)))
    assert told["type"] == type(event).__name__
    assert decode(told, events.Event, "event") == event


def test_a_value_reads_well() -> None:
    changed = events.MessageChanged(
        conversation=person("bob"),
        id=3,
        state=events.MessageState.REFUSED,
        reason=events.MessageReason.MAILBOX_FULL,
    )
    told = encode(changed, events.Event)
    assert (told["state"], told["reason"]) == ("refused", "mailbox_full")
    said = events.Said(
        conversation=EVERYBODY,
        id=1,
        sender="bob",
        identity=b"\x01\xff",
        number=1,
        text="é",
        at=1.5,
    )
    assert encode(said, events.Event)["identity"] == "01ff"


@pytest.mark.parametrize(
    ("raw", "kind", "complaint"),
    [
        (1, str, "x does not decode: a string is needed"),
        (True, int, "x does not decode: an integer from -2**63 to 2**63 - 1 is needed"),
        (1 << 63, int, "x does not decode: an integer from -2**63 to 2**63 - 1 is needed"),
        (
            -(1 << 63) - 1,
            int | None,
            "x does not decode: an integer from -2**63 to 2**63 - 1 is needed",
        ),
        (10**400, float, "x does not decode: a smaller number is needed"),
        ("1", float, "x does not decode: a number is needed"),
        (0, bool, "x does not decode: true or false is needed"),
        ("zz", bytes, "x does not decode: a hexadecimal string is needed"),
        ({}, tuple[int, ...], "x does not decode: an array is needed"),
        ("gone", events.LinkTrouble, "one of these is needed: blocked, stalled, over"),
        (
            {"type": "Nothing"},
            OperatorRequest,
            "x.type does not decode: one of these is needed: TakeDuty",
        ),
        ({"type": ["TakeDuty"]}, OperatorRequest, "x.type does not decode: one of these is needed"),
        (7, OperatorRequest, "x does not decode: an object is needed"),
        (
            {"type": "TakeDuty", "reference": 0},
            OperatorRequest,
            "queue does not decode: it is missing",
        ),
        (
            {"type": "NoteVisitor", "reference": -1, "visit": 0, "text": ""},
            OperatorRequest,
            "reference",
        ),
        ({"a": 1}, events.Person | None, "name does not decode: it is missing"),
    ],
)
def test_a_wrong_value_is_named(raw: object, kind: Any, complaint: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(raw, kind, "x")
    assert complaint in str(refused.value)


def test_requests_of_an_operator_are_carried_over() -> None:
    for request in (TakeDuty(0, "maths"), NoteVisitor(0, 5, "é")):
        assert decode(encode(request, OperatorRequest), OperatorRequest, "request") == request


@pytest.mark.parametrize(
    "error",
    [
        NotOpen(),
        NameTaken("alice"),
        NotAdmitted(AdmissionRefusal.BANNED, "ab12"),
        OtherRegistry("ab", "cd"),
        NotAnswered(NoAnswer.UNANSWERED),
        TextTooLong(70_000, 65_536),
    ],
)
def test_an_exception_of_the_sdk_comes_out_at_the_other_end(error: ChatAppError) -> None:
    again = exception_of(refusal_of(error))
    assert type(again) is type(error)
    assert again.args == error.args
    assert str(again) == str(error)


def test_any_other_error_keeps_its_sentence() -> None:
    refused = refusal_of(NameRefused("a/b", "has a slash"))
    assert exception_of(refused) is refused
    assert str(refused) == str(NameRefused("a/b", "has a slash"))
    unclear: list[object] = [None, 7, {"type": []}, {"type": "TextTooLong", "size": "long"}]
    for data in unclear:
        strange = RpcError(-32000, "strange", data)
        assert exception_of(strange) is strange
