"""What is said in one visit: one list of lines, and how far each reader has got with it.

Lines have positions; a reader confirms up to a position, gets what follows within a window, and gets what is not
confirmed again on a new link. A sender's numbers rise, so a line that comes twice is known. Older lines that all
readers have confirmed make room for newer ones; what somebody has still to read is never dropped.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from chatapp.wire.limits import DESK_LINES_BYTES_MAX, DESK_LINES_MAX, DESK_WINDOW

_LINE_COSTS: Final = 64
"""Bytes that a line costs beside its text."""

Party = bytes
"""Who speaks or reads: an operator's identity, or `VISITOR`."""

VISITOR: Final[Party] = b""


class TranscriptLine(NamedTuple):
    """One line."""

    position: int
    author: Party
    author_name: str
    number: int
    at: int
    text: str

    @property
    def size(self) -> int:
        """Bytes that it is counted as."""
        return len(self.text.encode()) + _LINE_COSTS


class Transcript:
    """The lines of one visit."""

    def __init__(self) -> None:
        self._lines: deque[TranscriptLine] = deque()
        self._size = 0
        self._last = 0
        self._stored = 0
        self._taken: dict[Party, int] = {}
        self._heard: dict[Party, int] = {VISITOR: 0}
        self._sent: dict[Party, int] = {VISITOR: 0}
        """How far lines were sent to each reader; nothing is sent to one who is not in here."""
        self._own: dict[Party, int] = {}
        """Up to which position a reader is sent their own lines."""

    def load(self, lines: Iterable[TranscriptLine]) -> None:
        """What an earlier life kept. Nobody is known to have read any of it."""
        for said in lines:
            self._append(said)
            self._taken[said.author] = max(self._taken.get(said.author, 0), said.number)
        self._stored = self._last

    @property
    def first(self) -> int:
        """The position of the oldest line that is kept, or of the next one."""
        return self._lines[0].position if self._lines else self._last + 1

    def taken(self, author: Party) -> int:
        """The highest number that was taken from them; 0 for none."""
        return self._taken.get(author, 0)

    # --- writing

    def has_room(self, text: str) -> bool:
        """Whether one more line may be taken, if older ones go that everybody has read."""
        size = len(text.encode()) + _LINE_COSTS
        count, held = len(self._lines), self._size
        for said in self._lines:
            if count < DESK_LINES_MAX and held + size <= DESK_LINES_BYTES_MAX:
                return True
            if not self._is_done(said):
                return False
            count, held = count - 1, held - said.size
        return True

    def _is_done(self, said: TranscriptLine) -> bool:
        """Whether nobody has still to read it."""
        return all(reader == said.author or said.position <= heard for reader, heard in self._heard.items())

    def take(self, author: Party, *, name: str, number: int, at: int, text: str) -> TranscriptLine:
        """One more line, not yet on the disk. There must be room, and its number be above all of its author."""
        said = TranscriptLine(self._last + 1, author, name, number, at, text)
        self._taken[author] = number
        self._append(said)
        while len(self._lines) > DESK_LINES_MAX or self._size > DESK_LINES_BYTES_MAX:
            self._size -= self._lines.popleft().size
        return said

    def stored(self, position: int) -> None:
        """It is on the disk, and may be read."""
        self._stored = max(self._stored, position)

    def discard(self, position: int) -> None:
        """It will never be on the disk: it was not said."""
        for said in self._lines:
            if said.position == position:
                self._lines.remove(said)
                self._size -= said.size
                return

    def _append(self, said: TranscriptLine) -> None:
        self._lines.append(said)
        self._last = said.position
        self._size += said.size

    # --- reading

    def expect(self, reader: Party) -> None:
        """They will read: until `resume` nothing is sent to them, and nothing is dropped that they have not read."""
        self._heard.setdefault(reader, 0)
        self._sent.pop(reader, None)

    def resume(self, reader: Party, *, heard: int = 0, with_own: bool = False) -> None:
        """They read from here on: behind what they have confirmed, or say that they have read. `with_own`: they know
        nothing of the visit, so they have all of it to come, with their own lines so far."""
        if with_own:
            self._heard[reader], self._own[reader] = 0, self._last
        self.confirm(reader, heard)
        self._sent[reader] = self._heard.setdefault(reader, 0)

    def cease(self, reader: Party) -> None:
        """They read no more."""
        for places in (self._heard, self._sent, self._own):
            places.pop(reader, None)

    def confirm(self, reader: Party, position: int) -> None:
        """They have read up to this position."""
        upto = max(self._heard.get(reader, 0), min(position, self._stored))
        self._heard[reader] = upto
        if reader in self._sent:
            self._sent[reader] = max(self._sent[reader], upto)

    def due(self, reader: Party) -> list[TranscriptLine]:
        """Drained: what they are to be sent now; more when they have confirmed some of it."""
        if reader not in self._sent:
            return []
        heard, sent = self._heard.get(reader, 0), self._sent[reader]
        on_the_way = 0
        found: list[TranscriptLine] = []
        for said in self._lines:
            if said.position <= heard or self._is_known_to(reader, said):
                continue
            if said.position > self._stored or (on_the_way and on_the_way + said.size > DESK_WINDOW):
                break
            on_the_way += said.size
            if said.position > sent:
                found.append(said)
        if found:
            self._sent[reader] = found[-1].position
        return found

    def rest(self, reader: Party) -> list[TranscriptLine]:
        """Drained: all that they were not sent yet, whatever the window: the visit is over. It is to go out when all
        lines that were taken are on the disk."""
        sent = self._sent.get(reader, 0)
        found = [said for said in self._lines if said.position > sent and not self._is_known_to(reader, said)]
        self._sent[reader] = self._last
        return found

    def _is_known_to(self, reader: Party, said: TranscriptLine) -> bool:
        return said.author == reader and said.position > self._own.get(reader, 0)
