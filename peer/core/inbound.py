"""This file is about messages to us: taken once whichever way they come, stored, then acknowledged, then shown in order.

Straight, relayed, as a letter or out of the channel's log: each ends as one record, and only when that record is on
disk is anything acknowledged or shown. It must not know how datagrams are opened, nor our own messages.
"""

import contextlib
import random
from dataclasses import dataclass, field
from typing import Final

from peer.core.channel import Channel
from peer.core.contacts import Contact, Contacts
from peer.core.conversation import Conversation, make_inbox
from peer.core.events import ChannelReceived, DirectReceived, Line, Trouble
from peer.core.mail import Homecoming
from peer.core.outputs import Outputs
from peer.core.records import (
    CHANNEL_MARK,
    CursorMoved,
    FloorRaised,
    IncomingAdded,
    Overtaken,
    Record,
    Shown,
    ShownBehind,
    StoredStream,
)
from wire.codec import decode_direct_body, decode_group_body
from wire.delivery.policy import Policy
from wire.delivery.seen import Admission, Inbox
from wire.errors import WireError
from wire.header import unpack_group
from wire.identity import AgreementKey
from wire.letters import open_letter
from wire.limits import GROUP_HELD_MAX
from wire.messages.group import GroupLine, GroupPage
from wire.messages.mail import Letter, MailBatch
from wire.sealing import GroupKey

RISES_A_RECORD: Final = 32
"""The floor is stored each so many rises. A lower one on disk loses nothing: the numbers above it are stored themselves."""

Texts = dict[int, tuple[int, str, bool]]


@dataclass(slots=True, eq=False)
class Stream:
    """One sender's messages to us, or to the channel."""

    key: bytes
    contact: Contact
    inbox: Inbox
    texts: Texts
    talk: Conversation | None
    """The conversation for direct messages; None for the channel."""
    floor: int = 0
    rises: int = 0
    highest: int = 0
    """The highest number given out to be shown, or shown in an earlier life."""
    shown: int = 0
    """The highest number that was shown."""
    behind: set[int] = field(default_factory=set)
    """Stored numbers below it, on disk marked as such, that are not known to be shown."""

    def line(self, number: int) -> Line | None:
        """What to show for a number that is ready."""
        text = self.texts.pop(number, None)
        if text is None:
            return None
        at_ms, words, late = text
        shape = ChannelReceived if self.talk is None else DirectReceived
        return shape(
            sender=self.contact.name,
            identity=self.contact.identity,
            number=number,
            text=words,
            at=at_ms / 1_000,
            late=at_ms / 1_000 if late else None,
        )

    def overtaken_by(self, number: int) -> list[Record]:
        """What is to be noted before `number` counts as shown: those below it that are still being stored."""
        return self.overtaken([other for other in self.texts if other < number and other not in self.behind])

    def overtaken(self, numbers: list[int]) -> list[Record]:
        """A later one is shown before these."""
        self.behind.update(numbers)
        return [Overtaken(self.key, number) for number in numbers]


def _restored(
    key: bytes, contact: Contact, inbox: Inbox, texts: Texts, talk: Conversation | None, stored: StoredStream
) -> Stream:
    behind = {one.number for one in stored.unshown if one.behind}
    return Stream(
        key,
        contact,
        inbox,
        texts,
        talk,
        floor=stored.floor,
        highest=stored.shown,
        shown=stored.shown,
        behind=behind,
    )


class Inbound:
    """All messages to us, from everybody."""

    def __init__(
        self,
        *,
        contacts: Contacts,
        channel: Channel,
        home: Homecoming,
        outputs: Outputs,
        stored: dict[bytes, StoredStream],
        reader: bytes,
        mail_keys: list[AgreementKey],
        policy: Policy,
        rng: random.Random,
    ) -> None:
        self._contacts = contacts
        self._channel = channel
        self._home = home
        self._out = outputs
        self._stored = stored
        self._policy: Final = policy
        self._rng = rng
        self._streams: dict[bytes, Stream] = {}
        self._holding: dict[bytes, Stream] = {}
        """Those with messages that wait for an earlier one: only they have deadlines."""
        self._written: list[tuple[Stream, int, bool]] = []
        """Records handed out but not known to be stored: (stream, number, whether to acknowledge by courier)."""
        self._marks: dict[bytes, int] = {}
        self._marks_behind: list[Record] = []
        self._held_frames: list[tuple[int, bytes]] = []
        self._floors: dict[bytes, tuple[int, int]] = {}
        """Of streams to the channel, by the newest line: (its position, the floor that it says)."""
        self.reader: Final = reader
        self.mail_keys = mail_keys

    # --- streams

    def conversation(self, contact: Contact) -> Conversation:
        """The conversation with somebody, made when it is first needed."""
        if contact.conversation is None:
            stored = self._stored.pop(contact.identity, StoredStream())
            talk = contact.conversation = Conversation(stored, self._policy, self._rng)
            self._streams[contact.identity] = _restored(
                contact.identity, contact, talk.courier.inbox, talk.texts, talk, stored
            )
        return contact.conversation

    def adopt(self, contact: Contact, *, now: float) -> None:
        """A contact of whom records are stored: what was stored and not shown is shown now."""
        if contact.identity in self._stored:
            self.conversation(contact)
            self._release(self._streams[contact.identity], now)
        if CHANNEL_MARK + contact.identity in self._stored:
            self._release(self._channel_stream(contact), now)
        self._home.release()

    def _channel_stream(self, contact: Contact) -> Stream:
        key = CHANNEL_MARK + contact.identity
        if key not in self._streams:
            stored = self._stored.pop(key, StoredStream())
            texts: Texts = {one.number: (one.at_ms, one.text, True) for one in stored.unshown}
            inbox = make_inbox(stored, self._policy)
            self._streams[key] = _restored(key, contact, inbox, texts, None, stored)
        return self._streams[key]

    # --- what comes

    def message_arrived(self, contact: Contact, number: int, body: bytes) -> None:
        """A whole message by datagrams. One that its sender has garbled is never acknowledged. Raises DecodeError."""
        talk = self.conversation(contact)
        try:
            said = decode_direct_body(body)
        except WireError:
            talk.courier.reject(number)
            raise
        self._take(self._streams[contact.identity], number, said.at, said.text, late=False, by_courier=True)

    def batch_arrived(self, batch: MailBatch) -> None:
        """Letters. One that does not open is taken all the same, and the user is told: it never will."""
        for letter in batch.letters:
            self._home.take_later(letter.serial)
            try:
                self._letter_arrived(letter)
            except WireError as error:
                name = self._name(letter.sender)
                self._out.events.append(Trouble(text=f"A letter from {name} could not be opened: {error}"))
        if not batch.more:
            self._home.is_mail_drained = True

    def line_relayed(self, position: int, frame: bytes, *, now: float) -> bool:
        """A line of the channel as it is said. False: its sender's row is missing, fetch it. Raises WireError."""
        header = unpack_group(frame)
        key = self._channel.key(header.epoch)
        if key is None:
            self._channel.note_missing(position, now=now)  # of an epoch whose key we missed; the log has both
            return True
        contact = self._contacts.by_station(header.station)
        if contact is None:
            if len(self._held_frames) < GROUP_HELD_MAX:
                self._held_frames.append((position, frame))
            self._channel.note_missing(position, now=now)  # they may have left again before we learn of them
            return False
        self._line_arrived(contact, key.open(frame), position, late=False)
        self.position_known(position, now=now)
        return True

    def rows_came(self, *, now: float) -> None:
        """Frames of unknown senders get another look. One that is no good stays a hole, which the log fills or not;
        it does not keep the others from theirs."""
        held, self._held_frames = self._held_frames, []
        for position, frame in held:
            with contextlib.suppress(WireError):
                self.line_relayed(position, frame, now=now)

    def page_arrived(self, page: GroupPage, *, now: float) -> None:
        """Lines of the channel that were said while we were away."""
        keys = self._channel.keys_of(page.keys)
        for line in page.lines:
            try:
                self._stored_line_arrived(line, keys)
            except WireError as error:
                name = self._name(line.sender)
                self._out.events.append(Trouble(text=f"A line of the channel from {name} is lost: {error}"))
        if self._channel.note_page(page.position, now=now):
            self._move_cursor()
        if not page.more:
            self._home.is_channel_drained = True

    def cursor_set(self) -> None:
        """A new member begins at the newest line."""
        self._move_cursor()

    def position_known(self, position: int, *, now: float) -> None:
        """The line at this place of the log is here, or is our own."""
        if self._channel.note_position(position, now=now):
            self._move_cursor()

    # --- storing and showing

    def stored(self, *, now: float) -> None:
        """All records handed out so far are on disk: acknowledge, order, show."""
        written, self._written = self._written, []
        touched: dict[bytes, Stream] = {}
        for stream, number, by_courier in written:
            if by_courier and stream.talk is not None:
                stream.talk.courier.confirm(number, now=now)
            else:
                stream.inbox.store(number, now)
            touched[stream.key] = stream
        if self._floors:
            touched.update((stream.key, stream) for stream in self._raise_floors())
        self._home.stored()
        for stream in touched.values():
            self._release(stream, now)
        self._home.release()

    def handle_timer(self, *, now: float) -> None:
        """Show what waited long enough for an earlier message."""
        for stream in list(self._holding.values()):
            due = stream.inbox.next_timer()
            if (due is not None and now >= due) or stream.inbox.has_ready:
                self._release(stream, now)
        self._home.release()

    def next_timer(self) -> float | None:
        """When the next message has waited long enough."""
        dues = [due for stream in self._holding.values() if (due := stream.inbox.next_timer()) is not None]
        return min(dues, default=None)

    def frames_read(self, contact: Contact, *, now: float) -> None:
        """The sender may have told what need not be waited for: show what waited, and remember the floor."""
        stream = self._streams[contact.identity]
        if stream.inbox.floor > stream.floor or stream.inbox.has_ready:
            self._release(stream, now)
            self._home.release()

    def line_shown(self, line: Line) -> None:
        """Somebody has seen it; it is not shown again after a restart."""
        key = CHANNEL_MARK + line.identity if isinstance(line, ChannelReceived) else line.identity
        stream, number = self._streams.get(key), line.number
        if stream is None:
            return
        if number in stream.behind:
            stream.behind.discard(number)
            self._marks_behind.append(ShownBehind(key, number))
        if number > stream.shown:
            if stream.texts:
                # Of an earlier one that is on its way to the disk this mark would say that it was shown.
                self._marks_behind += stream.overtaken_by(number)
            self._marks[key] = stream.shown = number

    def marks(self) -> list[Record]:
        """Drained: up to where each stream has been shown; one record for however many lines, if none was behind."""
        if not self._marks and not self._marks_behind:
            return []
        marks, self._marks = self._marks, {}
        behind, self._marks_behind = self._marks_behind, []
        return behind + [Shown(stream, number) for stream, number in marks.items()]

    # --- inside

    def _letter_arrived(self, letter: Letter) -> None:
        contact = self._contacts.by_identity(letter.sender)
        body = open_letter(letter.letter, reader=self.reader, mail_keys=self.mail_keys, sender=letter.sender)
        if contact is None:
            self._out.events.append(
                Trouble(text=f"A letter from {body.sender_name}, who is not in the table")
            )
            return
        contact.check_card()  # the name under which it is shown is the registry's word until then
        self.conversation(contact)
        stream = self._streams[contact.identity]
        stream.inbox.raise_floor(body.floor)
        stream.inbox.pass_over(body.since, body.number)
        self._take(stream, body.number, body.at, body.text, late=True)

    def _stored_line_arrived(self, line: GroupLine, keys: dict[int, GroupKey]) -> None:
        contact = self._contacts.by_identity(line.sender)
        key = keys.get(unpack_group(line.frame).epoch)
        if contact is not None and key is not None:
            self._line_arrived(contact, key.open_stored(line.frame), line.position, late=True)

    def _line_arrived(self, contact: Contact, payload: bytes, position: int, *, late: bool) -> None:
        body = decode_group_body(payload)
        stream = self._channel_stream(contact)
        if position >= self._floors.get(stream.key, (0, 0))[0]:
            self._floors[stream.key] = (position, body.floor)
        self._take(stream, body.number, body.at, body.text, late=late)

    def _raise_floors(self) -> list[Stream]:
        """What is below the floor of a line is settled for its sender, but we may still have to take it out of the
        log: a floor counts when we have all up to that line, and have it on disk."""
        due = self._due_floors()
        for stream, floor in due:
            del self._floors[stream.key]
            stream.inbox.raise_floor(floor)
        return [stream for stream, _ in due]

    def _due_floors(self) -> list[tuple[Stream, int]]:
        cursor = self._channel.cursor
        assert cursor is not None
        return [
            (self._streams[key], floor)
            for key, (position, floor) in self._floors.items()
            if position <= cursor
        ]

    def _take(
        self, stream: Stream, number: int, at_ms: int, text: str, *, late: bool, by_courier: bool = False
    ) -> None:
        if stream.inbox.admit(number) is not Admission.NEW:
            if by_courier and stream.talk is not None:
                stream.talk.courier.reject(number)  # settled by what came behind it in the same datagram
            return
        if number not in stream.texts:
            stream.texts[number] = (at_ms, text, late)
            is_behind = number < stream.highest
            if is_behind:
                stream.behind.add(number)
            self._out.records.append(IncomingAdded(stream.key, number, at_ms, text, late, is_behind))
        self._written.append((stream, number, by_courier))

    def _release(self, stream: Stream, now: float) -> None:
        self._remember_floor(stream, stream.inbox.floor)
        for number in stream.inbox.ready(now):
            line = stream.line(number)
            if line is None:
                continue
            if number > stream.highest:
                stream.highest = number
            elif number not in stream.behind:  # overtaken while it was on its way to the disk
                self._out.records += stream.overtaken([number])
            if line.identity in self._contacts.ignored:
                self.line_shown(line)
            elif line.late is not None or self._home.holds_back(line):
                self._home.gather(line)
            else:
                self._out.events.append(line)
        if stream.inbox.held_count:
            self._holding[stream.key] = stream
        else:
            self._holding.pop(stream.key, None)

    def _remember_floor(self, stream: Stream, floor: int) -> None:
        if floor <= stream.floor:
            return
        stream.floor = floor
        stream.rises += 1
        if stream.rises % RISES_A_RECORD == 1:
            self._out.records.append(FloorRaised(stream.key, stream.floor))

    def _move_cursor(self) -> None:
        assert self._channel.cursor is not None
        self._out.records.append(CursorMoved(self._channel.cursor))
        for stream, floor in self._due_floors():
            self._remember_floor(stream, floor)

    def _name(self, identity: bytes) -> str:
        contact = self._contacts.by_identity(identity)
        return contact.name if contact is not None else "somebody unknown"
