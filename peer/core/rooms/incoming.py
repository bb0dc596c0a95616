"""Incoming lines of the channel and of rooms: relayed by the registry, from the group's log, or
directly from a member.

Each line goes into its sender's stream to the group, so a line that comes two ways is shown once.
"""

import contextlib
from typing import Final

from chatapp.peer.api.events import SOMEBODY, LineLoss, LineUnreadable
from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.context import Context, People
from chatapp.peer.core.conversation import make_inbox
from chatapp.peer.core.inbox import Stream, Streams, Texts, restored
from chatapp.peer.core.records import CursorMoved, StoredStream
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.membership import Memberships
from chatapp.wire.codec import decode_group_body
from chatapp.wire.errors import SealError, WireError
from chatapp.wire.framing import unpack_group
from chatapp.wire.limits import GROUP_HELD_MAX
from chatapp.wire.messages.direct import DirectGroupLine
from chatapp.wire.messages.rooms import GroupLine, GroupPage
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
            texts: Texts = {
                one.number: (one.at_ms, one.text, True, one.id) for one in stored.unshown
            }
            inbox = make_inbox(stored, self._ctx.policy)
            self._streams.add(restored(key, contact, inbox, texts, stored, group=group))
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
        """Drop the held frames: sender indexes change with the next link, so a frame could be taken
        for somebody else's. The log has the line, or its sender sends it again."""
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
        self._streams.take(stream, line.number, line.at, line.text, late=False)

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
        self._streams.take(stream, body.number, body.at, body.text, late=late)

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
