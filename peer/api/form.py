"""The form that a visitor fills in: which questions, in which order, and after how many wrong
answers it ends."""

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from chatapp.wire.desk.form import full_name, mobile_number
from chatapp.wire.errors import FormRefused
from chatapp.wire.limits import Count
from chatapp.wire.messages.desk import (
    TICKET_SIZE,
)

TRIES: Final = 3
"""Wrong answers in a row to one question after which the request is void."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A complete form. `number` is in the international format (E.164); `issue` is a number of the
    menu, from 1."""

    name: str
    number: str
    issue: int


def issue_number(typed: str, menu: Sequence[str]) -> int:
    """Return the number of the menu that was typed. Raises FormRefused."""
    typed = typed.strip()
    if typed.isascii() and typed.isdigit() and len(typed) < 5 and 1 <= int(typed) <= len(menu):
        return int(typed)
    reason = f"is not a number from 1 to {len(menu)}"
    raise FormRefused("issue", typed, reason, fault="issue_wrong", most=len(menu))


def rating_of(typed: str) -> int | None:
    """Return the rating that was typed; None for anything else than a number from 1 to 5."""
    typed = typed.strip()
    return int(typed) if typed in {"1", "2", "3", "4", "5"} else None


class FormQuestion(enum.Enum):
    """The questions, in their order."""

    NAME = enum.auto()
    NUMBER = enum.auto()
    ISSUE = enum.auto()


_QUESTIONS: Final = tuple(FormQuestion)


class Interview:
    """One request, question by question."""

    def __init__(self, *, region: str, menu: Sequence[str]) -> None:
        """`region`: where a number without a country code is dialled (ISO 3166). `menu`: the issues
        to choose from."""
        self._region: Final = region
        self.menu: Final = menu
        self._answers: list[str | int] = []
        self._wrong = 0
        self.refusal: FormRefused | None = None
        """What was wrong with the last answer; None if nothing was."""

    @property
    def question(self) -> FormQuestion | None:
        """The next question; None when nothing more is asked."""
        return None if self.is_void or self.form is not None else _QUESTIONS[len(self._answers)]

    @property
    def is_void(self) -> bool:
        """Whether one question was answered wrongly too often."""
        return self._wrong >= TRIES

    @property
    def form(self) -> Form | None:
        """The form, once every question is answered."""
        match self._answers:
            case [str(name), str(number), int(issue)]:
                return Form(name=name, number=number, issue=issue)
            case _:
                return None

    def begin_anew(self) -> None:
        """Go back to the first question and forget all answers."""
        self._answers.clear()
        self._wrong, self.refusal = 0, None

    def answer(self, typed: str) -> bool:
        """Take an answer to the question; False if it is not acceptable, and `refusal` tells
        why."""
        assert self.question is not None, "nothing is asked"
        try:
            self._answers.append(self._checked(self.question, typed))
        except FormRefused as refused:
            self._wrong += 1
            self.refusal = refused
            return False
        self._wrong, self.refusal = 0, None
        return True

    def _checked(self, question: FormQuestion, typed: str) -> str | int:
        """Return the answer in its standard form. Raises FormRefused."""
        if question is FormQuestion.NAME:
            return full_name(typed)
        if question is FormQuestion.NUMBER:
            return mobile_number(typed, self._region)
        return issue_number(typed, self.menu)


class StoredVisit(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a visit that is kept on disk."""

    ticket: bytes = b""
    """Empty while we have no position."""
    shown: Count = 0
    """The highest position of the visit that was shown."""

    def __post_init__(self) -> None:
        """Raises ValueError for a ticket that no registry would accept: its request would never be
        answered."""
        if len(self.ticket) not in (0, TICKET_SIZE):
            raise ValueError(f"a ticket has {TICKET_SIZE} bytes")
