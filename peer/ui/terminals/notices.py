"""How a terminal draws attention to a message: the title of its window, and a notice on the desktop.

A notice is an escape sequence that only some terminals know: OSC 9 (first in iTerm2) or OSC 777 (first in rxvt-unicode). The
others would show or swallow it, so it is written only to terminals that say who they are. Texts must have passed `sanitize`.
"""

from collections.abc import Mapping
from typing import Final

NOTICE_MAX: Final = 200
"""Characters of a notice."""
_PROGRAMS_OF_9: Final = frozenset({"iTerm.app", "WezTerm", "ghostty"})
_KITTY: Final = "xterm-kitty"
_TERMS_OF_777: Final = ("foot", "rxvt-unicode")

KEEP_TITLE: Final = "\x1b[22;2t"
"""Has the terminal remember the title of its window (XTWINOPS)."""
RESTORE_TITLE: Final = "\x1b[23;2t"
_WINDOWLESS: Final = frozenset({"", "linux", "vt100", "vt220"})
"""Terminals whose screen is no window."""


def notice(text: str, environment: Mapping[str, str]) -> str:
    """Return what a terminal is sent to show a notice on the desktop; empty where the terminal cannot, or may not. Inside of
    tmux and screen it may not: they pass no notices on."""
    shown = text if len(text) <= NOTICE_MAX else text[: NOTICE_MAX - 1] + "\u2026"
    term = environment.get("TERM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):
        return ""
    if environment.get("TERM_PROGRAM") in _PROGRAMS_OF_9 or term == _KITTY:
        return f"\x1b]9;{shown}\x1b\\"
    if term.startswith(_TERMS_OF_777) or environment.get("VTE_VERSION"):
        return f"\x1b]777;notify;ChatApp;{shown.replace(';', ',')}\x1b\\"
    return ""


def title(me: str, unread: int, sender: str) -> str:
    """Return the title of the window. `me`: empty for a visitor of a help desk. `unread`: messages for the user since they
    last typed; `sender`: of the last one."""
    program = f"ChatApp {me}" if me else "ChatApp help desk"
    return f"({unread}) {sender} \u00b7 {program}" if unread else program


def titled(text: str, environment: Mapping[str, str]) -> str:
    """Return what a terminal is sent to give its window a title; empty where it has none. The sequence ends with ST, as
    some terminals ring after BEL."""
    return "" if environment.get("TERM", "") in _WINDOWLESS else f"\x1b]2;{text}\x1b\\"
