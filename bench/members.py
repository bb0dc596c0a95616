"""Simulated peers: as much of a peer as a registry can see, on real sockets, without disk or
delivery.

Each speaks the protocol with functions of `wire`: HELLO, REGISTER, link, table. Identities follow
from their index, so the same people come back after a restart of the registry.
"""

import hashlib
import os
import random
import socket
import time
from contextlib import suppress
from typing import Final

from chatapp.wire.admission import make_register
from chatapp.wire.codec import (
    FrameReader,
    Kind,
    decode_notice,
    decode_row,
    encode,
    encode_hello,
    frame,
)
from chatapp.wire.errors import SealError
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.limits import CUT_SIZE, LINK_FRAME_MAX
from chatapp.wire.messages.link import Attach, PeerRequest, RegistryNotice
from chatapp.wire.messages.mail import MailBatch
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Cookie, Hello, Ping
from chatapp.wire.messages.rooms import GroupGranted
from chatapp.wire.messages.table import (
    Card,
    FetchTable,
    Page,
    PresenceChanged,
    RosterPage,
    Row,
    Scope,
    TablePage,
    TableScope,
    Watch,
    listed_card,
)
from chatapp.wire.roster import entries_of
from chatapp.wire.sealing import GroupKey
from chatapp.wire.sessions.link import LinkOpening, LinkSession
from chatapp.wire.sessions.session import SessionTable

HOSTS: Final = 41
"""Loopback addresses that simulated peers are spread over: the registry bounds what one address may
ask. A prime, so that the first member of every room of a certain size has another address each
time."""

_READ: Final = 1 << 18


def host_of(index: int) -> str:
    """127.0.0.2 and on."""
    return f"127.0.0.{2 + index % HOSTS}"


class Member:
    """One simulated peer."""

    def __init__(self, index: int, *, counter: int) -> None:
        self.index: Final = index
        self.host: Final = host_of(index)
        seed = hashlib.blake2s(index.to_bytes(8, "big"), person=b"bench").digest()
        self.identity: Final = Identity(seed)
        self.mail: Final = AgreementKey(seed)
        self.card: Final[Card] = make_card(
            self.identity,
            name=f"member{index:05d}",
            mail=self.mail.public,
            counter=counter,
        )
        self.nonce: Final = index.to_bytes(8, "big") + os.urandom(8)
        self.sessions: Final = SessionTable(
            self.identity, rng=random.SystemRandom(), context_of=lambda _: self.nonce
        )
        self.registry = b""
        self.link: socket.socket | None = None
        self.session: LinkSession | None = None
        self.is_attached = False
        self.is_welcome = False
        self.granted: GroupGranted | None = None
        self.has_mail_answer = False
        self.version = 0
        self.is_fetching = False
        self.announced = 0
        """The newest version that a broadcast named while a request was pending: the answer may be
        of before."""
        self.wants_table = False
        self.table_bytes = 0
        self.bytes_heard = 0
        """What came on the link."""
        self.spoke_at = 0.0
        """When it last said something on the link."""
        self.watches: list[bytes] = []
        """Of whom it wants to be told where the registry does not tell of everybody."""
        self.changes_heard = 0
        """News of them."""
        self.rows: dict[bytes, Row] | None = None
        """The table itself, for members that look into rows."""
        self._begun: LinkOpening | None = None
        self._reader = FrameReader()
        self._reader.largest = LINK_FRAME_MAX

    def again(self) -> "Member":
        """Return the next run of this program, which has kept the table."""
        fresh = Member(self.index, counter=self.card.counter + 1)
        fresh.version = self.version
        return fresh

    # --- coming in

    def hello(self) -> bytes:
        """The first datagram."""
        return bytes((Kind.HELLO,)) + encode_hello(
            Hello(version=PROTOCOL_VERSION, nonce=self.nonce)
        )

    def register(self, cookie: Cookie) -> bytes:
        """The answer to a COOKIE."""
        self.registry = cookie.card.identity
        asked = make_register(
            self.identity,
            registry=cookie.card.identity,
            nonce=self.nonce,
            cookie=cookie.cookie,
            card=self.card,
        )
        return bytes((Kind.REGISTER,)) + encode(asked)

    def ping(self) -> list[bytes]:
        """A sign of life by UDP."""
        return self.seal(encode(Ping(reference=0)))

    def seal(self, frame: bytes) -> list[bytes]:
        """Datagrams for the registry with one frame; the second one renews the session."""
        return self.sessions.seal(self.registry, b"\x91" + frame, now=time.monotonic())

    def take_answer(self, data: bytes) -> None:
        """Process the answer to an opening: what is sealed from now on needs no handshake."""
        with suppress(SealError):  # the answer to an earlier opening
            self.sessions.open(data, now=time.monotonic())

    # --- the link

    def connect(self, server: tuple[str, int]) -> socket.socket:
        """Open the link to a registry, and its session."""
        self.link = socket.socket()
        self.link.settimeout(10.0)
        self.link.bind((self.host, 0))
        self.link.connect(server)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first, self._begun = self.sessions.open_link(
            self.registry, encode(Attach()), now=time.monotonic()
        )
        self.link.sendall(frame(first))
        self.spoke_at = time.monotonic()
        self.link.setblocking(False)
        return self.link

    def request(self, asked: PeerRequest) -> None:
        """Send a message on the link."""
        assert self.link is not None and self.session is not None
        self.link.send(frame(self.session.seal(encode(asked))))
        self.spoke_at = time.monotonic()

    def fetch(self, *, is_whole: bool = False) -> None:
        """Request the changes of the table, unless a request is pending."""
        if not self.is_fetching and self.is_attached:
            self.is_fetching = True
            self.request(FetchTable(since=self.version, is_whole=is_whole))

    def read(self) -> list[bytes]:
        """Process input of the link; return group frames as they are."""
        assert self.link is not None
        try:
            data = self.link.recv(_READ)
        except BlockingIOError:
            return []
        if not data:
            raise ConnectionError(f"the registry closed the link of {self.card.name}")
        self.bytes_heard += len(data)
        self._reader.feed(data)
        if self.session is None:
            answer = self._reader.next_frame()
            if answer is None:
                return []
            assert self._begun is not None
            self.session, self._begun = self._begun.answered(answer), None
        relayed: list[bytes] = []
        while (whole := self._reader.next_frame()) is not None:
            if whole[0] == Kind.GROUP_RELAYED:
                relayed.append(whole)
            else:
                self._take(decode_notice(self.session.open(whole)), len(whole))
        return relayed

    def _take(self, notice: RegistryNotice, size: int) -> None:
        if not self.is_attached:
            self.is_attached = True
            if self.wants_table:
                self.fetch()
        match notice:
            case TablePage() | RosterPage():
                self._take_page(notice, size)
            case GroupGranted():
                self.granted = notice
            case MailBatch():
                self.has_mail_answer = True
            case TableScope(scope=Scope.INTEREST) if self.watches and not self.is_fetching:
                self.is_fetching = True  # once
                self.request(Watch(1, 0, self.watches, []))
            case PresenceChanged(reference=0, people=people):
                self.changes_heard += len(people)
            case _:
                pass

    # --- the table

    def _take_page(self, page: TablePage | RosterPage, size: int) -> None:
        self.is_fetching = False
        self.table_bytes += size
        if page.since <= self.version <= page.version:
            self.version = page.version
            self._look_into_page(page)
        announced, self.announced = self.announced, 0
        if page.more or announced > self.version:
            self.fetch(is_whole=page.more)

    def take_batch(self, batch: Page) -> None:
        """Process a broadcast as the product does: it is the next in the chain, or a reason to
        request pages."""
        if not self.wants_table or batch.version <= self.version:
            return
        is_empty = isinstance(batch, TablePage) and not batch.rows
        if batch.since > self.version or is_empty:
            self.announced = batch.version if self.is_fetching else 0
            self.fetch()
            return
        self.version = batch.version
        self._look_into_page(batch)

    def _look_into_page(self, page: Page) -> None:
        if isinstance(page, RosterPage):
            self._look_into_roster(page)
        else:
            self._look_into(page.rows)

    def _look_into_roster(self, page: RosterPage) -> None:
        if self.rows is None:
            return
        whole, known = entries_of(page)
        by_cut = {identity[:CUT_SIZE]: identity for identity in self.rows}
        for entry in [*whole, *known]:
            identity = by_cut.get(entry.key, entry.key)
            card = listed_card(entry.name, identity)
            self.rows[identity] = Row(
                card, "", 0, entry.presence, entry.since, entry.sender_index, page.version
            )

    def _look_into(self, rows: object) -> None:
        if self.rows is not None:
            for raw in rows:  # type: ignore[attr-defined]
                row = decode_row(raw)
                self.rows[row.card.identity] = row

    def group_key(self) -> GroupKey:
        """Return the granted group key."""
        assert self.granted is not None
        return GroupKey(self.granted.group, epoch=self.granted.epoch, key=self.granted.key)
