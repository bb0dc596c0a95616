"""This file is about the fields of the desk's messages, and with which of them a message begins.

The order of a message's fields is that of its array: first those of the shape that it is made from, then its own.
"""

from typing import Annotated

import msgspec

from wire.limits import (
    DESK_FORM_NAME_MAX,
    DESK_FORM_NUMBER_MAX,
    DESK_MENU_MAX,
    DESK_MENU_TEXT_MAX,
    DESK_QUEUE_NAME_MAX,
    TEXT_MAX,
)
from wire.messages.presence import Reference
from wire.messages.table import Count

TICKET_SIZE = 16

Ticket = Annotated[bytes, msgspec.Meta(min_length=TICKET_SIZE, max_length=TICKET_SIZE)]
QueueName = Annotated[str, msgspec.Meta(max_length=DESK_QUEUE_NAME_MAX)]
"""The name of a queue; empty for "the one where I am, else the first one"."""
FullName = Annotated[str, msgspec.Meta(max_length=DESK_FORM_NAME_MAX)]
PhoneNumber = Annotated[str, msgspec.Meta(max_length=DESK_FORM_NUMBER_MAX)]
"""As `wire.forms.mobile_number` makes it: `+919876543210`."""
Issue = Annotated[int, msgspec.Meta(ge=1, le=DESK_MENU_MAX)]
"""The number of an entry of the menu, from 1."""
Place = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""A position in a line, from 1."""
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
MenuText = Annotated[str, msgspec.Meta(max_length=DESK_MENU_TEXT_MAX)]
"""An entry of the menu: what the visitor came for."""


class Referring(msgspec.Struct, frozen=True, array_like=True):
    """A request, or its answer, which repeats the reference; 0 in what nobody asked for."""

    reference: Reference


class AboutQueue(Referring, frozen=True):
    """A request about one queue, or its answer."""

    queue: QueueName


class AboutVisit(Referring, frozen=True):
    """A request about one visit, so that it never concerns another one; 0 for none."""

    visit: Count


class OfVisit(msgspec.Struct, frozen=True, array_like=True):
    """Something of one visit."""

    visit: Count
