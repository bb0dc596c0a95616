"""Path tests: whether a person answers directly, and through the registry (clause 6.12)."""

from typing import Final

import msgspec

from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.context import Context
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.wire.messages.registration import Ping, Pong

TESTS_MAX: Final = 16
"""People of whom results are kept; the oldest goes first."""


class PathResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a path test. Times are seconds from the last Ping to its Pong; None for no
    answer."""

    direct: float | None
    relayed: float | None
    is_relay_tried: bool
    """Whether there was a link to the registry."""


class _Test:
    """One test that is under way."""

    def __init__(self, contact: Contact, *, direct: int, relayed: int, can_relay: bool) -> None:
        self.contact: Final = contact
        self.references: Final = (direct, relayed)
        self.can_relay: Final = can_relay
        self.tries = 0
        self.next_at = float("-inf")
        self.sent_at = 0.0
        self.times: list[float | None] = [None, None]

    @property
    def is_answered(self) -> bool:
        """Whether nothing more can come."""
        return self.times[0] is not None and (self.times[1] is not None or not self.can_relay)


class PathTests:
    """The path tests of one peer: at most one for a person at a time."""

    def __init__(self, ctx: Context, transport: PeerTransport) -> None:
        self._ctx: Final = ctx
        self._transport: Final = transport
        self._open: dict[bytes, _Test] = {}
        self._results: dict[bytes, PathResult] = {}
        self._alarm: Final = ctx.alarms.add(self._ping)

    def begin(self, contact: Contact, *, can_relay: bool, now: float) -> None:
        """Begin to test the paths to a person, unless a test is under way."""
        if contact.identity in self._open:
            return
        self._results.pop(contact.identity, None)
        direct, relayed = self._ctx.rng.getrandbits(32), self._ctx.rng.getrandbits(32)
        self._open[contact.identity] = _Test(
            contact, direct=direct, relayed=relayed, can_relay=can_relay
        )
        self._ping(now=now)

    def result(self, identity: bytes) -> PathResult | None:
        """Return the result of the last test; None while one is under way or none was made."""
        return self._results.get(identity)

    def ponged(self, contact: Contact, pong: Pong, *, through_server: bool, now: float) -> None:
        """Take a person's Pong. A person answers by the path of the Ping; an answer by another path
        counts for nothing."""
        test = self._open.get(contact.identity)
        path = int(through_server)
        if test is None or test.references[path] != pong.reference:
            return
        if test.times[path] is None:
            test.times[path] = now - test.sent_at
        if test.is_answered:
            self._end(test)

    def _ping(self, *, now: float) -> None:
        """Ping those whose next Ping is due, or give up."""
        for test in [one for one in self._open.values() if one.next_at <= now]:
            if test.tries >= self._ctx.policy.tries:
                self._end(test)
                continue
            test.tries += 1
            test.sent_at, test.next_at = now, now + self._ctx.policy.ack_timeout
            for path, reference in enumerate(test.references):
                if test.times[path] is None and (path == 0 or test.can_relay):
                    self._transport.send_frame(
                        test.contact, Ping(reference=reference), through_registry=path == 1, now=now
                    )
        self._alarm.deadline = min((test.next_at for test in self._open.values()), default=None)

    def _end(self, test: _Test) -> None:
        del self._open[test.contact.identity]
        self._results.pop(test.contact.identity, None)
        direct, relayed = test.times
        self._results[test.contact.identity] = PathResult(
            direct=direct, relayed=relayed, is_relay_tried=test.can_relay
        )
        for oldest in list(self._results)[:-TESTS_MAX]:
            del self._results[oldest]
