"""Direct fan-out: group lines that go from us to each member while the registry does not answer (clause 6.9).

Each copy uses a number of our direct stream to that member: it is cut, retried and acknowledged like a message, but it is
never mail, and it is settled without an event. `GroupOutbox` decides when a line goes this way.
"""

from collections.abc import Callable, Iterable
from typing import Final

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import Outputs, RegistryStatus
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.people.contact import Contact
from chatapp.peer.core.people.conversation import Conversation, Message
from chatapp.peer.core.records import NumberUsed
from chatapp.peer.core.rooms.group import Group
from chatapp.wire.messages.direct import PROVISIONAL


class DirectFanout:
    """Sends our lines to members one by one, and knows who has which."""

    def __init__(
        self,
        *,
        transport: PeerTransport,
        outputs: Outputs,
        registry_status: RegistryStatus,
        conversation: Callable[[Contact], Conversation],
    ) -> None:
        self._transport = transport
        self._registry_status = registry_status
        self._out = outputs
        self._conversation = conversation
        self.carried: Final[dict[bytes, dict[int, tuple[Group, Message]]]] = {}
        """The lines on their way to each member, by their numbers in our direct stream to that member."""
        self._asked: dict[bytes, list[tuple[Group, Message]]] = {}
        """Lines to send to each member as soon as the numbers of the lines are on disk."""
        self._has: dict[Message, set[bytes]] = {}
        """The members who have a line, or to whom it is on its way."""
        self.silent: Final[set[bytes]] = set()
        """Members who did not answer the last line. Until they do, they are sent only the newest."""

    @property
    def is_settled(self) -> bool:
        """Whether no line is on its way."""
        return not self.carried and not self._asked

    def say(
        self, group: Group, message: Message, members: Iterable[Contact], *, wall: float, now: float
    ) -> None:
        """Send a line to each of these members, with earlier lines that they miss, so that it need not wait for those."""
        for contact in members:
            if contact.identity in self.silent:
                self._carry(group, message, contact, wall=wall, now=now)
            else:
                self.catch_up(group, contact, wall=wall, now=now)

    def catch_up(self, group: Group, contact: Contact, *, wall: float, now: float) -> None:
        """Send a member the lines that neither the registry nor the member has."""
        for message in group.unsettled:
            if message.state is MessageState.KEPT:
                self._carry(group, message, contact, wall=wall, now=now)

    def forget(self, group: Group, message: Message) -> None:
        """Stop tracking a line: the registry has it, or nobody is to have it."""
        self._has.pop(message, None)

    def acknowledged(self, contact: Contact, number: int) -> bool:
        """Note that a member has stored a line. Return False if the number is not a line's."""
        message = self._settle(contact, number, MessageState.DELIVERED)
        if message is not None:
            self.silent.discard(contact.identity)
        return message is not None

    def gave_up(self, contact: Contact, number: int) -> bool:
        """Note that a member did not answer. Return False if the number is not a line's."""
        message = self._settle(contact, number, MessageState.REFUSED)
        if message is not None:
            self.silent.add(contact.identity)
            self._has.get(message, set()).discard(contact.identity)
        return message is not None

    def withdraw(self, name: str | None = None) -> None:
        """Stop sending the lines of a group, or of all groups without a name."""
        for identity, under_way in list(self.carried.items()):
            contact = self._transport.contact(identity)
            for number, (group, message) in list(under_way.items()):
                if contact is not None and name in (None, group.name):
                    self._take_back(contact, number, message)
        for identity, lines in list(self._asked.items()):
            self._asked[identity] = [line for line in lines if name not in (None, line[0].name)]

    def let_go(self, contact: Contact) -> None:
        """Stop sending lines to a contact whose key was replaced."""
        for number, (_, message) in list(self.carried.get(contact.identity, {}).items()):
            self._take_back(contact, number, message)
        self._asked.pop(contact.identity, None)
        self.silent.discard(contact.identity)

    def number(self, contact: Contact) -> None:
        """Send a member's lines again that have provisional numbers, once their final numbers are on disk."""
        for number, (group, message) in list(self.carried.get(contact.identity, {}).items()):
            if number >= PROVISIONAL:
                self._take_back(contact, number, message)
                self._asked.setdefault(contact.identity, []).append((group, message))
                self._out.has_numbered = True

    def number_all(self) -> None:
        """Do the same for all members."""
        for identity in list(self.carried):
            contact = self._transport.contact(identity)
            if contact is not None:
                self.number(contact)

    def numbers_stored(self, *, wall: float, now: float) -> None:
        """Send the lines that waited for their numbers to be on disk."""
        asked, self._asked = self._asked, {}
        for identity, lines in asked.items():
            contact = self._transport.contact(identity)
            if contact is not None:
                for group, message in lines:
                    if message in group.unsettled:
                        self._carry(group, message, contact, wall=wall, now=now)

    def _take_back(self, contact: Contact, number: int, message: Message) -> None:
        self._conversation(contact).delivery.withdraw(number)
        self._settle(contact, number, MessageState.REFUSED)
        self._has.get(message, set()).discard(contact.identity)

    def _carry(self, group: Group, message: Message, contact: Contact, *, wall: float, now: float) -> None:
        has = self._has.setdefault(message, set())
        if contact.identity in has:
            return
        has.add(contact.identity)
        conversation = self._conversation(contact)
        body, ahead = group.fanout(message), self._registry_status.clock_ahead
        carried = conversation.outgoing.carry(body, wall=wall, ahead=ahead)
        if carried.is_numbered:
            self._out.records.append(NumberUsed(contact.identity, carried.number))
        self.carried.setdefault(contact.identity, {})[carried.number] = group, message
        conversation.delivery.send(carried.number, carried.body, now=now)
        conversation.tell_floor()
        self._transport.active[contact.identity] = contact

    def _settle(self, contact: Contact, number: int, state: MessageState) -> Message | None:
        under_way = self.carried.get(contact.identity, {})
        line = under_way.pop(number, None)
        if line is None:
            return None
        if not under_way:
            del self.carried[contact.identity]
        conversation = self._conversation(contact)
        carried = conversation.outgoing.messages.get(number)
        if carried is not None:
            conversation.outgoing.settle(carried, state)
            conversation.tell_floor()
            self._transport.active[contact.identity] = contact
        return line[1]
