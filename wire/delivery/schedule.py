"""This file is about the timed tries: which messages have left, and when each is tried again.

It knows deadlines; it must not know what a try is. All timeouts are equal, so messages kept in the order of their
last timed try are in the order of their deadlines: no heap, and no timer a message.
"""

from collections.abc import Iterator

from wire.delivery.outgoing import Outgoing


class Schedule:
    """Messages on the way, by number, the earliest deadline first."""

    __slots__ = ("_by_number", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._by_number: dict[int, Outgoing] = {}

    def get(self, number: int) -> Outgoing | None:
        """The message, if something of it has left."""
        return self._by_number.get(number)

    def begin(self, message: Outgoing, now: float) -> None:
        """The first try of this message leaves now."""
        message.tries = 1
        message.first_sent_at = now
        message.deadline = now + self._timeout
        self._by_number[message.number] = message

    def postpone(self, message: Outgoing, now: float) -> None:
        """The next try is a whole timeout from now."""
        message.deadline = now + self._timeout
        del self._by_number[message.number]
        self._by_number[message.number] = message

    def forget(self, number: int) -> None:
        """There will be no further try."""
        self._by_number.pop(number, None)

    def clear(self) -> None:
        """Nothing has left."""
        self._by_number.clear()

    def take(self, runs: Iterator[tuple[int, int]]) -> list[Outgoing]:
        """Takes out the messages whose numbers lie in the runs [start, end): in time limited by what is here."""
        by_number = self._by_number
        taken: list[int] = []
        for start, end in runs:
            if end - start <= len(by_number):
                taken += [number for number in range(start, end) if number in by_number]
            else:
                taken += [number for number in by_number if start <= number < end]
        return [by_number.pop(number) for number in taken]

    def overdue(self, now: float) -> list[Outgoing]:
        """The messages whose deadline has come; they stay here."""
        overdue: list[Outgoing] = []
        for message in self._by_number.values():
            if message.deadline > now:
                break
            overdue.append(message)
        return overdue

    def next_deadline(self) -> float | None:
        """The earliest deadline."""
        for message in self._by_number.values():
            return message.deadline
        return None
