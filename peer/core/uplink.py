"""This file is about all that passes between us and the registry once we are let in: the link, its frames, the reach.

It routes the registry's notices to the table, the ladder, the mailbox, groups and rooms, and says how far the registry
is in reach. It must not know how datagrams to other peers are made.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from peer.core.contacts import Change, Contact
from peer.core.ladder import Reach
from peer.core.parts import Parts
from peer.core.renaming import Renaming
from peer.core.rooms import Rooms
from wire.codec import decode_notice
from wire.errors import WireError
from wire.header import unpack_relayed
from wire.identity import is_authentic
from wire.messages.desk import (
    ClientChanged,
    ClientTold,
    CommandDone,
    DeskLine,
    DeskRefused,
    DeskShown,
    DutyTold,
    FiguresShown,
    LineRefused,
    LinesTaken,
    PlaceTold,
    RoomShown,
    TurnTold,
    VisitOver,
)
from wire.messages.direct import DatagramRelayed, RelayFailed
from wire.messages.group import CHANNEL, GroupAccepted, GroupGranted, GroupPage, GroupRefused
from wire.messages.link import RegistryCard, RegistryNotice
from wire.messages.mail import MailBatch, MailExpired, MailRefusal, MailRefused, MailSaved
from wire.messages.presence import Left, Ping, Pong
from wire.messages.renaming import RenameAccepted, RenameRefused
from wire.messages.room import RoomChanged, RoomEntered, RoomLeft, RoomRefused, RoomsListed
from wire.messages.table import TablePage

REFUSALS: Final = {
    MailRefusal.MAILBOX_FULL: "the mailbox is full",
    MailRefusal.SENDER_QUOTA: "too many of your messages wait there already",
    MailRefusal.NAME_UNKNOWN: "the server knows nobody of that name",
    MailRefusal.DISK_FULL: "the server's disk is full",
    MailRefusal.TOO_LARGE: "it is too long for the mailbox",
}

SEEKING_SPAN: Final = 5.0
"""Seconds after which a registry that answers by UDP and has no link for us counts as lost for what needs the link."""

RowsChanged = Callable[[list[tuple[Contact, Change]], float], None]
Relayed = Callable[[DatagramRelayed, float], None]


class Uplink:
    """Our side of the registry."""

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        renaming: Renaming,
        *,
        rows_changed: RowsChanged,
        relayed: Relayed,
    ) -> None:
        self._rooms = rooms
        self._lines = rooms.lines
        self._renaming = renaming
        self._session = parts.session
        self._link = parts.link
        self._table = parts.table
        self._contacts = parts.contacts
        self._groups = parts.groups
        self._hearing = parts.hearing
        self._home = parts.home
        self._inbound = parts.inbound
        self._duty = parts.duty
        self._ladder = parts.ladder
        self._out = parts.out
        self._hearing.is_table_fresh = lambda: self._table.is_fresh
        self._rows_changed = rows_changed
        self._relayed = relayed
        self._seeking_since: float | None = None
        self._until_known: list[MailBatch | GroupPage] = []
        self._known_by = 0
        """The question for rows whose answer brings those of all senders of what waits."""

    # --- the link

    def greeted(self, their_random: bytes, *, now: float) -> None:
        """The registry's greeting: the link can carry frames."""
        self._link.greeted(their_random, now=now)

    def frames_came(self, frames: Sequence[bytes], *, now: float, wall: float) -> int:
        """Frames of the link, in order; returns how many were dropped. Raises SealError: close the link."""
        dropped = 0
        for data in frames:
            was_up = self._link.is_up
            payload = self._link.opened(data, now=now)
            if not was_up and self._link.is_up:
                self._link_up(now)
            try:
                if payload is None:
                    self._line_came(data, now)
                else:
                    self._notice_came(decode_notice(payload), now, wall)
            except WireError:
                dropped += 1
        return dropped

    def link_closed(self, *, now: float) -> None:
        """The connection is over: find out at once whether the registry is, too."""
        self.drop_link()
        self._session.note_silence(now=now)
        self.update_reach(now=now)

    def drop_link(self) -> None:
        """Nothing asked for on the link will be answered, and what it granted is void."""
        self._link.drop()
        self._duty.link_lost()
        self._table.link_lost()
        self._hearing.link_lost()
        self._groups.revoke()
        self._rooms.link_lost()
        self._renaming.link_lost()
        self._until_known.clear()
        self._known_by = 0
        self._home.give_up()
        self._home.release()

    def seek(self, *, now: float) -> None:
        """There is reason to expect the registry: for a while it counts as being looked for."""
        self._seeking_since = now

    def update_reach(self, *, now: float) -> None:
        """Tell the ladder how far the registry is in reach."""
        reach = self._measure(now)
        if self._ladder.reach is not Reach.NONE:
            self._ladder.set_reach(reach, now=now)
        if self._ladder.reach is Reach.LOST:
            self._lines.registry_lost(now=now)
            self._rooms.registry_lost()
            self._renaming.registry_lost()

    def _measure(self, now: float) -> Reach:
        if self._link.is_up and self._table.is_fresh:
            self._seeking_since = None
            return Reach.UP
        if self._session.is_lost:
            return Reach.LOST
        if self._seeking_since is None:
            self._seeking_since = now
        return Reach.SEEKING if now < self._seeking_since + SEEKING_SPAN else Reach.LOST

    def flush(self, *, now: float) -> None:
        """Put all requests of this turn on the link; without one they are void, and asked again when it is back."""
        requests, self._out.requests = self._out.requests, []
        if self._link.is_up:
            for request in requests:
                self._link.send(request, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> bool:
        """True when the shell is to close a connection that came to nothing."""
        if self._link.is_keepalive_due(now):
            self._link.send(Ping(reference=0), now=now)
        self._rooms.handle_timer(now=now)
        self._renaming.handle_timer(now=now)
        self.update_reach(now=now)
        return self._link.handle_timer(now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        dues = []
        if self._seeking_since is not None and self._ladder.reach is Reach.SEEKING:
            dues.append(self._seeking_since + SEEKING_SPAN)
        others = (self._link.next_timer(), self._rooms.next_timer(), self._renaming.next_timer())
        dues += [due for due in others if due is not None]
        return min(dues, default=None)

    # --- inside

    def _link_up(self, now: float) -> None:
        self._home.begin()
        self._home.await_group(CHANNEL)
        self._duty.link_up()
        self._table.fetch_anew(now=now)
        self._rooms.link_up(now=now)

    def _line_came(self, data: bytes, now: float) -> None:
        position, frame = unpack_relayed(data)
        if not self._hearing.line_relayed(position, frame, now=now):
            self._table.fetch(now=now)

    def _notice_came(self, notice: RegistryNotice, now: float, wall: float) -> None:
        match notice:
            case TablePage():
                self._page_came(notice, now, wall)
            case MailBatch() | GroupPage():
                self._returned_came(notice, now)
            case MailSaved() | MailRefused() | MailExpired():
                self._mail_notice_came(notice, now)
            case DatagramRelayed():
                self._relayed(notice, now)
            case RelayFailed(recipient):
                contact = self._contacts.by_identity(recipient)
                if contact is not None:
                    self._ladder.relay_failed(contact, now=now)
            case GroupGranted():
                self._rooms.granted(notice, now=now)
            case GroupAccepted() | GroupRefused():
                self._lines.answered(notice, now=now)
            case RoomEntered() | RoomRefused() | RoomLeft() | RoomChanged() | RoomsListed():
                self._room_notice_came(notice, now)
            case RenameAccepted() | RenameRefused():
                self._renaming.answered(notice)
            case RegistryCard() | Pong() | Left():
                self._presence_came(notice, now)
            case (
                DutyTold()
                | ClientTold()
                | ClientChanged()
                | CommandDone()
                | DeskLine()
                | LinesTaken()
                | LineRefused()
                | RoomShown()
                | FiguresShown()
            ):
                self._duty.heed(notice)
            case DeskShown() | PlaceTold() | TurnTold() | VisitOver() | DeskRefused():
                pass  # for visitors: no honest registry says it to somebody with a name
            case _:
                assert_never(notice)

    def _presence_came(self, notice: RegistryCard | Pong | Left, now: float) -> None:
        match notice:
            case RegistryCard(card):
                if card.identity == self._session.pinned and is_authentic(card):
                    self._session.accept_card(card)
            case Pong():
                self._session.receive_pong(notice, now=now)
            case Left():
                self._session.receive_left(notice, now=now)

    def _page_came(self, page: TablePage, now: float, wall: float) -> None:
        changes = self._table.take_page(page, now=now, wall=wall)
        self.update_reach(now=now)
        self._rows_changed(changes, now)
        if self._table.is_fresh:
            self._hearing.rows_came(now=now)
        self._take_returned(now)

    def _returned_came(self, notice: MailBatch | GroupPage, now: float) -> None:
        """Letters and stored lines name their senders by key: they wait until the rows are here.

        A sender may be newer than the table that came with the link: the broadcast of their row may be lost."""
        self._until_known.append(notice)
        of = notice.letters if isinstance(notice, MailBatch) else notice.lines
        if self._table.is_fresh and any(self._contacts.by_identity(one.sender) is None for one in of):
            self._table.fetch_anew(now=now)
            self._known_by = self._table.asked
        self._take_returned(now)

    def _take_returned(self, now: float) -> None:
        if not self._table.is_fresh or self._table.answered < self._known_by:
            return
        waiting, self._until_known = self._until_known, []
        for notice in waiting:
            if isinstance(notice, MailBatch):
                self._inbound.batch_arrived(notice)
            else:
                self._lines.page_came(notice, now=now)

    def _mail_notice_came(self, notice: MailSaved | MailRefused | MailExpired, now: float) -> None:
        match notice:
            case MailSaved(reference):
                self._ladder.letter_saved(reference, now=now)
            case MailRefused(reference, reason):
                self._ladder.letter_refused(reference, REFUSALS[reason], now=now)
            case MailExpired(recipient, number):
                contact = self._contacts.by_identity(recipient)
                if contact is not None:
                    self._ladder.letter_expired(contact, number, now=now)

    def _room_notice_came(
        self, notice: RoomEntered | RoomRefused | RoomLeft | RoomChanged | RoomsListed, now: float
    ) -> None:
        match notice:
            case RoomEntered():
                self._rooms.entered(notice, now=now)
            case RoomRefused():
                self._rooms.refused(notice, now=now)
            case RoomLeft():
                self._rooms.left(notice)
            case RoomChanged():
                self._rooms.changed(notice, now=now)
            case RoomsListed():
                self._rooms.list.listed(notice)
