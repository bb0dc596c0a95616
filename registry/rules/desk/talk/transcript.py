"""The transcript of one visit: its lines, and how far each reader has got.

Lines have positions. A reader confirms up to a position, is sent what follows within a window, and
gets what is not confirmed again on a new link. A sender's numbers rise, so a repeated line is
known. Lines that all readers have confirmed give way to newer ones; nothing is dropped that a
reader has still to get.

A change of a line is a line with a position of its own. Once it is on the disk, the line that it
changes has its text, and whoever is sent the change is sent that line as it is then.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from chatapp.wire.limits import (
    CHANGED_WITHIN_MS,
    DESK_LINES_BYTES_MAX,
    DESK_LINES_MAX,
    DESK_WINDOW,
)
from chatapp.wire.messages.desk import LineMark

_LINE_COSTS: Final = 64
"""Bytes that a line counts beside its text."""

Party = bytes
"""A sender or reader: an operator's identity, or `VISITOR`."""

VISITOR: Final[Party] = b""


class TranscriptLine(NamedTuple):
    """One line of a transcript, or a change of one."""

    position: int
    author: Party
    author_name: str
    number: int
    at: int
    text: str
    """Of a change: empty once it is on the disk."""
    mark: LineMark = LineMark.SAID
    """What the line is now; of a change, what it makes of its target."""
    target: int = 0
    """The position of the line that this one changes; 0 for none."""
    file_size: int = 0
    """Bytes of the file that it brings, whose name is the text; 0 for none."""

    @property
    def size(self) -> int:
        """How many bytes it counts."""
        return len(self.text.encode()) + _LINE_COSTS


class Transcript:
    """The lines of one visit, and its readers."""

    def __init__(self) -> None:
        self._lines: deque[TranscriptLine] = deque()
        self._size = 0
        self._last_changes: dict[int, int] = {}
        """The position of the last change of each line that was changed."""
        self._last = 0
        self._stored = 0
        self._taken: dict[Party, int] = {}
        self._saved: dict[Party, int] = {}
        """The highest number of each sender that is on the disk."""
        self._discarded: dict[Party, set[int]] = {}
        """Numbers of each sender that were not stored, while a higher one was accepted."""
        self._confirmed: dict[Party, int] = {VISITOR: 0}
        self._sent: dict[Party, int] = {VISITOR: 0}
        """How far lines were sent to each reader; a reader who is not in here is sent nothing."""
        self._own: dict[Party, int] = {}
        """Up to which position a reader is sent their own lines too."""

    def load(self, lines: Iterable[TranscriptLine]) -> None:
        """Restore the lines of an earlier run. No reader is known to have got any."""
        for line in lines:
            self._append(line)
            self._saved[line.author] = max(self._saved.get(line.author, 0), line.number)
        self._taken = dict(self._saved)
        self._stored = self._last

    @property
    def first(self) -> int:
        """The position of the oldest line that is kept, or of the next line."""
        return self._lines[0].position if self._lines else self._last + 1

    def __iter__(self) -> Iterator[TranscriptLine]:
        """Iterate over the lines that are kept, as they are once those on their way are on the
        disk, too."""
        coming = {line.target: line for line in self._lines if line.position > self._stored}
        for line in self._lines:
            if line.target:
                yield line._replace(text="")
            else:
                change = coming.get(line.position)
                yield line if change is None else self.changed(change) or line

    def taken(self, author: Party) -> int:
        """Return the highest number accepted from this sender; 0 for none."""
        return self._taken.get(author, 0)

    def saved(self, author: Party) -> int:
        """Return the highest number from this sender that is on the disk; 0 for none."""
        return self._saved.get(author, 0)

    def is_discarded(self, author: Party, number: int) -> bool:
        """Return whether this line was not stored, and can be no more, as the sender's later ones
        were accepted."""
        return number in self._discarded.get(author, ())

    # --- writing

    def has_capacity(self, text: str, *, target: int = 0) -> bool:
        """Return whether one more line may be accepted, if old lines go that everybody has read.
        `target`: the position of the line that it changes, which stays."""
        size = len(text.encode()) + _LINE_COSTS
        count, held = len(self._lines), self._size
        for line in self._lines:
            if count < DESK_LINES_MAX and held + size <= DESK_LINES_BYTES_MAX:
                return True
            if line.position == target or not self._is_done(line):
                return False
            count, held = count - 1, held - line.size
        return True

    def _is_done(self, line: TranscriptLine) -> bool:
        """Return whether no reader has still to get this line, or the last change of it."""
        if line.target and self._at(line.target) is None:
            return True
        last = self._last_changes.get(line.position, line.position)
        return all(
            reader == line.author or last <= confirmed
            for reader, confirmed in self._confirmed.items()
        )

    def to_change(self, author: Party, number: int, *, at: int) -> TranscriptLine | None:
        """Return the line that this sender said under this number, if it may be changed at this
        time."""
        for line in reversed(self._lines):
            if (line.author, line.number) == (author, number):
                is_open = not line.target and not self._is_taken_back(line)
                return line if is_open and at <= line.at + CHANGED_WITHIN_MS else None
        return None

    def _is_taken_back(self, line: TranscriptLine) -> bool:
        """Return whether a line is taken back, or will be once the disk has answered."""
        return any(
            line.position in (one.position, one.target) and one.mark is LineMark.RETRACTED
            for one in self._lines
        )

    def changed(self, change: TranscriptLine) -> TranscriptLine | None:
        """Return what a line is once this change of it is on the disk; None if it is not here any
        more."""
        target = self._at(change.target)
        if target is None:
            return None
        return target._replace(text=change.text, mark=change.mark, file_size=0)

    def take(  # noqa: PLR0913 - each is a field of the line
        self,
        author: Party,
        *,
        name: str,
        number: int,
        at: int,
        text: str,
        mark: LineMark = LineMark.SAID,
        target: int = 0,
        file_size: int = 0,
    ) -> TranscriptLine:
        """Add a line or a change, which is not on the disk yet. `has_capacity` must be true, and the
        number above all of its sender. `target`: the position of a line that `to_change` returned."""
        line = TranscriptLine(
            self._last + 1, author, name, number, at, text, mark, target, file_size
        )
        self._taken[author] = number
        self._append(line)
        while len(self._lines) > DESK_LINES_MAX or self._size > DESK_LINES_BYTES_MAX:
            gone = self._lines.popleft()
            self._size -= gone.size
            self._last_changes.pop(gone.position, None)
        return line

    def stored(self, position: int) -> None:
        """Note that a line or a change is on the disk, and may be sent."""
        self._stored = max(self._stored, position)
        line = self._at(position)
        if line is None:
            return
        self._saved[line.author] = line.number
        if line.target:
            if (now := self.changed(line)) is not None:
                self._replace(now)
            self._replace(line._replace(text=""))

    def discard(self, position: int) -> None:
        """Remove a line that was not stored. The sender may say it again unless later lines of
        theirs were accepted."""
        line = self._at(position)
        if line is not None:
            self._lines.remove(line)
            self._size -= line.size
            self._last_changes.pop(line.target, None)
            others = [one.position for one in self._lines if one.target == line.target != 0]
            self._last_changes |= {line.target: max(others)} if others else {}
            self._note_discarded(line.author, line.number)

    def _note_discarded(self, author: Party, number: int) -> None:
        others = (line.number for line in self._lines if line.author == author)
        taken = self._taken[author] = max(self._saved.get(author, 0), *others, 0)
        discarded = {*self._discarded.get(author, ()), number}
        self._discarded[author] = {number for number in discarded if number < taken}

    def _at(self, position: int) -> TranscriptLine | None:
        """Return the line at this position, if it is here."""
        place = bisect_left(self._lines, position, key=lambda line: line.position)
        if place < len(self._lines) and self._lines[place].position == position:
            return self._lines[place]
        return None

    def _replace(self, now: TranscriptLine) -> None:
        """Put a line into the place of the one with the same position."""
        place = bisect_left(self._lines, now.position, key=lambda line: line.position)
        self._size += now.size - self._lines[place].size
        self._lines[place] = now

    def _append(self, line: TranscriptLine) -> None:
        self._lines.append(line)
        if line.target:
            self._last_changes[line.target] = line.position
        self._last = line.position
        self._size += line.size

    # --- reading

    def add_reader(self, reader: Party) -> None:
        """Add a reader. Until `resume` nothing is sent to them, and nothing is dropped that they
        have not got."""
        self._confirmed.setdefault(reader, 0)
        self._sent.pop(reader, None)

    def resume(self, reader: Party, *, shown: int = 0, with_own: bool = False) -> None:
        """Begin to send lines to a reader, behind what they have confirmed or say that they know.
        `with_own`: they know nothing of the visit, and get their own lines too."""
        if with_own:
            self._confirmed[reader], self._own[reader] = 0, self._last
        self.confirm(reader, shown)
        self._sent[reader] = self._confirmed.setdefault(reader, 0)

    def remove_reader(self, reader: Party) -> None:
        """Remove a reader."""
        for by_reader in (self._confirmed, self._sent, self._own):
            by_reader.pop(reader, None)

    def confirm(self, reader: Party, position: int) -> None:
        """Note that a reader has got all lines up to a position."""
        upto = max(self._confirmed.get(reader, 0), min(position, self._stored))
        self._confirmed[reader] = upto
        if reader in self._sent:
            self._sent[reader] = max(self._sent[reader], upto)

    def due(self, reader: Party) -> list[TranscriptLine]:
        """Return the lines to send to a reader now. More are due when some of them are
        confirmed."""
        if reader not in self._sent:
            return []
        confirmed, sent = self._confirmed.get(reader, 0), self._sent[reader]
        on_the_way = 0
        lines: list[TranscriptLine] = []
        for line in self._told(reader, self._lines):
            if line.position <= confirmed:
                continue
            if line.position > self._stored or (
                on_the_way and on_the_way + line.size > DESK_WINDOW
            ):
                break
            on_the_way += line.size
            if line.position > sent:
                lines.append(line)
        if lines:
            self._sent[reader] = lines[-1].position
        return lines

    def rest(self, reader: Party) -> list[TranscriptLine]:
        """Return everything that a reader was not sent yet, whatever the window, because the visit
        is over. Send it when all accepted lines are on the disk."""
        sent = self._sent.get(reader, 0)
        lines = [line for line in self._told(reader, self._lines) if line.position > sent]
        self._sent[reader] = self._last
        return lines

    def unconfirmed(self, reader: Party) -> list[TranscriptLine]:
        """Return the newest lines that a reader has not confirmed, as many as are sent at once."""
        room, lines = DESK_WINDOW, list[TranscriptLine]()
        for line in self._told(reader, reversed(self._lines)):
            room -= line.size
            if line.position <= self._confirmed.get(reader, 0) or room < 0:
                break
            lines.append(line)
        return lines[::-1]

    def _told(self, reader: Party, lines: Iterable[TranscriptLine]) -> Iterator[TranscriptLine]:
        """Yield what a reader is to be told of these lines: not what they said themselves, unless
        they do not know it any more; and what a change has made of its line, unless that is gone."""
        for line in lines:
            if line.author == reader and line.position > self._own.get(reader, 0):
                continue
            if not line.target or line.position > self._stored:
                yield line
            elif (now := self._at(line.target)) is not None:
                yield line._replace(text=now.text, mark=now.mark)
