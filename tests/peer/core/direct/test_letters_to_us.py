"""Incoming letters: shown as late, released at the registry once stored, and reported if
unreadable."""

from collections.abc import Callable

import msgspec
import pytest

from chatapp.peer.api.events import (
    SOMEBODY,
    AuthorDoubt,
    MailHeldBack,
    MailUnreadable,
    Said,
)
from chatapp.peer.core.direct import arrivals
from chatapp.peer.core.records import IncomingAdded
from chatapp.wire.messages.direct import Floor
from chatapp.wire.messages.mail import Letter, TakeMail
from tests.peer.core.cast import POLICY, Someone
from tests.peer.core.receiver_driver import BOB, CAROL, ReceiverDriver, letter, part


def test_a_letter_that_its_sender_believes_gone_is_shown_if_it_comes_with_a_later_one() -> None:
    driver = ReceiverDriver()
    driver.gets(letter(5, "thought to be gone", serial=1), letter(6, "later", since=5, serial=2))
    driver.store()
    assert driver.shown() == ["thought to be gone", "later"]


def test_letters_are_shown_late_and_let_go_when_they_are_stored() -> None:
    driver = ReceiverDriver()
    driver.catch_up.begin()
    driver.gets(letter(5, serial=11), more=True)
    assert driver.out.requests == []
    driver.store()
    assert driver.out.requests == [TakeMail([11])]
    assert driver.shown() == []
    driver.gets()
    driver.store()
    (line,) = driver.lines()
    assert (line.sender, line.text, line.at) == ("bob", "hi", 5.0)
    assert line.is_late


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
    driver = ReceiverDriver()
    driver.gets(make())
    driver.store()
    assert driver.out.requests == [TakeMail([1])]
    (told,) = driver.troubles()
    assert isinstance(told, MailUnreadable)
    driver.contacts.ignored.add(BOB.id)
    driver.gets(make())
    assert driver.troubles() == [], "of somebody who is ignored nothing is told"
    assert not [record for record in driver.out.records if isinstance(record, IncomingAdded)]


def test_a_letter_is_not_shown_under_a_name_that_its_author_has_not_signed() -> None:
    driver = ReceiverDriver(knows=())
    row = BOB.row()
    driver.contacts.take_row(
        msgspec.structs.replace(row, card=msgspec.structs.replace(row.card, name="carol"))
    )
    driver.gets(letter(5))
    driver.store()
    (line,) = driver.lines()
    assert isinstance(line, Said)
    assert (line.sender, line.doubt) == ("bob", AuthorDoubt.NOT_IN_TABLE)


# --- of people who are not in the table

DAVE, OTHER_BOB = Someone("dave"), Someone("mallory")


def called(name: str, number: int = 5, *, by: Someone = OTHER_BOB) -> Letter:
    """Return a letter by somebody under this name."""
    them = Someone(by.name)
    them.name = name
    return letter(number, f"by {by.name}", by=them)


def doubts(driver: ReceiverDriver) -> list[tuple[str, str, AuthorDoubt | None]]:
    lines = driver.lines()
    return [(one.sender, one.text, one.doubt) for one in lines]


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
    driver = ReceiverDriver()
    driver.gets(called(name))
    assert driver.shown() == []
    driver.store()
    assert driver.out.requests == [TakeMail([1])]
    assert doubts(driver) == [(shown, "by mallory", doubt)]
    assert driver.troubles() == []
    (line,) = driver.disk.lines.latest(9)
    assert (line.text, line.name, line.doubt) == (
        "by mallory",
        None if shown == SOMEBODY else shown,
        None if shown == SOMEBODY else doubt,
    )
    driver.gets(called(name))  # the same again
    driver.store()
    assert doubts(driver) == []


def test_a_letter_of_a_stranger_that_was_stored_and_not_shown_is_shown_after_a_restart_once() -> (
    None
):
    first = ReceiverDriver()
    first.gets(called("dave", by=DAVE))
    first.store()  # and then the program is killed
    second = ReceiverDriver(first.disk)
    assert second.shown() == []
    second.direct_receiver.table_known(now=second.now)
    second.now += POLICY.hold_span  # what an earlier one is waited for
    second.streams.handle_timer(now=second.now)
    assert doubts(second) == [("dave", "by dave", AuthorDoubt.NOT_IN_TABLE)]
    second.gets(called("dave", by=DAVE))
    second.store()
    assert doubts(second) == []
    second.store()
    third = ReceiverDriver(first.disk)
    third.direct_receiver.table_known(now=third.now)
    assert doubts(third) == []


@pytest.mark.parametrize("again", [False, True], ids=["in the same life", "after a start"])
def test_whose_row_comes_after_their_letter_goes_on_as_the_same_person(again: bool) -> None:
    driver = ReceiverDriver()
    driver.gets(called("dave", by=DAVE))
    driver.store()
    assert doubts(driver) == [("dave", "by dave", AuthorDoubt.NOT_IN_TABLE)]
    driver.store()
    if again:
        driver = ReceiverDriver(driver.disk)
    driver.contacts.take_row(DAVE.row())
    contact = driver.contacts.by_identity(DAVE.id)
    assert contact is not None
    driver.direct_receiver.adopt(contact, now=driver.now)
    driver.direct_receiver.table_known(now=driver.now)
    driver.gets(called("dave", by=DAVE), letter(6, "in the table", by=DAVE))
    driver.hears(part(5, "by dave"), part(7, "straight"), by=DAVE)
    driver.store()
    assert doubts(driver) == [("dave", "in the table", None), ("dave", "straight", None)]


def test_an_author_whose_row_comes_before_the_whole_table_is_known() -> None:
    first = ReceiverDriver()
    first.gets(called("dave", by=DAVE))
    first.store()  # and then the program is killed
    second = ReceiverDriver(first.disk)
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
    monkeypatch.setattr(arrivals, "UNKNOWN_AUTHORS_MAX", 1)
    driver = ReceiverDriver()
    driver.gets(called("dave", by=DAVE), called("eve"))
    driver.gets(called("dave", 6, by=DAVE))
    assert driver.troubles() == [MailHeldBack()]
    driver.store()
    assert driver.shown() == ["by dave", "by dave"]
    assert driver.out.requests == [TakeMail([1, 1])]
    assert {line.text for line in driver.disk.lines.latest(9)} == {"by dave"}
    driver.contacts.take_row(DAVE.row())
    driver.gets(letter(7, "in the table", by=DAVE), called("eve"))
    driver.store()
    assert sorted(driver.shown()) == ["by mallory", "in the table"]


def test_a_letter_beyond_all_that_an_inbox_holds_is_not_lost() -> None:
    """The registry drops what it has handed over, so nobody would send it again."""
    driver = ReceiverDriver()
    last = 5 + POLICY.hold_numbers
    for number in range(6, last + 1):
        driver.hears(Floor(5), part(number))
        driver.store()
    driver.gets(
        letter(last + 2, "beyond", floor=5, since=last + 2), letter(5, "first", floor=5, serial=2)
    )
    driver.store()
    assert driver.out.requests == [TakeMail([1, 2])]
    driver.hears(part(last + 1, "between"))
    driver.store()
    shown = driver.shown()
    assert (shown[-1], len(shown)) == ("beyond", POLICY.hold_numbers + 3)


@pytest.mark.parametrize(("floor", "since"), [(3, 3), (1, 2)], ids=["a floor", "a gap"])
def test_a_repeated_letter_says_what_not_to_wait_for(floor: int, since: int) -> None:
    driver = ReceiverDriver()
    driver.hears(part(1, "one"))
    driver.hears(part(3, "three"))
    driver.store()
    assert driver.shown() == ["one"]
    driver.gets(letter(3, "three", floor=floor, since=since))
    driver.store()
    due = driver.streams.next_timer()
    assert due is not None
    assert due <= driver.now
    driver.streams.handle_timer(now=driver.now)
    assert driver.shown() == ["three"]
    assert driver.streams.next_timer() is None
