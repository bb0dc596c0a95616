"""This file is about what a face says of the state of things: the prompt, and the line below it on a terminal.

It knows words. It must not know where the state comes from, nor how a terminal draws.
"""

from typing import Final

import msgspec

from peer.ui.words import counted, name

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


def standing_of(view: View) -> list[str]:
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
