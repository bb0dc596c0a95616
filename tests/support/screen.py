"""What one person has been shown, over all runs of their program."""

from typing import TypeGuard

from chatapp.peer.api import events


def is_now(event: object, *states: events.MessageState) -> TypeGuard[events.MessageChanged]:
    """Return whether the event tells that a message of ours has one of these states now."""
    return isinstance(event, events.MessageChanged) and event.state in states


class Screen:
    """The lines shown to one person, over all runs of their program."""

    def __init__(self) -> None:
        self.events: list[events.Event] = []
        self.lines: list[events.LineEvent] = []
        """What others said, and what they changed of it."""

    def show(self, event: events.Event) -> list[events.LineEvent]:
        """Add an event; returns the lines that it showed."""
        self.events.append(event)
        match event:
            case (
                events.Said(visit=0)
                | events.Edited(visit=0)
                | events.Retracted(visit=0)
                | events.Reacted()
            ):
                shown: list[events.LineEvent] = [event]
            case events.MailReturned(lines=lines):
                shown = list(lines)
            case _:
                shown = []
        self.lines += shown
        return shown

    def texts(self) -> list[str]:
        """Return the texts sent to this person, in the order in which they were shown."""
        return [line.text for line in self.lines]

    def count(self, kind: type | events.MessageState) -> int:
        """Return how often a kind of event occurred, or a message of ours got into a state."""
        if isinstance(kind, events.MessageState):
            return sum(is_now(event, kind) for event in self.events)
        return sum(isinstance(event, kind) for event in self.events)
