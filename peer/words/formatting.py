"""The pieces of shown lines: names, times, lists, messages, the prompt, the status line and
colours.

Every string from elsewhere passes `sanitize` here and nowhere earlier, so that nothing shown can
send an escape sequence to the terminal or pass for a line of ours.
"""

import enum
import re
import zlib
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final, Self

import msgspec

from chatapp.peer.api.conversations import Conversation, addresses
from chatapp.peer.api.events import AuthorDoubt, LinkTrouble, MessageState
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.names import is_same_name, name_key
from chatapp.wire.text import sanitize

_NAME_SHOWN: Final = 64
"""Characters of a name that are shown: twice what a name can have, so that only a forged one is
cut."""

_REASON_SHOWN: Final = 500
DOUBTS: Final = {
    AuthorDoubt.NOT_IN_TABLE: "unverified: nobody of this name is registered",
    AuthorDoubt.OTHER_KEY: "unverified: not the key that you know",
}
"""What there is to say about an author who may be somebody else than the name says."""

_LISTED: Final = 12
"""Names listed in one sentence; the others are counted."""

_FIRST_TIME: Final = 0.0
_LAST_TIME: Final = 253_370_764_800.0
"""1 January 9999 as Unix time. Times that strangers send are clamped to what `datetime` can
show."""


LINE_MAX: Final = 8 * TEXT_MAX
"""Bytes kept of one typed line. A longer one is refused, once."""


class TypedLine(str):
    """A typed line, when it was typed, and by which key a page asks for it."""

    __slots__ = ("at", "is_again", "key")

    at: float
    """By the loop's clock. Of a line that lay unread for a while, the earliest time at which it may
    have been typed."""
    key: int
    """The key of the first thing that it sends (`Send.key`), the next number that of the next one; 0
    for none."""
    is_again: bool
    """Whether it may have been carried out before, maybe by an earlier run of the program."""

    def __new__(cls, line: str, at: float, *, key: int = 0, is_again: bool = False) -> Self:
        """Make a line that was typed at the time `at`."""
        entered = super().__new__(cls, line)
        entered.at, entered.key, entered.is_again = at, key, is_again
        return entered


class Audience(enum.Enum):
    """For whom a message is."""

    PERSON = enum.auto()
    ROOM = enum.auto()
    EVERYBODY = enum.auto()


class Mark(enum.Enum):
    """What became of a message of ours."""

    SEEN = enum.auto()
    RECEIVED = enum.auto()
    SAVED = enum.auto()
    KEPT = enum.auto()
    REFUSED = enum.auto()


def mark_of(state: MessageState | None, *, is_direct: bool, is_seen: bool = False) -> Mark | None:
    """Return the mark of a message of ours in this state; None while it is under way."""
    match state:
        case MessageState.DELIVERED | MessageState.SAVED if is_seen:
            return Mark.SEEN
        case MessageState.DELIVERED:
            return Mark.RECEIVED
        case MessageState.SAVED:
            return Mark.SAVED if is_direct else Mark.RECEIVED
        case MessageState.KEPT:
            return Mark.KEPT
        case MessageState.REFUSED | MessageState.EXPIRED:
            return Mark.REFUSED
        case _:
            return None


class MessageLine(str):
    """A line that shows a message, such as `sender: text`; terminals give its parts different
    styles."""

    __slots__ = ("at", "audience", "is_claimed", "mark", "sender", "sender_at", "text_at", "where")

    at: float | None
    """When it was said, in Unix seconds, if it is shown again as a part of the past; else None."""
    audience: Audience
    is_claimed: bool
    """Whether the author only claims to be `sender`."""
    mark: Mark | None
    """What became of it, if it is a message of ours of the past. Screens show it; a pipe tells by
    lines."""
    sender: str
    """The name as the line shows it."""
    sender_at: int
    """The index of the sender in the line."""
    text_at: int
    """The index of the text in the line."""
    where: Conversation | None
    """The conversation of a new message; None for one that calls nobody."""

    def __new__(
        cls,
        sender: str,
        between: str,
        text: str,
        *,
        before: str = "",
        at: float | None = None,
        audience: Audience = Audience.PERSON,
        doubt: AuthorDoubt | None = None,
    ) -> Self:
        """Join `before`, `sender`, the warning about a doubtful author, `between` and `text`."""
        line = super().__new__(cls, f"{before}{sender}{doubted(doubt)}{between}{text}")
        line.at, line.audience, line.mark = at, audience, None
        line.is_claimed = doubt is not None
        line.sender, line.sender_at = sender, len(before)
        line.text_at = len(line) - len(text)
        line.where = None
        return line

    def said_in(self, where: Conversation) -> Self:
        """Note where the message was said just now, and return it."""
        self.where = where
        return self

    def with_mark(self, mark: Mark | None) -> Self:
        """Give the line its mark, and return it."""
        self.mark = mark
        return self


class CallingMessage(MessageLine):
    """A message that calls the user whatever it says: to a visitor, the operator's first line."""

    __slots__ = ()


class SettledLine(str):
    """A line that the user typed, of which it is known now what became of it. Only a screen shows
    it: with its mark."""

    __slots__ = ("mark", "typed")

    mark: Mark | None
    """None: the line was no message, or it is under way still as the program ends."""
    typed: TypedLine

    def __new__(cls, typed: TypedLine, mark: Mark | None = None) -> Self:
        """Settle a typed line."""
        line = super().__new__(cls, typed)
        line.typed, line.mark = typed, mark
        return line


class OwnLine(str):
    """A line that the user has said in another window."""

    __slots__ = ("mark",)

    mark: Mark | None
    """What a screen shows of its fate."""

    def __new__(cls, text: str, mark: Mark | None = None) -> Self:
        """Have this line shown, with this mark on a screen."""
        line = super().__new__(cls, text)
        line.mark = mark
        return line


class AnswerLine(str):
    """A line that answers a command. Terminals do not dim it as they dim notices."""

    __slots__ = ()


class CallingLine(str):
    """A line that is no message and calls the user: terminals ring, and say so in the title of the
    window."""

    __slots__ = ("by",)

    by: str
    """Who or what calls, as the title shows it."""

    def __new__(cls, line: str, *, by: str) -> Self:
        """Make a line that calls the user."""
        calling = super().__new__(cls, line)
        calling.by = by
        return calling


def name(text: str) -> str:
    """Make the name of a person or a room safe to show."""
    return sanitize(text, limit=_NAME_SHOWN)


def doubted(doubt: AuthorDoubt | None) -> str:
    """Return the warning that stands behind the name of an author, with a blank before it; empty
    without a doubt."""
    return "" if doubt is None else f" ({DOUBTS[doubt]})"


def reason(text: str) -> str:
    """Make a reason that another program gave safe to show, without its full stop."""
    return sanitize(text, limit=_REASON_SHOWN).rstrip(".")


def names(several: Sequence[str]) -> str:
    """Join names: `bob`, `bob and carol`, `bob, carol and dave`, or the first of many and the
    number of the others."""
    shown = [name(one) for one in several[:_LISTED]]
    if len(several) > _LISTED:
        shown.append(
            f"{len(several) - _LISTED:,} others" if len(several) > _LISTED + 1 else "1 other"
        )
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def counted(count: int, one: str, many: str) -> str:
    """Count things: `1 line`, `2 lines`."""
    return f"{count:,} {one if count == 1 else many}"


def shown_time(moment: float) -> str:
    """Show Unix time as local `YYYY-MM-DD HH:MM:SS`. A time outside of the calendar shows the
    nearest end of it."""
    return f"{_local(moment):%Y-%m-%d %H:%M:%S}"


def shown_instant(moment: float) -> str:
    """Show Unix time as local `HH:MM:SS.mmm`."""
    local = _local(moment)
    return f"{local:%H:%M:%S}.{local.microsecond // 1_000:03}"


def shown_clock(moment: float) -> tuple[date, str]:
    """Return the local day of a Unix time, and the time of that day as `HH:MM`."""
    local = _local(moment)
    return local.date(), f"{local:%H:%M}"


def local_day(moment: float) -> date:
    """Return the local day of a Unix time."""
    return _local(moment).date()


def shown_day(day: date) -> str:
    """Show a day as `Friday 20 November 2026`."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def _local(moment: float) -> datetime:
    within = min(max(moment, _FIRST_TIME), _LAST_TIME) if moment == moment else _FIRST_TIME
    return datetime.fromtimestamp(within)


def key_met(key: str, *, is_verified: bool) -> str:
    """Report the first contact. `key`: the fingerprint; `is_verified`: the user or a join code had
    named the key."""
    expected = ", as expected" if is_verified else ""
    return f"[First contact with this server; its key is {name(key)}{expected}.]"


def key_accepted(key: str) -> str:
    """Report a new key that the user has accepted."""
    return f"[The server's new key is accepted: {name(key)}.]"


def key_changed(expected: str, got: str) -> str:
    """Report a key that is not the one known. Both are fingerprints."""
    return f"[The server's key has changed: expected {name(expected)}, got {name(got)}.]"


def key_not_as_announced(announced: str, got: str) -> str:
    """Report a server that has another key than its announcement said. Both are fingerprints."""
    return (
        "[This is not the server that was announced: "
        f"the announced key is {name(announced)}, this server's is {name(got)}.]"
    )


_LINK_TROUBLES: Final = {
    LinkTrouble.BLOCKED: "The server answers on UDP, but not on TCP port {port}: open TCP port {port} in the firewalls "
    "on the way. Rooms, mail and the channel wait for it",
    LinkTrouble.STALLED: "The TCP connection to port {port} of the server stalled and is being opened anew, though UDP "
    "works. If this happens again, large packets are being lost: set the MTU of this network to 1280",
    LinkTrouble.OVER: "The server answers on TCP port {port} now",
}


def announced(text: str) -> str:
    """Show what the registry's owner tells everybody."""
    return f"[The server says: {sanitize(text)}]"


STOP_CANCELLED: Final = "[The server does not stop: the plan is cancelled.]"
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def span(seconds: int) -> str:
    """Show a span in its largest unit: `2 hours`."""
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return counted(round(seconds / size), unit, f"{unit}s")


def stop_planned(what: str, seconds: int, why: str, after: str = "") -> str:
    """Say when and why something ends, and what follows."""
    because = f": {sanitize(why)}" if why else ""
    return f"[{what} in {span(seconds)}{because}.{after}]"


def link_trouble(port: int, trouble: LinkTrouble) -> str:
    """Say what is wrong with the link, and the cure."""
    return f"[{_LINK_TROUBLES[trouble].format(port=port)}.]"


PROMPT: Final = ">>> "
"""Stands before each line on a pipe, and before the line being typed on a terminal; in a room
behind the room's name."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state that the user sees all the time, in the prompt and in the status line."""

    me: str = ""
    room: str | None = None
    query: str | None = None
    """The person for whom bare lines outside of a room are."""
    client: str | None = None
    """The visitor whom the user serves at the help desk."""
    waiting: int = 0
    """Visitors who wait in the user's queue of the help desk, where the prompt shows it."""
    is_on_duty: bool = False
    """Whether the help desk may give visitors to the user."""
    is_offline: bool = False
    is_away: bool = False
    """Whether others read that the user is away."""
    is_server_away: bool = False
    is_sending: bool = False
    """Whether a message of ours is under way."""
    sending_try: int = 0
    """How often the message that is under way longest was sent directly; 0 or 1: there is nothing
    to say."""
    tries: int = 0
    """How often a message is sent directly at most."""
    in_reach: int = 0
    """Members of the room who can be reached while the registry is away."""
    online: int = 0
    """People online, including the user."""
    unread: int = 0
    """Messages that others sent since the user last typed."""
    muted: Collection[Conversation] = ()
    """The conversations that do not ring."""
    notes: tuple[str, ...] = ()
    """Further pieces of the status line, such as `queue: number 3`."""


def prompt_of(status: Status) -> str:
    """Return the prompt: `>>> `, in a room `[lab] >>> ` or `[lab, server away, 2 in reach] >>> `,
    and while an operator serves a visitor `[desk: Asha Rao] >>> `, on a terminal `[desk: Asha Rao,
    2 waiting] >>> ` while others wait.

    Outside a room it never changes, because scripts match it; a line says that the registry is
    away."""
    if status.client is not None and not status.is_offline:
        waiting = f", {status.waiting:,} waiting" if status.waiting else ""
        return f"[desk: {name(status.client)}{waiting}] {PROMPT}"
    if status.room is None or status.is_offline:
        return PROMPT
    away = f", server away, {status.in_reach} in reach" if status.is_server_away else ""
    return f"[{name(status.room)}{away}] {PROMPT}"


_STATUS: Final = "class:status"
_ME: Final = "class:status.me"
_ALARM: Final = "class:status.alarm"
_NEWS: Final = "class:status.news"


Fragments = list[tuple[str, str]]
"""Text in pieces, each behind the name of its style."""


def status_pieces(status: Status) -> Fragments:
    """Return the pieces of the status line, the most important first. A visitor of a help desk has
    no name."""
    if not status.me:
        away = [(_ALARM, "server away")] if status.is_server_away else []
        return [
            *away,
            *((_STATUS if away or place else _ME, note) for place, note in enumerate(status.notes)),
        ]
    me = (_ME, name(status.me))
    if status.is_offline:
        return [me, (_ALARM, "offline"), (_STATUS, f"reg {name(status.me)} to return")]
    pieces = [me, *([(_ALARM, "away")] if status.is_away else [])]
    if status.room is not None:
        pieces.append((_STATUS, name(status.room)))
    pieces.append(
        (_ALARM, "server away") if status.is_server_away else (_STATUS, f"{status.online:,} online")
    )
    if status.query is not None and status.room is None and status.client is None:
        pieces.append((_STATUS, f"to {name(status.query)}"))
    if status.client is not None:
        pieces.append((_STATUS, f"serving {name(status.client)}"))
    elif status.is_on_duty:
        pieces.append(
            (_STATUS, f"on duty, {status.waiting:,} waiting" if status.waiting else "on duty")
        )
    if status.is_sending:
        tried = f", try {status.sending_try} of {status.tries}" if status.sending_try > 1 else ""
        pieces.append((_STATUS, f"sending{tried}"))
    if status.unread:
        pieces.append((_NEWS, counted(status.unread, "new line", "new lines")))
    return [*pieces, *((_STATUS, note) for note in status.notes)]


OF_256: Final = (
    160,
    166,
    130,
    100,
    64,
    28,
    29,
    30,
    31,
    32,
    27,
    62,
    99,
    97,
    129,
    164,
    163,
    162,
    132,
    131,
)
"""Colours of the 256 that can be read on black and on white alike: each has a contrast of 3.6 and
more to both."""

OF_16: Final = ("ansired", "ansigreen", "ansiyellow", "ansimagenta", "ansicyan", "ansibrightblue")
"""The user chooses what a terminal of 16 colours shows; black, white and dark blue are left out as
hard to read."""

_CUBE: Final = (0, 95, 135, 175, 215, 255)


def rgb(colour: int) -> tuple[int, int, int]:
    """Return red, green and blue (0-255) of one of the 216 colours in the middle of the 256."""
    index = colour - 16
    return _CUBE[index // 36], _CUBE[index // 6 % 6], _CUBE[index % 6]


def drawn_by(name: str, count: int) -> int:
    """Return a number below `count` for a name: the same at every start and on every machine."""
    try:
        key = name_key(name)
    except NameRefused:
        key = name
    return zlib.crc32(key.encode("utf-8", "replace")) % count


def colour_of(name: str, *, is_16: bool) -> str:
    """Return the style of a name, which `drawn_by` chooses."""
    if is_16:
        return OF_16[drawn_by(name, len(OF_16))]
    return "#{:02x}{:02x}{:02x}".format(*rgb(OF_256[drawn_by(name, len(OF_256))]))


def mentions(line: str, me: str) -> bool:
    """Whether the line is somebody else's message that contains the user's name."""
    return (
        isinstance(line, MessageLine)
        and not is_same_name(line.sender, me)
        and bool(_naming(me).search(line[line.text_at :]))
    )


def calls(line: str, me: str, muted: Collection[Conversation] = ()) -> bool:
    """Whether the line is somebody else's new message to the user alone, or contains the user's
    name; in a conversation that is muted, with an `@` before it, and not to the user alone. A
    visitor of a help desk has no name (`me`), and is called by lines that say so."""
    if not isinstance(line, MessageLine) or line.at is not None:
        return False
    if not me or is_same_name(line.sender, me):
        return isinstance(line, CallingMessage)
    is_direct = line.audience is Audience.PERSON
    if line.where in muted:
        return not is_direct and addresses(line[line.text_at :], me)
    return is_direct or mentions(line, me)


def fragments(line: str, me: str, *, is_16: bool) -> Fragments:
    """Cut a line into pieces, each with its style."""
    if isinstance(line, AnswerLine):
        return [("", line)]
    if isinstance(line, CallingLine):
        return [("class:calling", line)]
    if isinstance(line, OwnLine):
        return [("", line)]
    if not isinstance(line, MessageLine):
        return [("class:notice", line)]
    after_name = line.sender_at + len(line.sender)
    text = line[line.text_at :]
    frame, plain = _FRAMES[line.audience], _TEXTS[line.audience]
    named = f"bold {colour_of(line.sender, is_16=is_16)}"
    around = frame
    if line.is_claimed:
        named = around = "class:claimed"
    return [
        (frame, line[: line.sender_at]),
        (named, line[line.sender_at : after_name]),
        (around, line[after_name : line.text_at]),
        *([(plain, text)] if is_same_name(line.sender, me) else _with_mentions(text, me, plain)),
    ]


_FRAMES: Final = {
    Audience.PERSON: "class:private",
    Audience.ROOM: "class:room",
    Audience.EVERYBODY: "class:notice",
}
"""The styles of what stands around the name of a message's sender."""
_TEXTS: Final = {Audience.PERSON: "class:private", Audience.ROOM: "", Audience.EVERYBODY: ""}


def _with_mentions(text: str, me: str, style: str) -> Fragments:
    made: Fragments = []
    at = 0
    for found in _naming(me).finditer(text):
        made += [(style, text[at : found.start()]), (f"{style} bold".lstrip(), found[0])]
        at = found.end()
    return [*made, (style, text[at:])]


def _naming(me: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(me)}(?![\w-])", re.IGNORECASE)


class Candidate(msgspec.Struct, frozen=True):
    """One way to complete a line: `text` replaces the last `replaces` characters. `about` says what
    it is."""

    text: str
    replaces: int
    about: str = ""


PENDING_STYLE: Final = "class:mark"
MARKS: Final = {
    Mark.SEEN: ("class:mark.received", "\u2713\u2713", "seen"),
    Mark.RECEIVED: ("class:mark.received", "\u2713", "ok"),
    Mark.SAVED: (PENDING_STYLE, "\u25a3", "saved"),
    Mark.KEPT: ("class:mark.kept", "\u29d6", "kept"),
    Mark.REFUSED: ("class:mark.refused", "\u2717", "refused"),
}
"""The style, the sign, and the word where the terminal is not written to in UTF-8."""


_ORDER: Final = (None, Mark.KEPT, Mark.SAVED, Mark.RECEIVED, Mark.SEEN, Mark.REFUSED)


def is_behind(mark: Mark | None, other: Mark | None) -> bool:
    """Return whether a message that has the other mark is further than this one says."""
    return _ORDER.index(mark) < _ORDER.index(other)
