"""Notes to oneself: stored, delivered and shown, and never sent."""

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageChanged, MessageState, Said
from chatapp.peer.core.direct.direct import NotesToSelf
from chatapp.peer.core.records import (
    IncomingAdded,
    Named,
    OutgoingAdded,
    OutgoingChanged,
    StoredStream,
)
from tests.peer.core.cast import WALL, Someone

ALICE = Someone("alice")


def test_what_one_writes_to_oneself_is_shown_and_delivered_when_it_is_stored() -> None:
    ctx = ALICE.context()
    out, notes = ctx.out, NotesToSelf(ctx, StoredStream())
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
    notes = NotesToSelf(ALICE.context(), StoredStream(last_sent=int(WALL * 1_000_000)))
    assert notes.write("milk", wall=WALL - 9.0).number == int(WALL * 1_000_000) + 1
