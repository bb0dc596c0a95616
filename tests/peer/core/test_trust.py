"""This file is about what the user decides about people: safety numbers, keys that changed, who is not to be heard."""

import pytest

from peer.core import events as happened
from peer.core.lookup import LookUp
from peer.core.safety import safety_number
from peer.core.settling import KEY_IN_DOUBT
from peer.core.standing import Standing
from peer.core.trail import What, readable
from tests.peer.core.cast import Someone, raw
from tests.peer.core.hall import Node
from tests.support.network import Weather
from tests.support.world import World
from wire.messages.mail import DepositMail, MailSaved
from wire.messages.table import Row, TablePage

ALICE, BOB, NEW_BOB = Someone("alice"), Someone("bob"), Someone("bob's new machine")


def new_row(version: int = 200, *, online: bool = False) -> Row:
    """Another key under bob's name."""
    return NEW_BOB.row(version, online=online, name="bob")


def shows(node: Node, *rows: Row, version: int) -> None:
    """The registry says so on the link."""
    node.told(TablePage(node.core.table_version, version, more=False, rows=raw(*rows)))


@pytest.fixture
def node() -> Node:
    """Alice, who knows bob, who is away."""
    node = Node()
    node.come_in(BOB.row(100, online=False))
    node.saw()
    return node


def letters(node: Node) -> list[DepositMail]:
    return [request for request in node.asked() if isinstance(request, DepositMail)]


# --- safety numbers


def test_both_sides_read_the_same_60_digits() -> None:
    number = safety_number(ALICE.id, BOB.id)
    assert number == safety_number(BOB.id, ALICE.id)
    assert len(number) == 60
    assert number.isdecimal()
    assert number != safety_number(ALICE.id, NEW_BOB.id)


def test_the_number_of_a_blocked_name_is_that_of_the_key_to_decide_about(node: Node) -> None:
    trust = node.core.trust
    assert trust.number("BOB") == happened.SafetyNumber(name="bob", digits=safety_number(ALICE.id, BOB.id))
    shows(node, new_row(), version=200)
    digits = safety_number(ALICE.id, NEW_BOB.id)
    assert trust.number("bob") == happened.SafetyNumber(name="bob", digits=digits)


@pytest.mark.parametrize("name", ["carol", "alice", "no name!", ""])
def test_who_is_not_known_has_no_number_and_cannot_be_trusted_or_ignored(node: Node, name: str) -> None:
    trust, nobody = node.core.trust, happened.NobodyKnown(name=name)
    assert trust.number(name) == nobody
    assert trust.accept(name, now=node.now) == (nobody, {})
    assert trust.ignore(name, is_ignored=True) == nobody


# --- a key that changed


def test_a_block_outlives_the_program_and_so_does_its_end(node: Node) -> None:
    shows(node, new_row(), version=200)
    assert happened.KeyChanged(name="bob") in node.saw()
    again = Node(disk=node.disk, porter=node.porter, life=2)
    assert again.core.speech.look_up("bob", now=again.now) is LookUp.BLOCKED
    assert again.core.trust.number("bob") == node.core.trust.number("bob")
    assert again.core.trust.accept("bob", now=again.now) == (happened.Trusted(name="bob"), {})
    again.pump()
    third = Node(disk=node.disk, porter=node.porter, life=3)
    assert third.core.speech.look_up("bob", now=third.now) is LookUp.KNOWN
    digits = safety_number(ALICE.id, NEW_BOB.id)
    assert third.core.trust.number("bob") == happened.SafetyNumber(name="bob", digits=digits)
    assert [person.name for person in third.core.people()] == ["bob"]


def test_the_key_that_we_hold_shown_again_ends_the_block(node: Node) -> None:
    shows(node, new_row(), version=200)
    shows(node, BOB.row(150, online=True), version=201)
    # Older than what is held against it.
    assert node.core.speech.look_up("bob", now=node.now) is LookUp.BLOCKED
    shows(node, BOB.row(300, online=True), version=300)
    assert node.core.speech.look_up("bob", now=node.now) is LookUp.KNOWN
    assert Node(disk=node.disk, life=2).core.speech.look_up("bob", now=0.0) is LookUp.KNOWN


def test_what_is_not_given_away_goes_to_the_key_that_is_trusted(node: Node) -> None:
    saved = node.core.speech.send("bob", "saved for the old key", now=node.now)
    node.pump()
    node.told(MailSaved(letters(node)[0].reference))
    node.lose_link()
    node.pass_time(20.0)  # the registry is lost
    kept = node.core.speech.send("bob", "kept", now=node.now)
    node.pump()
    node.pass_time(5.0)
    assert any(isinstance(event, happened.Kept) for event in node.saw())
    node.register()
    node.attach(new_row(), version=200)
    assert letters(node) == []  # the key is in doubt: nothing goes anywhere
    answer, numbers = node.core.trust.accept("bob", now=node.now)
    node.pump()
    assert (answer, list(numbers)) == (happened.Trusted(name="bob"), [kept.number])
    (letter,) = letters(node)
    assert (letter.recipient, letter.number) == (NEW_BOB.id, numbers[kept.number])
    assert saved.number not in numbers


def test_what_is_under_way_moves_as_the_one_line_that_it_is() -> None:
    node = Node()
    node.come_in(BOB.row(100, online=True))
    begun = node.core.speech.send("bob", "under way", now=node.now)
    node.pump()
    node.pass_time(0.6)
    shows(node, new_row(online=False), version=200)
    with pytest.raises(KeyError):
        node.core.speech.send("bob", "not begun", now=node.now)
    answer, numbers = node.core.trust.accept("bob", now=node.now)
    node.pump()
    assert answer == happened.Trusted(name="bob")
    assert list(numbers) == [begun.number]
    (letter,) = letters(node)
    assert (letter.recipient, letter.number) == (NEW_BOB.id, numbers[begun.number])
    node.told(MailSaved(letter.reference))
    assert happened.Saved(to="bob", number=numbers[begun.number]) in node.saw()
    (line,) = node.disk.lines.latest(9)
    assert (line.text, line.stream, line.standing) == ("under way", NEW_BOB.id, Standing.SAVED)
    assert node.core.speech.look_up("bob", now=node.now) is LookUp.KNOWN


def test_what_no_straight_way_could_take_waits_while_the_key_is_in_doubt() -> None:
    node = Node()
    node.come_in(BOB.row(100, online=True))
    begun = node.core.speech.send("bob", "hi", now=node.now)
    node.pump()
    shows(node, new_row(), version=200)
    node.pass_time(10.0)
    assert happened.Kept(to="bob", number=begun.number, reason=KEY_IN_DOUBT) in node.saw()
    assert letters(node) == []
    (*_, last) = readable(node.core.speech.steps_under_way(BOB.id, begun.number), 0)
    assert (last.what, last.when, last.reason) == (What.KEPT, None, KEY_IN_DOUBT)


def test_who_gives_the_name_up_ends_the_block_and_the_other_key_is_known_by_it(node: Node) -> None:
    shows(node, new_row(150), version=200)
    assert happened.KeyChanged(name="bob") in node.saw()
    shows(node, BOB.row(201, online=False, name="rob"), version=201)
    assert happened.Renamed(old="bob", new="rob", is_me=False) in node.saw()
    for one in (node, Node(disk=node.disk, porter=node.porter, life=2)):
        for name, who in (("rob", BOB), ("bob", NEW_BOB)):
            assert one.core.speech.look_up(name, now=one.now) is LookUp.KNOWN
            digits = safety_number(ALICE.id, who.id)
            assert one.core.trust.number(name) == happened.SafetyNumber(name=name, digits=digits)


def test_a_line_on_its_way_to_the_old_key_is_let_go() -> None:
    node = Node()
    node.come_in(BOB.row(100, online=True))
    node.lose_link()
    node.pass_time(20.0)  # the registry is lost: lines go straight
    node.core.speech.send_all("to all", now=node.now)
    node.pump()
    settled = [node.core.is_settled]
    node.core._contacts.take_row(new_row())
    assert node.core.trust.accept("bob", now=node.now) == (happened.Trusted(name="bob"), {})
    node.pump()
    assert [*settled, node.core.is_settled] == [False, True]
    node.pass_time(10.0)
    (line,) = node.disk.lines.latest(9)
    assert line.text == "to all"


# --- who is ignored


def test_an_ignored_person_is_acknowledged_and_stored_and_not_shown_over_lives_until_heard_again() -> None:
    world = World(7, people=2, weather=Weather())
    world.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    alice, bob = world.people
    assert alice.core.trust.ignore("bob", is_ignored=True) == happened.Ignored(name="bob", is_ignored=True)
    alice.pump()

    def bob_says(text: str) -> None:
        before = bob.screen.count(happened.Delivered)
        bob.send("alice", text)
        bob.send_all(f"{text} to all")
        assert world.network.run_until(lambda: bob.screen.count(happened.Delivered) > before, within=5.0)
        world.network.run_for(1.0)

    bob_says("one")
    alice.crash()
    alice.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    bob_says("two")
    assert alice.screen.texts() == []
    assert alice.history.lines.latest(9) == []
    assert alice.core.trust.ignore("bob", is_ignored=False) == happened.Ignored(name="bob", is_ignored=False)
    alice.pump()
    bob_says("three")
    assert alice.screen.texts() == ["three", "three to all"]
    alice.crash()
    alice.start()
    world.network.run_for(2.0)
    assert alice.screen.texts() == ["three", "three to all"]  # what was not to be heard does not come back
    assert len(alice.history.lines.latest(9)) == 6
