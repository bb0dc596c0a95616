"""Files at the desk of a cluster: the node that takes the state over has them, whole."""

import itertools
from collections.abc import Sequence

import pytest

from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterFounded, ClusterKey
from chatapp.registry.cluster.stream.store import MESSAGE_LEAST, Clocks, Seals, StreamStore
from chatapp.registry.store.entries import Entry
from chatapp.registry.store.protocol import Loaded
from chatapp.wire.limits import DESK_PIECE_SIZE
from chatapp.wire.messages import desk as wire
from chatapp.wire.messages.desk import LineMark
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk
from tests.registry.rules.desk.test_files import PDF, fetched, pair, pieces_of, put, send
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_store import MemoryStore

_salts = (number.to_bytes(16, "big") for number in itertools.count(1_000))


class NodesInTurn(MemoryStore):
    """The stores of the nodes of a cluster, of which each takes over from the one before. Messages are
    so short that each piece of a file takes several."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = MemoryLedger(message_max=MESSAGE_LEAST)
        self.node: StreamStore

    def load(self) -> Loaded:
        """Let the next node take over."""
        self.node = StreamStore(
            self.ledger,
            Seals(ClusterKey(bytes(KEY_SIZE)), "c", (next(_salts), next(_salts))),
            node="node",
            founding=lambda: (ClusterFounded(b"identity", 0), []),
            clocks=Clocks(now=lambda: 0.0),
        )
        return self.node.load()

    def append(self, entries: Sequence[Entry]) -> None:
        self.node.append(entries)

    def sync(self) -> None:
        self.node.sync()

    def crash(self) -> None:
        """Nothing is left of a node but what the stream has."""


@pytest.mark.parametrize("has_snapshot", [False, True])
def test_the_next_node_has_the_files_of_a_talk(has_snapshot: bool) -> None:
    assert DESK_PIECE_SIZE > 2 * MESSAGE_LEAST
    store = NodesInTurn()
    help_desk = HelpDesk(PEERS, store=store)
    ann, asha = pair(help_desk, "Ann", "Asha")
    send(asha)
    send(asha, name="gone.pdf")
    asha.ask(wire.SendDeskLine(1, 3, "", LineMark.RETRACTED, 2))
    send(ann, PDF[:50_000], "plan.pdf")
    put(asha, *pieces_of(PDF, "half.pdf")[:1])
    if has_snapshot:
        store.node.checkpoint()
    for _ in range(2):
        help_desk.restart()
        ann.come_back()
        asha.come_back()
        assert fetched(ann, 1) == fetched(asha, 1) == PDF
        assert fetched(asha, 4) == PDF[:50_000]
        assert fetched(asha, 2) == b""
    ann.ask(wire.EndSession(5, 1))
    help_desk.restart()
    ann.come_back()
    ann.ask(wire.TakeDuty(6, ""))
    assert fetched(ann, 1) == PDF
