"""The user's own identity: rising card counters."""

from chatapp.peer.core.context import LocalIdentity
from chatapp.wire.identity import AgreementKey, is_authentic
from tests.peer.core.cast import Someone

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
