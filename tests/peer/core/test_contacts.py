"""Contacts: which rows are believed, how an address changes, and whose a datagram is."""

import msgspec
import pytest

from chatapp.peer.core.contacts import Change, Contact, Contacts
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.wire.address import Address
from chatapp.wire.codec import encode, join_frames
from chatapp.wire.errors import SealError, WireError
from chatapp.wire.messages.registration import Ping
from chatapp.wire.messages.table import Row
from tests.peer.core.cast import Someone

ELSEWHERE = Address("2.2.2.2", 7_000)


@pytest.fixture
def bob() -> Someone:
    return Someone("bob")


class Home:
    """Alice's contacts and transport."""

    def __init__(self, *people: Someone) -> None:
        self.alice = Someone("alice")
        self.contacts = Contacts()
        self.transport = PeerTransport(self.alice.context(), self.contacts)
        for number, person in enumerate(people, start=1):
            assert self.contacts.take_row(person.row(number)) is Change.MOVED

    def know(self, person: Someone) -> Contact:
        contact = self.contacts.by_identity(person.id)
        assert contact is not None
        return contact

    def opens(self, datagram: bytes, source: Address | None = ELSEWHERE) -> bool:
        try:
            return not self.transport.open_run([datagram], source=source, now=0.0).problems
        except WireError:
            return False

    def sent(self, to: Someone, *, now: float = 0.0) -> bytes:
        """Return the datagrams to somebody for whom we have data."""
        self.transport._send(self.know(to), [b"\x90"], through_registry=False, now=now)
        ((datagram, _),), self.transport.datagrams = self.transport.datagrams, []
        return datagram


def said(by: Someone, to: Someone) -> bytes:
    return by.session_with(to).seal(join_frames([encode(Ping(1))]))


def forged(row: Row, **changes: object) -> Row:
    """Return a row whose card its owner has not signed."""
    return msgspec.structs.replace(row, card=msgspec.structs.replace(row.card, **changes))


# --- rows


def test_people_are_found_by_key_and_by_name_in_whatever_case() -> None:
    bob = Someone("Bob")
    home = Home(bob)
    assert home.contacts.by_name("bOB") is home.contacts.by_identity(bob.id)
    assert home.contacts.by_name("no name!") is None
    assert len(home.contacts) == 1


def test_a_newer_row_tells_where_somebody_is(bob: Someone) -> None:
    home = Home(bob)
    bob.home = ELSEWHERE
    assert home.contacts.take_row(bob.row(2)) is Change.MOVED
    assert home.know(bob).address == ELSEWHERE
    assert home.contacts.take_row(bob.row(3, online=False)) is Change.MOVED
    assert home.contacts.take_row(bob.row(4, online=False, sender_index=9)) is Change.TAKEN


def test_an_older_row_or_an_older_card_is_refused(bob: Someone) -> None:
    """Clause 3.2."""
    home = Home(bob.again())
    assert home.contacts.take_row(bob.again().row(0)) is Change.REFUSED
    home.contacts.take_row(bob.again().row(5))
    home.contacts.take_row(bob.row(6))
    assert home.know(bob).row.card == bob.again().card()


def test_a_newer_row_with_an_older_card_still_tells_whether_somebody_is_there(bob: Someone) -> None:
    """The registry was restored, and knows only the previous start."""
    home = Home(bob)
    home.contacts.take_row(bob.again().row(1))
    assert home.contacts.take_row(bob.row(2, online=False)) is Change.MOVED
    known = home.know(bob)
    assert (known.row.card, known.row.online, known.row.version) == (bob.again().card(), False, 2)


def test_an_impostor_under_a_pinned_name_is_blocked_and_the_pinned_key_stays(bob: Someone) -> None:
    """Clause 3.5."""
    home = Home(bob)
    impostor = Someone("impostor")
    impostor.name = "BOB"
    assert home.contacts.take_row(impostor.row(2)) is Change.KEY_CHANGED
    assert home.contacts.is_blocked("bob")
    assert home.contacts.by_identity(impostor.id) is None
    found = home.contacts.by_name("bob")
    assert found is not None and found.identity == bob.id


def test_a_name_that_is_none_is_refused(bob: Someone) -> None:
    home = Home()
    bob.name = "b\x1bob"
    assert home.contacts.take_row(bob.row()) is Change.REFUSED
    assert len(home.contacts) == 0


LIES: list[dict[str, object]] = [
    {"mail": Someone("mallory").mail_key.public},
    {"name": "carol"},
    {"counter": 2**63 - 1},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: next(iter(lie)))
def test_a_card_that_its_owner_has_not_signed_makes_nobody_known(
    bob: Someone, lie: dict[str, object]
) -> None:
    home = Home()
    assert home.contacts.take_row(forged(bob.row(), **lie)) is Change.REFUSED
    assert len(home.contacts) == 0
    assert home.contacts.take_row(bob.row()) is Change.MOVED


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: next(iter(lie)))
def test_a_forged_row_changes_nothing_about_a_known_person(
    bob: Someone, lie: dict[str, object]
) -> None:
    """Clause 3.2: whether or not we talk with them, or a registry could take a pinned person's keys
    and name away."""
    home = Home(bob)
    known = home.know(bob)
    assert home.contacts.take_row(forged(bob.row(2), **lie)) is Change.REFUSED
    assert known.row == bob.row(1)
    assert home.contacts.take_row(bob.row(3)) is Change.TAKEN


def test_an_impostor_whose_card_is_forged_blocks_nobody(bob: Someone) -> None:
    home = Home(bob)
    impostor = Someone("mallory")
    assert home.contacts.take_row(forged(impostor.row(2), name="bob")) is Change.REFUSED
    assert not home.contacts.is_blocked("bob")


def test_an_old_card_under_a_name_that_is_somebody_elses_by_now_blocks_nobody(bob: Someone) -> None:
    """Bob was "rob" before; the registry has no newer card of his than we have, and carol is "rob"
    now."""
    home = Home()
    home.contacts.take_row(bob.row(1))
    home.contacts.take_row(Someone("carol").row(2, name="rob"))
    assert home.contacts.take_row(bob.row(3, online=False, name="rob", counter=0)) is Change.MOVED
    assert not home.contacts.is_blocked("rob")
    assert home.know(bob).row.card == bob.card()


def test_stations_follow_rows(bob: Someone) -> None:
    carol = Someone("carol")
    home = Home(bob, carol)
    home.contacts.take_row(bob.row(3, sender_index=7))
    home.contacts.take_row(carol.row(4, sender_index=7))  # a registry that gives one number twice
    home.contacts.take_row(bob.row(5, sender_index=8))
    seven, eight = home.contacts.by_sender_index(7), home.contacts.by_sender_index(8)
    assert seven is not None and seven.identity == carol.id
    assert eight is not None and eight.identity == bob.id


def test_no_sender_index_outlives_the_links_of_its_registry(bob: Someone) -> None:
    """A registry whose disk was put back sends no rows of people whom it does not know any more
    (clause 8.1)."""
    home = Home(bob)
    home.contacts.take_row(bob.row(3, sender_index=7))
    home.contacts.forget_versions()
    assert home.contacts.by_sender_index(7) is None
    home.contacts.take_row(bob.row(4, sender_index=7))
    again = home.contacts.by_sender_index(7)
    assert again is not None and again.identity == bob.id


# --- datagrams


def test_only_a_datagram_that_opened_tells_where_somebody_is(bob: Someone) -> None:
    """Clause 5.5."""
    home = Home(bob)
    good = said(bob, home.alice)
    assert not home.opens(good[:-1] + bytes((good[-1] ^ 1,)))
    assert home.know(bob).address == bob.home
    assert home.opens(good)
    assert home.know(bob).address == ELSEWHERE
    assert not home.opens(good, Address("3.3.3.3", 1))  # a replay
    assert home.know(bob).address == ELSEWHERE


def test_a_datagram_that_was_held_back_does_not_tell_where_somebody_is_now(bob: Someone) -> None:
    home = Home(bob)
    session = bob.session_with(home.alice)
    held_back, newest = session.seal(b"\x90"), session.seal(b"\x90")
    assert home.opens(newest, bob.home)
    assert home.opens(held_back, ELSEWHERE)
    assert home.know(bob).address == bob.home


def test_what_the_registry_relays_is_not_an_address_and_must_be_by_whom_it_says(
    bob: Someone,
) -> None:
    """Clause 6.8."""
    home = Home(bob, Someone("carol"))
    with pytest.raises(SealError):
        home.transport.open_run(
            [said(bob, home.alice)], source=None, now=5.0, relayed_by=Someone("carol").id
        )
    home.transport.open_run([said(bob, home.alice)], source=None, now=5.0, relayed_by=bob.id)
    assert home.know(bob).address == bob.home
    assert home.know(bob).relay_until == 65.0


def test_showing_a_key_of_another_person_cuts_nobody_off(bob: Someone) -> None:
    """Mallory, a known person, sends two datagrams, a card with bob's data in it and an opening in
    his name. Bob and alice still reach each other."""
    mallory = Someone("mallory")
    home = Home(bob, mallory)
    bobs, mallorys = bob.session_with(home.alice), mallory.session_with(home.alice)
    assert home.opens(bobs.seal(b"\x90")) and bobs.open(home.sent(bob)) == b"\x90"
    card = encode(mallory.card(mail=bob.mail_key.public, counter=9))
    opening = mallorys.seal(b"\x90")
    for datagram in (b"\x06" + card, opening[:1] + bob.id + opening[33:]):
        assert not home.opens(datagram)
    assert (
        home.contacts.take_row(mallory.row(9, mail=bob.mail_key.public, counter=9))
        is Change.RESTARTED
    )
    assert home.opens(bobs.seal(b"\x90"))
    assert bobs.open(home.sent(bob)) == b"\x90"


def test_no_card_that_flips_and_comes_back_makes_a_counter_come_twice(bob: Someone) -> None:
    """Cards, rows and names change in any order: no key is used again, so no two datagrams share
    key and counter."""
    home = Home(bob)
    bobs = bob.session_with(home.alice)
    sealed = [home.sent(bob)]
    assert bobs.open(sealed[0]) == b"\x90"
    for version in range(2, 12):
        flipped = bob.again(life=version) if version % 2 else bob
        home.contacts.take_row(flipped.row(version))
        if version % 3 == 0:
            known = home.know(bob)
            home.contacts.let_go(known)
            home.transport.let_go(known)
            home.contacts.take_row(flipped.row(version))
        home.transport.sessions.doubt(bob.id, now=float("inf"))
        sealed.append(home.sent(bob, now=float(version)))
    heads = {data[:-17] for data in sealed}
    assert len(heads) == len(sealed)
    ephemerals_and_counters = {(data[49:81], data[113:117]) for data in sealed}
    assert len(ephemerals_and_counters) == len(sealed)


def test_a_restarted_program_is_known_by_its_card(bob: Someone) -> None:
    home = Home(bob)
    assert home.opens(said(bob, home.alice))
    assert home.contacts.take_row(bob.again().row(2)) is Change.RESTARTED
    assert home.opens(said(bob.again(), home.alice))
    assert home.contacts.take_row(bob.again(life=3).row(3, name="bobby")) is not Change.RESTARTED


# --- caps


def test_a_registry_makes_us_hold_only_so_many(
    bob: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.core.contacts.CONTACTS_MAX", 2)
    home = Home(bob, Someone("carol"))
    assert home.contacts.take_row(Someone("dave").row(3)) is Change.REFUSED
    assert home.contacts.take_row(bob.row(4)) is not Change.REFUSED, (
        "who is known goes on being known"
    )
    assert len(home.contacts) == 2
