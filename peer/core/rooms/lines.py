"""Lines of the channel and of rooms: those that come, and ours.

A line comes relayed by the registry, from the log of the group, or directly from a member; ours
goes to the registry until it has it, and directly to the members while it does not answer. A line
keeps its number on all ways, and each goes into the stream of its sender to the group: it is shown
once.
"""

import contextlib
from dataclasses import dataclass
from typing import Final

from chatapp.peer.api.events import (
    SOMEBODY,
    LineLoss,
    LinesAbandoned,
    LineUnreadable,
    MessageChanged,
    MessageReason,
    MessageState,
)
from chatapp.peer.api.trace import TraceEvent
from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.context import Context, People, RegistryPort, RegistryReach
from chatapp.peer.core.conversation import Message, make_inbox, unshown_texts
from chatapp.peer.core.inbox import Stream, Streams, restored
from chatapp.peer.core.records import CursorMoved, OutgoingReworded, Related, StoredStream
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.membership import Memberships, RoomRecipients
from chatapp.wire.codec import decode_group_body, unpack_group
from chatapp.wire.errors import SealError, WireError
from chatapp.wire.limits import GROUP_HELD_MAX
from chatapp.wire.messages.direct import DirectGroupLine
from chatapp.wire.messages.rooms import (
    FetchGroup,
    GroupAccepted,
    GroupGranted,
    GroupLine,
    GroupPage,
    GroupRefusal,
    GroupRefused,
)
from chatapp.wire.sealing import GroupKey


class GroupReceiver:
    """Receives the lines of all groups."""

    def __init__(
        self,
        ctx: Context,
        people: People,
        streams: Streams,
        *,
        groups: Groups,
        members: Memberships,
    ) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._people: Final = people
        self._contacts: Final = people.contacts
        self._groups: Final = groups
        self._members: Final = members
        self._streams: Final = streams
        self.catch_up: Final = streams.catch_up
        self.stored: Final = streams.unused
        self._held_frames: list[tuple[int, bytes]] = []
        self.floors: Final[dict[bytes, tuple[int, int]]] = {}
        """By stream: (position, floor) of its newest line. The floor counts when we have the log up
        to the position."""

    def adopt(self, contact: Contact, *, now: float) -> bool:
        """Show the lines of a contact that are stored and were not shown. Return whether there were
        any."""
        awaited = [group for group in self._groups if group.mark + contact.identity in self.stored]
        for group in awaited:
            self._streams.release(self._stream(group, contact), now)
        return bool(awaited)

    def _stream(self, group: Group, contact: Contact) -> Stream:
        key = group.mark + contact.identity
        if key not in self._streams:
            stored = self.stored.pop(key, StoredStream())
            texts, inbox = unshown_texts(stored), make_inbox(stored, self._ctx.policy)
            self._streams[key] = restored(key, contact, inbox, texts, stored, group=group)
        stream = self._streams[key]
        stream.group = group
        return stream

    def beyond(self, contact: Contact) -> int:
        """The lowest number above all that we know of somebody as a speaker in the groups that we
        are in."""
        return max(
            (
                self._stream(group, contact).inbox.beyond
                for group in self._groups
                if (key := group.mark + contact.identity) in self._streams or key in self.stored
            ),
            default=0,
        )

    # --- relayed, and directly from members

    def line_relayed(self, position: int, frame: bytes, *, now: float) -> bool:
        """Take a relayed line. Return False when its sender's row is missing: then fetch rows.
        Raises WireError."""
        header = unpack_group(frame)
        group = self._groups.by_tag(header.tag)
        if group is None:
            raise SealError("a line of a group that we are not in")
        key = group.key(header.epoch)
        if key is None:
            group.note_missing(
                position, now=now
            )  # we missed the epoch's key; a page of the log brings both
            return True
        # An index counts only with a fresh table: another life of the registry may have given it to
        # somebody else.
        contact = (
            self._contacts.by_sender_index(header.sender_index) if self._people.is_fresh else None
        )
        if contact is None:
            if len(self._held_frames) < GROUP_HELD_MAX:
                self._held_frames.append((position, frame))
            group.note_missing(position, now=now)  # the sender may leave before we get their row
            return False
        self._line_arrived(group, contact, key.open(frame), position, late=False)
        self.position_known(group, position, now=now)
        return True

    def rows_arrived(self, *, now: float) -> None:
        """Try the held frames again, now that rows have arrived. An invalid frame leaves a gap and
        does not stop the others."""
        held, self._held_frames = self._held_frames, []
        for position, frame in held:
            with contextlib.suppress(WireError):
                self.line_relayed(position, frame, now=now)

    def link_lost(self) -> None:
        """Drop the held frames: a registry restored meanwhile may give an index of theirs to
        somebody else. The log has the line, or its sender sends it again."""
        self._held_frames.clear()

    def line_straight(self, contact: Contact, line: DirectGroupLine) -> None:
        """Take a line that a member sent us directly while the registry is away (clause 6.9). It is
        dropped if the sender is not a member, or we are not in the group; if it was for us after
        all, the log will have it."""
        group = self._groups.by_name(line.group)
        if group is None or (group.room and not self._members.has(group, contact.identity)):
            return
        stream = self._stream(group, contact)
        stream.inbox.add_gap(line.since, line.number)
        self._note_floor(stream, line.position, line.floor)
        self._streams.take(stream, line.number, line, late=False)

    # --- out of the log

    def page_arrived(self, group: Group, page: GroupPage, *, now: float) -> None:
        """Take a page of the log: lines that were sent while we were away."""
        keys = group.keys_of(page.keys)
        for line in page.lines:
            contact = self._contacts.by_identity(line.sender)
            try:
                loss, detail = self._stored_line_arrived(group, line, contact, keys), ""
            except WireError as error:
                loss, detail = LineLoss.INVALID, str(error)
            if loss is not None:
                name = contact.name if contact is not None else SOMEBODY
                self._out.events.append(
                    LineUnreadable(
                        conversation=group.conversation, sender=name, reason=loss, detail=detail
                    )
                )
        if group.note_page(page.position, now=now):
            self.move_cursor(group)
        if not page.more:
            self.catch_up.group_drained(group.name)

    def position_known(self, group: Group, position: int, *, now: float) -> None:
        """Note that we have the line at this position of the log, or that it is ours."""
        if group.note_position(position, now=now):
            self.move_cursor(group)

    def move_cursor(self, group: Group) -> None:
        """Store the group's cursor, and the floors that count from there on."""
        assert group.cursor is not None
        self._out.records.append(CursorMoved(group.cursor, group.name))
        for stream, floor in self._due_floors():
            self._streams.remember_floor(stream, floor)

    def raise_floors(self) -> dict[bytes, Stream]:
        """Raise the floors that count now, and return their streams.

        What is below the floor of a line is settled for its sender, but we may still have to fetch
        it from the log. So a floor counts only when we have the log up to that line on disk."""
        due = self._due_floors()
        for stream, floor in due:
            del self.floors[stream.key]
            stream.inbox.raise_floor(floor)
        return {stream.key: stream for stream, _ in due}

    def forget_floors(self, group: Group) -> None:
        """Forget the group's floors: its log was replaced, and their positions mean nothing in the
        new one."""
        for key in [key for key in self.floors if self._streams[key].group is group]:
            del self.floors[key]

    # --- inside

    def _stored_line_arrived(
        self, group: Group, line: GroupLine, contact: Contact | None, keys: dict[int, GroupKey]
    ) -> LineLoss | None:
        """Take a line of the log. Return what prevents it from being read. Raises WireError."""
        key = keys.get(unpack_group(line.frame).epoch)
        if contact is None:
            return LineLoss.AUTHOR_UNKNOWN
        if key is None:
            return LineLoss.KEY_MISSING
        self._line_arrived(group, contact, key.open_stored(line.frame), line.position, late=True)
        return None

    def _line_arrived(
        self, group: Group, contact: Contact, payload: bytes, position: int, *, late: bool
    ) -> None:
        body = decode_group_body(payload)
        stream = self._stream(group, contact)
        self._note_floor(stream, position, body.floor)
        self._streams.take(stream, body.number, body, late=late)

    def _note_floor(self, stream: Stream, position: int, floor: int) -> None:
        if position >= self.floors.get(stream.key, (0, 0))[0]:
            self.floors[stream.key] = (position, floor)

    def _due_floors(self) -> list[tuple[Stream, int]]:
        due = []
        for key, (position, floor) in self.floors.items():
            stream = self._streams[key]
            assert stream.group is not None
            if position <= (stream.group.cursor or 0):
                due.append((stream, floor))
        return due


SAID_AGAIN_AFTER: Final = 10.0
"""Seconds after which an unanswered line is sent again although the registry answers: it may have
reached the registry before we were in the room."""


@dataclass(slots=True, eq=False)
class PendingGroupMessage:
    """A line of ours that the registry has not answered."""

    group: Group
    message: Message
    deadline: float | None
    """When to tell the user that the registry does not answer; None after that."""
    again_at: float = 0.0
    """When to send it again if the registry can be reached."""


class GroupOutbox:
    """Sends our lines to all groups, and settles them."""

    def __init__(
        self,
        ctx: Context,
        registry: RegistryPort,
        *,
        groups: Groups,
        recipients: RoomRecipients,
        receiver: GroupReceiver,
    ) -> None:
        self._ctx: Final = ctx
        self._give_up_after: Final = ctx.policy.give_up_after
        self._out = ctx.out
        self._registry: Final = registry
        self._groups: Final = groups
        self._recipients: Final = recipients
        self._fanout: Final = recipients.fanout
        self.receiver: Final = receiver
        self._catch_up: Final = receiver.catch_up
        self.pending: dict[tuple[str, int], PendingGroupMessage] = {}
        self._waiting: list[PendingGroupMessage] = []
        """Lines to send as soon as earlier ones are answered."""
        self._known: int | None = None
        """The numbers that a member knows of us are all below this one; the first answer counts."""
        self._skip = 0
        """How many to skip above those."""

    def adopt(self, group: Group, *, now: float) -> None:
        """Take up lines of an earlier run that the registry never got. They are sent when we are
        granted a key."""
        self._number(group, now)
        for message in group.unsettled:
            self._keep(group, message, now)
            pending = PendingGroupMessage(group, message, None, now + SAID_AGAIN_AFTER)
            self.pending.setdefault((group.name, message.number), pending)

    def say(
        self, group: Group, text: str, related: Related | None = None, *, now: float
    ) -> Message:
        """Begin a line: it is sent now, or when there is a key for it, or directly to the
        members."""
        message = group.add(
            text, related, wall=self._ctx.wall(now), ahead=self._ctx.status.clock_ahead
        )
        deadline = now + self._give_up_after
        pending = PendingGroupMessage(group, message, deadline, now + SAID_AGAIN_AFTER)
        self.pending[(group.name, message.number)] = pending
        if self._ctx.status.reach is RegistryReach.LOST or self._ctx.status.is_lost:
            self._registry.search(now=now)
            self._unanswered(pending, now)
        elif self._can_speak(group):
            self._say_in_order([pending], now)
        return message

    def cancel(self, stream: bytes, number: int, *, now: float) -> bool:
        """Give up a line of ours, unless somebody else may have it. Return whether it is given
        up."""
        pending = self._unknown(stream, number)
        if pending is None:
            return False
        self._refuse(pending, MessageReason.CANCELLED, now)
        self._tell(pending, MessageState.REFUSED, MessageReason.CANCELLED)
        self._say_waiting(now)
        return True

    def reword(self, stream: bytes, number: int, text: str) -> bool:
        """Have a line of ours say something else, unless somebody else may have it. Return whether
        it does."""
        pending = self._unknown(stream, number)
        if pending is not None:
            pending.message.text = text
            self._out.records.append(OutgoingReworded(stream, number, text))
        return pending is not None

    def _unknown(self, stream: bytes, number: int) -> PendingGroupMessage | None:
        """Return a line of ours that nobody else can have yet."""
        found = (
            one
            for one in self.pending.values()
            if one.group.mark == stream and one.message.number == number
        )
        pending = next(found, None)
        return None if pending is None or pending.message.may_be_known else pending

    @property
    def is_settled(self) -> bool:
        """Whether each line was answered, or the user knows that it waits and no copy is on its way
        to a member."""
        return self._fanout.is_settled and self.is_answered

    @property
    def is_answered(self) -> bool:
        """Whether the registry has answered each line, or the user knows that it waits."""
        return all(one.deadline is None for one in self.pending.values())

    def clock_known(self, *, now: float) -> None:
        """Give all lines their numbers, now that the registry's clock is known."""
        self._number_all(now)
        self._fanout.number_all()

    def numbers_reported(self, contact: Contact, known: int, *, skip: int, now: float) -> None:
        """Give all lines their numbers, now that a member told which it knows, and send them to
        that member. `skip`: how many numbers to skip above those."""
        if self._known is None:
            self._known, self._skip = known, skip
        self._number_all(now)
        self._fanout.number(contact)

    def numbers_stored(self, *, now: float) -> None:
        """Send members the lines that waited for their numbers to be on disk."""
        self._fanout.numbers_stored(wall=self._ctx.wall(now), now=now)

    def registry_lost(self, *, now: float) -> None:
        """Send every line that waits for the registry's answer directly to the members."""
        for pending in list(self.pending.values()):
            if pending.deadline is not None:
                self._unanswered(pending, now)

    def drop(self, group: Group, *, now: float) -> None:
        """Give up the lines that wait for the registry: we have left the group. Lines that the
        registry may still answer stay."""
        lost = [one for one in self.pending.values() if one.group is group and one.deadline is None]
        for pending in lost:
            self._refuse(pending, MessageReason.LEFT_ROOM, now)
        self._fanout.withdraw(group.name)
        if lost:
            self._out.events.append(LinesAbandoned(room=group.room, count=len(lost)))

    # --- what the registry says

    def granted(self, granted: GroupGranted, group: Group, *, now: float) -> None:
        """Take a key that we were granted: send again what was not answered, and ask for the lines
        that we missed."""
        is_first = not group.can_seal
        if is_first and group.is_beyond(granted.position):
            group.begin_log_anew()
            self.receiver.forget_floors(group)
        was_new = group.cursor is None
        is_behind = group.grant(granted)
        if not is_first and not self._catch_up.awaits(group.name):
            return
        # A second grant while we still wait: the first belonged to a room that we were just
        # leaving.
        if is_behind:
            self._catch_up.await_group(group.name)
            self._fetch(group)
        else:
            self._catch_up.group_drained(group.name)
            if was_new:
                self.receiver.move_cursor(group)
        if is_first:
            unanswered = [one for one in self.pending.values() if one.group is group]
            self._say_in_order(sorted(unanswered, key=lambda one: one.message.number), now)

    def page_arrived(self, page: GroupPage, *, now: float) -> None:
        """Take a page of a group's log, and ask for the next one if there is more."""
        group = self._groups.by_name(page.group)
        if group is None:
            return
        self.receiver.page_arrived(group, page, now=now)
        if page.more:
            self._fetch(group)

    def answered(self, answer: GroupAccepted | GroupRefused, *, now: float) -> None:
        """Settle a line of ours that the registry has accepted or refused."""
        group = self._groups.answering(answer.group)
        message = group.answered(answer.epoch, answer.counter) if group is not None else None
        pending = self.pending.get((answer.group, message.number)) if message is not None else None
        if group is None or pending is None:
            return
        match answer:
            case GroupAccepted(position=position):
                self.receiver.position_known(group, position, now=now)
                self._close(pending)
                trace = self._ctx.traces.changed(pending.message, TraceEvent.ACCEPTED, now)
                group.accepted(pending.message, position, trace)
                self._tell(pending, MessageState.SAVED)
                self._say_waiting(now)
            case GroupRefused(reason=GroupRefusal.EPOCH_OVER):
                if group.can_seal:
                    self._registry.send_group_frame(group.seal(pending.message), now=now)
            case GroupRefused() if pending.deadline is None:
                # the user knows that it is kept, and some members may have it: it is sent again
                # later
                pass
            case GroupRefused(reason=reason):
                why = MessageReason[reason.name]
                self._refuse(pending, why, now)
                self._tell(pending, MessageState.REFUSED, why)
                self._say_waiting(now)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Report lines that were not answered in time, send others again, and ask for gaps in the
        logs."""
        for pending in list(self.pending.values()):
            if pending.deadline is not None and now >= pending.deadline:
                self._unanswered(pending, now)
                self._registry.ping(now=now)
            if now >= pending.again_at and self._can_speak(pending.group):
                self._say_in_order([pending], now)
        for group in self._groups:
            if group.is_gap_due(now) and self._registry.is_up:
                group.gap_since = now
                self._fetch(group)

    def next_timer(self) -> float | None:
        """Return the earliest deadline: of a line of ours, or of a gap in a log."""
        has_gap = any(group.gap_since is not None for group in self._groups)
        if not (self.pending or has_gap):  # mostly
            return None
        dues = [one.deadline for one in self.pending.values() if one.deadline is not None]
        if self._registry.is_up:  # the others need the link
            dues += [group.gap_due for group in self._groups if group.gap_due is not None]
            dues += [one.again_at for one in self.pending.values() if one.group.can_seal]
        return min(dues, default=None)

    # --- directly to members

    def line_acknowledged(self, contact: Contact, number: int, *, now: float) -> bool:
        """Note that a member has stored a line. Return False if the number is not a line's."""
        was_silent = contact.identity in self._fanout.silent
        if not self._fanout.acknowledged(contact, number):
            return False
        if was_silent:
            self.catch_up(contact, now=now)
        return True

    def catch_up(self, contact: Contact, *, now: float) -> None:
        """Send a member the lines that they missed: they are back while the registry is not."""
        if self._ctx.status.reach is not RegistryReach.LOST:
            return
        for group in self._groups:
            if contact in self._recipients.members_of(group):
                wall = self._ctx.wall(now)
                self._fanout.catch_up(group, contact, wall=wall, now=now)

    def stop(self, *, now: float) -> None:
        """Stop sending: we go offline."""
        self._fanout.withdraw()
        for pending in self.pending.values():
            if pending.deadline is not None:
                self._kept(pending, now)

    # --- inside

    def _number_all(self, now: float) -> None:
        for group in (self._groups.channel, *self._groups.known.values()):
            self._number(group, now)

    def _number(self, group: Group, now: float) -> None:
        wall, ahead = self._ctx.wall(now), self._ctx.status.clock_ahead
        numbers = group.number(self._known, skip=self._skip, wall=wall, ahead=ahead)
        for provisional, number in numbers.items():
            pending = self.pending.pop((group.name, provisional), None)
            if pending is not None:
                self.pending[(group.name, number)] = pending

    def _can_speak(self, group: Group) -> bool:
        return self._registry.is_up and group.can_seal

    def _say_in_order(self, lines: list[PendingGroupMessage], now: float) -> None:
        """Send lines to the registry. A line behind a gap in the numbers waits until all before it
        are answered."""
        for pending in lines:
            pending.again_at = now + SAID_AGAIN_AFTER
            if not pending.group.is_behind_a_gap(pending.message):
                pending.message.has_left = True
                self._registry.send_group_frame(pending.group.seal(pending.message), now=now)
            elif pending not in self._waiting:
                self._waiting.append(pending)

    def _say_waiting(self, now: float) -> None:
        waiting, self._waiting = self._waiting, []
        self._say_in_order([one for one in waiting if self._can_speak(one.group)], now)

    def _unanswered(self, pending: PendingGroupMessage, now: float) -> None:
        self._kept(pending, now)
        if self._groups.by_name(pending.group.name) is None:
            self._refuse(pending, MessageReason.LEFT_ROOM, now)
        elif self._ctx.status.reach is not RegistryReach.NONE:
            wall, members = self._ctx.wall(now), self._recipients.members_of(pending.group)
            self._fanout.say(pending.group, pending.message, members, wall=wall, now=now)

    def _kept(self, pending: PendingGroupMessage, now: float) -> None:
        pending.deadline = None
        self._keep(pending.group, pending.message, now)
        self._tell(pending, MessageState.KEPT)

    def _tell(
        self, pending: PendingGroupMessage, state: MessageState, reason: MessageReason | None = None
    ) -> None:
        self._out.events.append(
            MessageChanged(
                conversation=pending.group.conversation,
                id=pending.message.id,
                state=state,
                reason=reason,
            )
        )

    def _keep(self, group: Group, message: Message, now: float) -> None:
        if message.state is not MessageState.KEPT:
            silent_since = self._ctx.status.silent_since
            since = self._ctx.traces.seconds(now if silent_since is None else silent_since)
            group.keep(message, self._ctx.traces.changed(message, TraceEvent.KEPT, now, since))

    def _refuse(self, pending: PendingGroupMessage, reason: MessageReason, now: float) -> None:
        self._close(pending)
        pending.group.refuse(
            pending.message,
            self._ctx.traces.changed(pending.message, TraceEvent.REFUSED, now, reason.name),
        )

    def _close(self, pending: PendingGroupMessage) -> None:
        if pending in self._waiting:
            self._waiting.remove(pending)
        self.pending.pop((pending.group.name, pending.message.number), None)
        self._fanout.forget(pending.message)

    def _fetch(self, group: Group) -> None:
        if group.cursor is not None:
            self._out.requests.append(FetchGroup(group=group.name, since=group.cursor))
