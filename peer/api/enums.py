"""Enums whose members have a word, by which JSON spells them, and a sentence or a number."""

import enum
from typing import Self


class Explained(enum.Enum):
    """The sentence of a member says what it means; faces have words of their own."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        """`word`: the name of the member in lower case."""
        member = object.__new__(cls)
        member._value_ = word
        member.meaning = meaning
        return member


class Numbered(enum.Enum):
    """The number of a member is stored on disk."""

    number: int

    def __new__(cls, word: str, number: int) -> Self:
        """`word`: the name of the member in lower case."""
        member = object.__new__(cls)
        member._value_ = word
        member.number = number
        return member

    @classmethod
    def numbered(cls, number: int) -> Self:
        """Return the member with this number. Raises ValueError."""
        for member in cls:
            if member.number == number:
                return member
        raise ValueError(f"{number} is not the number of a {cls.__name__}")
