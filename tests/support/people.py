"""Peers in the simulated network: a real core and a real history, on virtual time and wires.

A person can crash and start again with what its disk holds; what it was shown is kept for the
invariants.
"""

from collections.abc import Callable, Sequence
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import Context, LocalIdentity, LookUp
from chatapp.peer.core.conversation import SentMessage
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.records import CAN_WAIT, DEAD, Record, Related, RelationKind, group_mark
from chatapp.peer.history.database import History
from chatapp.peer.history.query import StoredLine, shown
from chatapp.peer.node.keystore import RENEWALS_MAX
from chatapp.peer.node.storage import SYNC_SPAN
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.identity import AgreementKey, Identity
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.names import is_same_name
from tests.support.machine import POLICY, Machine
from tests.support.network import Network
from tests.support.screen import Screen
from tests.support.storage import Storage

TRIES_AGAIN_AFTER: Final = 3.0
"""Seconds until a person whom the registry refused starts the program again."""
NEWEST_LINES: Final = 8
"""Lines of the past that a person looks at to change one, or to say something about it."""


def stream_of(conversation: Conversation, reader: "Person") -> bytes:
    """Return the key of an author's stream of this conversation, in which this person reads it."""
    if conversation.is_person:
        return reader.identity.public
    return group_mark(f"#{conversation.name}" if conversation.is_room else CHANNEL)


class Person(Machine):
    """One peer."""

    def __init__(self, network: Network, name: str, server: Address, host: str) -> None:
        super().__init__(network, name, server, host)
        self.called = name
        """The person's name, as stored in the folder."""
        self.names = {name}
        """All names that this person ever had or asked for."""
        self.maybe_called: str | None = None
        self.identity = Identity(self.random.randbytes(32))
        self.mail_keys = [AgreementKey(self.random.randbytes(32))]
        self.storage = Storage()
        self.screen = Screen()
        self.said_at: dict[str, float] = {}
        """When each text was sent; each is sent once."""
        self.begun_at: dict[int, float] = {}
        """When each line or change was sent, by its id."""
        self.came_at: float | None = None
        """When this person was first registered."""
        self.bound_at: float | None = None
        """When the registry first knew the name."""
        self._counter = 0
        self._sync_at: float | None = None
        """When what is stored is to be synced."""
        self.gives_marks = False
        """Whether this person has asked for seen marks."""
        self.has_lost_power = False
        """Whether the machine ever went off without warning."""
        self.operator_code: Callable[[str], JoinCode | None] = lambda name: None
        """Returns the code that the registry printed for an operator's name."""

    # --- life

    def start(self) -> None:
        """Start the program with what the disk holds."""
        if self.lives:
            self.storage.restart()
        self.lives += 1
        self._sync_at = None
        now = self.network.now
        counter = max(self._counter + 1, int((now + self.wall_offset) * 1_000))
        self._counter = counter + RENEWALS_MAX  # set aside before they are used, as on disk
        me = LocalIdentity(
            name=self.called,
            other_name=self.maybe_called,
            identity=self.identity,
            mail_keys=self.mail_keys,
            counter=counter,
        )
        self._core = PeerCore(
            Context(
                me,
                policy=POLICY,
                rng=self.random,
                wall_offset=self.wall_offset,
                gives_marks=self.gives_marks,
            ),
            servers=self.servers,
            loaded=self.history.load(),
            now=now,
        )
        if (code := self.operator_code(self.called)) is not None:
            self.core.registry.use_code(code)
        self.network.settle_at(self.address, self._datagram_came)
        self.core.start(now=now)
        self.turn()

    def _try_again(self) -> None:
        """Start the program again after the registry refused this person."""
        if self.is_running and isinstance(self.core.not_let_in, events.AdmissionRefused):
            self.crash()
            self.start()

    def _store(self, records: Sequence[Record]) -> None:
        if records:
            self.storage.store(records)
            if not CAN_WAIT.issuperset(map(type, records)):
                self._sync_within(SYNC_SPAN)

    def _sync_within(self, span: float) -> None:
        """Sync after this span, as the driver does, unless a sync is due before."""
        due = self.network.now + span
        if self._sync_at is None or due < self._sync_at:
            self._sync_at, life = due, self.lives
            self.network.after(span, lambda: self._sync(life, due))

    def _sync(self, life: int, due: float) -> None:
        if life != self.lives or not self.is_running or due != self._sync_at:
            return
        if self._is_put_off(lambda: self._sync(life, due)):
            return
        self._sync_at = None
        number = self.core.sync_begins()
        if self.storage.sync():
            self.core.synced(number, now=self.network.now)
        self.turn()

    def lose_power(self) -> None:
        """The machine goes off: what was not synced is lost."""
        self.crash()
        self.has_lost_power = True
        self.storage.lose_power(self.random)

    def may_give_again(self, recipient: bytes, number: int) -> bool:
        """Whether this person would give a delivered message again if its recipient lost it."""
        query = "SELECT on_disk FROM streams WHERE ours AND key = ?"
        (on_disk,) = self.history._db.execute(query, (recipient,)).fetchone()
        return number >= int(on_disk)

    # --- what the disk says

    @property
    def history(self) -> History:
        """The history, with all that is stored."""
        return self.storage.history

    def holds(self, stream: bytes, number: int) -> bool:
        """Whether a message to this person is stored; a note to oneself is stored when written,
        once."""
        is_note = stream == self.identity.public
        query = "SELECT 1 FROM lines JOIN streams ON streams.id = stream WHERE ours = ? AND key = ? AND number = ?"
        return self.history._db.execute(query, (is_note, stream, number)).fetchone() is not None

    def sent(self) -> list[tuple[bytes, int, MessageState]]:
        """All messages of this person: (recipient, number, state)."""
        query = (
            "SELECT key, number, state FROM lines JOIN streams ON streams.id = stream WHERE ours"
        )
        return [
            (stream, number, MessageState.numbered(it))
            for stream, number, it in self.history._db.execute(query)
        ]

    def number_of(self, id_: int) -> int:
        """Return the number of this person's line in its stream."""
        return int(
            self.history._db.execute("SELECT number FROM lines WHERE id = ?", (id_,)).fetchone()[0]
        )

    def state_of(self, stream: bytes, text: str) -> MessageState | None:
        """Return the state of this person's message with this text."""
        query = "SELECT state FROM lines JOIN streams ON streams.id = stream WHERE ours AND key = ? AND text = ?"
        row = self.history._db.execute(query, (stream, text)).fetchone()
        return None if row is None else MessageState.numbered(row[0])

    def has_got_through(self, id_: int) -> bool:
        """Whether this person's line with this id is DELIVERED."""
        query = "SELECT state FROM lines WHERE id = ?"
        (state,) = self.history._db.execute(query, (id_,)).fetchone()
        return MessageState.numbered(state) is MessageState.DELIVERED

    def count_standing(self, *standings: MessageState) -> int:
        """Count this person's messages in this state."""
        return sum(state in standings for _, _, state in self.sent())

    def id_of(self, stream: bytes, number: int) -> int | None:
        """Return the id of this person's line with this number in one of their own streams."""
        query = "SELECT lines.id FROM lines JOIN streams ON streams.id = stream WHERE ours AND key = ? AND number = ?"
        found = self.history._db.execute(query, (stream, number)).fetchone()
        return None if found is None else int(found[0])

    def key_of(self, line: events.LineEvent, reader: "Person") -> str | int | None:
        """Return what tells a line of this person from all others of theirs: its text; if it has
        none of its own (a change), or not any more (it was taken back), the id."""
        if line.text and isinstance(line, events.Said | events.Edited):
            return line.text
        return self.id_of(stream_of(line.conversation, reader), line.number)

    # --- what a person does

    def send(self, to: str, text: str, related: Related | None = None) -> None:
        """Send a message, after looking the name up as the face does."""
        if not self.is_running:
            return
        found = self.core.direct.look_up(to, now=self.network.now)
        if found is LookUp.ASKING:
            self.turn()
            self.network.after(0.05, lambda: self.send(to, text, related))
            return
        if found in (LookUp.KNOWN, LookUp.UNANSWERED):
            begin = self.core.direct.send if found is LookUp.KNOWN else self.core.direct.keep
            self._begun(begin(to, text, related, now=self.network.now), text)

    def send_all(self, text: str, related: Related | None = None) -> int:
        """Send a line to the channel. Return its id."""
        return self._begun(self.core.rooms.say_to_all(text, related, now=self.network.now), text)

    def say(self, text: str, room: str | None = None, related: Related | None = None) -> int:
        """Send a line to a room where the person is, by default the one entered last. Return its
        id."""
        begun = self.core.rooms.say(room or self.rooms[-1], text, related, now=self.network.now)
        assert begun is not None
        return self._begun(begun, text)

    def cancel(self, line: StoredLine) -> bool:
        """Give up a line that nobody else can have. Return whether it is given up."""
        is_given_up = self.core.cancel(line.stream, line.number, now=self.network.now)
        self.turn()
        return is_given_up

    def _begun(self, begun: SentMessage, text: str) -> int:
        self.said_at.setdefault(text, self.network.now)
        self.begun_at[begun.id] = self.network.now
        self.turn()
        return begun.id

    def changeable(self, *, ours: bool) -> list[StoredLine]:
        """Return the newest lines that this person may answer or put an emoji to; with `ours`,
        those to change or take back: as `answers.begin` says."""
        return [
            line
            for line in self.history.lines.latest(NEWEST_LINES)
            if (line.outgoing or not ours)
            and line.state not in DEAD
            and not (line.folded is not None and line.folded.is_retracted)
            and self._leads_to_its_stream(line)
        ]

    def _leads_to_its_stream(self, line: StoredLine) -> bool:
        where = shown(line, self.core.me.name).conversation
        if not where.is_person:
            return not where.is_room or where.name in self.rooms
        if is_same_name(where.name, self.core.me.name):
            return line.stream == self.identity.public
        contact = self.core.roster.contacts.by_name(where.name)
        return contact is None or contact.identity == line.stream

    def say_about(self, line: StoredLine, kind: RelationKind, text: str) -> int | None:
        """Answer a line, change it, or put an emoji to it. Return the id, unless it is a direct
        message."""
        if kind is RelationKind.EDIT and self.core.reword(line.stream, line.number, text):
            self.said_at.setdefault(text, self.begun_at[line.id])
            self.turn()
            return line.id
        related = Related(kind, line.stream, is_ours=line.outgoing, number=line.number)
        where = shown(line, self.core.me.name).conversation
        if where.is_person:
            self.send(where.name, text, related)
            return None
        return (
            self.say(text, where.name, related) if where.is_room else self.send_all(text, related)
        )

    def enter(self, room: str) -> None:
        """`join`."""
        self.core.rooms.enter(room, now=self.network.now)
        self.turn()

    def leave_room(self, room: str) -> None:
        """`leave`."""
        self.core.rooms.leave(room, now=self.network.now)
        self.turn()

    def set_topic(self, room: str, text: str) -> None:
        """`/topic`."""
        self.core.rooms.topic.ask(room, text, now=self.network.now)
        self.turn()

    def rename(self, new: str) -> None:
        """Change the name (`/nick`), with the note in the folder that the driver makes first."""
        if self.core.registry.renaming.refusal_of(new) is None:
            self.maybe_called = new
            self.names.add(new)
        self.core.registry.renaming.request(new, now=self.network.now)
        self.turn()

    def quit(self) -> None:
        """Quit cleanly: the registry is told if it answers, and the next start is in no room if
        everything was reported."""
        self.leave()
        self.network.run_until(lambda: not self.is_running or self.core.is_offline, within=3.0)
        if self.is_running:
            self.core.rooms.forget()
            self.turn()
            self.crash()

    def release(self) -> None:
        """`/release`."""
        self.core.registry.releasing.request(now=self.network.now)
        self.turn()

    @property
    def rooms(self) -> list[str]:
        """Return the person's rooms, according to the program."""
        return [room.name for room in self.core.rooms.recipients.rooms()]

    def members(self, room: str) -> set[str]:
        """Return who is here in a room of the person's, according to the program."""
        rooms = self.core.rooms.recipients.rooms()
        return {one.name for at in rooms if at.name == room for one in at.members if one.online}

    def topic(self, room: str) -> str | None:
        """Return the topic of a room of the person's, according to the program; None if it is not
        known."""
        topic = self.core.rooms._members[f"#{room}"].topic
        return None if topic is None else topic.text

    def leave(self) -> None:
        """`dereg`."""
        self.core.leave(now=self.network.now)
        self.turn()

    def come_back(self) -> None:
        """`reg`."""
        self.core.start(now=self.network.now)
        self.turn()

    # --- one turn, as in `peer.sdk.client`

    def turn(self) -> None:
        """Carry out everything that the core has to output."""
        core, now = self.core, self.network.now
        for lost in core.lost_messages(now=now):
            found, is_all = self.history.delivered(lost.contact.identity, lost.first, lost.end)
            core.give_again(lost, found, is_all=is_all, now=now)
        self._send(core.datagrams_to_send(now=now))
        records = core.records_to_store()
        self._store(records)
        core.records_stored(now=now)
        if core.wants_sync():
            self._sync_within(0.0)
        self._send(core.datagrams_to_send(now=now))
        self._tend_link(core, now)
        if (name := core.registry.renaming.take_confirmed()) is not None:
            self.called, self.maybe_called = name, None
        for event in core.events():
            if isinstance(event, events.Registered) and self.came_at is None:
                self.came_at = now
            if isinstance(event, events.AdmissionRefused):
                self.network.after(TRIES_AGAIN_AFTER, self._try_again)
            for line in self.screen.show(event):
                core.lines_shown([line])
            if isinstance(event, events.Line) and event.visit:
                core.lines_shown([event])
        records = core.records_to_store()
        if records:
            self._store(records)
            core.records_stored(now=now)
        self._tend_link(core, now)
        self._arm(core)
