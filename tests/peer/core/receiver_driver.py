"""Alice's inbound half, for tests of incoming messages: Bob and Carol write, by datagram, letter or
line.

The disk is a real history, in memory.
"""

from collections.abc import Iterable

from chatapp.peer.api.events import (
    Line,
    LineEvent,
    LineUnreadable,
    MailHeldBack,
    MailReturned,
    MailUnreadable,
)
from chatapp.peer.core.contacts import Contact, Contacts
from chatapp.peer.core.context import LookUp
from chatapp.peer.core.direct.arrivals import DirectReceiver
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.records import CHANNEL_MARK, StoredGroup, StoredStream
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.lines import GroupReceiver
from chatapp.peer.core.rooms.membership import Memberships
from chatapp.peer.history.database import History
from chatapp.wire.codec import decode_frames, encode
from chatapp.wire.delivery.parts import Arrived
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
from tests.peer.core.cast import NoRegistry, Someone
from tests.support.histories import in_memory

ALICE, BOB, CAROL = Someone("alice"), Someone("bob"), Someone("carol")
SENDER_INDEXES = {BOB.id: 7, CAROL.id: 8}
KEY = b"k" * 32


class KnownPeople:
    """The people in a table that is up to date (a `People`)."""

    version, saved_at, is_fresh = 0, 0.0, True

    def __init__(self) -> None:
        self.contacts = Contacts()
        self.searches: dict[str, object] = {}

    def fetch(self, *, now: float) -> None:
        pass

    def seek(self, identities: Iterable[bytes], *, is_anew: bool = True, now: float) -> None:
        pass

    def seek_speaker(self, sender_index: int, *, now: float) -> None:
        pass

    def stranger_wrote(self, identity: bytes, *, now: float) -> None:
        pass

    def is_vouched(self, contact: Contact, key: str) -> bool:
        return True

    def awaits_card(self, contact: Contact) -> bool:
        return False

    def awaits_rows(self, identities: Iterable[bytes]) -> bool:
        return False

    def meet(self, contacts: Iterable[Contact]) -> None:
        pass

    def find(self, name: str, *, can_ask: bool, now: float) -> LookUp:
        return LookUp.UNKNOWN

    def forget(self, name: str) -> None:
        pass


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
        ctx = ALICE.context()
        self.out = ctx.out
        self.out.last_id = loaded.last_id
        self.people = KnownPeople()
        self.contacts = self.people.contacts
        self.streams = Streams(ctx, stored=loaded.streams, ignored=self.contacts.ignored)
        self.catch_up = self.streams.catch_up
        place = loaded.groups.get(CHANNEL, StoredGroup(0))
        own = self.streams.unused.pop(CHANNEL_MARK, StoredStream())
        self.channel = Group(CHANNEL, own, place, self.out)
        self.channel.grant(GroupGranted(CHANNEL, 1, KEY, 3, 0))
        self.group_receiver = GroupReceiver(
            ctx,
            self.people,
            self.streams,
            groups=Groups(self.channel),
            members=Memberships(ctx, self.contacts, NoRegistry()),
        )
        self.direct_receiver = DirectReceiver(
            ctx, self.contacts, self.streams, unknown_authors=loaded.unknown_authors
        )
        for person in knows:
            self.meet(person)

    def meet(self, person: Someone) -> None:
        """Deliver their row."""
        self.contacts.take_row(person.row(sender_index=SENDER_INDEXES[person.id]))
        contact = self.contacts.by_identity(person.id)
        assert contact is not None
        is_awaited = self.direct_receiver.adopt(contact, now=self.now)
        if self.group_receiver.adopt(contact, now=self.now) or is_awaited:
            self.catch_up.release()
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
        self.stored()
        self.out.syncs.end(self.out.syncs.begin())
        self.catch_up.synced()

    def stored(self) -> None:
        """All records handed out so far are on disk."""
        touched = self.streams.stored(now=self.now)
        touched.update(self.group_receiver.raise_floors())
        self.catch_up.stored()
        for stream in touched.values():
            self.streams.release(stream, self.now)
        self.catch_up.release()

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

    def lines(self) -> list[LineEvent]:
        lines: list[LineEvent] = []
        for event in self.out.drain_events():
            if isinstance(event, MailReturned):
                lines += event.lines
            elif isinstance(event, Line):
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
