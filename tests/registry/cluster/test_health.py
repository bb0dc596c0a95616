"""What a node tells of the servers of its cluster: once, after a while, and when it is over."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.cluster.health import (
    HOLDS_AFTER,
    RESTLESS,
    STALLED_AFTER,
    Copies,
    Greeting,
    Health,
    HealthEvent,
    Look,
    ServerChanged,
    ServerState,
    StateRestless,
    StreamLed,
    StreamStalled,
)
from chatapp.registry.cluster.watch import GREETING_MAX, greeting_of
from chatapp.registry.program.texts import health_line

LINES = "journal", "lease"
WELL = {"a:1": Greeting("n1", True), "a:2": Greeting("n2", True), "a:3": Greeting("n3", True)}
CURRENT = Copies("n1", {"n2": True, "n3": True}, 3)


class Node:
    """A node that looks each two seconds."""

    def __init__(self) -> None:
        self.health = Health()
        self.now = 0.0

    def sees(
        self, greetings: Mapping[str, Greeting | None], copies: Copies | None, *, span: float
    ) -> list[HealthEvent]:
        told: list[HealthEvent] = []
        until = self.now + span
        while self.now <= until:
            look = Look(greetings, dict.fromkeys(LINES, copies))
            told += self.health.looked(look, now=self.now)
            self.now += 2.0
        return told

    def figure(self, name: str) -> float:
        return self.health.figures(now=self.now)[f"cluster_{name}"]


@pytest.mark.parametrize(
    ("greeting", "copies", "state", "figure", "says"),
    [
        (None, CURRENT, ServerState.AWAY, "servers_away", "does not answer: start it"),
        (Greeting("n2", False), CURRENT, ServerState.OFF, "servers_off", "make room there"),
        (
            WELL["a:2"],
            Copies("n1", {"n2": False, "n3": True}, 3),
            ServerState.BEHIND,
            "copies_missing",
            "start it again",
        ),
    ],
)
def test_a_server_is_named_once_with_its_cure(
    greeting: Greeting | None, copies: Copies, state: ServerState, figure: str, says: str
) -> None:
    node = Node()
    assert node.sees(WELL, CURRENT, span=20) == []
    assert node.sees({**WELL, "a:2": greeting}, copies, span=HOLDS_AFTER - 2) == []
    assert node.sees(WELL, CURRENT, span=10) == []  # it was started again
    (told,) = node.sees({**WELL, "a:2": greeting}, copies, span=60)
    assert told == ServerChanged("n2", state)
    assert node.figure(figure) > 0
    assert health_line(told).startswith("[The server n2 of the cluster ")
    assert says in health_line(told)
    assert node.sees(WELL, CURRENT, span=60) == [ServerChanged("n2", ServerState.WELL)]
    assert all(not value for value in node.health.figures(now=node.now).values())


def test_two_full_disks_end_in_a_stream_without_a_leader() -> None:
    node = Node()
    node.sees(WELL, CURRENT, span=10)
    told = node.sees(WELL, Copies("n3", {"n1": False, "n2": False}, 3), span=14)
    assert set(told) == {ServerChanged(name, ServerState.BEHIND) for name in ("n1", "n2")}
    # What the servers say of copies means nothing while none of them leads.
    told = node.sees(WELL, Copies("", {"n1": True, "n2": False, "n3": False}, 3), span=60)
    assert told == [StreamStalled(name) for name in LINES]
    assert node.figure("copies_missing") == 4
    told = node.sees(WELL, CURRENT, span=20)
    assert told[:2] == [StreamLed(name) for name in LINES]
    assert len(told) == 4


def test_an_election_is_not_told() -> None:
    node = Node()
    node.sees(WELL, CURRENT, span=10)
    assert node.sees(WELL, None, span=STALLED_AFTER - 4) == []
    assert node.sees(WELL, CURRENT, span=10) == []


def test_a_server_that_is_away_at_the_start_keeps_its_address_until_it_tells_its_name() -> None:
    node = Node()
    only = {"a:1": Greeting("n1", True), "a:2": None}
    alone = Copies("n1", {}, 1)
    assert node.sees(only, alone, span=10) == [ServerChanged("a:2", ServerState.AWAY)]
    back = {**only, "a:2": Greeting("n2", True)}
    assert node.sees(back, alone, span=10) == [ServerChanged("n2", ServerState.WELL)]


def test_one_server_with_two_addresses_is_away_at_neither() -> None:
    node = Node()
    twice = {"a:1": Greeting("n1", True), "b:1": Greeting("n1", True)}
    alone = Copies("n1", {}, 1)
    node.sees(twice, alone, span=10)
    assert node.sees({**twice, "b:1": None}, alone, span=20) == []


def test_takeovers_are_counted_for_an_hour() -> None:
    node = Node()
    told = [node.health.taken_over(f"r{at:.0f}", now=at) for at in (0.0, 10.0, 3_000.0)]
    assert told == [None, None, StateRestless("r3000")]
    for now, count in ((3_000.0, 3), (3_605.0, 2), (7_000.0, 0)):
        node.now = now
        assert node.figure("takeovers_hour") == count


def test_a_state_that_moves_often_is_told_once_until_it_has_been_calm() -> None:
    health = Health()
    several = [health.taken_over("r1", now=60.0 * at) for at in range(8)]
    assert [one is not None for one in several] == [at == RESTLESS - 1 for at in range(8)]
    several = [health.taken_over("r2", now=36_000.0 + at) for at in range(3)]
    assert several == [None, None, StateRestless("r2")]
    assert "last to r2: look whether" in health_line(StateRestless("r2"))


_names = st.sampled_from(["n1", "n2", "n3"])
_copies = st.none() | st.builds(
    Copies,
    _names | st.just(""),
    st.dictionaries(_names, st.booleans()),
    st.integers(1, 3),
)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from(list(WELL)), st.none() | st.builds(Greeting, _names, st.booleans())
            ),
            _copies,
        )
    )
)
def test_whatever_was_seen_all_is_well_once_all_is_well(
    looks: list[tuple[dict[str, Greeting | None], Copies | None]],
) -> None:
    node = Node()
    for greetings, copies in looks:
        node.sees(greetings, copies, span=3.0)
    told = node.sees(WELL, CURRENT, span=20)
    states = [event.state for event in told if isinstance(event, ServerChanged)]
    assert set(states) <= {ServerState.WELL}
    assert node.sees(WELL, CURRENT, span=60) == []
    assert all(not value for value in node.health.figures(now=node.now).values())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'INFO {"server_name":"n1","jetstream":true,"other":[1]} \r\n', Greeting("n1", True)),
        (b'INFO {"server_name":"n1"}\r\n', Greeting("n1", False)),
        (b"INFO {}\r\n", None),
        (b"INFO [1]\r\n", None),
        (b'INFO {"server_name":7}\r\n', None),
        (b"SSH-2.0-x\r\n", None),
        (b"INFO " + b"x" * 2 * GREETING_MAX, None),
        (b"INFO \xff\r\n", None),
        (b"INFO " + b"[" * 10_000 + b"\r\n", None),
        (b"", None),
    ],
)
async def test_whatever_answers_at_the_address_of_a_server_is_a_greeting_or_none(
    line: bytes, found: Greeting | None
) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await greeting_of(f"nats://user:secret@127.0.0.1:{port}") == found
    assert await greeting_of(f"nats://127.0.0.1:{port}") is None
