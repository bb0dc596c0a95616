"""This file is about ourselves: live keys that are renewed, cards that rise, and messages to oneself."""

import random

from peer.core.events import Delivered, DirectReceived
from peer.core.me import LIVE_KEY_LASTS_FOR, OLD_LIVE_KEY_LASTS_FOR, Me, Notebook
from peer.core.outputs import Outputs
from peer.core.records import IncomingAdded, Named, OutgoingAdded, OutgoingChanged
from peer.core.standing import Standing
from peer.core.stored import StoredStream
from tests.peer.core.cast import WALL, Someone
from wire.identity import AgreementKey, is_authentic

ALICE = Someone("alice")


def make_me() -> Me:
    mail = [AgreementKey(b"m" * 32), AgreementKey(b"n" * 32)]
    return Me(name="alice", identity=ALICE.identity, live=b"l" * 32, mail_keys=mail, counter=10)


def test_the_card_shows_the_present_keys_and_is_ours() -> None:
    me = make_me()
    assert is_authentic(me.card)
    assert (me.card.live, me.card.mail) == (me.live.public, me.mail_keys[0].public)
    assert (me.card.name, me.card.counter) == ("alice", 10)


def test_a_live_key_is_replaced_after_a_day_and_opens_a_minute_more() -> None:
    """Clause 3.1."""
    me, chance, first = make_me(), random.Random(1), make_me().live.public
    assert not me.handle_timer(chance, now=50.0)
    renewal = 50.0 + LIVE_KEY_LASTS_FOR
    assert me.next_timer() == renewal
    assert not me.handle_timer(chance, now=renewal - 1)
    assert me.handle_timer(chance, now=renewal)
    assert me.live.public != first
    assert [key.public for key in me.lives] == [me.live.public, first]
    assert me.card.live == me.live.public
    assert me.card.counter == 11
    assert me.next_timer() == renewal + OLD_LIVE_KEY_LASTS_FOR
    card = me.card
    assert me.handle_timer(chance, now=renewal + OLD_LIVE_KEY_LASTS_FOR)
    assert [key.public for key in me.lives] == [me.live.public]
    assert me.card is card
    assert me.next_timer() == renewal + LIVE_KEY_LASTS_FOR


def test_after_a_week_of_sleep_there_is_one_new_key_and_not_seven() -> None:
    me, chance = make_me(), random.Random(1)
    me.handle_timer(chance, now=0.0)
    late = 7.5 * LIVE_KEY_LASTS_FOR
    assert me.handle_timer(chance, now=late)
    assert not me.handle_timer(chance, now=late)
    assert me.card.counter == 11


def test_what_one_writes_to_oneself_is_shown_and_delivered_when_it_is_stored() -> None:
    out = Outputs()
    notebook = Notebook(make_me(), StoredStream(), out)
    number = notebook.write("milk", wall=WALL).number
    assert out.drain_events() == []
    records = out.drain_records()
    assert OutgoingAdded(ALICE.id, number, int(WALL * 1_000), "milk") in records
    assert OutgoingChanged(ALICE.id, number, Standing.DELIVERED, int(WALL * 1_000)) in records
    assert Named(ALICE.id, "alice") in records  # or a note would be of somebody unknown
    assert not any(isinstance(record, IncomingAdded) for record in records)  # one line, not two
    notebook.stored()
    received, delivered = out.drain_events()
    assert isinstance(received, DirectReceived)
    assert (received.sender, received.text, received.late) == ("alice", "milk", None)
    assert delivered == Delivered(to="alice", number=number, through_server=False)
    notebook.stored()
    assert out.drain_events() == []


def test_numbers_of_notes_rise_over_lives() -> None:
    notebook = Notebook(make_me(), StoredStream(last_sent=int(WALL * 1_000_000)), Outputs())
    assert notebook.write("milk", wall=WALL - 9.0).number == int(WALL * 1_000_000) + 1
