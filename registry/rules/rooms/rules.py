"""The rules that the channel and rooms share: lines are stored and relayed, keys renewed, stored
lines handed out (clause 8).

Subclasses say who is in a group.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final

from chatapp.registry.rules.context import Context
from chatapp.registry.rules.directory.connections import Connection, Connections
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import (
    Append,
    Caller,
    Drop,
    DropReason,
    Effect,
    Push,
    Relay,
    Reply,
    Rule,
    Store,
)
from chatapp.registry.rules.limits import first_epoch, remaining
from chatapp.registry.rules.rooms.log import Group, LogLine, Verdict
from chatapp.registry.store import entries
from chatapp.registry.store.entries import Entry, GroupCut, GroupKeyMade, GroupLinesDropped
from chatapp.registry.store.protocol import LoadedGroup, RecordLost
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import GroupHeader, pack_relayed
from chatapp.wire.errors import StoreError
from chatapp.wire.limits import (
    BUCKETS_MAX,
    CHANNEL_LINES_BURST,
    CHANNEL_LINES_PER_SECOND,
    CHANNEL_NETWORK_PART,
    CHANNEL_PERSON_PART,
)
from chatapp.wire.messages.rooms import (
    CHANNEL,
    FetchGroup,
    GroupAccepted,
    GroupGranted,
    GroupLine,
    GroupPage,
    GroupRefusal,
    GroupRefused,
)
from chatapp.wire.sealing import group_tag

_KEY_SIZE = 32

KEY_TRIED_AGAIN_AFTER: Final = 1.0
"""Seconds until another key is tried after one that was not stored."""


class Pace:
    """How many lines a group takes that go to everybody while very many people are online. One
    person, or one network, has a part of them."""

    def __init__(self, directory: Directory, *, free_up_to: int) -> None:
        """`free_up_to`: people online up to whom it takes all."""
        self._directory: Final = directory
        self._free_up_to: Final = free_up_to
        rate, burst = CHANNEL_LINES_PER_SECOND, CHANNEL_LINES_BURST
        self._all: Final[Buckets[None]] = Buckets(rate=rate, burst=burst)
        self._networks: Final[Buckets[str]] = Buckets(
            rate=rate / CHANNEL_NETWORK_PART, burst=burst / CHANNEL_NETWORK_PART, most=BUCKETS_MAX
        )
        self._people: Final[Buckets[bytes]] = Buckets(
            rate=rate / CHANNEL_PERSON_PART, burst=burst / CHANNEL_PERSON_PART, most=BUCKETS_MAX
        )

    def takes(self, identity: bytes, *, now: float) -> bool:
        """Count a line. Return False if it is one too many; such a line costs nobody anything."""
        if self._directory.online_count <= self._free_up_to:
            return True
        network = self._directory.network_of(identity)
        people, networks, everybody = self._people, self._networks, self._all
        return (
            people.has_token(identity, now=now)
            and networks.has_token(network, now=now)
            and everybody.take(None, now=now)
            and people.take(identity, now=now)
            and networks.take(network, now=now)
        )


class GroupRules(ABC):
    """The rules of one group."""

    def __init__(
        self,
        group: Group,
        directory: Directory,
        connections: Connections,
        context: Context,
        *,
        epoch_span: float,
        now: float,
    ) -> None:
        self.group = group
        self._directory = directory
        self._connections = connections
        self.tag = group_tag(group.name)
        """The tag in this group's frames."""
        self._context = context
        self._epoch_span = epoch_span
        self._last_epoch = first_epoch(last=0, wall=context.clock.seconds(now)) - 1
        self._epoch_began = now
        self._renewal_at: float | None = None
        self._is_key_on_its_way = False
        self.pace: Pace | None = None
        """How many lines it takes; None: all."""
        self.is_over = False
        """Whether the group is gone. A rule of it that waited for the disk does nothing more."""
        self.timer_changed: Callable[[], None] = lambda: None
        """Is called when `next_timer` has changed because the disk answered."""
        self._first_key: GroupKeyMade | None = None
        """The first key of this run, until something is stored behind it: lines are useless
        without their key."""

    # --- members

    @property
    def position(self) -> int:
        """The position of the newest line."""
        return self.group.position

    @abstractmethod
    def listeners(self) -> Iterable[Connection]:
        """Return the connections that get the keys."""

    @abstractmethod
    def may_send(self, caller: Caller) -> bool:
        """Return whether this caller may send lines to the group."""

    @abstractmethod
    def not_before(self, identity: bytes) -> int | None:
        """Return the position up to which this identity may read nothing; None if it may not read
        at all."""

    @abstractmethod
    def relay(self, frame: bytes, sender: int) -> list[Effect]:
        """Return the effects that relay a line to those who are there."""

    # --- keys

    def load(self, loaded: LoadedGroup | None, *, now: float) -> GroupKeyMade:
        """Restore what earlier runs stored. Return the first key of this run."""
        if loaded is not None:
            wall = self._context.clock.seconds(now)
            grace = self._context.policy.restart_grace
            self.group.position = max(self.group.position, loaded.highest)
            lines = [
                LogLine(
                    head.position,
                    head.sender,
                    head.epoch,
                    head.size,
                    now
                    + remaining(
                        head.at, wall, kept_for=self._context.policy.group_kept_for, at_least=grace
                    ),
                )
                for head in loaded.lines
            ]
            self.group.load(loaded.keys, lines)
            self._last_epoch = max(self._last_epoch, *loaded.keys, 0)
        return self.begin(now=now)

    def begin(self, *, now: float) -> GroupKeyMade:
        """Begin the first epoch of this run, and return its key."""
        entry = self._first_key = self._new_key()
        self.group.begin_epoch(entry.epoch, entry.key, honoured_until=now)
        self._epoch_began = now
        return entry

    def with_first_key(self, *stored: Entry) -> tuple[Entry, ...]:
        """Return the entries to store, with the group's first key if the disk may not have it, and
        before the key the sender indices that this run uses under it."""
        if self._first_key is None:
            return stored
        return (*self._connections.indices.first_reservation, self._first_key, *stored)

    def first_key_stored(self) -> None:
        """Note that something made by `with_first_key` is on the disk."""
        if self._first_key is not None:
            self._first_key = None
            self._connections.indices.first_stored()

    def grant(self, connection: Connection) -> Push:
        """Return the notice that gives a connection the current key."""
        assert connection.link is not None
        group = self.group
        message = GroupGranted(
            group.name, group.key.epoch, group.key.key, connection.sender_index, group.settled
        )
        return Push(link=connection.link, message=message)

    def members_changed(self, *, now: float) -> None:
        """Schedule a new key: newcomers must not read what was said before, nor leavers what is
        said from now on. It waits if there was one just now."""
        if self._renewal_at is None:
            self._renewal_at = max(now, self._epoch_began + self._epoch_span)

    def next_timer(self) -> float | None:
        """Return when a new key is due; None while one is on its way."""
        return None if self._is_key_on_its_way else self._renewal_at

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Make a new key, if it is due."""
        if self._renewal_at is None or now < self._renewal_at or self._is_key_on_its_way:
            return []
        self._renewal_at, self._epoch_began, self._is_key_on_its_way = None, now, True
        return [self._renew(self._new_key())]

    def _renew(self, key: GroupKeyMade) -> Rule:
        """Put a new key in force when it is stored, and give it to everybody in the group. One that
        was not stored is never used, since nobody could read its lines later; another one is tried
        soon."""
        is_stored, now = yield Store((*self._connections.indices.first_reservation, key))
        self._is_key_on_its_way = False
        if self.is_over:
            return
        if not is_stored:
            self._renewal_at = now + KEY_TRIED_AGAIN_AFTER
            self.timer_changed()
            return
        grace = self._context.policy.grace_span if self._first_key is None else 0.0
        self.first_key_stored()
        self.group.begin_epoch(key.epoch, key.key, honoured_until=now + grace)
        self.timer_changed()
        yield from [self.grant(connection) for connection in self.listeners()]

    def _new_key(self) -> GroupKeyMade:
        self._last_epoch += 1
        key = self._context.rng.randbytes(_KEY_SIZE)
        return GroupKeyMade(group=self.group.name, epoch=self._last_epoch, key=key)

    # --- speaking

    def receive_frame(
        self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float
    ) -> list[Effect]:
        """Store a line. When the disk has it, it is relayed and its sender is told."""
        connection = self._connections.of(caller.identity)
        if caller.link is None or connection.link != caller.link:
            return [Drop(reason=DropReason.GROUP_FRAME_FROM_OLD_LINK)]
        if not self.may_send(caller):
            return [Drop(reason=DropReason.GROUP_FRAME_FROM_NON_MEMBER)]
        verdict = self.group.judge(
            header, len(frame), sender_index=connection.sender_index, now=now
        )
        if verdict is Verdict.FOREIGN:
            return [Drop(reason=DropReason.FOREIGN_GROUP_FRAME)]
        if verdict is Verdict.OVER:
            return [self._refusal(header.epoch, header.counter, GroupRefusal.EPOCH_OVER, caller)]
        if self.pace is not None and not self.pace.takes(caller.identity, now=now):
            reason = GroupRefusal.TOO_MANY_ONLINE
            return [self._refusal(header.epoch, header.counter, reason, caller)]
        line = self.group.add(caller.identity, header.epoch, len(frame), now=now)
        at = self._context.clock.millis(now)
        effects: list[Effect] = [self._keep(line, frame, header.counter, caller, at)]
        return effects + self.sweep(now=now) if self.group.is_overfull else effects

    def _keep(self, line: LogLine, frame: bytes, counter: int, caller: Caller, at: int) -> Rule:
        """Store a line, then relay it and tell its sender. A line that is not stored is shown to
        nobody. `at`: milliseconds of Unix time."""
        name, position, epoch = self.group.name, line.position, line.epoch
        entry = entries.GroupLineKept(name, position, line.sender, epoch, at, frame)
        is_stored, _ = yield Store(self.with_first_key(entry), held=len(frame))
        if self.is_over:
            return
        if not is_stored:
            self.group.forget(position)
            full = self._context.disk.is_full
            reason = GroupRefusal.DISK_FULL if full else GroupRefusal.DISK_FAILED
            yield self._refusal(epoch, counter, reason, caller)
            return
        self.group.settle(position)
        self.first_key_stored()
        # The sender may have another link by now.
        link = self._connections.link_of(line.sender) or caller.link or 0
        yield from self.relay(pack_relayed(position, frame), link)
        yield Reply(to=caller, message=GroupAccepted(name, epoch, counter, position))

    def _refusal(self, epoch: int, counter: int, reason: GroupRefusal, caller: Caller) -> Reply:
        return Reply(to=caller, message=GroupRefused(self.group.name, epoch, counter, reason))

    # --- stored lines

    def fetch(self, request: FetchGroup, caller: Caller) -> list[Effect]:
        """Answer with the next page of others' lines, none from before the caller was a member."""
        not_before = self.not_before(caller.identity)
        if not_before is None:
            return [Drop(reason=DropReason.PAGE_FOR_NON_MEMBER)]
        name = self.group.name
        page = self.group.page(max(request.since, not_before), reader=caller.identity)
        frames = self._frames([line.position for line in page.lines])
        lines = [
            GroupLine(line.position, line.sender, frames[line.position])
            for line in page.lines
            if line.position in frames
        ]
        return [
            Reply(to=caller, message=GroupPage(name, page.keys, lines, page.position, page.more))
        ]

    def _frames(self, positions: list[int]) -> dict[int, bytes]:
        """Read frames, by position, as far as the disk has them."""
        try:
            return dict(
                zip(
                    positions,
                    self._context.store.read_lines(self.group.name, positions),
                    strict=True,
                )
            )
        except RecordLost as loss:
            readable = [position for position in positions if position not in set(loss.keys)]
            return self._frames(readable) if len(readable) < len(positions) else {}
        except StoreError:
            return {}

    def sweep(self, *, now: float) -> list[Effect]:
        """Drop lines that are too old or too many."""
        group = self.group
        upto, dropped, last_uses = group.cut(now=now, network_of=self._directory.network_of)
        gone: list[Entry] = []
        if upto is not None:
            gone.append(GroupCut(group.name, upto))
        if dropped:
            gone.append(GroupLinesDropped(group.name, dropped, last_uses))
        return [Append(tuple(gone))] if gone else []

    def forget_author(self, identity: bytes) -> GroupLinesDropped | None:
        """Drop all lines of somebody. Return the entry for the disk, None if there are none."""
        _, dropped, last_uses = self.group.drop_of(identity)
        return GroupLinesDropped(self.group.name, dropped, last_uses) if dropped else None


class ChannelRules(GroupRules):
    """The rules of the channel: everybody with a name is in it."""

    def __init__(
        self,
        directory: Directory,
        connections: Connections,
        context: Context,
        *,
        first_position: int,
        now: float,
    ) -> None:
        group = Group(CHANNEL, position=first_position, kept_for=context.policy.group_kept_for)
        span = context.policy.epoch_span
        super().__init__(group, directory, connections, context, epoch_span=span, now=now)
        self.pace = Pace(directory, free_up_to=context.policy.channel_free_up_to)

    def listeners(self) -> Iterable[Connection]:
        """Return all connections with a link."""
        return self._connections.attached()

    def may_send(self, caller: Caller) -> bool:
        """Return True: everybody may."""
        return True

    def not_before(self, identity: bytes) -> int | None:
        """Return the position at which the name was bound."""
        person = self._directory.person(identity)
        return None if person is None else person.channel_since

    def relay(self, frame: bytes, sender: int) -> list[Effect]:
        """Relay to all links."""
        return [Relay(frame=frame, sender=sender)]
