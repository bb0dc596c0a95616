"""The same bytes to many links, by a ring of io_uring and without: each link gets all of them once,
in order."""

import asyncio
import contextlib
import ctypes
import errno
import os
import random
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.aio import manylinks
from chatapp.wire.aio.link import AT_ONCE, TcpLink
from chatapp.wire.aio.manylinks import (
    ENTRIES,
    LINKS_MIN,
    UNKNOWN,
    ManyLinks,
    Ring,
    find_system_call,
)
from tests.wire.test_link import LOOPS, connected, loop_of

NO_RING = "no io_uring here"


def ring_or_skip() -> Ring:
    ring = manylinks.open_ring()
    if ring is None:
        pytest.skip(NO_RING)
    return ring


def pairs(count: int, stack: contextlib.ExitStack) -> list[tuple[socket.socket, socket.socket]]:
    """Return connected sockets that do not block and hold little."""
    made = [socket.socketpair() for _ in range(count)]
    for pair in made:
        for end in pair:
            stack.enter_context(end)
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    return made


def written(data: bytes, descriptor: int) -> int:
    """Write as without a ring. Return the bytes taken, or the negative number of the error."""
    try:
        return os.write(descriptor, data)
    except OSError as error:
        return -(error.errno or 0)


def drained(sock: socket.socket) -> bytes:
    """Return all that there is to read."""
    found = b""
    with contextlib.suppress(BlockingIOError):
        while data := sock.recv(65_536):
            found += data
    return found


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, AT_ONCE)),
        st.tuples(st.just("read"), st.integers(0, 4)),
        st.tuples(st.just("close"), st.integers(0, 4)),
    ),
    max_size=30,
)


@given(steps)
def test_a_ring_does_to_each_socket_what_a_write_does(script: list[tuple[str, int]]) -> None:
    ring = ring_or_skip()
    with contextlib.ExitStack() as stack:
        stack.callback(ring.close)
        by_ring, by_write = pairs(5, stack), pairs(5, stack)
        for what, which in script:
            if what == "send":
                data = random.Random(which).randbytes(which)
                taken = ring.send(data, [here.fileno() for here, _ in by_ring])
                assert taken == [written(data, here.fileno()) for here, _ in by_write]
            elif what == "close":
                for ends in (by_ring, by_write):
                    ends[which][1].close()
            elif by_ring[which][1].fileno() >= 0:
                assert drained(by_ring[which][1]) == drained(by_write[which][1])
        assert not ring.is_closed


def test_more_sockets_than_the_ring_has_room_for() -> None:
    """The queues of the ring have turned several times in the end."""
    ring = ring_or_skip()
    with contextlib.ExitStack() as stack:
        stack.callback(ring.close)
        ends = pairs(ENTRIES + 7, stack)
        for turn in range(6):
            data = b"%d" % turn * (turn + 1)
            assert ring.send(data, [here.fileno() for here, _ in ends]) == [len(data)] * len(ends)
            assert {drained(there) for _, there in ends} == {data}


def test_a_closed_ring_sends_nothing() -> None:
    ring = ring_or_skip()
    ring.close()
    ring.close()
    with contextlib.ExitStack() as stack:
        ((here, there),) = pairs(1, stack)
        assert ring.send(b"to nobody", [here.fileno()]) == [0]
        assert not drained(there)


def test_a_ring_gives_back_what_it_took() -> None:
    ring_or_skip().close()
    before = os.listdir("/proc/self/fd")
    ring_or_skip().close()
    assert os.listdir("/proc/self/fd") == before


class Kernel:
    """The system, which carries out what a test allows."""

    def __init__(self, does: Callable[[int], int]) -> None:
        """`does`: is told how many requests are handed over; returns how many to carry out, or the
        negative number of an error."""
        call = find_system_call()
        assert call is not None
        self._call, self._does = call, does

    def __call__(self, number: int, *arguments: int) -> int:
        if number == 425:
            return self._call(number, *arguments)
        descriptor, count, _, flags, *rest = arguments
        allowed = self._does(count)
        if allowed < 0:
            ctypes.set_errno(-allowed)
            return -1
        return self._call(number, descriptor, allowed, allowed, flags, *rest)


@pytest.mark.parametrize("at_once", [1, 3])
def test_requests_that_the_kernel_takes_in_parts_are_carried_out_once(at_once: int) -> None:
    ring_or_skip().close()
    interrupted = [-errno.EINTR]
    ring = Ring(Kernel(lambda count: interrupted.pop() if interrupted else min(count, at_once)))
    with contextlib.ExitStack() as stack:
        stack.callback(ring.close)
        ends = pairs(10, stack)
        assert ring.send(b"hello", [here.fileno() for here, _ in ends]) == [5] * 10
        assert [drained(there) for _, there in ends] == [b"hello"] * 10
        assert not ring.is_closed


def test_a_kernel_that_refuses_to_go_on_has_sent_to_those_before() -> None:
    ring_or_skip().close()
    answers = [-errno.EBUSY, 3]
    ring = Ring(Kernel(lambda _: answers.pop()))
    with contextlib.ExitStack() as stack:
        stack.callback(ring.close)
        ends = pairs(10, stack)
        assert ring.send(b"hello", [here.fileno() for here, _ in ends]) == [5] * 3 + [0] * 7
        assert [drained(there) for _, there in ends] == [b"hello"] * 3 + [b""] * 7
        assert ring.is_closed


@pytest.mark.parametrize("wrong", [errno.ENOSYS, errno.EPERM, errno.EACCES, errno.ENOMEM])
def test_a_system_that_forbids_rings_has_none(wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> int:
        ctypes.set_errno(wrong)
        return -1

    monkeypatch.setattr(manylinks, "find_system_call", lambda: refuse)
    assert manylinks.open_ring() is None


def test_another_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert manylinks.open_ring() is None


def test_without_descriptors_left_there_is_no_ring_and_none_is_lost() -> None:
    ring_or_skip().close()
    before, (soft, hard) = os.listdir("/proc/self/fd"), resource.getrlimit(resource.RLIMIT_NOFILE)
    first = os.open("/dev/null", os.O_RDONLY)
    os.close(first)
    try:
        for left in range(3):  # the ring itself takes one, and its memory two
            resource.setrlimit(resource.RLIMIT_NOFILE, (first + left, hard))
            assert manylinks.open_ring() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir("/proc/self/fd") == before


# --- links


LINKS = 2 * LINKS_MIN


class Company:
    """Links to readers, each of which reads when it is told to."""

    def __init__(self) -> None:
        self.many = ManyLinks()
        self.links: list[TcpLink] = []
        self.readers: list[socket.socket] = []
        self.read = [b""] * LINKS
        self.closed: asyncio.Queue[TcpLink] = asyncio.Queue()

    def link_opened(self, link: TcpLink) -> None:
        self.links.append(link)

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None: ...
    def link_progressed(self, link: TcpLink, begun: int) -> None: ...

    def link_closed(self, link: TcpLink, reason: str) -> None:
        self.closed.put_nowait(link)

    @classmethod
    @contextlib.asynccontextmanager
    async def met(cls) -> "AsyncIterator[Company]":
        company, loop = cls(), asyncio.get_running_loop()
        try:
            for _ in range(LINKS):
                here, there = connected()
                company.readers.append(there)
                await loop.create_connection(lambda: TcpLink(company, queue_max=2**24), sock=here)
            yield company
        finally:
            company.many.close()
            for link in company.links:
                link.cut("the test is over")
            for reader in company.readers:
                reader.close()
            await asyncio.sleep(0)

    async def _read_on(self, index: int) -> None:
        """Let a reader that is there read until the link ends."""
        loop, reader = asyncio.get_running_loop(), self.readers[index]
        while reader.fileno() >= 0 and (data := await loop.sock_recv(reader, 65_536)):
            self.read[index] += data
        reader.close()

    async def part(self) -> list[bytes]:
        """Close all links; return what each reader has read from the beginning."""
        for link in self.links:
            link.close("all is said")
        async with asyncio.timeout(20):
            await asyncio.gather(*(self._read_on(index) for index in range(len(self.links))))
        return self.read


Scene = Callable[[Company], Awaitable[None]]


def play(scene: Scene, loop: str) -> None:
    async def run() -> None:
        async with Company.met() as company:
            await scene(company)

    with asyncio.Runner(loop_factory=loop_of(loop)) as runner:
        runner.run(run())


async def write_more_than_fits(company: Company) -> None:
    """Lines for all, lines for one, long ones, and readers some of which read now and then."""
    chance, told = random.Random(4), [b""] * LINKS
    for turn in range(120):
        size = chance.choice((1, 200, AT_ONCE - 10, AT_ONCE))
        pieces = [b"%d:" % turn, chance.randbytes(size)]
        among = chance.sample(range(LINKS), chance.choice((1, LINKS_MIN - 1, LINKS_MIN, LINKS)))
        behind = company.many.write([company.links[index] for index in among], pieces)
        assert set(behind) == {
            company.links[index] for index in among if company.links[index].waiting
        }
        for index in among:
            told[index] += b"".join(pieces)
            if index % 3 == 0:
                company.read[index] += drained(company.readers[index])
        await asyncio.sleep(0)
    assert any(link.waiting for link in company.links), "everything fitted"
    assert await company.part() == told


async def name_a_link_twice(company: Company) -> None:
    for _ in range(30):  # more than the kernel takes
        company.many.write([*company.links, company.links[0]], [b"ab" * 2_000])
    read = await company.part()
    assert read[0] == b"ab" * 120_000
    assert set(read[1:]) == {b"ab" * 60_000}


async def reuse_a_descriptor(company: Company) -> None:
    """Uvloop closes the socket at once and tells the link later; its number may be another socket's
    meanwhile."""
    company.links[2].cut("enough")
    with contextlib.ExitStack() as stack:
        others = pairs(8, stack)
        company.many.write(company.links, [b"not for strangers"])
        assert not any(drained(there) for _, there in others)
    read = await company.part()
    assert read[2] == b""
    assert {*read[:2], *read[3:]} == {b"not for strangers"}


async def lose_a_reader(company: Company) -> None:
    company.readers[5].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    company.readers[5].close()  # with a reset
    for _ in range(2):
        company.many.write(company.links, [b"still here"])
    async with asyncio.timeout(20):
        assert await company.closed.get() is company.links[5]
    assert company.closed.empty()
    read = await company.part()
    assert read[5] == b""
    assert {*read[:5], *read[6:]} == {b"still here" * 2}


LONG_SCENES = [write_more_than_fits, name_a_link_twice]
"""Scenes with at least five writes to all links."""


@pytest.fixture(params=["ring", "a ring that breaks", "none"])
def system(
    request: pytest.FixtureRequest, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A system with a ring, one whose ring stops in the middle of a write, and one without."""
    answers: list[int] = []
    if request.param == "none":
        monkeypatch.setattr(manylinks, "open_ring", lambda: None)
    else:
        ring_or_skip().close()
    if request.param == "a ring that breaks":
        writes_before = 4 if scene in LONG_SCENES else 0
        answers = [-errno.EBUSY, 3, *[LINKS] * writes_before]
        monkeypatch.setattr(manylinks, "open_ring", lambda: Ring(Kernel(lambda _: answers.pop())))
    yield
    assert not answers, "the ring did not break"


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("scene", [*LONG_SCENES, reuse_a_descriptor, lose_a_reader])
def test_links_with_a_ring_with_one_that_breaks_and_without(scene: Scene, loop: str) -> None:
    play(scene, loop)


def test_a_link_of_which_nobody_knows_what_it_sent_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful:
        is_closed = False

        def send(self, _: bytes, descriptors: list[int]) -> list[int]:
            return [UNKNOWN, *[0] * (len(descriptors) - 1)]

        def close(self) -> None: ...

    async def ask(company: Company) -> None:
        assert company.many.write(company.links, [b"hello"]) == []
        assert await company.part() == [b"", *[b"hello"] * (LINKS - 1)]

    monkeypatch.setattr(manylinks, "open_ring", Forgetful)
    play(ask, "asyncio")


def test_no_ring_is_opened_for_links_without_a_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of simulated machines, or of peers that all are behind."""
    opened: list[None] = []
    monkeypatch.setattr(manylinks, "open_ring", lambda: opened.append(None))
    monkeypatch.setattr(TcpLink, "writable_descriptor", None)

    async def write(company: Company) -> None:
        assert company.many.write(company.links, [b"hello"]) == []
        assert not opened
        assert set(await company.part()) == {b"hello"}

    play(write, "asyncio")


def test_without_a_ring_of_its_own_any_more_it_writes_one_by_one() -> None:
    async def close_first(company: Company) -> None:
        company.many.close()
        assert company.many.write(company.links, [b"hello"]) == []
        assert set(await company.part()) == {b"hello"}

    play(close_first, "asyncio")
