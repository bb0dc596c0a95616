"""A group at our end, the channel or a room: our lines until the registry has them, and the place in the registry's log
up to which we have all.

It knows group keys and positions.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from chatapp.peer.core.context import Outputs
from chatapp.peer.core.people.conversation import Message, OutgoingStream
from chatapp.peer.core.records import (
    CursorMoved,
    LineAccepted,
    MessageState,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    StoredGroup,
    StoredStream,
    group_mark,
)
from chatapp.peer.core.trace import Raw, Stored
from chatapp.wire.codec import encode
from chatapp.wire.messages.direct import DirectGroupLine
from chatapp.wire.messages.rooms import CHANNEL, EpochKey, GroupBody, GroupGranted
from chatapp.wire.sealing import GroupKey, group_tag

KEYS_KEPT: Final = 8
"""Epochs whose keys are held: frames of the one before are still under way when a new one begins."""

CLOCK_MAX: Final = 3 * 2**30 * 1_000_000
"""Microseconds: no member can make us take its clock for later than the year 2072, as the numbers are for all members."""

GAP_TIMEOUT: Final = 1.0
"""Seconds after which a hole in the positions is asked for: our own line's answer may come behind others' lines."""


class Group:
    """One group as one member sees it."""

    def __init__(self, name: str, stored: StoredStream, place: StoredGroup, outputs: Outputs) -> None:
        self._out = outputs
        self._keys: OrderedDict[int, GroupKey] = OrderedDict()
        self._outgoing = OutgoingStream(stored)
        self._beyond: set[int] = set()
        self._in_flight: dict[tuple[int, int], Message] = {}
        self.name: Final = name
        self.mark: Final = group_mark(name)
        """Before the identity in the names of its members' streams; alone, the name of ours."""
        self.tag: Final = group_tag(name)
        self.cursor = place.cursor
        self.sender_index = 0
        self.gap_since: float | None = None
        self._newest = place.newest
        self._highest = -1
        """The newest position that we heard of; whatever lies between it and the cursor is missing."""

    @property
    def room(self) -> str:
        """The room's name as its maker wrote it; empty for the channel."""
        return "" if self.name == CHANNEL else self.name[1:]

    @property
    def can_seal(self) -> bool:
        """Whether the registry has given us a key and a number in it."""
        return self.sender_index > 0

    def grant(self, granted: GroupGranted) -> bool:
        """A key to seal with. True when there are lines that we have missed."""
        self.sender_index = granted.sender_index
        self._add_key(EpochKey(epoch=granted.epoch, key=granted.key))
        if self.cursor is None:
            self.cursor = (
                0  # the registry gives nobody what was said before they came: what was since, is ours
            )
        return granted.position > self.cursor

    def is_beyond(self, position: int) -> bool:
        """Whether our place in the log lies behind its newest line: the registry's disk was put back from a backup."""
        return self.cursor is not None and self.cursor > position

    def begin_log_anew(self) -> None:
        """Ask for the whole log from now on: its places are not those that we know. Lines that we have are recognised by
        their numbers."""
        self.cursor, self._newest, self._highest = 0, 0, -1
        self._beyond.clear()
        self._out.records += [CursorMoved(0, self.name), LineAccepted(0, self.name)]

    def begin_at(self, position: int, *, now: float) -> bool:
        """Lines up to this place of the log are not ours to read. True when the cursor moved."""
        if self.cursor is None:
            self.cursor = position
            return True
        return self.note_page(position, now=now)

    def revoke(self) -> None:
        """The link is gone: the number is no longer ours. Keys stay, they open what is still on its way."""
        self.sender_index = 0
        self.gap_since = None

    def key(self, epoch: int) -> GroupKey | None:
        """The key of an epoch, if we hold it."""
        return self._keys.get(epoch)

    def add(self, text: str, *, wall: float, ahead: float | None = 0.0) -> Message:
        """Begin a line. It is stored so that numbers rise though the clock is set back (clause 6.2)."""
        message = self._outgoing.add(text, wall=wall, ahead=ahead)
        self._out.records.append(OutgoingAdded(self.mark, message.number, message.at_ms, text))
        return message

    def number(self, known: int | None, *, wall: float, ahead: float | None) -> dict[int, int]:
        """Give the lines that wait for their numbers these, if it is known by now where they begin: the new ones by the
        provisional ones. `known`: what a member has told."""
        if known is not None:
            self._outgoing.learn(min(known, CLOCK_MAX))
        numbers = self._outgoing.number(wall=wall, ahead=ahead)
        self._out.records += [
            OutgoingMoved(self.mark, provisional, self.mark, number)
            for provisional, number in numbers.items()
        ]
        return numbers

    def seal(self, message: Message) -> bytes:
        """The line as a group frame under the newest key."""
        key = next(reversed(self._keys.values()))
        body = GroupBody(
            number=message.number, floor=self._outgoing.floor, at=message.at_ms, text=message.text
        )
        counter = key.next_counter
        self._in_flight[(key.epoch, counter)] = message
        return key.seal(self.sender_index, encode(body))

    def is_behind_a_gap(self, message: Message) -> bool:
        """Whether numbers between our oldest line that the registry has not taken and this one were never given. A line
        in the log tells of no such gap, only of the floor: hearers of both would wait in vain for what is in between."""
        return any(start < message.number for start, _ in self._outgoing.gaps)

    def answered(self, epoch: int, counter: int) -> Message | None:
        """The registry spoke of this line; None when it is none of ours."""
        return self._in_flight.pop((epoch, counter), None)

    def fanout(self, message: Message) -> bytes:
        """The line as one member is told of it without the registry (clause 6.9)."""
        line = DirectGroupLine(
            group=self.name,
            number=message.number,
            since=message.since,
            floor=self._outgoing.floor,
            position=self._newest,
            at=message.at_ms,
            text=message.text,
        )
        return encode(line)

    def accepted(self, message: Message, position: int, trace: Stored = None) -> None:
        """The registry has the line in its log."""
        if position > self._newest:
            self._newest = position
            self._out.records.append(LineAccepted(position, self.name))
        self._close(message, MessageState.DELIVERED, trace)

    def keep(self, message: Message, trace: Stored = None) -> None:
        """The registry does not answer: the line waits for its return, on disk."""
        self._outgoing.settle(message, MessageState.KEPT)
        self._out.records.append(OutgoingChanged(self.mark, message.number, MessageState.KEPT, trace))

    def refuse(self, message: Message, trace: Stored = None) -> None:
        """This line will not be in the log."""
        self._close(message, MessageState.REFUSED, trace)

    def _close(self, message: Message, state: MessageState, trace: Stored) -> None:
        # As far as the stream goes all are alike: members that hear of a higher floor wait for none of them.
        self._outgoing.settle(message, MessageState.DELIVERED)
        self._out.records.append(OutgoingChanged(self.mark, message.number, state, trace))
        self._in_flight = {key: other for key, other in self._in_flight.items() if other is not message}

    @property
    def unsettled(self) -> list[Message]:
        """Lines that the registry has not taken yet, in order."""
        return list(self._outgoing.messages.values())

    def steps_of(self, number: int) -> tuple[Raw, ...]:
        """How a line that the registry has not taken yet went so far."""
        message = self._outgoing.messages.get(number)
        return message.steps if message is not None else ()

    def note_position(self, position: int, *, now: float) -> bool:
        """A line stands at this place of the log and we have it. True when the cursor moved."""
        if self.cursor is None or position <= self.cursor:
            return False
        self._beyond.add(position)
        self._highest = max(self._highest, position)
        return self._advance(now)

    def note_missing(self, position: int, *, now: float) -> None:
        """A line stands there that we cannot read as it came: the log says whose it is."""
        if self.cursor is None or position <= self.cursor:
            return
        self._highest = max(self._highest, position)
        if self.gap_since is None:
            self.gap_since = now

    def note_page(self, position: int, *, now: float) -> bool:
        """The registry sent all up to `position`. True when the cursor moved."""
        if self.cursor is None or position <= self.cursor:
            return False
        self.cursor = position
        self._beyond = {other for other in self._beyond if other > position}
        self._advance(now)
        return True

    @property
    def gap_due(self) -> float | None:
        """When a hole in the positions is to be asked for."""
        return None if self.gap_since is None else self.gap_since + GAP_TIMEOUT

    def is_gap_due(self, now: float) -> bool:
        """Whether a hole has been there for so long that it is to be asked for."""
        return self.gap_due is not None and now >= self.gap_due

    def keys_of(self, keys: list[EpochKey]) -> dict[int, GroupKey]:
        """Keys of a page of the log, for its lines only."""
        return {one.epoch: GroupKey(self.name, epoch=one.epoch, key=one.key) for one in keys}

    def _advance(self, now: float) -> bool:
        assert self.cursor is not None
        before = self.cursor
        while self.cursor + 1 in self._beyond:
            self.cursor += 1
            self._beyond.discard(self.cursor)
        if self.cursor >= self._highest:
            self.gap_since = None
        elif self.gap_since is None or self.cursor != before:
            self.gap_since = now
        return self.cursor != before

    def _add_key(self, one: EpochKey) -> None:
        known = self._keys.get(one.epoch)
        if known is None or known.key != one.key:
            self._keys[one.epoch] = GroupKey(self.name, epoch=one.epoch, key=one.key)
        self._keys.move_to_end(one.epoch)
        while len(self._keys) > KEYS_KEPT:
            self._keys.popitem(last=False)


class Groups:
    """The channel, and the room where we are."""

    def __init__(self, channel: Group) -> None:
        self.channel: Final = channel
        self.room: Group | None = None
        self.known: Final[dict[str, Group]] = {}
        """Rooms of this life: their streams go on when we come again."""
        self._former: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        """Those that we are in."""
        yield self.channel
        if self.room is not None:
            yield self.room

    def by_name(self, name: str) -> Group | None:
        """One that we are in."""
        return next((group for group in self if group.name == name), None)

    def by_tag(self, tag: bytes) -> Group | None:
        """The one that we are in whose frames bear this tag."""
        return next((group for group in self if group.tag == tag), None)

    def answering(self, name: str) -> Group | None:
        """One that we are in, or that we have left while lines of ours were on their way to it."""
        return self.by_name(name) or self._former.get(name)

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """How a line of ours to a group that we are in, or were in this life, went so far."""
        groups = (self.channel, *self.known.values())
        return next((group.steps_of(number) for group in groups if group.mark == stream), ())

    def enter(self, group: Group) -> None:
        """We are in this room now, and in no other."""
        self.leave()
        self._former.pop(group.name, None)
        self.room = group

    def leave(self) -> None:
        """We are in no room; the one that we were in may still answer."""
        if self.room is not None:
            self._former = {self.room.name: self.room}
            self.room = None

    def revoke(self) -> None:
        """The link is gone, and what it granted."""
        self._former.clear()
        for group in self:
            group.revoke()
