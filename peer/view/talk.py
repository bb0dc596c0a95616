"""The conversation at a help desk, as one of its two ends is shown it: lines, and what became of
one's own."""

import enum
from collections import deque
from typing import Final, NamedTuple

import msgspec

from chatapp.peer.api.events import Edited, MessageState, OfferedFile, Retracted, Said

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


def text_after(change: Edited | Retracted) -> str | None:
    """Return the text of a line after this change; None if it is taken back."""
    return change.text if isinstance(change, Edited) else None


def changed(line: Said, text: str | None) -> Said:
    """Return a line as a change leaves it; None: it is taken back."""
    is_retracted = text is None
    return msgspec.structs.replace(
        line, text=text or "", is_edited=not is_retracted, is_retracted=is_retracted
    )


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
    said: int = 0
    """The id of what was said; a long text is several lines."""
    is_edited: bool = False
    is_retracted: bool = False
    """Whether it was taken back; its text is empty then."""
    file: OfferedFile | None = None
    """The file whose name is the text. Without a number it cannot be fetched here."""

    @property
    def number(self) -> int:
        """Its place among all lines that were shown, from 1."""
        return int(self.id.removeprefix(_LINE))

    @property
    def is_ours(self) -> bool:
        """Whether it is a line of one's own."""
        return self.mark is not None

    @property
    def can_change(self) -> bool:
        """Whether it is a line of one's own that can be changed or taken back."""
        return self.mark in (Mark.SENDING, Mark.SAVED) and not self.is_retracted


class _Pending(NamedTuple):
    """A change of a line of our own of which the registry has not told that it has it."""

    target: int
    text: str | None
    """None: the line is taken back."""


def name_of(number: int) -> str:
    """Return the id of the element of a line, by its place among all."""
    return f"{_LINE}{number}"


class Talk:
    """What the views of both ends have in common."""

    def __init__(self) -> None:
        self.version = 0
        """Rises with every change."""
        self.lines: deque[TalkLine] = deque()
        self._count = 0
        self._own: dict[int, list[TalkLine]] = {}
        """Lines of our own that are not settled, by the ids of what was said."""
        self._pending: dict[int, _Pending] = {}
        """Changes of lines of our own that are not settled, by their ids."""

    def _add(
        self, who: str, text: str, at: float, mark: Mark | None, key: str = "", *, said: int = 0
    ) -> TalkLine:
        """Show a line; the oldest goes when there are too many."""
        self._count += 1
        self._change()
        line = TalkLine(
            id=name_of(self._count),
            who=who,
            text=text,
            at=at,
            mark=mark,
            changed=self.version,
            key=key,
            said=said,
        )
        self.lines.append(line)
        return line

    # --- changes

    def lines_of(self, said: int) -> list[TalkLine]:
        """Return the lines that show what was said under this id; none for one that is not shown."""
        return [line for line in self.lines if line.said == said] if said else []

    def text_of(self, said: int) -> str | None:
        """Return a text of our own as it is now; None for one that cannot be changed."""
        lines = self.lines_of(said)
        is_open = bool(lines) and all(line.can_change for line in lines)
        return "".join(line.text for line in lines) if is_open else None

    def file_of(self, said: int) -> TalkLine | None:
        """Return the line that was said under this id, if it is a file."""
        return next((line for line in self.lines_of(said) if line.file is not None), None)

    def file_at(self, number: str) -> TalkLine | None:
        """Return the line with a file that the user names so."""
        return next(
            (one for one in self.lines if one.file and str(one.file.number) == number != "0"), None
        )

    def target_of(self, change: int) -> int:
        """Return the id of the line that is being changed by this; 0 for none."""
        pending = self._pending.get(change)
        return 0 if pending is None else pending.target

    def changing(self, change: int, target: int, text: str | None) -> None:
        """Show that a line of our own is being changed, or taken back (None): it is when the
        registry has that. `change`, `target`: the ids of both."""
        self._pending[change] = _Pending(target, text)
        self._mark(target, Mark.SENDING)

    def not_changed(self, change: int) -> None:
        """Show a line as it was: this change of it came to nothing."""
        self._settle(change, MessageState.REFUSED)

    def _mark(self, said: int, mark: Mark) -> None:
        self._change()
        for line in self.lines_of(said):
            line.mark, line.changed = mark, self.version

    def _rewrite(self, said: int, text: str | None) -> None:
        """Show what has become of a line; None: it was taken back."""
        self._change()
        lines = self.lines_of(said)
        parts = self._parts(text or "")
        if lines and len(lines) != len(parts):
            lines = self._exchange(lines, parts)
        for line, part in zip(lines, parts, strict=False):
            line.text, line.changed = part, self.version
            line.is_edited, line.is_retracted = text is not None, text is None
            line.file = None

    @staticmethod
    def _parts(text: str) -> list[str]:
        """Cut a text into the lines that show it."""
        return [text]

    def _exchange(self, lines: list[TalkLine], parts: list[str]) -> list[TalkLine]:
        """Have another number of lines show what these have shown. All lines get other names."""
        raise NotImplementedError

    def _settle(self, id_: int, state: MessageState | None, *, file: int = 0) -> list[TalkLine]:
        """Note what became of something that we said. Return its lines, once. `file`: as in
        `MessageChanged`."""
        self._change()
        settled = self._own.pop(id_, [])
        for line in settled:
            line.mark, line.changed = mark_of(state), self.version
            if line.file is not None and file:
                line.file = msgspec.structs.replace(line.file, number=file)
        if (pending := self._pending.pop(id_, None)) is not None:
            if mark_of(state) is not Mark.LOST:
                self._rewrite(pending.target, pending.text)
            if pending.target not in self._own:
                self._mark(pending.target, Mark.SAVED)
        return settled

    def _change(self) -> None:
        self.version += 1
