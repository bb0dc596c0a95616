"""This file is about what the operator's log may want to know. No text of a message is ever in it.

Names and reasons here may be a stranger's text: whoever shows them cleans them first.
"""

from typing import TypeAlias

import msgspec

from wire.address import Address
from wire.messages.registration import RefusalReason


class CameIn(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody registered."""

    name: str
    address: Address

    def __str__(self) -> str:
        return f"{self.name} came in from {self.address}"


class NameChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has another name."""

    before: str
    name: str

    def __str__(self) -> str:
        return f"{self.before} is now {self.name}"


class TurnedAway(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was refused."""

    name: str
    address: Address
    reason: RefusalReason

    def __str__(self) -> str:
        return f"{self.name} was turned away from {self.address}: {self.reason.name}"


class LinkEnded(msgspec.Struct, frozen=True, kw_only=True):
    """We ended a link."""

    address: Address
    reason: str

    def __str__(self) -> str:
        return f"link of {self.address} ended: {self.reason}"


class StoreFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The disk did not take what it was given."""

    reason: str

    def __str__(self) -> str:
        return f"not stored: {self.reason}"


class NamesPassedOver(msgspec.Struct, frozen=True, kw_only=True):
    """At the start some names on the disk could not be read: whoever comes first may have them now."""

    count: int

    def __str__(self) -> str:
        return f"{self.count} names on the disk have cards of an unknown shape and were passed over"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An effect could not be carried out, by a fault of the registry's own."""

    reason: str
    places: tuple[str, ...]
    """Files and lines, the innermost last."""

    def __str__(self) -> str:
        return f"fault while serving: {self.reason} at {', '.join(self.places)}"


Event: TypeAlias = CameIn | NameChanged | TurnedAway | LinkEnded | StoreFailed | NamesPassedOver | Fault
