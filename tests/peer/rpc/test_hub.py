"""What one peer tells its clients of people: everybody at first, then whose rows have changed,
however many those were."""

import json
from typing import cast

import pytest

from chatapp.peer.api.events import Person
from chatapp.peer.api.state import PeerState, State
from chatapp.peer.rpc import hub as hub_module
from chatapp.peer.rpc.hub import Hub, PeopleLog, ServedNode
from chatapp.peer.rpc.protocol import Code, Subscribe
from chatapp.peer.rpc.session import Call, RpcSession
from chatapp.wire.address import Address

PEOPLE = [Person(name=name, online=True, since=0.0) for name in ("alice", "bob", "carol")]


def told(lines: list[bytes]) -> list[tuple[bool, list[str], list[str]]]:
    """Whether each line is about everybody, the people in it, and those who are gone."""
    params = [json.loads(line)["params"] for line in lines]
    return [
        (one["is_all"], [person["name"] for person in one["people"]], one["gone"]) for one in params
    ]


def changed(person: Person, since: float) -> Person:
    return Person(name=person.name, online=True, since=since)


def test_after_too_many_changes_each_client_is_told_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "_CHANGES_KEPT", 4)
    log = PeopleLog()
    log.update(PEOPLE)
    early = log.newest
    log.update([changed(one, 1.0) for one in PEOPLE])  # the sixth change: all are forgotten
    late = log.newest
    log.update([changed(PEOPLE[0], 2.0), changed(PEOPLE[1], 1.0)])
    assert (early, late, log.newest) == (3, 6, 8)
    assert told(log.lines_after(late)) == [(False, ["alice"], ["carol"])]
    assert told(log.lines_after(late + 1)) == [(False, [], ["carol"])]
    everybody: list[tuple[bool, list[str], list[str]]] = [(True, ["alice", "bob"], [])]
    assert told(log.lines_after(early)) == told(log.lines_after(None)) == everybody


class QuietNode:
    """A node to which nothing happens."""

    @property
    def state(self) -> State:
        address = Address("192.0.2.1", 5000)
        return State(
            name="alice", state=PeerState.ONLINE, server=address, address=address, folder="/home"
        )

    def people(self) -> list[Person]:
        return PEOPLE


def test_a_client_is_told_the_people_who_were_there_before_anything_happened() -> None:
    hub, session = Hub(cast(ServedNode, QuietNode()), run="run"), RpcSession()
    hub.subscribe(session, Subscribe())
    hub.look()
    hub.tell(session, room=1 << 20)
    lines = [
        line
        for line in session.take_output().splitlines()
        if json.loads(line)["method"] == "people"
    ]
    assert told(lines) == [(True, ["alice", "bob", "carol"], [])]


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("Nothing", {}, Code.NO_SUCH_METHOD),
        ("Request", {}, Code.NO_SUCH_METHOD),
        ("EnterRoom", {}, Code.WRONG_PARAMETERS),
        ("EnterRoom", {"room": 7}, Code.WRONG_PARAMETERS),
        ("EnterRoom", {"room": "lab", "of": 1}, Code.WRONG_PARAMETERS),
        ("EnterRoom", {"room": "lab", "type": "LeaveRoom"}, Code.WRONG_PARAMETERS),
        ("LeaveRoom", {}, Code.WRONG_PARAMETERS),
        ("SetTopic", {"text": "Exam"}, Code.WRONG_PARAMETERS),
        ("ReadPage", {"before": 1 << 63}, Code.WRONG_PARAMETERS),
        ("ReadPage", {"before": -(1 << 63) - 1}, Code.WRONG_PARAMETERS),
        ("ReadPage", {"before": True}, Code.WRONG_PARAMETERS),
        ("IsLineForDesk", {"entered_at": 10**400}, Code.WRONG_PARAMETERS),
        ("Send", {"conversation": {"kind": "nobody"}, "text": ""}, Code.WRONG_PARAMETERS),
        ("AskDesk", {"request": [1, 0, ""]}, Code.WRONG_PARAMETERS),
        ("AskDesk", {"request": [96, 0]}, Code.WRONG_PARAMETERS),
        ("AskDesk", {"request": [103, -1, 0, ""]}, Code.WRONG_PARAMETERS),
        ("ListRooms", {}, Code.FAULT),
    ],
)
async def test_what_cannot_be_carried_out_is_answered_with_one_error(
    method: str, params: dict[str, object], code: Code
) -> None:
    hub = Hub(cast(ServedNode, QuietNode()), run="run")
    _, error = await hub.carry_out(RpcSession(), Call(method, params))
    assert error is not None
    assert error.code == code
    assert error.message
