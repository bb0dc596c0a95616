"""Writing a journal: one message at a time, repeated until the broker says what became of it.

READY --begin--> SENDING --acked--> READY
                    |   <--unanswered: again under the same id
                    +--overtaken--> LOOKING --it is ours--> READY
                    |                   |---somebody else's-> FENCED
                    |                   |---only strays-----> SENDING, behind them
                    |                   +---nothing is there-> SENDING, or SHORTENED if the place
                    before is gone, too
                    +--refused----> REFUSED --resumed--> READY
"""

import enum
from collections import deque
from collections.abc import Sequence
from typing import Final

from chatapp.registry.cluster.stream.bundles import Head, Kind, Sealer, hash_of, parts_of
from chatapp.registry.cluster.stream.ledger import (
    Acked,
    Answer,
    Overtaken,
    Publication,
    Refused,
    Subject,
    Unanswered,
)

RETRY_SPAN: Final = 0.1
"""Seconds until a message that was not answered is sent again. The wait for the answer comes on
top."""


class WriterState(enum.Enum):
    """What a writer waits for."""

    READY = "nothing is on its way"
    SENDING = "a message is on its way"
    LOOKING = "the place of the message has to be read: another message may be there"
    FENCED = "another registry has taken over"
    SHORTENED = "the broker has lost messages that it had confirmed"
    REFUSED = "the broker refuses to store"


class Writer:
    """Writes the journal of one owner, from `head` on. `size`: the most bytes of records in a
    message."""

    def __init__(self, sealer: Sealer, head: Head, size: int) -> None:
        self._sealer = sealer
        self._size = size
        self._parts: deque[bytes] = deque()
        self._part = b""
        """The part in the publication."""
        self._current: Publication | None = None
        self._not_before = float("-inf")
        self.head = head
        """The last place that is known, and the last message of ours up to there."""
        self.state = WriterState.READY
        self.reason = ""
        """What the broker said when it refused."""
        self.is_full = False

    def begin(self, records: Sequence[bytes]) -> None:
        """Begin to write a turn's framed records."""
        if self.state is not WriterState.READY:
            raise RuntimeError(f"a turn cannot begin: {self.state.value}")
        self._parts.extend(parts_of(records, self._size))
        self._seal_next()

    def publication(self, *, now: float) -> Publication | None:
        """Return what to publish now; None if nothing is to be sent, or not yet."""
        return (
            self._current if self.state is WriterState.SENDING and now >= self._not_before else None
        )

    @property
    def on_its_way(self) -> bytes | None:
        """The message whose fate is not known yet."""
        return None if self._current is None else self._current.message

    @property
    def next_timer(self) -> float | None:
        """When to ask for the publication."""
        return self._not_before if self.state is WriterState.SENDING else None

    def answered(self, answer: Answer, *, now: float) -> None:
        """Note the answer to the publication."""
        if self.state is not WriterState.SENDING:
            return
        match answer:
            case Acked(place) if place == self.head.number + 1:
                self._stored()
            case Acked() | Overtaken():
                self.state = WriterState.LOOKING
            case Refused(reason, is_full):
                self.state, self.reason, self.is_full = WriterState.REFUSED, reason, is_full
                self._parts.clear()
                self._current = None
            case Unanswered():
                self._not_before = now + RETRY_SPAN

    def looked(self, found: bytes | None, *, last: int, now: float) -> None:
        """Note what is at the place of the publication, and what the last place of the stream
        is."""
        if self.state is not WriterState.LOOKING:
            return
        assert self._current is not None
        if found == self._current.message:
            self._stored()
        elif found is not None or last > self.head.number:
            self.state = WriterState.FENCED
        elif last < self.head.number:
            self.state = WriterState.SHORTENED
        else:
            self.state, self._not_before = WriterState.SENDING, now + RETRY_SPAN

    def passed(self, through: int) -> None:
        """Note that the places up to this one hold nothing but strays: the publication is sealed
        anew, to stand behind."""
        if self.state is not WriterState.LOOKING:
            return
        self.head = Head(through, self.head.hash)
        self._parts.appendleft(self._part)
        self._seal_next()

    def resume(self) -> None:
        """Write again after a refusal. The turn that was refused is dropped."""
        if self.state is WriterState.REFUSED:
            self.state, self.reason, self.is_full = WriterState.READY, "", False

    def _stored(self) -> None:
        assert self._current is not None
        self.head = Head(self.head.number + 1, hash_of(self._current.message))
        self._current = None
        self._seal_next()

    def _seal_next(self) -> None:
        if not self._parts:
            self.state = WriterState.READY
            return
        number, before, self._part = self.head.number + 1, self.head.hash, self._parts.popleft()
        message = self._sealer.seal(Kind.JOURNAL, number, before, self._part)
        self._current = Publication(
            subject=Subject.JOURNAL,
            message=message,
            after=self.head.number,
            id=self._sealer.last_id,
        )
        self.state, self._not_before = WriterState.SENDING, float("-inf")
