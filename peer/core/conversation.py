"""The conversation with one person: our unsettled messages, their messages, and the delivery stream
between us."""

import enum
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from chatapp.peer.api import conversations
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.trace import Raw, unpacked
from chatapp.peer.core.records import DEAD, FINAL, Related, StoredOutgoing, StoredStream
from chatapp.wire.codec import encode, encode_said
from chatapp.wire.delivery.dedup import Inbox, Shown
from chatapp.wire.delivery.parts import NO_SYNC, Acknowledged, SyncMark
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.stream import ReliableStream, Shared
from chatapp.wire.errors import TextTooLong
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.direct import PROVISIONAL, DirectBody, Relation

CLOCKS_DIFFER: Final = 1.0
"""The registry's clock counts anew when it is further ahead of ours than before by more than so
many seconds."""


SKIPPED_MAX: Final = 1 << 32
"""A stream whose beginning only one reader has told skips up to so many numbers, at random. Other
readers, and the registry, may have higher ones, of a state of our folder that was lost: used again,
these would be taken for repeats. An hour of microseconds."""


class DeliveryPath(enum.Enum):
    """The rung of the ladder on which a message of ours stands."""

    WAITING = "no way was open, or none was tried yet"
    STRAIGHT = "being sent by UDP"
    RELAYED = "being sent by UDP and through the registry"
    MAIL = "queued as sealed mail for the registry"
    LINE = "a group's line on its way to one member, which is on no ladder: see `peer.core.rooms.membership`"


class Message(msgspec.Struct, eq=False):
    """A message of ours that is not final yet."""

    number: int
    at_ms: int
    text: str
    since: int
    """The first of the numbers right before this one that were never used; its own number if there
    are none."""
    state: MessageState = MessageState.UNSETTLED
    path: DeliveryPath = DeliveryPath.WAITING
    deadline: float | None = None
    """When the present rung gives up, for rungs whose timeout is not the delivery stream's."""
    reference: int | None = None
    """The reference of its letter on the way to the registry."""
    steps: tuple[Raw, ...] = ()
    """Its delivery trace so far."""
    id: int = 0
    """Its id in our history; 0 for a line of a group on its way to one member."""
    is_again: bool = False
    """Whether it is delivered, and is given again because its recipient may have lost it. Nobody is
    told of that."""
    may_be_lost: bool = False
    """Whether it is saved, and the registry was started again since, perhaps from a backup made
    before."""
    related: Related | None = None
    """What it is to another message."""
    has_left: bool = False
    """Whether anything was sent for it, if only a question for its number."""

    @property
    def may_be_known(self) -> bool:
        """Whether anybody else may have it: nobody has a message under a provisional number."""
        return self.has_left and self.is_numbered

    @property
    def relation(self) -> Relation:
        """What it says of that."""
        return None if self.related is None else self.related.sent

    @property
    def is_numbered(self) -> bool:
        """Whether it has the number under which it is sent, not a provisional one."""
        return self.number < PROVISIONAL

    @property
    def body(self) -> bytes:
        """What the recipient decodes (clause 6.1). Under a provisional number nothing is sent but a
        question."""
        if not self.is_numbered:
            return b""
        return encode_said(DirectBody(self.at_ms, self.text, self.relation))


class SentMessage(msgspec.Struct, frozen=True, gc=False):
    """A message of ours: its conversation, with the recipient's name as its owner writes it, the
    id in our history, and the number in our stream to the recipient."""

    conversation: conversations.Conversation
    id: int
    number: int


def check_length(text: str) -> None:
    """Check the length of a text. Raises TextTooLong for more than TEXT_MAX bytes of UTF-8,
    UnicodeEncodeError for lone surrogates."""
    size = len(text.encode())
    if size > TEXT_MAX:
        raise TextTooLong(size, TEXT_MAX)


class ControlMessage(Message, eq=False):
    """A group's line that uses a number of our direct stream: never mail, and settled without an
    event."""

    carried: bytes = b""

    @property
    def body(self) -> bytes:
        """What the recipient decodes (clause 6.9)."""
        return self.carried if self.is_numbered else b""


def bodies_of(messages: Iterable[Message]) -> list[tuple[int, bytes]]:
    """Return the numbers and bodies of messages. Mostly these are plain messages with numbers, and
    no call is made for one but that of the encoder."""
    return [
        (
            message.number,
            encode((message.at_ms, message.text))
            if type(message) is Message and message.number < PROVISIONAL and message.related is None
            else message.body,
        )
        for message in messages
    ]


SPANS_MAX: Final = 8
"""Syncs of one recipient that are told apart; more are taken together."""


class Unsynced:
    """Which messages to one recipient are delivered, but may not survive a power cut there: a span
    [first, end) of numbers for each sync of its disk that it has named. Of the numbers in a span,
    only those of delivered messages count.

    They are in our own history, so nothing more is kept of them. Those that the recipient may have
    lost are `lost` until they are given again: its program was started again, in another life, or
    ours was."""

    __slots__ = ("_heard", "_spans", "first", "lost")

    def __init__(self, first: int | None, end: int) -> None:
        """`first`: of the delivered messages below `end` of which an earlier life of ours did not
        hear; None for none."""
        self._heard = NO_SYNC
        self._spans: dict[SyncMark, tuple[int, int]] = {}
        self.lost: tuple[int, int] | None = None if first is None else (first, end)
        self.first = first
        """The lowest number in any span, those of lost messages as well; None if there is none."""

    @property
    def spans(self) -> list[tuple[int, int]]:
        """All spans, those of lost messages as well."""
        return (
            [*self._spans.values(), self.lost] if self.lost is not None else [*self._spans.values()]
        )

    def note(self, mark: SyncMark, first: int, end: int) -> None:
        """Note that messages in [first, end) are delivered, and survive once the recipient's disk
        has done this sync."""
        if mark.life != self._heard.life:
            self._hear_of(mark.life)
        if mark.number <= self._heard.number:
            return
        if self.first is None or first < self.first:
            self.first = first
        span = self._spans.get(mark)
        if span is not None:
            self._spans[mark] = (min(first, span[0]), max(end, span[1]))
            return
        self._spans[mark] = (first, end)
        if len(self._spans) > SPANS_MAX:
            one, other, *_ = sorted(self._spans)
            self.note(other, *self._spans.pop(one))

    def reported(self, mark: SyncMark) -> None:
        """Note that the recipient's disk has done this sync."""
        if mark.life != self._heard.life:
            self._hear_of(mark.life)
        if mark.number > self._heard.number:
            self._heard = mark
            for done in [other for other in self._spans if other.number <= mark.number]:
                del self._spans[done]
            self._find_first()

    def lose(self) -> None:
        """Note that the recipient's program was started again: it may have lost all these
        messages."""
        if self._spans:
            spans = self.spans
            self._spans.clear()
            self.lost = (min(first for first, _ in spans), max(end for _, end in spans))

    def found(self, *, below: int | None) -> None:
        """Note that the lost messages below this number are given again; None: all of them."""
        if self.lost is not None:
            self.lost = None if below is None else (below, self.lost[1])
            self._find_first()

    def _hear_of(self, life: int) -> None:
        self.lose()
        self._heard = SyncMark(life, 0)

    def _find_first(self) -> None:
        self.first = min([first for first, _ in self.spans], default=None)


class OutgoingStream:
    """Our stream to one recipient: numbers that only rise, and the messages that are not final, in
    order.

    Until a clock other than ours, or the recipient, has shown that our numbers are above all that
    an earlier life used, messages have provisional numbers, which are above all others and never
    sent.
    """

    __slots__ = (
        "_ahead",
        "_gaps",
        "_known",
        "_last",
        "_last_provisional",
        "_numbered",
        "_skip",
        "again",
        "has_provisional",
        "idle",
        "messages",
        "unsynced",
    )

    def __init__(self, stored: StoredStream) -> None:
        self._last = stored.last_sent
        self._last_provisional = max(PROVISIONAL, stored.last_provisional)
        self._known: int | None = None
        """What the recipient told: all numbers of ours that it knows are below this one."""
        self._skip = 0
        """How many numbers to skip where only the recipient has told where ours begin."""
        self._ahead: float | None = None
        """How far the registry's clock was ahead when a number of this run was last taken from the
        clock; None: never."""
        self._gaps = list(stored.gaps)
        self._numbered: dict[int, int] = {}
        """The numbers of messages of this run, by the provisional ones that they had."""
        self.unsynced: Final = Unsynced(stored.unsynced_from, stored.last_sent + 1)
        self.again: Final[set[int]] = set()
        """Numbers of the messages that are being given again."""
        skipped = {end: start for start, end in stored.gaps}
        self.messages: dict[int, Message] = {
            one.number: Message(
                one.number,
                one.at_ms,
                one.text,
                skipped.get(one.number, one.number),
                one.state,
                id=one.id,
                related=one.related,
                has_left=True,
            )
            for one in stored.outgoing
        }
        for one in stored.outgoing:
            self.messages[one.number].steps = unpacked(one.trace, one.at_ms)
        self.has_provisional = any(not message.is_numbered for message in self.messages.values())
        """Whether messages wait for their numbers."""
        self.idle: dict[int, Message] = dict(self.messages)
        """The messages on the rung WAITING, so that nobody searches all messages for those to
        begin."""

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self.messages.values()))

    def add(
        self,
        text: str,
        *,
        wall: float,
        ahead: float | None = 0.0,
        id_: int = 0,
        related: Related | None = None,
    ) -> Message:
        """Begin the next message. `ahead`: seconds by which the registry's clock is ahead of ours;
        None: not known yet. `id_`: of the line in our history."""
        if ahead is None or self._ahead is None or ahead > self._ahead + CLOCKS_DIFFER:
            since, number = self._next(wall, ahead)
        else:  # as `_next` says, without a call
            since = number = self._last = self._last + 1
        if related is not None:
            related = related.moved(self._numbered)
        message = Message(number, int(wall * 1_000), text, since, id=id_, related=related)
        self.messages[number] = self.idle[number] = message
        return message

    def carry(self, body: bytes, *, wall: float, ahead: float | None = 0.0) -> Message:
        """Use the next number for a group's line."""
        since, number = self._next(wall, ahead)
        message = self.messages[number] = ControlMessage(
            number, 0, "", since, path=DeliveryPath.LINE, carried=body
        )
        return message

    def learn(self, known: int, *, skip: int = 0) -> None:
        """Note that the recipient knows no number of ours from this one on. `skip`: how many more
        not to use; see SKIPPED_MAX."""
        if self._known is None:
            self._known, self._skip = known, skip

    def number(self, *, wall: float, ahead: float | None) -> dict[int, int]:
        """Number the messages that wait for it, if it is known by now where our numbers begin.
        Return the new numbers by the provisional ones, which may change because they were never
        sent: the message is known nowhere else."""
        if not self.has_provisional or (ahead is None and self._known is None):
            return {}
        waiting = [message for message in self.messages.values() if not message.is_numbered]
        self.has_provisional = False
        for message in waiting:
            del self.messages[message.number]
            self.idle.pop(message.number, None)
        numbers = {}
        for message in waiting:
            provisional = message.number
            message.since, message.number = self._next(wall, ahead)
            self.messages[message.number] = message
            self.move(message, DeliveryPath.WAITING)
            numbers[provisional] = message.number
        self._numbered |= numbers
        for message in waiting:
            if message.related is not None:
                message.related = message.related.moved(numbers)
        return numbers

    def _next(self, wall: float, ahead: float | None) -> tuple[int, int]:
        """Return the first number that is skipped, and the next number; both are the same if none
        is skipped.

        The first number of a program's life is taken from the clock (microseconds) when that is
        higher, so that a store that lost its newest records never gives one number twice (clause
        6.2). Our own clock may have been set back with the store: so the registry's clock counts as
        well, and what the recipient knows. Before either is heard, the number is provisional."""
        if ahead is None and self._known is None:
            self.has_provisional = True
            self._last_provisional += 1
            return self._last_provisional, self._last_provisional
        since = number = self._last + 1
        skip = self._skip if ahead is None else 0
        ahead = ahead or 0.0
        if self._ahead is None or ahead > self._ahead + CLOCKS_DIFFER:
            self._ahead = ahead
            number = max(number, self._known or 0, int((wall + ahead) * 1_000_000)) + skip
            self._gap(since, number)
        self._last = number
        return since, number

    def in_order(self) -> list[Message]:
        """Return the messages on the rung WAITING, by number."""
        idle = self.idle
        return [idle[number] for number in sorted(idle)] if idle else []

    def move_idle(self, path: DeliveryPath, deadline: float | None) -> None:
        """Put all messages on the rung WAITING on another one."""
        idle, self.idle = self.idle, {}
        for message in idle.values():
            message.path, message.deadline, message.has_left = path, deadline, True

    def give_again(self, found: Sequence[StoredOutgoing], *, is_all: bool) -> None:
        """Put these delivered messages, of those that are lost, on the rung WAITING once more.
        `is_all`: there are no others."""
        self.unsynced.found(below=found[-1].number + 1 if found and not is_all else None)
        for one in found:
            if one.number not in self.messages:
                message = Message(
                    one.number,
                    one.at_ms,
                    one.text,
                    one.number,
                    MessageState.KEPT,
                    id=one.id,
                    is_again=True,
                    related=one.related,
                    has_left=True,
                )
                self.messages[one.number] = self.idle[one.number] = message
                self.again.add(one.number)
        self.messages = dict(sorted(self.messages.items()))

    def deliver(self, answers: Iterable[Acknowledged]) -> list[tuple[Acknowledged, Message]]:
        """Forget the messages that their recipient has stored. Return each with its answer, but
        those that are forgotten already."""
        messages, idle = self.messages, self.idle
        delivered = [
            (answer, messages.pop(answer.number)) for answer in answers if answer.number in messages
        ]
        waiting = DeliveryPath.WAITING
        for answer, message in delivered:
            if idle:
                idle.pop(answer.number, None)
            message.path, message.deadline = waiting, None
        return delivered

    def move(self, message: Message, path: DeliveryPath, deadline: float | None = None) -> None:
        """Put the message on another rung."""
        message.path, message.deadline = path, deadline
        if path is not DeliveryPath.WAITING:
            message.has_left = True
            self.idle.pop(message.number, None)
        elif message.number in self.messages:
            self.idle[message.number] = message

    def settle(self, message: Message, state: MessageState) -> None:
        """Change the message's state, and forget it if the state is final."""
        message.state = state
        if state in FINAL:
            message.path, message.deadline = DeliveryPath.WAITING, None
            self.messages.pop(message.number, None)
            self.idle.pop(message.number, None)
        if state in DEAD and message.is_numbered:
            self._gap(message.number, message.number + 1)

    @property
    def last(self) -> int:
        """The highest number that was used."""
        return self._last

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Spans of numbers above the floor that will never come: skipped at a start, or refused
        (clause 6.3)."""
        if self._gaps:
            floor = self.floor
            self._gaps = [span for span in self._gaps if span[1] > floor]
        return self._gaps

    def since(self, message: Message) -> int:
        """Return the number after the last unsettled one before `message`; the floor if there is
        none."""
        earlier = [number + 1 for number in self.messages if number < message.number]
        earlier += [
            min(end, message.number) for first, end in self.unsynced.spans if first < message.number
        ]
        return max(earlier, default=self.floor)

    def _gap(self, start: int, end: int) -> None:
        if start < end and (self.messages or self.unsynced.first is not None):
            self._gaps = _merged([*self._gaps, (start, end)])

    @property
    def floor(self) -> int:
        """The lowest number that is not final, or that its recipient may lose (clause 6.3)."""
        first, unsynced = next(iter(self.messages), PROVISIONAL), self.unsynced.first
        if first >= PROVISIONAL:
            first = self._last + 1
        return first if unsynced is None or first < unsynced else unsynced


Texts = dict[int, tuple[int, str, bool, int, Related | None]]
"""Messages that are not shown yet, by number: (time in ms, text, whether it came late, id, what it
is to another one)."""


def unshown_texts(stored: StoredStream) -> Texts:
    """Return what an earlier run stored and did not show."""
    return {one.number: (one.at_ms, one.text, True, one.id, one.related) for one in stored.unshown}


class Marks:
    """How far we have told a person that the user has seen what they said, and they us (clause
    6.15)."""

    __slots__ = (
        "given",
        "got",
        "is_mutual",
        "is_offered",
        "reported_at",
        "tell_at",
        "times_told",
        "told_at",
    )

    def __init__(self, stored: StoredStream) -> None:
        self.given = stored.mark_given
        """The newest number of theirs that the user has seen."""
        self.got = stored.mark_got
        """The newest number of ours that they have seen."""
        self.is_offered = False
        """Whether they were told in this session that we give marks."""
        self.is_mutual = False
        """Whether they have told us the same."""
        self.tell_at = self.told_at = self.reported_at = float("-inf")
        """When to tell them next, when they were told, and when an event told of theirs."""
        self.times_told = 0
        """How often they were told the newest one."""


class Conversation:
    """Our stream to one person, and theirs to us."""

    __slots__ = ("delivery", "marks", "outgoing", "texts")

    def __init__(
        self,
        stored: StoredStream,
        policy: Policy,
        rng: random.Random,
        *,
        network: Callable[[], str] = lambda: "",
        shared: Shared | None = None,
    ) -> None:
        """`network`, `shared`: see `ReliableStream`."""
        self.outgoing = OutgoingStream(stored)
        self.marks: Final = Marks(stored)
        self.delivery = ReliableStream(
            policy,
            rng=rng,
            inbox=make_inbox(stored, policy),
            network=network,
            shared=shared,
        )
        self.texts = unshown_texts(stored)
        """Messages to us that are not shown yet."""

    def tell_floor(self) -> None:
        """Let the delivery stream tell the recipient which numbers not to wait for (clause 6.3)."""
        self.delivery.set_floor(self.outgoing.floor)
        self.delivery.set_gaps(self.outgoing.gaps)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same numbers in as few spans [start, end) as possible: a datagram can carry
    few."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def make_inbox(stored: StoredStream, policy: Policy) -> Inbox:
    """Return the inbox as the stored records describe it."""
    unshown = [message.number for message in stored.unshown]
    return Inbox(
        policy,
        floor=stored.floor,
        seen=stored.seen,
        gone=stored.gone,
        shown=Shown(stored.shown, unshown),
        holes=stored.holes,
    )
