"""Requests and their answers as JSON, which other programs send and read."""

from types import UnionType
from typing import Any, get_args

import msgspec
import pytest

from chatapp.peer.api import requests
from chatapp.peer.api.conversations import person
from chatapp.peer.api.requests import AnyRequest, Command, Request, answer_type
from chatapp.wire.messages.desk import TakeDuty

KINDS: tuple[type[Request[Any]], ...] = get_args(AnyRequest)


def test_the_union_has_every_request() -> None:
    assert isinstance(AnyRequest, UnionType)
    own = {
        kind
        for kind in (*Request.__subclasses__(), *Command.__subclasses__())
        if kind.__module__ == requests.__name__
    }
    assert set(KINDS) == own - {Command}


@pytest.mark.parametrize("kind", KINDS)
def test_every_request_says_what_it_asks_and_has_an_answer_that_json_carries(
    kind: type[Request[Any]],
) -> None:
    assert kind.__doc__
    msgspec.json.Decoder(answer_type(kind))
    msgspec.json.Decoder(kind)


@pytest.mark.parametrize(
    "request_",
    [
        requests.Send(conversation=person("bob"), text="hi"),
        requests.Wait(until=requests.Moment.READY),
        requests.AskDesk(request=TakeDuty(0, "billing"), entered_at=1.5),
    ],
)
def test_a_request_comes_back_as_it_was(request_: Request[Any]) -> None:
    raw = msgspec.json.encode(request_)
    assert msgspec.json.decode(raw, type=AnyRequest) == request_
    assert msgspec.json.decode(raw, type=type(request_)) == request_


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b'{"room": 7}', "Expected `str`"),
        (b"{}", "missing required field `room`"),
        (b'{"room": "lab", "of": 1}', "unknown field `of`"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(raw: bytes, complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.json.decode(raw, type=requests.EnterRoom)
