"""The form: what a visitor is asked, in which order, and when a request is void.

What a name and a number are stands in `wire.desk`.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from chatapp.wire.desk import full_name, mobile_number
from chatapp.wire.errors import FormRefused

TRIES: Final = 3
"""Wrong answers to one question after which the request is void."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A whole form. `number` is in the international form (E.164); `issue` is a number of the menu, from 1."""

    name: str
    number: str
    issue: int


def issue_number(typed: str, menu: Sequence[str]) -> int:
    """The number of the menu that was typed. Raises FormRefused."""
    typed = typed.strip()
    if typed.isascii() and typed.isdigit() and len(typed) < 5 and 1 <= int(typed) <= len(menu):
        return int(typed)
    raise FormRefused("issue", typed, f"is not a number from 1 to {len(menu)}")


class Interview:
    """One request, question by question."""

    def __init__(self, *, region: str, menu: Sequence[str]) -> None:
        self._questions: Final[tuple[tuple[list[str], Callable[[str], str | int]], ...]] = (
            (["[Your full name:]"], full_name),
            (["[Your mobile number:]"], lambda typed: mobile_number(typed, region)),
            (
                ["[What is it about? Type its number:]", *_numbered(menu)],
                lambda typed: issue_number(typed, menu),
            ),
        )
        self._answers: list[str | int] = []
        self._wrong = 0
        self.refusal = ""
        """Why the last answer would not do; empty when it did."""

    @property
    def question(self) -> list[str]:
        """The lines that ask for the next answer; none when nothing more is asked. A menu is not cleaned yet."""
        return [] if self.is_void or self.form is not None else self._questions[len(self._answers)][0]

    @property
    def is_void(self) -> bool:
        """Whether one question was answered wrongly too often."""
        return self._wrong >= TRIES

    @property
    def form(self) -> Form | None:
        """The whole form, when every question is answered."""
        match self._answers:
            case [str(name), str(number), int(issue)]:
                return Form(name=name, number=number, issue=issue)
            case _:
                return None

    def begin_anew(self) -> None:
        """From the first question; what was answered is forgotten."""
        self._answers.clear()
        self._wrong, self.refusal = 0, ""

    def answer(self, typed: str) -> bool:
        """Take an answer to the question; false when it will not do, and `refusal` says why."""
        assert self.question, "nothing is asked"
        try:
            self._answers.append(self._questions[len(self._answers)][1](typed))
        except FormRefused as refused:
            self._wrong += 1
            self.refusal = str(refused)
            return False
        self._wrong, self.refusal = 0, ""
        return True


def _numbered(menu: Sequence[str]) -> list[str]:
    return [f"[{number} {issue}]" for number, issue in enumerate(menu, 1)]
