"""The driver of an edge and its links: it carries out the core's outputs, and ignores links that
are over."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from chatapp.registry.edge.driver import BROADCAST_SLICE, MANY_WRITES, DrivenCore, EdgeDriver
from chatapp.registry.edge.edge import Output
from chatapp.registry.rules.admin_requests import AdminRefusal, AdminRefused, ListBans
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.wire.address import Address
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import Endpoint
from chatapp.wire.aio.manylinks import ManyLinks
from tests.wire.test_link import LOOPS, loop_of


class ScriptedCore:
    """Returns what a test has scripted, once, and otherwise nothing."""

    def __init__(self) -> None:
        self.says: dict[str, list[object]] = {}
        self.opened: list[int] = []
        self.backlogs: list[int] = []
        self.broadcasts_wait: list[bool] = []

    def link_backlog(self, number: int, size: int) -> None:
        self.backlogs.append(number)

    def broadcast_backlog(self, *, waits: bool) -> None:
        self.broadcasts_wait.append(waits)

    def link_opened(self, number: int, remote: Address, *, now: float) -> None:
        self.opened.append(number)

    def next_timer(self) -> float:
        return float("inf")

    def take_links_to_widen(self) -> list[object]:
        return self.says.pop("links_to_widen", [])

    def take_output(self) -> Output:
        says = {name: self.says.pop(name, []) for name in Output._fields}
        return Output(**cast("dict[str, Any]", says))

    def __getattr__(self, name: str) -> Callable[..., list[object]]:
        return lambda *_, **__: self.says.pop(name, [])


class RecordingLink:
    """A link that records the calls of the driver."""

    waiting = 700
    remote = Address("10.0.0.1", 40_000)

    def __init__(self) -> None:
        self.done: list[object] = []

    def __getattr__(self, name: str) -> Callable[..., bool]:
        def note(*what: Any) -> bool:
            self.done.append((name, *what) if what else name)
            return True

        return note


class DriverUnderTest:
    """A driver with a scripted core and two links."""

    def __init__(self) -> None:
        self.core = ScriptedCore()
        self.rests = list[int]()
        """How many writes the first link had seen each time that the rest of a turn was taken."""
        self.driver = EdgeDriver(
            asyncio.get_running_loop(),
            cast("DrivenCore", self.core),
            lambda: self.rests.append(len(self.links[0].done)),
        )
        self.links = [RecordingLink(), RecordingLink()]
        for link in self.links:
            self.driver.link_opened(cast("TcpLink", link))

    async def turn(self, **says: list[object]) -> list[list[object]]:
        """Let the core return `says` in one turn; return the calls on each link."""
        self.core.says = says
        self.driver.wake()
        await asyncio.sleep(0)
        done = [link.done for link in self.links]
        for link in self.links:
            link.done = []
        return done


@pytest.fixture
async def rig() -> DriverUnderTest:
    return DriverUnderTest()


async def test_a_link_that_floods_is_paused_and_read_on_from(rig: DriverUnderTest) -> None:
    first, second = rig.core.opened
    assert await rig.turn(links_to_pause=[second]) == [[], ["pause_reading"]]
    assert await rig.turn(links_to_pause=[first], links_to_resume=[second]) == [
        ["pause_reading"],
        ["resume_reading"],
    ]


async def test_links_are_written_to_widened_and_closed(rig: DriverUnderTest) -> None:
    first, second = rig.core.opened
    done = await rig.turn(
        link_writes=[(first, [b"hello"])],
        links_to_widen=[second],
        links_to_close=[(second, LinkEndReason.SILENT)],
    )
    assert done == [[("write", [b"hello"])], ["allow_full_frames", ("close", "silent")]]
    assert rig.rests[-1] == 1  # what else a turn brought comes after the writes


async def test_links_that_get_the_same_are_written_to_together(
    rig: DriverUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = rig.core.opened
    groups: list[tuple[list[object], list[bytes]]] = []

    def write(_: ManyLinks, links: list[object], pieces: list[bytes]) -> list[object]:
        groups.append((links, pieces))
        return links[:1]

    monkeypatch.setattr(ManyLinks, "write", write)
    line = b"a line of a room"
    ann, bob = rig.links
    await rig.turn(
        link_writes=[(first, [line]), (99, [line]), (second, [line]), (first, [line, b"x"])]
    )
    assert groups == [([ann, bob], [line]), ([ann], [line, b"x"])]
    assert rig.core.backlogs == [first]
    figures = rig.driver.figures()
    assert figures["bytes_out"] == 3 * len(line) + 1
    assert (figures["links_behind"], figures["link_queue_bytes"]) == (1, 700)


async def test_bytes_and_datagrams_are_counted_both_ways(rig: DriverUnderTest) -> None:
    here = Address("10.0.0.1", 40_000)
    rig.driver.receive([(b"ping", here), (b"pong!", here)])
    rig.driver.link_frames(cast("TcpLink", rig.links[0]), [b"hello", b"you"])
    rig.driver.start(cast("Endpoint", RecordingEndpoint()))
    await rig.turn(datagrams=[(b"answer", here)], broadcasts=[(b"news", [here] * 3)])
    figures = rig.driver.figures()
    assert (figures["datagrams_in"], figures["bytes_in"]) == (2, 4 + 5 + (4 + 5) + (4 + 3))
    assert (figures["datagrams_out"], figures["bytes_out"]) == (4, 6 + 3 * 4)


needs_uvloop = pytest.mark.skipif("uvloop" not in LOOPS, reason="no uvloop here")


class Reader(asyncio.Protocol):
    """Reads a socket, and notes for each text how many rests had been taken when it came."""

    def __init__(self, rests: list[int], read: dict[bytes, int]) -> None:
        self._rests, self._read = rests, read

    def data_received(self, data: bytes) -> None:
        self._read[data] = len(self._rests)


async def rests_when_read(writes: int, monkeypatch: pytest.MonkeyPatch) -> dict[bytes, int]:
    """Let the driver write in one turn, and the sockets get a text each before and during the
    writes. Return how many rests had been taken when each text was read."""
    rig, loop = DriverUnderTest(), asyncio.get_running_loop()
    read: dict[bytes, int] = {}
    with contextlib.ExitStack() as stack:
        senders: dict[bytes, socket.socket] = {}
        for text in (b"before", b"during"):
            here, senders[text] = map(stack.enter_context, socket.socketpair())
            here.setblocking(False)
            transport, _ = await loop.create_connection(lambda: Reader(rig.rests, read), sock=here)
            stack.callback(transport.abort)
        await rig.turn()
        rig.rests.clear()

        def write(*_: object) -> list[object]:
            if text := senders.pop(b"during", None):
                text.send(b"during")
            return []

        monkeypatch.setattr(ManyLinks, "write", write)
        senders[b"before"].send(b"before")
        await rig.turn(
            link_writes=[(rig.core.opened[0], [b"%d" % count]) for count in range(writes)]
        )
        for _ in range(5):
            await asyncio.sleep(0)
    return read


@pytest.mark.parametrize(
    ("loop", "writes", "rests"),
    [
        ("asyncio", MANY_WRITES, {b"before": 0, b"during": 1}),
        pytest.param("uvloop", MANY_WRITES, {b"before": 0, b"during": 0}, marks=needs_uvloop),
        ("asyncio", MANY_WRITES - 1, {b"before": 1, b"during": 1}),
    ],
)
def test_after_many_writes_sockets_are_read_before_the_rest_is_taken(
    loop: str, writes: int, rests: dict[bytes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asyncio reads those that were ready before the turn, uvloop also those that became ready
    during the writes."""
    with asyncio.Runner(loop_factory=loop_of(loop)) as runner:
        assert runner.run(rests_when_read(writes, monkeypatch)) == rests


async def test_nothing_is_done_with_links_that_are_over(rig: DriverUnderTest) -> None:
    first, second = rig.core.opened
    rig.driver.link_closed(cast("TcpLink", rig.links[1]), "gone")
    done = await rig.turn(
        link_writes=[(second, [b"hello"])],
        links_to_widen=[second],
        links_to_pause=[second, first],
        links_to_resume=[second],
        links_to_close=[(second, LinkEndReason.SILENT)],
    )
    assert done == [["pause_reading"], []]
    assert not rig.core.says


async def test_admin_requests_that_wait_are_refused_at_the_end(rig: DriverUnderTest) -> None:
    """As when a node takes the engine over: its edge cannot be answered any more."""
    for link in rig.links:
        rig.driver.link_closed(cast("TcpLink", link), "gone")
    asking = asyncio.ensure_future(rig.driver.ask(ListBans()))
    await rig.turn()
    assert not asking.done()
    await rig.driver.stop("this node keeps the state now")
    async with asyncio.timeout(20):
        assert await asking == AdminRefused(refusal=AdminRefusal.NO_ENGINE)


async def test_datagrams_after_the_end_are_dropped(rig: DriverUnderTest) -> None:
    """The store is closed meanwhile, and the port a moment later."""
    for link in rig.links:
        rig.driver.link_closed(cast("TcpLink", link), "gone")
    await rig.driver.stop("the registry stops")
    rig.driver.receive([(b"ping", Address("10.0.0.1", 40_000))])
    assert rig.driver.figures()["datagrams_in"] == 0


class RecordingEndpoint:
    """An endpoint that records what is sent: datagrams to one address, and the size of each slice
    of a broadcast."""

    def __init__(self) -> None:
        self.sent: list[bytes | int] = []

    def send_all(self, datagrams: Sequence[tuple[bytes, Address]]) -> None:
        self.sent += [data for data, _ in datagrams]

    def send_to_many(self, data: bytes, addresses: Sequence[Address]) -> None:
        self.sent.append(len(addresses))


async def test_answers_go_before_the_next_slice_of_a_broadcast(rig: DriverUnderTest) -> None:
    endpoint = RecordingEndpoint()
    rig.driver.start(cast("Endpoint", endpoint))
    someone = Address("10.0.0.2", 40_001)
    await rig.turn(broadcasts=[(b"a change", [someone] * 3 * BROADCAST_SLICE)])
    for place in range(2):
        await rig.turn(datagrams=[(b"answer %d" % place, someone)])
    for _ in range(4):
        await asyncio.sleep(0)
    slice_ = BROADCAST_SLICE
    assert endpoint.sent == [slice_, b"answer 0", slice_, b"answer 1", slice_]


async def test_a_stream_of_questions_does_not_stop_a_broadcast(rig: DriverUnderTest) -> None:
    endpoint = RecordingEndpoint()
    rig.driver.start(cast("Endpoint", endpoint))
    someone = Address("10.0.0.2", 40_001)
    await rig.turn(broadcasts=[(b"a change", [someone] * 3 * BROADCAST_SLICE)])
    for _ in range(8):
        await rig.turn()  # the driver is woken again before each slice
    assert endpoint.sent == [BROADCAST_SLICE] * 3


async def test_the_core_is_told_whether_a_broadcast_is_still_being_sent(
    rig: DriverUnderTest,
) -> None:
    endpoint = RecordingEndpoint()
    rig.driver.start(cast("Endpoint", endpoint))
    someone = Address("10.0.0.2", 40_001)
    await rig.turn(broadcasts=[(b"a change", [someone] * BROADCAST_SLICE)])
    assert rig.core.broadcasts_wait == []
    await rig.turn(broadcasts=[(b"a change", [someone] * 2 * BROADCAST_SLICE)])
    assert rig.core.broadcasts_wait == [True]
    await asyncio.sleep(0)
    assert rig.core.broadcasts_wait == [True, False]
    rests = len(rig.rests)
    await asyncio.sleep(0)
    assert (
        len(rig.rests) == rests + 1
    )  # a turn follows, in which the timer is armed for the next broadcast


class FaultyEndpoint(RecordingEndpoint):
    """One whose first slice meets a fault of ours."""

    def send_to_many(self, data: bytes, addresses: Sequence[Address]) -> None:
        super().send_to_many(data, addresses)
        if len(self.sent) == 1:
            raise ValueError("a fault")


async def test_a_fault_while_a_slice_is_sent_does_not_end_all_broadcasts(
    rig: DriverUnderTest,
) -> None:
    endpoint, faults = FaultyEndpoint(), list[object]()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: faults.append(context["exception"])
    )
    rig.driver.start(cast("Endpoint", endpoint))
    someone = Address("10.0.0.2", 40_001)
    await rig.turn(broadcasts=[(b"a change", [someone]), (b"another", [someone])])
    for _ in range(4):
        await asyncio.sleep(0)
    assert endpoint.sent == [1, 1]
    assert [str(fault) for fault in faults] == ["a fault"]
    assert not rig.core.broadcasts_wait or rig.core.broadcasts_wait[-1] is False
