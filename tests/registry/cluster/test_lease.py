"""The lease in virtual time: who serves when owners die, freeze, step down, or lose sight of the
broker."""

import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.cluster.lease import (
    BEAT,
    CUT_AFTER,
    LOOK_SPAN,
    SPAN,
    SPAN_AFTER_SILENCE,
    Lease,
    LeaseState,
)
from chatapp.registry.cluster.stream.bundles import (
    KEY_SIZE,
    BundleRefused,
    ClusterKey,
    Flaw,
    Kind,
    Opener,
    Sealer,
    Strays,
)
from chatapp.registry.cluster.stream.ledger import Answer, Publication, Stream, Subject, Unanswered
from tests.support.cluster.versions import sealed_by_later_version
from tests.support.memory_ledger import MemoryLedger

KEY = ClusterKey(bytes(KEY_SIZE))


class Node:
    """A node that keeps its lease; it may be frozen, or lose sight of the broker."""

    def __init__(self, world: "World", number: int) -> None:
        self.name = f"n{number}"
        self.is_frozen = False
        self.is_cut_off = False
        self.loses_answers = False
        self._world = world
        sealer = Sealer(KEY, "c", number.to_bytes(16, "big"))
        self.strays = Strays("c", now=lambda: world.now)
        self.lease = Lease(
            sealer,
            Opener(KEY, "c"),
            holder=self.name,
            name=self.name,
            strays=self.strays,
            now=world.now,
        )

    @property
    def serves(self) -> bool:
        return self.lease.state is LeaseState.OWNER

    def step(self) -> None:
        """Do what is due now."""
        lease, world, now = self.lease, self._world, self._world.now
        if self.is_frozen:
            return
        sees = world.is_answering and not self.is_cut_off
        if lease.wants_look(now=now):
            if not sees:
                lease.not_looked(now=now)
            elif lease.looked(world.ledger.newest(Subject.LEASE), now=now):
                lease.claimed(self.publish(lease.claim(now=now)), now=now)
        elif (renewal := lease.publication(now=now)) is not None:
            wants_look = lease.renewed(self.publish(renewal), now=now)
            if wants_look and sees:
                lease.found(world.ledger.newest(Subject.LEASE))

    def publish(self, publication: Publication) -> Answer:
        if self.is_cut_off or not self._world.is_answering:
            return Unanswered()
        answer = self._world.ledger.publish(publication)
        return Unanswered() if self.loses_answers else answer


class World:
    def __init__(self, nodes: int) -> None:
        self.now = 1000.0
        self.ledger = MemoryLedger()
        self.is_answering = True
        self.nodes = [Node(self, number) for number in range(nodes)]

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            for node in self.nodes:
                node.step()
            self.now += 0.05

    def until(self, holds: Callable[[], bool], *, within: float) -> float:
        """Run until something holds; return the seconds that it took."""
        began = self.now
        while not holds():
            assert self.now - began < within, f"not within {within} s"
            self.run(0.05)
        return self.now - began

    @property
    def serving(self) -> list[str]:
        return [node.name for node in self.nodes if node.serves]


def owned(nodes: int = 2) -> tuple[World, Node, Node]:
    """Return a world in which the first node serves, and its first two nodes."""
    world = World(nodes)
    world.nodes[0].step()
    world.run(1)
    assert world.serving == ["n0"]
    assert [node.lease.serving for node in world.nodes] == ["n0"] * nodes
    return world, world.nodes[0], world.nodes[1]


def test_a_dead_owner_is_followed_after_the_span() -> None:
    world, first, second = owned()
    first.is_frozen = True
    took = world.until(lambda: second.serves, within=SPAN + 1)
    assert SPAN - BEAT <= took <= SPAN + 2 * LOOK_SPAN
    assert second.lease.term > first.lease.term > 0


def test_a_look_without_an_answer_does_not_begin_the_span_anew() -> None:
    """On a busy machine an answer is late now and then."""
    world, first, second = owned()
    first.is_frozen = True
    began = world.now
    for _ in range(3):
        world.run(SPAN / 4)
        second.is_cut_off = True
        world.run(LOOK_SPAN)
        second.is_cut_off = False
    world.until(lambda: second.serves, within=SPAN)
    assert world.now - began <= SPAN + 3 * 3 * LOOK_SPAN


def test_a_look_without_an_answer_after_an_election_does_not_begin_the_span_anew() -> None:
    world, first, second = owned()
    first.is_frozen = True
    world.is_answering = False
    world.run(5)
    world.is_answering = True
    world.run(3 * LOOK_SPAN)
    second.is_cut_off = True
    world.run(LOOK_SPAN)
    second.is_cut_off = False
    world.until(lambda: second.serves, within=SPAN_AFTER_SILENCE + LOOK_SPAN)


def test_an_owner_that_thaws_is_told_at_its_next_renewal() -> None:
    world, first, second = owned()
    first.is_frozen = True
    world.until(lambda: second.serves, within=5)
    first.is_frozen = False
    world.until(lambda: first.lease.state is LeaseState.LOST, within=0.6)
    assert first.lease.serving == "n1"
    world.run(30)
    assert world.serving == ["n1"]


def test_an_election_of_the_broker_changes_nobody() -> None:
    world, _, _ = owned()
    world.is_answering = False
    world.run(8)
    world.is_answering = True
    world.run(20)
    assert world.serving == ["n0"]


def test_an_owner_that_sees_no_broker_stops_in_time() -> None:
    world, first, second = owned()
    first.is_cut_off = True
    world.until(lambda: second.serves, within=3)
    took = world.until(lambda: not first.serves, within=CUT_AFTER)
    assert took <= CUT_AFTER
    world.is_answering = False
    assert world.until(lambda: not second.serves, within=CUT_AFTER + 1) >= CUT_AFTER - 1


def test_a_lease_that_is_given_back_is_taken_at_once() -> None:
    world, first, second = owned()
    assert first.publish(first.lease.release()) is not None
    assert world.until(lambda: second.serves, within=1) <= 2 * LOOK_SPAN


def test_lost_answers_to_renewals_do_not_lose_the_lease() -> None:
    world, first, _ = owned()
    first.loses_answers = True
    world.run(4)
    first.loses_answers = False
    world.run(20)
    assert world.serving == ["n0"]


def put(world: World, message: bytes) -> None:
    """Publish in the lease's place, as somebody without the cluster's key may."""
    world.ledger.publish(Publication(subject=Subject.LEASE, message=message, after=None))


def strays(world: World) -> list[bytes]:
    """Return what somebody may publish there: nonsense, what another key sealed, and what the lease
    was once."""
    lease = world.ledger.newest(Subject.LEASE)
    assert lease is not None
    other = Sealer(ClusterKey(bytes([1]) * KEY_SIZE), "c", bytes(16))
    return [b"", b"nonsense", other.seal(Kind.LEASE, 1, bytes(32), b"x"), lease.message]


@pytest.mark.parametrize("count", [1, 100])
def test_strays_in_the_leases_place_end_nobody(count: int) -> None:
    world, first, _ = owned()
    for stray in strays(world):
        for _ in range(count):
            put(world, stray)
            world.now += 0.001
        world.run(1)
        assert world.serving == ["n0"]
    assert first.strays.count > 0
    first.is_frozen = True
    for stray in strays(world):
        put(world, stray)
    world.run(SPAN + 1)
    assert world.nodes[1].serves


def test_the_log_has_a_line_about_strays_in_the_leases_place_once_a_second_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, first, second = owned()
    _, nonsense, *_ = strays(world)
    began = world.now
    with caplog.at_level(logging.WARNING):
        for _ in range(30):
            put(world, nonsense)
            world.run(0.1)
    lines = [record.getMessage() for record in caplog.records]
    assert 4 <= len(lines) <= 2 * (world.now - began + 1) < first.strays.count + second.strays.count
    assert lines[0].startswith(
        "c: 1 messages in the streams were passed over: no registry of this cluster"
    )


def test_an_old_lease_that_is_published_again_hands_nothing_over() -> None:
    """It opens: its holder gave it back, or is another one."""
    world, first, second = owned()
    world.ledger.publish(first.lease.release())
    released = world.ledger.newest(Subject.LEASE)
    assert released is not None
    world.run(SPAN)
    assert second.serves
    put(world, released.message)
    world.run(1)
    assert second.serves


def test_a_lease_of_a_cluster_with_another_key_is_not_taken_while_it_is_renewed() -> None:
    world, _, _ = owned()
    opener = Opener(ClusterKey(bytes([1]) * KEY_SIZE), "c")
    other = Lease(
        Sealer(KEY, "c", bytes(16)),
        opener,
        holder="x",
        name="x",
        strays=Strays("c", now=lambda: world.now),
        now=world.now,
    )
    assert not other.looked(world.ledger.newest(Subject.LEASE), now=world.now)
    assert other.saw_other_key


def test_a_lease_of_another_version_is_refused() -> None:
    world, first, _ = owned()
    place = world.ledger.last[Stream.LEASE] + 1
    put(world, sealed_by_later_version(KEY, "c", Kind.LEASE, place, bytes(32), b"x"))
    with pytest.raises(BundleRefused) as caught:
        first.lease.found(world.ledger.newest(Subject.LEASE))
    assert caught.value.flaw is Flaw.OTHER_VERSION


@given(data=st.data())
def test_whatever_happens_one_serves_soon_after(data: st.DataObject) -> None:
    world = World(3)
    for _ in range(data.draw(st.integers(1, 12))):
        node = world.nodes[data.draw(st.integers(0, 2))]
        match data.draw(st.sampled_from(("freeze", "cut off", "lose", "elect", "restart"))):
            case "freeze":
                node.is_frozen = not node.is_frozen
            case "cut off":
                node.is_cut_off = not node.is_cut_off
            case "lose":
                node.loses_answers = not node.loses_answers
            case "elect":
                world.is_answering = not world.is_answering
            case "restart":
                index = world.nodes.index(node)
                world.nodes[index] = Node(world, 100 * int(world.now) + index)
        world.run(data.draw(st.sampled_from((0.1, 0.4, 1.0, 2.5, 12.0))))
    world.is_answering = True
    for index, node in enumerate(world.nodes):
        node.is_frozen = node.is_cut_off = node.loses_answers = False
        node.step()
        if node.lease.state is LeaseState.LOST:
            world.nodes[index] = Node(world, 10**9 + index)
    world.run(4)
    assert len(world.serving) == 1
    world.run(4)
    assert len(world.serving) == 1
