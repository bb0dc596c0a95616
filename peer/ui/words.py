"""This file is about the smallest pieces of shown lines: names, times, lists, what somebody said.

Every string from elsewhere passes `clean` here and nowhere earlier, so that nothing shown can give an order to a terminal
or pass for a line of ours. It must not know what happened, nor print anything.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

from peer.core.events import LinkTrouble
from wire.text import clean

_NAME_SHOWN: Final = 64
"""Characters of a name that are shown: twice what a name can have, so that only a forged one is cut."""

_REASON_SHOWN: Final = 500
_LISTED: Final = 12
"""Names in one sentence; the others are counted."""

_FIRST_TIME: Final = 0.0
_LAST_TIME: Final = 253_370_764_800.0
"""1 January 9999, Unix time: what a stranger says about time is brought into what a calendar can show."""


class Entered(str):
    """A line that was typed, and when."""

    __slots__ = ("at",)

    at: float
    """By the loop's clock: when the line was entered, or could have been, if it lay unread for a while."""

    def __new__(cls, line: str, at: float) -> Self:
        """The line `line`, entered at `at`."""
        entered = super().__new__(cls, line)
        entered.at = at
        return entered


class Spoken(str):
    """A line that somebody said, for faces that set names and texts apart: `sender: text` and the like."""

    __slots__ = ("sender", "sender_at", "text_at")

    sender: str
    """As the line has it."""
    sender_at: int
    """Where the sender stands in the line."""
    text_at: int
    """Where the text begins."""

    def __new__(cls, sender: str, between: str, text: str, *, before: str = "") -> Self:
        """The line `before`, `sender`, `between`, `text`."""
        line = super().__new__(cls, f"{before}{sender}{between}{text}")
        line.sender, line.sender_at = sender, len(before)
        line.text_at = len(line) - len(text)
        return line


class Answer(str):
    """A line that somebody has asked for in order to read it, and no passing notice."""

    __slots__ = ()


def name(text: str) -> str:
    """Somebody's name, or a room's."""
    return clean(text, limit=_NAME_SHOWN)


def reason(text: str) -> str:
    """Why, as another program said it, to be followed by a full stop."""
    return clean(text, limit=_REASON_SHOWN).rstrip(".")


def names(several: Sequence[str]) -> str:
    """`bob`, `bob and carol`, `bob, carol and dave`, or the first of many and how many more."""
    shown = [name(one) for one in several[:_LISTED]]
    if len(several) > _LISTED:
        shown.append(f"{len(several) - _LISTED:,} others" if len(several) > _LISTED + 1 else "1 other")
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def counted(count: int, one: str, many: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count:,} {one if count == 1 else many}"


def shown_time(moment: float) -> str:
    """Unix time as local `YYYY-MM-DD HH:MM:SS`; total: a moment outside of the calendar shows its nearest end."""
    return f"{_local(moment):%Y-%m-%d %H:%M:%S}"


def shown_instant(moment: float) -> str:
    """Unix time as local `HH:MM:SS.mmm`."""
    local = _local(moment)
    return f"{local:%H:%M:%S}.{local.microsecond // 1_000:03}"


def _local(moment: float) -> datetime:
    within = min(max(moment, _FIRST_TIME), _LAST_TIME) if moment == moment else _FIRST_TIME
    return datetime.fromtimestamp(within)


def key_met(key: str, *, is_verified: bool) -> str:
    """At the first contact. `key`: its fingerprint; `is_verified`: the user or a join code had named it."""
    expected = ", as expected" if is_verified else ""
    return f"[First contact with this server; its key is {name(key)}{expected}.]"


def key_accepted(key: str) -> str:
    """It is another one than before, and the user accepted it."""
    return f"[The server's new key is accepted: {name(key)}.]"


def key_changed(expected: str, got: str) -> str:
    """It is not the one that is known (fingerprints)."""
    return f"[The server's key has changed: expected {name(expected)}, got {name(got)}.]"


_LINK_TROUBLES: Final = {
    LinkTrouble.BLOCKED: "The server answers on UDP, but not on TCP port {port}: let TCP port {port} through the firewalls "
    "on the way to it. What needs it waits",
    LinkTrouble.STALLED: "The connection to TCP port {port} of the server stood still and is made anew, though UDP works. "
    "If this comes again, large packets are lost on the way: set the MTU of this network to 1280",
    LinkTrouble.OVER: "The server answers on TCP port {port} now",
}


def link_trouble(port: int, trouble: LinkTrouble) -> str:
    """What is wrong with the link, and the cure."""
    return f"[{_LINK_TROUBLES[trouble].format(port=port)}.]"
