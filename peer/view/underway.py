"""Our messages on a screen: a mark beside each line once it is settled, and lines that name the
message they are about.

A message that is under way stands above the prompt. Its first outcome moves it up, with the mark. A
later outcome, of a message that was kept or saved, is a line that quotes it.
"""

from collections import deque
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageState
from chatapp.peer.words.formatting import Mark, OwnLine, SettledLine, TypedLine
from chatapp.wire.text import sanitize

QUOTED: Final = 40
"""Characters of a message that a line about it quotes."""

REMEMBERED_MAX: Final = 1_000
"""Messages without a final outcome whose texts are remembered."""


class UnderWay:
    """The messages of one screen that have no final outcome."""

    def __init__(self) -> None:
        self._typed: dict[int, TypedLine] = {}
        """By id: the lines above the prompt."""
        self._texts: dict[int, str] = {}
        self._elsewhere: dict[int, str] = {}
        """By id: lines that were said in another window, which are shown with their marks."""
        self._refused: deque[TypedLine] = deque()
        """Lines that were refused at once, before they had an id."""

    def __bool__(self) -> bool:
        return bool(self._typed)

    def begin(self, typed: TypedLine, message: int, text: str) -> None:
        """Note a message of ours; `message`: its id, 0 if it was refused at once."""
        if not message:
            self._refused.append(typed)
            return
        self._typed[message], self._texts[message] = typed, text
        if len(self._texts) > REMEMBERED_MAX:
            self._texts.pop(next(iter(self._texts)))

    def end(self) -> list[str]:
        """Settle all lines that still stand above the prompt: the program ends."""
        left = [*self._typed.values(), *self._refused]
        elsewhere = list(self._elsewhere.values())
        self._typed.clear()
        self._refused.clear()
        self._elsewhere.clear()
        return [*map(SettledLine, left), *elsewhere]

    def lines(self, event: events.Event, lines: list[str]) -> list[str]:
        """Return what a screen shows for an event. `lines`: what a pipe shows."""
        match event:
            case events.MessageChanged():
                return self._changed(event, lines)
            case events.SaidByUs(line=line):
                return self._said_elsewhere(line, lines)
            case events.Unacknowledged(id=id_) if id_ in self._typed or id_ in self._elsewhere:
                return []  # the status line tells the tries, and a mark what becomes of it
            case _:
                return lines

    def _said_elsewhere(self, line: events.Said, lines: list[str]) -> list[str]:
        self._elsewhere[line.id] = "".join(lines)
        if len(self._elsewhere) <= REMEMBERED_MAX:
            return []
        return [OwnLine(self._elsewhere.pop(next(iter(self._elsewhere))))]

    def _changed(self, event: events.MessageChanged, lines: list[str]) -> list[str]:
        mark = mark_of(event.state, is_direct=event.conversation.is_person)
        elsewhere = self._elsewhere.pop(event.id, None)
        if elsewhere is not None:
            settled = [OwnLine(elsewhere, mark)]
            return settled if mark is Mark.RECEIVED else [*settled, *lines]
        typed = self._typed.pop(event.id, None)
        if not event.id and self._refused:
            typed = self._refused.popleft()
        is_one_of_several = len(self._texts) > 1
        text = self._texts.get(event.id)
        if not (
            event.state is MessageState.KEPT
            or (event.state is MessageState.SAVED and event.conversation.is_person)
        ):
            self._texts.pop(event.id, None)
        if typed is None:
            return [_naming(line, text) for line in lines] if text is not None else lines
        if mark is Mark.RECEIVED:
            return [SettledLine(typed, mark)]
        named = (
            [_naming(line, text) for line in lines]
            if is_one_of_several and text is not None
            else lines
        )
        return [SettledLine(typed, mark), *named]


def mark_of(state: MessageState | None, *, is_direct: bool) -> Mark | None:
    """Return the mark of a message of ours in this state; None while it is under way."""
    match state:
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


_ORDER: Final = (None, Mark.KEPT, Mark.SAVED, Mark.RECEIVED, Mark.REFUSED)


def is_behind(mark: Mark | None, other: Mark | None) -> bool:
    """Return whether a message that has the other mark is further than this one says."""
    return _ORDER.index(mark) < _ORDER.index(other)


def _naming(line: str, text: str) -> str:
    """Return a line about a message with the beginning of its text."""
    quoted = sanitize(text, limit=QUOTED)
    if line.endswith("]"):
        return f"{line[:-1].rstrip('.')}: {quoted}]"
    return f"{line} ({quoted})"
