"""This file is about what a courier tells its owner.

It knows the notices and their meaning; it must not know what the owner shows or stores because of them.
"""

from typing import TypeAlias

import msgspec


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A whole new message: store it, then `confirm` it (or `reject` it, and a repeat counts as new)."""

    number: int
    body: bytes


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """The other end has stored it: `sends` of its most repeated part, `after` seconds from the first of these tries.

    It may come after `GaveUp` too, since an acknowledgement carries the recent past.
    """

    number: int
    sends: int
    after: float


class Unanswered(msgspec.Struct, frozen=True, gc=False):
    """The second or a later timed try went unanswered: time to look for a newer card of the other end."""

    number: int
    tries: int


class GaveUp(msgspec.Struct, frozen=True, gc=False):
    """All timed tries went unanswered; `tries` is 0 for one that waited all that time behind such messages."""

    number: int
    tries: int


DeliveryEvent: TypeAlias = Arrived | Acknowledged | Unanswered | GaveUp
