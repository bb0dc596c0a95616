"""Which text is one emoji, by the grammar of Unicode (UTS 51, ED-17a), over blocks instead of the list
of each year: a new emoji is one at once."""

import re
from typing import Final

EMOJI_MAX: Final = 8
"""Code points of one emoji; a family of four has seven."""

_PICTURE: Final = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f004-\U0001f1e5\U0001f201-\U0001faff]"
)
_ELEMENT: Final = f"{_PICTURE}(?:\ufe0f|[\U0001f3fb-\U0001f3ff])?"
_EMOJI: Final = re.compile(
    f"(?:[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}"
    f"|{_ELEMENT}(?:[\U000e0020-\U000e007e]+\U000e007f|(?:\u200d{_ELEMENT})*))"
)


def is_emoji(text: str) -> bool:
    """Whether the text is one emoji, of at most EMOJI_MAX code points."""
    return len(text) <= EMOJI_MAX and _EMOJI.fullmatch(text) is not None
