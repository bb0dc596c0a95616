"""Links over real sockets: written bytes arrive whole and in order, however slowly they are
read."""

import asyncio
import socket
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from chatapp.wire.aio.link import TcpLink, limit_segments
from chatapp.wire.codec import frame
from chatapp.wire.limits import (
    LINK_QUEUE_MAX,
    LINK_SEGMENT_MAX,
    LINK_SILENCE_MAX,
    LINK_UNACKNOWLEDGED_MAX,
)

PIECE = 10_000
"""Bytes, few enough to be written at once; a few of them fill the kernel's buffers, and then some
must wait."""


class Owner:
    """An owner that ignores its link."""

    def link_opened(self, link: TcpLink) -> None: ...
    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None: ...
    def link_progressed(self, link: TcpLink, begun: int) -> None: ...
    def link_closed(self, link: TcpLink, reason: str) -> None: ...


def connected() -> tuple[socket.socket, socket.socket]:
    """Return two ends on loopback, neither of which blocks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname())
        there, _ = server.accept()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * PIECE)
    there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * PIECE)
    for end in (here, there):
        end.setblocking(False)
    return here, there


LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


def loop_of(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """The transports of the two loops report waiting bytes differently; a registry runs on the
    second loop."""
    if name == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


@pytest.mark.parametrize("name", LOOPS)
def test_what_does_not_fit_the_kernel_follows_in_order(name: str) -> None:
    with asyncio.Runner(loop_factory=loop_of(name)) as runner:
        runner.run(write_more_than_fits())


async def write_more_than_fits() -> None:
    here, there = connected()
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(
        lambda: TcpLink(Owner(), queue_max=100 * PIECE), sock=here
    )
    written = [bytes((index,)) * PIECE for index in range(120)]
    received = b""
    for index, piece in enumerate(written):
        has_gone = link.write([piece[:1], piece[1:]])
        assert has_gone is (link.waiting == 0)
        if index % 8 == 7:
            # Room in the kernel again, while the transport still holds some of what came before.
            received += await loop.sock_recv(there, 3 * PIECE)
    link.close("all is said")
    while more := await loop.sock_recv(there, PIECE):
        received += more
    there.close()
    assert received == b"".join(written)


async def test_a_frame_on_its_way_is_told_until_it_is_whole() -> None:
    told: list[object] = []
    here, there = connected()

    class Reader(Owner):
        def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
            told.append(frames)

        def link_progressed(self, link: TcpLink, begun: int) -> None:
            told.append(begun)

    link = TcpLink(Reader())
    link.allow_full_frames()
    await asyncio.get_running_loop().create_connection(lambda: link, sock=here)
    for piece in (frame(b"one") + b"\0\0", b"\0\x05he", b"llo"):
        link.data_received(piece)
    assert told == [[b"one"], 6, [b"hello"]]
    link.cut("the test is over")
    there.close()
    await asyncio.sleep(0)


async def test_a_reader_that_is_gone_ends_the_link_and_no_more() -> None:
    here, there = connected()
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(lambda: TcpLink(Owner()), sock=here)
    there.close()
    link.write([b"to nobody"])
    link.write([b"again"])
    await asyncio.sleep(0)
    link.close("gone")


async def test_a_reader_that_leaves_too_much_unread_is_cut() -> None:
    class Noting(Owner):
        reason = ""

        def link_closed(self, link: TcpLink, reason: str) -> None:
            self.reason = reason

    owner, (here, there) = Noting(), connected()
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(lambda: TcpLink(owner), sock=here)
    written = 0
    while not owner.reason:
        assert written < 100 * LINK_QUEUE_MAX, "it holds more than it may"
        link.write([bytes(PIECE)])
        written += PIECE
        await asyncio.sleep(0)
    assert written > LINK_QUEUE_MAX and owner.reason == "reads too slowly"
    there.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux's options")
@pytest.mark.parametrize("name", LOOPS)
def test_a_connection_has_short_segments_and_no_patience_with_silence(name: str) -> None:
    with asyncio.Runner(loop_factory=loop_of(name)) as runner:
        ends = runner.run(look_at_options())
    for segment, patience, is_probed, probed_after in ends:
        assert segment <= LINK_SEGMENT_MAX
        assert patience == LINK_UNACKNOWLEDGED_MAX * 1_000
        assert is_probed
        # A living peer speaks in time, so that no probe is sent whose loss would end its link.
        assert probed_after > LINK_SILENCE_MAX


@pytest.mark.skipif(not hasattr(socket, "TCP_MAXSEG"), reason="not on every system")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_within_the_machine_has_long_segments(host: str) -> None:
    with socket.socket() as sock:
        before = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        limit_segments(sock, host)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == before


async def look_at_options() -> list[list[int]]:
    """Return the options of a connection's two ends."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener, socket.socket() as here:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        limit_segments(here, "192.0.2.7")
        here.setblocking(False)
        await loop.sock_connect(here, listener.getsockname())
        there, _ = listener.accept()
        there.setblocking(False)
        ends = [
            (await loop.create_connection(lambda: TcpLink(Owner()), sock=end))[0]
            for end in (here, there)
        ]
        socks = [transport.get_extra_info("socket") for transport in ends]
        options = (
            (socket.IPPROTO_TCP, socket.TCP_MAXSEG),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        )
        found = [[sock.getsockopt(*option) for option in options] for sock in socks]
        for transport in ends:
            transport.abort()
        await asyncio.sleep(0)
    return found
