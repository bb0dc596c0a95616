"""This file is about messages to us: stored before they are acknowledged or shown, and shown once, whichever way they come.

Bob and Carol write; the disk is a real history, in memory, which has what was applied to it and nothing else.
"""

import random
from collections.abc import Callable

import msgspec
import pytest

from peer.core.contacts import Contacts
from peer.core.events import ChannelReceived, DirectReceived, Line, MailReturned, Trouble
from peer.core.group import GAP_TIMEOUT, Group
from peer.core.groups import Groups
from peer.core.hearing import Hearing
from peer.core.inbound import Inbound
from peer.core.mail import Homecoming
from peer.core.outputs import Outputs
from peer.core.records import IncomingAdded
from peer.core.stored import StoredGroup, StoredStream
from peer.core.streamkeys import CHANNEL_MARK
from peer.core.streams import Streams
from peer.history import History
from tests.peer.core.cast import POLICY, Someone
from wire.codec import decode_frames, encode
from wire.delivery.events import Arrived
from wire.errors import WireError
from wire.header import pack_group, unpack_group
from wire.letters import seal_letter
from wire.limits import GROUP_HELD_MAX
from wire.messages.delivery import Ack, DeliveryFrame, Floor, Part, Void
from wire.messages.direct import DirectBody
from wire.messages.group import CHANNEL, EpochKey, GroupBody, GroupGranted, GroupLine, GroupPage
from wire.messages.mail import Letter, LetterBody, MailBatch, TakeMail
from wire.sealing import GroupKey

ALICE, BOB, CAROL = Someone("alice"), Someone("bob"), Someone("carol")
STATIONS = {BOB.id: 7, CAROL.id: 8}
KEY = b"k" * 32


class Desk:
    """Alice's inbound half, over a disk that may be full."""

    def __init__(self, disk: History | None = None, *, knows: tuple[Someone, ...] = (BOB, CAROL)) -> None:
        self.now = 100.0
        self.disk = disk or History(":memory:", server="registry")
        loaded = self.disk.load()
        stored = dict(loaded.streams)
        self.out = Outputs()
        self.contacts = Contacts()
        place = loaded.groups.get(CHANNEL, StoredGroup(0))
        self.channel = Group(CHANNEL, stored.pop(CHANNEL_MARK, StoredStream()), place, self.out)
        self.channel.grant(GroupGranted(CHANNEL, 1, KEY, 3, 0))
        self.home = Homecoming(self.out)
        self.streams = Streams(self.home, self.out, self.contacts.ignored)
        self.hearing = Hearing(
            contacts=self.contacts,
            groups=Groups(self.channel),
            streams=self.streams,
            home=self.home,
            outputs=self.out,
            stored=stored,
            policy=POLICY,
        )
        self.inbound = Inbound(
            contacts=self.contacts,
            streams=self.streams,
            hearing=self.hearing,
            home=self.home,
            outputs=self.out,
            stored=stored,
            reader=ALICE.id,
            mail_keys=[ALICE.mail_key],
            policy=POLICY,
            rng=random.Random(1),
        )
        for person in knows:
            self.meet(person)

    def meet(self, person: Someone) -> None:
        """Their row comes."""
        self.contacts.take_row(person.row(station=STATIONS[person.id]))
        contact = self.contacts.by_identity(person.id)
        assert contact is not None
        self.inbound.adopt(contact, now=self.now)
        self.hearing.rows_came(now=self.now)

    # --- what comes

    def hears(self, *frames: DeliveryFrame, by: Someone = BOB) -> None:
        """One datagram."""
        contact = self.contacts.by_identity(by.id)
        assert contact is not None
        courier = self.inbound.conversation(contact).courier
        for frame in frames:
            courier.receive(frame, now=self.now)
        for event in courier.events():
            assert isinstance(event, Arrived)
            self.inbound.message_arrived(contact, event.number, event.body)
        self.inbound.frames_read(contact, now=self.now)

    def gets(self, *letters: Letter, more: bool = False) -> None:
        self.inbound.batch_arrived(MailBatch(list(letters), more))

    def relayed(self, position: int, frame: bytes) -> bool:
        return self.hearing.line_relayed(position, frame, now=self.now)

    def page(self, position: int, *lines: GroupLine, more: bool = False) -> None:
        page = GroupPage(CHANNEL, [EpochKey(1, KEY)], list(lines), position, more)
        self.hearing.page_arrived(self.channel, page, now=self.now)

    def store(self) -> None:
        """The disk takes all that waits, as after every turn."""
        self.disk.apply(self.out.drain_records() + self.streams.marks())
        self.inbound.stored(now=self.now)

    # --- what comes of it

    def acked(self, by: Someone = BOB) -> list[int]:
        """The first number of each acknowledgement that leaves."""
        contact = self.contacts.by_identity(by.id)
        assert contact is not None
        payloads = self.inbound.conversation(contact).courier.payloads_to_send(now=self.now)
        frames = [frame for payload in payloads for frame in decode_frames(payload)]
        return [frame.first for frame in frames if isinstance(frame, Ack)]

    def shown(self) -> list[str]:
        """The texts that are shown now; somebody sees them."""
        return [line.text for line in self.lines()]

    def lines(self) -> list[Line]:
        lines: list[Line] = []
        for event in self.out.drain_events():
            if isinstance(event, MailReturned):
                lines += event.lines
            elif isinstance(event, DirectReceived | ChannelReceived):
                lines.append(event)
        for line in lines:
            self.streams.line_shown(line)
        return lines

    def troubles(self) -> list[str]:
        return [event.text for event in self.out.drain_events() if isinstance(event, Trouble)]


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
    """A line of the channel."""
    key = GroupKey(CHANNEL, epoch=1, key=KEY)
    key._counter = number if counter is None else counter
    return key.seal(
        STATIONS[by.id], encode(GroupBody(number=number, floor=number, at=1_000 * number, text=text))
    )


def logged(position: int, frame: bytes, *, by: Someone = BOB) -> GroupLine:
    return GroupLine(position, by.id, frame)


# --- stored before acknowledged


def test_nothing_is_acknowledged_or_shown_before_it_is_stored() -> None:
    """Clause 6.4."""
    desk = Desk()
    desk.hears(Floor(5), part(5))
    assert IncomingAdded(BOB.id, 5, 5_000, "hi", False) in desk.out.records
    assert (desk.acked(), desk.shown()) == ([], [])
    desk.store()
    assert (desk.acked(), desk.shown()) == ([5], ["hi"])


def test_a_repeat_is_acknowledged_again_and_not_shown() -> None:
    desk = Desk()
    for _ in range(3):
        desk.hears(Floor(5), part(5))
        desk.store()
    assert (desk.acked(), desk.shown()) == ([5], ["hi"])
    desk.hears(part(5))
    assert (desk.acked(), desk.shown()) == ([5], [])


def test_a_copy_that_comes_while_the_first_is_being_stored_is_one_message() -> None:
    desk = Desk()
    desk.gets(letter(5))
    desk.hears(part(5))
    assert sum(isinstance(record, IncomingAdded) for record in desk.out.records) == 1
    desk.store()
    assert (desk.acked(), desk.shown()) == ([5], ["hi"])
    assert desk.out.requests == [TakeMail([1])]


def test_the_same_number_of_two_senders_is_two_messages() -> None:
    """Clause 6.2."""
    desk = Desk()
    desk.hears(Floor(5), part(5, "from bob"), by=BOB)
    desk.hears(Floor(5), part(5, "from carol"), by=CAROL)
    desk.gets(letter(5, "from bob"))
    desk.store()
    assert desk.shown() == ["from bob", "from carol"]


def test_a_body_that_is_none_is_never_acknowledged() -> None:
    desk = Desk()
    with pytest.raises(WireError):
        desk.hears(Floor(5), Part(5, 0, 1, b"\xc1"))
    desk.store()
    assert desk.acked() == []
    desk.hears(part(5))  # and does not stand in the way of a good one
    desk.store()
    assert desk.shown() == ["hi"]


@pytest.mark.parametrize("settles", [Floor(9), Void(0, 9)])
def test_what_is_settled_in_the_datagram_that_brings_it_does_not_wait_for_ever(
    settles: DeliveryFrame,
) -> None:
    """An honest sender says no such thing; another must not make us hold it."""
    desk = Desk()
    desk.hears(part(5), settles)
    desk.store()
    desk.acked()
    contact = desk.contacts.by_identity(BOB.id)
    assert contact is not None
    assert desk.inbound.conversation(contact).courier.is_idle


# --- order


def test_messages_wait_for_an_earlier_one_and_not_for_ever() -> None:
    """Clause 6.7."""
    desk = Desk()
    desk.hears(Floor(4), part(6, "third"), part(5, "second"))
    desk.store()
    assert (desk.acked(), desk.shown()) == ([5], [])
    assert desk.streams.next_timer() == desk.now + POLICY.hold_span
    desk.hears(part(4, "first"))
    desk.store()
    assert desk.shown() == ["first", "second", "third"]
    assert desk.streams.next_timer() is None
    desk.hears(part(9, "ninth"))
    desk.store()
    desk.now += POLICY.hold_span
    desk.streams.handle_timer(now=desk.now)
    assert desk.shown() == ["ninth"]
    desk.hears(part(8, "late"))
    desk.store()
    assert desk.shown() == ["late"]


@pytest.mark.parametrize("news", [Floor(6), Void(5, 1)])
def test_what_will_never_come_is_not_waited_for(news: DeliveryFrame) -> None:
    """Clause 6.3."""
    desk = Desk()
    desk.hears(Floor(5), part(6))
    desk.store()
    assert desk.shown() == []
    desk.hears(news)
    assert desk.shown() == ["hi"]


def test_a_letter_says_what_need_not_be_waited_for() -> None:
    """Clause 7.1."""
    desk = Desk()
    desk.gets(letter(9, "later", floor=5, since=6, serial=2))
    desk.store()
    assert desk.shown() == []
    desk.gets(letter(5, "earlier", floor=5, serial=1))
    desk.store()
    assert desk.shown() == ["earlier", "later"]


# --- letters


def test_a_letter_that_its_sender_believes_gone_is_shown_if_it_comes_with_a_later_one() -> None:
    desk = Desk()
    desk.gets(letter(5, "thought to be gone", serial=1), letter(6, "later", since=5, serial=2))
    desk.store()
    assert desk.shown() == ["thought to be gone", "later"]


def test_letters_are_shown_late_and_let_go_when_they_are_stored() -> None:
    desk = Desk()
    desk.home.begin()
    desk.gets(letter(5, serial=11), more=True)
    assert desk.out.requests == []
    desk.store()
    assert desk.out.requests == [TakeMail([11])]
    assert desk.shown() == []
    desk.gets()
    desk.store()
    (line,) = desk.lines()
    assert (line.sender, line.text, line.late) == ("bob", "hi", 5.0)


def unreadable() -> Letter:
    return letter(5, to=CAROL)


def of_another() -> Letter:
    sealed = letter(5, by=CAROL)
    return Letter(sealed.serial, BOB.id, 5, sealed.letter)


def garbage() -> Letter:
    return Letter(1, BOB.id, 5, b"")


def of_a_stranger() -> Letter:
    return letter(5, by=Someone("dave"))


@pytest.mark.parametrize("make", [unreadable, of_another, garbage, of_a_stranger])
def test_a_letter_that_cannot_be_read_is_told_of_and_let_go(make: Callable[[], Letter]) -> None:
    """Clause 7.4: it never will be, and the others behind it wait."""
    desk = Desk()
    desk.gets(make())
    desk.store()
    assert desk.out.requests == [TakeMail([1])]
    (told,) = desk.troubles()
    assert told.startswith("A letter from ")
    assert not [record for record in desk.out.records if isinstance(record, IncomingAdded)]


def test_a_letter_is_not_shown_under_a_name_that_its_author_has_not_signed() -> None:
    desk = Desk(knows=())
    row = BOB.row()
    desk.contacts.take_row(msgspec.structs.replace(row, card=msgspec.structs.replace(row.card, name="carol")))
    desk.gets(letter(5))
    desk.store()
    assert desk.shown() == []


# --- the channel


def test_a_line_is_shown_when_it_is_stored_and_its_place_is_remembered() -> None:
    desk = Desk()
    assert desk.relayed(1, said(5, "one"))
    assert desk.shown() == []
    desk.store()
    (line,) = desk.lines()
    assert (type(line), line.sender, line.text, line.late) == (ChannelReceived, "bob", "one", None)
    assert desk.disk.load().groups[CHANNEL].cursor == 1


def test_a_line_of_an_unknown_station_waits_for_the_row() -> None:
    """Clause 8.4."""
    desk = Desk(knows=(BOB,))
    assert not desk.relayed(1, said(5, "from carol", by=CAROL))
    assert desk.channel.cursor == 0
    desk.meet(CAROL)
    desk.store()
    assert desk.shown() == ["from carol"]
    assert desk.channel.cursor == 1


def test_a_bad_line_does_not_keep_others_from_being_read() -> None:
    """All wait for one row; then the first turns out to be forged."""
    desk = Desk(knows=(BOB,))
    good, last = said(5, by=CAROL), said(6, "last", by=CAROL)
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    desk.relayed(1, bad)
    desk.relayed(2, last)
    desk.meet(CAROL)
    assert desk.channel.is_gap_due(desk.now + GAP_TIMEOUT)
    desk.page(2, logged(1, bad, by=CAROL), logged(2, last, by=CAROL))
    assert len(desk.troubles()) == 1
    desk.store()
    assert desk.shown() == ["last"]


def test_lines_of_strangers_are_held_up_to_a_bound() -> None:
    desk = Desk(knows=(BOB,))
    for number in range(1, GROUP_HELD_MAX + 10):
        desk.relayed(number, said(number, by=CAROL))
    assert len(desk.hearing._held_frames) == GROUP_HELD_MAX
    assert desk.channel.gap_due is not None  # the log has the rest


def test_a_line_in_an_epoch_that_we_missed_is_a_hole() -> None:
    desk = Desk()
    header = unpack_group(said(5))
    assert desk.relayed(1, pack_group(header._replace(epoch=9)) + bytes(16))
    assert desk.channel.gap_due is not None


def test_all_that_was_missed_is_shown_and_not_only_the_last_of_each_sender() -> None:
    """Each line says that those before it are settled: they are for their sender, not for who was away."""
    desk = Desk()
    desk.page(3, *(logged(at, said(at, f"line {at}")) for at in (1, 2, 3)))
    desk.store()
    assert desk.shown() == ["line 1", "line 2", "line 3"]


def test_a_line_that_is_said_before_the_log_has_come_waits_for_it() -> None:
    """Clause 8.5: so that order holds, and shown once though the log has it, too."""
    desk = Desk()
    desk.home.begin()
    desk.home.is_mail_drained = True
    desk.relayed(3, said(7, "third"))
    desk.store()
    assert desk.shown() == []
    desk.page(2, logged(1, said(5, "first")), logged(2, said(4, "second", by=CAROL), by=CAROL), more=True)
    desk.store()
    desk.page(3, logged(3, said(7, "third")))
    desk.store()
    assert [(line.text, line.late) for line in desk.lines()] == [
        ("second", 4.0),
        ("first", 5.0),
        ("third", None),
    ]
    assert desk.disk.load().groups[CHANNEL].cursor == 3


def test_one_who_has_all_need_not_wait_for_a_senders_new_start() -> None:
    """Their numbers leap with the clock; the floor says that nothing is missing between."""
    desk = Desk()
    desk.relayed(1, said(5, "old start"))
    desk.relayed(2, said(500, "new start"))
    desk.store()
    assert desk.shown() == ["old start", "new start"]


def test_a_line_of_the_log_that_does_not_open_is_told_of_and_passed() -> None:
    desk = Desk()
    frame = said(5)
    desk.page(2, logged(1, frame[:-1] + bytes((frame[-1] ^ 1,))), logged(2, said(6, "good")))
    (told,) = desk.troubles()
    assert told.startswith("A line of the channel from bob is lost")
    desk.store()
    assert desk.shown() == ["good"]
    assert desk.channel.cursor == 2


# --- over a restart


def test_stored_and_not_shown_is_shown_once_after_a_restart() -> None:
    first = Desk()
    first.hears(Floor(5), part(5, "direct"))
    first.relayed(1, said(6, "channel"))
    first.store()  # and then the program is killed
    second = Desk(first.disk)
    assert sorted(second.shown()) == ["channel", "direct"]
    second.store()
    assert Desk(first.disk).shown() == []


def test_a_repeat_after_a_restart_is_acknowledged_and_not_shown() -> None:
    first = Desk()
    first.hears(Floor(5), part(5))
    first.store()
    first.shown()
    first.store()
    second = Desk(first.disk)
    second.hears(Floor(5), part(5))
    second.gets(letter(5))
    second.store()
    assert (second.acked(), second.shown()) == ([5], [])
    assert second.out.requests == [TakeMail([1])]


def test_what_was_held_before_a_restart_is_still_in_order_after_it() -> None:
    first = Desk()
    first.hears(Floor(5), part(6, "second"))
    first.store()
    second = Desk(first.disk)
    assert second.shown() == []
    second.hears(part(5, "first"))
    second.store()
    assert second.shown() == ["first", "second"]
