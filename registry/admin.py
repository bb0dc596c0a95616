"""Admin requests: make join codes, list names, release a name.

A request comes through the registry's own folder, so whoever can write there is trusted.
"""

from collections.abc import Callable

from chatapp.registry.access import Invites
from chatapp.registry.directory.directory import Directory, Person
from chatapp.registry.directory.renaming import Renaming
from chatapp.registry.effects import (
    AdminAnswer,
    AdminRefusal,
    AdminRequest,
    AnswerAdmin,
    Effect,
    ListNames,
    MakeInvites,
    NameShown,
    Persist,
    ReleaseName,
)
from chatapp.registry.limits import WallClock
from chatapp.registry.store.entries import Entry, InviteGone, InviteMade, NameFreed, RoomMemberGone
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import INVITES_MAX
from chatapp.wire.names import name_key, peer_name


class AdminService:
    """Carries out admin requests."""

    def __init__(
        self,
        directory: Directory,
        invites: Invites,
        renaming: Renaming,
        clock: WallClock,
        *,
        forget: Callable[[Person, float], list[Effect]],
    ) -> None:
        """`forget`: removes a person, who is away, from the table and from everything else."""
        self._directory = directory
        self._invites = invites
        self._renaming = renaming
        self._clock = clock
        self._forget = forget

    def run(self, request: AdminRequest, ticket: str, *, now: float) -> list[Effect]:
        """Return the effects, an `AnswerAdmin` with this ticket among them. A change is answered when it is on the disk."""
        match request:
            case MakeInvites(codes=codes):
                return self._invite(codes, ticket, now)
            case ListNames():
                return [AnswerAdmin(ticket=ticket, answer=AdminAnswer(names=self._names()))]
            case ReleaseName(name=name):
                return self._release(name, ticket, now)

    def sweep(self, *, now: float) -> list[Effect]:
        """Forget the join codes that have expired."""
        over = self._invites.expired(now=now)
        return [Persist(entries=tuple(InviteGone(code) for code in over))] if over else []

    def _invite(self, codes: list[bytes], ticket: str, now: float) -> list[Effect]:
        if not self._invites.add(codes, now=now):
            room = INVITES_MAX - len(self._invites)
            return _refused(ticket, AdminRefusal.TOO_MANY_CODES, room=room)
        at = self._clock.millis(now)
        return _done(ticket, [InviteMade(code, at) for code in codes])

    def _names(self) -> list[NameShown]:
        shown = [
            NameShown(one.card.name, one.card.identity, "online" if one.online else "away", one.since)
            for one in self._directory
        ]
        reserved = self._directory.names.reserved()
        shown += [NameShown(key, identity, "reserved", 0) for key, identity in reserved]
        return sorted(shown, key=lambda one: one.name)

    def _release(self, text: str, ticket: str, now: float) -> list[Effect]:
        try:
            key = name_key(peer_name(text))
        except NameRefused:
            return _refused(ticket, AdminRefusal.BAD_NAME, text)
        names = self._directory.names
        identity = names.holder(key)
        if identity is None:
            return _refused(ticket, AdminRefusal.NAME_UNKNOWN, text)
        if names.is_operator_name(key):
            return _refused(ticket, AdminRefusal.OPERATOR_NAME, text)
        person = self._directory.person(identity)
        if names.is_claimed(key) or self._renaming.is_pending(identity):
            return _refused(ticket, AdminRefusal.NAME_PENDING, text)
        if person is None or person.name_key != key:
            names.release(key, identity)
            return _done(ticket, [NameFreed(key)])
        if person.online:
            return _refused(ticket, AdminRefusal.NAME_ONLINE, text)
        return self._let_go(person, ticket, now)

    def _let_go(self, person: Person, ticket: str, now: float) -> list[Effect]:
        forgotten = self._forget(person, now)
        return [
            *_done(ticket, [NameFreed(person.name_key), RoomMemberGone(person.card.identity)]),
            *forgotten,
        ]


def _refused(ticket: str, refusal: AdminRefusal, name: str = "", *, room: int = 0) -> list[Effect]:
    return [AnswerAdmin(ticket=ticket, answer=AdminAnswer(refusal=refusal, name=name, room=room))]


def _done(ticket: str, entries: list[Entry]) -> list[Effect]:
    """Answer when the entries are on the disk."""
    done = AnswerAdmin(ticket=ticket, answer=AdminAnswer())
    failed = AnswerAdmin(ticket=ticket, answer=AdminAnswer(refusal=AdminRefusal.NOT_STORED))
    return [Persist(entries=tuple(entries), then=(done,), otherwise=(failed,))]
