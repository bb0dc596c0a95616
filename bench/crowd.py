"""A crowd of simulated peers in one process: all sockets in one epoll, with a limit on unanswered
requests."""

import heapq
import select
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Self

from bench.machine import Failed
from bench.members import Member, host_of
from bench.registry import Server
from chatapp.wire.admission import is_welcome_authentic
from chatapp.wire.codec import (
    Kind,
    decode_cookie,
    decode_refused,
    decode_table_batch,
    decode_welcome,
    encode,
    frame,
    unpack_answer,
    unpack_opening,
)
from chatapp.wire.errors import DecodeError, SealError
from chatapp.wire.identity import is_table_signed, table_in
from chatapp.wire.limits import LINK_KEEPALIVE_SPAN
from chatapp.wire.messages.registration import Ping
from chatapp.wire.messages.rooms import GroupBody
from chatapp.wire.messages.table import Page

JOINING: Final = 160
"""Members on their way in at once: below the registry's bound of unproved links, 16 an address."""

_AGAIN_AFTER: Final = 0.5
_PATIENCE: Final = 300.0
_UDP_BUFFER: Final = 1 << 20
_CHECKED: Final = 10
_SO_MEMINFO: Final = 55
"""Linux's option with nine figures of a socket, of which the last one counts datagrams that were
dropped."""


class Crowd:
    """Members and their sockets. Use it as a context."""

    def __init__(
        self,
        servers: Sequence[Server],
        members: Iterable[Member],
        *,
        sockets: int | None = None,
        keeps_links: bool = False,
    ) -> None:
        """`servers`: the members are spread over these registries. `sockets`: UDP sockets that
        members share; one each without it. `keeps_links`: send Ping on silent links, as peers do,
        whenever the crowd has a turn."""
        self.members: Final = list(members)
        self._server_of = {
            member.index: servers[place % len(servers)] for place, member in enumerate(self.members)
        }
        self._to_keep: list[tuple[float, int, Member]] | None = [] if keeps_links else None
        """When to look whether a link was silent for long."""
        self._wants_tables = False
        self._poll = select.epoll()
        self._by_opening: dict[bytes, Member] = {}
        """Members whose session is not answered, by its id."""
        self._by_nonce = {member.nonce: member for member in self.members}
        self._udp: list[socket.socket] = []
        self._udp_of: dict[int, socket.socket] = {}
        self._members_at: dict[int, list[Member]] = {}
        self._readers: dict[int, Callable[[], None]] = {}
        self._batches: dict[bytes, Page | None] = {}
        self._knowing: Member | None = None
        """The first member with the channel's key."""
        self.datagrams_heard = self.broadcasts_heard = 0
        """Datagrams that came, and those of them that tell the table to everybody."""
        self._datagram_bytes = 0
        for place in range(min(sockets or len(self.members), len(self.members))):
            self._open_udp(place)
        for place, member in enumerate(self.members):
            sock = self._udp[place % len(self._udp)]
            self._udp_of[member.index] = sock
            self._members_at[sock.fileno()].append(member)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._udp:
            sock.close()
        for member in self.members:
            if member.link is not None:
                member.link.close()
        self._poll.close()

    def _open_udp(self, place: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER)
        sock.bind((host_of(place), 0))
        self._udp.append(sock)
        self._members_at[sock.fileno()] = []
        self._watch(sock, lambda: self._read_udp(sock))

    def _watch(self, sock: socket.socket, reader: Callable[[], None]) -> None:
        self._readers[sock.fileno()] = reader
        self._poll.register(sock.fileno(), select.EPOLLIN)

    @property
    def bytes_heard(self) -> int:
        """All that came from the registry, without headers."""
        return self._datagram_bytes + sum(member.bytes_heard for member in self.members)

    @property
    def datagrams_lost(self) -> int:
        """Datagrams that came when the buffer of their socket was full."""
        found = (sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 9 * 4) for sock in self._udp)
        return sum(int.from_bytes(one[8 * 4 : 9 * 4], sys.byteorder) for one in found)

    @property
    def sockets(self) -> list[socket.socket]:
        """The UDP sockets, for those who read them in their own way."""
        return self._udp

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the registry reaches each member by UDP."""
        return [self._udp_of[member.index].getsockname() for member in self.members]

    # --- coming in

    def join(self, *, links: bool = True, tables: bool = False) -> float:
        """Register everybody, with a link and a whole table if requested. Return the seconds that
        this took."""
        began = time.monotonic()
        waiting = list(reversed(self.members))
        self._wants_tables = tables
        for member in self.members:
            member.wants_table = tables
        coming: dict[int, tuple[Member, float]] = {}
        while waiting or coming:
            now = time.monotonic()
            while waiting and len(coming) < JOINING:
                member = waiting.pop()
                coming[member.index] = (member, now)
                self.send(member, member.hello())
            self.turn(0.05)
            now = time.monotonic()
            if now - began > _PATIENCE:
                raise Failed(
                    self._state(f"{len(coming)} members did not get in within {_PATIENCE:.0f} s")
                )
            for index, (member, since) in list(coming.items()):
                if self._is_in(member, links):
                    del coming[index]
                elif now - since > _AGAIN_AFTER and not member.is_welcome:
                    coming[index] = (member, now)
                    self.send(member, member.hello())
        if tables:
            self._complete(began)
        return time.monotonic() - began

    def _is_in(self, member: Member, links: bool) -> bool:
        if not links:
            return member.is_welcome
        if member.is_welcome and member.link is None:
            link = member.connect(self._server_of[member.index])
            self._watch(link, lambda: self._read_link(member))
            self._keep(member, member.spoke_at + LINK_KEEPALIVE_SPAN)
        return member.granted is not None and member.has_mail_answer

    def _complete(self, began: float) -> None:
        """Wait until everybody's table shows everybody online and with a sender index."""
        witness = self.members[0]
        assert witness.rows is not None, "the first member must look into rows"
        own = {member.card.identity for member in self.members}
        needed = None
        while True:
            if needed is None:
                rows = [row for key, row in witness.rows.items() if key in own]
                if len(rows) == len(own) and all(row.online and row.sender_index for row in rows):
                    needed = max(row.version for row in rows)
            if needed is not None and all(member.version >= needed for member in self.members):
                return
            if time.monotonic() - began > _PATIENCE:
                raise Failed(self._state(f"tables were not complete within {_PATIENCE:.0f} s"))
            self.turn(0.05)

    def part(self, leaving: Sequence[Member]) -> None:
        """End the links of these members, who have no part in the crowd from now on."""
        for member in leaving:
            assert member.link is not None
            self._poll.unregister(member.link)
            member.link.close()
            for around in self._members_at.values():
                if member in around:
                    around.remove(member)
        self.members[:] = [member for member in self.members if member not in leaving]

    def _state(self, problem: str) -> str:
        members = self.members
        facts = {
            "datagrams": self.datagrams_heard,
            "cookies": sum(bool(member.registry) for member in members),
            "welcomes": sum(member.is_welcome for member in members),
            "links": sum(member.link is not None for member in members),
            "attached": sum(member.is_attached for member in members),
        }
        return f"{problem}; " + ", ".join(f"{key} {value}" for key, value in facts.items())

    # --- turns

    def turn(self, patience: float) -> int:
        """Read what is there, or wait for something; how many sockets had something."""
        ready = self._poll.poll(patience, 512)
        for fd, _ in ready:
            self._readers[fd]()
        if self._to_keep:
            self._keep_links(self._to_keep)
        return len(ready)

    def _keep(self, member: Member, at: float) -> None:
        if self._to_keep is not None:
            heapq.heappush(self._to_keep, (at, member.index, member))

    def _keep_links(self, to_keep: list[tuple[float, int, Member]]) -> None:
        now = time.monotonic()
        while to_keep[0][0] <= now:
            _, _, member = heapq.heappop(to_keep)
            if member.is_attached and member.spoke_at + LINK_KEEPALIVE_SPAN <= now:
                member.request(Ping(reference=0))
            self._keep(
                member, (member.spoke_at if member.is_attached else now) + LINK_KEEPALIVE_SPAN
            )

    def quiet(self, span: float = 0.4) -> None:
        """Read until nothing has come for `span` seconds."""
        while self.turn(span):
            pass

    def send(self, member: Member, *datagrams: bytes) -> None:
        """Send datagrams to the registry from a member's address."""
        for data in datagrams:
            if data[0] == Kind.OPENING:
                self._by_opening[unpack_opening(data).session] = member
            self._udp_of[member.index].sendto(data, self._server_of[member.index])

    def _read_udp(self, sock: socket.socket) -> None:
        for _ in range(64):
            try:
                data = sock.recv(2_048)
            except BlockingIOError:
                return
            self.datagrams_heard += 1
            self._datagram_bytes += len(data)
            kind = data[0]
            if kind == Kind.COOKIE:
                cookie = decode_cookie(data[1:])
                member = self._by_nonce[cookie.nonce]
                self.send(member, member.register(cookie))
            elif kind == Kind.WELCOME:
                self._welcomed(data)
            elif kind == Kind.REFUSED:
                raise Failed(
                    f"the registry refuses a member: {decode_refused(data[1:]).reason.name}"
                )
            elif kind == Kind.ANSWER:
                opener = self._by_opening.pop(unpack_answer(data).session, None)
                if opener is not None:
                    opener.take_answer(data)
            elif kind == Kind.GROUP:
                self.broadcasts_heard += 1
                if self._wants_tables:
                    self._told(data, self._members_at[sock.fileno()])

    def _welcomed(self, data: bytes) -> None:
        welcome = decode_welcome(data[1:])
        member = self._by_nonce[welcome.nonce]
        if member.index < _CHECKED and not is_welcome_authentic(
            welcome, registry=member.registry, identity=member.card.identity
        ):
            raise Failed("a WELCOME that the registry did not sign")
        member.is_welcome = True

    def _told(self, data: bytes, members: list[Member]) -> None:
        """Process a broadcast: it is opened and checked once for all, since its bytes are the same
        for all."""
        if self._knowing is None:
            return
        if data not in self._batches:
            self._batches[data] = _opened(data, self._knowing)
        batch = self._batches[data]
        if batch is not None:
            for member in members:
                member.take_batch(batch)

    def _read_link(self, member: Member) -> None:
        for relayed in member.read():
            self.relayed(member, relayed)
        if self._knowing is None and member.granted is not None:
            self._knowing = member

    def relayed(self, member: Member, data: bytes, /) -> None:
        """Handle a group frame; measures that count them replace this function."""


def _opened(data: bytes, knowing: Member) -> Page | None:
    try:
        payload = knowing.group_key().open_stored(data)
        is_signed = is_table_signed(payload, registry=knowing.registry)
        return decode_table_batch(table_in(payload)) if is_signed else None
    except (SealError, DecodeError):
        return None


def lines_of(member: Member, count: int, *, text: str) -> list[bytes]:
    """Return sealed channel lines of a member, framed, in the order of sending."""
    key, granted = member.group_key(), member.granted
    assert granted is not None
    base = time.time_ns() // 1_000
    return [
        frame(
            key.seal(
                granted.sender_index, encode(GroupBody(base + place, base, base // 1_000, text))
            )
        )
        for place in range(count)
    ]


def script_of(pieces: Iterable[bytes]) -> bytes:
    """Return the input of the load generator: each piece with its length before it."""
    return b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)
