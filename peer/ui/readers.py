"""This file is about arguments: what one command makes of the words that follow it, an intention or a mistake.

It knows names and numbers. It must not know spellings, nor how a line was cut.
"""

from collections.abc import Callable
from typing import Final

from peer.ui.intentions import (
    SERVER,
    Context,
    EnterRoom,
    Intention,
    Mistake,
    SayInRoom,
    SendDirect,
    ShowHistory,
    Trust,
    Verify,
)
from wire.errors import NameRefused, quoted
from wire.names import PeerName, is_same_name, peer_name

HISTORY_SHOWN: Final = 20
HISTORY_MAX: Final = 10_000

NOT_IN_ROOM: Final = "[You are not in any room.]"
IS_YOU: Final = "[That is you.]"


def named(intend: Callable[[PeerName], Intention]) -> Callable[[Context, str], Intention | Mistake]:
    """What takes one name, of a person or of a room: both are names, by the same rules."""

    def read(context: Context, name: str) -> Intention | Mistake:
        try:
            return intend(peer_name(name))
        except NameRefused as refusal:
            return Mistake(f"[{refusal}.]")

    return read


def send_direct(context: Context, name: str, text: str) -> Intention | Mistake:
    """A name, and all of the rest."""
    return named(lambda to: SendDirect(to, text))(context, name)


def enter(context: Context, room: str) -> Intention | Mistake:
    """A room; `#lab` is `lab`, as rooms are written elsewhere."""
    return named(EnterRoom)(context, room.removeprefix("#"))


def say(context: Context, text: str) -> Intention | Mistake:
    """A text, which needs a room."""
    return SayInRoom(text) if context.room is not None else Mistake(NOT_IN_ROOM)


def own(context: Context, name: str) -> Mistake | None:
    """One's own name, and no other: a mistake otherwise."""
    is_own = is_same_name(name, context.me)
    return None if is_own else Mistake(f"[You are {context.me}, not {quoted(name)}.]")


def somebody_else(intend: Callable[[PeerName], Intention]) -> Callable[[Context, str], Intention | Mistake]:
    """What takes the name of a person, but not one's own."""

    def read(context: Context, name: str) -> Intention | Mistake:
        return Mistake(IS_YOU) if is_same_name(name, context.me) else named(intend)(context, name)

    return read


def verify(context: Context, name: str) -> Intention | Mistake:
    """A person but oneself, or the server."""
    return Verify(SERVER) if name.lower() == SERVER else somebody_else(Verify)(context, name)


def trust(context: Context, name: str, digits: str = "") -> Intention | Mistake:
    """The same, and the digits that are shown for it, in groups or not."""
    typed = "".join(digits.split()) or None
    if name.lower() == SERVER:
        return Trust(SERVER, typed)
    return somebody_else(lambda who: Trust(who, typed))(context, name)


def show_history(context: Context, *words: str) -> Intention | Mistake:
    """How many, or as many as fit on a screen."""
    count = words[0] if words else str(HISTORY_SHOWN)
    if count.isascii() and count.isdigit() and len(count) < 9 and 0 < int(count) <= HISTORY_MAX:
        return ShowHistory(int(count))
    return Mistake(f'["{quoted(count)}" is no number of messages: 1 to {HISTORY_MAX:,}.]')
