"""The smallest pieces of shown lines: names, times, lists, what somebody said.

Every string from elsewhere passes `clean` here and nowhere earlier, so that nothing shown can give an order to a
terminal or pass for a line of ours.
"""

import re
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

import msgspec

from chatapp.peer.core.events import LinkTrouble
from chatapp.wire.errors import NameRefused
from chatapp.wire.names import is_same_name, name_key
from chatapp.wire.text import sanitize

_NAME_SHOWN: Final = 64
"""Characters of a name that are shown: twice what a name can have, so that only a forged one is cut."""

_REASON_SHOWN: Final = 500
_LISTED: Final = 12
"""Names in one sentence; the others are counted."""

_FIRST_TIME: Final = 0.0
_LAST_TIME: Final = 253_370_764_800.0
"""1 January 9999, Unix time: what a stranger says about time is brought into what a calendar can show."""


class TypedLine(str):
    """A line that was typed, and when."""

    __slots__ = ("at",)

    at: float
    """By the loop's clock: when the line was entered, or could have been, if it lay unread for a while."""

    def __new__(cls, line: str, at: float) -> Self:
        """The line `line`, entered at `at`."""
        entered = super().__new__(cls, line)
        entered.at = at
        return entered


class MessageLine(str):
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


class AnswerLine(str):
    """A line that somebody has asked for in order to read it, and no passing notice."""

    __slots__ = ()


def name(text: str) -> str:
    """Somebody's name, or a room's."""
    return sanitize(text, limit=_NAME_SHOWN)


def reason(text: str) -> str:
    """Why, as another program said it, to be followed by a full stop."""
    return sanitize(text, limit=_REASON_SHOWN).rstrip(".")


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
    LinkTrouble.BLOCKED: "The server answers on UDP, but not on TCP port {port}: open TCP port {port} in the firewalls "
    "on the way. Rooms, mail and the channel wait for it",
    LinkTrouble.STALLED: "The TCP connection to port {port} of the server stalled and is being opened anew, though UDP "
    "works. If this happens again, large packets are being lost: set the MTU of this network to 1280",
    LinkTrouble.OVER: "The server answers on TCP port {port} now",
}


def link_trouble(port: int, trouble: LinkTrouble) -> str:
    """What is wrong with the link, and the cure."""
    return f"[{_LINK_TROUBLES[trouble].format(port=port)}.]"


PROMPT: Final = ">>> "
"""Before each line on a pipe, and before what is typed on a terminal; in a room its name stands before it."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a peer, as far as its user sees it all the time."""

    me: str = ""
    room: str | None = None
    client: str | None = None
    """The visitor whom one serves at the help desk."""
    is_on_duty: bool = False
    """Whether visitors of the help desk may be given to us."""
    is_offline: bool = False
    is_server_away: bool = False
    in_reach: int = 0
    """Members of the room who are, while the registry is away."""
    online: int = 0
    """People, oneself among them."""
    unread: int = 0
    """Lines that others said since one last typed."""
    notes: tuple[str, ...] = ()
    """What else the line below says, as `queue: number 3`."""


def prompt_of(view: View) -> str:
    """`>>> `; in a room `[lab] >>> `, or `[lab, server away, 2 in reach] >>> `.

    An operator who serves a visitor of the help desk sees whom: `[desk: Asha Rao] >>> `.
    Outside a room it is always the same, as scripts match it: that the registry is away was said by a line."""
    if view.client is not None and not view.is_offline:
        return f"[desk: {name(view.client)}] {PROMPT}"
    if view.room is None or view.is_offline:
        return PROMPT
    away = f", server away, {view.in_reach} in reach" if view.is_server_away else ""
    return f"[{name(view.room)}{away}] {PROMPT}"


def status_pieces(view: View) -> list[str]:
    """The pieces of the line below the prompt, the most important first. A visitor of a help desk has no name."""
    if not view.me:
        return [*(["server away"] if view.is_server_away else []), *view.notes]
    if view.is_offline:
        return [name(view.me), "offline", f"reg {name(view.me)} to return"]
    pieces = [name(view.me)]
    if view.room is not None:
        pieces.append(name(view.room))
    pieces.append("server away" if view.is_server_away else f"{view.online:,} online")
    if view.client is not None:
        pieces.append(f"serving {name(view.client)}")
    elif view.is_on_duty:
        pieces.append("on duty")
    if view.unread:
        pieces.append(counted(view.unread, "new line", "new lines"))
    return [*pieces, *view.notes]


Fragments = list[tuple[str, str]]

OF_256: Final = (160, 166, 130, 100, 64, 28, 29, 30, 31, 32, 27, 62, 99, 97, 129, 164, 163, 162, 132, 131)
"""Colours of the 256 that can be read on black and on white alike: each has a contrast of 3.6 and more to both."""

OF_16: Final = ("ansired", "ansigreen", "ansiyellow", "ansimagenta", "ansicyan", "ansibrightblue")
"""What a terminal of 16 colours shows is its owner's choice; black, white and dark blue are the ones hard to read."""

_CUBE: Final = (0, 95, 135, 175, 215, 255)


def rgb(colour: int) -> tuple[int, int, int]:
    """Red, green and blue of one of the 216 in the middle of the 256."""
    place = colour - 16
    return _CUBE[place // 36], _CUBE[place // 6 % 6], _CUBE[place % 6]


def colour_of(name: str, *, is_16: bool) -> str:
    """The style of a name: the same at every start and at everybody's."""
    try:
        key = name_key(name)
    except NameRefused:
        key = name
    drawn = zlib.crc32(key.encode("utf-8", "replace"))
    if is_16:
        return OF_16[drawn % len(OF_16)]
    return "#{:02x}{:02x}{:02x}".format(*rgb(OF_256[drawn % len(OF_256)]))


def mentions(line: str, me: str) -> bool:
    """Whether somebody else says one's name in it."""
    return (
        isinstance(line, MessageLine)
        and not is_same_name(line.sender, me)
        and bool(_naming(me).search(line[line.text_at :]))
    )


def fragments(line: str, me: str, *, is_16: bool) -> Fragments:
    """The line in pieces, each with its style."""
    if isinstance(line, AnswerLine):
        return [("", line)]
    if not isinstance(line, MessageLine):
        return [("class:notice", line)]
    after_name = line.sender_at + len(line.sender)
    text = line[line.text_at :]
    return [
        ("class:notice", line[: line.sender_at]),
        (f"bold {colour_of(line.sender, is_16=is_16)}", line[line.sender_at : after_name]),
        ("class:notice", line[after_name : line.text_at]),
        *([("", text)] if is_same_name(line.sender, me) else _with_mentions(text, me)),
    ]


def _with_mentions(text: str, me: str) -> Fragments:
    made: Fragments = []
    at = 0
    for found in _naming(me).finditer(text):
        made += [("", text[at : found.start()]), ("bold", found[0])]
        at = found.end()
    return [*made, ("", text[at:])]


def _naming(me: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(me)}(?![\w-])", re.IGNORECASE)
