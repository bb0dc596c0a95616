"""The conversation at a help desk, as one of its two ends is shown it: lines, and what became of
one's own."""

import enum
from collections import deque
from typing import Final

import msgspec

from chatapp.peer.api.events import MessageState

LINES_MAX: Final = 1_000
"""Lines that are shown; the registry keeps no more of a visit."""

NOTES_MAX: Final = 4
"""Notes that are shown at once, the newest ones."""

_LINE: Final = "line"


class Mark(enum.Enum):
    """What became of a line of one's own."""

    SENDING = "sending"
    SAVED = "saved"
    """It is on the registry's disk and will reach the other end."""
    LOST = "lost"
    """It reached nobody."""


def mark_of(state: MessageState | None) -> Mark | None:
    """Return the mark of a line in this state; None for a line of the other end."""
    match state:
        case None:
            return None
        case MessageState.UNSETTLED:
            return Mark.SENDING
        case MessageState.REFUSED:
            return Mark.LOST
        case _:
            return Mark.SAVED


class TalkLine(msgspec.Struct, kw_only=True):
    """One line of the conversation."""

    id: str
    """The id of its element in a page."""
    who: str
    """Who said it; empty for the visitor whose page it is."""
    text: str
    at: float
    """Unix time."""
    mark: Mark | None = None
    """None for a line of the other end."""
    changed: int = 0
    """The version of the view in which it changed last."""
    key: str = ""
    """Under which the page has sent it; empty for a line of the other end."""

    @property
    def number(self) -> int:
        """Its place among all lines that were shown, from 1."""
        return int(self.id.removeprefix(_LINE))

    @property
    def is_ours(self) -> bool:
        """Whether it is a line of one's own."""
        return self.mark is not None


class Talk:
    """What the views of both ends have in common."""

    def __init__(self) -> None:
        self.version = 0
        """Rises with every change."""
        self.lines: deque[TalkLine] = deque()
        self._count = 0
        self._own: dict[int, list[TalkLine]] = {}
        """Lines of our own that are not settled, by the ids of what was said."""

    def _add(self, who: str, text: str, at: float, mark: Mark | None, key: str = "") -> TalkLine:
        """Show a line; the oldest goes when there are too many."""
        self._count += 1
        self._change()
        id_ = f"{_LINE}{self._count}"
        line = TalkLine(id=id_, who=who, text=text, at=at, mark=mark, changed=self.version, key=key)
        self.lines.append(line)
        return line

    def _settle(self, id_: int, state: MessageState | None) -> list[TalkLine]:
        """Note what became of something that we said. Return its lines, once."""
        self._change()
        settled = self._own.pop(id_, [])
        for line in settled:
            line.mark, line.changed = mark_of(state), self.version
        return settled

    def _change(self) -> None:
        self.version += 1
