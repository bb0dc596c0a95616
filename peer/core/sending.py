"""What the user sends: to one person, to everybody, to the room, or to a visitor at the help desk.

It checks whether something can be sent at all, and gives it to the part that carries it.
"""

from typing import Final

import msgspec

from chatapp.peer.api.conversations import EVERYBODY, Conversation, ConversationKind, person
from chatapp.peer.api.events import NotInRoom
from chatapp.peer.api.trace import Raw
from chatapp.peer.core.contacts import Contacts
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.desk.operator import Operator, VisitTarget
from chatapp.peer.core.direct.notes import NotesToSelf
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.direct.unresolved import UnresolvedOutbox
from chatapp.peer.core.people.table import LookUp, NameResolver
from chatapp.peer.core.registry.session import RegistrySession
from chatapp.peer.core.rooms.group import Groups
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.wire.errors import NameRefused, TextTooLong
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.names import is_same_name, peer_name


class SentMessage(msgspec.Struct, frozen=True, gc=False):
    """A message of ours: its conversation, with the recipient's name as its owner writes it, the
    id in our history, and the number in our stream to the recipient."""

    conversation: Conversation
    id: int
    number: int


_SHORT: Final = TEXT_MAX // 4
"""Characters that are never too many bytes."""


class Sending:
    """Begins every message and line of ours."""

    def __init__(
        self,
        ctx: Context,
        *,
        contacts: Contacts,
        resolver: NameResolver,
        unresolved: UnresolvedOutbox,
        direct_receiver: DirectReceiver,
        ladder: Ladder,
        notes: NotesToSelf,
        groups: Groups,
        outbox: GroupOutbox,
        operator: Operator,
        session: RegistrySession,
    ) -> None:
        self._ctx: Final = ctx
        self._contacts = contacts
        self._resolver = resolver
        self._unresolved = unresolved
        self._direct_receiver = direct_receiver
        self._ladder = ladder
        self._notes = notes
        self._groups = groups
        self._outbox = outbox
        self._operator = operator
        self._session = session
        self._out = ctx.out

    def look_up(self, name: str, *, now: float) -> LookUp:
        """Return whether a message to `name` can be begun. ASKING: call again after the next
        turn."""
        if self._contacts.is_blocked(name):
            return LookUp.BLOCKED
        if self._contacts.by_name(name) is not None or is_same_name(name, self._ctx.me.name):
            return LookUp.KNOWN
        reach = self._ctx.status.reach
        if reach is RegistryReach.NONE or not self._can_be(name):
            self._resolver.forget(name)
            return LookUp.UNKNOWN
        if reach is RegistryReach.LOST:
            self._resolver.forget(name)
            return LookUp.UNANSWERED
        return self._resolver.find(name, can_ask=reach is RegistryReach.UP, now=now)

    def _can_be(self, name: str) -> bool:
        """Return whether the registry could have somebody of this name."""
        try:
            peer_name(name)
        except NameRefused:
            return False
        return self._session.pinned is not None

    def send(self, to: str, text: str, *, now: float) -> SentMessage:
        """Begin a message to somebody who is KNOWN. Raises TextTooLong, UnicodeEncodeError,
        KeyError."""
        begun = self.send_to_known(to, text, now=now)
        if begun is None:
            raise KeyError(to)
        return begun

    def send_to_known(self, to: str, text: str, *, now: float) -> SentMessage | None:
        """Begin a message to this name if it is KNOWN; else None, and `look_up` says why. Raises
        TextTooLong, UnicodeEncodeError."""
        contacts = self._contacts
        contact, is_to_me = contacts.by_name(to), is_same_name(to, self._ctx.me.name)
        if (contact is None and not is_to_me) or (contacts.blocked and contacts.is_blocked(to)):
            return None
        if (
            len(text) > _SHORT or not text.isascii()
        ):  # else nothing has to be encoded to know its length
            check_length(text)
        if self._resolver.searches:
            self._resolver.forget(to)
        wall = self._ctx.wall(now)
        if is_to_me or contact is None or contact.identity == self._ctx.me.identity.public:
            # The table shows us under our former name until our new row comes.
            note = self._notes.write(text, wall=wall)
            return SentMessage(person(self._ctx.me.name), note.id, note.number)
        if self._session.is_lost:
            self._session.search(now=now)
        conversation = contact.conversation or self._direct_receiver.conversation(contact)
        message = self._ladder.begin(contact, conversation, text, wall=wall)
        talk = Conversation(ConversationKind.PERSON, contact.row.card.name)
        return SentMessage(talk, message.id, message.number)

    def keep(self, to: str, text: str, *, now: float) -> SentMessage:
        """Begin a message to a name that is UNANSWERED: it waits until the registry resolves the
        name. Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        if self._session.is_lost:
            self._session.search(now=now)
        assert self._session.pinned is not None
        wall = self._ctx.wall(now)
        message = self._unresolved.keep(
            self._session.pinned, peer_name(to), text, wall=wall, now=now
        )
        return SentMessage(person(peer_name(to)), message.id, message.number)

    def send_all(self, text: str, *, now: float) -> SentMessage:
        """Begin a line for the channel. Raises TextTooLong,
        UnicodeEncodeError."""
        check_length(text)
        line = self._outbox.say(self._groups.channel, text, now=now)
        return SentMessage(EVERYBODY, line.id, line.number)

    def say(self, text: str, *, now: float) -> SentMessage | None:
        """Begin a line for our room. Return None, and report `NotInRoom`, when we are in none.
        Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        room = self._groups.room
        if room is None:
            self._out.events.append(NotInRoom())
            return None
        line = self._outbox.say(room, text, now=now)
        return SentMessage(room.conversation, line.id, line.number)

    def say_on_duty(self, text: str, target: VisitTarget, *, now: float, line: int = 0) -> None:
        """Send a line to a visitor whom we serve at the help desk. `line`: by what events name it.
        Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        self._operator.say(text, target, wall=self._ctx.wall(now), line=line)

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """Return the steps of a pending message of ours so far; none when it is not pending."""
        contact = self._contacts.by_identity(stream)
        if contact is None or contact.conversation is None:
            return self._groups.steps_under_way(stream, number)
        message = contact.conversation.outgoing.messages.get(number)
        return message.steps if message is not None else ()


def check_length(text: str) -> None:
    """Check the length of a text. Raises TextTooLong for more than TEXT_MAX bytes of UTF-8,
    UnicodeEncodeError for lone surrogates."""
    size = len(text.encode())
    if size > TEXT_MAX:
        raise TextTooLong(size, TEXT_MAX)
