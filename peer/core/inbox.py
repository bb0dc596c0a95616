"""Messages to us from where they are stored to where they are shown: each once, in its sender's order.

It knows one stream a sender and group; only when a record is on disk is anything acknowledged or shown.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final

from chatapp.peer.core.catch_up import CatchUp
from chatapp.peer.core.context import Outputs
from chatapp.peer.core.events import AuthorDoubt, ChannelReceived, DirectReceived, Line, RoomReceived
from chatapp.peer.core.people.contact import Contact
from chatapp.peer.core.people.conversation import Conversation
from chatapp.peer.core.records import (
    FloorRaised,
    IncomingAdded,
    Overtaken,
    Record,
    Shown,
    ShownBehind,
    StoredStream,
    group_mark,
)
from chatapp.peer.core.rooms.group import Group
from chatapp.wire.delivery.dedup import Admission, Inbox
from chatapp.wire.limits import HELD_TEXTS_MAX
from chatapp.wire.messages.rooms import CHANNEL, ROOM_SIGN

RISES_A_RECORD: Final = 32
"""The floor is stored each so many rises. A lower one on disk loses nothing: the numbers above it are stored themselves."""

Texts = dict[int, tuple[int, str, bool]]


@dataclass(slots=True, eq=False)
class Stream:
    """One sender's messages to us, or to a group."""

    key: bytes
    contact: Contact
    inbox: Inbox
    texts: Texts
    conversation: Conversation | None = None
    """The conversation, for direct messages."""
    group: Group | None = None
    """The group, for its lines."""
    floor: int = 0
    rises: int = 0
    highest: int = 0
    """The highest number given out to be shown, or shown in an earlier life."""
    shown: int = 0
    """The highest number that was shown."""
    behind: set[int] = field(default_factory=set)
    """Stored numbers below it, on disk marked as such, that are not known to be shown."""
    size: int = 0
    """The length of all texts together."""
    held: int = 0
    """The same while some of them wait for an earlier one, as it was counted last; else 0."""

    doubt: AuthorDoubt | None = None
    """Of the author of direct messages whose key no row has told us."""

    def line(self, number: int) -> Line | None:
        """What to show for a number that is ready."""
        text = self.texts.pop(number, None)
        if text is None:
            return None
        at_ms, words, is_late = text
        self.size -= len(words)
        name, identity, at = self.contact.row.card.name, self.contact.identity, at_ms / 1_000
        late = at if is_late else None
        if self.group is None:
            return DirectReceived(
                sender=name,
                identity=identity,
                number=number,
                text=words,
                at=at,
                late=late,
                doubt=self.doubt,
            )
        if not self.group.room:
            return ChannelReceived(
                sender=name, identity=identity, number=number, text=words, at=at, late=late
            )
        return RoomReceived(
            room=self.group.room,
            sender=name,
            identity=identity,
            number=number,
            text=words,
            at=at,
            late=late,
        )

    def overtaken_by(self, number: int) -> list[Record]:
        """What is to be noted before `number` counts as shown: those below it that are still being stored."""
        return self.overtaken([other for other in self.texts if other < number and other not in self.behind])

    def overtaken(self, numbers: list[int]) -> list[Record]:
        """A later one is shown before these."""
        self.behind.update(numbers)
        return [Overtaken(self.key, number) for number in numbers]


def restored(
    key: bytes,
    contact: Contact,
    inbox: Inbox,
    texts: Texts,
    stored: StoredStream,
    *,
    conversation: Conversation | None = None,
    group: Group | None = None,
) -> Stream:
    """A stream as an earlier life of this program left it."""
    return Stream(
        key,
        contact,
        inbox,
        texts,
        conversation,
        group,
        floor=stored.floor,
        highest=stored.shown,
        shown=stored.shown,
        behind={one.number for one in stored.unshown if one.behind},
        size=sum(len(text) for _, text, _ in texts.values()),
    )


class Streams:
    """All streams to us that were needed yet."""

    def __init__(self, catch_up: CatchUp, outputs: Outputs, ignored: Set[bytes]) -> None:
        """`ignored`: identities whose lines count as shown and are not shown; it may change at any time."""
        self._catch_up = catch_up
        self._out = outputs
        self._ignored = ignored
        self._streams: dict[bytes, Stream] = {}
        self._holding: dict[bytes, Stream] = {}
        """Those with messages that wait for an earlier one: only they have deadlines."""
        self._held = 0
        """The length of the texts of those, together."""
        self._is_relieving = False
        self._written: list[tuple[Stream, int, bool]] = []
        """Records handed out but not known to be stored: (stream, number, whether to acknowledge by stream)."""
        self._marks: dict[bytes, int] = {}
        self._marks_behind: list[Record] = []

    def __contains__(self, key: bytes) -> bool:
        return key in self._streams

    def __getitem__(self, key: bytes) -> Stream:
        return self._streams[key]

    def add(self, stream: Stream) -> None:
        """One that is needed now."""
        self._streams[stream.key] = stream

    def take(
        self, stream: Stream, number: int, at_ms: int, text: str, *, late: bool, is_direct: bool = False
    ) -> None:
        """A message that came; one that came before changes nothing."""
        if stream.inbox.admit(number) is not Admission.NEW:
            if is_direct and stream.conversation is not None:
                stream.conversation.delivery.reject(
                    number
                )  # settled by what came behind it in the same datagram
            return
        if number not in stream.texts:
            stream.texts[number] = (at_ms, text, late)
            stream.size += len(text)
            is_behind = number < stream.highest
            if is_behind:
                stream.behind.add(number)
            self._out.records.append(IncomingAdded(stream.key, number, at_ms, text, late, is_behind))
        if not is_direct:
            stream.inbox.storing_aside.add(number)
        self._written.append((stream, number, is_direct))

    def take_silently(self, stream: Stream, number: int) -> bool:
        """A number of a direct stream behind which is nothing to show there. False: it came before, or there is no
        room for it."""
        if stream.inbox.admit(number) is not Admission.NEW:
            if stream.conversation is not None:
                stream.conversation.delivery.reject(number)
            return False
        self._written.append((stream, number, True))
        return True

    def stored(self, *, now: float) -> dict[bytes, Stream]:
        """All records handed out so far are on disk: acknowledge; returns what may have something to show."""
        written, self._written = self._written, []
        touched: dict[bytes, Stream] = {}
        for stream, number, is_direct in written:
            if is_direct and stream.conversation is not None:
                stream.conversation.delivery.confirm(number, now=now)
            else:
                stream.inbox.store(number, now)
                stream.inbox.storing_aside.discard(number)
            touched[stream.key] = stream
        return touched

    def release(self, stream: Stream, now: float) -> None:
        """Show what is ready. When too much waits for earlier messages, those of the sender of most of it wait no longer."""
        self.remember_floor(stream, stream.inbox.floor)
        for number in stream.inbox.ready(now):
            line = stream.line(number)
            if line is None:
                continue
            if number > stream.highest:
                stream.highest = number
            elif number not in stream.behind:  # overtaken while it was on its way to the disk
                self._out.records += stream.overtaken([number])
            if line.identity in self._ignored:
                self.line_shown(line)
            elif line.late is not None or self._catch_up.holds_back(line):
                self._catch_up.gather(line)
            else:
                self._out.events.append(line)
        before = stream.held
        if stream.inbox.held_count:
            self._holding[stream.key] = stream
            stream.held = stream.size
        else:
            self._holding.pop(stream.key, None)
            stream.held = 0
        self._held += stream.held - before
        if self._held > HELD_TEXTS_MAX and not self._is_relieving:
            self._is_relieving = True
            while self._held > HELD_TEXTS_MAX:
                heaviest = max(self._holding.values(), key=lambda holding: holding.held)
                heaviest.inbox.skip_holes()
                self.release(heaviest, now)
            self._is_relieving = False

    def remember_floor(self, stream: Stream, floor: int) -> None:
        """Store it, now and then."""
        if floor <= stream.floor:
            return
        stream.floor = floor
        stream.rises += 1
        if stream.rises % RISES_A_RECORD == 1:
            self._out.records.append(FloorRaised(stream.key, stream.floor))

    def handle_timer(self, *, now: float) -> None:
        """Show what waited long enough for an earlier message."""
        for stream in list(self._holding.values()):
            due = stream.inbox.next_timer()
            if (due is not None and now >= due) or stream.inbox.has_ready:
                self.release(stream, now)
        self._catch_up.release()

    def next_timer(self) -> float | None:
        """When the next message has waited long enough."""
        dues = [due for stream in self._holding.values() if (due := stream.inbox.next_timer()) is not None]
        return min(dues, default=None)

    def line_shown(self, line: Line) -> None:
        """Somebody has seen it; it is not shown again after a restart."""
        key, number = stream_of(line), line.number
        stream = self._streams.get(key)
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


def stream_of(line: Line) -> bytes:
    """The name of the stream in the records."""
    match line:
        case DirectReceived(identity=identity):
            return identity
        case ChannelReceived(identity=identity):
            return group_mark(CHANNEL) + identity
        case RoomReceived(room=room, identity=identity):
            return group_mark(ROOM_SIGN + room) + identity
