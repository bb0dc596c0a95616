"""A group as one member sees it, the channel or a room: its keys, our unsettled lines, and how much
of its log we have."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from chatapp.peer.api.conversations import EVERYBODY, room
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.trace import Raw, Stored
from chatapp.peer.core.context import Outputs
from chatapp.peer.core.conversation import Message, OutgoingStream
from chatapp.peer.core.records import (
    CursorMoved,
    LineAccepted,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    Related,
    StoredGroup,
    StoredStream,
    group_mark,
)
from chatapp.wire.codec import encode_said
from chatapp.wire.messages.direct import DirectGroupLine
from chatapp.wire.messages.rooms import CHANNEL, EpochKey, GroupBody, GroupGranted
from chatapp.wire.sealing import GroupKey, group_tag

KEYS_KEPT: Final = 8
"""How many epochs' keys are held: frames of the last epoch are still on their way when a new one
begins."""

CLOCK_MAX: Final = 3 * 2**30 * 1_000_000
"""Microseconds: no member can make us take its clock for later than the year 2072, as the numbers
are for all members."""

GAP_TIMEOUT: Final = 1.0
"""Seconds after which we ask for a gap in the positions. It may be our own line, whose answer can
come after later lines."""


class Group:
    """The channel, or a room."""

    def __init__(
        self, name: str, stored: StoredStream, position: StoredGroup, outputs: Outputs
    ) -> None:
        self._out = outputs
        self._keys: OrderedDict[int, GroupKey] = OrderedDict()
        self._outgoing = OutgoingStream(stored)
        self._beyond: set[int] = set()
        self._in_flight: dict[tuple[int, int], Message] = {}
        self.name: Final = name
        self.mark: Final = group_mark(name)
        """The key of our stream to the group; with an identity behind it, the key of that member's
        stream."""
        self.tag: Final = group_tag(name)
        self.conversation: Final = EVERYBODY if name == CHANNEL else room(name[1:])
        self.cursor = position.cursor
        self.sender_index = 0
        self.gap_since: float | None = None
        self._newest = position.newest
        self._highest = -1
        """The newest position that we know of; positions between it and the cursor may be
        missing."""

    @property
    def room(self) -> str:
        """The room's name as its maker wrote it; empty for the channel."""
        return "" if self.name == CHANNEL else self.name[1:]

    @property
    def can_seal(self) -> bool:
        """Whether the registry has given us a key and a sender index."""
        return self.sender_index > 0

    def grant(self, granted: GroupGranted) -> bool:
        """Take a key to seal with. Return whether there are lines that we missed."""
        self.sender_index = granted.sender_index
        self._add_key(EpochKey(epoch=granted.epoch, key=granted.key))
        if self.cursor is None:
            # The registry gives nobody lines from before they came, so we may read all that it has
            # for us.
            self.cursor = 0
        return granted.position > self.cursor

    def is_beyond(self, position: int) -> bool:
        """Return whether our cursor is past the log's newest line: the registry was restored from a
        backup."""
        return self.cursor is not None and self.cursor > position

    def begin_log_anew(self) -> None:
        """Read the log from the start: its positions are not those that we knew. Lines that we have
        are recognised by their numbers."""
        self.cursor, self._newest, self._highest = 0, 0, -1
        self._beyond.clear()
        self._out.records += [CursorMoved(0, self.name), LineAccepted(0, self.name)]

    def begin_at(self, position: int, *, now: float) -> bool:
        """Skip the log up to this position: it is from before we came. Return whether the cursor
        moved."""
        if self.cursor is None:
            self.cursor = position
            return True
        return self.note_page(position, now=now)

    def revoke(self) -> None:
        """Note that the link is gone, and our sender index with it. Keys stay: they open frames
        that are on their way."""
        self.sender_index = 0
        self.gap_since = None

    def key(self, epoch: int) -> GroupKey | None:
        """Return the key of an epoch, if we hold it."""
        return self._keys.get(epoch)

    def add(
        self,
        text: str,
        related: Related | None = None,
        *,
        wall: float,
        ahead: float | None = 0.0,
    ) -> Message:
        """Begin a line and store it, so that numbers rise even if the clock is set back (clause
        6.2)."""
        message = self._outgoing.add(
            text, wall=wall, ahead=ahead, id_=self._out.new_id(), related=related
        )
        self._out.records.append(
            OutgoingAdded(
                self.mark, message.number, message.at_ms, text, message.id, message.related
            )
        )
        return message

    def number(
        self, known: int | None, *, skip: int = 0, wall: float, ahead: float | None
    ) -> dict[int, int]:
        """Number the lines that wait for it, if it is known by now where our numbers begin. Return
        the new numbers by the provisional ones. `known`: what a member has told; `skip`: how many
        numbers to skip then."""
        if known is not None:
            self._outgoing.learn(min(known, CLOCK_MAX), skip=skip)
        numbers = self._outgoing.number(wall=wall, ahead=ahead)
        self._out.records += [
            OutgoingMoved(self.mark, provisional, self.mark, number)
            for provisional, number in numbers.items()
        ]
        return numbers

    def seal(self, message: Message) -> bytes:
        """Return the line as a group frame under the newest key."""
        key = next(reversed(self._keys.values()))
        body = GroupBody(
            number=message.number,
            floor=self._outgoing.floor,
            at=message.at_ms,
            text=message.text,
            relation=message.relation,
        )
        counter = key.next_counter
        self._in_flight[(key.epoch, counter)] = message
        return key.seal(self.sender_index, encode_said(body))

    def is_behind_a_gap(self, message: Message) -> bool:
        """Return whether there is a gap of unused numbers between our oldest unsettled line and
        this one. A line in the log states its floor but no gaps, so members with both lines would
        wait in vain for the numbers between them."""
        return any(start < message.number for start, _ in self._outgoing.gaps)

    def answered(self, epoch: int, counter: int) -> Message | None:
        """Return the line of ours that the registry answered; None when it is not ours."""
        return self._in_flight.pop((epoch, counter), None)

    def fanout(self, message: Message) -> bytes:
        """Return the line as it goes directly to one member (clause 6.9)."""
        line = DirectGroupLine(
            group=self.name,
            number=message.number,
            since=message.since,
            floor=self._outgoing.floor,
            position=self._newest,
            at=message.at_ms,
            text=message.text,
            relation=message.relation,
        )
        return encode_said(line)

    def accepted(self, message: Message, position: int, trace: Stored = None) -> None:
        """Settle a line as delivered: the registry has it in its log."""
        if position > self._newest:
            self._newest = position
            self._out.records.append(LineAccepted(position, self.name))
        self._close(message, MessageState.DELIVERED, trace)

    def keep(self, message: Message, trace: Stored = None) -> None:
        """Keep a line on disk until the registry is back."""
        self._outgoing.settle(message, MessageState.KEPT)
        self._out.records.append(
            OutgoingChanged(self.mark, message.number, MessageState.KEPT, trace)
        )

    def refuse(self, message: Message, trace: Stored = None) -> None:
        """Settle a line as refused: it will not be in the log."""
        self._close(message, MessageState.REFUSED, trace)

    def _close(self, message: Message, state: MessageState, trace: Stored) -> None:
        # In the stream a refused line counts as delivered: members learn a higher floor and do not
        # wait for it.
        self._outgoing.settle(message, MessageState.DELIVERED)
        self._out.records.append(OutgoingChanged(self.mark, message.number, state, trace))
        self._in_flight = {
            key: other for key, other in self._in_flight.items() if other is not message
        }

    @property
    def unsettled(self) -> list[Message]:
        """Our lines that the registry has not taken yet, in order."""
        return list(self._outgoing.messages.values())

    def steps_of(self, number: int) -> tuple[Raw, ...]:
        """Return the delivery trace so far of a line that the registry has not taken yet."""
        message = self._outgoing.messages.get(number)
        return message.steps if message is not None else ()

    def note_position(self, position: int, *, now: float) -> bool:
        """Note that we have the line at this position. Return whether the cursor moved."""
        if self.cursor is None or position <= self.cursor:
            return False
        self._beyond.add(position)
        self._highest = max(self._highest, position)
        return self._advance(now)

    def note_missing(self, position: int, *, now: float) -> None:
        """Note a line that we could not read as it came; a page of the log will say whose it is."""
        if self.cursor is None or position <= self.cursor:
            return
        self._highest = max(self._highest, position)
        if self.gap_since is None:
            self.gap_since = now

    def note_page(self, position: int, *, now: float) -> bool:
        """Note that we have all lines up to `position`. Return whether the cursor moved."""
        if self.cursor is None or position <= self.cursor:
            return False
        self.cursor = position
        self._beyond = {other for other in self._beyond if other > position}
        self._advance(now)
        return True

    @property
    def gap_due(self) -> float | None:
        """When to ask for a gap in the positions; None without one."""
        return None if self.gap_since is None else self.gap_since + GAP_TIMEOUT

    def is_gap_due(self, now: float) -> bool:
        """Return whether a gap has been there long enough to ask for it."""
        return self.gap_due is not None and now >= self.gap_due

    def keys_of(self, keys: list[EpochKey]) -> dict[int, GroupKey]:
        """Return the keys of a page of the log, which are for its lines only."""
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
    """The groups that we are in: the channel, and rooms."""

    def __init__(self, channel: Group) -> None:
        self.channel: Final = channel
        self.rooms: Final[dict[str, Group]] = {}
        """The rooms that we are in, by the names of their groups, in the order in which we entered
        them."""
        self._by_tag: Final = {channel.tag: channel}
        self.known: Final[dict[str, Group]] = {}
        """All rooms that we were in since our start. Our stream to a room goes on when we enter it
        again."""
        self._former: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        """Iterate over the groups that we are in."""
        yield self.channel
        yield from self.rooms.values()

    def by_name(self, name: str) -> Group | None:
        """Return the group of this name, if we are in it."""
        return self.channel if name == CHANNEL else self.rooms.get(name)

    def by_tag(self, tag: bytes) -> Group | None:
        """Return the group whose frames have this tag, if we are in it."""
        return self._by_tag.get(tag)

    def answering(self, name: str) -> Group | None:
        """Return a group that we are in, or have just left while lines of ours were on their way to
        it."""
        return self.by_name(name) or self._former.get(name)

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """Return the delivery trace of a pending line to a group that we have been in since our
        start."""
        groups = (self.channel, *self.known.values())
        return next((group.steps_of(number) for group in groups if group.mark == stream), ())

    def enter(self, group: Group) -> None:
        """Enter this room."""
        self._former.pop(group.name, None)
        self.rooms[group.name] = self._by_tag[group.tag] = group

    def leave(self, group: Group) -> None:
        """Leave this room; answers to our lines there may still come."""
        del self.rooms[group.name], self._by_tag[group.tag]
        self._former[group.name] = group

    def revoke(self) -> None:
        """Forget what the link granted."""
        self._former.clear()
        for group in self:
            group.revoke()
