"""What a node is made of: every part of the core, made in the order in which they need each other.

It puts together and restores; what the parts do with each other stands in `dispatcher`, `registration` and `engine`.
"""

import random
from collections import Counter
from typing import Final

import msgspec

from chatapp.peer.core.context import Outputs, RegistryStatus
from chatapp.peer.core.direct.mail import MailQueue, Settlement
from chatapp.peer.core.direct.outbox import DeliveryPaths, Ladder
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.direct.unresolved import UnresolvedOutbox
from chatapp.peer.core.identity import LocalIdentity, NotesToSelf
from chatapp.peer.core.inbox import CatchUp, Streams
from chatapp.peer.core.operator import Operator
from chatapp.peer.core.people.contact import Contact
from chatapp.peer.core.people.conversation import Conversation, Message
from chatapp.peer.core.people.roster import Contacts
from chatapp.peer.core.people.table import NameResolver, Table
from chatapp.peer.core.records import CHANNEL_MARK, Loaded, StoredGroup, StoredStream
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import RegistrySession
from chatapp.peer.core.rooms.direct_fanout import DirectFanout
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.incoming import GroupReceiver
from chatapp.peer.core.trace import DeliveryTraces
from chatapp.wire.address import Address
from chatapp.wire.delivery.parts import PartBuffer
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.messages.mail import LetterBody
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.messages.table import Row
from chatapp.wire.sealing import seal_letter


class Parts:
    """The parts of one node."""

    def __init__(
        self,
        me: LocalIdentity,
        *,
        server: Address,
        loaded: Loaded,
        rng: random.Random,
        policy: Policy,
        wall_offset: float,
    ) -> None:
        self.me: Final = me
        self.policy: Final = policy
        self.rng: Final = rng
        self.wall_offset = wall_offset
        """Added to monotonic seconds it gives Unix time; the shell keeps it right."""
        self.dropped: Counter[str] = Counter()
        """Datagrams and frames that were no good, by what they should have been."""
        self.takes_messages = True
        """Whether there is room for more of other people's messages; the shell knows."""
        self.stored = dict(loaded.streams)
        """What is stored of streams that have not been needed yet."""
        self.group_positions: Final = loaded.groups
        """Where we stood in each group's log at the start."""
        self.out = Outputs()
        self.contacts = Contacts()
        self.transport = PeerTransport(
            me.identity, self.contacts, self.out, rng=rng, first_opening=me.first_opening
        )
        self.traces = DeliveryTraces(lambda now: now + self.wall_offset)
        self.registry_status = RegistryStatus()
        self.settlement = Settlement(self.out, self.traces, self.registry_status)
        self.mail_queue = MailQueue(self.out, self.settlement, self._write_letter)
        self.paths = DeliveryPaths(
            policy,
            self.out,
            self.registry_status,
            self.traces,
            mail_queue=self.mail_queue,
            settlement=self.settlement,
        )
        self.ladder = Ladder(
            policy,
            self.out,
            self.registry_status,
            self.traces,
            paths=self.paths,
            mail_queue=self.mail_queue,
            settlement=self.settlement,
        )
        self.session = RegistrySession(
            identity=me.identity,
            address=server,
            pinned=loaded.registry,
            policy=policy,
            rng=rng,
            first_opening=me.first_opening,
        )
        self.link = RegistryLink(rng)
        self.table = Table(
            self.contacts,
            self.out,
            version=loaded.version,
            saved_at=loaded.table_at,
            me=me.identity.public,
        )
        self.resolver = NameResolver(self.table, policy)
        self.operator = Operator(self.out, rng)
        self.catch_up = CatchUp(self.out)
        stored = self.stored
        self.notes = NotesToSelf(me, stored.pop(me.identity.public, StoredStream()), self.out)
        place = self.group_positions.get(CHANNEL, StoredGroup())
        self.channel = Group(CHANNEL, stored.pop(CHANNEL_MARK, StoredStream()), place, self.out)
        self.groups = Groups(self.channel)
        self.streams = Streams(self.catch_up, self.out, self.contacts.ignored)
        self.group_receiver = GroupReceiver(
            contacts=self.contacts,
            groups=self.groups,
            streams=self.streams,
            catch_up=self.catch_up,
            outputs=self.out,
            stored=stored,
            policy=policy,
        )
        self.buffer = PartBuffer(policy)
        """What has come of longer messages of everybody."""
        self.direct_receiver = DirectReceiver(
            contacts=self.contacts,
            streams=self.streams,
            group_receiver=self.group_receiver,
            catch_up=self.catch_up,
            outputs=self.out,
            stored=stored,
            unknown_authors=loaded.unknown_authors,
            reader=me.identity.public,
            mail_keys=me.mail_keys,
            buffer=self.buffer,
            policy=policy,
            rng=rng,
        )
        self.fanout = DirectFanout(
            transport=self.transport,
            outputs=self.out,
            registry_status=self.registry_status,
            conversation=self.direct_receiver.conversation,
        )
        self.unresolved = UnresolvedOutbox(
            contacts=self.contacts,
            outputs=self.out,
            registry_status=self.registry_status,
            settlement=self.settlement,
            ladder=self.ladder,
            resolver=self.resolver,
            conversation=self.direct_receiver.conversation,
            begin=lambda stored: Conversation(stored, policy, rng),
        )

    def _nobody_now(self, row: Row) -> Contact:
        """A key that gave way to another, with the letters saved for it: they expire, and nothing else happens to them."""
        contact = Contact(row.card.identity, row)
        contact.is_blocked = True
        stored = self.stored.get(contact.identity, StoredStream())
        contact.conversation = Conversation(stored, self.policy, self.rng)
        return contact

    def restore(self, loaded: Loaded, *, now: float) -> None:
        """Take the last table, and what was under way with the people in it."""
        for identity, number in loaded.openings.items():
            self.transport.sessions.restore(identity, number)
        for row in loaded.rows:
            self.contacts.take_row(_not_above(loaded.version, row), is_checked=True)
        for row in loaded.blocked:
            self.contacts.block(_not_above(loaded.version, row))
        for identity, key in loaded.formers.items():
            self.contacts.also_called(identity, key)
        self.contacts.ignored.update(loaded.ignored)
        for row in loaded.dropped:
            self.settlement.adopt(self._nobody_now(row))
        for contact in list(self.contacts):
            self.direct_receiver.adopt(contact, now=now)
            self.settlement.adopt(contact)
        if loaded.registry is not None:
            self.unresolved.restore(loaded.registry, loaded.unknown, self.stored)

    def _write_letter(self, contact: Contact, message: Message) -> bytes:
        conversation = self.direct_receiver.conversation(contact)
        body = LetterBody(
            number=message.number,
            floor=conversation.outgoing.floor,
            since=conversation.outgoing.since(message),
            sender=self.me.identity.public,
            sender_name=self.me.name,
            recipient=contact.identity,
            recipient_name=contact.name,
            at=message.at_ms,
            text=message.text,
        )
        return seal_letter(body, author=self.me.identity, mail_key=contact.row.card.mail)


def _not_above(version: int, row: Row) -> Row:
    """A row that is newer than the table is of a registry that was put back since: any row of its is newer."""
    return row if row.version <= version else msgspec.structs.replace(row, version=0)
