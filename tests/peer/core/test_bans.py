"""Bans at the peer: signed rows name the banned people, and nothing they send counts."""

import pytest

from chatapp.peer.api import events
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, encode, join_frames
from chatapp.wire.messages.direct import DirectBody, DirectGroupLine, Floor, Part
from chatapp.wire.messages.mail import DepositMail
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.messages.table import Presence, Row, TablePage
from tests.peer.core.cast import Someone, raw
from tests.peer.core.core_driver import CoreDriver
from tests.peer.core.lab import enter, lose_registry
from tests.peer.core.people.test_trust import letter_by

BOB, CAROL = Someone("bob"), Someone("carol")
BOB.home = Address("2.2.2.2", 6_000)
SEALED = (Kind.OPENING, Kind.SEALED, Kind.ANSWER)


def banned(version: int, *, placed: bool = True) -> Row:
    host, port = BOB.home if placed else ("", 0)
    return Row(BOB.card(), host, port, Presence.BANNED, 0, 0, version)


@pytest.fixture
def node() -> CoreDriver:
    """Alice, who has heard Bob and Carol."""
    node = CoreDriver()
    node.come_in(node.alice.row(1), BOB.row(100), CAROL.row(100))
    says(node, BOB, 1)
    assert heard(node) == ["number 1"]
    return node


def says(node: CoreDriver, who: Someone, number: int, *, to_all: bool = False) -> None:
    """Deliver a datagram with a message, or with a line of the channel."""
    again = who.session_with(node.alice)
    text = f"number {number}"
    line = DirectGroupLine(CHANNEL, number, number, number, number, 0, text)
    body = encode(line if to_all else DirectBody(at=0, text=text))
    frames = Floor(number), Part(number, 0, 1, body)
    node.hears(again.seal(join_frames([encode(frame) for frame in frames])), who.home)


def heard(node: CoreDriver) -> list[str]:
    shapes = events.Said
    return [event.text for event in node.saw() if isinstance(event, shapes)]


def shows(node: CoreDriver, *rows: Row, version: int) -> None:
    node.told(TablePage(node.core.table_version, version, more=False, rows=raw(*rows)))


def answered(node: CoreDriver, who: Someone) -> list[bytes]:
    sent = [data for data, to in node.datagrams if to == who.home]
    node.datagrams.clear()
    return sent


@pytest.mark.parametrize(
    "placed", [True, False], ids=["here before", "unseen in this life of the registry"]
)
def test_banned_people_are_neither_shown_nor_answered_until_the_ban_ends(
    node: CoreDriver, placed: bool
) -> None:
    shows(node, banned(200, placed=placed), version=200)
    assert events.PersonAway(name="bob", how=events.Absence.BANNED) in node.saw()
    assert [(one.name, one.is_banned) for one in node.core.people() if one.name != "alice"] == [
        ("bob", True),
        ("carol", False),
    ]
    node.datagrams.clear()
    says(node, BOB, 2)
    says(node, BOB, 3, to_all=True)
    assert (heard(node), answered(node, BOB)) == ([], [])
    says(node, CAROL, 2)
    assert heard(node) == ["number 2"]
    node.datagrams.clear()
    node.core.direct.send("bob", "not straight", now=node.now)
    node.turn()
    assert answered(node, BOB) == []
    assert [request.recipient for request in node.asked() if isinstance(request, DepositMail)] == [
        BOB.id
    ]
    shows(node, BOB.row(201), version=201)
    says(node, BOB, 4)
    assert heard(node) == ["number 4"]


def test_no_room_line_goes_directly_to_banned_people(node: CoreDriver) -> None:
    enter(node, who=(BOB, CAROL))
    shows(node, banned(200), version=200)
    lose_registry(node)
    node.datagrams.clear()
    node.core.rooms.say("lab", "among us", now=node.now)
    node.turn()
    assert {to for data, to in node.datagrams if data[0] in SEALED} == {CAROL.home}


def test_a_ban_holds_without_the_registry_over_a_start_and_keeps_lines_from_them(
    node: CoreDriver,
) -> None:
    shows(node, banned(200), version=200)
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.start()
    again.pass_time(30.0)
    again.saw()
    again.datagrams.clear()
    says(again, BOB, 5)
    assert heard(again) == []
    again.core.rooms.say_to_all("to all", now=again.now)
    again.pass_time(3.0)
    assert {to for data, to in again.datagrams if data[0] in SEALED} == {CAROL.home}


def test_a_letter_that_was_saved_before_the_ban_is_shown(node: CoreDriver) -> None:
    shows(node, banned(200), version=200)
    node.saw()
    node.told(letter_by(BOB, 2, "left at the server"))
    node.turn()
    batches = [event.lines for event in node.saw() if isinstance(event, events.MailReturned)]
    assert [line.text for lines in batches for line in lines] == ["left at the server"]
