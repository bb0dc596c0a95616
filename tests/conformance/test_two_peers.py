"""This file is about our peer and a program that is not ours: messages, acknowledgements, cards and addresses (clause 6)."""

import contextlib
import random
from collections.abc import Callable

import pytest

from peer.core import events as happened
from peer.core.contacts import Contacts
from peer.core.engine import PeerCore
from peer.core.me import Me
from peer.core.records import IncomingAdded
from peer.core.stored import Loaded
from tests.conformance import by_hand
from tests.conformance.house import House
from tests.conformance.stranger import Fields, Stranger
from wire.address import Address
from wire.codec import decode_row
from wire.delivery.policy import Policy
from wire.errors import SealError
from wire.identity import AgreementKey, Identity

SERVER = Address("192.0.2.100", 5_000)
HERE = Address("192.0.2.1", 6_000)
THERE = Address("192.0.2.2", 6_000)
ELSEWHERE = Address("198.51.100.9", 7_000)
NOW = 1_000.0
WALL = 1_700_000_000.0


class Ours:
    """Our peer "alice", who knows one stranger from an earlier table and whose registry does not answer."""

    def __init__(self, knows: Stranger) -> None:
        self.now = NOW
        self.disk: list[object] = []
        self.seen: list[happened.Event] = []
        self.is_disk_slow = False
        mail = [AgreementKey(b"\x03" * 32)]
        me = Me(name="alice", identity=Identity(b"\x01" * 32), live=b"\x02" * 32, mail_keys=mail, counter=1)
        row = decode_row(by_hand.packed([knows.card, THERE.host, THERE.port, 0, 0, 0, 1]))
        self.core = PeerCore(
            me,
            server=SERVER,
            loaded=Loaded(rows=(row,), version=1),
            rng=random.Random(1),
            policy=Policy(),
            now=NOW,
            wall_offset=WALL - NOW,
        )
        self.core.start(now=NOW)
        self.sent: list[tuple[bytes, Address]] = []
        knows.meet(self.card)
        self.settle()

    @property
    def card(self) -> Fields:
        """The card of our peer as fields."""
        card = self.core.me.card
        return [card.name, card.identity, card.live, card.mail, card.counter, card.signature]

    def settle(self) -> None:
        """What a shell does: store, send, show."""
        records = self.core.records_to_store()
        self.disk += records
        if not self.is_disk_slow:
            self.core.records_stored(now=self.now)
        self.sent += [(data, to) for data, to in self.core.datagrams_to_send(now=self.now) if to != SERVER]
        self.seen += self.core.events()

    def receive(self, datagram: bytes, source: Address = THERE) -> None:
        """A datagram comes."""
        self.core.receive_datagram(datagram, source, now=self.now)
        self.settle()

    def wait(self, span: float) -> None:
        """Time passes."""
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
        """What went out since it was asked last."""
        sent, self.sent = self.sent, []
        return sent

    def texts(self) -> list[str]:
        """The direct messages that were shown."""
        return [event.text for event in self.seen if isinstance(event, happened.DirectReceived)]


def frames_for(who: Stranger, sent: list[tuple[bytes, Address]]) -> list[Fields]:
    """All frames of the sealed ones among these datagrams."""
    return [frame for data, _ in sent if data[0] == 7 for frame in who.open(data)]


def acked(who: Stranger, sent: list[tuple[bytes, Address]]) -> set[int]:
    """The numbers that are acknowledged."""
    numbers: set[int] = set()
    for frame in frames_for(who, sent):
        if frame[0] == 2:
            at = frame[1]
            for place, length in enumerate(frame[2]):
                numbers |= set(range(at, at + length)) if place % 2 == 0 else set()
                at += length
    return numbers


def part(number: int, text: str) -> Fields:
    """A short message as a frame."""
    return [1, number, 0, 1, by_hand.packed([1_700_000_000_000, text])]


@pytest.fixture
def bob() -> Stranger:
    return Stranger("bob", 0x11)


@pytest.fixture
def ours(bob: Stranger) -> Ours:
    return Ours(bob)


# --- receiving


def test_an_acknowledgement_means_that_it_is_stored(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "Ack names numbers that are stored on the receiver's disk; it is never sent before"."""
    ours.is_disk_slow = True
    ours.receive(bob.seal([4, 7], part(7, "hello")))
    assert acked(bob, ours.take()) == set()
    assert ours.texts() == []
    ours.is_disk_slow = False
    ours.settle()
    assert acked(bob, ours.take()) == {7}
    assert ours.texts() == ["hello"]
    assert any(isinstance(record, IncomingAdded) and record.number == 7 for record in ours.disk)


def test_a_repeat_is_acknowledged_and_not_shown(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "A repeat is acknowledged again, and not shown"."""
    for _ in range(3):
        ours.receive(bob.seal([4, 7], part(7, "hello")))
        assert acked(bob, ours.take()) == {7}
    assert ours.texts() == ["hello"]


def test_below_the_floor_is_a_repeat(ours: Ours, bob: Stranger) -> None:
    """Clause 6.3: "A receiver takes a number below the floor for a repeat"."""
    ours.receive(bob.seal([4, 7], part(7, "seven")))
    ours.receive(bob.seal(part(6, "six")))
    assert 6 in acked(bob, ours.take())
    assert ours.texts() == ["seven"]


def test_messages_are_shown_in_order(ours: Ours, bob: Stranger) -> None:
    """Clause 6.7: "A receiver shows each message of a sender once, in the order of their numbers"."""
    ours.receive(bob.seal([4, 7], part(9, "nine")))
    ours.receive(bob.seal(part(8, "eight")))
    assert ours.texts() == []
    assert acked(bob, ours.take()) == {8, 9}
    ours.receive(bob.seal(part(7, "seven")))
    assert ours.texts() == ["seven", "eight", "nine"]


def test_a_hole_is_waited_for_15_seconds(ours: Ours, bob: Stranger) -> None:
    """Clause 6.7: "A latecomer out of a hole that was skipped is shown when it comes"."""
    ours.receive(bob.seal([4, 7], part(8, "eight")))
    ours.wait(14.9)
    assert ours.texts() == []
    ours.wait(0.2)
    assert ours.texts() == ["eight"]
    ours.receive(bob.seal(part(7, "seven")))
    assert ours.texts() == ["eight", "seven"]


def test_nobody_waits_for_what_never_comes(ours: Ours, bob: Stranger) -> None:
    """Clause 6.3: "**Void** names `count` numbers from `first` on that never come although the floor is below them"."""
    ours.receive(bob.seal([4, 5], part(5, "five"), [5, 6, 2], part(8, "eight")))
    assert ours.texts() == ["five", "eight"]


def test_parts_in_any_order(ours: Ours, bob: Stranger) -> None:
    """Clause 6.6: "PartAck names the parts of an incomplete message that are held in memory, which a restart forgets; it
    does not say that the message is stored"."""
    body = by_hand.packed([0, "x" * 3_000])
    pieces = [body[at : at + 1_000] for at in range(0, len(body), 1_000)]
    order = [3, 1, 0]
    for index in order:
        ours.receive(bob.seal([4, 7], [1, 7, index, 4, pieces[index]]))
    frames = frames_for(bob, ours.take())
    assert [frame for frame in frames if frame[0] == 3][-1] == [3, 7, 0, [2, 1, 1]]
    assert not [frame for frame in frames if frame[0] == 2]
    ours.receive(bob.seal([1, 7, 2, 4, pieces[2]]))
    assert acked(bob, ours.take()) == {7}
    assert ours.texts() == ["x" * 3_000]


def test_other_frames_are_ignored_between_peers(ours: Ours, bob: Stranger) -> None:
    """Clause 5.3: "Between peers, tags 1 to 5 count and the others are ignored"."""
    ours.receive(bob.seal([10, 1], [12, 1], [11, 1, 2**40], [13, 1], [4, 7], part(7, "hello")))
    assert {frame[0] for frame in frames_for(bob, ours.take())} <= {1, 2, 3, 4, 5}
    assert ours.texts() == ["hello"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:1] + bytes(8) + data[9:],
        lambda data: b"\x08" + data[1:],
        lambda data: b"\x63" + data[1:],
        lambda data: b"",
    ],
)
def test_what_is_wrong_is_dropped(ours: Ours, bob: Stranger, spoil: Callable[[bytes], bytes]) -> None:
    """Clause 1.5: "A datagram or frame that does not decode, does not open, bears an unknown tag, kind or a bad signature
    is dropped"."""
    ours.take()
    good = bob.seal([4, 7], part(7, "hello"))
    ours.receive(spoil(good))
    assert ours.take() == []
    assert ours.texts() == []
    ours.receive(good)
    assert ours.texts() == ["hello"]
    ours.receive(good)
    assert ours.texts() == ["hello"]


# --- sending


def test_a_message_is_tried_five_times(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "A message that is not acknowledged is tried 5 times, 500 ms apart, and given up as unanswered 500 ms
    after the last"."""
    ours.wait(3.0)
    ours.take()
    number = ours.core.speech.send("bob", "are you there?", now=ours.now).number
    begun = ours.now
    tries = []
    ours.settle()
    while ours.now < begun + 4.0:
        parts = [frame for frame in frames_for(bob, ours.take()) if frame[0] == 1]
        tries += [round(ours.now - begun, 1)] * len(parts)
        assert all(frame[1:4] == [number, 0, 1] for frame in parts)
        ours.wait(0.1)
    assert tries == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_a_floor_stands_with_every_part(ours: Ours, bob: Stranger) -> None:
    """Clause 6.3: "A sender puts Floor into every datagram with a Part"."""
    number = ours.core.speech.send("bob", "hello", now=ours.now).number
    ours.settle()
    ours.wait(2.0)
    datagrams = [bob.open(data) for data, _ in ours.take() if data[0] == 7]
    assert datagrams
    for frames in datagrams:
        assert [frame[0] for frame in frames].count(4) == 1
        assert [frame[1] for frame in frames if frame[0] == 4] == [number]


def test_numbers_begin_with_the_clock(ours: Ours, bob: Stranger) -> None:
    """Clause 6.2: "the larger of the last one stored + 1 and the clock in microseconds; each later one is the next"."""
    first = ours.core.speech.send("bob", "one", now=ours.now).number
    second = ours.core.speech.send("bob", "two", now=ours.now + 5.0).number
    assert first == int((WALL + ours.now - NOW) * 1_000_000)
    assert second == first + 1


def test_an_acknowledgement_ends_the_tries(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "Ack names numbers that are stored on the receiver's disk"."""
    number = ours.core.speech.send("bob", "hello", now=ours.now).number
    ours.settle()
    ours.receive(bob.seal([2, number, [1]]))
    assert [event.number for event in ours.seen if isinstance(event, happened.Delivered)] == [number]
    ours.take()
    ours.wait(3.0)
    assert [data for data, _ in ours.take() if data[0] == 7] == []


@pytest.mark.parametrize("size", [1, 1_100, 1_101, 5_000, 65_536])
def test_no_datagram_is_longer_than_it_may_be(ours: Ours, bob: Stranger, size: int) -> None:
    """Clause 6.6: "A body is cut into **parts** of at most 1,101 bytes, all of one size but the last"."""
    ours.core.speech.send("bob", "x" * size, now=ours.now)
    ours.settle()
    sent = ours.take()
    assert all(len(data) <= 1_200 for data, _ in sent)
    parts = {frame[2]: frame for frame in frames_for(bob, sent) if frame[0] == 1}
    count = next(iter(parts.values()))[3]
    assert sorted(parts) == list(range(count))
    assert {len(parts[index][4]) for index in range(count - 1)} <= {1_101}
    body = b"".join(parts[index][4] for index in range(count))
    assert body == by_hand.packed([int((WALL + ours.now - NOW) * 1_000), "x" * size])


# --- cards and places


def cards(sent: list[tuple[bytes, Address]]) -> list[bytes]:
    """The CARD datagrams."""
    return [data for data, _ in sent if data[0] == 6]


def restarted(who: Stranger, counter: int) -> bytes:
    """A CARD with a new live key; from here on `who` seals with it."""
    who.live = bytes([0x70 + counter]) * 32
    who.sealed_so_far = 0
    live, mail = by_hand.public_of(who.live), by_hand.public_of(who.mail)
    who.card = by_hand.card(who.seed, who.name, live, mail, counter)
    return b"\x06" + by_hand.packed(who.card)


def test_our_card_goes_before_the_first_datagram(ours: Ours, bob: Stranger) -> None:
    """Clause 6.5: "A peer sends it before its first datagram to somebody of whom nothing has opened since our live key is
    what it is"."""
    ours.core.speech.send("bob", "hello", now=ours.now)
    ours.settle()
    kinds = [data[0] for data, _ in ours.take()]
    assert kinds[:2] == [6, 7]


def test_a_card_tells_a_new_live_key(ours: Ours, bob: Stranger) -> None:
    """Clause 6.5: "A CARD is taken only for an identity that is known, under the same name, with a higher counter, and
    authentic. It is never answered, and says nothing about where its owner is"."""
    card = restarted(bob, 2)
    before = bob.seal([4, 7], part(7, "too early"))
    ours.receive(before)
    ours.take()
    ours.receive(card, ELSEWHERE)
    assert ours.take() == []
    ours.receive(bob.seal([4, 7], part(7, "hello")))
    assert ours.texts() == ["hello"]
    assert {to for _, to in ours.take()} == {THERE}


def test_other_cards_are_dropped(ours: Ours, bob: Stranger) -> None:
    """Clause 6.5: "A CARD is taken only for an identity that is known, under the same name, with a higher counter, and
    authentic"."""
    forged = restarted(bob, 2)
    live, mail = by_hand.public_of(bob.live), by_hand.public_of(bob.mail)
    for bad in (
        forged[:-1] + bytes([forged[-1] ^ 1]),
        b"\x06" + by_hand.packed(by_hand.card(bob.seed, "rob", live, mail, 2)),
        b"\x06" + by_hand.packed(by_hand.card(b"\x66" * 32, "bob", live, mail, 2)),
        b"\x06" + by_hand.packed(by_hand.card(bob.seed, "bob", live, mail, 1)),
    ):
        ours.receive(bad)
    ours.receive(bob.seal([4, 7], part(7, "hello")))
    assert ours.texts() == []
    ours.receive(forged)
    ours.receive(bob.seal([4, 7], part(7, "hello")))
    assert ours.texts() == ["hello"]


def test_messages_under_way_are_sealed_anew(ours: Ours, bob: Stranger) -> None:
    """Clause 6.5: "Messages under way to its owner are then tried afresh"."""
    ours.core.speech.send("bob", "hello", now=ours.now)
    ours.settle()
    ours.take()
    ours.receive(restarted(bob, 2))
    assert [frame[0] for frame in frames_for(bob, ours.take())].count(1) == 1


def test_only_a_datagram_that_opens_moves_somebody(ours: Ours, bob: Stranger) -> None:
    """Clause 5.5: "A peer's address changes by a newer row, or by a datagram of theirs that opened: never by one that did
    not, and never by a CARD"."""
    good = bob.seal([4, 7], part(7, "hello"))
    ours.receive(good[:-1] + bytes([good[-1] ^ 1]), ELSEWHERE)
    ours.core.speech.send("bob", "hello", now=ours.now)
    ours.settle()
    assert {to for _, to in ours.take()} == {THERE}
    ours.receive(good, ELSEWHERE)
    assert {to for _, to in ours.take()} == {ELSEWHERE}


# --- sessions


def registered(ours: Ours, house: House, counters: list[int]) -> None:
    """Let our peer and a registry talk by UDP until nothing more is said; notes the counters that our peer seals under."""
    while sent := ours.core.datagrams_to_send(now=ours.now):
        for data, to in sent:
            assert to == SERVER
            if data[0] == 7:
                counters.append(int.from_bytes(data[9:17], "big"))
            for answer in house.send(data, HERE):
                ours.core.receive_datagram(answer, SERVER, now=ours.now)
    ours.core.records_stored(now=ours.now)


def test_a_session_goes_on_when_its_two_live_keys_meet_again() -> None:
    """Clause 5.2: "a program that meets the same two live keys again must go on with the session that it had"."""
    ours, house, counters = Ours(Stranger("bob", 0x11)), House(now=NOW), list[int]()
    for _ in range(3):
        ours.core.start(now=ours.now)
        registered(ours, house, counters)
        ours.core.leave(now=ours.now)
        registered(ours, house, counters)
        assert ours.core.is_offline
    assert len(counters) >= 2
    assert len(set(counters)) == len(counters)


@pytest.mark.parametrize("counter", [1, 2])
def test_a_card_that_its_owner_never_signed_starts_no_session_anew(counter: int) -> None:
    """Clause 3.2: "A card that is not authentic never takes the place of one that is in use"."""
    bob, live, identity = Stranger("bob", 0x11), AgreementKey(b"\x02" * 32), Identity(b"\x01" * 32).public
    contacts = Contacts()
    contacts.use_lives([live])
    forged: Fields = [*bob.card[:2], b"\x99" * 32, bob.card[3], counter, bytes(64)]
    used = []
    for card in (bob.card, forged, bob.card):
        contacts.take_row(decode_row(by_hand.packed([card, THERE.host, THERE.port, 1, 0, 0, 1])))
        contact = contacts.by_identity(bob.identity)
        assert contact is not None
        with contextlib.suppress(SealError):
            used.append(contact.session(live, identity).seal(b"")[:17])
    assert len(set(used)) == len(used) == 3
