"""Whether each queue takes newcomers: by the opening hours, or as an operator has said since."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from chatapp.registry.desk.hours import Hours
from chatapp.registry.desk.settings import DeskSettings
from chatapp.registry.store.entries import DeskOpeningKept
from chatapp.wire.messages.desk import ClosedQueue


class OpeningState(NamedTuple):
    """Whether a queue takes newcomers at a time."""

    is_open: bool
    text: str
    """What an operator has said about the closing; else empty."""
    opens_at: int
    """When it opens, in milliseconds of the wall clock; 0: it is open, or nobody knows."""


class _Said(NamedTuple):
    """What an operator has said last about a queue."""

    is_open: bool
    text: str
    until: int
    """When the present hours say the same; 0: they never do, so it holds until an operator says otherwise."""


class Openings:
    """The state of all queues. What an operator says holds until the hours say the same next time: a closed queue opens at
    the next opening, an open one closes at the next closing."""

    def __init__(self, settings: DeskSettings) -> None:
        self._settings: Final = settings
        self._hours: Final = Hours(settings.hours, settings.zone)
        self._said: dict[str, _Said] = {}

    def load(self, kept: Iterable[DeskOpeningKept]) -> None:
        """Restore what operators said in earlier lives."""
        self._said = {one.queue: self._as_said(one) for one in kept}

    def of(self, queue: str, at: int) -> OpeningState:
        """Return the state of a queue."""
        said = self._said.get(queue)
        if said is not None and (not said.until or at < said.until):
            return OpeningState(said.is_open, said.text, 0 if said.is_open else said.until)
        if self._hours.is_open(at):
            return OpeningState(is_open=True, text="", opens_at=0)
        return OpeningState(is_open=False, text="", opens_at=self._hours.next_opening(at) or 0)

    def apply(self, kept: DeskOpeningKept) -> None:
        """Put in force what an operator has said and the disk has."""
        self._said[kept.queue] = self._as_said(kept)

    def _as_said(self, kept: DeskOpeningKept) -> _Said:
        hours = self._hours
        until = hours.next_closing(kept.at) if kept.is_open else hours.next_opening(kept.at)
        return _Said(kept.is_open, kept.text, until or 0)

    def closed(self, at: int) -> list[ClosedQueue]:
        """Return the queues that take no newcomers."""
        states = {queue: self.of(queue, at) for queue in self._settings.queues}
        return [
            ClosedQueue(queue, state.text, state.opens_at // 1_000)
            for queue, state in states.items()
            if not state.is_open
        ]
