"""The admin requests that need a running registry: who is here, what waits, and what everybody is told."""

from typing import Final, assert_never

from chatapp.registry.access import AccessPolicy
from chatapp.registry.admin.messages import (
    AddBan,
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    Announce,
    CoreRequest,
    Done,
    KickPerson,
    LiftBan,
    ListBans,
    ListNames,
    MailboxFigures,
    MailFound,
    MakeInvites,
    PeopleListed,
    PersonShown,
    QueuesFound,
    ReleaseName,
    RoomFigures,
    RoomsFound,
    ShowMail,
    ShowOnline,
    ShowQueue,
    ShowRequest,
    ShowRooms,
    ShowStats,
    ShowTable,
    StatsShown,
    TellStop,
)
from chatapp.registry.admin.service import AdminService
from chatapp.registry.desk.desk import Desk
from chatapp.registry.directory.directory import Directory, Person
from chatapp.registry.directory.presence import PresenceTracker
from chatapp.registry.effects import AnswerAdmin, Effect, LinkEndReason, TellEverybody
from chatapp.registry.groups.rooms import Rooms
from chatapp.registry.limits import WallClock
from chatapp.registry.mail import MailService
from chatapp.wire.errors import NameRefused
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.link import Announcement, AnnouncementKind
from chatapp.wire.messages.rooms import ROOM_SIGN
from chatapp.wire.names import name_key, peer_name

_ONLINE: Final = "online"
_AWAY: Final = "away"


class LiveAdmin:
    """Carries out all admin requests of a running registry's core."""

    def __init__(
        self,
        files: AdminService,
        *,
        directory: Directory,
        presence: PresenceTracker,
        access: AccessPolicy,
        rooms: Rooms,
        mail: MailService,
        desk: Desk,
        clock: WallClock,
    ) -> None:
        """`files`: answers what a registry's files can answer as well."""
        self._files = files
        self._directory = directory
        self._presence = presence
        self._access = access
        self._rooms = rooms
        self._mail = mail
        self._desk = desk
        self._clock = clock
        self.stop_at: float | None = None
        """When a planned stop takes place; None for no plan."""
        self._stop_reason = ""

    def run(self, request: CoreRequest, ticket: str, *, now: float) -> list[Effect]:
        """Return the effects, an `AnswerAdmin` with this ticket among them. Bans are the caller's to enforce."""
        match request:
            case MakeInvites() | ListNames() | ReleaseName() | AddBan() | LiftBan() | ListBans():
                return self._files.run(request, ticket, now=now)
            case KickPerson():
                return self._kick(request, ticket, now)
            case Announce(text=text):
                told = Announcement(AnnouncementKind.TEXT, text, 0)
                return [TellEverybody(message=told), AnswerAdmin(ticket=ticket, answer=Done())]
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
        try:
            identity = self._directory.names.holder(name_key(peer_name(request.name)))
        except NameRefused as wrong:
            return _refused(ticket, AdminRefusal.BAD_NAME, request.name, detail=str(wrong))
        person = None if identity is None else self._directory.person(identity)
        if person is None:
            return _refused(ticket, AdminRefusal.NAME_UNKNOWN, request.name)
        if not person.online:
            return _refused(ticket, AdminRefusal.NAME_AWAY, request.name)
        self._access.kicked[person.card.identity] = now + request.span
        effects = self._presence.evict(person, LinkEndReason.KICKED, now=now)
        return [*effects, AnswerAdmin(ticket=ticket, answer=Done(count=1))]

    def _tell_stop(self, request: TellStop, now: float) -> list[Effect]:
        if request.span is None:
            self.stop_at = None
            return [TellEverybody(message=Announcement(AnnouncementKind.STOP_CANCELLED, "", 0))]
        self.stop_at, self._stop_reason = now + request.span, request.reason
        told = self.planned_stop(now=now)
        return [] if told is None else [TellEverybody(message=told)]

    def planned_stop(self, *, now: float) -> Announcement | None:
        """Return what newcomers are told of a planned stop; None if there is none."""
        if self.stop_at is None:
            return None
        return Announcement(
            AnnouncementKind.STOP_PLANNED, self._stop_reason, max(round(self.stop_at - now), 0)
        )

    # --- what is shown

    def _people(self, *, online_only: bool) -> PeopleListed:
        people = [self._person(person) for person in self._directory if person.online or not online_only]
        return PeopleListed(sorted(people, key=lambda one: one.name), self._directory.version)

    def _person(self, person: Person) -> PersonShown:
        room = self._rooms.room_of(person.card.identity)
        return PersonShown(
            name=person.card.name,
            key=fingerprint(person.card.identity),
            host=person.address.host,
            port=person.address.port,
            state=_ONLINE if person.online else _AWAY,
            since=person.since,
            room="" if room is None else room.group.name.removeprefix(ROOM_SIGN),
        )

    def _rooms_found(self) -> RoomsFound:
        found = [
            RoomFigures(
                name=room.group.name.removeprefix(ROOM_SIGN),
                here=room.here,
                members=len(room.members),
                lines=len(room.group),
                topic=room.topic.text,
            )
            for room in self._rooms.index
        ]
        return RoomsFound(sorted(found, key=lambda one: one.name))

    def _mail_found(self, now: float) -> MailFound:
        boxes = []
        for recipient, letters, size, age in self._mail.boxes(now=now):
            person = self._directory.person(recipient)
            name = "" if person is None else person.card.name
            oldest = self._clock.seconds(now - age)
            boxes.append(MailboxFigures(name, fingerprint(recipient), letters, size, oldest))
        return MailFound(sorted(boxes, key=lambda one: (-one.letters, one.name)), len(self._mail))


def _refused(ticket: str, refusal: AdminRefusal, subject: str, *, detail: str = "") -> list[Effect]:
    return [AnswerAdmin(ticket=ticket, answer=AdminRefused(refusal=refusal, subject=subject, detail=detail))]
