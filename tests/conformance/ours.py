"""Our peer beside an independent program, in virtual time: what it sends, stores and shows."""

import random

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.records import Loaded, OutgoingAdded, StoredOutgoing
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_row
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.identity import AgreementKey, Identity
from tests.conformance import by_hand
from tests.conformance.engine import THERE
from tests.conformance.stranger import Fields, Stranger

SERVER = Address("192.0.2.100", 5_000)
NOW = 1_000.0
WALL = 1_700_000_000.0


class Ours:
    """Our peer "alice", who knows one stranger from an earlier table and whose registry does not
    answer."""

    def __init__(
        self, knows: Stranger, *, has_been_in: bool = True, gives_marks: bool = False
    ) -> None:
        """`has_been_in`: whether it has seen the registry's clock, and takes its own for right."""
        self.now = NOW
        self.disk: list[object] = []
        self.seen: list[events.Event] = []
        self.is_disk_slow = self.is_sync_slow = False
        mail = [AgreementKey(b"\x03" * 32)]
        me = LocalIdentity(name="alice", identity=Identity(b"\x01" * 32), mail_keys=mail, counter=1)
        row = decode_row(by_hand.packed([knows.card, THERE.host, THERE.port, 0, 0, 0, 1]))
        self.core = PeerCore(
            Context(
                me,
                policy=Policy(),
                rng=random.Random(1),
                wall_offset=WALL - NOW,
                gives_marks=gives_marks,
            ),
            servers=[SERVER],
            loaded=Loaded(rows=(row,), version=1),
            now=NOW,
        )
        if has_been_in:
            self.core._ctx.status.clock_heard(0.0)
        self.core.start(now=NOW)
        self.sent: list[tuple[bytes, Address]] = []
        knows.meet(self.card)
        self.settle()

    @property
    def card(self) -> Fields:
        """The card of our peer as fields."""
        card = self.core.me.card
        return [card.name, card.identity, card.mail, card.counter, card.signature]

    def synced(self) -> None:
        """Sync the disk."""
        self.core.synced(self.core.sync_begins(), now=self.now)
        self.settle()

    def _give_again(self) -> None:
        for lost in self.core.lost_messages(now=self.now):
            found = [
                StoredOutgoing(one.number, one.at_ms, one.text, MessageState.DELIVERED)
                for one in self.disk
                if isinstance(one, OutgoingAdded) and lost.first <= one.number < lost.end
            ]
            self.core.give_again(lost, found, is_all=True, now=self.now)

    def settle(self) -> None:
        """Do what a driver does: store, send, show."""
        self._give_again()
        records = self.core.records_to_store()
        self.disk += records
        if not self.is_disk_slow:
            self.core.records_stored(now=self.now)
            if not self.is_sync_slow:
                self.core.synced(self.core.sync_begins(), now=self.now)
        self.sent += [
            (data, to) for data, to in self.core.datagrams_to_send(now=self.now) if to != SERVER
        ]
        self.seen += self.core.events()

    def receive(self, datagram: bytes, source: Address = THERE) -> None:
        """Receive a datagram."""
        self.core.receive_datagrams([(datagram, source)], now=self.now)
        self.settle()

    def wait(self, span: float) -> None:
        """Let time pass."""
        end = self.now + span
        while True:
            due = self.core.next_timer()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.core.handle_timer(now=self.now)
            self.settle()
        self.now = end

    def take(self) -> list[tuple[bytes, Address]]:
        """Return what was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent

    def texts(self) -> list[str]:
        """Return the direct messages shown."""
        return [event.text for event in self.seen if isinstance(event, events.Said)]


def frames_for(who: Stranger, sent: list[tuple[bytes, Address]]) -> list[Fields]:
    """Return all frames of the sealed datagrams among these."""
    return [frame for data, _ in sent if data[0] in (6, 7, 10) for frame in who.open(data)]


def acked(who: Stranger, sent: list[tuple[bytes, Address]]) -> set[int]:
    """Return the acknowledged numbers."""
    numbers: set[int] = set()
    for frame in frames_for(who, sent):
        if frame[0] == 2:
            at = frame[1]
            for place, length in enumerate(frame[2]):
                numbers |= set(range(at, at + length)) if place % 2 == 0 else set()
                at += length
    return numbers


def part(number: int, text: str) -> Fields:
    """Return a short message as a frame."""
    return [1, number, 0, 1, by_hand.packed([1_700_000_000_000, text])]
