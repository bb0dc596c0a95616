"""What the cores of a registry report while they serve: counts of what was dropped, and events for
the log."""

import traceback
from collections import Counter
from pathlib import Path
from typing import Final

from chatapp.registry.rules.effects import DropReason, Event, Fault


class Recorder:
    """Counts and events, which both halves of a registry write into."""

    def __init__(self, *, events_max: int) -> None:
        """`events_max`: how many events of one turn are kept."""
        self.dropped: Final[Counter[DropReason]] = Counter()
        """How much was not served, by reason."""
        self._events: list[Event] = []
        self._events_max: Final = events_max

    def counted(self) -> dict[str, int]:
        """Return how much was not served, by the names of the reasons."""
        return {reason.name.lower(): count for reason, count in self.dropped.items()}

    def note(self, event: Event) -> None:
        """Queue an event for the log; past the cap events are lost."""
        if len(self._events) < self._events_max:
            self._events.append(event)

    def fault(self, error: Exception) -> None:
        """Count and report a fault of the program itself."""
        self.dropped[DropReason.FAULT] += 1
        steps = traceback.extract_tb(error.__traceback__)
        places = tuple(f"{Path(step.filename).name}:{step.lineno}" for step in steps)
        self.note(Fault(reason=repr(error), places=places))

    def take_events(self) -> list[Event]:
        """Drain the events."""
        events, self._events = self._events, []
        return events
