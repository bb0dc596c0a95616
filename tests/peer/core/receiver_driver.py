"""Alice's inbound half, for tests of incoming messages: Bob and Carol write, by datagram, letter or
line.

The disk is a real history, in memory.
"""

from chatapp.peer.api.events import (
    LineUnreadable,
    MailHeldBack,
    MailReturned,
    MailUnreadable,
    Said,
)
from chatapp.peer.core.catch_up import CatchUp, RoomArrival
from chatapp.peer.core.contacts import Contacts
from chatapp.peer.core.context import Context
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.people.table import Table
from chatapp.peer.core.records import CHANNEL_MARK, StoredGroup, StoredStream
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.incoming import GroupReceiver
from chatapp.peer.core.rooms.membership import Membership
from chatapp.peer.history.database import History
from chatapp.wire.codec import decode_frames, encode
from chatapp.wire.delivery.parts import Arrived, PartBuffer
from chatapp.wire.messages.direct import Ack, DeliveryFrame, DirectBody, Part
from chatapp.wire.messages.mail import Letter, LetterBody, MailBatch
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EpochKey,
    GroupBody,
    GroupGranted,
    GroupLine,
    GroupPage,
)
from chatapp.wire.sealing import GroupKey, seal_letter
from tests.peer.core.cast import POLICY, Someone
from tests.support.histories import in_memory

ALICE, BOB, CAROL = Someone("alice"), Someone("bob"), Someone("carol")
SENDER_INDEXES = {BOB.id: 7, CAROL.id: 8}
KEY = b"k" * 32


def catching_up(ctx: Context) -> CatchUp:
    """What a person who enters no room catches up with."""
    arrival = RoomArrival(
        ctx,
        groups=Groups(Group(CHANNEL, StoredStream(), StoredGroup(0), ctx.out)),
        members=Membership(ctx, Contacts(), registry_key=lambda: None),
        link=RegistryLink(ctx),
    )
    return CatchUp(ctx, arrival)


class ReceiverDriver:
    """Alice's inbound half, over a disk that may be full."""

    def __init__(
        self, disk: History | None = None, *, knows: tuple[Someone, ...] = (BOB, CAROL)
    ) -> None:
        self.now = 100.0
        self.malformed = 0
        """How many messages by datagram had a body that is none."""
        self.disk = disk or in_memory()
        loaded = self.disk.load()
        stored = dict(loaded.streams)
        ctx = ALICE.context(last_id=loaded.last_id)
        self.out = ctx.out
        self.contacts = Contacts()
        place = loaded.groups.get(CHANNEL, StoredGroup(0))
        self.channel = Group(CHANNEL, stored.pop(CHANNEL_MARK, StoredStream()), place, self.out)
        self.channel.grant(GroupGranted(CHANNEL, 1, KEY, 3, 0))
        members = Membership(ctx, self.contacts, registry_key=lambda: None)
        self.table = Table(ctx, self.contacts, members=members, version=0, saved_at=0.0)
        self.table.is_fresh = True
        self.catch_up = catching_up(ctx)
        self.streams = Streams(ctx, self.catch_up, self.contacts.ignored)
        self.group_receiver = GroupReceiver(
            ctx,
            contacts=self.contacts,
            groups=Groups(self.channel),
            members=members,
            table=self.table,
            streams=self.streams,
            catch_up=self.catch_up,
            stored=stored,
        )
        self.direct_receiver = DirectReceiver(
            ctx,
            contacts=self.contacts,
            streams=self.streams,
            group_receiver=self.group_receiver,
            catch_up=self.catch_up,
            stored=stored,
            unknown_authors=loaded.unknown_authors,
            buffer=PartBuffer(POLICY),
        )
        for person in knows:
            self.meet(person)

    def meet(self, person: Someone) -> None:
        """Deliver their row."""
        self.contacts.take_row(person.row(sender_index=SENDER_INDEXES[person.id]))
        contact = self.contacts.by_identity(person.id)
        assert contact is not None
        self.direct_receiver.adopt(contact, now=self.now)
        self.group_receiver.rows_arrived(now=self.now)

    # --- what comes

    def hears(self, *frames: DeliveryFrame, by: Someone = BOB) -> None:
        """Receive one datagram."""
        contact = self.contacts.by_identity(by.id)
        assert contact is not None
        delivery = self.direct_receiver.conversation(contact).delivery
        assert not delivery.receive_all([frames], now=self.now)
        arrived = [event for event in delivery.events() if isinstance(event, Arrived)]
        self.malformed += self.direct_receiver.messages_arrived(contact, arrived)
        self.direct_receiver.frames_read(contact, now=self.now)

    def gets(self, *letters: Letter, more: bool = False) -> None:
        self.direct_receiver.batch_arrived(MailBatch(list(letters), more))

    def relayed(self, position: int, frame: bytes) -> bool:
        return self.group_receiver.line_relayed(position, frame, now=self.now)

    def page(self, position: int, *lines: GroupLine, more: bool = False) -> None:
        page = GroupPage(CHANNEL, [EpochKey(1, KEY)], list(lines), position, more)
        self.group_receiver.page_arrived(self.channel, page, now=self.now)

    def store(self) -> None:
        """Store all waiting records, as after every turn."""
        self.disk.apply(self.out.drain_records() + self.streams.marks())
        self.direct_receiver.stored(now=self.now)
        self.out.syncs.end(self.out.syncs.begin())
        self.catch_up.synced()

    # --- what comes of it

    def acked(self, by: Someone = BOB) -> list[int]:
        """Return the first number of each acknowledgement that is sent."""
        contact = self.contacts.by_identity(by.id)
        assert contact is not None
        payloads = self.direct_receiver.conversation(contact).delivery.payloads_to_send(
            now=self.now
        )
        frames = [frame for payload in payloads for frame in decode_frames(payload)]
        return [frame.first for frame in frames if isinstance(frame, Ack)]

    def shown(self) -> list[str]:
        """Return the texts to show now, and mark them as shown."""
        return [line.text for line in self.lines()]

    def lines(self) -> list[Said]:
        lines: list[Said] = []
        for event in self.out.drain_events():
            if isinstance(event, MailReturned):
                lines += event.lines
            elif isinstance(event, Said):
                lines.append(event)
        self.streams.lines_shown(lines)
        return lines

    def troubles(self) -> list[MailUnreadable | MailHeldBack | LineUnreadable]:
        return [
            event
            for event in self.out.drain_events()
            if isinstance(event, MailUnreadable | MailHeldBack | LineUnreadable)
        ]


def part(number: int, text: str = "hi") -> Part:
    return Part(number, 0, 1, encode(DirectBody(at=1_000 * number, text=text)))


def letter(
    number: int,
    text: str = "hi",
    *,
    by: Someone = BOB,
    to: Someone = ALICE,
    floor: int | None = None,
    since: int | None = None,
    serial: int = 1,
) -> Letter:
    body = LetterBody(
        number=number,
        floor=number if floor is None else floor,
        since=number if since is None else since,
        sender=by.id,
        sender_name=by.name,
        recipient=to.id,
        recipient_name=to.name,
        at=1_000 * number,
        text=text,
    )
    sealed = seal_letter(body, author=by.identity, mail_key=to.mail_key.public)
    return Letter(serial, by.id, number, sealed)


def said(number: int, text: str = "hi", *, by: Someone = BOB, counter: int | None = None) -> bytes:
    """Receive a line of the channel."""
    key = GroupKey(CHANNEL, epoch=1, key=KEY)
    key._counter = number if counter is None else counter
    return key.seal(
        SENDER_INDEXES[by.id],
        encode(GroupBody(number=number, floor=number, at=1_000 * number, text=text)),
    )


def logged(position: int, frame: bytes, *, by: Someone = BOB) -> GroupLine:
    return GroupLine(position, by.id, frame)
