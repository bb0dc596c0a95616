"""Our peer and an independent peer: sessions, addresses and cards (clauses 5 and 6)."""

import pytest

from chatapp.peer.core.contacts import Contacts
from chatapp.wire.codec import decode_row
from tests.conformance import by_hand
from tests.conformance.engine import ELSEWHERE, THERE
from tests.conformance.ours import Ours, acked, frames_for, part
from tests.conformance.stranger import Fields, Stranger


def test_the_first_datagram_opens_a_session_and_says_what_there_is_to_say(
    ours: Ours, bob: Stranger
) -> None:
    """Clause 5.2: "A program that has something to send and shares no session sends it in an
    OPENING"."""
    ours.core.direct.send("bob", "hello", now=ours.now)
    ours.settle()
    ((data, _),) = ours.take()
    assert data[0] == 6
    assert 1 in [frame[0] for frame in bob.open(data)]
    ours.receive(bob.seal([2, 1, [1]]))
    ours.core.direct.send("bob", "again", now=ours.now)
    ours.settle()
    assert [data[0] for data, _ in ours.take()] == [7]


def test_an_opening_is_answered_with_what_there_is_to_say(ours: Ours, bob: Stranger) -> None:
    """Clause 5.2: "Until a SEALED datagram of that session has come, each datagram of the answerer
    is an ANSWER"."""
    kinds = []
    for number in (7, 8, 9):
        ours.receive(bob.seal([4, 7], part(number, "hello")))
        sent = ours.take()
        kinds += [data[0] for data, _ in sent]
        assert acked(bob, sent) >= {number}
    assert kinds == [10, 7, 7]


def test_an_empty_opening_is_answered_at_once(ours: Ours, bob: Stranger) -> None:
    """Clause 5.2: "An opening with an empty payload is answered at once with an empty ANSWER"."""
    ours.receive(bob.seal_bytes(b""), ELSEWHERE)
    ((data, to),) = ours.take()
    assert (data[0], to) == (10, ELSEWHERE)
    assert bob.open(data) == []


def test_a_repeated_opening_opens_nothing(ours: Ours, bob: Stranger) -> None:
    """Clause 5.2: "The answerer accepts from each identity, separately for datagrams and links,
    only numbers higher than the last one that it accepted"."""
    first = bob.seal([4, 7], part(7, "hello"))
    ours.receive(first)
    bob.forget()
    ours.receive(bob.seal([4, 7], part(8, "more")))
    ours.take()
    ours.receive(first, ELSEWHERE)
    assert ours.take() == []
    assert ours.texts() == ["hello", "more"]


def test_an_opening_without_the_proof_is_dropped(ours: Ours, bob: Stranger) -> None:
    """Clause 5.2: "The answerer checks it before computing anything expensive"."""
    good = bob.seal([4, 7], part(7, "hello"))
    for place in range(0, 113, 8):
        bad = bytearray(good)
        bad[place] ^= 1
        ours.receive(bytes(bad))
    assert ours.take() == []
    ours.receive(good)
    assert ours.texts() == ["hello"]


def test_a_restarted_peer_gets_pending_messages_again(ours: Ours, bob: Stranger) -> None:
    """Clause 6.5: "tries messages under way to that sender afresh"."""
    ours.core.direct.send("bob", "hello", now=ours.now)
    ours.settle()
    ours.take()
    ours.receive(bob.seal_bytes(b""))
    assert [frame[0] for frame in frames_for(bob, ours.take())].count(1) == 1


def test_everybody_is_hailed_while_the_registry_is_away(ours: Ours, bob: Stranger) -> None:
    """Clause 6.5: "While the registry does not answer, a peer sends an empty OPENING to everybody
    in the table from whom no datagram has opened"."""
    ours.wait(4.0)
    hails = [data for data, _ in ours.take()]
    assert len(hails) >= 2
    assert {data[0] for data in hails} == {6}
    assert [bob.open(data) for data in hails] == [[]] * len(hails)


def test_a_session_is_renewed(ours: Ours, bob: Stranger) -> None:
    """Clause 5.6: "A program that seals a datagram in a session that is 120 seconds old, or in
    which it has sealed 2^20, sends an empty OPENING beside it"."""
    ours.receive(bob.seal([4, 7], part(7, "hello")))
    assert acked(bob, ours.take()) == {7}
    ours.receive(bob.seal([4, 7], part(8, "hello")))
    ours.take()
    ours.now += 120.0
    ours.receive(bob.seal([4, 7], part(9, "hello")))
    assert sorted(data[0] for data, _ in ours.take()) == [6, 7]


def test_only_a_datagram_that_opens_moves_somebody(ours: Ours, bob: Stranger) -> None:
    """Clause 5.5: "A peer's address changes by a newer row, or by a datagram of that peer that
    opened, and never by a datagram that did not"."""
    good = bob.seal([4, 7], part(7, "hello"))
    ours.receive(good[:-1] + bytes([good[-1] ^ 1]), ELSEWHERE)
    ours.core.direct.send("bob", "hello", now=ours.now)
    ours.settle()
    assert {to for _, to in ours.take()} == {THERE}
    ours.receive(good, ELSEWHERE)
    assert {to for _, to in ours.take()} == {ELSEWHERE}


@pytest.mark.parametrize("counter", [0, 1, 2])
def test_a_row_whose_card_its_owner_never_signed_is_not_taken(counter: int) -> None:
    """Clause 3.2: "A row whose card is not authentic is not accepted at all"."""
    bob, contacts = Stranger("bob", 0x11), Contacts()
    forged: Fields = [*bob.card[:2], b"\x99" * 32, counter, bytes(64)]
    for version, card in enumerate((forged, bob.card, forged, bob.card)):
        contacts.take_row(
            decode_row(by_hand.packed([card, THERE.host, THERE.port, 1, 0, 0, version]))
        )
        contact = contacts.by_identity(bob.identity)
        assert (contact is None) is (version == 0)
        assert contact is None or contact.row.card.mail == bob.card[2]
