"""What one peer tells its clients of people: everybody at first, then whose rows have changed,
however many those were."""

import json
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from chatapp.peer.api.events import Person
from chatapp.peer.api.state import PeerState
from chatapp.peer.rpc import hub as hub_module
from chatapp.peer.rpc.hub import Hub, PeopleLog
from chatapp.peer.rpc.session import RpcSession
from chatapp.peer.rpc.shared import PeerSnapshot
from chatapp.peer.sdk.client import Peer

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


def test_a_client_is_told_the_people_who_were_there_before_anything_happened() -> None:
    state = msgspec.structs.asdict(PeerSnapshot(name="alice", state=PeerState.ONLINE))
    peer = SimpleNamespace(
        **state | {"members": tuple, "people": lambda: PEOPLE}, desk=SimpleNamespace(**state)
    )
    hub, session = Hub(cast(Peer, peer), run="run"), RpcSession()
    hub.subscribe(session)
    hub.look()
    hub.tell(session, room=1 << 20)
    lines = [
        line
        for line in session.take_output().splitlines()
        if json.loads(line)["method"] == "people"
    ]
    assert told(lines) == [(True, ["alice", "bob", "carol"], [])]
