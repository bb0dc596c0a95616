"""What is under way with one person: our unsettled messages, theirs, and who is owed what.

It ties a stream (reliable delivery over datagrams) to the two streams; paths and lines are others' business.
"""

import enum
import random
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from chatapp.peer.core.records import DEAD, FINAL, MessageState, StoredStream
from chatapp.peer.core.trace import Raw, unpacked
from chatapp.wire.codec import encode
from chatapp.wire.delivery.dedup import Inbox
from chatapp.wire.delivery.parts import PartBuffer
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.stream import ReliableStream
from chatapp.wire.messages.direct import PROVISIONAL, DirectBody

CLOCKS_DIFFER: Final = 1.0
"""Seconds by which the registry's clock has to be further ahead than before to be taken notice of."""


class DeliveryPath(enum.Enum):
    """Where on the ladder one of our messages stands now."""

    WAITING = "no way was open, or none was tried yet"
    STRAIGHT = "being sent by UDP"
    RELAYED = "being sent by UDP and through the registry"
    MAIL = "to be left with the registry as a letter"
    LINE = (
        "a group's line on its way to one member, which is on no ladder: see `peer.core.rooms.direct_fanout`"
    )


class Message(msgspec.Struct, eq=False):
    """One of our own messages that is not settled for ever."""

    number: int
    at_ms: int
    text: str
    since: int
    """The first of the numbers right before this one that were never given."""
    state: MessageState = MessageState.UNSETTLED
    path: DeliveryPath = DeliveryPath.WAITING
    deadline: float | None = None
    """When the present rung gives up by itself, for rungs that have no stream behind them."""
    reference: int | None = None
    """Of the letter on its way to the registry."""
    steps: tuple[Raw, ...] = ()
    """How it went so far."""

    @property
    def is_numbered(self) -> bool:
        """Whether it has the number under which it is sent, not a provisional one."""
        return self.number < PROVISIONAL

    @property
    def body(self) -> bytes:
        """What the recipient decodes (clause 6.1). Under a provisional number nothing is sent but a question."""
        return encode(DirectBody(at=self.at_ms, text=self.text)) if self.is_numbered else b""


class ControlMessage(Message, eq=False):
    """A number of our stream to somebody that goes to a group's line: settled without a word, never mail."""

    carried: bytes = b""

    @property
    def body(self) -> bytes:
        """What the recipient decodes (clause 6.9)."""
        return self.carried if self.is_numbered else b""


class OutgoingStream:
    """Our stream to one recipient: numbers that rise for ever, and the messages not settled for ever, in order.

    Until a clock other than ours, or the recipient, has shown that our numbers are above all that an earlier life used,
    messages have provisional numbers, which are above all others and never sent.
    """

    __slots__ = (
        "_ahead",
        "_gaps",
        "_known",
        "_last",
        "_last_provisional",
        "has_provisional",
        "idle",
        "messages",
    )

    def __init__(self, stored: StoredStream) -> None:
        self._last = stored.last_sent
        self._last_provisional = max(PROVISIONAL, stored.last_provisional)
        self._known: int | None = None
        """What the recipient told: all numbers of ours that it knows are below this one."""
        self._ahead: float | None = None
        """How far the registry's clock was ahead when a number of this life was last taken from the clock; None: never."""
        self._gaps = list(stored.gaps)
        skipped = {end: start for start, end in stored.gaps}
        self.messages: dict[int, Message] = {
            one.number: Message(
                one.number, one.at_ms, one.text, skipped.get(one.number, one.number), one.state
            )
            for one in stored.outgoing
        }
        for one in stored.outgoing:
            self.messages[one.number].steps = unpacked(one.trace, one.at_ms)
        self.has_provisional = any(not message.is_numbered for message in self.messages.values())
        """Whether messages wait for their numbers."""
        self.idle: dict[int, Message] = dict(self.messages)
        """Those on the rung WAITING: what there is to begin, without looking through all that is on its way."""

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self.messages.values()))

    def add(self, text: str, *, wall: float, ahead: float | None = 0.0) -> Message:
        """The next message. `ahead`: seconds by which the registry's clock is ahead of ours, None while it is not known."""
        since, number = self._next(wall, ahead)
        message = Message(number, int(wall * 1_000), text, since)
        self.messages[number] = self.idle[number] = message
        return message

    def carry(self, body: bytes, *, wall: float, ahead: float | None = 0.0) -> Message:
        """The next number, for what is no message of ours to this recipient alone."""
        since, number = self._next(wall, ahead)
        message = self.messages[number] = ControlMessage(
            number, 0, "", since, path=DeliveryPath.LINE, carried=body
        )
        return message

    def learn(self, known: int) -> None:
        """Somebody who takes this stream has told that the numbers known there are below this one."""
        if self._known is None:
            self._known = known

    def number(self, *, wall: float, ahead: float | None) -> dict[int, int]:
        """Give the messages that wait for their numbers these, if it is known by now where they begin: the new ones by the
        provisional ones. Numbers that were never sent may be changed; the message is known nowhere else."""
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
        return numbers

    def _next(self, wall: float, ahead: float | None) -> tuple[int, int]:
        """The next number, and the first of those skipped before it. The first of a program's life is taken from the
        clock (microseconds) when that is higher, so that a store that lost its newest records never gives one number
        twice (clause 6.2). Our own clock may have been set back with them: so the registry's counts as well, and what the
        recipient knows; before either is heard, the number is provisional."""
        if ahead is None and self._known is None:
            self.has_provisional = True
            self._last_provisional += 1
            return self._last_provisional, self._last_provisional
        since = number = self._last + 1
        ahead = ahead or 0.0
        if self._ahead is None or ahead > self._ahead + CLOCKS_DIFFER:
            self._ahead = ahead
            number = max(number, self._known or 0, int((wall + ahead) * 1_000_000))
            self._gap(since, number)
        self._last = number
        return since, number

    def in_order(self) -> list[Message]:
        """Those on the rung WAITING, by their numbers."""
        idle = self.idle
        return list(idle.values()) if len(idle) < 2 else [idle[number] for number in sorted(idle)]

    def move(self, message: Message, path: DeliveryPath, deadline: float | None = None) -> None:
        """The message stands on another rung now."""
        message.path, message.deadline = path, deadline
        if path is not DeliveryPath.WAITING:
            self.idle.pop(message.number, None)
        elif message.number in self.messages:
            self.idle[message.number] = message

    def settle(self, message: Message, state: MessageState) -> None:
        """The message got further; a final one is forgotten here."""
        message.state = state
        if state in FINAL:
            message.path, message.deadline = DeliveryPath.WAITING, None
            self.messages.pop(message.number, None)
            self.idle.pop(message.number, None)
        if state in DEAD and message.is_numbered:
            self._gap(message.number, message.number + 1)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Spans above the floor that nobody need wait for: skipped at a start, or refused (clause 6.3)."""
        if self._gaps:
            floor = self.floor
            self._gaps = [span for span in self._gaps if span[1] > floor]
        return self._gaps

    def since(self, message: Message) -> int:
        """The first number after the last unsettled one before `message`."""
        earlier = [number for number in self.messages if number < message.number]
        return max(earlier) + 1 if earlier else self.floor

    def _gap(self, start: int, end: int) -> None:
        if start < end and self.messages:
            self._gaps = _merged([*self._gaps, (start, end)])

    @property
    def floor(self) -> int:
        """The lowest number not settled for ever (clause 6.3)."""
        first = next(iter(self.messages), PROVISIONAL)
        return first if first < PROVISIONAL else self._last + 1


class Conversation:
    """Both streams with one person."""

    __slots__ = ("delivery", "outgoing", "texts")

    def __init__(
        self,
        stored: StoredStream,
        policy: Policy,
        rng: random.Random,
        *,
        buffer: PartBuffer | None = None,
        network: Callable[[], str] = lambda: "",
    ) -> None:
        """`buffer` and `network`: see `ReliableStream`."""
        self.outgoing = OutgoingStream(stored)
        self.delivery = ReliableStream(
            policy, rng=rng, inbox=make_inbox(stored, policy), buffer=buffer, network=network
        )
        self.texts: dict[int, tuple[int, str, bool]] = {
            one.number: (one.at_ms, one.text, True) for one in stored.unshown
        }
        """Of messages to us that are not shown yet: (time in ms, text, whether it came late)."""

    def tell_floor(self) -> None:
        """The stream says from now on what the recipient need not wait for (clause 6.3)."""
        self.delivery.set_floor(self.outgoing.floor)
        self.delivery.set_gaps(self.outgoing.gaps)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few spans as can be, as a datagram names few of them; spans are [start, end)."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def make_inbox(stored: StoredStream, policy: Policy) -> Inbox:
    """The inbox as it was when the records were stored."""
    unshown = [one.number for one in stored.unshown]
    return Inbox(
        policy, floor=stored.floor, seen=stored.seen, gone=stored.gone, shown=stored.shown, unshown=unshown
    )
