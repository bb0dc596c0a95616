"""This file is about what comes in: whose a datagram is, what an opened payload means for which part, what new rows change.

It routes. Registering and the link's frames are others' (`session`, `uplink`).
"""

from peer.core.contact import Contact
from peer.core.contacts import Change
from peer.core.parts import Parts
from peer.core.post import Came
from peer.core.reach import Reach
from peer.core.rooms import Rooms
from wire.address import Address
from wire.admission import signed_table
from wire.codec import decode_frames, decode_table_batch
from wire.delivery.events import Acknowledged, Arrived, GaveUp, Unanswered
from wire.errors import SealError, WireError
from wire.header import Kind, unpack_group
from wire.messages.delivery import DeliveryFrame, Part
from wire.messages.direct import DatagramRelayed
from wire.messages.presence import Left, Pong, Probe


class Router:
    """Where what came goes."""

    def __init__(self, parts: Parts, rooms: Rooms) -> None:
        self._parts = parts
        self._rooms = rooms
        self._lines = rooms.lines
        self._straight = parts.straight
        self._session = parts.session
        self._post = parts.post
        self._inbound = parts.inbound
        self._outlook = parts.outlook
        self._ladder = parts.ladder
        self._settling = parts.settling
        self._link = parts.link
        self._table = parts.table
        self._channel = parts.channel
        self._hearing = parts.hearing

    def route(self, data: bytes, sender: Address, *, now: float) -> bool:
        """A datagram, to the part that understands it; whether the registry may have said it. Raises WireError for
        what is no good."""
        kind = data[0] if data else 0
        if kind in (Kind.SEALED, Kind.OPENING, Kind.ANSWER):
            return self._sealed_came(data, sender, now)
        is_registry = sender == self._session.address
        if kind == Kind.GROUP and is_registry:
            self._table_came(data, now)
        elif kind == Kind.COOKIE and is_registry:
            self._session.receive_cookie(data[1:], now=now)
        elif kind == Kind.WELCOME and is_registry:
            self._session.receive_welcome(data[1:], now=now)
        elif kind == Kind.REFUSED and is_registry:
            self._session.receive_refused(data[1:], now=now)
        else:
            self._parts.dropped["unknown kind"] += 1
        return is_registry

    def _sealed_came(self, data: bytes, sender: Address, now: float) -> bool:
        if self._session.is_ours(data):
            payload = self._session.open(data, now=now)
            for frame in decode_frames(payload) if payload else ():
                if isinstance(frame, Pong):
                    self._session.receive_pong(frame, now=now)
                    self.catch_up(now=now)
                elif isinstance(frame, Probe):
                    self._session.receive_probe(now=now)
                elif isinstance(frame, Left):
                    self._session.receive_left(frame, now=now)
            return True
        if self._outlook.reach is not Reach.NONE:
            self._opened(self._post.open(data, source=sender, now=now), through_server=False, now=now)
        return False

    def datagram_relayed(self, notice: DatagramRelayed, now: float) -> None:
        """One that came through the registry. Raises WireError."""
        came = self._post.open(notice.datagram, source=None, now=now, relayed_by=notice.sender)
        self._opened(came, through_server=True, now=now)

    def _opened(self, came: Came, *, through_server: bool, now: float) -> None:
        try:
            if came.payload:
                self._payload_came(came.contact, came.payload, through_server=through_server, now=now)
        finally:
            if came.is_return:
                self.rows_changed([(came.contact, Change.RESTARTED)], now)

    def _payload_came(self, contact: Contact, payload: bytes, *, through_server: bool, now: float) -> None:
        frames = decode_frames(payload)
        talk = self._inbound.conversation(contact)
        for frame in frames:
            if isinstance(frame, Part) and not self._parts.takes_messages:
                self._parts.dropped["no room"] += 1  # not acknowledged: as if we were away
            elif isinstance(frame, DeliveryFrame):
                talk.courier.receive(frame, now=now)
        self.heed_courier(contact, through_server=through_server, now=now)
        self._inbound.frames_read(contact, now=now)
        self._ladder.climb(contact, now=now)
        self._post.active[contact.identity] = contact

    def heed_courier(self, contact: Contact, *, through_server: bool, now: float) -> None:
        """What the courier of a contact has to tell."""
        assert contact.conversation is not None
        acknowledged: list[Acknowledged] = []
        carries_lines = not self._straight.is_settled
        for event in contact.conversation.courier.events():
            match event:
                case Arrived():
                    try:
                        self._inbound.message_arrived(contact, event.number, event.body)
                    except WireError as error:
                        self._parts.dropped[type(error).__name__] += 1
                case Acknowledged():
                    if not carries_lines or not self._lines.line_acknowledged(contact, event.number, now=now):
                        acknowledged.append(event)
                case GaveUp(number):
                    if not self._lines.line_given_up(contact, number):
                        self._ladder.gave_up(contact, number, now=now)
                case Unanswered(number, tries):
                    self._ladder.tried_again(contact, number, tries + 1, now=now)
                    self._look_for(contact, now)
        if acknowledged:
            self._settling.acknowledged(contact, acknowledged, through_server=through_server, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Couriers try again, or give up."""
        for contact in list(self._post.active.values()):
            if contact.conversation is not None:
                contact.conversation.courier.handle_timer(now=now)
                self.heed_courier(contact, through_server=False, now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline of a courier."""
        dues = [
            contact.conversation.courier.next_timer()
            for contact in self._post.active.values()
            if contact.conversation is not None
        ]
        return min((due for due in dues if due is not None), default=None)

    def _look_for(self, contact: Contact, now: float) -> None:
        """They do not answer: they may be elsewhere, or have been started anew."""
        if self._outlook.reach is Reach.UP:
            self._table.fetch(now=now)
        self._post.sessions.doubt(contact.identity, now=now)

    def _table_came(self, data: bytes, now: float) -> None:
        key = self._channel.key(unpack_group(data).epoch)
        if key is None or self._session.pinned is None:
            return  # before the link came up; the first page brings what we miss
        # Not held against the replay window: any member could move that, as it has the key. The version tells repeats.
        signed = signed_table(key.open_stored(data), registry=self._session.pinned)
        if signed is None:
            raise SealError("a table that the registry has not signed")
        batch = decode_table_batch(signed)
        self._session.known_version = max(self._session.known_version, batch.version)
        changes = self._table.take_batch(batch, wall=now + self._parts.wall_offset)
        if changes:
            self.rows_changed(changes, now)
        self.catch_up(now=now)

    def catch_up(self, *, now: float) -> None:
        """Rows are missing that the registry has: ask for them."""
        if self._link.is_up and self._session.known_version > self._table.version:
            self._table.fetch(now=now)

    def rows_changed(self, changes: list[tuple[Contact, Change]], now: float) -> None:
        """What new rows mean for what is under way."""
        for contact, change in changes:
            talk = contact.conversation
            if change is Change.RESTARTED and talk is not None:
                talk.courier.restart_tries(now=now)
                self._post.active[contact.identity] = contact
            if change is not Change.TAKEN:
                self._ladder.climb(contact, now=now)
            if change is Change.RESTARTED:
                self._lines.catch_up(contact, now=now)
            if self._inbound.adopt(contact, now=now):
                self._settling.adopt(contact)
        if changes:
            self._hearing.rows_came(now=now)
            self._rooms.where.rows_came()
