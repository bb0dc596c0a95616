"""This file is about one person's node as a whole: the seam between the core's parts and whatever shell drives it.

It routes: datagrams and link frames to the part that understands them, time to the parts that wait, and what they
have to say out again. What a message, a table or a letter means stands in the parts.
"""

import enum
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from peer.core import events as happened
from peer.core.channel import Channel
from peer.core.contacts import Change, Contact, Contacts
from peer.core.conversation import Message
from peer.core.inbound import Inbound
from peer.core.ladder import Ladder, Reach
from peer.core.link import LinkEnd
from peer.core.lookup import LookUps
from peer.core.mail import Homecoming
from peer.core.me import Me, Notebook
from peer.core.outputs import Outputs
from peer.core.post import Post
from peer.core.records import CHANNEL_MARK, Loaded, Record, RegistryPinned, StoredStream
from peer.core.session import Notice, RegistrySession, State
from peer.core.table import Table
from peer.core.uplink import Uplink
from wire.address import Address
from wire.admission import signed_table
from wire.codec import decode_frames, decode_table_batch
from wire.delivery.events import Acknowledged, Arrived, GaveUp, Unanswered
from wire.delivery.policy import Policy
from wire.errors import SealError, TooLong, WireError
from wire.header import Kind, unpack_group, unpack_sealed
from wire.identity import fingerprint
from wire.letters import seal_letter
from wire.limits import TEXT_MAX
from wire.messages.delivery import DeliveryFrame
from wire.messages.direct import DatagramRelayed
from wire.messages.mail import LetterBody
from wire.messages.presence import Left, Pong
from wire.messages.registration import RefusalReason
from wire.sealing import Session

REFUSALS: Final = {
    RefusalReason.BAD_NAME: "it does not accept this name",
    RefusalReason.OLD_CARD: "it knows a newer card of yours; is the clock right?",
    RefusalReason.VERSION: "it speaks another version of the protocol",
    RefusalReason.FULL: "it is full",
    RefusalReason.NOT_SERVING: "it is not serving now",
}


class LookUp(enum.Enum):
    """What is known of a name."""

    KNOWN = "it is in the table"
    BLOCKED = "its key is not the one that we hold"
    UNKNOWN = "nobody has it, as far as can be known now"
    ASKING = "the registry is being asked"


class Begun(NamedTuple):
    """A message of ours: to whom, as they write their name, and its number in our stream to them."""

    to: str
    number: int


class PeerCore:
    """One node. Time is monotonic seconds; `wall_offset` added to it gives Unix time."""

    def __init__(
        self,
        me: Me,
        *,
        server: Address,
        loaded: Loaded,
        rng: random.Random,
        policy: Policy,
        now: float,
        wall_offset: float,
    ) -> None:
        self.me: Final = me
        self.wall_offset = wall_offset
        self.dropped: Counter[str] = Counter()
        """Datagrams and frames that were no good, by what they should have been."""
        self._rng = rng
        self._policy = policy
        self._pinned = loaded.registry
        self._streams = dict(loaded.streams)
        self._wants_close = False
        self._was_lost = False
        self._has_begun = False
        self._last_channel: Session | None = None
        self._out = Outputs()
        self._contacts = Contacts()
        self._post = Post(me.identity, self._contacts, self._out)
        self._ladder = Ladder(policy, self._out, self._write_letter)
        self._session = RegistrySession(
            identity=me.identity, address=server, pinned=loaded.registry, policy=policy, rng=rng
        )
        self._link = LinkEnd(rng)
        self._table = Table(self._contacts, self._out, version=loaded.version, saved_at=loaded.table_at)
        self._look_ups = LookUps(self._table, policy)
        self._home = Homecoming(self._out)
        self._notebook = Notebook(me, self._streams.pop(me.identity.public, StoredStream()), self._out)
        self._channel = Channel(self._streams.pop(CHANNEL_MARK, StoredStream()), loaded.cursor, self._out)
        self._inbound = self._make_inbound()
        self._uplink = self._make_uplink()
        self._post.use_lives(me.lives, me.card)
        self._restore(loaded, now)

    def _make_inbound(self) -> Inbound:
        return Inbound(
            contacts=self._contacts,
            channel=self._channel,
            home=self._home,
            outputs=self._out,
            stored=self._streams,
            reader=self.me.identity.public,
            mail_keys=self.me.mail_keys,
            policy=self._policy,
            rng=self._rng,
        )

    def _make_uplink(self) -> Uplink:
        return Uplink(
            session=self._session,
            link=self._link,
            table=self._table,
            contacts=self._contacts,
            channel=self._channel,
            home=self._home,
            inbound=self._inbound,
            ladder=self._ladder,
            outputs=self._out,
            policy=self._policy,
            rows_changed=self._rows_changed,
            relayed=self._datagram_relayed,
        )

    def _restore(self, loaded: Loaded, now: float) -> None:
        for row in loaded.rows:
            self._contacts.take_row(row)
        for contact in list(self._contacts):
            self._inbound.adopt(contact, now=now)
            self._ladder.adopt(contact)

    # --- what the user wants

    def start(self, *, now: float) -> None:
        """Register; also after `leave`."""
        if self._ladder.reach is Reach.NONE:
            self._ladder.set_reach(Reach.SEEKING, now=now)
        self._has_begun = False
        self._uplink.seek(now=now)
        self._session.use_card(self.me.card, self.me.live)
        self._session.start(table_version=self._table.version, now=now)
        self._heed_session(now)

    def leave(self, *, now: float) -> None:
        """Go offline: tell the registry, acknowledge nothing more."""
        self._ladder.set_reach(Reach.NONE, now=now)
        self._post.stop_announcing()
        self._session.leave(now=now)
        self._heed_session(now)

    def look_up(self, name: str, *, now: float) -> LookUp:
        """Whether a message to `name` can be begun. ASKING: ask again after the next turn."""
        contact = self._contacts.by_name(name)
        if self._contacts.is_blocked(name):
            return LookUp.BLOCKED
        if contact is not None or self._contacts.is_own(name, self.me.name):
            self._look_ups.forget(name)
            return LookUp.KNOWN
        reach = self._ladder.reach
        if reach in (Reach.LOST, Reach.NONE):
            self._look_ups.forget(name)
            return LookUp.UNKNOWN
        is_over = self._look_ups.is_over(name, can_ask=reach is Reach.UP, now=now)
        return LookUp.UNKNOWN if is_over else LookUp.ASKING

    def send(self, to: str, text: str, *, now: float) -> Begun:
        """Begin a message to somebody who is KNOWN. Raises TooLong, UnicodeEncodeError, KeyError."""
        check_length(text)
        wall = now + self.wall_offset
        if self._contacts.is_own(to, self.me.name):
            return Begun(self.me.name, self._notebook.write(text, wall=wall).number)
        contact = self._contacts.by_name(to)
        if contact is None or self._contacts.is_blocked(to):
            raise KeyError(to)
        talk = self._inbound.conversation(contact)
        message = self._ladder.begin(contact, talk, text, wall=wall, now=now)
        return Begun(contact.name, message.number)

    def send_all(self, text: str, *, now: float) -> int:
        """Begin a line for the channel; returns its number. Raises TooLong, UnicodeEncodeError."""
        check_length(text)
        message = self._channel.add(text, wall=now + self.wall_offset)
        self._uplink.say(message, now=now)
        return message.number

    def people(self) -> tuple[happened.Person, ...]:
        """The table, by name."""
        people = [
            happened.Person(name=contact.name, online=contact.row.online, since=float(contact.row.since))
            for contact in self._contacts
        ]
        return tuple(sorted(people, key=lambda person: person.name))

    def line_shown(self, line: happened.Line) -> None:
        """Somebody has seen this line; after a restart it is not shown again."""
        if line.identity != self.me.identity.public:
            self._inbound.line_shown(line)

    @property
    def is_settled(self) -> bool:
        """Whether all that we said is delivered, saved, kept or refused."""
        return self._ladder.is_settled and self._uplink.is_settled

    @property
    def is_ready(self) -> bool:
        """Whether the registry and we know of each other all that there is to know, or it is not to be had."""
        return self._ladder.reach is not Reach.SEEKING and self._home.is_mail_drained

    @property
    def state(self) -> State:
        """Where our registration stands."""
        return self._session.state

    @property
    def is_offline(self) -> bool:
        """Whether we are not registered by our own wish, or not let in."""
        return self.state in (State.OFFLINE, State.LEAVING, State.REFUSED)

    @property
    def reach(self) -> Reach:
        """How far the registry is in reach."""
        return self._ladder.reach

    @property
    def table_version(self) -> int:
        """How far our copy of the table goes."""
        return self._table.version

    # --- what comes in

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Any bytes from anybody: never raises, never answers an error."""
        try:
            self._route(data, sender, now)
        except WireError as error:
            self.dropped[type(error).__name__] += 1
        self._heed_session(now)

    def link_connected(self, *, now: float) -> None:
        """The shell's TCP connection to the registry stands."""
        self._link.connected(now=now)

    def link_greeted(self, greeting: bytes, *, now: float) -> None:
        """The registry's first bytes on it."""
        self._uplink.greeted(greeting, now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Frames from the link."""
        try:
            dropped = self._uplink.frames_came(frames, now=now, wall=now + self.wall_offset)
            self.dropped["frame"] += dropped
        except SealError:
            self.dropped["link"] += 1
            self._cut_link(now)
        self._catch_up(now)
        self._heed_session(now)

    def link_closed(self, *, now: float) -> None:
        """The connection is over or could not be made."""
        self._uplink.link_closed(now=now)
        self._heed_session(now)

    def records_stored(self, *, now: float) -> None:
        """All records drained so far are on disk."""
        self._notebook.stored()
        self._inbound.stored(now=now)

    def handle_timer(self, *, now: float) -> None:
        """Whatever is due; early and late calls are harmless."""
        card = self.me.card
        if self.me.handle_timer(self._rng, now=now):
            self._use_lives(now, is_new=self.me.card is not card)
        self._session.handle_timer(now=now)
        # Before the couriers, which let go of what is due without showing it.
        self._inbound.handle_timer(now=now)
        for contact in list(self._post.active.values()):
            if contact.conversation is not None:
                contact.conversation.courier.handle_timer(now=now)
                self._heed_courier(contact, None, now)
        self._ladder.handle_timer(now=now)
        self._look_ups.handle_timer(now=now)
        self._post.handle_timer(now=now)
        if self._uplink.handle_timer(now=now):
            self._cut_link(now)
        self._heed_session(now)

    # --- what goes out

    def next_timer(self) -> float | None:
        """One absolute deadline."""
        dues = [
            self._session.next_timer(),
            self._ladder.next_timer(),
            self._inbound.next_timer(),
            self._post.next_timer(),
            self._uplink.next_timer(),
            self.me.next_timer(),
            self._look_ups.next_timer(),
            *(
                contact.conversation.courier.next_timer()
                for contact in self._post.active.values()
                if contact.conversation is not None
            ),
        ]
        return min((due for due in dues if due is not None), default=None)

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        self._post.active.update(self._ladder.contacts_begun())
        if self._ladder.reach is not Reach.NONE:
            self._post.flush(now=now, can_relay=self._ladder.reach is Reach.UP)
        ours = [(datagram, self._session.address) for datagram in self._session.datagrams_to_send()]
        return ours + self._post.datagrams_to_send()

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Drained, in order; ask after `datagrams_to_send`, which may relay."""
        self._uplink.flush(now=now)
        return self._link.bytes_to_send()

    def wants_link(self) -> bool:
        """Drained: whether the shell is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Drained: whether the shell is to close its connection."""
        wants, self._wants_close = self._wants_close, False
        return wants

    @property
    def link_port(self) -> int:
        """The registry's TCP port."""
        return self._session.welcome.link_port if self._session.welcome is not None else 0

    def records_to_store(self) -> list[Record]:
        """Drained: store them, then call `records_stored`."""
        return self._out.drain_records() + self._inbound.marks()

    def events(self) -> list[happened.Event]:
        """Drained, in order."""
        return self._out.drain_events()

    def _cut_link(self, now: float) -> None:
        """The connection is no good: the shell drops it, we go on as if it had been lost."""
        self._wants_close = True
        self._uplink.link_closed(now=now)

    # --- routing

    def _route(self, data: bytes, sender: Address, now: float) -> None:
        kind = data[0] if data else 0
        is_registry = sender == self._session.address
        if kind == Kind.SEALED:
            self._sealed_came(data, sender, now)
        elif kind == Kind.GROUP and is_registry:
            self._table_came(data, now)
        elif kind == Kind.COOKIE and is_registry:
            self._session.receive_cookie(data[1:], now=now)
        elif kind == Kind.WELCOME and is_registry:
            self._session.receive_welcome(data[1:], now=now)
        elif kind == Kind.REFUSED and is_registry:
            self._session.receive_refused(data[1:], now=now)
        elif kind == Kind.CARD:
            self._card_came(data[1:], now)
        else:
            self.dropped["unknown kind"] += 1

    def _sealed_came(self, data: bytes, sender: Address, now: float) -> None:
        channel = self._session.channel
        if channel is not None and unpack_sealed(data).tag == channel.open_tag:
            for frame in decode_frames(channel.open(data)):
                if isinstance(frame, Pong):
                    self._session.receive_pong(frame, now=now)
                    self._catch_up(now)
                elif isinstance(frame, Left):
                    self._session.receive_left(frame, now=now)
        elif self._ladder.reach is not Reach.NONE:
            contact, payload = self._post.open(data, source=sender, now=now)
            self._payload_came(contact, payload, through_server=False, now=now)

    def _datagram_relayed(self, notice: DatagramRelayed, now: float) -> None:
        contact, payload = self._post.open(notice.datagram, source=None, now=now, relayed_by=notice.sender)
        self._payload_came(contact, payload, through_server=True, now=now)

    def _payload_came(self, contact: Contact, payload: bytes, *, through_server: bool, now: float) -> None:
        frames = decode_frames(payload)
        talk = self._inbound.conversation(contact)
        for frame in frames:
            if isinstance(frame, DeliveryFrame):
                talk.courier.receive(frame, now=now)
        self._heed_courier(contact, through_server, now)
        self._inbound.frames_read(contact, now=now)
        self._ladder.climb(contact, now=now)
        self._post.active[contact.identity] = contact

    def _heed_courier(self, contact: Contact, through_server: bool | None, now: float) -> None:
        assert contact.conversation is not None
        for event in contact.conversation.courier.events():
            match event:
                case Arrived(number, body):
                    self._message_arrived(contact, number, body)
                case Acknowledged(number):
                    self._ladder.acknowledged(contact, number, through_server=bool(through_server))
                case GaveUp(number):
                    self._ladder.gave_up(contact, number, now=now)
                case Unanswered():
                    self._refresh_card(contact, now)

    def _message_arrived(self, contact: Contact, number: int, body: bytes) -> None:
        try:
            self._inbound.message_arrived(contact, number, body)
        except WireError as error:
            self.dropped[type(error).__name__] += 1

    def _refresh_card(self, contact: Contact, now: float) -> None:
        """They may have a new live key, or not know ours: ask for their card, show ours (clause 6.5)."""
        if self._ladder.reach is Reach.UP:
            self._table.fetch(now=now)
        self._post.introduce(contact)

    def _card_came(self, data: bytes, now: float) -> None:
        if self._ladder.reach is Reach.NONE:
            return
        contact = self._post.take_card(data)
        if contact is not None:
            self._rows_changed([(contact, Change.RESTARTED)], now)

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
        changes = self._table.take_batch(batch, wall=now + self.wall_offset)
        if changes:
            self._rows_changed(changes, now)
        self._catch_up(now)

    def _catch_up(self, now: float) -> None:
        """Rows are missing that the registry has: ask for them."""
        if self._link.is_up and self._session.known_version > self._table.version:
            self._table.fetch(now=now)

    def _rows_changed(self, changes: list[tuple[Contact, Change]], now: float) -> None:
        for contact, change in changes:
            talk = contact.conversation
            if change is Change.RESTARTED and talk is not None:
                talk.courier.restart_tries(now=now)
                self._post.active[contact.identity] = contact
            if change is not Change.TAKEN:
                self._ladder.climb(contact, now=now)
            if contact.identity in self._streams or CHANNEL_MARK + contact.identity in self._streams:
                self._inbound.adopt(contact, now=now)
                self._ladder.adopt(contact)
        if changes:
            self._inbound.rows_came(now=now)

    # --- the registration

    def _heed_session(self, now: float) -> None:
        for notice in self._session.notices():
            match notice:
                case Notice.WELCOMED:
                    self._welcomed(now)
                case Notice.LOST:
                    self._lost(now)
                case Notice.DENIED:
                    self._denied()
                case Notice.LEFT:
                    self._gone(happened.Left(), now)
                case Notice.LEAVE_UNANSWERED:
                    self._gone(happened.LeaveUnanswered(), now)
                case Notice.WRONG_KEY:
                    self._wrong_key(now)
        for question in self._session.sealed_questions():
            self._out.requests.append(question)  # the link carries it too: there it cannot get lost
        self._uplink.update_reach(now=now)

    def _welcomed(self, now: float) -> None:
        if self._pinned is None and self._session.pinned is not None:
            self._pinned = self._session.pinned
            self._out.records.append(RegistryPinned(self._pinned))
        if not self._has_begun:
            self._out.events.append(happened.Registered())
        if self._was_lost:
            self._uplink.seek(now=now)
            self._out.events.append(happened.ServerBack())
        self._has_begun, self._was_lost = True, False
        self._post.stop_announcing()
        assert self._session.channel is not None
        if self._session.channel is not self._last_channel:
            self._link.forgive()  # another life of the registry: what its last one did to links is no sign
            self._last_channel = self._session.channel
        self._link.open(self._session.channel, now=now)

    def _lost(self, now: float) -> None:
        if self._has_begun:
            self._out.events.append(happened.ServerLost())
        else:
            saved_at = self._table.saved_at if len(self._contacts) else None
            self._out.events.append(happened.NoServerAtStart(table_time=saved_at))
        self._go_on_alone(now)

    def _go_on_alone(self, now: float) -> None:
        self._was_lost = True
        self._uplink.drop_link()
        self._wants_close = True
        self._post.announce_to_all(now=now)

    def _denied(self) -> None:
        assert self._session.denied is not None
        if self._session.denied is RefusalReason.NAME_TAKEN:
            self._out.events.append(happened.NameTaken(name=self.me.name))
        else:
            self._out.events.append(happened.NotAdmitted(reason=REFUSALS[self._session.denied]))

    def _gone(self, event: happened.Event, now: float) -> None:
        self._uplink.drop_link()
        self._link.forgive()
        self._wants_close = True
        self._out.events.append(event)

    def _wrong_key(self, now: float) -> None:
        assert self._session.stranger is not None and self._session.pinned is not None
        self._out.events.append(
            happened.RegistryKeyChanged(
                expected=fingerprint(self._session.pinned), got=fingerprint(self._session.stranger)
            )
        )
        self._go_on_alone(now)

    def _use_lives(self, now: float, *, is_new: bool) -> None:
        """Open with these from now on, and show a new one to everybody."""
        self._post.use_lives(self.me.lives, self.me.card)
        self._session.use_card(self.me.card, self.me.live)
        if is_new and self._session.state is State.REGISTERED:
            self._session.start(table_version=self._table.version, now=now)

    def _write_letter(self, contact: Contact, message: Message) -> bytes:
        contact.check_card()
        talk = self._inbound.conversation(contact)
        body = LetterBody(
            number=message.number,
            floor=talk.outgoing.floor,
            since=talk.outgoing.since(message),
            sender=self.me.identity.public,
            sender_name=self.me.name,
            recipient=contact.identity,
            recipient_name=contact.name,
            at=message.at_ms,
            text=message.text,
        )
        return seal_letter(body, author=self.me.identity, mail_key=contact.row.card.mail)


def check_length(text: str) -> None:
    """Raises TooLong for a text of more than TEXT_MAX bytes of UTF-8, UnicodeEncodeError for lone surrogates."""
    size = len(text.encode())
    if size > TEXT_MAX:
        raise TooLong(size, TEXT_MAX)
