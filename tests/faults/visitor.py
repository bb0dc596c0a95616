"""A peer by hand over real sockets, who does just what a test says and counts every byte.

It speaks the protocol with `wire`'s own functions. It knows no retries: on loopback a question is
answered, or the test has found something. Deadlines are `asyncio.timeout`s: `wait_for` of Python
3.11 loses a cancellation that comes together with what was waited for, and whoever cancelled then
waits out the deadline.
"""

import asyncio
import contextlib
import os
import random
import socket
from typing import Final, TypeVar, cast

from chatapp.wire.admission import make_register
from chatapp.wire.codec import (
    FrameReader,
    Kind,
    decode_cookie,
    decode_notice,
    decode_refused,
    decode_welcome,
    encode,
    encode_hello,
    frame,
    join_frames,
)
from chatapp.wire.errors import DecodeError
from chatapp.wire.identity import Identity, make_card
from chatapp.wire.limits import LINK_FRAME_MAX
from chatapp.wire.messages.link import Attach, PeerRequest, RegistryNotice
from chatapp.wire.messages.registration import (
    PROTOCOL_VERSION,
    Cookie,
    Hello,
    Leave,
    Ping,
    Refused,
    Welcome,
)
from chatapp.wire.messages.table import Card
from chatapp.wire.sessions.link import LinkSession
from chatapp.wire.sessions.session import SessionTable

WITHIN: Final = 60.0
Notice = TypeVar("Notice", bound=RegistryNotice)


class Visitor:
    """One person, with the keys of one program start."""

    def __init__(self, port: int, name: str, *, host: str = "127.0.0.1", seed: str = "") -> None:
        """`host`: their address; `seed`: their identity (from their name, unless given)."""
        self.name: Final = name
        self.server: Final = ("127.0.0.1", port)
        self.host: Final = host
        self.random: Final = random.Random(seed or name)
        self.identity: Final = Identity(self.random.randbytes(32))
        self.counter = 0
        self.sessions: SessionTable
        self.session: LinkSession
        self.bytes_out = self.bytes_in = 0
        self._udp: socket.socket | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._frames = FrameReader()

    @property
    def id(self) -> bytes:
        """The identity key."""
        return self.identity.public

    # --- datagrams

    @property
    def udp(self) -> socket.socket:
        """Their socket."""
        if self._udp is None:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.setblocking(False)
            self._udp.bind((self.host, 0))
            self._udp.connect(self.server)
        return self._udp

    async def exchange(self, data: bytes, *kinds: Kind) -> bytes:
        """Send, and wait for an answer of one of these kinds."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.udp, data)
        self.bytes_out += len(data)
        while True:
            async with asyncio.timeout(WITHIN):
                answer = await loop.sock_recv(self.udp, 2_048)
            self.bytes_in += len(answer)
            if answer[0] in kinds:
                return answer

    def hello(self) -> bytes:
        """Return a HELLO with a new nonce."""
        hello = Hello(version=PROTOCOL_VERSION, nonce=os.urandom(16))
        return bytes((Kind.HELLO,)) + encode_hello(hello)

    async def cookie(self) -> Cookie:
        """Send HELLO; returns the answer."""
        return decode_cookie((await self.exchange(self.hello(), Kind.COOKIE))[1:])

    def card(self) -> Card:
        """Their newest card."""
        return make_card(self.identity, name=self.name, mail=b"m" * 32, counter=self.counter)

    def registration(self, cookie: Cookie) -> bytes:
        """Return a REGISTER."""
        register = make_register(
            self.identity,
            registry=cookie.card.identity,
            nonce=cookie.nonce,
            cookie=cookie.cookie,
            card=self.card(),
        )
        return bytes((Kind.REGISTER,)) + encode(register)

    async def register(self) -> Welcome | Refused:
        """Register completely, as at the start of a program."""
        self.counter += 1
        cookie = await self.cookie()
        answer = await self.exchange(self.registration(cookie), Kind.WELCOME, Kind.REFUSED)
        if answer[0] == Kind.REFUSED:
            return decode_refused(answer[1:])
        self.registry = cookie.card.identity
        self.sessions = SessionTable(
            self.identity,
            rng=random.SystemRandom(),
            context_of=lambda identity: cookie.nonce if identity == cookie.card.identity else None,
        )
        return decode_welcome(answer[1:])

    # --- the link

    async def attach(self) -> None:
        """Connect and authenticate."""
        self._reader, self._writer = await asyncio.open_connection(
            *self.server, local_addr=(self.host, 0), limit=LINK_FRAME_MAX
        )
        self._frames = FrameReader()
        self._frames.largest = LINK_FRAME_MAX
        first, begun = self.sessions.open_link(self.registry, encode(Attach()), now=self._now())
        self.write(frame(first))
        while (answer := self._frames.next_frame()) is None:
            await self._read()
        self.session = begun.answered(answer)

    async def come(self) -> None:
        """Register and attach. AssertionError when refused."""
        answer = await self.register()
        assert isinstance(answer, Welcome), answer
        await self.attach()

    def ask(self, *requests: PeerRequest) -> None:
        """Send these requests on the link, in one write."""
        self.write(b"".join(frame(self.session.seal(encode(request))) for request in requests))

    def write(self, data: bytes) -> None:
        """Write any bytes to the link."""
        assert self._writer is not None
        self._writer.write(data)
        self.bytes_out += len(data)

    async def flush(self) -> None:
        """Wait while the registry reads our link more slowly than we write."""
        assert self._writer is not None
        await self._writer.drain()

    def sealed(self, payload: bytes) -> bytes:
        """Return a sealed datagram for the registry."""
        return self.sessions.seal(self.registry, payload, now=self._now())[0]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def tell(self, frame: Ping | Leave) -> None:
        """Send this to the registry in a sealed datagram."""
        data = self.sealed(join_frames([encode(frame)]))
        await asyncio.get_running_loop().sock_sendall(self.udp, data)
        self.bytes_out += len(data)

    @property
    def transport(self) -> asyncio.Transport:
        """The transport of the link."""
        assert self._writer is not None
        return cast(asyncio.Transport, self._writer.transport)

    async def notice(self, kind: type[Notice]) -> Notice:
        """Return the next notice of this kind, ignoring others. ConnectionError when the link
        ends."""
        while True:
            said = await self.next_notice()
            if isinstance(said, kind):
                return said

    async def next_notice(self) -> RegistryNotice:
        """Return the registry's next notice, ignoring relayed lines. ConnectionError when the link
        ends."""
        while True:
            while (whole := self._frames.next_frame()) is not None:
                if whole[0] != Kind.GROUP_RELAYED:
                    with contextlib.suppress(DecodeError):
                        return decode_notice(self.session.open(whole))
            await self._read()

    async def _read(self) -> None:
        assert self._reader is not None
        async with asyncio.timeout(WITHIN):
            data = await self._reader.read(65_536)
        if not data:
            raise ConnectionError(f"the link of {self.name} is over")
        self.bytes_in += len(data)
        self._frames.feed(data)

    async def ended(self) -> None:
        """Wait until the registry ends the link."""
        assert self._reader is not None
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WITHIN):
                while await self._reader.read(65_536):
                    pass

    def close(self) -> None:
        """Close both sockets silently."""
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        self.hang_up()

    def hang_up(self) -> None:
        """End the link."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._reader = self._writer = None
