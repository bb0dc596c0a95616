"""Giving up our own name: the registry forgets us, and anybody may take the name (clause 4.9).

The keys stay with us. We are offline afterwards, and the next registration is that of a newcomer.
"""

from typing import Final

from chatapp.peer.api.events import NameReleased, ReleaseFailed, ReleaseRefusal
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.registry.registration import Departure
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.wire.messages.registration import RefusalReason, Release, Released, ReleaseRefused

_REFUSALS: Final = {
    reason: ReleaseRefusal[reason.name]
    for reason in RefusalReason
    if reason.name in ReleaseRefusal.__members__
}


class Releasing:
    """At most one request to give up our name."""

    def __init__(self, ctx: Context, *, session: RegistrySession, departure: Departure) -> None:
        self._ctx: Final = ctx
        self._session: Final = session
        self._departure: Final = departure
        self._out = ctx.out
        self._reference = 0
        self._alarm: Final = ctx.alarms.add(self._unanswered)
        """Set while a request is pending."""

    @property
    def is_pending(self) -> bool:
        """Whether a request is not answered."""
        return self._alarm.deadline is not None

    def request(self, *, now: float) -> None:
        """Ask the registry to free our name; `NameReleased` or `ReleaseFailed` follows."""
        if self.is_pending:
            return
        if self._ctx.me.other_name is not None:
            self._fail(ReleaseRefusal.PENDING)
        elif self._ctx.status.reach is not RegistryReach.UP:
            self._fail(ReleaseRefusal.UNREACHABLE)
        else:
            self._reference = self._ctx.rng.getrandbits(32)
            self._alarm.deadline = now + self._ctx.policy.give_up_after
            self._out.requests.append(Release(reference=self._reference))

    def answered(self, answer: Released | ReleaseRefused, *, now: float) -> None:
        """Handle the registry's answer."""
        is_ours = self.is_pending and answer.reference == self._reference
        if not is_ours or self._session.state is not State.REGISTERED:
            return
        if isinstance(answer, ReleaseRefused):
            self._fail(_REFUSALS.get(answer.reason, ReleaseRefusal.FULL))
            return
        self._alarm.deadline = None
        self._departure.stop(now=now)
        self._session.released(now=now)
        self._out.events.append(NameReleased(name=self._ctx.me.name))

    def link_lost(self) -> None:
        """Give up the request: its answer will not come. We register again, under the same name if
        nobody has it."""
        if self.is_pending:
            self._fail(ReleaseRefusal.UNANSWERED)

    def _unanswered(self, *, now: float) -> None:
        """Register again, as the answer is late."""
        self.link_lost()
        self._session.note_silence(now=now)

    def _fail(self, reason: ReleaseRefusal) -> None:
        self._alarm.deadline = None
        self._out.events.append(ReleaseFailed(name=self._ctx.me.name, reason=reason))
