"""What one person has been shown, over all runs of their program."""

from chatapp.peer.core import events as happened


class Screen:
    """What one person has seen, over all lives of their program."""

    def __init__(self) -> None:
        self.events: list[happened.Event] = []
        self.lines: list[happened.Line] = []

    def show(self, event: happened.Event) -> list[happened.Line]:
        """Note an event; returns the lines that it showed."""
        self.events.append(event)
        match event:
            case happened.DirectReceived() | happened.ChannelReceived() | happened.RoomReceived():
                shown: list[happened.Line] = [event]
            case happened.MailReturned(lines=lines):
                shown = list(lines)
            case _:
                shown = []
        self.lines += shown
        return shown

    def texts(self) -> list[str]:
        """What was said to this person, in the order in which it was shown."""
        return [line.text for line in self.lines]

    def count(self, kind: type) -> int:
        """How often something happened."""
        return sum(isinstance(event, kind) for event in self.events)
