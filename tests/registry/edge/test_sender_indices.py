"""Sender indices: under one key nobody ever has the index of somebody else, whatever happens to the
nodes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from chatapp.registry.rules.directory.connections import SenderIndices
from tests.support.examples import scaled

BLOCK = 4


class Node:
    """One life of a node, with the keys that it can seal under."""

    def __init__(self, number: int, *, reserved: int, keys: set[int]) -> None:
        self.indices = SenderIndices(reserved=reserved, block=BLOCK)
        self.own_key = number
        self._known_keys = keys
        self.links: list[tuple[int, int]] = []
        """The number of each link and its index."""
        self.recalled: list[tuple[int, int]] = []
        """Those of an earlier node that have come back."""

    @property
    def keys(self) -> set[int]:
        """The keys under which the node and its links may seal: those of others once its first
        block is stored."""
        return (
            {self.own_key} if self.indices.first_reservation else {self.own_key, *self._known_keys}
        )


class Ledger(RuleBasedStateMachine):
    """Nodes on one store, which takes entries of the newest life only. Every node seals under every
    key that it may use."""

    def __init__(self) -> None:
        super().__init__()
        self.reserved = 0
        self.keys: set[int] = set()
        self.nodes: list[Node] = []
        self.newest: Node | None = None
        self.lives = 0
        self.all_nodes: list[Node] = []
        self.holders: dict[tuple[int, int], str] = {}
        """Who seals, by key and sender index: the counters of each begin at 0."""

    def seal(self, node: Node) -> None:
        """Have the node and all its links seal under every key that the node may use."""
        senders = [(f"node {node.own_key}", node.indices.own)]
        senders += [(f"link {link}", index) for link, index in node.links]
        for link, index in node.recalled:
            assert self.holders.setdefault((node.own_key, index), f"link {link}") == f"link {link}"
        for key in node.keys:
            for who, index in senders:
                assert self.holders.setdefault((key, index), who) == who

    def _node(self, data: st.DataObject) -> Node:
        return data.draw(st.sampled_from(self.nodes))

    @rule()
    def a_node_starts(self) -> None:
        """A start, a restart, or a standby that takes over: an earlier life may be frozen and go on
        later."""
        self.lives += 1
        self.newest = Node(self.lives, reserved=self.reserved, keys=set(self.keys))
        self.nodes.append(self.newest)
        self.all_nodes.append(self.newest)
        self.seal(self.newest)

    @precondition(lambda self: self.all_nodes)
    @rule(data=st.data())
    def a_standby_goes_on(self, data: st.DataObject) -> None:
        """With the table of an earlier node, dead or not: who is in it keeps an index that was
        reserved, under the keys of this one."""
        before = data.draw(st.sampled_from(self.all_nodes))
        self.a_node_starts()
        assert self.newest is not None
        self.newest.recalled = [
            (link, index)
            for link, index in (*before.links, *before.recalled)
            if self.newest.indices.is_reserved(index)
        ]
        self.seal(self.newest)

    @precondition(lambda self: self.nodes)
    @rule(data=st.data())
    def a_node_dies(self, data: st.DataObject) -> None:
        self.nodes.remove(self._node(data))

    @precondition(lambda self: self.nodes)
    @rule(data=st.data(), is_told=st.booleans())
    def a_first_key_is_stored(self, data: st.DataObject, is_told: bool) -> None:
        """With the reservation that belongs to it. The answer of the store may be lost."""
        node = self._node(data)
        if node is self.newest:
            for reservation in node.indices.first_reservation:
                self.reserved = max(self.reserved, reservation.upto)
            self.keys.add(node.own_key)
            if is_told:
                node.indices.first_stored()

    @precondition(lambda self: self.nodes)
    @rule(data=st.data(), count=st.integers(1, BLOCK))
    def links_come(self, data: st.DataObject, count: int) -> None:
        node = self._node(data)
        for _ in range(count):
            index = node.indices.take()
            if index is not None:
                assert 0 < index < 2**32
                node.links.append((len(self.holders), index))
            self.seal(node)

    @precondition(lambda self: self.nodes)
    @rule(data=st.data(), is_taken=st.booleans(), is_told=st.booleans())
    def a_block_is_reserved(self, data: st.DataObject, is_taken: bool, is_told: bool) -> None:
        """The store may fail, and its answer may be lost; it takes nothing of an earlier life."""
        node = self._node(data)
        reservation = node.indices.reservation()
        if reservation is None:
            return
        is_stored = is_taken and node is self.newest
        if is_stored:
            self.reserved = max(self.reserved, reservation.upto)
        node.indices.settled(reservation.upto, is_stored=is_stored and is_told)
        self.seal(node)


Ledger.TestCase.settings = settings(max_examples=scaled(60), stateful_step_count=30, deadline=None)
TestLedger = Ledger.TestCase


def test_a_life_reserves_the_next_block_in_time() -> None:
    indices = SenderIndices(reserved=8, block=BLOCK)
    (first,) = indices.first_reservation
    assert (first.upto, indices.own) == (12, 8)
    indices.first_stored()
    assert indices.first_reservation == ()
    assert (indices.reservation(), indices.take()) == (None, 9)
    reservation = indices.reservation()
    assert reservation is not None
    assert reservation.upto == 16
    assert indices.reservation() is None, "it is on its way"
    assert [indices.take() for _ in range(3)] == [10, 11, None], "none before it is stored"
    indices.settled(16, is_stored=False)
    assert indices.reservation() == reservation
    indices.settled(16, is_stored=True)
    assert [indices.take() for _ in range(4)] == [12, 13, 14, 15]


def test_no_link_has_the_index_0() -> None:
    assert SenderIndices(reserved=0).own == 0
    wrapped = SenderIndices(reserved=2**32 - 2, block=BLOCK)
    assert wrapped.own == 2**32 - 2
    assert [wrapped.take() for _ in range(3)] == [2**32 - 1, 1, None]
