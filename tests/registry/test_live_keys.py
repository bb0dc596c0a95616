"""This file is about the registry's live key: renewed in time, the last one honoured for a while."""

from registry.policy import Policy
from tests.registry.rig import Rig
from wire.messages.link import RegistryCard
from wire.messages.presence import Ping
from wire.messages.registration import Welcome


def test_the_registrys_live_key_is_renewed_and_the_last_one_honoured(rig: Rig) -> None:
    bob = rig.member("bob")
    old_card = rig.core._sessions.card
    before = bob.session
    renewal = rig.now + Policy().live_key_span
    while rig.now < renewal:
        bob.ask(Ping(1))
        rig.advance(min(140.0, renewal - rig.now))
    cards = [notice.card for notice in bob.notices() if isinstance(notice, RegistryCard)]
    assert cards == [rig.core._sessions.card]
    assert cards[0].counter > old_card.counter
    assert bob.ping(), "under the key before"
    bob.use_registry(cards[0])
    assert bob.ping(), "under the new one"
    bob.session = before
    rig.advance(61.0)
    assert not bob.ping()


def test_too_many_sessions_renew_the_key_early() -> None:
    rig = Rig(policy=Policy(sessions_max=3))
    old = rig.core._sessions.card
    hands = [rig.hand(name) for name in ("ann", "bob", "eve")]
    for hand in hands:
        hand.register()
    rig.advance(121.0)
    assert rig.core._sessions.card != old
    assert len(rig.core._sessions) == 3, "those before fade"
    rig.advance(61.0)
    assert len(rig.core._sessions) == 0
    assert isinstance(hands[0].register(), Welcome)
    assert hands[0].ping()
