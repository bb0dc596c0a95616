"""This file is about our peer and a program that is not ours: cards, addresses, and sessions that go on (clause 6)."""

import pytest

from peer.core.contacts import Contacts
from tests.conformance import by_hand
from tests.conformance.house import ELSEWHERE, HERE, THERE, House
from tests.conformance.ours import NOW, SERVER, Ours, frames_for, part
from tests.conformance.stranger import Fields, Stranger
from wire.codec import decode_row


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


@pytest.mark.parametrize("counter", [0, 1, 2])
def test_a_row_whose_card_its_owner_never_signed_is_not_taken(counter: int) -> None:
    """Clause 3.2: "A row whose card is not authentic is not taken at all"."""
    bob, contacts = Stranger("bob", 0x11), Contacts()
    forged: Fields = [*bob.card[:2], b"\x99" * 32, bob.card[3], counter, bytes(64)]
    for version, card in enumerate((forged, bob.card, forged, bob.card)):
        contacts.take_row(decode_row(by_hand.packed([card, THERE.host, THERE.port, 1, 0, 0, version])))
        contact = contacts.by_identity(bob.identity)
        assert (contact is None) is (version == 0)
        assert contact is None or contact.row.card.live == bob.card[2]
