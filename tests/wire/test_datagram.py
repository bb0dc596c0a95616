"""UDP endpoints over real sockets: what is read, and from which local address an answer is sent."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from chatapp.wire.address import Address
from chatapp.wire.aio import manyaddresses
from chatapp.wire.aio.datagram import DatagramEndpoint
from chatapp.wire.limits import DATAGRAM_MAX, OWN_ADDRESSES_MAX

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the control messages of Linux")


class Echo:
    """An endpoint that answers each datagram with the same bytes."""

    def __init__(self, *, answers_from_asked: bool) -> None:
        loop = asyncio.get_running_loop()
        self.came: list[tuple[bytes, Address]] = []
        self.endpoint = DatagramEndpoint(loop, self._receive, answers_from_asked=answers_from_asked)
        self.port = self.endpoint.open(0)

    def _receive(self, batch: list[tuple[bytes, Address]]) -> None:
        self.came += batch
        self.endpoint.send_all(batch)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo(answers_from_asked=True)
    yield echo
    echo.endpoint.close()


async def ask(
    asker: socket.socket, host: str, port: int, data: bytes = b"are you there"
) -> tuple[bytes, tuple[str, int]]:
    """Send to `host` and return the answer with its source."""
    asker.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(asker, data, (host, port))
    answer, source = await loop.sock_recvfrom(asker, 2_048)
    return answer, source[:2]


@pytest.fixture
def asker() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.bind(("127.0.0.1", 0))
        yield asker


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.9.8.7"])
async def test_an_answer_comes_from_the_address_that_was_asked(
    echo: Echo, asker: socket.socket, host: str
) -> None:
    answer, source = await ask(asker, host, echo.port)
    assert answer == b"are you there"
    assert source == (host, echo.port)


@linux_only
async def test_an_answer_comes_from_the_ipv6_address_that_was_asked(echo: Echo) -> None:
    try:
        asker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        asker.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with asker:
        _, source = await ask(asker, "::1", echo.port)
    assert source == ("::1", echo.port)
    assert echo.came[0][1].host == "::1"


@linux_only
async def test_unsolicited_datagrams_go_from_the_address_that_was_asked(
    echo: Echo, asker: socket.socket
) -> None:
    await ask(asker, "127.0.0.1", echo.port)
    await ask(asker, "127.0.0.2", echo.port)
    await ask(asker, "127.0.0.2", echo.port)
    senders = [sender for _, sender in echo.came]
    assert senders == [Address(*asker.getsockname())] * 3, "it is one address for everybody else"
    loop = asyncio.get_running_loop()
    for sender, host in zip(senders, ("127.0.0.1", "127.0.0.2", "127.0.0.2"), strict=True):
        assert sender.via == host
        echo.endpoint.send(b"news", sender)
        _, source = await loop.sock_recvfrom(asker, 2_048)
        assert source == (host, echo.port)


@linux_only
async def test_the_port_stays_ours_alone(echo: Echo, asker: socket.socket) -> None:
    """Sockets for single addresses share the port with the one for all of them, and with no other
    program."""
    await ask(asker, "127.0.0.2", echo.port)
    for host in ("0.0.0.0", "127.0.0.1", "127.0.0.2"):
        for is_sharing in (0, 1):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, is_sharing)
                with pytest.raises(OSError, match="in use"):
                    other.bind((host, echo.port))


@linux_only
async def test_more_addresses_than_get_a_socket_are_answered_all_the_same(
    echo: Echo, asker: socket.socket
) -> None:
    for number in range(OWN_ADDRESSES_MAX + 2):
        answer, source = await ask(asker, f"127.0.7.{number + 1}", echo.port)
        assert answer == b"are you there"
    assert source == ("127.0.0.1", echo.port)
    descriptors = len(echo.endpoint._own)
    assert descriptors == OWN_ADDRESSES_MAX


@linux_only
async def test_an_address_of_ours_that_is_gone_is_a_lost_datagram(
    echo: Echo, asker: socket.socket
) -> None:
    await ask(asker, "127.0.0.2", echo.port)
    elsewhere = type(echo.came[0][1])("192.0.2.1", 9)  # loopback reaches no other machine
    echo.endpoint.send(b"news", elsewhere)
    assert echo.endpoint.send_errors == 1


async def test_a_sender_is_only_a_host_and_a_port_where_nobody_needs_more(
    asker: socket.socket,
) -> None:
    echo = Echo(answers_from_asked=False)
    await ask(asker, "127.0.0.1", echo.port)
    assert echo.came == [(b"are you there", Address(*asker.getsockname()))]
    assert echo.came[0][1].via == ""
    echo.endpoint.close()


@pytest.mark.parametrize("answers_from_asked", [False, True])
async def test_a_datagram_over_the_limit_is_dropped(
    asker: socket.socket, answers_from_asked: bool
) -> None:
    echo = Echo(answers_from_asked=answers_from_asked)
    asker.sendto(b"x" * (DATAGRAM_MAX + 1), ("127.0.0.1", echo.port))
    answer, _ = await ask(asker, "127.0.0.1", echo.port, b"y" * DATAGRAM_MAX)
    assert answer == b"y" * DATAGRAM_MAX
    assert [data for data, _ in echo.came] == [b"y" * DATAGRAM_MAX]
    echo.endpoint.close()


def _told(sockets: list[socket.socket]) -> list[list[bytes]]:
    """Return all that came to each socket. What is sent over loopback is there when the call
    returns."""
    found: list[list[bytes]] = []
    for sock in sockets:
        sock.setblocking(False)
        found.append([])
        with contextlib.suppress(BlockingIOError):
            while True:
                found[-1].append(sock.recv(2_048))
    return found


@pytest.fixture(params=["sendmmsg", "sendto"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system with `sendmmsg`, and one without."""
    if request.param == "sendto":
        monkeypatch.setattr(manyaddresses, "find_sendmmsg", lambda: None)
    elif manyaddresses.find_sendmmsg() is None:
        pytest.skip("no sendmmsg here")


@pytest.mark.usefixtures("system")
class TestManyAddresses:
    """One datagram to many addresses, with and without `sendmmsg`."""

    async def test_everybody_gets_it_once(self, echo: Echo) -> None:
        with contextlib.ExitStack() as stack:
            readers = [
                stack.enter_context(_reader("127.0.0.1"))
                for _ in range(2 * manyaddresses.AT_ONCE + 3)
            ]
            echo.endpoint.send_to_many(
                b"news", [Address(*reader.getsockname()) for reader in readers]
            )
            assert _told(readers) == [[b"news"]] * len(readers)
        assert echo.endpoint.send_errors == 0

    async def test_the_next_one_has_its_own_length_and_readers(self, echo: Echo) -> None:
        with _reader("127.0.0.1") as ann, _reader("127.0.0.2") as bob:
            both = [Address(*sock.getsockname()) for sock in (ann, bob)]
            for data, to in (
                (b"a long one", both),
                (b"short", both[1:]),
                (b"", both[:1]),
                (b"none", []),
            ):
                echo.endpoint.send_to_many(data, to)
            assert _told([ann, bob]) == [[b"a long one", b""], [b"a long one", b"short"]]

    async def test_an_address_that_the_kernel_refuses_costs_the_others_nothing(
        self, echo: Echo
    ) -> None:
        with _reader("127.0.0.1") as ann, _reader("127.0.0.1") as bob:
            there, here = Address(*ann.getsockname()), Address(*bob.getsockname())
            nowhere = Address("127.0.0.1", 0)
            echo.endpoint.send_to_many(b"news", [nowhere, there, nowhere, nowhere, here, nowhere])
            assert _told([ann, bob]) == [[b"news"], [b"news"]]
        assert echo.endpoint.send_errors == 4

    @linux_only
    async def test_each_is_told_from_the_address_that_they_asked(self, echo: Echo) -> None:
        hosts = ("127.0.0.1", "127.0.0.2", "::1")
        with contextlib.ExitStack() as stack:
            readers = [
                stack.enter_context(_reader("::1" if ":" in host else "127.0.0.1"))
                for host in hosts
            ]
            for reader, host in zip(readers, hosts, strict=True):
                await ask(reader, host, echo.port)
            echo.endpoint.send_to_many(b"news", [sender for _, sender in echo.came])
            told = [reader.recvfrom(2_048) for reader in readers]
        assert [(data, source[:2]) for data, source in told] == [
            (b"news", (host, echo.port)) for host in hosts
        ]

    async def test_without_ipv6_its_addresses_are_lost_datagrams(
        self, monkeypatch: pytest.MonkeyPatch, asker: socket.socket
    ) -> None:
        def without_ipv6(family: int, kind: int) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError
            return real(family, kind)

        real = socket.socket
        monkeypatch.setattr(socket, "socket", without_ipv6)
        echo = Echo(answers_from_asked=False)
        echo.endpoint.send_to_many(b"news", [Address("::1", 9), Address(*asker.getsockname())])
        assert _told([asker]) == [[b"news"]]
        assert echo.endpoint.send_errors == 1
        echo.endpoint.close()


def _reader(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    return sock
