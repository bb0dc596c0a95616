"""Lines of groups that go straight from us to each member, while the registry does not answer.

Each is one number of our direct stream to that member: sealed, cut, tried and acknowledged as any message, but settled
without a word and never mail. It knows who has which line; when a line goes this way is `lines`' to say (clause 6.9).
"""

from collections.abc import Callable, Iterable
from typing import Final

from chatapp.peer.core.context import Outputs, RegistryStatus
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.people.contact import Contact
from chatapp.peer.core.people.conversation import Conversation, Message
from chatapp.peer.core.records import MessageState, NumberUsed
from chatapp.peer.core.rooms.group import Group

Key = tuple[str, int]
"""A line of ours: the group's name, and its number in our stream to the group."""


class DirectFanout:
    """Our lines on their way to members, one by one."""

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
        self._carried: dict[bytes, dict[int, Key]] = {}
        """Under way: of each member, by the number in our direct stream to them."""
        self._has: dict[Key, set[bytes]] = {}
        """Who has a line, or will when what is under way arrives."""
        self.silent: Final[set[bytes]] = set()
        """Members that did not answer the last line: they are told of the newest only, until they do."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way."""
        return not self._carried

    def say(
        self, group: Group, message: Message, members: Iterable[Contact], *, wall: float, now: float
    ) -> None:
        """A line to each of these; whoever misses earlier ones gets those before it, so that none waits for them."""
        for contact in members:
            if contact.identity in self.silent:
                self._carry(group, message, contact, wall=wall, now=now)
            else:
                self.catch_up(group, contact, wall=wall, now=now)

    def catch_up(self, group: Group, contact: Contact, *, wall: float, now: float) -> None:
        """All lines that the registry has not taken, as far as this member has not got them."""
        for message in group.unsettled:
            if message.state is MessageState.KEPT:
                self._carry(group, message, contact, wall=wall, now=now)

    def forget(self, group: Group, message: Message) -> None:
        """The line needs this way no more: the registry has it, or nobody is to have it."""
        self._has.pop((group.name, message.number), None)

    def acknowledged(self, contact: Contact, number: int) -> bool:
        """The member has stored it. False: it is none of these. True as well when they had been silent before."""
        key = self._settle(contact, number, MessageState.DELIVERED)
        if key is not None:
            self.silent.discard(contact.identity)
        return key is not None

    def gave_up(self, contact: Contact, number: int) -> bool:
        """The member did not answer. False: it is none of these."""
        key = self._settle(contact, number, MessageState.REFUSED)
        if key is not None:
            self.silent.add(contact.identity)
            self._has.get(key, set()).discard(contact.identity)
        return key is not None

    def withdraw(self, name: str | None = None) -> None:
        """Stop telling the lines of a group; of all without a name."""
        for identity, under_way in list(self._carried.items()):
            contact = self._transport.contact(identity)
            for number, key in list(under_way.items()):
                if contact is not None and name in (None, key[0]):
                    assert contact.conversation is not None
                    contact.conversation.delivery.withdraw(number)
                    self._settle(contact, number, MessageState.REFUSED)
                    self._has.get(key, set()).discard(identity)

    def let_go(self, contact: Contact) -> None:
        """Nobody goes by this key any more: nothing more is told to it."""
        for number, key in list(self._carried.get(contact.identity, {}).items()):
            self._conversation(contact).delivery.withdraw(number)
            self._settle(contact, number, MessageState.REFUSED)
            self._has.get(key, set()).discard(contact.identity)
        self.silent.discard(contact.identity)

    def _carry(self, group: Group, message: Message, contact: Contact, *, wall: float, now: float) -> None:
        key = (group.name, message.number)
        has = self._has.setdefault(key, set())
        if contact.identity in has:
            return
        has.add(contact.identity)
        conversation = self._conversation(contact)
        body, ahead = group.fanout(message), self._registry_status.clock_ahead
        carried = conversation.outgoing.carry(body, wall=wall, ahead=ahead)
        self._out.records.append(NumberUsed(contact.identity, carried.number))
        self._carried.setdefault(contact.identity, {})[carried.number] = key
        conversation.delivery.send(carried.number, carried.body, now=now)
        conversation.tell_floor()
        self._transport.active[contact.identity] = contact

    def _settle(self, contact: Contact, number: int, state: MessageState) -> Key | None:
        under_way = self._carried.get(contact.identity, {})
        key = under_way.pop(number, None)
        if key is None:
            return None
        if not under_way:
            del self._carried[contact.identity]
        conversation = self._conversation(contact)
        carried = conversation.outgoing.messages.get(number)
        if carried is not None:
            conversation.outgoing.settle(carried, state)
            conversation.tell_floor()
            self._transport.active[contact.identity] = contact
        return key
