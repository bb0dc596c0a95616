"""Bytes through a tunnel: whole and in order, whatever the network and the other end do."""

import heapq
import itertools
import random
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.core.files.tunnel import Tunnel
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.limits import PIECE_SIZE, TUNNEL_SPAN_MAX
from chatapp.wire.messages.direct import TunnelAck, TunnelFrame, TunnelPiece

CONTENT = random.Random(1).randbytes(400_000)
_decode = msgspec.msgpack.Decoder(TunnelFrame).decode


def tunnel_of(*, is_opener: bool = True, seed: int = 1) -> Tunnel:
    return Tunnel(7, is_opener=is_opener, policy=Policy(), rng=random.Random(seed))


@dataclass
class Pair:
    """Two ends, and a network that loses, delays and doubles what is between them."""

    rng: random.Random
    loss: float = 0.0
    delay: tuple[float, float] = (0.001, 0.005)
    now: float = 0.0
    sent: int = 0
    ends: tuple[Tunnel, Tunnel] = field(
        default_factory=lambda: (tunnel_of(), tunnel_of(is_opener=False, seed=2))
    )

    def __post_init__(self) -> None:
        self.received = (bytearray(), bytearray())
        self._under_way: list[tuple[float, int, int, list[bytes]]] = []
        self._order = itertools.count()

    def run(self, *, within: float = 600.0) -> None:
        """Play until nothing is under way."""
        until = self.now + within
        while self.now <= until:
            self._send()
            dues = [due for end in self.ends if (due := end.next_timer()) is not None]
            arrivals = [self._under_way[0][0]] if self._under_way else []
            if not dues and not arrivals:
                return
            self.now = max(self.now, min(dues + arrivals))
            while self._under_way and self._under_way[0][0] <= self.now:
                _, _, to, frames = heapq.heappop(self._under_way)
                for frame in frames:
                    self.ends[to].receive(_decode(frame), now=self.now)
                self.received[to].extend(self.ends[to].take_received())
            for end in self.ends:
                end.handle_timer(now=self.now)

    def _send(self) -> None:
        for source, end in enumerate(self.ends):
            for frames in end.payloads_to_send(32, now=self.now):
                assert sum(map(len, frames)) <= PIECE_SIZE + 32
                self.sent += 1
                for _ in range(1 + (self.rng.random() < 0.02)):
                    if self.rng.random() >= self.loss:
                        at = self.now + self.rng.uniform(*self.delay)
                        heapq.heappush(self._under_way, (at, next(self._order), 1 - source, frames))


@pytest.mark.parametrize("seed", range(8))
def test_all_comes_in_order(seed: int) -> None:
    rng = random.Random(seed)
    pair = Pair(rng, loss=rng.choice([0.0, 0.05, 0.3]), delay=(0.001, rng.choice([0.005, 0.3])))
    there, back = CONTENT, CONTENT[:5_000]
    while there or back:
        size = rng.randrange(1, 200_000)
        pair.ends[0].write(there[:size])
        pair.ends[1].write(back[:100])
        there, back = there[size:], back[100:]
        pair.run(within=rng.random())
    pair.run()
    assert pair.received[1] == CONTENT
    assert pair.received[0] == CONTENT[:5_000]
    assert all(end.waiting == 0 for end in pair.ends)


def test_a_clean_path_carries_nothing_twice() -> None:
    pair = Pair(random.Random(1), delay=(0.002, 0.002))
    pair.rng.random = lambda: 0.5  # type: ignore[method-assign]
    pair.ends[0].write(CONTENT)
    pair.run()
    assert pair.received[1] == CONTENT
    pieces = len(CONTENT) / PIECE_SIZE
    assert pieces <= pair.sent <= 2 * pieces + 10  # an acknowledgement each at most


def test_who_answers_nothing_is_sent_less_and_less() -> None:
    pair = Pair(random.Random(1), loss=1.0)
    pair.ends[0].write(CONTENT)
    pair.run(within=10.0)
    first = pair.sent
    pair.run(within=60.0)
    assert pair.sent - first <= first


@given(st.lists(st.integers(0, 3 * TUNNEL_SPAN_MAX), max_size=50))
def test_what_waits_for_an_earlier_piece_is_bounded(indexes: list[int]) -> None:
    tunnel = tunnel_of()
    for index in indexes:
        tunnel.receive(TunnelPiece(7, False, index, b"x"), now=0.0)
    assert len(tunnel._held) < TUNNEL_SPAN_MAX
    begun = next(at for at in itertools.count() if at not in indexes)
    assert len(tunnel.take_received()) == begun


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 2**52), max_size=63),
)
def test_any_acknowledgement_is_taken(upto: int, first: int, ranges: list[int]) -> None:
    """Also of pieces that were never sent, and in no time whatever the ranges are."""
    tunnel = tunnel_of()
    tunnel.write(CONTENT[: 20 * PIECE_SIZE])
    sent = len(tunnel.payloads_to_send(5, now=0.0))
    tunnel.receive(TunnelAck(7, False, upto, first, ranges), now=0.1)
    assert sent == 5
    assert tunnel.waiting >= 15 * PIECE_SIZE  # what was not sent cannot have come
