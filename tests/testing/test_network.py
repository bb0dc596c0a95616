"""The simulated network: what is lost, late, doubled, cut off, and what connections make of it."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from chatapp.testing.clock import VirtualClock
from chatapp.testing.network import WINDOW, End, Network, SimulatedEndpoint, SimulatedListener
from chatapp.wire.address import Address
from chatapp.wire.errors import PortInUse
from chatapp.wire.limits import LINK_UNACKNOWLEDGED_MAX

A, B = "10.0.0.1", "10.0.0.2"
SERVER = Address(B, 5_000)


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    clock = VirtualClock()
    clock.start()
    yield Network(random.Random(1))
    await clock.stop()


class Ear:
    """A program with a UDP port."""

    def __init__(self, network: Network, host: str, port: int = 7_000) -> None:
        self.heard: list[bytes] = []
        self.endpoint = SimulatedEndpoint(
            network, host, lambda batch: self.heard.extend(data for data, _ in batch)
        )
        self.address = Address(host, self.endpoint.open(port))


class Recorder(asyncio.Protocol):
    """One program at the end of a connection."""

    def __init__(self) -> None:
        self.data = b""
        self.over: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, End)
        self.end = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.append(exc)


async def connected(network: Network) -> tuple[Recorder, Recorder]:
    ends = Recorder(), Recorder()
    listener = SimulatedListener(network, SERVER)
    await listener.serve(lambda: ends[1])  # type: ignore[arg-type,return-value]
    await network.connect(lambda: ends[0], A, SERVER)  # type: ignore[arg-type,return-value]
    return ends


async def test_a_share_of_the_datagrams_is_lost_and_another_comes_twice(network: Network) -> None:
    alice, bob = Ear(network, A), Ear(network, B)
    network.weather.loss, network.weather.doubled = 0.3, 0.1
    for number in range(2_000):
        alice.endpoint.send(b"%d" % number, bob.address)
    await asyncio.sleep(1.0)
    assert 1_300 < len(set(bob.heard)) < 1_500
    assert 90 < len(bob.heard) - len(set(bob.heard)) < 190


async def test_nothing_passes_between_hosts_that_are_cut_off(network: Network) -> None:
    alice, bob = Ear(network, A), Ear(network, B)
    alice.endpoint.send(b"under way", bob.address)
    network.cut(A, B)
    await asyncio.sleep(1.0)
    bob.endpoint.send(b"back", alice.address)
    await asyncio.sleep(1.0)
    assert alice.heard == bob.heard == []
    network.heal()
    alice.endpoint.send(b"again", bob.address)
    await asyncio.sleep(1.0)
    assert bob.heard == [b"again"]


async def test_a_port_is_held_by_one_program_at_a_time(network: Network) -> None:
    alice = Ear(network, A)
    with pytest.raises(PortInUse):
        Ear(network, A)
    alice.endpoint.close()
    again = Ear(network, A)
    alice.endpoint.close()  # a second time, when another program has the port
    again.endpoint.send(b"hi", again.address)
    await asyncio.sleep(1.0)
    assert again.heard == [b"hi"]


async def test_a_connection_delivers_all_bytes_in_order_in_spite_of_loss(network: Network) -> None:
    ours, theirs = await connected(network)
    network.weather.loss = 0.4
    sent = b""
    for number in range(300):
        piece = b"%d," % number
        sent += piece
        ours.end.write(piece)
        await asyncio.sleep(0.001 * (number % 3))
    await asyncio.sleep(120.0)
    assert theirs.data == sent
    ours.end.close()
    await asyncio.sleep(60.0)
    assert ours.over == theirs.over == [None]


async def test_a_connection_that_is_cut_off_for_too_long_breaks_at_the_end_that_writes(
    network: Network,
) -> None:
    ours, theirs = await connected(network)
    network.cut(A, B)
    ours.end.write(b"lost")
    await asyncio.sleep(LINK_UNACKNOWLEDGED_MAX - 1.0)
    assert ours.over == []
    await asyncio.sleep(6.0)
    assert [type(error) for error in ours.over] == [TimeoutError]
    assert theirs.over == []
    network.heal()
    theirs.end.write(b"hello?")
    await asyncio.sleep(1.0)
    assert [type(error) for error in theirs.over] == [ConnectionResetError]


async def test_a_short_cut_costs_a_connection_only_time(network: Network) -> None:
    ours, theirs = await connected(network)
    network.cut(A, B)
    ours.end.write(b"kept")
    await asyncio.sleep(5.0)
    network.heal()
    await asyncio.sleep(5.0)
    assert theirs.data == b"kept"


async def test_what_a_reader_does_not_take_waits_with_the_writer(network: Network) -> None:
    ours, theirs = await connected(network)
    theirs.end.pause_reading()
    ours.end.write(bytes(WINDOW + 1_000))
    await asyncio.sleep(1.0)
    assert (theirs.data, ours.end.get_write_buffer_size()) == (b"", 1_000)
    theirs.end.resume_reading()
    await asyncio.sleep(1.0)
    assert len(theirs.data) == WINDOW + 1_000
    assert ours.end.get_write_buffer_size() == 0


async def test_no_connection_without_a_listener_or_a_way(network: Network) -> None:
    with pytest.raises(ConnectionRefusedError):
        await network.connect(Recorder, A, SERVER)  # type: ignore[arg-type]
    network.cut(A, B)
    with pytest.raises(TimeoutError):
        await network.connect(Recorder, A, SERVER)  # type: ignore[arg-type]


async def test_a_killed_program_is_told_nothing_and_the_other_side_sees_the_end(
    network: Network,
) -> None:
    ours, theirs = await connected(network)
    ear = Ear(network, A)
    network.kill(A)
    ours.end.write(b"too late")
    ear.endpoint.send(b"too late", ear.address)
    await asyncio.sleep(1.0)
    assert (ours.over, theirs.over, theirs.data, ear.heard) == ([], [None], b"", [])


async def test_an_abort_drops_what_is_unsent(network: Network) -> None:
    ours, theirs = await connected(network)
    network.cut(A, B)
    ours.end.write(b"dropped")
    ours.end.abort()
    network.heal()
    await asyncio.sleep(10.0)
    assert (ours.over, theirs.data) == ([None], b"")
    assert [type(error) for error in theirs.over] == [ConnectionResetError]
