"""The broker of a cluster in memory: it keeps the rules of places and ids, and fails on demand."""

from collections.abc import Callable, Iterator

from chatapp.registry.cluster.stream import ledger


class MemoryLedger:
    """A `Ledger` whose messages outlive any registry in front of it."""

    def __init__(self, *, message_max: int = 1 << 20) -> None:
        self._message_max = message_max
        self.streams: dict[ledger.Stream, dict[int, tuple[ledger.Subject, bytes]]] = {
            stream: {} for stream in ledger.Stream
        }
        self.last: dict[ledger.Stream, int] = dict.fromkeys(ledger.Stream, 0)
        self.places: dict[ledger.Subject, int] = dict.fromkeys(ledger.Subject, 0)
        self.first: dict[ledger.Stream, int] = dict.fromkeys(ledger.Stream, 1)
        self._ids: dict[str, int] = {}
        self._runs: dict[int, str] = {}
        """The run of each piece of a snapshot."""
        self.bytes_max: int | None = None
        """The most bytes of messages in all streams together; None for any number."""
        self.refuses: ledger.Refused | None = None
        self.meddle: Callable[[ledger.Publication], ledger.Answer | None] = lambda publication: None
        """Called before a message is stored; an answer is given instead of storing it."""
        self.is_away = False

    @property
    def message_max(self) -> int:
        return self._message_max

    def publish(self, publication: ledger.Publication) -> ledger.Answer:
        if self.refuses is not None:
            return self.refuses
        answer = self.meddle(publication)
        return self.store(publication) if answer is None else answer

    def store(self, publication: ledger.Publication) -> ledger.Answer:
        """Store a message by the rules of the broker."""
        assert len(publication.message) <= self._message_max
        if publication.id and publication.id in self._ids:
            return ledger.Acked(self._ids[publication.id])
        if publication.after is not None and publication.after != self.places[publication.subject]:
            return ledger.Overtaken()
        stream = ledger.STREAM_OF[publication.subject]
        if self.bytes_max is not None and self.bytes + len(publication.message) > self.bytes_max:
            return ledger.Refused("resource limits exceeded for account", is_full=True)
        self.last[stream] += 1
        place = self.places[publication.subject] = self.last[stream]
        if stream is ledger.Stream.LEASE:
            self.streams[stream].clear()
        self.streams[stream][place] = (publication.subject, publication.message)
        if publication.run:
            self._runs[place] = publication.run
        if publication.id:
            self._ids[publication.id] = place
        return ledger.Acked(place)

    @property
    def bytes(self) -> int:
        """The bytes of all messages."""
        return sum(
            len(message) for stream in self.streams.values() for _, message in stream.values()
        )

    def forget_ids(self) -> None:
        """Forget ids, as the broker does after two minutes."""
        self._ids.clear()

    def newest(self, subject: ledger.Subject) -> ledger.Placed | None:
        self._ask()
        found = [
            ledger.Placed(place, message)
            for place, (of, message) in self.streams[ledger.STREAM_OF[subject]].items()
            if of is subject
        ]
        return found[-1] if found else None

    def extent(self, stream: ledger.Stream) -> ledger.Extent:
        self._ask()
        return ledger.Extent(
            min(self.streams[stream], default=self.last[stream] + 1), self.last[stream]
        )

    def read(self, stream: ledger.Stream, first: int, last: int) -> Iterator[ledger.Placed]:
        self._ask()
        for place, (_, message) in list(self.streams[stream].items()):
            if first <= place <= last:
                yield ledger.Placed(place, message)

    def purge(self, stream: ledger.Stream, below: int) -> None:
        self._ask()
        for place in [place for place in self.streams[stream] if place < below]:
            del self.streams[stream][place]

    def purge_run(self, run: str) -> None:
        self._ask()
        pieces = self.streams[ledger.Stream.SNAPSHOTS]
        for place in [place for place in pieces if self._runs.get(place) == run]:
            del pieces[place]

    def _ask(self) -> None:
        if self.is_away:
            raise ledger.LedgerUnavailable


class RefusingLedger:
    """A ledger that refuses to store while `is_refusing`. Everything else is that of `behind`."""

    def __init__(self, behind: ledger.Ledger) -> None:
        self._behind = behind
        self.is_refusing = False

    @property
    def message_max(self) -> int:
        return self._behind.message_max

    def publish(self, publication: ledger.Publication) -> ledger.Answer:
        return ledger.Refused("no space") if self.is_refusing else self._behind.publish(publication)

    def newest(self, subject: ledger.Subject) -> ledger.Placed | None:
        return self._behind.newest(subject)

    def extent(self, stream: ledger.Stream) -> ledger.Extent:
        return self._behind.extent(stream)

    def read(self, stream: ledger.Stream, first: int, last: int) -> Iterator[ledger.Placed]:
        return self._behind.read(stream, first, last)

    def purge(self, stream: ledger.Stream, below: int) -> None:
        self._behind.purge(stream, below)

    def purge_run(self, run: str) -> None:
        self._behind.purge_run(run)
