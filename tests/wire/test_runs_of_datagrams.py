"""Several datagrams by one system call, over real sockets: what is sent and read together is what
singly would come."""

import asyncio
import errno
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.address import Address
from chatapp.wire.aio.datagram import (
    RUN_MAX,
    DatagramEndpoint,
    RunSender,
    datagrams_in,
    sendable_runs,
)
from chatapp.wire.limits import DATAGRAM_MAX

UDP_SEGMENT, UDP_GRO = 103, 104
ANN, BOB = Address("127.0.0.1", 5_001), Address("127.0.0.1", 5_002)

Datagrams = list[tuple[bytes, Address]]


def _knows_runs() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
        return sys.platform == "linux"
    return False


with_runs = pytest.mark.skipif(
    not _knows_runs(), reason="this system sends each datagram by itself"
)


class Spied(socket.socket):
    """A socket that counts its calls, and on which the system may refuse runs."""

    calls: ClassVar[Counter[str]] = Counter()
    refusal: ClassVar[Exception | None] = None
    flags_read: ClassVar[int] = 0
    """What the system says of each read besides."""
    is_old: ClassVar[bool] = False
    """Whether the system knows no options of UDP."""

    def sendto(self, *given: Any) -> int:
        self.calls["sendto"] += 1
        return super().sendto(*given)

    def sendmsg(self, *given: Any) -> int:
        self.calls["sendmsg"] += 1
        if self.refusal is not None:
            raise self.refusal
        return super().sendmsg(*given)

    def recvmsg(self, *given: Any) -> Any:
        self.calls["recvmsg"] += 1
        data, control, flags, source = super().recvmsg(*given)
        return data, control, flags | self.flags_read, source

    def recvfrom(self, *given: Any) -> Any:
        self.calls["recvfrom"] += 1
        return super().recvfrom(*given)

    def getsockopt(self, level: int, *given: Any) -> Any:
        self._look(level)
        return super().getsockopt(level, *given)

    def setsockopt(self, level: int, *given: Any) -> None:
        self._look(level)
        super().setsockopt(level, *given)

    def _look(self, level: int) -> None:
        if self.is_old and level == socket.IPPROTO_UDP:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> type[Spied]:
    """The class of the sockets that endpoints open."""
    monkeypatch.setattr(socket, "socket", Spied)
    monkeypatch.setattr(Spied, "calls", Counter())
    return Spied


class Reader:
    """An endpoint that keeps what came, a list for each batch."""

    def __init__(self, *, at_once: int = 64, answers_from_asked: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self.batches: list[Datagrams] = []
        self._came = asyncio.Event()
        self.endpoint = DatagramEndpoint(
            loop, self._receive, at_once=at_once, answers_from_asked=answers_from_asked
        )
        self.port = self.endpoint.open(0)
        self.address = Address("127.0.0.1", self.port)

    def _receive(self, batch: Datagrams) -> None:
        self.batches.append(batch)
        self._came.set()

    async def told(self, count: int) -> list[bytes]:
        """Return what came, when it is so many datagrams."""
        while sum(map(len, self.batches)) < count:
            self._came.clear()
            await asyncio.wait_for(self._came.wait(), 10)
        return [data for batch in self.batches for data, _ in batch]


@pytest.fixture
def readers() -> Iterator[list[Reader]]:
    """Endpoints that are closed afterwards."""
    readers: list[Reader] = []
    yield readers
    for reader in readers:
        reader.endpoint.close()


@pytest.fixture
def foreign() -> Iterator[socket.socket]:
    """A socket of another program."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.setblocking(False)
        yield foreign


def _send_run(foreign: socket.socket, data: bytes, size: int, to: Address) -> None:
    """Send datagrams of `size`, of which the last may be shorter, by one call."""
    foreign.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))], 0, to)


def _read(foreign: socket.socket) -> list[bytes]:
    """Return what has come. What is sent over loopback is there when the call returns."""
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(foreign.recv(2_048))
    return found


def _of(*sizes: int) -> list[bytes]:
    return [bytes((number % 256,)) * size for number, size in enumerate(sizes)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 5, DATAGRAM_MAX]),
            st.sampled_from([ANN, BOB]),
        ),
        max_size=200,
    )
)
def test_a_run_goes_to_one_address_and_only_its_last_datagram_is_shorter(
    given: list[tuple[int, Address]],
) -> None:
    datagrams = [(bytes(size), to) for size, to in given]
    runs = list(sendable_runs(datagrams))
    assert [one for run in runs for one in run] == datagrams
    for run in runs:
        sizes = [len(data) for data, _ in run]
        assert len({to for _, to in run}) == 1
        assert len(set(sizes[:-1])) <= 1
        assert len(run) == 1 or 0 < sizes[-1] <= sizes[0]
        assert len(run) <= RUN_MAX


def test_what_can_leave_together_does() -> None:
    def runs(*sizes: int) -> list[int]:
        return [len(run) for run in sendable_runs([(data, ANN) for data in _of(*sizes)])]

    assert runs(*[1_188] * 5, 172) == [6]
    assert runs(172, *[1_188] * 5) == [1, 5]
    assert runs(*[1_090] * 20) == [8, 8, 4]
    assert runs() == []
    assert [
        len(run) for run in sendable_runs([(b"a", ANN), (b"b", ANN), (b"c", BOB), (b"d", ANN)])
    ] == [
        2,
        1,
        1,
    ]


def test_a_read_that_lost_something_holds_no_datagram() -> None:
    control = [(socket.IPPROTO_UDP, UDP_GRO, struct.pack("=i", 3))]
    assert datagrams_in(b"abcabcab", control, 0) == [b"abc", b"abc", b"ab"]
    assert datagrams_in(b"abcabcab", [], 0) == [b"abcabcab"]
    assert datagrams_in(b"", [], 0) == [b""]
    assert datagrams_in(b"abcabcab", control, socket.MSG_TRUNC) == []
    assert datagrams_in(b"abcabcab", [], socket.MSG_CTRUNC) == []


@with_runs
class TestBothEnds:
    """What our endpoint sends and reads."""

    async def test_many_datagrams_take_one_call_at_either_end(
        self, spied: type[Spied], readers: list[Reader]
    ) -> None:
        readers += Reader(), Reader()
        ann, bob = readers
        sent = _of(*[1_188] * (RUN_MAX - 1), 172)
        ann.endpoint.send_all([(data, bob.address) for data in sent])
        assert await bob.told(RUN_MAX) == sent
        assert {source for _, source in bob.batches[0]} == {ann.address}
        assert spied.calls == {"sendmsg": 1, "recvmsg": 2}, "the second read finds nothing"

    async def test_one_datagram_is_sent_as_ever(
        self, spied: type[Spied], readers: list[Reader]
    ) -> None:
        readers += Reader(), Reader()
        ann, bob = readers
        ann.endpoint.send_all([(b"hi", bob.address)])
        ann.endpoint.send(b"there", bob.address)
        assert await bob.told(2) == [b"hi", b"there"]
        assert spied.calls["sendto"] == 2
        assert not spied.calls["sendmsg"]

    async def test_runs_sizes_and_readers_mixed_come_in_order(
        self, readers: list[Reader], foreign: socket.socket
    ) -> None:
        readers += Reader(), Reader()
        ann, bob = readers
        there = Address(*foreign.getsockname())
        sizes = [5, 5, 7, 7, 3, 7, 0, 0, *[1_000] * 70, 999, 1_000, DATAGRAM_MAX, 1]
        sent = _of(*sizes)
        ann.endpoint.send_all([(data, bob.address) for data in sent])
        ann.endpoint.send_all(
            [(data, [bob.address, there][at // 3 % 2]) for at, data in enumerate(sent)]
        )
        to_bob = [data for at, data in enumerate(sent) if not at // 3 % 2]
        assert await bob.told(len(sent) + len(to_bob)) == sent + to_bob
        assert _read(foreign) == [data for at, data in enumerate(sent) if at // 3 % 2], (
            "it reads singly"
        )
        assert ann.endpoint.send_errors == 0

    async def test_runs_by_ipv6(self, spied: type[Spied], readers: list[Reader]) -> None:
        readers += Reader(), Reader()
        ann, bob = readers
        sent = _of(*[900] * 7, 1)
        ann.endpoint.send_all([(data, Address("::1", bob.port)) for data in sent])
        if ann.endpoint.send_errors:
            pytest.skip("no IPv6 here")
        assert await bob.told(8) == sent
        assert {source for _, source in bob.batches[0]} == {Address("::1", ann.port)}
        assert spied.calls == {"sendmsg": 1, "recvmsg": 2}

    async def test_an_endpoint_for_many_senders_looks_for_no_runs(
        self, spied: type[Spied], readers: list[Reader], foreign: socket.socket
    ) -> None:
        readers.append(Reader(answers_from_asked=True))
        _send_run(foreign, b"abcabcab", 3, readers[0].address)
        assert await readers[0].told(3) == [b"abc", b"abc", b"ab"]
        spied.calls.clear()
        readers[0].endpoint.send_all(
            [(b"abc", source) for batch in readers[0].batches for _, source in batch]
        )
        assert _read(foreign) == [b"abc"] * 3
        assert spied.calls["sendto"] == 3


@with_runs
class TestForeignSender:
    """What a program that is not ours sends."""

    async def test_what_it_sends_by_one_call_are_many_datagrams(
        self, readers: list[Reader], foreign: socket.socket
    ) -> None:
        readers.append(Reader())
        sent = _of(*[100] * 5, 30)
        _send_run(foreign, b"".join(sent), 100, readers[0].address)
        foreign.sendto(b"alone", readers[0].address)
        foreign.sendto(b"", readers[0].address)
        assert await readers[0].told(8) == [*sent, b"alone", b""]

    async def test_those_over_the_limit_are_dropped_in_a_run_too(
        self, readers: list[Reader], foreign: socket.socket
    ) -> None:
        readers.append(Reader())
        _send_run(
            foreign, bytes(3 * (DATAGRAM_MAX + 1)) + b"short", DATAGRAM_MAX + 1, readers[0].address
        )
        foreign.sendto(bytes(60_000), readers[0].address)
        foreign.sendto(bytes(DATAGRAM_MAX + 1), readers[0].address)
        _send_run(foreign, bytes(2 * DATAGRAM_MAX), DATAGRAM_MAX, readers[0].address)
        assert await readers[0].told(3) == [b"short", bytes(DATAGRAM_MAX), bytes(DATAGRAM_MAX)]

    async def test_no_read_follows_once_so_many_have_come(
        self, readers: list[Reader], foreign: socket.socket
    ) -> None:
        readers.append(Reader(at_once=8))
        for _ in range(3):
            _send_run(foreign, bytes(50), 10, readers[0].address)
        for _ in range(9):
            foreign.sendto(b"alone", readers[0].address)
        await readers[0].told(24)
        assert [len(batch) for batch in readers[0].batches] == [10, 8, 6]

    async def test_dropped_datagrams_count_as_well(
        self, spied: type[Spied], readers: list[Reader], foreign: socket.socket
    ) -> None:
        readers.append(Reader(at_once=8))
        for _ in range(3):
            _send_run(foreign, bytes(6 * 2_000), 2_000, readers[0].address)
        foreign.sendto(b"alone", readers[0].address)
        assert await readers[0].told(1) == [b"alone"]
        assert spied.calls["recvmsg"] == 2 + 3, (
            "two runs, then the third, the last datagram, and nothing"
        )

    async def test_reads_that_lost_something_count_as_well(
        self,
        spied: type[Spied],
        readers: list[Reader],
        foreign: socket.socket,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(Spied, "flags_read", socket.MSG_TRUNC)
        readers.append(Reader(at_once=8))
        for _ in range(20):
            foreign.sendto(b"short of bytes", readers[0].address)
        for _ in range(2):  # the loop is called back once between these
            await asyncio.sleep(0)
        assert spied.calls["recvmsg"] == 8
        assert not readers[0].batches


@with_runs
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EMSGSIZE])
async def test_what_the_system_refuses_to_send_together_is_sent_singly_from_then_on(
    spied: type[Spied],
    readers: list[Reader],
    foreign: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    monkeypatch.setattr(Spied, "refusal", OSError(number, "refused"))
    readers += Reader(), Reader()
    ann, bob = readers
    there = Address(*foreign.getsockname())
    sent = _of(*[100] * 15, 30)
    ann.endpoint.send_all([(data, bob.address) for data in sent])
    assert await bob.told(16) == sent
    ann.endpoint.send_all([(data, bob.address) for data in sent])
    assert await bob.told(32) == sent * 2
    assert spied.calls["sendmsg"] == 1, "it is not asked again"
    monkeypatch.setattr(Spied, "refusal", None)
    ann.endpoint.send_all([(data, there) for data in sent])
    assert _read(foreign) == sent
    assert spied.calls["sendmsg"] == 3, "another address is asked"
    assert ann.endpoint.send_errors == 0


@with_runs
async def test_what_fails_for_the_moment_is_tried_singly_and_then_together_again(
    spied: type[Spied],
    readers: list[Reader],
    foreign: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers.append(Reader())
    run = [(b"hi", Address(*foreign.getsockname()))] * 3
    for refusal in (BlockingIOError(errno.EAGAIN, "full"), OSError(errno.ENOBUFS, "full"), None):
        monkeypatch.setattr(Spied, "refusal", refusal)
        readers[0].endpoint.send_all(run)
    assert _read(foreign) == [b"hi"] * 9
    assert spied.calls == {"sendmsg": 3, "sendto": 6}


@with_runs
async def test_each_datagram_that_cannot_be_sent_counts(readers: list[Reader]) -> None:
    readers.append(Reader())
    readers[0].endpoint.send_all([(b"hi", Address("127.0.0.1", 0))] * 5)
    assert readers[0].endpoint.send_errors == 5


async def test_a_system_without_runs_sends_and_reads_singly(
    spied: type[Spied], readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spied, "is_old", True)
    readers += Reader(), Reader()
    ann, bob = readers
    sent = _of(*[100] * 9)
    ann.endpoint.send_all([(data, bob.address) for data in sent])
    assert await bob.told(9) == sent
    assert spied.calls == {"sendto": 9, "recvfrom": 10}


def test_only_so_many_refusals_are_remembered() -> None:
    class Refusing:
        asked: ClassVar[list[Address]] = []

        def sendmsg(self, data: object, control: object, flags: int, to: Address) -> int:
            self.asked.append(to)
            raise OSError(errno.EINVAL, "refused")

    sender, sock = RunSender(), Refusing()
    runs = [
        [(b"a", Address("127.0.0.1", port)), (b"b", Address("127.0.0.1", port))]
        for port in range(300)
    ]
    for run in runs + runs:
        assert not sender.send(sock, run)  # type: ignore[arg-type]
    assert len(set(sock.asked)) == 300
    assert 300 < len(sock.asked) <= 600
    assert all(first != second for first, second in pairwise(sock.asked))
