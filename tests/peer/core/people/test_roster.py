"""What is made of a roster: everybody is known by name at once, and by card when that is needed
(clause 3.3)."""

import msgspec
import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageReason, MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.wire.codec import Kind, encode
from chatapp.wire.identity import sign_table
from chatapp.wire.messages.mail import DepositMail, MailBatch
from chatapp.wire.messages.rooms import CHANNEL, GroupGranted
from chatapp.wire.messages.table import (
    CardsShown,
    FetchCards,
    FetchTable,
    Presence,
    Row,
    TablePage,
)
from chatapp.wire.roster import cells_of, roster_page
from tests.peer.core.cast import Someone, raw
from tests.peer.core.core_driver import KEY, SENDER_INDEX, CoreDriver

BOB, CAROL = Someone("bob"), Someone("carol")
AGAIN = BOB.again()


def node(*rows: Row, known: tuple[Row, ...] = ()) -> CoreDriver:
    """Return Alice with a link, who was given a roster."""
    alice = CoreDriver()
    alice.come_in(*known)
    alice.asked(), alice.saw()
    roster(alice, *rows)
    return alice


def roster(alice: CoreDriver, *rows: Row, known: tuple[Row, ...] = ()) -> None:
    """Tell of changes of the table in columns; known: whose names Alice had."""
    version = alice.core.table_version
    page = roster_page(
        version,
        version + 10,
        more=False,
        whole=[cells_of(row) for row in rows],
        known=[cells_of(row) for row in known],
    )
    alice.told(page)


def cards(alice: CoreDriver) -> list[list[bytes]]:
    """Drain whose cards were asked for."""
    return [one.identities for one in alice.asked() if isinstance(one, FetchCards)]


def show(alice: CoreDriver, *rows: Row) -> None:
    alice.told(CardsShown(alice.core.table_version, raw(*rows)))


def say(alice: CoreDriver, text: str = "hi") -> None:
    alice.core.direct.send("bob", text, now=alice.now)
    alice.turn()


def lose_registry(alice: CoreDriver) -> None:
    alice.lose_link()
    alice.pass_time(20.0)
    assert alice.core.reach is RegistryReach.LOST
    alice.datagrams.clear()
    alice.saw()


def states(alice: CoreDriver) -> list[MessageState]:
    return [one.state for one in alice.saw() if isinstance(one, events.MessageChanged)]


def test_a_newcomer_sees_who_is_there_and_asks_for_no_card() -> None:
    alice = node(BOB.row(sender_index=7), CAROL.row(online=False))
    assert [(one.name, one.online, one.host) for one in alice.core.people()] == [
        ("bob", True, ""),
        ("carol", False, ""),
    ]
    found = alice.core.roster.contacts.by_sender_index(7)
    assert found is not None and found.name == "bob"
    assert cards(alice) == [] and alice.sealed() == []


def test_a_first_message_waits_for_the_card_and_no_longer() -> None:
    alice = node(BOB.row())
    say(alice)
    assert cards(alice) == [[BOB.id]] and alice.sealed() == []
    show(alice, BOB.row())
    assert [data[0] for data in alice.sealed()] == [Kind.OPENING]
    say(alice)
    assert cards(alice) == []


def test_a_letter_to_somebody_away_is_sealed_to_the_key_of_their_card() -> None:
    alice = node(BOB.row(online=False))
    say(alice)
    assert not any(isinstance(one, DepositMail) for one in alice.asked())
    show(alice, BOB.row(online=False))
    assert [one.recipient for one in alice.asked() if isinstance(one, DepositMail)] == [BOB.id]


def test_nothing_is_sealed_to_a_card_that_its_owner_has_not_signed() -> None:
    alice = node(BOB.row())
    say(alice)
    forged = msgspec.structs.replace(BOB.card(), mail=CAROL.mail_key.public)
    show(alice, msgspec.structs.replace(BOB.row(), card=forged))
    changed = [one for one in alice.saw() if isinstance(one, events.MessageChanged)]
    assert [(one.state, one.reason) for one in changed] == [
        (MessageState.REFUSED, MessageReason.BAD_CARD)
    ]
    assert alice.sealed() == []


def test_a_card_under_another_name_than_the_roster_said_is_not_used() -> None:
    """What the user says to bob must not go to carol, whose key the registry has shown for him."""
    alice = node(msgspec.structs.replace(CAROL.row(), card=CAROL.card(name="bob")))
    say(alice)
    show(alice, CAROL.row())
    assert states(alice) == [MessageState.REFUSED]
    assert alice.sealed() == []


def test_a_card_in_a_page_of_rows_needs_a_signature() -> None:
    alice = node()
    bare = msgspec.structs.replace(BOB.card(), signature=bytes(64))
    version = alice.core.table_version
    row = msgspec.structs.replace(BOB.row(version + 1), card=bare)
    alice.told(TablePage(version, version + 1, more=False, rows=raw(row)))
    assert alice.core.people() == ()


def test_somebody_known_before_is_reached_by_the_newest_card() -> None:
    alice = node(known=(BOB.row(1),))
    moved = msgspec.structs.replace(AGAIN.row(), port=9_999)
    roster(alice, known=(moved,))
    say(alice)
    assert cards(alice) == [[BOB.id]] and alice.sealed() == []
    show(alice, moved)
    assert [to.port for data, to in alice.datagrams if data[0] == Kind.OPENING] == [9_999]


def test_without_the_registry_the_card_of_old_has_to_do() -> None:
    alice = node(known=(BOB.row(1),))
    roster(alice, known=(AGAIN.row(),))
    lose_registry(alice)
    say(alice)
    assert [to for data, to in alice.datagrams if data[0] == Kind.OPENING] == [BOB.home]


def test_without_the_registry_a_message_to_a_mere_name_is_kept_until_it_is_back() -> None:
    alice = node(BOB.row())
    lose_registry(alice)
    say(alice)
    assert states(alice) == [MessageState.KEPT]
    alice.register()
    alice.greet()
    alice.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 0), MailBatch([], more=False))
    asked = alice.asked()
    version = alice.core.table_version
    alice.told(TablePage(version, version, more=False, rows=[]))
    wanted = [one for one in [*asked, *alice.asked()] if isinstance(one, FetchCards)]
    assert [one.identities for one in wanted] == [[BOB.id]]
    show(alice, BOB.row())
    assert any(to == BOB.home for data, to in alice.datagrams if data[0] == Kind.OPENING)


def test_what_was_asked_on_a_lost_link_is_asked_on_the_next() -> None:
    alice = node(BOB.row())
    say(alice)
    assert cards(alice) == [[BOB.id]]
    alice.lose_link()
    alice.register()
    alice.greet()
    alice.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 0), MailBatch([], more=False))
    assert cards(alice) == [[BOB.id]]


def test_who_returns_knows_people_by_cut_keys_that_fit() -> None:
    alice = node(known=(BOB.row(1), CAROL.row(2)))
    roster(alice, known=(BOB.row(online=False),))
    assert [one.online for one in alice.core.people()] == [False, True]
    assert not any(isinstance(one, FetchTable) for one in alice.asked())


@pytest.mark.parametrize("other", ["unknown", "other name", "like key"])
def test_cut_keys_that_do_not_fit_are_asked_for_whole(other: str) -> None:
    """Nobody is taken for somebody whose key begins alike."""
    alice = node(known=(BOB.row(1),))
    before = alice.core.table_version
    row = CAROL.row() if other == "unknown" else BOB.row(name="robert", online=False)
    if other == "like key":
        twin = BOB.id[:4] + bytes(28)
        row = msgspec.structs.replace(row, card=msgspec.structs.replace(BOB.card(), identity=twin))
    roster(alice, known=(row,))
    asked = [one for one in alice.asked() if isinstance(one, FetchTable)]
    assert asked == [FetchTable(since=before, is_whole=True)]
    assert alice.core.table_version == before
    assert [(one.name, one.online) for one in alice.core.people()] == [("bob", True)]
    roster(alice, known=(row,))  # a registry that does not listen
    assert not any(isinstance(one, FetchTable) for one in alice.asked())
    assert alice.core.dropped["frame"] == 1


def broadcast(alice: CoreDriver, *rows: Row, known: tuple[Row, ...] = (), late: int = 0) -> None:
    """Broadcast changes in columns, in a batch that begins `late` versions after hers."""
    begin = alice.core.table_version + late
    page = roster_page(
        begin,
        begin + 10,
        more=False,
        whole=[cells_of(row) for row in rows],
        known=[cells_of(row) for row in known],
    )
    alice.hears(alice.key.seal(0, sign_table(alice.porter.identity, encode(page))))


def test_a_batch_in_columns_tells_of_all_in_it() -> None:
    alice = node(known=(BOB.row(1),))
    version = alice.core.table_version
    broadcast(alice, CAROL.row(), known=(BOB.row(online=False),))
    assert [(one.name, one.online) for one in alice.core.people()] == [
        ("bob", False),
        ("carol", True),
    ]
    assert alice.core.table_version == version + 10
    assert alice.asked() == []


@pytest.mark.parametrize("late", [0, 1])
def test_of_a_batch_that_does_not_fit_nothing_is_taken_and_rows_are_fetched(late: int) -> None:
    """It names somebody unknown by a cut key, or what is before it is missing."""
    alice = node(known=(BOB.row(1),))
    version = alice.core.table_version
    broadcast(alice, known=(BOB.row(online=False) if late else CAROL.row(),), late=late)
    assert [(one.name, one.online) for one in alice.core.people()] == [("bob", True)]
    assert alice.core.table_version == version
    assert alice.asked() == [FetchTable(since=version)]
    broadcast(alice, known=(CAROL.row(),))  # while the answer is on its way
    assert alice.asked() == []


def test_a_broadcast_row_makes_somebody_current_at_once() -> None:
    alice = node(BOB.row())
    version = alice.core.table_version
    moved = msgspec.structs.replace(BOB.row(version + 1), port=9_999)
    alice.core.roster.batch_came(TablePage(version, version + 1, False, raw(moved)), now=alice.now)
    say(alice)
    assert cards(alice) == [] and len(alice.sealed()) == 1


def test_a_card_that_comes_late_does_not_undo_what_changed_since() -> None:
    alice = node(BOB.row())
    asked_at = alice.core.table_version
    alice.core.roster.awaits_card(next(iter(alice.core.roster.contacts)))
    gone = BOB.row(asked_at + 1, online=False)
    alice.core.roster.batch_came(TablePage(asked_at, asked_at + 1, False, raw(gone)), now=alice.now)
    alice.told(CardsShown(asked_at, raw(BOB.row())))
    assert [one.online for one in alice.core.people()] == [False]


def test_a_card_that_comes_late_brings_no_older_address() -> None:
    """A broadcast may overtake the link: Bob had left when his row was read, and is back."""
    alice = node(BOB.row())
    asked_at = alice.core.table_version
    alice.core.roster.awaits_card(next(iter(alice.core.roster.contacts)))
    back = BOB.row(asked_at + 1)
    alice.core.roster.batch_came(TablePage(asked_at, asked_at + 1, False, raw(back)), now=alice.now)
    gone = msgspec.structs.replace(BOB.row(asked_at, online=False), host="", port=0)
    alice.told(CardsShown(asked_at, raw(gone)))
    (bob,) = [one for one in alice.core.people() if one.name == "bob"]
    assert (bob.host, bob.port) == (back.host, back.port)
    contact = alice.core.roster.contacts.by_identity(BOB.id)
    assert contact is not None and contact.row.port == back.port


def test_more_of_a_table_is_asked_for_with_whole_keys() -> None:
    """Clause 3.3: who has come and changed between two pages counts as known."""
    alice = node()
    version = alice.core.table_version
    bob, carol = [cells_of(BOB.row())], [cells_of(CAROL.row())]
    alice.told(roster_page(version, version + 5, more=True, whole=bob, known=()))
    assert FetchTable(version + 5, is_whole=True) in alice.asked()
    alice.told(roster_page(version + 5, version + 9, more=False, whole=carol, known=()))
    assert {one.name for one in alice.core.people()} >= {"bob", "carol"}


def test_a_card_brings_no_presence_of_a_later_version() -> None:
    """A registry that is killed forgets that Bob left, and Alice is told of nothing."""
    alice = node(BOB.row())
    say(alice)
    alice.told(CardsShown(alice.core.table_version + 1, raw(BOB.row(online=False))))
    assert [(one.name, one.online) for one in alice.core.people()] == [("bob", True)]


def test_a_new_key_in_a_roster_blocks_the_name_and_its_card_is_asked_for() -> None:
    alice = node(known=(BOB.row(1),))
    other = Someone("mallory")
    roster(alice, other.row(name="bob"))
    assert events.KeyChanged(name="bob", is_again=False) in alice.saw()
    assert cards(alice) == [[other.id]]
    number = alice.core.roster.trust.number("bob")
    assert isinstance(number, events.SafetyNumber)
    early = alice.core.roster.trust.accept("bob", number.digits, now=alice.now)
    assert early == events.NobodyKnown(name="bob")
    show(alice, other.row(name="bob"))
    late = alice.core.roster.trust.accept("bob", number.digits, now=alice.now)
    assert late == events.Trusted(name="bob", is_new=True)


def test_somebody_whose_name_was_released_meanwhile_gets_nothing() -> None:
    alice = node(BOB.row())
    say(alice)
    show(alice)
    assert states(alice) == [MessageState.REFUSED]


def test_all_addresses_are_asked_for_in_requests_of_bounded_size() -> None:
    crowd = [Someone(f"p{number}") for number in range(150)]
    alice = node(*(one.row() for one in crowd))
    assert alice.core.roster.wants_cards()
    alice.turn()
    assert [len(some) for some in cards(alice)] == [64, 64, 22]
    for start in range(0, 150, 64):
        assert alice.core.roster.awaits_cards
        show(alice, *(one.row() for one in crowd[start : start + 64]))
    assert not alice.core.roster.awaits_cards
    assert all(one.host for one in alice.core.people())
    assert not alice.core.roster.wants_cards()


def test_a_ban_in_a_roster_counts() -> None:
    alice = node(msgspec.structs.replace(BOB.row(), presence=Presence.BANNED))
    assert [one.is_banned for one in alice.core.people()] == [True]
