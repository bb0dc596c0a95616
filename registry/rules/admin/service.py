"""The rules of admin requests that concern names, join codes and bans: what a registry keeps on its
disk.

A request comes through the registry's own folder, so whoever can write there is trusted.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from chatapp.registry.rules.admin_requests import (
    AddBan,
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    BanShown,
    BansListed,
    Done,
    FileRequest,
    LiftBan,
    ListBans,
    ListNames,
    MakeInvites,
    NameShown,
    NamesListed,
    ReleaseName,
)
from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.effects import AnswerAdmin, Append, Effect, Rule, Store
from chatapp.registry.rules.limits import WallClock
from chatapp.registry.rules.people.access import Invites, OwnBans
from chatapp.registry.rules.people.renaming import Renaming
from chatapp.registry.store.entries import (
    BanKept,
    BanLifted,
    Entry,
    InviteGone,
    InviteMade,
    NameFreed,
    RoomMemberGone,
)
from chatapp.wire.errors import NameRefused
from chatapp.wire.identity import fingerprint
from chatapp.wire.limits import BANS_MAX, INVITES_MAX
from chatapp.wire.names import name_key, peer_name


class AdminService:
    """Carries out the admin requests that a registry's files can answer as well."""

    def __init__(
        self,
        directory: Directory,
        invites: Invites,
        bans: OwnBans,
        renaming: Renaming,
        clock: WallClock,
        *,
        forget: Callable[[Person, float], list[Effect]],
    ) -> None:
        """`forget`: removes a person, who is away, from the table and from everything else."""
        self._directory = directory
        self._invites = invites
        self._bans = bans
        self._renaming = renaming
        self._clock = clock
        self.forget: Final = forget

    def run(self, request: FileRequest, ticket: str, *, now: float) -> list[Effect]:
        """Return the effects, an `AnswerAdmin` with this ticket among them. A change is answered
        when it is on the disk."""
        match request:
            case MakeInvites(codes=codes):
                return self._invite(codes, ticket, now)
            case ListNames():
                return [AnswerAdmin(ticket=ticket, answer=NamesListed(self._names()))]
            case ReleaseName(name=name):
                return self._release(name, ticket, now)
            case AddBan():
                return self._ban(request, ticket, now)
            case LiftBan(what=what):
                return self._lift_ban(what, ticket)
            case ListBans():
                return [
                    AnswerAdmin(
                        ticket=ticket,
                        answer=BansListed([shown_ban(ban) for ban in self._bans.listed()]),
                    )
                ]
        assert_never(request)

    def sweep(self, *, now: float) -> list[Effect]:
        """Forget the join codes that have expired."""
        over = self._invites.expired(now=now)
        return [Append(tuple(InviteGone(code) for code in over))] if over else []

    def _invite(self, codes: list[bytes], ticket: str, now: float) -> list[Effect]:
        if not self._invites.add(codes, now=now):
            room = INVITES_MAX - len(self._invites)
            return _refused(ticket, AdminRefusal.TOO_MANY_CODES, room=room)
        at = self._clock.millis(now)
        return [answer_when_stored(ticket, [InviteMade(code, at) for code in codes])]

    def _names(self) -> list[NameShown]:
        shown = [
            NameShown(
                person.card.name,
                fingerprint(person.card.identity),
                "online" if person.online else "away",
                person.since,
            )
            for person in self._directory
        ]
        reserved = self._directory.names.reserved()
        shown += [
            NameShown(key, fingerprint(identity), "reserved", 0) for key, identity in reserved
        ]
        return sorted(shown, key=lambda name: name.name)

    def _release(self, text: str, ticket: str, now: float) -> list[Effect]:
        try:
            key = name_key(peer_name(text))
        except NameRefused as error:
            return _refused(ticket, AdminRefusal.BAD_NAME, text, detail=str(error))
        names = self._directory.names
        identity = names.holder(key)
        if identity is None:
            return _refused(ticket, AdminRefusal.NAME_UNKNOWN, text)
        if names.is_operator_name(key):
            return _refused(ticket, AdminRefusal.OPERATOR_NAME, text)
        person = self._directory.person(identity)
        if person is None or person.name_key != key:
            if names.is_claimed(key) or self._renaming.is_pending(identity):
                return _refused(ticket, AdminRefusal.NAME_PENDING, text)
            names.release(key, identity)
            return [answer_when_stored(ticket, [NameFreed(key)])]
        refusal = self.refusal_of_release(person)
        return (
            self._let_go(person, ticket, now)
            if refusal is None
            else _refused(ticket, refusal, text)
        )

    def refusal_of_release(self, person: Person) -> AdminRefusal | None:
        """Return why somebody's name cannot be made free; None if it can."""
        names, identity = self._directory.names, person.card.identity
        if names.is_operator_name(person.name_key):
            return AdminRefusal.OPERATOR_NAME
        if names.is_claimed(person.name_key) or self._renaming.is_pending(identity):
            return AdminRefusal.NAME_PENDING
        return AdminRefusal.NAME_ONLINE if person.online else None

    def _let_go(self, person: Person, ticket: str, now: float) -> list[Effect]:
        entries: list[Entry] = [NameFreed(person.name_key), RoomMemberGone(person.card.identity)]
        return [answer_when_stored(ticket, entries), *self.forget(person, now)]

    def _ban(self, request: AddBan, ticket: str, now: float) -> list[Effect]:
        text, span = request.what, request.span
        ended: list[Entry] = [BanLifted(ban.what) for ban in self._bans.ended(now=now)]
        if len(self._bans) >= BANS_MAX:
            return _refused(ticket, AdminRefusal.TOO_MANY_BANS, text)
        at = self._clock.millis(now)
        ban = BanKept(
            text.strip(), at, request.reason, request.author, at + 1_000 * span if span else 0
        )
        try:
            is_new = self._bans.add(ban, ends_at=now + span if span else None)
        except (ValueError, NameRefused) as error:
            return _refused(ticket, AdminRefusal.BAD_BAN, text, detail=str(error))
        if not is_new:
            return _refused(ticket, AdminRefusal.BANNED_ALREADY, text)
        return [answer_when_stored(ticket, [*ended, ban])]

    def _lift_ban(self, text: str, ticket: str) -> list[Effect]:
        try:
            ban = self._bans.remove(text)
        except (ValueError, NameRefused) as error:
            return _refused(ticket, AdminRefusal.BAD_BAN, text, detail=str(error))
        if ban is None:
            return _refused(ticket, AdminRefusal.NOT_BANNED, text)
        return [answer_when_stored(ticket, [BanLifted(ban.what)])]


def shown_ban(ban: BanKept) -> BanShown:
    """Return a ban as the administrator sees it."""
    return BanShown(ban.what, ban.reason, ban.author, ban.at // 1_000, ban.until // 1_000)


def _refused(
    ticket: str, refusal: AdminRefusal, subject: str = "", *, room: int = 0, detail: str = ""
) -> list[Effect]:
    answer = AdminRefused(refusal=refusal, subject=subject, room=room, detail=detail)
    return [AnswerAdmin(ticket=ticket, answer=answer)]


def answer_when_stored(
    ticket: str, entries: Sequence[Entry], answer: AdminAnswer | None = None
) -> Rule:
    """Store entries, then answer; with `Done` for None."""
    is_stored, _ = yield Store(tuple(entries))
    failed = AdminRefused(refusal=AdminRefusal.NOT_STORED)
    yield AnswerAdmin(ticket=ticket, answer=(answer or Done()) if is_stored else failed)
