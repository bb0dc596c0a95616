"""Whether each queue takes newcomers: by the opening hours, or as an operator has said since."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.store.entries import DeskOpeningKept
from chatapp.wire.messages.desk import ClosedQueue

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENTRY: Final = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? (?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)",
    re.IGNORECASE,
)
_DAY: Final = 24 * 60
_LOOKED_AHEAD: Final = 8
"""Days in which every weekday begins and ends at least once."""


class _Span(NamedTuple):
    """A span of one weekday, in minutes since midnight."""

    weekday: int
    start: int
    end: int


def spans(text: str) -> list[_Span]:
    """Return the spans of one entry. Raises ValueError, whose text says what is wrong."""
    parts = _ENTRY.fullmatch(" ".join(text.split()))
    if parts is None:
        raise ValueError(f'"{text}" is no entry such as Mon-Fri 09:00-17:00')
    days = [parts["first"].lower(), (parts["last"] or parts["first"]).lower()]
    for day in days:
        if day not in _DAYS:
            raise ValueError(
                f'"{day}" in "{text}" is none of {", ".join(name.title() for name in _DAYS)}'
            )
    start, end = _minutes(parts["start"], text), _minutes(parts["end"], text)
    if end <= start:
        raise ValueError(f'"{text}" ends before it begins; hours past midnight are two entries')
    first, last = map(_DAYS.index, days)
    count = (last - first) % len(_DAYS) + 1
    return [_Span((first + index) % len(_DAYS), start, end) for index in range(count)]


def _minutes(text: str, entry: str) -> int:
    hours, minutes = map(int, text.split(":"))
    total = 60 * hours + minutes
    if minutes >= 60 or total > _DAY:
        raise ValueError(f'"{text}" in "{entry}" is no time of day from 00:00 to 24:00')
    return total


class Hours:
    """The opening hours of a desk; without entries it is always open. Times are milliseconds of the
    wall clock."""

    def __init__(self, entries: Iterable[str], zone: tzinfo = UTC) -> None:
        """`entries`: checked by `spans`."""
        self._spans: Final = [span for entry in entries for span in spans(entry)]
        self._zone: Final = zone

    def is_open(self, at: int) -> bool:
        """Return whether the desk is open then."""
        now = self._local(at)
        minute = 60 * now.hour + now.minute
        today = [span for span in self._spans if span.weekday == now.weekday()]
        return not self._spans or any(span.start <= minute < span.end for span in today)

    def next_opening(self, at: int) -> int | None:
        """Return when the desk opens next after this time; None if it is always open, or never
        closes."""
        return self._next(at, is_open=True)

    def next_closing(self, at: int) -> int | None:
        """Return when the desk closes next after this time; None if it never does."""
        return self._next(at, is_open=False)

    def _next(self, at: int, *, is_open: bool) -> int | None:
        for moment in sorted(self._moments(at)):
            if (
                moment > at
                and self.is_open(moment) is is_open
                and self.is_open(moment - 1) is not is_open
            ):
                return moment
        return None

    def _moments(self, at: int) -> Iterator[int]:
        """Yield the beginnings and ends of the days around a time."""
        midnight = datetime.combine(self._local(at).date(), time(), self._zone)
        for days in range(_LOOKED_AHEAD + 1):
            day = midnight + timedelta(days=days)
            for span in self._spans:
                if span.weekday == day.weekday():
                    for minutes in (span.start, span.end):
                        yield int((day + timedelta(minutes=minutes)).timestamp() * 1_000)

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1_000, UTC).astimezone(self._zone)


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
    """When the present hours say the same; 0: they never do, so it holds until an operator says
    otherwise."""


class Openings:
    """The state of all queues. What an operator says holds until the hours say the same next time:
    a closed queue opens at the next opening, an open one closes at the next closing."""

    def __init__(self, settings: DeskSettings) -> None:
        self._settings: Final = settings
        self._hours: Final = Hours(settings.hours, settings.zone)
        self._said: dict[str, _Said] = {}

    def load(self, kept: Iterable[DeskOpeningKept]) -> None:
        """Restore what operators said in earlier runs."""
        self._said = {entry.queue: self._as_said(entry) for entry in kept}

    def of(self, queue: str, at: int) -> OpeningState:
        """Return the state of a queue."""
        state = self._said.get(queue)
        if state is not None and (not state.until or at < state.until):
            return OpeningState(state.is_open, state.text, 0 if state.is_open else state.until)
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
