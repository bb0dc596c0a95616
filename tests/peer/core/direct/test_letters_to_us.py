"""Incoming letters: shown as late, released at the registry once stored, and reported if unreadable."""

from collections.abc import Callable

import msgspec
import pytest

from chatapp.peer.core.direct import receiving
from chatapp.peer.core.events import SOMEBODY, AuthorDoubt, DirectReceived, MailHeldBack, MailUnreadable
from chatapp.peer.core.records import IncomingAdded
from chatapp.wire.messages.mail import Letter, TakeMail
from tests.peer.core.cast import POLICY, Someone
from tests.peer.core.letterbox import BOB, CAROL, Desk, letter, part


def test_a_letter_that_its_sender_believes_gone_is_shown_if_it_comes_with_a_later_one() -> None:
    desk = Desk()
    desk.gets(letter(5, "thought to be gone", serial=1), letter(6, "later", since=5, serial=2))
    desk.store()
    assert desk.shown() == ["thought to be gone", "later"]


def test_letters_are_shown_late_and_let_go_when_they_are_stored() -> None:
    desk = Desk()
    desk.catch_up.begin()
    desk.gets(letter(5, serial=11), more=True)
    assert desk.out.requests == []
    desk.store()
    assert desk.out.requests == [TakeMail([11])]
    assert desk.shown() == []
    desk.gets()
    desk.store()
    (line,) = desk.lines()
    assert (line.sender, line.text, line.late) == ("bob", "hi", 5.0)


def unreadable() -> Letter:
    return letter(5, to=CAROL)


def of_another() -> Letter:
    sealed = letter(5, by=CAROL)
    return Letter(sealed.serial, BOB.id, 5, sealed.letter)


def garbage() -> Letter:
    return Letter(1, BOB.id, 5, b"")


@pytest.mark.parametrize("make", [unreadable, of_another, garbage])
def test_a_letter_that_cannot_be_read_is_told_of_and_let_go(make: Callable[[], Letter]) -> None:
    """Clause 7.4: it never will be, and the others behind it wait."""
    desk = Desk()
    desk.gets(make())
    desk.store()
    assert desk.out.requests == [TakeMail([1])]
    (told,) = desk.troubles()
    assert isinstance(told, MailUnreadable)
    desk.contacts.ignored.add(BOB.id)
    desk.gets(make())
    assert desk.troubles() == [], "of somebody who is ignored nothing is told"
    assert not [record for record in desk.out.records if isinstance(record, IncomingAdded)]


def test_a_letter_is_not_shown_under_a_name_that_its_author_has_not_signed() -> None:
    desk = Desk(knows=())
    row = BOB.row()
    desk.contacts.take_row(msgspec.structs.replace(row, card=msgspec.structs.replace(row.card, name="carol")))
    desk.gets(letter(5))
    desk.store()
    (line,) = desk.lines()
    assert isinstance(line, DirectReceived)
    assert (line.sender, line.doubt) == ("bob", AuthorDoubt.NOT_IN_TABLE)


# --- of people who are not in the table

DAVE, OTHER_BOB = Someone("dave"), Someone("mallory")


def called(name: str, number: int = 5, *, by: Someone = OTHER_BOB) -> Letter:
    """Return a letter by somebody under this name."""
    them = Someone(by.name)
    them.name = name
    return letter(number, f"by {by.name}", by=them)


def doubts(desk: Desk) -> list[tuple[str, str, AuthorDoubt | None]]:
    lines = desk.lines()
    return [(one.sender, one.text, one.doubt) for one in lines if isinstance(one, DirectReceived)]


@pytest.mark.parametrize(
    ("name", "shown", "doubt"),
    [
        ("dave", "dave", AuthorDoubt.NOT_IN_TABLE),
        ("bob", "bob", AuthorDoubt.OTHER_KEY),
        ("BOB", "BOB", AuthorDoubt.OTHER_KEY),
        ("bob: hi, I am", SOMEBODY, AuthorDoubt.NOT_IN_TABLE),
        ("", SOMEBODY, AuthorDoubt.NOT_IN_TABLE),
    ],
)
def test_a_letter_whose_author_is_not_in_the_table_is_shown_with_a_warning(
    name: str, shown: str, doubt: AuthorDoubt
) -> None:
    desk = Desk()
    desk.gets(called(name))
    assert desk.shown() == []
    desk.store()
    assert desk.out.requests == [TakeMail([1])]
    assert doubts(desk) == [(shown, "by mallory", doubt)]
    assert desk.troubles() == []
    (line,) = desk.disk.lines.latest(9)
    assert (line.text, line.name, line.is_claimed) == (
        "by mallory",
        None if shown == SOMEBODY else shown,
        shown != SOMEBODY,
    )
    desk.gets(called(name))  # the same again
    desk.store()
    assert doubts(desk) == []


def test_a_letter_of_a_stranger_that_was_stored_and_not_shown_is_shown_after_a_restart_once() -> None:
    first = Desk()
    first.gets(called("dave", by=DAVE))
    first.store()  # and then the program is killed
    second = Desk(first.disk)
    assert second.shown() == []
    second.direct_receiver.table_known(now=second.now)
    second.now += POLICY.hold_span  # what an earlier one is waited for
    second.streams.handle_timer(now=second.now)
    assert doubts(second) == [("dave", "by dave", AuthorDoubt.NOT_IN_TABLE)]
    second.gets(called("dave", by=DAVE))
    second.store()
    assert doubts(second) == []
    second.store()
    third = Desk(first.disk)
    third.direct_receiver.table_known(now=third.now)
    assert doubts(third) == []


@pytest.mark.parametrize("again", [False, True], ids=["in the same life", "after a start"])
def test_whose_row_comes_after_their_letter_goes_on_as_the_same_person(again: bool) -> None:
    desk = Desk()
    desk.gets(called("dave", by=DAVE))
    desk.store()
    assert doubts(desk) == [("dave", "by dave", AuthorDoubt.NOT_IN_TABLE)]
    desk.store()
    if again:
        desk = Desk(desk.disk)
    desk.contacts.take_row(DAVE.row())
    contact = desk.contacts.by_identity(DAVE.id)
    assert contact is not None
    desk.direct_receiver.adopt(contact, now=desk.now)
    desk.direct_receiver.table_known(now=desk.now)
    desk.gets(called("dave", by=DAVE), letter(6, "in the table", by=DAVE))
    desk.hears(part(5, "by dave"), part(7, "straight"), by=DAVE)
    desk.store()
    assert doubts(desk) == [("dave", "in the table", None), ("dave", "straight", None)]


def test_an_author_whose_row_comes_before_the_whole_table_is_known() -> None:
    first = Desk()
    first.gets(called("dave", by=DAVE))
    first.store()  # and then the program is killed
    second = Desk(first.disk)
    second.contacts.take_row(DAVE.row())
    contact = second.contacts.by_identity(DAVE.id)
    assert contact is not None
    second.direct_receiver.adopt(contact, now=second.now)
    second.direct_receiver.table_known(now=second.now)
    second.now += POLICY.hold_span
    second.streams.handle_timer(now=second.now)
    assert doubts(second) == [("dave", "by dave", None)]


def test_letters_of_more_strangers_than_are_remembered_wait_at_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receiving, "UNKNOWN_AUTHORS_MAX", 1)
    desk = Desk()
    desk.gets(called("dave", by=DAVE), called("eve"))
    desk.gets(called("dave", 6, by=DAVE))
    assert desk.troubles() == [MailHeldBack()]
    desk.store()
    assert desk.shown() == ["by dave", "by dave"]
    assert desk.out.requests == [TakeMail([1, 1])]
    assert {line.text for line in desk.disk.lines.latest(9)} == {"by dave"}
    desk.contacts.take_row(DAVE.row())
    desk.gets(letter(7, "in the table", by=DAVE), called("eve"))
    desk.store()
    assert sorted(desk.shown()) == ["by mallory", "in the table"]
