"""Registration: permanent names, waiting for the disk, limits for each address."""

import pytest

from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.admission import is_welcome_authentic
from chatapp.wire.messages.registration import RefusalReason, Refused, Welcome
from tests.registry.linked_peer import LinkedPeer, table_of
from tests.registry.rig import PORT, WALL, Rig


def impostor_of(rig: Rig, name: str) -> LinkedPeer:
    return LinkedPeer(rig, name, host="10.66.6.6", seed=666)


def test_welcome_says_where_we_are_and_what_holds(rig: Rig) -> None:
    bob = rig.peer("bob")
    welcome = bob.register()
    assert isinstance(welcome, Welcome)
    assert is_welcome_authentic(welcome, registry=rig.identity.public, identity=bob.id)
    assert (welcome.host, welcome.port) == bob.address
    assert (welcome.lease, welcome.link_port) == (30, PORT)
    assert welcome.table_version >= WALL * 1_000


def test_a_new_name_is_welcome_only_when_it_is_on_the_disk(rig: Rig) -> None:
    bob = rig.peer("bob")
    rig.auto_commit = False
    assert bob.register() is None
    rig.hand_over()
    rig.turn()
    assert bob.answer() is None
    rig.commit()
    assert isinstance(bob.answer(), Welcome)


def test_a_name_on_its_way_to_the_disk_is_taken_for_others(rig: Rig) -> None:
    bob = rig.peer("bob")
    rig.auto_commit = False
    bob.register()
    impostor = impostor_of(rig, "bob")
    refused = impostor.register()
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NAME_TAKEN
    assert bob.register() is None, "asked again: the answer is still on its way"


def test_a_full_disk_binds_no_name_and_says_so(rig: Rig) -> None:
    bob = rig.peer("bob")
    rig.store.full = True
    refused = bob.register()
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NOT_SERVING
    rig.store.full = False
    assert isinstance(impostor_of(rig, "bob").register(), Welcome), "the name is free again"


def test_a_full_disk_lets_those_in_who_have_a_name(rig: Rig) -> None:
    bob = rig.member("bob")
    rig.store.full = True
    bob.renew()
    assert isinstance(bob.register(), Welcome)


def test_an_impostor_is_refused(rig: Rig) -> None:
    bob = rig.member("bob")
    refused = impostor_of(rig, "bob").register()
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.name) == (RefusalReason.NAME_TAKEN, "bob")
    assert table_of(bob)["bob"].card == bob.card


def test_an_impostor_is_refused_after_a_crash_too(rig: Rig) -> None:
    bob = rig.member("bob")
    rig.restart(crash=True)
    refused = impostor_of(rig, "bob").register()
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NAME_TAKEN
    assert isinstance(bob.register(), Welcome)


def test_a_registered_name_may_change_its_case(rig: Rig) -> None:
    bob = rig.member("bob")
    bob.renew()
    assert isinstance(bob.register(card=bob.make_card(name="Bob")), Welcome)
    rig.advance(LINK_AWAITED_FOR)
    assert "Bob" in table_of(bob)


def test_registrations_without_end_make_sessions_with_an_end() -> None:
    rig = Rig(policy=RegistryPolicy(sessions_max=3))
    bob, eve = rig.member("bob"), rig.peer("eve")
    for _ in range(10):
        eve.renew()
        eve.register()
        assert eve.ping()
    assert len(rig.core.edge.sessions) == 2
    assert bob.ping()
    rig.advance(61.0)
    assert len(rig.core.edge.sessions.table) == 2
    pending = [rig.peer(f"user{number}") for number in range(4)]
    for peer in pending:
        peer.register()
    assert len(rig.core.edge.sessions) == 3
    assert bob.ping() and pending[-1].ping()
    assert not pending[0].ping()
    pending[0].register()
    assert pending[0].ping()


def test_an_address_has_a_quota_of_new_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are permanent: nobody can use them up for everybody, and a person who has a name
    registers as usual."""
    monkeypatch.setattr("chatapp.registry.rules.people.registration.NAMES_PER_ADDRESS_BURST", 3.0)
    rig = Rig()
    pending = [rig.peer(f"squatter{number}", host="10.9.9.9") for number in range(4)]
    answers = [one.register() for one in pending]
    assert [type(answer) for answer in answers] == [Welcome, Welcome, Welcome, Refused]
    assert isinstance(answers[3], Refused) and answers[3].reason is RefusalReason.FULL
    pending[0].renew()
    assert isinstance(pending[0].register(), Welcome)
    assert isinstance(rig.peer("elsewhere").register(), Welcome)
    rig.advance(3_600 / 500 + 1)
    assert isinstance(pending[3].register(), Welcome)


def test_a_network_of_ipv6_has_one_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.rules.people.registration.NAMES_PER_ADDRESS_BURST", 1.0)
    rig = Rig()
    first, second = rig.peer("one", host="2001:db8::1"), rig.peer("two", host="2001:db8::ffff:2")
    assert isinstance(first.register(), Welcome)
    assert isinstance(second.register(), Refused)
    assert isinstance(rig.peer("three", host="2001:db8:0:1::1").register(), Welcome)
