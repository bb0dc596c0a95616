"""Incoming messages between the disk and the screen: each is shown once, in its sender's order.

There is one stream for each sender and group. A message is acknowledged and shown only when its
record is on disk.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Final, Protocol

from chatapp.peer.api.conversations import Conversation as Talk
from chatapp.peer.api.conversations import ConversationKind, person, room
from chatapp.peer.api.events import AuthorDoubt, LineEvent, MailReturned, Said
from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.context import Context
from chatapp.peer.core.conversation import Conversation, Texts
from chatapp.peer.core.records import (
    FloorRaised,
    IncomingAdded,
    Overtaken,
    Record,
    Related,
    Shown,
    ShownBehind,
    StoredStream,
    group_mark,
)
from chatapp.peer.core.relations import received, told
from chatapp.wire.codec import SaidBody
from chatapp.wire.delivery.dedup import Admission, Inbox
from chatapp.wire.limits import HELD_MESSAGE_COST, HELD_TEXTS_MAX, ROOM_SIGN, TEXTS_WAITING_MAX
from chatapp.wire.messages.direct import DirectBody
from chatapp.wire.messages.mail import TakeMail
from chatapp.wire.messages.rooms import CHANNEL

RISES_A_RECORD: Final = 32
NUMBERS_A_RECORD: Final = 1_024
"""The floor is stored once in so many rises, or when it has risen by so many numbers. A floor on
disk that lags costs a start the reading of the numbers above it, which are stored one by one."""

_stream_of: Final = attrgetter("conversation", "identity")


class LineGroup(Protocol):
    """What a stream knows of the group that its lines are for."""

    @property
    def conversation(self) -> Talk: ...

    cursor: int | None
    """Up to which position we have all lines of its log."""


@dataclass(slots=True, eq=False)
class Stream:
    """The messages of one sender to us, or to one group."""

    key: bytes
    contact: Contact
    inbox: Inbox
    texts: Texts
    conversation: Conversation | None = None
    """The conversation, for direct messages."""
    group: LineGroup | None = None
    """The group, for its lines."""
    floor: int = 0
    stored_floor: int = 0
    rises: int = 0
    highest: int = 0
    """The highest number handed out to be shown, in this run or an earlier one."""
    shown: int = 0
    """The highest number that was shown."""
    behind: set[int] = field(default_factory=set)
    """Stored numbers below `shown` that may not have been shown; they are marked on disk."""
    size: int = 0
    """The length of all texts together, in characters, and HELD_MESSAGE_COST for each."""
    held: int = 0
    """`size` as counted last while some texts wait for an earlier number; 0 while none waits."""

    doubt: AuthorDoubt | None = None
    """Why the author of direct messages may not be the person of that name."""

    def lines(self, numbers: list[int]) -> list[LineEvent]:
        """Return the lines to show for numbers that are ready; there is none for a number without a
        text."""
        texts = self.texts
        taken = [(number, *texts.pop(number)) for number in numbers if number in texts]
        self.size -= sum([len(text) for _, _, text, _, _, _ in taken]) + HELD_MESSAGE_COST * len(
            taken
        )
        contact, doubt = self.contact, self.doubt
        name, identity = contact.row.card.name, contact.identity
        group, is_claimed = self.group, doubt is not None
        talk = person(name, is_claimed=is_claimed) if group is None else group.conversation
        lines = [
            Said(
                conversation=talk,
                id=id_,
                sender=name,
                identity=identity,
                number=number,
                text=words,
                at=at_ms / 1_000,
                is_late=is_late,
                doubt=doubt,
            )
            for number, at_ms, words, is_late, id_, _ in taken
        ]
        if not [related for *_, related in taken if related is not None]:  # mostly
            return list[LineEvent](lines)
        return [
            line if related is None else told(line, related)
            for line, (*_, related) in zip(lines, taken, strict=True)
        ]

    def overtaken_by(self, number: int) -> list[Record]:
        """Return records that mark the numbers below `number` that are still being stored, before
        `number` counts as shown."""
        return self.overtaken(
            [other for other in self.texts if other < number and other not in self.behind]
        )

    def overtaken(self, numbers: list[int]) -> list[Record]:
        """Mark these numbers: a later one is shown before them."""
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
    group: LineGroup | None = None,
) -> Stream:
    """Return a stream as an earlier run of this program left it."""
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
        size=sum(len(text) + HELD_MESSAGE_COST for _, text, _, _, _ in texts.values()),
    )


class CatchUp:
    """Gathers the mail and lines that the registry sends after the link came up, until all of it is
    here."""

    def __init__(self, ctx: Context) -> None:
        self._out = ctx.out
        self.when_drained: Callable[[], None] = lambda: None
        """Called before what was missed is shown."""
        self._lines: list[LineEvent] = []
        self._size = 0
        """Their length in characters, and HELD_MESSAGE_COST for each."""
        self._to_take: list[int] = []
        self._taking: list[tuple[int, list[int]]] = []
        """Mail that is stored, with the sync after which the registry may drop it."""
        self._awaited: set[str] = set()
        """Groups whose missed lines are on their way."""
        self.is_mail_drained = True

    def begin(self) -> None:
        """Begin to wait for our mail: the link is up."""
        self.is_mail_drained = False

    def await_group(self, name: str) -> None:
        """Wait for the missed lines of this group as well."""
        self._awaited.add(name)

    def group_drained(self, name: str) -> None:
        """Stop waiting for a group: its missed lines are here, or will not come."""
        self._awaited.discard(name)

    def give_up(self) -> None:
        """Stop waiting, because the link is gone. The next `release` shows what is here."""
        self.is_mail_drained = True
        self._awaited.clear()
        self._to_take.clear()
        self._taking.clear()

    def gather(self, line: LineEvent) -> None:
        """Add a late line, to be shown with the others."""
        self._lines.append(line)
        self._size += len(line.text) + HELD_MESSAGE_COST

    @property
    def is_gathering(self) -> bool:
        """Whether any line is gathered."""
        return bool(self._lines)

    def holds_back(self, line: LineEvent) -> bool:
        """Return whether an earlier line of the same stream is still gathered: this line must not
        overtake it."""
        return any(other.stream == line.stream for other in self._lines)

    def awaits(self, name: str) -> bool:
        """Return whether missed lines of a group are still to come."""
        return name in self._awaited

    def count(self, name: str) -> int:
        """Return how many gathered lines are of this room."""
        return sum(line.conversation == room(name) for line in self._lines)

    def take_later(self, serial: int) -> None:
        """Tell the registry to drop this piece of mail once our own disk has it."""
        self._to_take.append(serial)

    def stored(self) -> None:
        """Have the mail of the batch synced: it is stored now. The registry has the only other copy
        of it."""
        if self._to_take:
            self._taking.append((self._out.syncs.covering, self._to_take))
            self._to_take = []
            self._out.wants_sync = True
            self.synced()

    def synced(self) -> None:
        """Let the registry drop the mail that is on our disk now, and send the next batch."""
        while self._taking and self._taking[0][0] <= self._out.syncs.done:
            _, serials = self._taking.pop(0)
            self._out.requests.append(TakeMail(serials=serials))

    def release(self) -> None:
        """Show the gathered lines if nothing more is awaited, or there are too many: letters that
        never end must not fill our memory."""
        if self.is_mail_drained and not self._awaited:
            self.when_drained()
        elif self._size <= TEXTS_WAITING_MAX:
            return
        if self._lines:
            lines, self._lines, self._size = self._lines, [], 0
            self._out.events.append(MailReturned(lines=tuple(in_order(lines))))


def in_order(lines: Sequence[LineEvent]) -> list[LineEvent]:
    """Return the lines oldest first, but each sender's lines in their own order: a sender's clock
    may have been set back."""
    newest: dict[object, float] = {}
    keyed = []
    for line in sorted(lines, key=lambda line: line.number):
        stream = line.stream
        newest[stream] = max(line.at, newest.get(stream, line.at))
        keyed.append((newest[stream], line))
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])]


class Streams(dict[bytes, Stream]):
    """All streams to us by their keys, each restored from disk when it is first needed."""

    def __init__(
        self, ctx: Context, *, stored: Mapping[bytes, StoredStream], ignored: Set[bytes]
    ) -> None:
        """`stored`: as it was at the start. `ignored`: identities whose lines count as shown but
        are not; the set may change at any time."""
        super().__init__()
        self.catch_up: Final = CatchUp(ctx)
        self.unused: Final = dict(stored)
        """What is stored of streams, ours as well, that nobody has needed yet; each part takes out
        its own."""
        self._out = ctx.out
        self._me: Final = ctx.me.identity.public
        self._ignored = ignored
        self._holding: dict[bytes, Stream] = {}
        """Streams with messages that wait for an earlier one; only these have deadlines."""
        self._held = 0
        """The `size` of those streams together."""
        self._is_relieving = False
        self.written: list[tuple[Stream, list[int], bool]] = []
        """Records handed out and not yet on disk: (stream, numbers, whether the delivery stream
        acknowledges)."""
        self._marks: dict[bytes, int] = {}
        self._marks_behind: list[Record] = []
        ctx.alarms.follow(self.next_timer, self.handle_timer)
        self.has_marks = False
        """Whether `marks` has anything to return."""

    def take(self, stream: Stream, number: int, said: SaidBody, *, late: bool) -> None:
        """Take a message that came through the registry, or a group's line. A repeat changes
        nothing. A message that an inbox has no room for is taken all the same: the registry drops
        what it has handed over, so nobody would send it again. What it costs has a bound: see
        HELD_TEXTS_MAX for those that wait, RANGES_MAX for their numbers."""
        if stream.inbox.admit(number) is not Admission.REPEAT:
            self._keep(stream, number, said, late=late)
            stream.inbox.storing_aside.add(number)
            self.written.append((stream, [number], False))

    def take_direct(self, stream: Stream, messages: Sequence[tuple[int, DirectBody]]) -> None:
        """Take messages that came by datagrams, by number, in the order in which they came. A
        repeat changes nothing."""
        inbox, taken = stream.inbox, [number for number, _ in messages]
        fresh_from = inbox.fresh_from  # does not change here: nothing is stored
        if taken and min(taken) >= fresh_from and stream.texts.keys().isdisjoint(taken):
            self._keep_new(stream, messages)
            self.written.append((stream, taken, True))
            return
        taken = []
        for number, said in messages:
            if number >= fresh_from or inbox.admit(number) is Admission.NEW:
                self._keep(stream, number, said, late=False)
                taken.append(number)
            elif stream.conversation is not None:
                stream.conversation.delivery.reject(number)  # a later frame has settled it
        if taken:
            self.written.append((stream, taken, True))

    def _keep(self, stream: Stream, number: int, said: SaidBody, *, late: bool) -> None:
        """Keep the text of a new message until it is shown, and have it stored."""
        if number not in stream.texts:
            id_, at_ms, text = self._out.new_id(), said.at, said.text
            related = self._related(stream.key, said)
            stream.texts[number] = (at_ms, text, late, id_, related)
            stream.size += len(text) + HELD_MESSAGE_COST
            is_behind = number < stream.highest
            if is_behind:
                stream.behind.add(number)
            self._out.records.append(
                IncomingAdded(stream.key, number, at_ms, text, late, is_behind, id_, related)
            )

    def _keep_new(self, stream: Stream, messages: Sequence[tuple[int, DirectBody]]) -> None:
        """As `_keep` for each of these direct messages. They are newer than all that were shown,
        and each came once."""
        key, new_id, related = stream.key, self._out.new_id, self._related
        texts: Texts = {
            number: (
                said.at,
                said.text,
                False,
                new_id(),
                None if said.relation is None else related(key, said),
            )
            for number, said in messages
        }
        stream.texts.update(texts)
        stream.size += sum(map(len, [said.text for _, said in messages])) + HELD_MESSAGE_COST * len(
            messages
        )
        self._out.records += [
            IncomingAdded(key, number, at_ms, text, late, False, id_, related)  # noqa: FBT003 - hot
            for number, (at_ms, text, late, id_, related) in texts.items()
        ]

    def _related(self, stream: bytes, said: SaidBody) -> Related | None:
        return received(said.relation, said.text, stream=stream, me=self._me)

    def take_silently(self, stream: Stream, number: int) -> bool:
        """Take a number of a direct stream that has nothing to show there, as it carries a group's
        line. Return False for a repeat, or when too much is held already."""
        if stream.inbox.admit(number) is not Admission.NEW:
            if stream.conversation is not None:
                stream.conversation.delivery.reject(number)
            return False
        self.written.append((stream, [number], True))
        return True

    def stored(self, *, now: float) -> dict[bytes, Stream]:
        """Acknowledge all messages whose records were handed out so far, now that these are on
        disk. Return the streams that may have something to show."""
        self._out.syncs.note_stored()
        written, self.written = self.written, []
        touched: dict[bytes, Stream] = {}
        for stream, numbers, is_direct in written:
            if is_direct and stream.conversation is not None:
                stream.conversation.delivery.confirm(numbers, now=now)
            else:
                stream.inbox.store_all(numbers, now)
                stream.inbox.storing_aside.difference_update(numbers)
            touched[stream.key] = stream
        return touched

    def release(self, stream: Stream, now: float) -> None:
        """Show what is ready. When too much text waits for earlier messages in all, the sender of
        most of it waits no longer, so a single sender cannot fill our memory."""
        self.remember_floor(stream, stream.inbox.floor)
        is_gathering = self.catch_up.is_gathering
        lines = stream.lines(stream.inbox.ready(now))
        numbers = [line.number for line in lines]
        if numbers and numbers[0] > stream.highest and numbers == sorted(numbers):  # mostly
            stream.highest = numbers[-1]
        else:
            for number in numbers:
                if number > stream.highest:
                    stream.highest = number
                elif (
                    number not in stream.behind
                ):  # a later number was shown while this one was being stored
                    self._out.records += stream.overtaken([number])
        if not (is_gathering or self._ignored or [line for line in lines if line.is_late]):
            self._out.events += lines
        else:
            self._show_some(lines, is_gathering=is_gathering)
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

    def _show_some(self, lines: Iterable[LineEvent], *, is_gathering: bool) -> None:
        """Show lines, but those that are ignored, or gathered for later."""
        for line in lines:
            if line.identity in self._ignored:
                self.lines_shown([line])
            elif line.is_late or (is_gathering and self.catch_up.holds_back(line)):
                self.catch_up.gather(line)
                is_gathering = True
            else:
                self._out.events.append(line)

    def remember_floor(self, stream: Stream, floor: int) -> None:
        """Raise the floor, and store it once in RISES_A_RECORD rises."""
        if floor <= stream.floor:
            return
        stream.floor = floor
        stream.rises += 1
        if stream.rises % RISES_A_RECORD == 1 or floor >= stream.stored_floor + NUMBERS_A_RECORD:
            stream.stored_floor = floor
            holes = stream.inbox.holes_below(floor)
            self._out.records.append(FloorRaised(stream.key, floor, holes))

    def handle_timer(self, *, now: float) -> None:
        """Show messages that have waited long enough for an earlier one."""
        for stream in list(self._holding.values()):
            due = stream.inbox.next_timer()
            if (due is not None and now >= due) or stream.inbox.has_ready:
                self.release(stream, now)
        self.catch_up.release()

    def next_timer(self) -> float | None:
        """Return when the next message will have waited long enough; 0.0 (at once) for messages
        that wait no longer, as a repeated letter has named a floor or a gap."""
        streams = self._holding.values()
        if any(stream.inbox.has_ready for stream in streams):
            return 0.0
        dues = [due for stream in streams if (due := stream.inbox.next_timer()) is not None]
        return min(dues, default=None)

    def lines_shown(self, lines: Iterable[LineEvent]) -> None:
        """Note that lines were shown, so that they are not shown again after a restart."""
        for (conversation, identity), run in groupby(lines, _stream_of):
            key = _key_of(conversation, identity)
            if key in self:
                self._numbers_shown(self[key], [line.number for line in run])

    def _numbers_shown(self, stream: Stream, numbers: list[int]) -> None:
        """Note that these lines of a stream were shown, in this order."""
        key, highest = stream.key, max(numbers)
        if not stream.behind and (
            not stream.texts or highest < min(stream.texts)
        ):  # mostly: in their order
            if highest > stream.shown:
                self._marks[key] = stream.shown = highest
                self.has_marks = True
            return
        for number in numbers:
            if number in stream.behind:
                stream.behind.discard(number)
                self._marks_behind.append(ShownBehind(key, number))
                self.has_marks = True
            if number > stream.shown:
                if stream.texts:
                    # The mark for `number` would also cover earlier numbers that are still being
                    # stored.
                    self._marks_behind += stream.overtaken_by(number)
                self._marks[key] = stream.shown = number
                self.has_marks = True

    def marks(self) -> list[Record]:
        """Return records, once, of how far each stream was shown: one record for many lines, unless
        some were behind."""
        self.has_marks = False
        marks, self._marks = self._marks, {}
        behind, self._marks_behind = self._marks_behind, []
        return behind + [Shown(stream, number) for stream, number in marks.items()]


def _key_of(conversation: Talk, identity: bytes) -> bytes:
    """Return the key in the records of somebody's stream in a conversation."""
    match conversation.kind:
        case ConversationKind.PERSON:
            return identity
        case ConversationKind.ROOM:
            return group_mark(ROOM_SIGN + conversation.name) + identity
        case _:
            return group_mark(CHANNEL) + identity
