"""Giving up our own name: the registry forgets us, and anybody may take the name (clause 4.9).

The keys stay with us. We are offline afterwards, and the next registration is that of a newcomer.
"""

import random
from typing import Final

from chatapp.peer.api.events import NameReleased, ReleaseFailed, ReleaseRefusal
from chatapp.peer.core.context import Outputs, RegistryReach, RegistryStatus
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.registry.registration import Departure
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.messages.registration import RefusalReason, Release, Released, ReleaseRefused

_REFUSALS: Final = {
    reason: ReleaseRefusal[reason.name]
    for reason in RefusalReason
    if reason.name in ReleaseRefusal.__members__
}


class Releasing:
    """At most one request to give up our name."""

    def __init__(
        self,
        *,
        me: LocalIdentity,
        session: RegistrySession,
        departure: Departure,
        registry_status: RegistryStatus,
        outputs: Outputs,
        policy: Policy,
        rng: random.Random,
    ) -> None:
        self._me: Final = me
        self._session: Final = session
        self._departure: Final = departure
        self._registry_status: Final = registry_status
        self._out: Final = outputs
        self._policy: Final = policy
        self._rng: Final = rng
        self._reference = 0
        self.deadline: float | None = None
        """Until when the answer is waited for; None while no request is pending."""

    def request(self, *, now: float) -> None:
        """Ask the registry to free our name; `NameReleased` or `ReleaseFailed` follows."""
        if self.deadline is not None:
            return
        if self._me.other_name is not None:
            self._fail(ReleaseRefusal.PENDING)
        elif self._registry_status.reach is not RegistryReach.UP:
            self._fail(ReleaseRefusal.UNREACHABLE)
        else:
            self._reference = self._rng.getrandbits(32)
            self.deadline = now + self._policy.give_up_after
            self._out.requests.append(Release(reference=self._reference))

    def answered(self, answer: Released | ReleaseRefused, *, now: float) -> None:
        """Handle the registry's answer."""
        is_ours = self.deadline is not None and answer.reference == self._reference
        if not is_ours or self._session.state is not State.REGISTERED:
            return
        if isinstance(answer, ReleaseRefused):
            self._fail(_REFUSALS.get(answer.reason, ReleaseRefusal.FULL))
            return
        self.deadline = None
        self._departure.stop(now=now)
        self._session.released(now=now)
        self._out.events.append(NameReleased(name=self._me.name))

    def link_lost(self) -> None:
        """Give up the request: its answer will not come. We register again, under the same name if
        nobody has it."""
        if self.deadline is not None:
            self._fail(ReleaseRefusal.UNANSWERED)

    def handle_timer(self, *, now: float) -> None:
        """Register again if the answer is late."""
        if self.deadline is not None and now >= self.deadline:
            self.link_lost()
            self._session.note_silence(now=now)

    def _fail(self, reason: ReleaseRefusal) -> None:
        self.deadline = None
        self._out.events.append(ReleaseFailed(name=self._me.name, reason=reason))
