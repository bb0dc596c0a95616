"""This file is about people we know: which rows and cards are believed, where somebody is, whose a datagram is."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from peer.core.contact import Contact
from peer.core.contacts import Change, Contacts
from peer.core.outputs import Outputs
from peer.core.post import Post
from tests.peer.core.cast import Someone
from wire.address import Address
from wire.codec import encode, join_frames
from wire.errors import SealError, WireError
from wire.identity import is_authentic
from wire.messages.presence import Ping
from wire.messages.table import Card, Row

ELSEWHERE = Address("2.2.2.2", 7_000)


@pytest.fixture
def bob() -> Someone:
    return Someone("bob")


class Home:
    """Alice's contacts and post."""

    def __init__(self, *people: Someone) -> None:
        self.alice = Someone("alice")
        self.contacts = Contacts()
        self.post = Post(self.alice.identity, self.contacts, Outputs())
        self.use(self.alice)
        for number, person in enumerate(people, start=1):
            assert self.contacts.take_row(person.row(number)) is Change.MOVED

    def use(self, *lives: Someone) -> None:
        """Live keys from now on, the present one first."""
        self.post.use_lives([one.live for one in lives], lives[0].card())

    def know(self, person: Someone) -> Contact:
        contact = self.contacts.by_identity(person.id)
        assert contact is not None
        return contact

    def opens(self, datagram: bytes, source: Address | None = ELSEWHERE) -> bool:
        try:
            self.post.open(datagram, source=source, now=0.0)
        except WireError:
            return False
        return True

    def sent(self, to: Someone) -> Iterator[bytes]:
        """What goes to somebody to whom we have something to say."""
        self.post._send(self.know(to), [b"\x90"], through_registry=False)
        for data, _ in self.post.datagrams_to_send():
            yield data


def said(by: Someone, to: Someone) -> bytes:
    return by.session_with(to).seal(join_frames([encode(Ping(1))]))


def forged(row: Row, **changes: object) -> Row:
    """A row whose card its owner has not signed."""
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
    assert home.contacts.take_row(bob.row(4, online=False, station=9)) is Change.TAKEN


def test_an_older_row_or_an_older_card_is_refused(bob: Someone) -> None:
    """Clause 3.2."""
    home = Home(bob.again())
    assert home.contacts.take_row(bob.again().row(0)) is Change.REFUSED
    home.contacts.take_row(bob.again().row(5))
    home.contacts.take_row(bob.row(6))
    assert home.know(bob).row.card == bob.again().card()


def test_a_newer_row_with_an_older_card_still_tells_whether_somebody_is_there(bob: Someone) -> None:
    """Their CARD of a new start came while the registry was away, which knows only the start before."""
    home = Home(bob)
    home.contacts.take_card(bob.again().card())
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
    {"live": Someone("mallory").live.public},
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
def test_a_forged_row_changes_nothing_about_somebody_who_is_known(
    bob: Someone, lie: dict[str, object]
) -> None:
    """Clause 3.2: whether or not we talk with them, or a registry could take a pinned person's keys and name away."""
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
    """Bob was "rob" before; the registry knows no newer card of his than we do, and carol is "rob" now."""
    home = Home()
    home.contacts.take_row(bob.row(1))
    home.contacts.take_row(Someone("carol").row(2, name="rob"))
    assert home.contacts.take_row(bob.row(3, online=False, name="rob", counter=0)) is Change.MOVED
    assert not home.contacts.is_blocked("rob")
    assert home.know(bob).row.card == bob.card()


def test_stations_follow_rows(bob: Someone) -> None:
    carol = Someone("carol")
    home = Home(bob, carol)
    home.contacts.take_row(bob.row(3, station=7))
    home.contacts.take_row(carol.row(4, station=7))  # a registry that gives one number twice
    home.contacts.take_row(bob.row(5, station=8))
    seven, eight = home.contacts.by_station(7), home.contacts.by_station(8)
    assert seven is not None and seven.identity == carol.id
    assert eight is not None and eight.identity == bob.id


# --- bare cards (clause 6.5)


def test_a_bare_card_brings_a_new_live_key_and_no_address(bob: Someone) -> None:
    home = Home(bob)
    contact = home.know(bob)
    assert home.opens(said(bob, home.alice), ELSEWHERE)
    assert home.contacts.take_card(bob.again().card()) is contact
    assert contact.address == ELSEWHERE
    assert contact.row.card == bob.again().card()
    assert home.opens(said(bob.again(), home.alice))
    assert not home.opens(said(bob, home.alice))


def stale(bob: Someone) -> Card:
    return bob.card()


def renamed(bob: Someone) -> Card:
    return bob.again().card(name="bobby")


def unsigned(bob: Someone) -> Card:
    return msgspec.structs.replace(bob.card(), counter=2)


def unknown(bob: Someone) -> Card:
    return Someone("carol").again().card()


@pytest.mark.parametrize("make", [stale, renamed, unsigned, unknown])
def test_a_bare_card_is_taken_only_if_pinned_newer_same_named_and_signed(
    make: Callable[[Someone], Card], bob: Someone
) -> None:
    home = Home(bob)
    assert home.contacts.take_card(make(bob)) is None
    assert home.know(bob).row.card == bob.card()


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


def test_what_the_registry_relays_is_not_an_address_and_must_be_by_whom_it_says(bob: Someone) -> None:
    """Clause 6.8."""
    home = Home(bob, Someone("carol"))
    with pytest.raises(SealError):
        home.post.open(said(bob, home.alice), source=None, now=5.0, relayed_by=Someone("carol").id)
    home.post.open(said(bob, home.alice), source=None, now=5.0, relayed_by=bob.id)
    assert home.know(bob).address == bob.home
    assert home.know(bob).relay_until == 65.0


def test_a_replaced_live_key_of_ours_opens_until_it_is_dropped(bob: Someone) -> None:
    """Clause 3.1."""
    home = Home(bob)
    renewed = home.alice.again()
    session = bob.session_with(home.alice)
    home.use(renewed, home.alice)
    assert home.opens(session.seal(b"\x90"))
    assert home.opens(said(bob, renewed))
    home.use(renewed)
    assert not home.opens(session.seal(b"\x90"))
    assert home.opens(bob.session_with(renewed).seal(b"\x90" * 2)) is False  # counter 0 came before


def test_our_card_goes_ahead_until_we_hear_that_they_have_it(bob: Someone) -> None:
    """Clause 6.5: with a new live key as at the start, once, and not when a datagram has opened under it."""
    home = Home(bob)
    for life in (home.alice, home.alice.again()):
        home.use(life)
        assert [data[0] for data in home.sent(bob)] == [6, 7]
        assert [data[0] for data in home.sent(bob)] == [7]
        assert home.opens(said(bob, life))
        home.use(life)
        assert [data[0] for data in home.sent(bob)] == [7]


def test_a_datagram_to_our_former_key_does_not_say_that_they_have_the_new_one(bob: Someone) -> None:
    home = Home(bob)
    home.use(home.alice.again(), home.alice)
    assert home.opens(said(bob, home.alice))
    assert [data[0] for data in home.sent(bob)] == [6, 7]


def test_a_restarted_program_is_a_new_session(bob: Someone) -> None:
    home = Home(bob)
    home.opens(said(bob, home.alice))
    before = home.know(bob).session(home.alice.live, home.alice.id)
    assert home.contacts.take_row(bob.again().row(2)) is Change.RESTARTED
    assert home.know(bob).session(home.alice.live, home.alice.id) is not before
    assert home.opens(said(bob.again(), home.alice))


# --- forged cards


def test_only_so_many_cards_a_second_are_checked(bob: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forging one costs nothing, checking one does; a genuine one is taken when the flood is over."""
    monkeypatch.setattr("peer.core.post.CARDS_PER_SECOND", 5.0)
    checked: list[Card] = []
    home = Home(bob)
    genuine = is_authentic

    def counted(card: Card) -> bool:
        checked.append(card)
        return genuine(card)

    monkeypatch.setattr("peer.core.contacts.is_authentic", counted)
    for counter in range(100):
        assert home.post.take_card(encode(forged(bob.row(2), counter=50 + counter).card), now=1.0) is None
    assert len(checked) == 5
    newer = encode(bob.card(counter=60))
    assert home.post.take_card(newer, now=1.0) is None
    assert home.post.take_card(newer, now=2.0) is home.know(bob)


# --- caps


def test_a_registry_makes_us_hold_only_so_many(bob: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peer.core.contacts.CONTACTS_MAX", 2)
    home = Home(bob, Someone("carol"))
    assert home.contacts.take_row(Someone("dave").row(3)) is Change.REFUSED
    assert home.contacts.take_row(bob.row(4)) is not Change.REFUSED, "who is known goes on being known"
    assert len(home.contacts) == 2
