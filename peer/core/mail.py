"""This file is about what comes back to us: letters and lines of groups that waited while we were away.

They are gathered until all are here, then shown as one, oldest first. It knows letters; it must not know the ladder.
"""

from collections.abc import Callable

from peer.core.events import Line, MailReturned, RoomReceived
from peer.core.outputs import Outputs
from wire.messages.mail import TakeMail


class Homecoming:
    """Gathers what the registry hands over after the link came up, until mailbox and groups are drained."""

    def __init__(self, outputs: Outputs) -> None:
        self._out = outputs
        self._lines: list[Line] = []
        self._to_take: list[int] = []
        self._awaited: set[str] = set()
        """Groups whose missed lines are on their way."""
        self.is_mail_drained = True
        self.before_release: Callable[[], None] = lambda: None
        """Called whenever nothing more is awaited, before what is gathered is shown."""

    def begin(self) -> None:
        """The link is up: the first batch is on its way."""
        self.is_mail_drained = False

    def await_group(self, name: str) -> None:
        """So is the first page of a group."""
        self._awaited.add(name)

    def group_drained(self, name: str) -> None:
        """All that was missed of a group is here, or never comes."""
        self._awaited.discard(name)

    def give_up(self) -> None:
        """The link is gone: show what is here."""
        self.is_mail_drained = True
        self._awaited.clear()
        self._to_take.clear()

    def gather(self, line: Line) -> None:
        """A late line; shown with the others."""
        self._lines.append(line)

    def holds_back(self, line: Line) -> bool:
        """Whether an earlier line of the same stream is still being gathered: this one must not overtake it."""
        return any(_stream(other) == _stream(line) for other in self._lines)

    def awaits(self, name: str) -> bool:
        """Whether missed lines of a group are still to come."""
        return name in self._awaited

    def count(self, room: str) -> int:
        """How many gathered lines are of this room."""
        return sum(isinstance(line, RoomReceived) and line.room == room for line in self._lines)

    def take_later(self, serial: int) -> None:
        """A letter that may leave the registry once our own disk has it."""
        self._to_take.append(serial)

    def stored(self) -> None:
        """Our disk has all letters of the batch: the registry may drop them and send the next."""
        if self._to_take:
            self._out.requests.append(TakeMail(serials=self._to_take))
            self._to_take = []

    def release(self) -> None:
        """Show what is gathered, if all of it is here."""
        if not self.is_mail_drained or self._awaited:
            return
        self.before_release()
        if self._lines:
            lines, self._lines = self._lines, []
            self._out.events.append(MailReturned(lines=tuple(in_order(lines))))


def in_order(lines: list[Line]) -> list[Line]:
    """Oldest first, but never against the order of one sender, whose clock may have been set back."""
    newest: dict[tuple[type, bytes, str], float] = {}
    keyed = []
    for line in sorted(lines, key=lambda line: line.number):
        stream = _stream(line)
        newest[stream] = max(line.at, newest.get(stream, line.at))
        keyed.append((newest[stream], line))
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])]


def _stream(line: Line) -> tuple[type, bytes, str]:
    """Lines are in order within this."""
    return type(line), line.identity, line.room if isinstance(line, RoomReceived) else ""
