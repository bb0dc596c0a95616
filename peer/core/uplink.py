"""This file is about all that passes between us and the registry once we are let in: the link, its frames, the reach.

It routes the registry's notices to the table, the ladder, the mailbox and the channel, and says how far the registry
is in reach. It must not know how datagrams to other peers are made.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from peer.core.contacts import Change, Contact
from peer.core.conversation import Message
from peer.core.events import ChannelAccepted, ChannelUnanswered, Trouble
from peer.core.ladder import Reach
from peer.core.parts import Parts
from peer.core.records import Standing
from peer.core.trail import Stored, What
from wire.codec import decode_notice
from wire.errors import WireError
from wire.header import unpack_relayed
from wire.identity import is_authentic
from wire.messages.direct import DatagramRelayed, RelayFailed
from wire.messages.group import CHANNEL, FetchGroup, GroupAccepted, GroupGranted, GroupPage, GroupRefused
from wire.messages.link import RegistryCard, RegistryNotice
from wire.messages.mail import MailBatch, MailExpired, MailRefusal, MailRefused, MailSaved
from wire.messages.presence import Left, Ping, Pong
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

    def __init__(self, parts: Parts, *, rows_changed: RowsChanged, relayed: Relayed) -> None:
        self._session = parts.session
        self._link = parts.link
        self._table = parts.table
        self._contacts = parts.contacts
        self._channel = parts.channel
        self._home = parts.home
        self._inbound = parts.inbound
        self._ladder = parts.ladder
        self._out = parts.out
        self._policy = parts.policy
        self._trails = parts.trails
        self._rows_changed = rows_changed
        self._relayed = relayed
        self._seeking_since: float | None = None
        self._until_known: list[MailBatch | GroupPage] = []
        self._known_by = 0
        """The question for rows whose answer brings those of all senders of what waits."""
        self._lines: dict[int, tuple[Message, float]] = {}
        """Our lines of the channel that are not answered: the deadline of each."""

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
        self._table.link_lost()
        self._channel.revoke()
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
        if reach is Reach.LOST:
            self._give_up_lines(now)

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

    # --- our lines of the channel

    def say(self, message: Message, *, now: float) -> None:
        """A line for the channel: sent now, or as soon as there is a key for it, or given up."""
        self._lines[message.number] = (message, now + self._policy.give_up_after)
        if self._session.is_lost:
            self._give_up_lines(now)
        elif self._link.is_up and self._channel.can_seal:
            self._link.send_group_frame(self._channel.seal(message), now=now)

    @property
    def is_settled(self) -> bool:
        """Whether every line of ours was answered."""
        return not self._lines

    # --- time

    def handle_timer(self, *, now: float) -> bool:
        """True when the shell is to close a connection that came to nothing."""
        if self._link.is_keepalive_due(now):
            self._link.send(Ping(reference=0), now=now)
        for number, (_, deadline) in list(self._lines.items()):
            if now >= deadline:
                self._give_up_line(number, now)
                self._session.ping(now=now)
        self.update_reach(now=now)
        if self._channel.is_gap_due(now) and self._link.is_up:
            self._channel.gap_since = now
            self._fetch_lines()
        return self._link.handle_timer(now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        dues = [deadline for _, deadline in self._lines.values()]
        if self._seeking_since is not None and self._ladder.reach is Reach.SEEKING:
            dues.append(self._seeking_since + SEEKING_SPAN)
        gap_due = self._channel.gap_due if self._link.is_up else None  # without a link nobody can be asked
        dues += [due for due in (self._link.next_timer(), gap_due) if due is not None]
        return min(dues, default=None)

    # --- inside

    def _link_up(self, now: float) -> None:
        self._home.begin()
        self._table.fetch_anew(now=now)

    def _line_came(self, data: bytes, now: float) -> None:
        position, frame = unpack_relayed(data)
        if not self._inbound.line_relayed(position, frame, now=now):
            self._table.fetch(now=now)

    def _notice_came(self, notice: RegistryNotice, now: float, wall: float) -> None:
        match notice:
            case TablePage():
                self._page_came(notice, now, wall)
            case MailBatch() | GroupPage():
                self._returned_came(notice, now)
            case MailSaved(reference):
                self._ladder.letter_saved(reference, now=now)
            case MailRefused(reference, reason):
                self._ladder.letter_refused(reference, REFUSALS[reason], now=now)
            case MailExpired(recipient, number):
                contact = self._contacts.by_identity(recipient)
                if contact is not None:
                    self._ladder.letter_expired(contact, number, now=now)
            case DatagramRelayed():
                self._relayed(notice, now)
            case RelayFailed(recipient):
                contact = self._contacts.by_identity(recipient)
                if contact is not None:
                    self._ladder.relay_failed(contact, now=now)
            case GroupGranted():
                self._granted(notice, now)
            case GroupAccepted() | GroupRefused():
                self._line_answered(notice, now)
            case RegistryCard(card):
                if card.identity == self._session.pinned and is_authentic(card):
                    self._session.accept_card(card)
            case Pong():
                self._session.receive_pong(notice, now=now)
            case Left():
                self._session.receive_left(notice, now=now)
            case _:
                assert_never(notice)

    def _page_came(self, page: TablePage, now: float, wall: float) -> None:
        changes = self._table.take_page(page, now=now, wall=wall)
        self.update_reach(now=now)
        self._rows_changed(changes, now)
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
                self._inbound.page_arrived(notice, now=now)
                if notice.more:
                    self._fetch_lines()

    def _granted(self, granted: GroupGranted, now: float) -> None:
        if granted.group != CHANNEL:
            return
        first = not self._channel.can_seal
        missed = self._channel.grant(granted)
        if first and missed:
            self._fetch_lines()
        elif first:
            self._home.is_channel_drained = True
            self._inbound.cursor_set()
        for message, _ in self._lines.values() if first else ():
            self._link.send_group_frame(self._channel.seal(message), now=now)

    def _fetch_lines(self) -> None:
        if self._channel.cursor is not None:
            self._out.requests.append(FetchGroup(group=CHANNEL, since=self._channel.cursor))

    def _line_answered(self, answer: GroupAccepted | GroupRefused, now: float) -> None:
        message = self._channel.answered(answer.epoch, answer.counter)
        if message is None:
            return
        match answer:
            case GroupAccepted(position=position):
                self._inbound.position_known(position, now=now)
                trail = self._trails.changed(message, What.ACCEPTED, now)
                self._close_line(message, Standing.DELIVERED, trail)
                self._out.events.append(ChannelAccepted(number=message.number))
            case GroupRefused(disk_full=True):
                self._refuse_line(message, REFUSALS[MailRefusal.DISK_FULL], now)
                self._out.events.append(Trouble(text="Channel message refused: the server's disk is full"))
            case GroupRefused():
                self._link.send_group_frame(self._channel.seal(message), now=now)  # that epoch is over

    def _close_line(self, message: Message, standing: Standing, trail: Stored) -> None:
        self._lines.pop(message.number, None)
        self._channel.settle(message, standing, trail)

    def _refuse_line(self, message: Message, reason: str, now: float) -> None:
        trail = self._trails.changed(message, What.REFUSED, now, reason)
        self._close_line(message, Standing.REFUSED, trail)

    def _give_up_lines(self, now: float) -> None:
        for number in list(self._lines):
            self._give_up_line(number, now)

    def _give_up_line(self, number: int, now: float) -> None:
        message, _ = self._lines[number]
        self._refuse_line(message, "the server is not responding", now)
        self._out.events.append(ChannelUnanswered(number=number))
