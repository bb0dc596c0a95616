"""Opening hours as they stand in the configuration: `Mon-Fri 09:00-17:00`, in the registry's local time."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENTRY: Final = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? (?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)", re.IGNORECASE
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
    found = _ENTRY.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f'"{text}" is no entry such as Mon-Fri 09:00-17:00')
    days = [found["first"].lower(), (found["last"] or found["first"]).lower()]
    for day in days:
        if day not in _DAYS:
            raise ValueError(f'"{day}" in "{text}" is none of {", ".join(one.title() for one in _DAYS)}')
    start, end = _minutes(found["start"], text), _minutes(found["end"], text)
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
    """The opening hours of a desk; without entries it is always open. Times are milliseconds of the wall clock."""

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
        """Return when the desk opens next after this time; None if it is always open, or never closes."""
        return self._next(at, is_open=True)

    def next_closing(self, at: int) -> int | None:
        """Return when the desk closes next after this time; None if it never does."""
        return self._next(at, is_open=False)

    def _next(self, at: int, *, is_open: bool) -> int | None:
        for moment in sorted(self._moments(at)):
            if moment > at and self.is_open(moment) is is_open and self.is_open(moment - 1) is not is_open:
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
