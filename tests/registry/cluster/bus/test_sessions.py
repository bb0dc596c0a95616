"""Sessions over a bus that loses, delays and is cut off, between processes that die and freeze."""

import contextlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.cluster.bus.messages import NEWS, DownBundle, SendOnLink, decode_down
from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.cluster.bus.session import (
    ALONE_AFTER,
    BUNDLE_MAX,
    MESSAGE_MAX,
    SILENT_AFTER,
    BusSeals,
    BusSession,
    Channel,
    Order,
)
from chatapp.registry.cluster.stream.bundles import KEY_SIZE, SALT_SIZE, ClusterKey, Opener, Sealer
from chatapp.registry.rules.effects import Caller, DropReason, LinkEndReason
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.messages.registration import Ping
from tests.registry.cluster.bus.simulated import STEP, World


@pytest.fixture
def world() -> World:
    world = World(Random(1))
    world.run(3.0)
    world.check_healed()
    return world


def trouble(world: World) -> None:
    """Let one thing go wrong, or be mended."""
    rng = world.rng
    kind = rng.choice(
        ["loss", "no loss", "cut", "mend", "freeze", "die", "engine dies", "taken over"]
    )
    living = [one for one in world.processes if not one.is_dead]
    one = rng.choice(living)
    match kind:
        case "loss":
            world.loss = rng.choice([0.02, 0.2, 0.7])
        case "no loss":
            world.loss = 0.0
        case "cut":
            world.cut_off.add(one.name)
        case "mend":
            world.cut_off.clear()
        case "freeze":
            one.frozen_until = world.now + rng.choice([0.7, 2.0, 5.0, 20.0])
        case "die" if one in world.edges:
            one.is_dead = True
            world.start_edge()
        case "engine dies":
            world.engines[-1].is_dead = True
            world.run(rng.uniform(0.0, 5.0))
            world.start_engine()
        case "taken over":  # the old one runs on for a while, and does not know
            world.start_engine()


@given(rng=st.randoms(use_true_random=False), troubles=st.integers(1, 8))
def test_nothing_is_handled_twice_or_out_of_order_and_all_is_well_in_the_end(
    rng: Random, troubles: int
) -> None:
    world = World(Random(rng.getrandbits(64)))
    for _ in range(troubles):
        world.run(world.rng.uniform(0.0, 6.0))
        trouble(world)
    world.run(2.0)
    world.check_sessions()
    world.loss = 0.0
    world.cut_off.clear()
    for process in world.processes:
        process.frozen_until = 0.0
    for engine in world.engines[:-1]:
        engine.is_dead = True
    if world.engines[-1].is_dead:
        world.start_engine()
    world.run(SILENT_AFTER + 3.0)
    world.check_healed()
    world.run(6.0)
    world.check_healed()
    world.check_sessions()
    # What is still on its way settles before the links are compared.
    world.rng.random = lambda: 0.99  # type: ignore[method-assign]
    world.run(1.0)
    world.check_links()


def test_what_is_asked_is_handled_and_answered(world: World) -> None:
    world.run(10.0)
    assert all(len(session.sent) > 10 for session in world.sessions)
    assert all(len(session.edge.answers) >= len(session.sent) - 5 for session in world.sessions)
    world.check_sessions()


@pytest.mark.parametrize("seconds", [1.0, 2.5])
def test_a_short_silence_ends_no_session(world: World, seconds: float) -> None:
    for process in world.processes:
        process.frozen_until = world.now + seconds
    world.run(seconds + 3.0)
    world.check_healed()
    assert len(world.sessions) == 2


def test_all_may_be_stopped_together_for_long(world: World) -> None:
    """As when the machine sleeps: nobody was silent for anybody."""
    for process in world.processes:
        process.frozen_until = world.now + 100.0
    world.run(104.0)
    assert len(world.sessions) == 2
    world.check_healed()


def test_an_engine_that_was_stopped_loses_no_node_that_spoke_meanwhile(world: World) -> None:
    world.engines[-1].frozen_until = world.now + 6.0
    world.run(5.0)
    assert {edge.engine.state for edge in world.edges} == {EngineState.SILENT}
    world.run(4.0)
    world.check_healed()
    assert len(world.sessions) == 2, "the sessions went on"
    world.check_sessions()


def test_an_edge_that_was_stopped_for_long_begins_anew(world: World) -> None:
    edge = world.edges[0]
    edge.frozen_until = world.now + 8.0
    world.run(4.0)
    assert [one.name for one in world.engines[-1].edges.present] == ["edge 2"]
    world.run(6.0)
    world.check_healed()
    assert len(world.sessions) == 3


def test_an_engine_that_is_gone_is_waited_for_and_then_given_up(world: World) -> None:
    edge = world.edges[0]
    world.engines[-1].is_dead = True
    began, seen = world.now, dict[EngineState, float]()
    while edge.session is not None:
        seen.setdefault(edge.engine.state, world.now - began)
        world.run(STEP)
    assert SILENT_AFTER - 1.1 <= seen[EngineState.SILENT] <= SILENT_AFTER + 2 * STEP
    assert ALONE_AFTER - 1.1 <= world.now - began <= ALONE_AFTER + 2 * STEP
    assert edge.engine.state is EngineState.SEARCHING
    assert edge.engine.engine_name == ""
    assert edge.engine.next_timer() == float("inf")


def test_one_lost_message_ends_the_session_at_once(world: World) -> None:
    world.loss = 1.0
    world.run(1.1)
    world.loss = 0.0
    world.run(2.0)
    world.check_healed()
    assert len(world.sessions) == 4


@pytest.mark.parametrize("side", ["engine", "edge"])
def test_a_session_that_has_ended_is_followed_by_another_at_once(world: World, side: str) -> None:
    """Messages to one side are lost; the other side learns it from the next one, and does not wait
    for a silence or news."""
    process = world.engines[-1] if side == "engine" else world.edges[0]
    world.run(0.5)
    process.inbox.clear()
    process.is_deaf = True
    sessions = len(world.sessions)
    world.run(1.2)
    process.is_deaf = False
    began = world.now
    while len(world.sessions) == sessions:
        world.run(STEP)
    assert world.now - began < 1.0 + 0.5
    world.run(1.0)
    world.check_healed()
    world.check_sessions()


def test_what_was_said_before_leaving_is_heard(world: World) -> None:
    edge = world.edges[0]
    session = edge.session
    assert session is not None
    while len(session.sent) < 5:
        edge.ask(session, world.now)
    said = list(session.sent)
    edge.engine.leave(LinkEndReason.NODE_STOPS)
    edge.follow()
    world.run(0.5)
    heard = [number for numbers in world.engines[-1].engine.came.values() for number in numbers]
    assert set(said) <= set(heard)


def test_a_fault_of_one_item_does_not_cost_those_behind_it(world: World) -> None:
    edge, engine = world.edges[0], world.engines[-1]
    session = edge.session
    assert session is not None
    identity = edge.identity_of(900)
    edge.engine.request(
        Ping(5_000), Caller(identity=identity, link=900), now=world.now
    )  # no link is attached
    edge.ask(session, world.now)
    said = session.sent[-1:]
    with contextlib.suppress(AssertionError):
        world.run(0.5)
    world.edges.remove(edge)
    assert engine.recorder.dropped[DropReason.FAULT] >= 1
    assert set(said) <= {number for numbers in engine.engine.came.values() for number in numbers}


def test_an_older_engine_is_not_followed(world: World) -> None:
    old, new = world.engines[-1], world.start_engine()
    world.run(1.5)
    assert {edge.engine.engine_name for edge in world.edges} == {new.name}
    assert old.edges.present == [], "it was told, and did not wait for silence"
    new.is_dead = True
    world.run(15.0)
    assert {edge.engine.state for edge in world.edges} == {EngineState.SEARCHING}


def test_a_silent_edge_that_never_said_anything_is_forgotten() -> None:
    world = World(Random(2), edges=1)
    world.run(0.3)
    (edge,), engine = world.edges, world.engines[-1]
    edge.is_dead = True
    world.run(6.0)
    assert engine.edges.present == []
    assert engine.edges.next_timer() - world.now <= 1.0


class TestBusSession:
    def test_bundles_are_split(self) -> None:
        session, other = BusSession(b"", now=0.0), BusSession(b"", now=0.0)
        items = [SendOnLink(number, bytes(100_000)) for number in range(10)]
        for item in items:
            session.add(item)
        bundles = session.take_bundles()
        assert [len(raws) for _, raws in bundles] == [2] * 5
        assert all(sum(map(len, map(bytes, raws))) <= BUNDLE_MAX for _, raws in bundles)
        assert [decode_down(raw) for _, raws in bundles for raw in raws] == items
        assert [other.accept(number, now=1.0) for number, _ in bundles] == [Order.NEXT] * 5
        assert session.take_bundles() == []

    def test_a_full_bundle_is_a_message_that_the_servers_allow(self) -> None:
        session = BusSession(bytes(8), now=0.0)
        for size in (BUNDLE_MAX // 2, BUNDLE_MAX // 2 - 50):
            session.add(SendOnLink(1 << 40, bytes(size)))
        ((number, items),) = session.take_bundles()
        sealer = Sealer(ClusterKey(bytes(KEY_SIZE)), "c", bytes(SALT_SIZE))
        opener = Opener(ClusterKey(bytes(KEY_SIZE)), "c")
        channel = Channel(BusSeals(sealer, opener), Recorder(events_max=1))
        channel.send(NEWS, DownBundle(bytes(8), session.run, (1 << 62) + number, 0, items))
        ((_, data),) = channel.take_messages()
        assert BUNDLE_MAX < len(data) < MESSAGE_MAX

    def test_repeats_and_gaps_are_told_apart(self) -> None:
        session = BusSession(b"", now=0.0)
        orders = [session.accept(number, now=5.0) for number in (2, 1, 1, 2, 4, 0)]
        assert orders == [
            Order.GAP,
            Order.NEXT,
            Order.REPEATED,
            Order.NEXT,
            Order.GAP,
            Order.REPEATED,
        ]
        assert session.heard_at == 5.0

    def test_a_beat_is_an_empty_bundle(self) -> None:
        session = BusSession(b"", now=0.0)
        assert session.take_bundles() == []
        session.beat()
        assert session.take_bundles() == [(1, [])]
        assert session.take_bundles() == []
