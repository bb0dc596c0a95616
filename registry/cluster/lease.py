"""The lease decides which registry serves. Its holder renews it; another registry takes it once it
is given back, or was not renewed for a while.

    STANDBY --claimed--> OWNER --overtaken, or not confirmed for CUT_AFTER--> LOST
                           +------given back--> RELEASED

The lease only decides who tries; the journal's fence decides whose writes count. So a standby
measures the lease by what it sees: it takes a lease that stayed the same for `SPAN` while the
broker answered. While the broker has no leader nobody can take it, and the owner keeps its peers
for up to `CUT_AFTER`, promising nothing.
"""

import enum
from typing import Final

import msgspec

from chatapp.registry.cluster.stream.bundles import (
    BundleRefused,
    Flaw,
    Kind,
    Opener,
    Sealer,
    Strays,
)
from chatapp.registry.cluster.stream.ledger import Acked, Answer, Placed, Publication, Subject

SPAN: Final = 2.0
"""Seconds without a renewal after which the lease is free."""

BEAT: Final = 0.5
"""Seconds between two renewals."""

SPAN_AFTER_SILENCE: Final = 1.0
"""The same when the broker answers again after a silence as long as `SPAN`, such as an election: an
owner that lives tries to renew all the time, and is through at once."""

LOOK_SPAN: Final = 0.25
"""Seconds between two looks of a standby."""

LOOK_AGAIN: Final = 0.1
"""Seconds from a look that was not answered to the next one: the answer was waited for already."""

CUT_AFTER: Final = 10.0
"""Seconds without a confirmed renewal after which the owner stops serving. The election of a
stream's leader takes 4 to 8; a shorter time would disconnect everybody at each."""


class LeaseState(enum.Enum):
    """Whether this registry serves."""

    STANDBY = "another registry may serve"
    OWNER = "this registry serves"
    LOST = "this registry has to stop serving"
    RELEASED = "this registry has given the lease back"


class LeaseRecord(msgspec.Struct, frozen=True, array_like=True):
    """The content of the lease's message."""

    holder: str
    """Of one process: drawn anew at each start."""
    name: str
    """Its name for people."""
    is_free: bool = False


_UNKNOWN: Final = LeaseRecord("", "")
"""What a stray counts as."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(LeaseRecord)


def read_record(opener: Opener, found: Placed) -> LeaseRecord:
    """Open a lease. Raises BundleRefused for one that was not sealed with the key for this place,
    and for another version's; a record of another shape counts as free."""
    opened = opener.open(Kind.LEASE, found.message)
    if opened.number != found.place:
        raise BundleRefused(Flaw.OUT_OF_ORDER, opened.number)
    try:
        return _decoder.decode(opened.content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return LeaseRecord("", "", is_free=True)


class Lease:
    """The lease as one registry sees it. `holder`: drawn anew by each process."""

    def __init__(
        self, sealer: Sealer, opener: Opener, *, holder: str, name: str, strays: Strays, now: float
    ) -> None:
        self._sealer = sealer
        self._opener = opener
        self._mine = LeaseRecord(holder, name)
        self._place = 0
        self._seen_at: float | None = None
        """When the last look was answered; None after one that was not."""
        self._silent_at: float | None = None
        """When the first of the looks that were not answered was; None after one that was."""
        self._span = SPAN
        self._quiet_for = 0.0
        """For how long the lease has not changed, as far as looks were answered."""
        self._next = now
        self._sent_at = now
        self._confirmed_at = now
        self.state = LeaseState.STANDBY
        self._changed_at: float | None = None
        """When a look first found the lease as it is now; None before the first look."""
        self.serving = ""
        """The name of the registry that holds the lease, empty if nobody does."""
        self.holder = ""
        """The process that holds it, or held it last; empty if none was seen."""
        self._strays = strays
        """Counts leases that nobody with the cluster's key has sealed."""
        self.saw_other_key = False
        """Whether one of them says that it was sealed with another key. If this registry's is
        wrong, all of them do."""
        self.term = 0
        """Where in its stream this registry took the lease: higher than any owner before did."""

    @property
    def next_timer(self) -> float:
        """When to call `wants_look` or `publication`."""
        if self.state is LeaseState.OWNER:
            return min(self._next, self._confirmed_at + CUT_AFTER)
        return self._next

    def age(self, *, now: float) -> float | None:
        """Return the seconds since the lease was seen to be confirmed: by an answer to its owner,
        or by a look that found it changed. None before the first look of a standby."""
        if self.state is LeaseState.OWNER:
            return now - self._confirmed_at
        return None if self._changed_at is None else now - self._changed_at

    # --- a standby

    def wants_look(self, *, now: float) -> bool:
        """Whether to read the lease now."""
        return self.state is LeaseState.STANDBY and now >= self._next

    def looked(self, found: Placed | None, *, now: float) -> bool:
        """Note the lease as it is. Return whether to claim it now. Raises BundleRefused if another
        version holds it."""
        self._next = now + LOOK_SPAN
        record = self._record(found)
        place = 0 if found is None else found.place
        if place != self._place or self._changed_at is None:
            self._changed_at = now
        if self._silent_at is not None and now - self._silent_at >= SPAN:
            self._quiet_for, self._span = 0.0, SPAN_AFTER_SILENCE
        elif place != self._place:
            self._quiet_for, self._span = 0.0, SPAN
        elif self._seen_at is not None:
            # One look that was late says nothing about the time before it.
            self._quiet_for += min(now - self._seen_at, 2 * LOOK_SPAN)
        self._silent_at = None
        self._place, self._seen_at = place, now
        is_held = record is not None and not record.is_free
        if record is not _UNKNOWN:
            self.serving = record.name if record is not None and is_held else ""
            self.holder = record.holder if record is not None and is_held else self.holder
        return not is_held or self._quiet_for >= self._span

    def not_looked(self, *, now: float) -> None:
        """Note that a look was not answered. While nobody can renew the lease it does not run out,
        so this time does not count; what was seen before a short silence still does."""
        self._next, self._seen_at = now + LOOK_AGAIN, None
        self._silent_at = now if self._silent_at is None else self._silent_at

    def claim(self, *, now: float) -> Publication:
        """Return what takes the lease as it was seen last."""
        self._sent_at = now
        return self._publication(self._mine)

    def claimed(self, answer: Answer, *, now: float) -> None:
        """Note the answer to the claim. Without one, the next look tells."""
        if isinstance(answer, Acked):
            self.state, self._place, self._confirmed_at = (
                LeaseState.OWNER,
                answer.place,
                self._sent_at,
            )
            self.term = answer.place
            self.serving, self.holder = self._mine.name, self._mine.holder
            self._next = now + BEAT

    # --- the owner

    def is_confirmed(self, *, now: float) -> bool:
        """Whether this registry is the owner, and was confirmed so lately that no other can have
        the lease yet."""
        return self.state is LeaseState.OWNER and now - self._confirmed_at < SPAN_AFTER_SILENCE

    def publication(self, *, now: float) -> Publication | None:
        """Return the renewal that is due. An owner that was not confirmed for too long loses the
        lease here."""
        if self.state is LeaseState.OWNER and now - self._confirmed_at >= CUT_AFTER:
            self.state = LeaseState.LOST
        if self.state is not LeaseState.OWNER or now < self._next:
            return None
        self._sent_at, self._next = now, now + BEAT
        return self._publication(self._mine)

    def renewed(self, answer: Answer, *, now: float) -> bool:
        """Note the answer to a renewal. Return whether the lease has to be read: another registry
        may have it, or the answer to a renewal was lost, and the next one has to follow it."""
        if self.state is not LeaseState.OWNER:
            return False
        if isinstance(answer, Acked):
            self._place, self._confirmed_at = answer.place, self._sent_at
        if now - self._confirmed_at >= CUT_AFTER:
            self.state = LeaseState.LOST
        return not isinstance(answer, Acked)

    def found(self, found: Placed | None) -> None:
        """Note what is there instead of the last renewal. Raises BundleRefused if another version
        holds the lease."""
        if self.state is not LeaseState.OWNER:
            return
        record = self._record(found)
        if record is not None and record is not _UNKNOWN and record.holder != self._mine.holder:
            self.state = LeaseState.LOST
            self.serving = "" if record.is_free else record.name
            return
        place = 0 if found is None else found.place
        if place != self._place:
            self._place, self._next = place, float("-inf")

    def _record(self, found: Placed | None) -> LeaseRecord | None:
        """Open what is in the lease's place. Raises BundleRefused for a lease of another
        version."""
        if found is None:
            return None
        try:
            return read_record(self._opener, found)
        except BundleRefused as refused:
            if refused.flaw is Flaw.OTHER_VERSION and refused.number == found.place:
                raise
            self._strays.note(int(found.place != self._place))
            self.saw_other_key |= refused.flaw is Flaw.OTHER_KEY
            return _UNKNOWN

    def release(self) -> Publication:
        """Return what gives the lease back: a standby takes over at once."""
        self.state = LeaseState.RELEASED
        return self._publication(LeaseRecord(self._mine.holder, self._mine.name, is_free=True))

    def _publication(self, record: LeaseRecord) -> Publication:
        message = self._sealer.seal(Kind.LEASE, self._place + 1, bytes(32), _encoder.encode(record))
        return Publication(subject=Subject.LEASE, message=message, after=self._place)
