"""Broadcasts of the table: when its changes are announced, and the signed batches (clause 3)."""

from chatapp.registry.directory.directory import Person
from chatapp.registry.directory.table import Table
from chatapp.registry.limits import RegistryPolicy
from chatapp.wire.admission import sign_table
from chatapp.wire.codec import encode
from chatapp.wire.framing import GROUP_OVERHEAD
from chatapp.wire.identity import Identity
from chatapp.wire.limits import DATAGRAM_MAX
from chatapp.wire.messages.table import TableBatch

_SIGNATURE_SIZE = 64
_BATCH_OVERHEAD = 1 + 9 + 9 + 3
"""Bytes of an encoded `TableBatch` beside its rows: the array, two versions, the rows' array."""
_ROWS_SIZE = DATAGRAM_MAX - GROUP_OVERHEAD - _SIGNATURE_SIZE - _BATCH_OVERHEAD
_ROWS_MAX = 64


class TableBroadcaster:
    """Decides when changes of the table are broadcast, and signs the batches."""

    def __init__(self, table: Table[Person], identity: Identity, policy: RegistryPolicy) -> None:
        self._table = table
        self._identity = identity
        self._policy = policy
        self._seen = self._sent = table.version
        self._due_at: float | None = None
        self._repeat_at: float | None = None
        self._quiet_until = float("-inf")
        self.broadcasts = self.rows = 0
        """Broadcasts of changes, and rows in them, since the start."""

    def check(self, *, now: float) -> None:
        """Schedule a broadcast if the table has changed since the last check."""
        if self._table.version != self._seen:
            self._seen = self._table.version
            if self._due_at is None:
                self._due_at = max(now + self._policy.coalesce_span, self._quiet_until)

    def handle_timer(self, *, audience: int, now: float) -> list[bytes]:
        """Return the signed payloads that are due, in order. The more there are, and the larger the audience, the longer the
        pause behind them: a crowd that comes in must not drown in the news of its own arrival."""
        due = self.next_timer()
        if due is None or now < due:
            return []
        if self._due_at is None:
            self._repeat_at = None
            return [self._announcement()]
        payloads, policy = self._changes(now), self._policy
        self.broadcasts += 1
        takes = len(payloads) * max(audience / policy.broadcasts_per_second, policy.datagram_span)
        self._quiet_until = max(self._quiet_until, now + max(policy.busy_span, takes))
        self._repeat_at = now + policy.announce_span
        return payloads

    def next_timer(self) -> float | None:
        """Return the deadline. While changes are due, nothing is repeated: an announcement would come before their rows, and
        everybody would fetch these."""
        return self._repeat_at if self._due_at is None else self._due_at

    def _changes(self, now: float) -> list[bytes]:
        batches: list[TableBatch] = []
        since = self._sent
        while since < self._table.version:
            delta = self._table.delta(since, bytes_max=_ROWS_SIZE, rows_max=_ROWS_MAX)
            if len(batches) == self._policy.broadcast_datagrams:
                return self._storm(now)
            batches.append(TableBatch(since, delta.version, delta.rows))
            since = delta.version
        self._sent, self._due_at = since, None
        self.rows += sum(len(batch.rows) for batch in batches)
        return [self._signed(batch) for batch in batches]

    def _storm(self, now: float) -> list[bytes]:
        """Announce the version alone: the changes are too many for datagrams, so peers fetch them. Changes that follow wait
        for `storm_span`, and are announced in the same way if they are too many by then."""
        self._sent, self._due_at = self._table.version, None
        self._quiet_until = now + self._policy.storm_span
        return [self._announcement()]

    def _announcement(self) -> bytes:
        return self._signed(TableBatch(self._sent, self._sent, []))

    def _signed(self, batch: TableBatch) -> bytes:
        return sign_table(self._identity, encode(batch))
