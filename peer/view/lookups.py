"""What a user looks up beside the conversations: messages by their words, how one was delivered, what
is wrong with the way to the server, and places to go. `look` is a generator of requests."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, ConversationKind, person, room
from chatapp.peer.api.events import Said
from chatapp.peer.api.findings import Finding
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.api.requests import (
    PAGE,
    Examine,
    ExplainDelivery,
    ListPeople,
    ListRooms,
    SearchPast,
)
from chatapp.peer.view.finding import fit
from chatapp.peer.view.view import HistoryUnreadable, Steps
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.doctor import summary_of
from chatapp.wire.errors import ChatAppError, NameRefused
from chatapp.wire.names import is_same_name, peer_name


def _why_not(error: ChatAppError) -> str:
    """Say why there is no answer."""
    return texts.unreadable(error) if isinstance(error, HistoryUnreadable) else texts.failed(error)


class Search:
    """The messages that have some words, the newest first."""

    def __init__(self) -> None:
        self.note = texts.SEARCH_HINT
        """How many there are, or why there is none."""
        self.words = ""
        self.lines: list[Said] = []
        self.has_more = False
        """Whether older ones may follow."""
        self._within: Conversation | None = None

    def look(self, words: str, within: Conversation | None) -> Steps:
        """Look for these words in one conversation, or in all of them."""
        yield from self._look(words, within, [])

    def look_further(self) -> Steps:
        """Look for the same words in older messages."""
        yield from self._look(self.words, self._within, self.lines)

    def _look(self, words: str, within: Conversation | None, newer: list[Said]) -> Steps:
        before = newer[-1].id if newer else None
        try:
            page = yield SearchPast(words=words, conversation=within, before=before, limit=PAGE)
        except ChatAppError as error:
            self.lines, self.has_more, self.note = [], False, _why_not(error)
            return
        self.words, self._within = words, within
        self.lines = [*newer, *reversed(page.lines)]
        self.has_more = len(page.lines) == PAGE
        count = len(self.lines)
        self.note = texts.found(count, has_more=self.has_more) if count else texts.NOTHING_FOUND


class Delivery:
    """How one message was delivered."""

    def __init__(self, id_: int) -> None:
        self.note = ""
        """Why there is nothing to show; empty where there is."""
        self.trace: DeliveryTrace | None = None
        self._id: Final = id_

    def look(self) -> Steps:
        """Look the message up, as far as it has come."""
        try:
            trace = yield ExplainDelivery(id=self._id)
        except ChatAppError as error:
            self.note = _why_not(error)
            return
        self.trace = trace or self.trace
        self.note = texts.GONE if trace is None else ""

    def is_stale(self, batch: Sequence[events.Event]) -> bool:
        """Whether one of these events is about this message."""
        changes = events.MessageChanged | events.Unacknowledged
        return any(isinstance(event, changes) and event.id == self._id for event in batch)


class Examination:
    """What keeps the user from the server."""

    def __init__(self) -> None:
        self.note = ""
        """How many problems there are, or why nothing was found out."""
        self.findings: tuple[Finding, ...] = ()

    def look(self) -> Steps:
        """Find out anew. What was found before stays until then."""
        self.note = texts.EXAMINING
        try:
            self.findings = yield Examine()
        except ChatAppError as error:
            self.note = _why_not(error)
        else:
            self.note = summary_of(self.findings)

    @staticmethod
    def is_stale(batch: Sequence[events.Event]) -> bool:
        """Whether the findings may be others after these events."""
        return any(isinstance(event, _CHANGES) for event in batch)


_CHANGES: Final = (
    events.ServerLost,
    events.ServerBack,
    events.LinkTroubled,
    events.Registered,
    events.SignedOff,
    events.RegistryKeyChanged,
)


class Place(NamedTuple):
    """Where the user can go."""

    conversation: Conversation
    about: str
    """What there is to say about it; safe to show."""
    is_online: bool = False
    """Whether it is a person who is online."""
    is_news: bool = False
    """Whether there is something unread."""

    @property
    def title(self) -> str:
        """What it is called, behind its sign."""
        what = self.conversation
        return what.name if what.is_room else str(what)

    @property
    def key(self) -> tuple[ConversationKind, str, bool]:
        """What it has in common with another spelling of it."""
        what = self.conversation
        return what.kind, what.name.casefold(), what.is_claimed


class PeopleTable:
    """Everybody's name, address and presence."""

    def __init__(self, people: Sequence[events.Person]) -> None:
        """`people`: `Peer.people()`."""
        self.people = people

    def look(self) -> Steps:
        """Ask for the addresses that only the registry knows."""
        self.people = yield ListPeople(needs_addresses=True)


class Places:
    """Where the user can go: those with unread lines, other conversations, rooms and people."""

    def __init__(
        self,
        known: Sequence[tuple[Conversation, int]],
        people: Sequence[events.Person],
        *,
        me: str,
    ) -> None:
        """`known`: each conversation, and how many lines of it are unread."""
        self._known: Final = known
        self._people: Final = [
            somebody for somebody in people if not is_same_name(somebody.name, me)
        ]
        self._rooms: tuple[events.Room, ...] = ()
        self._why_no_rooms = ""
        self._places: list[Place] = self._all()

    def look(self) -> Steps:
        """Ask the registry which rooms there are, which may take a while."""
        try:
            self._rooms = yield ListRooms()
        except ChatAppError as error:
            self._why_no_rooms = texts.rooms_unknown(error)
        self._places = self._all()

    def fitting(self, typed: str) -> list[tuple[Place, Sequence[int]]]:
        """Return the places whose names have these letters in their order, the best one first, and
        where they have them. The last one may be a room that does not exist yet."""
        fits = [(found, place) for place in self._places if (found := fit(typed, place.title))]
        fits.sort(key=lambda pair: -pair[0].score)  # stable: without letters the order stays
        new = self._new_room(typed)
        rows: list[tuple[Place, Sequence[int]]] = [(place, found.places) for found, place in fits]
        return rows if new is None else [*rows, (new, ())]

    def note(self, *, is_empty: bool) -> str:
        """Say why there are no rooms, or no places at all."""
        return self._why_no_rooms or (texts.NO_SUCH_PLACE if is_empty else "")

    def _all(self) -> list[Place]:
        known = [self._conversation(what, unread) for what, unread in self._known]
        places = {place.key: place for place in known}
        for listed in self._rooms:
            place = Place(room(listed.name), texts.people_here(listed.here))
            before = places.setdefault(place.key, place)
            if not before.is_news:
                places[place.key] = before._replace(about=place.about)
        for somebody in sorted(self._people, key=lambda somebody: not somebody.online):
            place = self._person(person(somebody.name), somebody)
            places.setdefault(place.key, place)
        return sorted(places.values(), key=lambda place: not place.is_news)

    def _conversation(self, what: Conversation, unread: int) -> Place:
        place = Place(what, "")
        if what.is_person and not what.is_claimed:
            bearers = (one for one in self._people if is_same_name(one.name, what.name))
            if (bearer := next(bearers, None)) is not None:
                place = self._person(what, bearer)
        return place._replace(about=texts.unread(unread), is_news=True) if unread else place

    @staticmethod
    def _person(what: Conversation, somebody: events.Person) -> Place:
        about = texts.presence(is_online=somebody.online, since=somebody.since)
        return Place(what, about, is_online=somebody.online)

    def _new_room(self, typed: str) -> Place | None:
        """Return the room that this name would make, if it is no place yet."""
        try:
            wanted = peer_name(typed.strip().removeprefix("#"))
        except NameRefused:
            return None
        names = (place.conversation.name for place in self._places)
        is_known = any(name and is_same_name(name, wanted) for name in names)
        return None if is_known else Place(room(wanted), texts.NEW_ROOM)
