"""This file is about what a typed line can mean: values, and what the meaning depends on.

It knows no spelling. It must not know how an intention is carried out.
"""

import msgspec

from wire.names import PeerName


class SendDirect(msgspec.Struct, frozen=True):
    """Say `text` to one person."""

    to: PeerName
    text: str


class SendAll(msgspec.Struct, frozen=True):
    """Say `text` to everybody."""

    text: str


class Leave(msgspec.Struct, frozen=True):
    """Go offline under one's own name, and stay in the program."""

    name: PeerName


class Return(msgspec.Struct, frozen=True):
    """Come back online under one's own name."""

    name: PeerName


class ShowPeople(msgspec.Struct, frozen=True):
    """List who is online and since when the others are away."""


class ShowHelp(msgspec.Struct, frozen=True):
    """Show every command, or one with its spellings; `command` is a spelling that exists."""

    command: str | None = None


class Quit(msgspec.Struct, frozen=True):
    """Leave and end the program."""


class Empty(msgspec.Struct, frozen=True):
    """A line of blanks."""


class Mistake(msgspec.Struct, frozen=True):
    """A line that means nothing: `line` says why and is shown; nothing is sent."""

    line: str


Intention = SendDirect | SendAll | Leave | Return | ShowPeople | ShowHelp | Quit | Empty


class Context(msgspec.Struct, frozen=True):
    """What the meaning of a line depends on: who types it, and whether they have left with `dereg`."""

    me: PeerName
    offline: bool = False
