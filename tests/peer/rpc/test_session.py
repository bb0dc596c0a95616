"""One client's lines without I/O: what is a request, what is answered with which error, who is
cut."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import events
from chatapp.peer.rpc.protocol import LINE_MAX, Code, Farewell, RpcError
from chatapp.peer.rpc.ring import EventRing
from chatapp.peer.rpc.session import Call, RpcSession

HELLO = b'{"jsonrpc":"2.0","id":1,"method":"Hello","params":{"protocol":1}}\n'


def lines_of(session: RpcSession) -> list[dict[str, Any]]:
    return [json.loads(line) for line in session.take_output().splitlines()]


def greeted() -> RpcSession:
    session = RpcSession()
    assert [call.method for call in session.receive(HELLO)] == ["Hello"]
    return session


def test_requests_are_cut_from_the_bytes_wherever_they_are_split() -> None:
    lines = HELLO + b"\n" + b'{"jsonrpc":"2.0","method":"TellTyping","params":{"to":"bob"}}\n'
    for at in range(len(lines)):
        session = RpcSession()
        calls = session.receive(lines[:at]) + session.receive(lines[at:])
        assert calls == [
            Call("Hello", {"protocol": 1}, 1, True),
            Call("TellTyping", {"to": "bob"}, None, False),
        ]


@pytest.mark.parametrize(
    ("line", "code", "id_"),
    [
        (b"Hello", Code.NOT_JSON, None),
        (b"\xff\xfe", Code.NOT_JSON, None),
        (b"[" * 100_000, Code.NOT_JSON, None),
        (b"7", Code.NOT_A_REQUEST, None),
        (b"[]", Code.NOT_A_REQUEST, None),
        (b'[{"jsonrpc":"2.0","id":1,"method":"people"}]', Code.NOT_A_REQUEST, None),
        (b'{"id":1,"method":"people"}', Code.NOT_A_REQUEST, 1),
        (b'{"jsonrpc":"2.0","id":1}', Code.NOT_A_REQUEST, 1),
        (b'{"jsonrpc":"2.0","id":[1],"method":"people"}', Code.NOT_A_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"people"}', Code.NOT_A_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":"a","method":"people","params":7}', Code.WRONG_PARAMETERS, "a"),
    ],
)
def test_what_is_no_request_is_answered_with_one_error_and_the_client_goes_on(
    line: bytes, code: Code, id_: object
) -> None:
    session = greeted()
    assert session.receive(line + b"\n") == []
    (answer,) = lines_of(session)
    assert (answer["error"]["code"], answer["id"]) == (code, id_)
    assert [call.method for call in session.receive(HELLO)] == ["Hello"]
    assert not session.is_over


def test_the_first_request_is_hello_in_our_version() -> None:
    session = RpcSession()
    assert session.receive(b'{"jsonrpc":"2.0","id":1,"method":"people"}\n') == []
    assert [answer["error"]["code"] for answer in lines_of(session)] == [Code.NO_HELLO]
    assert not session.is_over
    assert session.receive(HELLO.replace(b":1}", b":2}")) == []
    (answer,) = lines_of(session)
    assert (answer["error"]["code"], answer["error"]["data"]) == (
        Code.OTHER_VERSION,
        {"protocol": 1},
    )
    assert session.is_over


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_ends_the_connection(end: bytes) -> None:
    session = greeted()
    assert session.receive(b" " * LINE_MAX + end + HELLO) == []
    error, bye = lines_of(session)
    assert error["error"]["code"] == Code.NOT_A_REQUEST
    assert bye["params"] == {"reason": "too_long"}
    assert session.is_over
    assert session.receive(HELLO) == []


def test_the_longest_line_is_taken() -> None:
    session = greeted()
    assert len(session.receive(HELLO[:-1].ljust(LINE_MAX - 1) + b"\n")) == 1


def test_a_request_without_an_id_is_not_answered() -> None:
    session = greeted()
    (call,) = session.receive(b'{"jsonrpc":"2.0","method":"people"}\n')
    session.answer(call, [])
    session.refuse(call, RpcError(Code.FAULT, "no"))
    assert lines_of(session) == []
    (asked,) = session.receive(b'{"jsonrpc":"2.0","id":null,"method":"people"}\n')
    session.answer(asked, [])
    assert lines_of(session) == [{"jsonrpc": "2.0", "id": None, "result": []}]


def test_no_more_lines_are_taken_than_wanted_and_the_others_wait() -> None:
    session = greeted()
    lines = [
        b'{"jsonrpc":"2.0","method":"TellTyping","params":{"to":"%d"}}\n' % number
        for number in range(5)
    ]
    taken = session.receive(b"\n".join(lines) + b"half", most=0)
    while session.has_line:
        taken += (some := session.receive(b"", most=2))
        assert len(some) <= 2
    assert [call.params for call in taken] == [{"to": str(number)} for number in range(5)]
    session.receive(b"\nnor this\nnor that\n", most=2)
    assert len(lines_of(session)) == 2  # wrong lines count as well
    assert session.has_line


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
def test_no_bytes_whatever_make_it_fail(data: bytes, cuts: list[int]) -> None:
    session = RpcSession()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        session.receive(data[start:end])
    for line in session.take_output().splitlines():
        assert "error" in json.loads(line)


# --- events


def typing(name: str) -> events.PersonTyping:
    return events.PersonTyping(name=name)


def numbers(session: RpcSession) -> list[int]:
    return [line["params"]["number"] for line in lines_of(session) if line["method"] == "event"]


def test_a_subscriber_gets_each_event_once_and_no_more_than_there_is_room_for() -> None:
    session, ring = greeted(), EventRing()
    ring.add([typing("a")])
    session.tell_events(ring, room=1_000)
    assert numbers(session) == []  # it has not asked for events
    session.after = 1
    ring.add([typing("b"), typing("c")])
    session.tell_events(ring, room=1)
    assert numbers(session) == [2]
    session.tell_events(ring, room=0)
    assert numbers(session) == []
    session.tell_events(ring, room=1_000)
    session.tell_events(ring, room=1_000)
    assert numbers(session) == [3]


def test_whoever_is_behind_what_is_kept_is_cut_and_others_go_on() -> None:
    slow, quick, ring = greeted(), greeted(), EventRing(events_max=3)
    slow.after = quick.after = 0
    for name in "abc":
        ring.add([typing(name)])
        quick.tell_events(ring, room=1_000)
    slow.tell_events(ring, room=0)
    assert lines_of(slow) == []
    ring.add([typing("d")])
    for session in (slow, quick):
        session.tell_events(ring, room=1_000)
    assert lines_of(slow) == [{"jsonrpc": "2.0", "method": "bye", "params": {"reason": "slow"}}]
    assert slow.is_over
    assert numbers(quick) == [1, 2, 3, 4]
    slow.end(Farewell.ENDED)
    assert lines_of(slow) == []
