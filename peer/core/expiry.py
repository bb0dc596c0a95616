"""This file is about letters that were saved so long ago that the registry has dropped them.

It tells their sender, but only one that has a link at that moment (clause 7.5); whoever was away asks.
It knows times and presence; what follows from them is the ladder's.
"""

from typing import Final

from peer.core.contact import Contact
from peer.core.conversation import Message
from peer.core.standing import Standing
from peer.core.trail import What
from wire.limits import MAIL_KEPT_FOR

GRACE: Final = 86_400.0
"""Seconds after a letter's time: two clocks may differ, and the registry looks for old letters now and then."""

LOOK_SPAN: Final = 3_600.0
"""Seconds between looks while we are online."""


def is_overdue(message: Message, *, wall: float) -> bool:
    """Whether the registry cannot hold this saved message any more: it was fetched, or it is gone."""
    return message.standing is Standing.SAVED and wall > _kept_until(message) + GRACE


def was_never_fetched(contact: Contact, message: Message, *, wall: float) -> bool:
    """Whether the registry is to be asked: the reader has not been there since before it was saved, so it is gone when
    the registry does not have it. Of another nothing is said: an acknowledgement of a letter does not come until
    something goes straight."""
    row = contact.row
    is_absent = not row.online and row.since <= _kept_until(message) - MAIL_KEPT_FOR
    return is_absent and is_overdue(message, wall=wall)


def _kept_until(message: Message) -> float:
    untils = [step[2] for step in message.steps if step[0] == What.SAVED and len(step) > 2]
    if untils and isinstance(untils[-1], int):
        return float(untils[-1])
    return message.at_ms / 1_000 + MAIL_KEPT_FOR  # saved by an earlier ChatApp, which kept no trail
