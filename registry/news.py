"""This file is about telling everybody online what changed in the table: gathered by time, signed once, the same bytes.

Theory (clause 3.3): the broadcasts form a chain, each from the version at which the last one ended. A peer that misses
one sees the gap at the next, and asks over its link; so the last one is followed by an empty one. A change too large
for a few datagrams is told by its version alone. It must not know who is online, or how the bytes are sealed.
"""

from registry.directory import Directory
from registry.policy import Policy
from wire.admission import sign_table
from wire.codec import encode
from wire.header import GROUP_OVERHEAD
from wire.identity import Identity
from wire.limits import DATAGRAM_MAX
from wire.messages.table import TableBatch

_SIGNATURE_SIZE = 64
_BATCH_OVERHEAD = 1 + 9 + 9 + 3
"""Bytes of an encoded `TableBatch` beside its rows: the array, two versions, the rows' array."""
_ROWS_SIZE = DATAGRAM_MAX - GROUP_OVERHEAD - _SIGNATURE_SIZE - _BATCH_OVERHEAD
_ROWS_MAX = 64


class News:
    """What of the table has been told, and when the next is due."""

    def __init__(self, directory: Directory, identity: Identity, policy: Policy) -> None:
        self._directory = directory
        self._identity = identity
        self._policy = policy
        self._noticed = self._told = directory.version
        self._due_at: float | None = None
        self._repeat_at: float | None = None
        self._quiet_until = self._last_storm = float("-inf")

    def notice(self, *, now: float) -> None:
        """Look whether the table has changed since the last look."""
        if self._directory.version != self._noticed:
            self._noticed = self._directory.version
            self._repeat_at = now + self._policy.announce_span
            if self._due_at is None:
                self._due_at = max(now + self._policy.coalesce_span, self._quiet_until)

    def handle_timer(self, *, audience: int, now: float) -> list[bytes]:
        """Signed payloads that are due, in order, for an audience of so many: what many are told, they are told less
        often, so that a crowd that comes in is not drowned in news of itself."""
        payloads: list[bytes] = []
        if self._due_at is not None and now >= self._due_at:
            payloads = self._tell(now)
            takes = len(payloads) * audience / self._policy.broadcasts_per_second
            self._quiet_until = now + max(self._policy.busy_span, takes)
        if self._repeat_at is not None and now >= self._repeat_at:
            self._repeat_at = None
            payloads.append(self._announcement())
        return payloads

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        if self._due_at is None or self._repeat_at is None:
            return self._repeat_at if self._due_at is None else self._due_at
        return min(self._due_at, self._repeat_at)

    def _tell(self, now: float) -> list[bytes]:
        batches: list[TableBatch] = []
        since = self._told
        while since < self._directory.version:
            delta = self._directory.delta(since, bytes_max=_ROWS_SIZE, rows_max=_ROWS_MAX)
            if len(batches) == self._policy.broadcast_datagrams:
                return self._storm(now)
            batches.append(TableBatch(since, delta.version, delta.rows))
            since = delta.version
        self._told, self._due_at = since, None
        return [self._signed(batch) for batch in batches]

    def _storm(self, now: float) -> list[bytes]:
        """Too much for datagrams: say that there is something, not too often, and let everybody fetch it."""
        at = self._last_storm + self._policy.storm_span
        if now < at:
            self._due_at = at
            return []
        self._last_storm, self._due_at = now, None
        return [self._announcement()]

    def _announcement(self) -> bytes:
        self._told = self._directory.version
        return self._signed(TableBatch(self._told, self._told, []))

    def _signed(self, batch: TableBatch) -> bytes:
        return sign_table(self._identity, encode(batch))
