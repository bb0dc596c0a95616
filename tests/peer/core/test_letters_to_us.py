"""This file is about letters to us: shown late, let go when they are stored, and told of when they cannot be read."""

from collections.abc import Callable

import msgspec
import pytest

from peer.core.records import IncomingAdded
from tests.peer.core.cast import Someone
from tests.peer.core.letterbox import BOB, CAROL, Desk, letter
from wire.messages.mail import Letter, TakeMail


def test_a_letter_that_its_sender_believes_gone_is_shown_if_it_comes_with_a_later_one() -> None:
    desk = Desk()
    desk.gets(letter(5, "thought to be gone", serial=1), letter(6, "later", since=5, serial=2))
    desk.store()
    assert desk.shown() == ["thought to be gone", "later"]


def test_letters_are_shown_late_and_let_go_when_they_are_stored() -> None:
    desk = Desk()
    desk.home.begin()
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


def of_a_stranger() -> Letter:
    return letter(5, by=Someone("dave"))


@pytest.mark.parametrize("make", [unreadable, of_another, garbage, of_a_stranger])
def test_a_letter_that_cannot_be_read_is_told_of_and_let_go(make: Callable[[], Letter]) -> None:
    """Clause 7.4: it never will be, and the others behind it wait."""
    desk = Desk()
    desk.gets(make())
    desk.store()
    assert desk.out.requests == [TakeMail([1])]
    (told,) = desk.troubles()
    assert told.startswith("A letter from ")
    assert not [record for record in desk.out.records if isinstance(record, IncomingAdded)]


def test_a_letter_is_not_shown_under_a_name_that_its_author_has_not_signed() -> None:
    desk = Desk(knows=())
    row = BOB.row()
    desk.contacts.take_row(msgspec.structs.replace(row, card=msgspec.structs.replace(row.card, name="carol")))
    desk.gets(letter(5))
    desk.store()
    assert desk.shown() == []
