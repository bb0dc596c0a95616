"""The signs of the full screen: what it draws besides words, in Unicode or in ASCII."""

from typing import Final

import msgspec

from chatapp.peer.words.formatting import MARKS, Mark


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """One set of signs."""

    is_utf8: bool
    rule: str
    online: str
    away: str
    notice: str
    alert: str
    sending: str
    cut: str
    """Stands at the end of what is cut."""
    between: str
    """Stands between two pieces of a bar."""
    up_down: str
    """Names the keys that move a choice."""
    fine: str
    wrong: str
    mark_width: int
    """Cells that the widest mark takes."""

    def mark(self, mark: Mark | None) -> str:
        """Return the sign of a message of ours; None: it is under way."""
        if mark is None:
            return self.sending
        _, sign, word = MARKS[mark]
        return sign if self.is_utf8 else word


UNICODE: Final = Signs(
    is_utf8=True,
    rule="─",
    online="●",
    away="○",
    notice="·",
    alert="!",
    sending="…",
    cut="…",
    between=" · ",
    up_down="↑↓",
    fine="✓",
    wrong="✗",
    mark_width=1,
)
ASCII: Final = Signs(
    is_utf8=False,
    rule="-",
    online="+",
    away="-",
    notice="*",
    alert="!",
    sending="...",
    cut="~",
    between=" | ",
    up_down="Up, Down",
    fine="+",
    wrong="!",
    mark_width=7,
)
