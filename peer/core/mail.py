"""This file is about what comes back to us: letters and lines of the channel that waited while we were away.

They are gathered until all are here, then shown as one, oldest first. It knows letters; it must not know the ladder.
"""

from peer.core.events import Line, MailReturned
from peer.core.outputs import Outputs
from wire.messages.mail import TakeMail


class Homecoming:
    """Gathers what the registry hands over after the link came up, until both mailbox and channel are drained."""

    def __init__(self, outputs: Outputs) -> None:
        self._out = outputs
        self._lines: list[Line] = []
        self._to_take: list[int] = []
        self.is_mail_drained = True
        self.is_channel_drained = True

    def begin(self) -> None:
        """The link is up: the first batch and the first page are on their way."""
        self.is_mail_drained = self.is_channel_drained = False

    def give_up(self) -> None:
        """The link is gone: show what is here."""
        self.is_mail_drained = self.is_channel_drained = True
        self._to_take.clear()

    def gather(self, line: Line) -> None:
        """A late line; shown with the others."""
        self._lines.append(line)

    def holds_back(self, line: Line) -> bool:
        """Whether an earlier line of the same stream is still being gathered: this one must not overtake it."""
        return bool(self._lines) and any(
            type(other) is type(line) and other.identity == line.identity for other in self._lines
        )

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
        if self._lines and self.is_mail_drained and self.is_channel_drained:
            lines, self._lines = self._lines, []
            self._out.events.append(MailReturned(lines=tuple(in_order(lines))))


def in_order(lines: list[Line]) -> list[Line]:
    """Oldest first, but never against the order of one sender, whose clock may have been set back."""
    newest: dict[tuple[type, bytes], float] = {}
    keyed = []
    for line in sorted(lines, key=lambda line: line.number):
        stream = (type(line), line.identity)
        newest[stream] = max(line.at, newest.get(stream, line.at))
        keyed.append((newest[stream], line))
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])]
