"""The user's own identity: rising card counters, and notes to oneself."""

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageChanged, MessageState, Said
from chatapp.peer.core.context import Outputs
from chatapp.peer.core.identity import LocalIdentity, NotesToSelf
from chatapp.peer.core.records import (
    IncomingAdded,
    Named,
    OutgoingAdded,
    OutgoingChanged,
    StoredStream,
)
from chatapp.wire.identity import AgreementKey, is_authentic
from tests.peer.core.cast import WALL, Someone

ALICE = Someone("alice")


def make_me(counter: int = 10) -> LocalIdentity:
    mail = [AgreementKey(b"m" * 32), AgreementKey(b"n" * 32)]
    return LocalIdentity(name="alice", identity=ALICE.identity, mail_keys=mail, counter=counter)


def test_the_card_shows_the_present_keys_and_is_ours() -> None:
    me = make_me()
    assert is_authentic(me.card)
    assert me.card.mail == me.mail_keys[0].public
    assert (me.card.name, me.card.counter) == ("alice", 10)


def test_openings_have_numbers_above_those_of_every_earlier_life() -> None:
    """Clause 5.2."""
    me = make_me()
    first = me.first_opening
    me.rename("ada")
    assert first < me.first_opening < make_me(counter=12).first_opening
    assert make_me(counter=2**62).first_opening < 2**63


def test_what_one_writes_to_oneself_is_shown_and_delivered_when_it_is_stored() -> None:
    out = Outputs()
    notes = NotesToSelf(make_me(), StoredStream(), out)
    note = notes.write("milk", wall=WALL)
    number = note.number
    assert out.drain_events() == []
    records = out.drain_records()
    assert OutgoingAdded(ALICE.id, number, int(WALL * 1_000), "milk", note.id) in records
    assert OutgoingChanged(ALICE.id, number, MessageState.DELIVERED, int(WALL * 1_000)) in records
    assert Named(ALICE.id, "alice") in records  # or a note would be of somebody unknown
    assert not any(isinstance(record, IncomingAdded) for record in records)  # one line, not two
    notes.stored()
    received, delivered = out.drain_events()
    assert isinstance(received, Said)
    assert (received.id, received.sender, received.text, received.is_late) == (
        note.id,
        "alice",
        "milk",
        False,
    )
    assert delivered == MessageChanged(
        conversation=person("alice"), id=note.id, state=MessageState.DELIVERED
    )
    notes.stored()
    assert out.drain_events() == []


def test_numbers_of_notes_rise_over_lives() -> None:
    notes = NotesToSelf(make_me(), StoredStream(last_sent=int(WALL * 1_000_000)), Outputs())
    assert notes.write("milk", wall=WALL - 9.0).number == int(WALL * 1_000_000) + 1
