"""The user's trust decisions: safety numbers, changed keys, ignored people."""

import contextlib

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person as in_person
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.trace import TraceEvent, readable
from chatapp.peer.core.context import LookUp
from chatapp.peer.core.direct.mail import GRACE, LOOK_SPAN
from chatapp.peer.core.people.people import half_of, safety_number
from chatapp.wire.codec import Kind
from chatapp.wire.identity import fingerprint
from chatapp.wire.limits import MAIL_KEPT_FOR
from chatapp.wire.messages.mail import (
    AskMail,
    DepositMail,
    Letter,
    LetterBody,
    MailBatch,
    MailExpired,
    MailSaved,
)
from chatapp.wire.messages.table import FetchTable, Row, TablePage
from chatapp.wire.sealing import seal_letter
from tests.peer.core.cast import POLICY, SERVER, Porter, Someone, raw
from tests.peer.core.core_driver import CoreDriver
from tests.support.network import Weather
from tests.support.screen import is_now
from tests.support.world import World

ALICE, BOB, NEW_BOB, OTHER_BOB = (
    Someone(name) for name in ("alice", "bob", "bob's new machine", "mallory")
)
OLD_DIGITS, NEW_DIGITS, OTHER_DIGITS = (
    safety_number(ALICE.id, one.id) for one in (BOB, NEW_BOB, OTHER_BOB)
)


def new_row(version: int = 200, *, online: bool = False) -> Row:
    """Return a row with another key under bob's name."""
    return NEW_BOB.row(version, online=online, name="bob")


def shows(node: CoreDriver, *rows: Row, version: int) -> None:
    """Deliver a row on the link."""
    node.told(TablePage(node.core.table_version, version, more=False, rows=raw(*rows)))


@pytest.fixture
def node() -> CoreDriver:
    """Return Alice, who knows bob; he is away."""
    node = CoreDriver()
    node.come_in(BOB.row(100, online=False))
    node.saw()
    return node


def letters(node: CoreDriver) -> list[DepositMail]:
    return [request for request in node.asked() if isinstance(request, DepositMail)]


# --- safety numbers


def number_of(name: str, digits: str, **more: bool) -> events.SafetyNumber:
    """The number that Alice sees."""
    is_own_first = digits.startswith(half_of(ALICE.id))
    return events.SafetyNumber(name=name, digits=digits, is_own_first=is_own_first, **more)


def test_each_side_knows_which_half_is_its_own() -> None:
    digits = safety_number(ALICE.id, BOB.id)
    assert number_of("bob", digits).halves == (half_of(ALICE.id), half_of(BOB.id))
    number = events.SafetyNumber(
        name="alice", digits=digits, is_own_first=digits.startswith(half_of(BOB.id))
    )
    assert number.halves == (half_of(BOB.id), half_of(ALICE.id))


def test_both_sides_read_the_same_60_digits() -> None:
    number = safety_number(ALICE.id, BOB.id)
    assert number == safety_number(BOB.id, ALICE.id)
    assert len(number) == 60
    assert number.isdecimal()
    assert number != safety_number(ALICE.id, NEW_BOB.id)


def test_the_number_of_a_blocked_name_is_that_of_the_key_to_decide_about(node: CoreDriver) -> None:
    trust = node.core.roster.trust
    assert trust.number("BOB") == number_of(name="bob", digits=OLD_DIGITS)
    shows(node, new_row(), version=200)
    assert trust.number("bob") == number_of(name="bob", digits=NEW_DIGITS, is_changed=True)


@pytest.mark.parametrize("name", ["carol", "alice", "no name!", ""])
def test_unknown_people_have_no_number_and_cannot_be_trusted_or_ignored(
    node: CoreDriver, name: str
) -> None:
    trust, nobody = node.core.roster.trust, events.NobodyKnown(name=name)
    assert trust.number(name) == nobody
    assert trust.accept(name, "", now=node.now) == nobody
    assert trust.ignore(name, is_ignored=True) == nobody


# --- a key that changed


def test_a_block_outlives_the_program_and_so_does_its_end(node: CoreDriver) -> None:
    shows(node, new_row(), version=200)
    assert events.KeyChanged(name="bob") in node.saw()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    assert again.core.direct.look_up("bob", now=again.now) is LookUp.BLOCKED
    assert again.core.roster.trust.number("bob") == node.core.roster.trust.number("bob")
    answer = again.core.roster.trust.accept("bob", NEW_DIGITS, now=again.now)
    assert answer == events.Trusted(name="bob", is_new=True)
    again.turn()
    third = CoreDriver(disk=node.disk, porter=node.porter, life=3)
    assert third.core.direct.look_up("bob", now=third.now) is LookUp.KNOWN
    number = number_of(name="bob", digits=NEW_DIGITS, is_verified=True)
    assert third.core.roster.trust.number("bob") == number
    assert [person.name for person in third.core.people()] == ["bob"]


def test_the_key_that_we_hold_shown_again_ends_the_block(node: CoreDriver) -> None:
    shows(node, new_row(), version=200)
    shows(node, BOB.row(150, online=True), version=201)
    # Older than what is held against it.
    assert node.core.direct.look_up("bob", now=node.now) is LookUp.BLOCKED
    shows(node, BOB.row(300, online=True), version=300)
    assert node.core.direct.look_up("bob", now=node.now) is LookUp.KNOWN
    assert node.saw()[-2:] == [events.KeyRestored(name="bob"), events.TableChanged()]
    assert CoreDriver(disk=node.disk, life=2).core.direct.look_up("bob", now=0.0) is LookUp.KNOWN


def test_the_key_with_the_digits_that_the_user_compared_is_trusted_and_no_other(
    node: CoreDriver,
) -> None:
    trust = node.core.roster.trust
    shows(node, new_row(), version=200)
    assert trust.number("bob") == number_of(name="bob", digits=NEW_DIGITS, is_changed=True)
    shows(node, OTHER_BOB.row(201, name="bob"), version=201)  # swapped behind the comparison
    for digits, why in (
        (None, events.Doubt.NO_DIGITS),
        (NEW_DIGITS, events.Doubt.CHANGED),
        (OLD_DIGITS, events.Doubt.OTHER_DIGITS),
        (OTHER_DIGITS[:-1], events.Doubt.OTHER_DIGITS),
        ("", events.Doubt.OTHER_DIGITS),
    ):
        assert trust.accept("bob", digits, now=node.now) == events.NotTrusted(name="bob", why=why)
    assert node.core.direct.look_up("bob", now=node.now) is LookUp.BLOCKED
    shows(node, new_row(202), version=202)
    answer = trust.accept("bob", " ".join((NEW_DIGITS[:5], NEW_DIGITS[5:])), now=node.now)
    assert answer == events.Trusted(name="bob", is_new=True)
    node.turn()
    assert {row.card.identity for row in node.disk.load().rows} == {NEW_BOB.id}


def test_every_change_of_a_key_is_told(node: CoreDriver) -> None:
    told = []
    keys = (NEW_BOB, NEW_BOB, OTHER_BOB, NEW_BOB)
    for version, whose in enumerate(keys, 200):
        shows(node, whose.row(version, name="bob"), version=version)
        told += [event for event in node.saw() if isinstance(event, events.KeyChanged)]
    assert told == [events.KeyChanged(name="bob", is_again=again) for again in (False, True, True)]
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.come_in(OTHER_BOB.row(204, name="bob"), version=204)
    assert events.KeyChanged(name="bob", is_again=True) in again.saw()


def test_a_key_that_was_compared_is_shown_so_until_another_one_takes_its_place(
    node: CoreDriver,
) -> None:
    answer = node.core.roster.trust.accept("bob", OLD_DIGITS, now=node.now)
    assert answer == events.Trusted(name="bob", is_new=False)
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    for one in (node, again):
        assert [person.is_verified for person in one.core.people()] == [True]
        assert one.core.roster.trust.number("bob") == number_of(
            name="bob", digits=OLD_DIGITS, is_verified=True
        )
    again.come_in(new_row(), version=200)
    number = again.core.roster.trust.number("bob")
    assert number == number_of(name="bob", digits=NEW_DIGITS, is_changed=True)
    again.core.roster.trust.accept("bob", NEW_DIGITS, now=again.now)
    again.turn()
    assert CoreDriver(disk=node.disk, life=3).disk.load().verified == {NEW_BOB.id}


# --- the registry's key


def test_the_key_of_the_registry_is_shown_and_counts_as_compared_when_the_user_says_so(
    node: CoreDriver,
) -> None:
    trust, key = node.core.registry.trust, fingerprint(node.porter.id)
    assert trust.key() == events.RegistryKey(held=key, other="", is_verified=False)
    assert trust.accept("0" * 32, now=node.now) == events.NotTrusted(
        name="server", why=events.Doubt.OTHER_DIGITS
    )
    assert trust.accept(None, now=node.now) == events.NotTrusted(
        name="server", why=events.Doubt.NO_DIGITS
    )
    assert trust.accept(key.upper(), now=node.now) == events.Trusted(name="server", is_new=False)
    node.turn()
    again = CoreDriver(disk=node.disk, life=2)
    assert again.core.registry.trust.key() == events.RegistryKey(
        held=key, other="", is_verified=True
    )


def test_another_key_of_the_registry_is_accepted_when_it_is_the_one_that_was_compared(
    node: CoreDriver,
) -> None:
    trust, known = node.core.registry.trust, fingerprint(node.porter.id)
    node.lose_link()
    met = []
    for name in ("first stranger", "second stranger"):
        node.porter = Porter(name)
        while not [one for one in node.saw() if isinstance(one, events.RegistryKeyChanged)]:
            for hello in node.sent(Kind.HELLO):
                node.hears(bytes((Kind.COOKIE,)) + node.porter.cookie(hello))
            node.pass_time(0.1)
        met.append(fingerprint(node.porter.id))
        assert trust.key() == events.RegistryKey(held=known, other=met[-1], is_verified=False)
        if len(met) == 1:
            shown = met[0]
    assert trust.accept(shown, now=node.now) == events.NotTrusted(
        name="server", why=events.Doubt.OTHER_DIGITS
    )
    assert trust.accept(met[1], now=node.now) == events.Trusted(name="server", is_new=True)
    node.turn()
    node.register()
    assert node.core.registry.take_pinned() == node.porter.id
    assert events.RegistryKeyAccepted(key=met[1]) in node.saw()
    loaded = node.disk.load()
    assert (loaded.registry, loaded.is_registry_verified) == (node.porter.id, True)
    assert [row.card.identity for row in loaded.rows] == [BOB.id]


# --- what was under way


def test_waiting_messages_go_to_the_trusted_key(node: CoreDriver) -> None:
    saved = node.core.direct.send("bob", "saved for the old key", now=node.now)
    node.turn()
    node.told(MailSaved(letters(node)[0].reference))
    node.lose_link()
    node.pass_time(20.0)  # the registry is lost
    kept = node.core.direct.send("bob", "kept", now=node.now)
    node.turn()
    node.pass_time(5.0)
    assert any(is_now(event, events.MessageState.KEPT) for event in node.saw())
    node.register()
    node.attach(new_row(), version=200)
    assert letters(node) == []  # the key is in doubt: nothing goes anywhere
    answer = node.core.roster.trust.accept("bob", NEW_DIGITS, now=node.now)
    node.turn()
    assert answer == events.Trusted(name="bob", is_new=True)
    (letter,) = letters(node)
    streams = {line.id: (line.stream, line.number) for line in node.disk.lines.all()}
    assert streams == {
        saved.id: (BOB.id, saved.number),
        kept.id: (NEW_BOB.id, letter.number),
    }
    assert letter.recipient == NEW_BOB.id


@pytest.mark.parametrize("again", [False, True], ids=["in the same life", "after a start"])
@pytest.mark.parametrize("told", [True, False], ids=["told by the registry", "asked for"])
def test_a_letter_saved_for_the_old_key_is_told_to_have_expired(
    node: CoreDriver, again: bool, told: bool
) -> None:
    saved = node.core.direct.send("bob", "saved for the old key", now=node.now)
    node.turn()
    node.told(MailSaved(letters(node)[0].reference))
    shows(node, new_row(), version=200)
    node.core.roster.trust.accept("bob", NEW_DIGITS, now=node.now)
    node.turn()
    node.saw()
    if again:
        node = CoreDriver(disk=node.disk, porter=node.porter, life=2)
        node.come_in()
        node.saw()
    if not told:
        node.now += MAIL_KEPT_FOR + GRACE + LOOK_SPAN
        node.core.handle_timer(now=node.now)
        node.turn()
        assert AskMail(BOB.id, [saved.number]) in node.asked()
    node.told(MailExpired(BOB.id, saved.number))
    expired = events.MessageChanged(
        conversation=in_person("bob"),
        id=saved.id,
        state=events.MessageState.EXPIRED,
        text="saved for the old key",
        reason=events.MessageReason.NEVER_FETCHED,
    )
    assert [event for event in node.saw() if is_now(event, events.MessageState.EXPIRED)] == [
        expired
    ]
    assert node.disk.load().replaced == ()
    assert letters(node) == []


def test_what_is_under_way_moves_as_the_one_line_that_it_is() -> None:
    node = CoreDriver()
    node.come_in(BOB.row(100, online=True))
    begun = node.core.direct.send("bob", "under way", now=node.now)
    node.turn()
    node.pass_time(0.6)
    shows(node, new_row(online=False), version=200)
    with pytest.raises(KeyError):
        node.core.direct.send("bob", "not begun", now=node.now)
    answer = node.core.roster.trust.accept("bob", NEW_DIGITS, now=node.now)
    node.turn()
    assert answer == events.Trusted(name="bob", is_new=True)
    (letter,) = letters(node)
    assert letter.recipient == NEW_BOB.id
    node.told(MailSaved(letter.reference))
    assert (
        events.MessageChanged(
            conversation=in_person("bob"), id=begun.id, state=events.MessageState.SAVED
        )
        in node.saw()
    )
    (line,) = node.disk.lines.latest(9)
    assert (line.id, line.text, line.stream, line.state) == (
        begun.id,
        "under way",
        NEW_BOB.id,
        MessageState.SAVED,
    )
    assert node.core.direct.look_up("bob", now=node.now) is LookUp.KNOWN


def test_what_no_straight_way_could_take_waits_while_the_key_is_in_doubt() -> None:
    node = CoreDriver()
    node.come_in(BOB.row(100, online=True))
    begun = node.core.direct.send("bob", "hi", now=node.now)
    node.turn()
    shows(node, new_row(), version=200)
    node.pass_time(10.0)
    assert (
        events.MessageChanged(
            conversation=in_person("bob"),
            id=begun.id,
            state=events.MessageState.KEPT,
            reason=events.MessageReason.KEY_CHANGED,
        )
        in node.saw()
    )
    assert letters(node) == []
    (*_, last) = readable(node.core.steps_under_way(BOB.id, begun.number), 0)
    assert (last.what, last.when, last.reason) == (
        TraceEvent.KEPT,
        None,
        events.MessageReason.KEY_CHANGED,
    )


def letter_by(author: Someone, number: int, text: str, *, serial: int = 1) -> MailBatch:
    """Return a letter to alice by somebody under bob's name."""
    body = LetterBody(number, number, number, author.id, "bob", ALICE.id, "alice", 0, text)
    sealed = seal_letter(body, author=author.identity, mail_key=ALICE.mail_key.public)
    return MailBatch([Letter(serial, author.id, number, sealed)], more=False)


def heard(node: CoreDriver) -> list[tuple[str, events.AuthorDoubt | None]]:
    batches = [event.lines for event in node.saw() if isinstance(event, events.MailReturned)]
    lines = [line for lines in batches for line in lines]
    for line in lines:
        node.core.lines_shown([line])
    node.turn()
    return [(line.text, line.doubt) for line in lines]


def test_letters_by_the_key_that_is_in_doubt_and_by_the_former_one_are_shown_with_that_said(
    node: CoreDriver,
) -> None:
    other = events.AuthorDoubt.OTHER_KEY
    node.told(letter_by(BOB, 1, "from the machine that is lost"))
    shows(node, new_row(), version=200)
    node.told(
        letter_by(NEW_BOB, 7, "I have a new machine"),
        letter_by(BOB, 2, "and nobody else has my key"),
    )
    assert heard(node) == [
        ("from the machine that is lost", None),
        ("and nobody else has my key", None),
        ("I have a new machine", other),
    ]
    node.core.roster.trust.accept("bob", NEW_DIGITS, now=node.now)
    node.turn()
    node.told(
        letter_by(NEW_BOB, 7, "I have a new machine"),
        letter_by(NEW_BOB, 8, "thank you"),
        letter_by(BOB, 2, "and nobody else has my key"),
        letter_by(BOB, 3, "this is the finder of the old one"),
    )
    for _ in [one for one in node.asked() if isinstance(one, FetchTable)]:
        shows(node, version=200)  # there is no other row
    assert heard(node) == [("thank you", None), ("this is the finder of the old one", other)]


def test_a_letter_by_the_key_in_doubt_that_was_not_shown_before_the_end_is_shown_after_the_start(
    node: CoreDriver,
) -> None:
    shows(node, new_row(), version=200)
    node.told(letter_by(NEW_BOB, 7, "I have a new machine"))
    node.saw()  # and the program is killed before anybody has seen it
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.come_in(new_row(), version=200)
    again.pass_time(POLICY.hold_span)
    assert heard(again) == [("I have a new machine", events.AuthorDoubt.OTHER_KEY)]
    assert heard(CoreDriver(disk=node.disk, porter=node.porter, life=3)) == []


def test_who_gives_the_name_up_ends_the_block_and_the_other_key_is_known_by_it(
    node: CoreDriver,
) -> None:
    shows(node, new_row(150), version=200)
    assert events.KeyChanged(name="bob") in node.saw()
    shows(node, BOB.row(201, online=False, name="rob"), version=201)
    assert events.Renamed(old="bob", new="rob", is_me=False) in node.saw()
    for one in (node, CoreDriver(disk=node.disk, porter=node.porter, life=2)):
        for name, who in (("rob", BOB), ("bob", NEW_BOB)):
            assert one.core.direct.look_up(name, now=one.now) is LookUp.KNOWN
            digits = safety_number(ALICE.id, who.id)
            assert one.core.roster.trust.number(name) == number_of(name=name, digits=digits)


def test_a_line_on_its_way_to_the_old_key_is_let_go() -> None:
    node = CoreDriver()
    node.come_in(BOB.row(100, online=True))
    node.lose_link()
    node.pass_time(20.0)  # the registry is lost: lines go straight
    node.core.rooms.say_to_all("to all", now=node.now)
    node.turn()
    settled = [node.core.is_settled]
    node.core.roster.contacts.take_row(new_row())
    assert node.core.roster.trust.accept("bob", NEW_DIGITS, now=node.now) == events.Trusted(
        name="bob", is_new=True
    )
    node.turn()
    assert [*settled, node.core.is_settled] == [False, True]
    node.pass_time(10.0)
    (line,) = node.disk.lines.latest(9)
    assert line.text == "to all"


# --- who is ignored


def test_messages_of_ignored_people_are_stored_and_hidden_over_restarts_until_unignored() -> None:
    world = World(7, people=2, weather=Weather())
    world.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    alice, bob = world.people
    assert alice.core.roster.trust.ignore("bob", is_ignored=True) == events.Ignored(
        name="bob", is_ignored=True
    )
    alice.turn()

    def bob_says(text: str) -> None:
        before = bob.screen.count(events.MessageState.DELIVERED)
        bob.send("alice", text)
        bob.send_all(f"{text} to all")
        assert world.network.run_until(
            lambda: bob.screen.count(events.MessageState.DELIVERED) > before, within=5.0
        )
        world.network.run_for(1.0)

    bob_says("one")
    alice.crash()
    alice.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    bob_says("two")
    assert alice.screen.texts() == []
    assert alice.history.lines.latest(9) == []
    assert alice.core.roster.trust.ignore("bob", is_ignored=False) == events.Ignored(
        name="bob", is_ignored=False
    )
    alice.turn()
    bob_says("three")
    assert alice.screen.texts() == ["three", "three to all"]
    alice.crash()
    alice.start()
    world.network.run_for(2.0)
    assert alice.screen.texts() == [
        "three",
        "three to all",
    ]  # what was not to be heard does not come back
    assert len(alice.history.lines.latest(9)) == 6


def test_nothing_is_sent_to_an_author_who_is_not_in_the_table() -> None:
    """Whoever answers such a letter writes to the bearer of the name, or to nobody."""
    node = CoreDriver()
    node.come_in()
    node.told(letter_by(NEW_BOB, 1, "answer me"))
    shows(node, version=node.core.table_version)
    assert heard(node) == [("answer me", events.AuthorDoubt.NOT_IN_TABLE)]
    with contextlib.suppress(KeyError):
        node.core.direct.send("bob", "who are you?", now=node.now)
    node.turn()
    node.pass_time(10.0)
    assert letters(node) == []
    assert {to for _, to in node.datagrams} <= {SERVER}
    shows(node, BOB.row(200), version=200)
    node.pass_time(10.0)
    assert {letter.recipient for letter in letters(node)} <= {BOB.id}
