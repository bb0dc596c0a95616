"""This file is about coming in: names bound for ever, counters, repeats, and what waits for the disk."""

import pytest

from registry.policy import Policy
from tests.registry.hand import PORT, WALL, Hand, Rig, rows_of
from wire.address import Address
from wire.admission import is_welcome_authentic
from wire.messages.link import RegistryCard
from wire.messages.presence import Ping, Pong
from wire.messages.registration import RefusalReason, Refused, Welcome
from wire.messages.table import FetchTable, Row, TablePage


@pytest.fixture
def rig() -> Rig:
    return Rig()


def table(reader: Hand, since: int = 0) -> dict[str, Row]:
    (page,) = reader.ask(FetchTable(since))
    assert isinstance(page, TablePage)
    return {row.card.name: row for row in rows_of(page.rows)}  # type: ignore[arg-type]


def impostor_of(rig: Rig, name: str) -> Hand:
    return Hand(rig, name, host="10.66.6.6", seed=666)


def test_welcome_says_where_we_are_and_what_holds(rig: Rig) -> None:
    bob = rig.hand("bob")
    welcome = bob.register()
    assert isinstance(welcome, Welcome)
    assert is_welcome_authentic(welcome, registry=rig.identity.public, identity=bob.id)
    assert (welcome.host, welcome.port) == bob.address
    assert (welcome.lease, welcome.link_port) == (30, PORT)
    assert welcome.table_version >= WALL * 1_000


def test_a_new_name_is_welcome_only_when_it_is_on_the_disk(rig: Rig) -> None:
    bob = rig.hand("bob")
    rig.auto_commit = False
    assert bob.register() is None
    rig.hand_over()
    rig.turn()
    assert bob.answer() is None
    rig.commit()
    assert isinstance(bob.answer(), Welcome)


def test_a_name_on_its_way_to_the_disk_is_taken_for_others(rig: Rig) -> None:
    bob = rig.hand("bob")
    rig.auto_commit = False
    bob.register()
    impostor = impostor_of(rig, "bob")
    refused = impostor.register()
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NAME_TAKEN
    assert bob.register() is None, "asked again: the answer is still on its way"


def test_a_full_disk_binds_no_name_and_says_so(rig: Rig) -> None:
    bob = rig.hand("bob")
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
    assert table(bob)["bob"].card == bob.card


def test_an_impostor_is_refused_after_a_crash_too(rig: Rig) -> None:
    bob = rig.member("bob")
    rig.restart(crash=True)
    refused = impostor_of(rig, "bob").register()
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NAME_TAKEN
    assert isinstance(bob.register(), Welcome)


def test_a_lower_counter_is_refused_also_after_a_restart(rig: Rig) -> None:
    bob = rig.hand("bob")
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
    bob, ann = rig.hand("bob"), rig.member("ann")
    data = bob.register_bytes(bob.hello())
    rig.receive(data, bob.address)
    assert isinstance(bob.answer(), Welcome)
    version = rig.core._service.directory.version
    rig.receive(data, Address("10.6.6.6", 6_666))
    assert not rig.take(Address("10.6.6.6", 6_666))
    assert rig.core._service.directory.version == version
    assert table(ann)["bob"].host == bob.address.host


def test_a_repeated_register_is_answered_again_and_changes_nothing(rig: Rig) -> None:
    bob = rig.hand("bob")
    data = bob.register_bytes(bob.hello())
    rig.receive(data, bob.address)
    first = bob.answer()
    version = rig.core._service.directory.version
    rig.receive(data, bob.address)
    assert bob.answer() == first
    assert rig.core._service.directory.version == version


def test_a_repeated_register_brings_nobody_back_who_has_left(rig: Rig) -> None:
    bob, ann = rig.hand("bob"), rig.member("ann")
    cookie = bob.hello()
    data = bob.register_bytes(cookie)
    rig.receive(data, bob.address)
    bob.use_registry(cookie.card)
    bob.leave()
    rig.receive(data, bob.address)
    assert bob.answer() is None
    assert not table(ann)["bob"].online
    assert isinstance(bob.register(), Welcome), "a REGISTER of a new HELLO does"
    assert table(ann)["bob"].online


def test_a_newer_card_replaces_the_older_and_the_link_stays(rig: Rig) -> None:
    bob, ann = rig.member("bob"), rig.member("ann")
    link = bob.link
    bob.renew()
    bob.register()
    row = table(ann)["bob"]
    assert row.card == bob.card
    assert row.station == bob.station
    assert link not in rig.closed
    assert bob.ping() == [Pong(7, rig.core._service.directory.version)]


def test_the_live_key_before_is_honoured_for_a_minute(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    before = bob.session
    bob.renew()
    bob.register()
    bob.session, now = before, bob.session
    assert bob.ping()
    rig.advance(61.0)
    assert not bob.ping()
    bob.session = now
    assert bob.ping()


def test_the_same_card_again_goes_on_with_the_same_session(rig: Rig) -> None:
    """Two sessions of the same two live keys would use each nonce twice."""
    bob = rig.hand("bob")
    bob.register()
    bob.ping()
    bob.register()
    assert bob.ping(), "our counter went on, and so did the registry's"


def test_a_registered_name_may_change_its_case(rig: Rig) -> None:
    bob = rig.member("bob")
    bob.renew()
    assert isinstance(bob.register(card=bob.make_card(name="Bob")), Welcome)
    assert "Bob" in table(bob)


def test_restart_without_amnesia(rig: Rig) -> None:
    bob, ann = rig.member("bob"), rig.member("ann")
    version = rig.core._service.directory.version
    rig.restart(downtime=60.0)
    welcome = ann.register()
    assert isinstance(welcome, Welcome)
    assert welcome.table_version > version
    ann.attach()
    rows = table(ann)
    assert rows["bob"].card == bob.card
    assert not rows["bob"].online
    assert rows["ann"].online
    assert all(row.version > version for row in rows.values())


def test_versions_go_on_when_the_clock_was_set_back_during_a_restart(rig: Rig) -> None:
    ann = rig.member("ann")
    rig.member("bob")
    version = rig.core._service.directory.version
    rig.wall_offset -= 86_400.0
    rig.restart()
    ann.register(table_version=version)
    ann.attach()
    assert set(table(ann, since=version)) == {"ann", "bob"}


def test_claims_of_later_versions_make_work_once_a_minute_only(rig: Rig) -> None:
    ann = rig.member("ann")
    version = rig.core._service.directory.version
    ann.register(table_version=version + 1_000)
    ann.register(table_version=version + 10**12)
    assert rig.core._service.directory.version < version + 10**12
    rig.advance(61.0)
    ann.register(table_version=version + 10**12)
    assert rig.core._service.directory.version > version + 10**12


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


def test_live_keys_without_end_make_sessions_with_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.sessions.SESSIONS_FADING_MAX", 3)
    rig = Rig()
    bob, eve = rig.member("bob"), rig.hand("eve")
    for _ in range(10):
        eve.renew()
        eve.register()
    assert len(rig.core._sessions) == 1 + 1 + 3
    assert eve.ping() and bob.ping()
    rig.advance(61.0)
    assert len(rig.core._sessions) == 2


def test_an_address_has_a_quota_of_new_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are for ever: nobody uses them up for everybody, and whoever has one comes in as ever."""
    monkeypatch.setattr("registry.reception.NAMES_PER_ADDRESS_BURST", 3.0)
    rig = Rig()
    crowd = [rig.hand(f"squatter{number}", host="10.9.9.9") for number in range(4)]
    answers = [one.register() for one in crowd]
    assert [type(answer) for answer in answers] == [Welcome, Welcome, Welcome, Refused]
    assert isinstance(answers[3], Refused) and answers[3].reason is RefusalReason.FULL
    crowd[0].renew()
    assert isinstance(crowd[0].register(), Welcome)
    assert isinstance(rig.hand("elsewhere").register(), Welcome)
    rig.advance(3_600 / 500 + 1)
    assert isinstance(crowd[3].register(), Welcome)


def test_a_network_of_ipv6_has_one_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.reception.NAMES_PER_ADDRESS_BURST", 1.0)
    rig = Rig()
    first, second = rig.hand("one", host="2001:db8::1"), rig.hand("two", host="2001:db8::ffff:2")
    assert isinstance(first.register(), Welcome)
    assert isinstance(second.register(), Refused)
    assert isinstance(rig.hand("three", host="2001:db8:0:1::1").register(), Welcome)


def test_a_second_table_of_an_earlier_life_is_caught_up_with_when_its_time_comes(rig: Rig) -> None:
    """Clause 3.2. Else its peer took our rows for old ones for as long as our clock had been set back."""
    bob, carol = rig.hand("bob"), rig.hand("carol")
    assert isinstance(bob.register(table_version=rig.core._service.directory.version + 1_000_000), Welcome)
    claimed = rig.core._service.directory.version + 1_000_000
    assert isinstance(carol.register(table_version=claimed), Welcome)
    assert rig.core._service.directory.version < claimed
    rig.advance(rig.policy.catch_up_span)
    assert rig.core._service.directory.version >= claimed
    bob.attach()
    assert {row.version > claimed for row in table(bob).values()} == {True}


def test_no_life_uses_a_version_of_another_whatever_the_clock_says(rig: Rig) -> None:
    """Clause 3.2. Else a row that was stamped anew below what a peer has would never reach it."""
    seen: set[int] = set()
    for _ in range(4):
        bob = rig.member(f"bob{len(seen)}")
        versions = {row.version for row in table(bob).values()}
        assert not versions & seen and min(versions) > max(seen, default=0)
        seen |= versions
        rig.wall_offset -= 3_600
        rig.restart()
