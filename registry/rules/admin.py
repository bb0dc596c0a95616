"""The rules of admin requests: what concerns names, join codes and bans, which a registry keeps on its
disk; and what needs a running registry: who is here, what waits, and what everybody is told.

A request comes through the registry's own folder, so whoever can write there is trusted.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, assert_never

from chatapp.registry.rules.admin_requests import (
    AddBan,
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    Announce,
    BanShown,
    BansListed,
    CloseRoom,
    CoreRequest,
    Done,
    ErasePerson,
    FileRequest,
    KickFromRoom,
    KickPerson,
    LiftBan,
    ListBans,
    ListNames,
    MailboxFigures,
    MailFound,
    MakeInvites,
    NameShown,
    NamesListed,
    PeopleListed,
    PersonErased,
    PersonFound,
    PersonShown,
    PurgeMail,
    QueuesFound,
    ReleaseName,
    RoomFigures,
    RoomsFound,
    SetRoomTopic,
    ShowMail,
    ShowOnline,
    ShowPerson,
    ShowQueue,
    ShowRequest,
    ShowRooms,
    ShowStats,
    ShowTable,
    StatsShown,
    TellStop,
)
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.desk import Desk
from chatapp.registry.rules.directory.connections import Connections
from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.effects import (
    AnswerAdmin,
    Append,
    Effect,
    LinkEndReason,
    Rule,
    Store,
    TellEverybody,
)
from chatapp.registry.rules.limits import WallClock
from chatapp.registry.rules.mail import MailService
from chatapp.registry.rules.people.access import AccessPolicy, Invites, OwnBans
from chatapp.registry.rules.people.presence import PresenceTracker
from chatapp.registry.rules.people.renaming import Renaming
from chatapp.registry.rules.rooms.room import Room
from chatapp.registry.rules.rooms.rooms import Rooms
from chatapp.registry.rules.rooms.rules import ChannelRules
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
from chatapp.wire.identity import fingerprint, fingerprint_digits
from chatapp.wire.limits import BANS_MAX, INVITES_MAX
from chatapp.wire.messages.link import Announcement, AnnouncementKind
from chatapp.wire.messages.rooms import Topic
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


class Parts(NamedTuple):
    """The state of a registry, by its kinds of rules."""

    context: Context
    directory: Directory
    connections: Connections
    access: AccessPolicy
    presence: PresenceTracker
    channel: ChannelRules
    rooms: Rooms
    mail: MailService
    desk: Desk


_ONLINE: Final = "online"
_AWAY: Final = "away"


class LiveAdmin:
    """Carries out all admin requests of a running registry's core."""

    def __init__(self, files: AdminService, parts: Parts) -> None:
        """`files`: answers what a registry's files can answer as well."""
        self._files = files
        self._directory = parts.directory
        self._presence = parts.presence
        self._access = parts.access
        self._rooms = parts.rooms
        self._mail = parts.mail
        self._desk = parts.desk
        self._channel = parts.channel
        self._clock = parts.context.clock
        self._own_key = parts.context.identity.public
        self.stop_at: float | None = None
        """When a planned stop takes place; None for no plan."""
        self._stop_reason = ""

    def run(self, request: CoreRequest, ticket: str, *, now: float) -> list[Effect]:
        """Return the effects, an `AnswerAdmin` with this ticket among them. Bans are the caller's
        to enforce."""
        match request:
            case MakeInvites() | ListNames() | ReleaseName() | AddBan() | LiftBan() | ListBans():
                return self._files.run(request, ticket, now=now)
            case KickPerson():
                return self._kick(request, ticket, now)
            case ShowPerson():
                return self._show(request, ticket, now)
            case CloseRoom() | KickFromRoom() | SetRoomTopic():
                return self._change_room(request, ticket, now)
            case PurgeMail():
                return self._purge(request, ticket)
            case ErasePerson():
                return self._erase(request, ticket, now)
            case Announce(text=text):
                notice = Announcement(AnnouncementKind.TEXT, text, 0)
                return [TellEverybody(message=notice), AnswerAdmin(ticket=ticket, answer=Done())]
            case TellStop():
                return [*self._tell_stop(request, now), AnswerAdmin(ticket=ticket, answer=Done())]
            case _:
                return [AnswerAdmin(ticket=ticket, answer=self._shown(request, now))]

    def _shown(self, request: ShowRequest, now: float) -> AdminAnswer:
        match request:
            case ShowOnline():
                return self._people(online_only=True)
            case ShowTable():
                return self._people(online_only=False)
            case ShowRooms():
                return self._rooms_found()
            case ShowMail():
                return self._mail_found(now)
            case ShowQueue():
                return QueuesFound(self._desk.overview(now=now))
            case ShowStats():
                return StatsShown(
                    {}, {}, self._desk.overview(now=now)
                )  # the program around the core has more
        assert_never(request)

    # --- what changes something

    def _kick(self, request: KickPerson, ticket: str, now: float) -> list[Effect]:
        person = self._bearer(request.name, ticket)
        if not isinstance(person, Person):
            return person
        if not person.online:
            return _refused(ticket, AdminRefusal.NAME_AWAY, request.name)
        self._access.kicked[person.card.identity] = now + request.span
        effects = self._presence.evict(person, LinkEndReason.KICKED, now=now)
        return [*effects, AnswerAdmin(ticket=ticket, answer=Done(count=1))]

    def _bearer(self, name: str, ticket: str) -> Person | list[Effect]:
        """Return who has a name, or the refusal."""
        try:
            identity = self._directory.names.holder(name_key(peer_name(name)))
        except NameRefused as error:
            return _refused(ticket, AdminRefusal.BAD_NAME, name, detail=str(error))
        person = None if identity is None else self._directory.person(identity)
        return _refused(ticket, AdminRefusal.NAME_UNKNOWN, name) if person is None else person

    def _change_room(
        self, request: CloseRoom | KickFromRoom | SetRoomTopic, ticket: str, now: float
    ) -> list[Effect]:
        room = self._rooms.named(request.room)
        if room is None:
            return _refused(ticket, AdminRefusal.ROOM_UNKNOWN, request.room)
        if isinstance(request, SetRoomTopic):
            topic = Topic(request.text, self._own_key, self._clock.millis(now))
            return [self._set_topic(room, topic, ticket)]
        if isinstance(request, CloseRoom):
            if room.expected:
                return _refused(ticket, AdminRefusal.ROOM_ENTERED, request.room)
            count = len(room.members)
            entries, notices = self._rooms.close(room, now=now)
            return [*notices, answer_when_stored(ticket, entries, Done(count=count))]
        person = self._bearer(request.name, ticket)
        if not isinstance(person, Person):
            return person
        if person.card.identity not in room.members:
            return _refused(ticket, AdminRefusal.NOT_IN_ROOM, request.name)
        entries, notices = self._rooms.evict(room, person.card.identity, now=now)
        return [*notices, answer_when_stored(ticket, entries, Done(count=1))]

    def _set_topic(self, room: Room, topic: Topic, ticket: str) -> Rule:
        is_stored = yield from self._rooms.keep_topic(room, topic, link=None)
        failed = AdminRefused(refusal=AdminRefusal.NOT_STORED)
        yield AnswerAdmin(ticket=ticket, answer=Done() if is_stored else failed)

    def _purge(self, request: PurgeMail, ticket: str) -> list[Effect]:
        person = self._bearer(request.name, ticket)
        if not isinstance(person, Person):
            return person
        count, effects = self._mail.purge(person.card.identity)
        return [*effects, answer_when_stored(ticket, [], Done(count=count))]

    def _erase(self, request: ErasePerson, ticket: str, now: float) -> list[Effect]:
        """Delete all that is kept of somebody: the name, letters, lines, topics, and the name in
        past sessions."""
        person = self._bearer(request.name, ticket)
        if not isinstance(person, Person):
            return person
        refusal = self._files.refusal_of_release(person)
        if refusal is not None:
            return _refused(ticket, refusal, request.name)
        identity, name = person.card.identity, person.card.name
        names = [person.name_key, *self._directory.names.reserved_for(identity)]
        bans = [ban.what for ban in self._access.own_bans.of(identity, "", names)]
        entries, notices, lines = self._rooms.forget_author(identity)
        dropped = self._channel.forget_author(identity)
        if dropped is not None:
            lines += len(dropped.positions)
            entries.append(dropped)
        written, mail = self._mail.forget_author(identity)
        letters = written + self._mail.waiting_for(identity)[0]
        entries += self._desk.forget_operator(name)
        entries += [*(NameFreed(key) for key in names), RoomMemberGone(identity)]
        for key in names[1:]:
            self._directory.names.release(key, identity)
        self._access.kicked.pop(identity, None)
        forgotten = self._files.forget(person, now)
        keys = [fingerprint(identity), fingerprint_digits(identity)]
        answer = PersonErased(letters=letters, lines=lines, names=names, keys=keys, bans=bans)
        return [*notices, *mail, *forgotten, answer_when_stored(ticket, entries, answer)]

    def _tell_stop(self, request: TellStop, now: float) -> list[Effect]:
        if request.span is None:
            self.stop_at = None
            return [TellEverybody(message=Announcement(AnnouncementKind.STOP_CANCELLED, "", 0))]
        self.stop_at, self._stop_reason = now + request.span, request.reason
        notice = self.planned_stop(now=now)
        return [] if notice is None else [TellEverybody(message=notice)]

    def planned_stop(self, *, now: float) -> Announcement | None:
        """Return what newcomers are told of a planned stop; None if there is none."""
        if self.stop_at is None:
            return None
        return Announcement(
            AnnouncementKind.STOP_PLANNED, self._stop_reason, max(round(self.stop_at - now), 0)
        )

    # --- what is shown

    def _show(self, request: ShowPerson, ticket: str, now: float) -> list[Effect]:
        person = self._bearer(request.name, ticket)
        if not isinstance(person, Person):
            return person
        identity, host = person.card.identity, person.address.host
        letters, size = self._mail.waiting_for(identity)
        names = self._directory.names
        answer = PersonFound(
            person=self._person(person),
            network=person.network,
            reserved=names.reserved_for(identity),
            letters=letters,
            size=size,
            is_operator=self._desk.is_operator(identity),
            bans=[
                shown_ban(ban)
                for ban in self._access.own_bans.of(identity, host, (person.name_key,))
            ],
            is_listed=self._access.is_listed(identity, host, person.name_key),
            kicked_for=self._access.kicked_for(identity, now=now),
        )
        return [AnswerAdmin(ticket=ticket, answer=answer)]

    def _people(self, *, online_only: bool) -> PeopleListed:
        people = [
            self._person(person) for person in self._directory if person.online or not online_only
        ]
        return PeopleListed(sorted(people, key=lambda person: person.name), self._directory.version)

    def _person(self, person: Person) -> PersonShown:
        rooms = self._rooms.memberships.of(person.card.identity)
        return PersonShown(
            name=person.card.name,
            key=fingerprint(person.card.identity),
            host=person.address.host,
            port=person.address.port,
            state=_ONLINE if person.online else _AWAY,
            since=person.since,
            rooms=[room.name for room in rooms],
        )

    def _rooms_found(self) -> RoomsFound:
        rooms = [
            RoomFigures(
                name=room.name,
                here=room.here,
                members=len(room.members),
                lines=len(room.group),
                topic=room.topic.text,
            )
            for room in self._rooms.index
        ]
        return RoomsFound(sorted(rooms, key=lambda room: room.name))

    def _mail_found(self, now: float) -> MailFound:
        boxes = []
        for recipient, letters, size, age in self._mail.boxes(now=now):
            person = self._directory.person(recipient)
            name = "" if person is None else person.card.name
            oldest = self._clock.seconds(now - age)
            boxes.append(MailboxFigures(name, fingerprint(recipient), letters, size, oldest))
        return MailFound(sorted(boxes, key=lambda box: (-box.letters, box.name)), len(self._mail))
