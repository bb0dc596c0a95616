"""Our own name: another one in its place (clause 4.6), or none any more (clause 4.9).

When the name changes, the identity stays and the card gets another name. Any program may die between
the request and its answer, so we hold both names until the registry has welcomed us under one of them.
When we give the name up, the keys stay with us; the next registration is that of a newcomer.
"""

from collections.abc import Callable
from typing import Final

from chatapp.peer.api.events import (
    NameReleased,
    NameUnavailable,
    ReleaseFailed,
    ReleaseRefusal,
    Renamed,
    RenameFailed,
    RenameRefusal,
)
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages import registration as wire
from chatapp.wire.messages.registration import RefusalReason, Release, Released, ReleaseRefused
from chatapp.wire.names import person_name

_RENAME_REFUSALS: Final = {
    reason: RenameRefusal[reason.name]
    for reason in RefusalReason
    if reason.name in RenameRefusal.__members__
}
_OF_THE_NAME: Final = frozenset(
    {RefusalReason.BAD_NAME, RefusalReason.NAME_TAKEN, RefusalReason.OLD_CARD, RefusalReason.FULL}
)
"""Refusals of one of our two names after which the registry may still accept the other."""


class Renaming:
    """At most one change of our name."""

    def __init__(self, ctx: Context, session: RegistrySession) -> None:
        self._ctx: Final = ctx
        self._session = session
        self._out = ctx.out
        self._reference: int | None = None
        self._alarm: Final = ctx.alarms.add(self._unanswered)
        self._tried_other = False
        self._may_yet_be_heard = False
        """Whether the registry may yet read a request that we have given up."""
        self._asked: str | None = None
        """The name that the user asked for, until the outcome is reported."""
        self.confirmed: str | None = None
        """The name that the registry has for us, once that is certain after a change was begun."""

    def refusal_of(self, new: str) -> RenameRefusal | None:
        """Return why our name cannot be changed to this one; None when the registry has to
        decide."""
        try:
            name = person_name(new)
        except NameRefused:
            return RenameRefusal.INVALID_NAME
        if name == self._ctx.me.name:
            return RenameRefusal.SAME_NAME
        if self._ctx.me.other_name is not None:
            return RenameRefusal.PENDING
        return None if self._ctx.status.reach is RegistryReach.UP else RenameRefusal.UNREACHABLE

    def request(self, new: str, *, now: float) -> None:
        """Ask for another name; `Renamed`, `NameUnavailable` or `RenameFailed` follows."""
        reason = self.refusal_of(new)
        if reason is None:
            self._ask(new, now)
        else:
            self._out.events.append(RenameFailed(name=new, reason=reason))

    def take_confirmed(self) -> str | None:
        """Return `confirmed`, once."""
        confirmed, self.confirmed = self.confirmed, None
        return confirmed

    def _ask(self, new: str, now: float) -> None:
        self._ctx.me.other_name = self._asked = person_name(new)
        self._reference = self._ctx.rng.getrandbits(32)
        self._alarm.deadline = now + self._ctx.policy.give_up_after
        card = self._ctx.me.card_as(self._ctx.me.other_name)
        self._may_yet_be_heard = True
        self._out.requests.append(wire.Rename(reference=self._reference, card=card))

    def answered(self, answer: wire.RenameAccepted | wire.RenameRefused, *, now: float) -> None:
        """Handle the registry's answer."""
        if answer.reference != self._reference or self._ctx.me.other_name is None:
            return
        new = self._ctx.me.other_name
        if isinstance(answer, wire.RenameAccepted):
            self._take(new)
        else:
            self._refuse(new, answer.reason)

    def stop_waiting(self) -> None:
        """Stop waiting for the answer, which will not come: the next WELCOME shows which name is
        ours."""
        self._reference = self._alarm.deadline = None

    def give_up(self) -> None:
        """Fail the pending rename: the registry is unreachable."""
        self.stop_waiting()
        self._tell_refused(RenameRefusal.UNREACHABLE)

    def _unanswered(self, *, now: float) -> None:
        """Register again, as the answer is late: the WELCOME shows which name is ours."""
        self.stop_waiting()
        self._session.note_silence(now=now)

    # --- registration

    def welcomed(self) -> bool:
        """Note that the registry let us in under the name on our card, so that name is ours. Return
        whether to register once more with a newer card: an old request that the registry reads
        later must find one, or it would still rename us."""
        if self._reference is not None or self._ctx.me.other_name is None:
            return False
        if self._may_yet_be_heard:
            self._show(self._ctx.me.name)
            return True
        self._settle()
        self._tell_refused(RenameRefusal.NOT_TAKEN)
        return False

    def denied(self, reason: RefusalReason) -> bool:
        """Note that the registry refused us. Return whether to try our other name, because that one
        may be ours."""
        if self._ctx.me.other_name is None or self._tried_other:
            return False
        if reason not in _OF_THE_NAME:
            return False
        self._tried_other = True
        self._take(self._ctx.me.other_name, is_sure=False)
        return True

    # --- inside

    def _take(self, new: str, *, is_sure: bool = True) -> None:
        old, self._asked = self._ctx.me.name, None
        self._show(new)
        self._ctx.me.other_name = None if is_sure else old
        self._out.events.append(Renamed(old=old, new=new, is_me=True))
        if is_sure:
            self._settle()

    def _show(self, name: str) -> None:
        """Register with a newer card under this name."""
        self._ctx.me.rename(name)
        self._may_yet_be_heard = False
        self._session.use_card(self._ctx.me.card, first_opening=self._ctx.me.first_opening)

    def _refuse(self, new: str, reason: RefusalReason) -> None:
        self._settle()
        if reason is RefusalReason.NAME_TAKEN:
            self._asked = None
            self._out.events.append(NameUnavailable(name=new))
        else:
            self._tell_refused(_RENAME_REFUSALS.get(reason, RenameRefusal.UNREACHABLE))

    def _tell_refused(self, reason: RenameRefusal) -> None:
        if self._asked is not None:
            self._out.events.append(RenameFailed(name=self._asked, reason=reason))
            self._asked = None

    def _settle(self) -> None:
        self._reference = self._alarm.deadline = None
        self._ctx.me.other_name, self._tried_other, self._may_yet_be_heard = None, False, False
        self.confirmed = self._ctx.me.name


_RELEASE_REFUSALS: Final = {
    reason: ReleaseRefusal[reason.name]
    for reason in RefusalReason
    if reason.name in ReleaseRefusal.__members__
}


class Releasing:
    """At most one request to give up our name."""

    def __init__(
        self, ctx: Context, session: RegistrySession, *, go_offline: Callable[[float], None]
    ) -> None:
        self._ctx: Final = ctx
        self._session: Final = session
        self._go_offline: Final = go_offline
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
            self._fail(_RELEASE_REFUSALS.get(answer.reason, ReleaseRefusal.FULL))
            return
        self._alarm.deadline = None
        self._go_offline(now)
        self._session.released(now=now)
        self._out.events.append(NameReleased(name=self._ctx.me.name))

    def give_up(self) -> None:
        """Give up the request: its answer will not come. We register again, under the same name if
        nobody has it."""
        if self.is_pending:
            self._fail(ReleaseRefusal.UNANSWERED)

    def _unanswered(self, *, now: float) -> None:
        """Register again, as the answer is late."""
        self._fail(ReleaseRefusal.UNANSWERED)
        self._session.note_silence(now=now)

    def _fail(self, reason: ReleaseRefusal) -> None:
        self._alarm.deadline = None
        self._out.events.append(ReleaseFailed(name=self._ctx.me.name, reason=reason))
