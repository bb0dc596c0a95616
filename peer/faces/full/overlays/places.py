"""Go to (Ctrl-K): choose a conversation, a room or a person by a few letters."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, ConversationKind, person, room
from chatapp.peer.faces.full.overlays.overlay import Picker
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.finding import fit
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name
from chatapp.wire.errors import ChatAppError, NameRefused
from chatapp.wire.names import is_same_name, peer_name


class Place(NamedTuple):
    """Where the user can go."""

    conversation: Conversation
    about: str
    """What there is to say about it; safe to show."""
    sign: str
    is_news: bool = False
    """Whether there is something unread."""


class PlaceOverlay(Picker[Conversation]):
    """Lists places, those with unread lines first, and finds them by letters in their order. Its
    result is the conversation that was chosen, which may be a room that does not exist yet."""

    def __init__(
        self,
        known: Sequence[tuple[Conversation, int]],
        people: Sequence[events.Person],
        rooms: Callable[[], Awaitable[tuple[events.Room, ...]]],
        *,
        me: str,
        signs: Signs,
    ) -> None:
        """`known`: each conversation, and how many lines of it are unread. `rooms`: `Peer.rooms`,
        which may take a while."""
        super().__init__(texts.GO_TO, signs=signs, keys=(texts.GOES,))
        self._known: Final = known
        self._people: Final = [
            somebody for somebody in people if not is_same_name(somebody.name, me)
        ]
        self._ask_rooms: Final = rooms
        self._rooms: tuple[events.Room, ...] = ()
        self._why_no_rooms = ""
        self._places: list[Place] = []

    def on_mount(self) -> None:
        """Show what is known, and ask which rooms there are. Textual calls the method of `Picker`
        as well."""
        self._places = self._all()
        self.run_worker(self._look_up_rooms())

    def look_for(self, typed: str) -> None:
        """Show the places that fit, the best one first."""
        fits = [
            (found, place)
            for place in self._places
            if (found := fit(typed, _title(place.conversation)))
        ]
        fits.sort(key=lambda pair: -pair[0].score)  # stable: without letters the order stays
        width = max((len(name(_title(one.conversation))) for _, one in fits), default=0)
        rows = [(one.conversation, self._row(one, found.places, width)) for found, one in fits]
        if (new := self._new_room(typed)) is not None:
            rows.append((new.conversation, self._row(new, (), width)))
        self.show_rows(rows)
        self.note(
            "" if rows and not self._why_no_rooms else self._why_no_rooms or texts.NO_SUCH_PLACE
        )

    def _all(self) -> list[Place]:
        places = {self._key(what): self._of(what, unread) for what, unread in self._known}
        for one in self._rooms:
            known = places.get(self._key(room(one.name)))
            about = texts.people_here(one.here)
            if known is None:
                places[self._key(room(one.name))] = Place(room(one.name), about, "#")
            elif not known.is_news:
                places[self._key(room(one.name))] = known._replace(about=about)
        for one_person in sorted(self._people, key=lambda one: not one.online):
            key = self._key(person(one_person.name))
            if key not in places:
                places[key] = Place(
                    person(one_person.name), self._presence(one_person), self._sign(one_person)
                )
        return sorted(places.values(), key=lambda one: not one.is_news)

    def _of(self, what: Conversation, unread: int) -> Place:
        if what.kind is ConversationKind.PERSON:
            bearers = () if what.is_claimed else self._people
            known = next(
                (bearer for bearer in bearers if is_same_name(bearer.name, what.name)), None
            )
            about = "" if known is None else self._presence(known)
            sign = self._signs.away if known is None else self._sign(known)
        else:
            about, sign = "", "#" if what.kind is ConversationKind.ROOM else "*"
        return Place(what, texts.unread(unread) or about, sign, is_news=unread > 0)

    @staticmethod
    def _key(what: Conversation) -> tuple[ConversationKind, str, bool]:
        return what.kind, what.name.casefold(), what.is_claimed

    def _presence(self, one: events.Person) -> str:
        return texts.presence(is_online=one.online, since=one.since)

    def _sign(self, one: events.Person) -> str:
        return self._signs.online if one.online else self._signs.away

    def _row(self, place: Place, found: Sequence[int], width: int) -> Content:
        shown = name(_title(place.conversation))
        label = (
            Content(shown.ljust(width)).stylize("bold")
            if place.is_news
            else Content(shown.ljust(width))
        )
        for at in found if len(shown) == len(_title(place.conversation)) else ():
            label = label.stylize("bold $accent", at, at + 1)
        is_online = (
            place.sign == self._signs.online and place.conversation.kind is ConversationKind.PERSON
        )
        sign = (f"{place.sign} ", "$success" if is_online else "$chat-muted")
        return Content.assemble(
            sign, label, "  ", (place.about, "$chat-new" if place.is_news else "$chat-muted")
        )

    def _new_room(self, typed: str) -> Place | None:
        """Return the room that this name would make, if it is no place yet."""
        try:
            wanted = room(peer_name(typed.strip().removeprefix("#")))
        except NameRefused:
            return None
        is_known = any(
            is_same_name(one.conversation.name, wanted.name)
            for one in self._places
            if one.conversation.name
        )
        return None if is_known else Place(wanted, texts.NEW_ROOM, "#")

    async def _look_up_rooms(self) -> None:
        try:
            self._rooms = await self._ask_rooms()
        except ChatAppError as error:
            self._why_no_rooms = texts.rooms_unknown(error)
        self._places = self._all()
        chosen = self.chosen
        self.look_for(self._input.value)
        self.choose(chosen)


def _title(what: Conversation) -> str:
    """Return what a place is called, behind its sign."""
    return what.name if what.kind is ConversationKind.ROOM else str(what)
