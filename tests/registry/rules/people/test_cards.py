"""Cards of a known person: older, repeated, newer."""

from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind
from chatapp.wire.messages.registration import Ping, Pong, RefusalReason, Refused, Welcome
from tests.registry.linked_peer import table_of
from tests.registry.rig import Rig, row_of

ELSEWHERE = Address("10.7.7.7", 7)


def test_a_lower_counter_is_refused_also_after_a_restart(rig: Rig) -> None:
    bob = rig.peer("bob")
    old = bob.card
    bob.register()
    bob.renew()
    bob.register()
    for _ in range(2):
        refused = bob.register(card=old)
        assert isinstance(refused, Refused)
        assert refused.reason is RefusalReason.OLD_CARD
        rig.restart(crash=True)


def test_a_register_replayed_from_elsewhere_changes_nothing(rig: Rig) -> None:
    bob, ann = rig.peer("bob"), rig.member("ann")
    data = bob.register_bytes(bob.hello())
    rig.receive(data, bob.address)
    assert isinstance(bob.answer(), Welcome)
    rig.advance(LINK_AWAITED_FOR)
    version = rig.core.engine.hub.directory.version
    rig.receive(data, Address("10.6.6.6", 6_666))
    assert [answer[0] for answer in rig.take(Address("10.6.6.6", 6_666))] == [Kind.COOKIE]
    assert rig.core.engine.hub.directory.version == version
    assert table_of(ann)["bob"].host == bob.address.host


def test_a_repeated_register_is_answered_again_and_changes_nothing(rig: Rig) -> None:
    bob = rig.peer("bob")
    data = bob.register_bytes(bob.hello())
    rig.receive(data, bob.address)
    first = bob.answer()
    version = rig.core.engine.hub.directory.version
    rig.receive(data, bob.address)
    assert bob.answer() == first
    assert rig.core.engine.hub.directory.version == version


def test_a_repeated_register_brings_nobody_back_who_has_left(rig: Rig) -> None:
    bob, ann = rig.peer("bob"), rig.member("ann")
    cookie = bob.hello()
    data = bob.register_bytes(cookie)
    rig.receive(data, bob.address)
    bob.use_registry(cookie)
    rig.advance(LINK_AWAITED_FOR)
    bob.leave()
    rig.receive(data, bob.address)
    assert bob.answer() is None
    assert not table_of(ann)["bob"].online
    assert isinstance(bob.register(), Welcome), "a REGISTER of a new HELLO does"
    rig.advance(LINK_AWAITED_FOR)
    assert table_of(ann)["bob"].online


def test_a_newer_card_replaces_the_older_and_the_link_stays(rig: Rig) -> None:
    bob, ann = rig.member("bob"), rig.member("ann")
    link = bob.link
    bob.renew()
    bob.register()
    rig.advance(LINK_AWAITED_FOR)
    row = table_of(ann)["bob"]
    assert row.card == bob.card
    assert row.sender_index == bob.sender_index
    assert link not in rig.closed
    assert bob.ping() == [Pong(7, rig.core.engine.hub.directory.version)]


def test_the_session_before_a_new_registration_is_honoured_for_a_minute(rig: Rig) -> None:
    """Clause 5.2."""
    bob = rig.peer("bob")
    bob.register()
    assert bob.ping()
    held, later = bob.seal(Ping(8)), bob.seal(Ping(9))
    bob.register()
    rig.receive(held, ELSEWHERE)
    assert not rig.take(ELSEWHERE), "it is old news where he is"
    assert bob.ping()
    rig.advance(61.0)
    rig.receive(later, bob.address)
    assert not bob.heard()
    assert bob.ping()


def test_nothing_of_an_earlier_registration_opens_a_session(rig: Rig) -> None:
    """Clause 5.2: the nonce of the REGISTER is its context. The registry may have been started anew
    in between."""
    bob = rig.peer("bob")
    bob.register()
    opening = bob.seal(Ping(1))
    rig.restart()
    rig.receive(opening, bob.address)
    bob.register()
    rig.receive(opening, ELSEWHERE)
    assert not rig.take(ELSEWHERE)
    assert bob.ping()
    rig.advance(LINK_AWAITED_FOR)
    assert row_of(rig, bob).host == bob.address.host
