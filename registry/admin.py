"""Errands of whoever runs the registry: new join codes, a list of names, a name that becomes free.

Whoever asks has the registry's folder, so nothing is proved here. It knows names and join codes.
"""

from collections.abc import Callable

from chatapp.registry.access import Invites
from chatapp.registry.directory.directory import Directory, Person
from chatapp.registry.directory.renaming import Renaming
from chatapp.registry.effects import (
    AdminAnswer,
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
from chatapp.wire.errors import NameRefused, quoted
from chatapp.wire.limits import INVITES_MAX
from chatapp.wire.names import name_key, peer_name

_NOT_STORED = "the registry's disk is full or read-only"


class AdminService:
    """Does errands."""

    def __init__(
        self,
        directory: Directory,
        invites: Invites,
        renaming: Renaming,
        clock: WallClock,
        *,
        forget: Callable[[bytes, float], None],
    ) -> None:
        """`forget`: what else is to know that somebody has no name here any more."""
        self._directory = directory
        self._invites = invites
        self._renaming = renaming
        self._clock = clock
        self._forget = forget

    def run(self, request: AdminRequest, ticket: str, *, now: float) -> list[Effect]:
        """An `AnswerAdmin` with this ticket follows, where something changes when the disk has it."""
        match request:
            case MakeInvites(codes=codes):
                return self._invite(codes, ticket, now)
            case ListNames():
                return [AnswerAdmin(ticket=ticket, answer=AdminAnswer(names=self._names()))]
            case ReleaseName(name=name):
                return self._release(name, ticket, now)

    def sweep(self, *, now: float) -> list[Effect]:
        """Codes that are good no more."""
        over = self._invites.expired(now=now)
        return [Persist(entries=tuple(InviteGone(code) for code in over))] if over else []

    def _invite(self, codes: list[bytes], ticket: str, now: float) -> list[Effect]:
        if not self._invites.add(codes, now=now):
            room = INVITES_MAX - len(self._invites)
            return _refused(
                ticket, f"at most {INVITES_MAX:,} join codes may be unused; there is room for {room:,}"
            )
        at = self._clock.millis(now)
        return _kept(ticket, [InviteMade(code, at) for code in codes])

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
        except NameRefused as refusal:
            return _refused(ticket, str(refusal))
        names, shown = self._directory.names, quoted(text)
        identity = names.holder(key)
        if identity is None:
            return _refused(ticket, f'nobody has the name "{shown}"')
        if names.is_operator_name(key):
            return _refused(
                ticket, f'"{shown}" is an operator of the help desk: take the name off that list first'
            )
        person = self._directory.person(identity)
        if names.is_claimed(key) or self._renaming.is_on_its_way(identity):
            return _refused(ticket, f'"{shown}" is just being taken; try again')
        if person is None or person.name_key != key:
            names.release(key, identity)
            return _kept(ticket, [NameFreed(key)])
        if person.online:
            return _refused(ticket, f'"{shown}" is online: a name is released while its bearer is away')
        return self._let_go(person, ticket, now)

    def _let_go(self, person: Person, ticket: str, now: float) -> list[Effect]:
        identity = person.card.identity
        self._directory.release(person)
        self._forget(identity, now)
        return _kept(ticket, [NameFreed(person.name_key), RoomMemberGone(identity)])


def _refused(ticket: str, why: str) -> list[Effect]:
    return [AnswerAdmin(ticket=ticket, answer=AdminAnswer(error=why))]


def _kept(ticket: str, entries: list[Entry]) -> list[Effect]:
    done = AnswerAdmin(ticket=ticket, answer=AdminAnswer())
    failed = AnswerAdmin(ticket=ticket, answer=AdminAnswer(error=_NOT_STORED))
    return [Persist(entries=tuple(entries), then=(done,), otherwise=(failed,))]
