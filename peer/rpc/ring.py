"""The last events of a program, numbered, for clients that come back or read slowly (clause
4.2)."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from chatapp.peer.api import events
from chatapp.peer.rpc.protocol import EVENTS_KEPT, LINES_TOGETHER, TEXT_KEPT, TEXT_TOGETHER

_EVENT_SIZE: Final = 128
"""Bytes that an event counts besides its text."""

_REACTION_SIZE: Final = 64
"""Bytes that an emoji at a line counts besides the names of people."""


class _Kept:
    """One event, and the line that tells of it once somebody was told."""

    __slots__ = ("event", "has_more", "line", "size")

    def __init__(self, event: events.Event, *, has_more: bool) -> None:
        self.event: Final = event
        self.has_more: Final = has_more
        self.line: bytes | None = None
        self.size: Final = _EVENT_SIZE + text_size(event)


class EventRing:
    """Events in the order in which they happened, as many of the last ones as the bounds allow."""

    def __init__(self, *, events_max: int = EVENTS_KEPT, size_max: int = TEXT_KEPT) -> None:
        """`size_max`: bytes of all texts together, and some for each event."""
        self._kept: deque[_Kept] = deque()
        self._events_max: Final = events_max
        self._size_max: Final = size_max
        self._size = 0
        self.last = 0
        """The number of the last event; 0 before the first one."""

    @property
    def first(self) -> int:
        """The number of the first event that is kept; that of the next event if none is."""
        return self.last + 1 - len(self._kept)

    def add(self, events: Sequence[events.Event]) -> None:
        """Number events, and forget the oldest ones."""
        for event in events:
            for piece, has_more in _pieces(event):
                kept = _Kept(piece, has_more=has_more)
                self._kept.append(kept)
                self._size += kept.size
                self.last += 1
        while len(self._kept) > self._events_max or (
            self._size > self._size_max and len(self._kept) > 1
        ):
            self._size -= self._kept.popleft().size

    def has_all_after(self, number: int) -> bool:
        """Whether every event after this one is kept, and this one may have been the last one."""
        return self.first - 1 <= number <= self.last

    def line(self, number: int) -> bytes:
        """Return the line that tells of a kept event."""
        kept = self._kept[number - self.first]
        if kept.line is None:
            params: dict[str, object] = {
                "number": number,
                "event": kept.event,
            }
            if kept.has_more:
                params["more"] = True
            kept.line = notice("event", params)
        return kept.line

    def event(self, number: int) -> events.Event:
        """Return a kept event."""
        return self._kept[number - self.first].event


def notice(method: str, params: object) -> bytes:
    """Return the line of a notification."""
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params}) + b"\n"


def together(lines: Sequence[events.LineEvent]) -> Iterator[tuple[events.LineEvent, ...]]:
    """Cut lines into parts that fit a line of the protocol each."""
    part: list[events.LineEvent] = []
    size = 0
    for line in lines:
        own = text_size(line)
        if part and (len(part) == LINES_TOGETHER or size + own > TEXT_TOGETHER):
            yield tuple(part)
            part, size = [], 0
        part.append(line)
        size += own
    if part:
        yield tuple(part)


def _pieces(event: events.Event) -> Iterator[tuple[events.Event, bool]]:
    """Yield an event that fits a line, or its pieces; and whether more pieces follow."""
    if not isinstance(event, events.MailReturned):
        yield event, False
        return
    parts = list(together(event.lines))
    for place, lines in enumerate(parts, start=1):
        yield events.MailReturned(lines=lines), place < len(parts)


def text_size(told: object) -> int:
    """Return the bytes of the texts of an event, or of what an answer has."""
    if isinstance(told, events.MailReturned):
        return sum(map(text_size, told.lines))
    size = bytes_of(getattr(told, "text", ""))
    for reaction in getattr(told, "reactions", ()):  # mostly none
        size += _REACTION_SIZE + sum(map(bytes_of, reaction.names))
    return size


def bytes_of(text: str) -> int:
    """Return the bytes of a text."""
    return len(text.encode("utf-8", "surrogatepass"))
