"""Making foreign text safe to show: `sanitize` stands between every remote string and a terminal.

A terminal obeys control characters, some characters reorder or hide their neighbours, and a line
end in a text would forge a line of ours. What a person may honestly type is kept: every letter,
blank, tab, emoji, joiner and variation selector.
"""

import re
from collections.abc import Collection
from typing import Final

SHOWN_MAX: Final = 4 * 65_536
"""Characters of one text that are shown. The longest legal message fits even if each of its
characters grows to four (`\\x1b`)."""

_LINE_END: Final = "\u23ce"
_REPLACEMENT: Final = "\ufffd"
_CUT: Final = "\u2026"

_LINE_ENDS: Final = "\n\u0085\u2028\u2029"
_CONTROLS: Final = "\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f"
_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE: Final = (
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"
    # shorthand and music: format characters without a shape
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
_TAGS: Final = "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
_SURROGATES: Final = "\ud800-\udfff"
_NONCHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)

_UNSAFE: Final = re.compile(
    f"\r\n|[{_LINE_ENDS}{_CONTROLS}{_BIDI}{_INVISIBLE}{_TAGS}{_SURROGATES}{_NONCHARACTERS}]"
)


QUOTED_MAX: Final = 200
"""Characters quoted of a text that came to nothing: enough to recognise it."""


def sanitize(text: str, limit: int = SHOWN_MAX) -> str:
    r"""Return `text` as one line that a terminal shows and does not obey; at most `limit`
    characters, the last `…` when cut.

    A line end of any kind (also CR LF) becomes `⏎`; another control character (C0 but the tab, DEL,
    C1) its escape as in `\x1b`; bidi controls, invisible format characters, tags, lone surrogates
    and noncharacters become U+FFFD. Applying it twice changes nothing more.
    """
    if text.isprintable() and len(text) <= limit:
        return text
    shown = _UNSAFE.sub(_visible, text[: limit + 1])
    return shown if len(shown) <= limit else shown[: max(limit - 1, 0)] + _CUT[: max(limit, 0)]


def _visible(found: re.Match[str]) -> str:
    character = found[0]
    if character in _LINE_ENDS or character == "\r\n":
        return _LINE_END
    return f"\\x{ord(character):02x}" if character < "\xa0" else _REPLACEMENT


NEAR: Final = 0.6
"""How alike (difflib) a suggestion must be: "hello" still finds "help", noise finds nothing."""
TYPO: Final = 0.75
"""How alike it must be to a word of a sentence: "sned" finds "send", "hello" finds nothing."""


def nearest(
    word: str, known: Collection[str], *, drastic: Collection[str] = (), alike: float = NEAR
) -> str | None:
    """Return the known word that was probably meant; None if none is so much `alike`. Of the
    `drastic` ones, which end or delete something, only one that is one letter away is returned: who
    takes the advice unread must not lose anything by it."""
    import difflib  # deferred: only a mistake needs it

    likely = [
        candidate
        for candidate in known
        if candidate not in drastic or is_one_letter_away(word, candidate)
    ]
    return next(iter(difflib.get_close_matches(word, likely, n=1, cutoff=alike)), None)


def is_one_letter_away(word: str, other: str) -> bool:
    """Whether one letter less, more or changed, or two neighbours swapped, make one word of the
    other; or nothing does."""
    begin = 0
    while begin < min(len(word), len(other)) and word[begin] == other[begin]:
        begin += 1
    left, right = word[begin:], other[begin:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])
