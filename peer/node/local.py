"""One open peer: its core, its sockets and files, and the events that it has reported."""

import asyncio
import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, ConversationKind
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import Said
from chatapp.peer.api.requests import Command, Moment, Request, Send, Wait
from chatapp.peer.api.state import DeskState, PeerState, State
from chatapp.peer.core.context import Context, LookUp, RegistryReach
from chatapp.peer.core.conversation import SentMessage
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.registry.session import State as SessionState
from chatapp.peer.history.commits import CommitQueue
from chatapp.peer.history.damage import first_known_server, open_history
from chatapp.peer.history.maintenance import MaintenanceSchedule
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.history.reader import HistoryReader, ReaderClosed
from chatapp.peer.history.unshown import received
from chatapp.peer.node.answers import ANSWERS
from chatapp.peer.node.driver import Driver, SyncThread, resolved
from chatapp.peer.node.feed import EventFeed
from chatapp.peer.node.keystore import KeyFolder
from chatapp.peer.node.receipts import Receipt, Receipts
from chatapp.wire.address import Address, server_name
from chatapp.wire.aio.machine import Machine
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import AddressRefused
from chatapp.wire.names import PeerName

Result = TypeVar("Result")

_MORE_LINES: Final = frozenset({events.MailReturned, events.ClientSaid})
"""The kinds of events in which there are lines, besides `Said`."""

_WHY_NOT: Final = {
    LookUp.UNKNOWN: events.MessageReason.NOBODY,
    LookUp.BLOCKED: events.MessageReason.KEY_CHANGED,
}


def line_id() -> int:
    """Return a new id of a line to a visitor, which no other program that uses the peer draws: 52
    random bits, not 0."""
    return secrets.randbits(52) or 1


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a node runs: what stays as it is from one opening of a peer to the next."""

    port: int
    """Our UDP port, 0 for any."""
    policy: Policy
    machine: Machine
    announced_key: str | None
    """The digits of the fingerprint that the registry's key must have at a first contact; None for
    any."""


class PeerNode:
    """A peer from its opening to its closing. A peer that is opened again is another node."""

    def __init__(
        self,
        name: PeerName,
        servers: Sequence[Address],
        addresses: Mapping[Address, Address],
        *,
        registry_key: str | None,
        home: Path,
        settings: NodeSettings,
    ) -> None:
        """Bind, lock, load and begin to register. `servers`: as the user gave them; `addresses`:
        their IP addresses, each with the server to which it belongs. Raises PortInUse, FolderInUse,
        BrokenKeyFile, OtherKey, sqlite3.Error, OSError; then nothing is left open."""
        self._loop: Final = asyncio.get_running_loop()
        self.servers: Final = tuple(servers)
        self._servers: Final = [server_name(*server) for server in servers]
        self._addresses: Final = dict(addresses)
        self._looking_up: asyncio.Task[None] | None = None
        self._settings: Final = settings
        self._is_full = False
        """Whether a reader of the events was too far behind in the last turn."""
        self._had_room: bool | None = None
        """Whether there was room for messages in the last turn; None: nobody was told yet."""
        self._met: bytes | None = None
        """A registry that has let us in, of which the history was not asked yet."""
        self._is_changing_registry = False
        self.registry_key = registry_key
        """The digits of the fingerprint that the registry's key must have; None for any."""
        self.has_been_ready = False
        """Whether we were with the registry, or found it away, since the start or the last
        return."""
        self._shown_listeners: list[Callable[[Sequence[Said]], None]] = []
        machine = settings.machine
        wall = machine.wall()
        with contextlib.ExitStack() as undo:
            self.driver: Final = Driver(self, port=settings.port, machine=machine)
            undo.callback(self.driver.close)
            self.keys: Final = KeyFolder(
                home, name, wall=wall, rng=machine.rng, port=self.driver.port
            )
            undo.callback(self.keys.close)
            server = first_known_server(self.keys.history, self._servers)
            self._history, journal, damage = open_history(
                self.keys.history, server=server, is_new=self.keys.is_new
            )
            undo.callback(self._history.close)
            undo.callback(journal.close)
            self.core: PeerCore = self._new_core(name, wall)
            self._note_servers()
            undo.pop_all()
        self.receipts: Final = Receipts()
        self.commits: Final = CommitQueue(self._history, journal)
        self._sync_thread: Final = SyncThread(self._loop)
        self._is_new_pin = False
        """Whether a registry has let us in whose key is not on our disk yet."""
        self._reader = HistoryReader(self.keys.history)
        self._maintenance = MaintenanceSchedule(self._loop, self._history.maintenance)
        self.feed: Final[EventFeed[events.Event]] = EventFeed(
            self._loop, has_room=self.driver.schedule
        )
        self.tell([] if damage is None else [damage])
        self._register()
        self.driver.start()

    def _new_core(self, name: str, wall: float) -> PeerCore:
        now = self._loop.time()
        me = LocalIdentity(
            name=name,
            other_name=self.keys.other_name,
            identity=self.keys.identity,
            mail_keys=self.keys.mail_keys,
            counter=self.keys.next_counter(wall),
        )
        return PeerCore(
            Context(
                me,
                policy=self._settings.policy,
                rng=self._settings.machine.rng,
                wall_offset=wall - now,
            ),
            servers=list(self._addresses),
            loaded=self._history.load(),
            now=now,
        )

    def _note_servers(self) -> None:
        """Note that all our servers lead to the registry that we know, so that each alone is enough
        at a later start."""
        if self._history.registries.is_met:
            with contextlib.suppress(sqlite3.Error):  # it is noted at another start
                self._history.registries.lead_here(self._servers)

    def _register(self) -> None:
        if self.registry_key is not None:
            self.core.registry.demand(self.registry_key)
        if self._settings.announced_key is not None:
            self.core.registry.expect_announced(self._settings.announced_key)
        self.core.start(now=self.driver.now())

    def let_go(self) -> None:
        """Store what is left and let go of everything; a second call does nothing."""
        if self.driver.is_closed:
            return
        self.receipts.close(is_kept=self.store(is_last=True))
        self._sync_thread.close()
        is_filed = self.commits.close(now=self._loop.time())
        self._reader.close()
        if self._looking_up is not None:
            self._looking_up.cancel()
        self.driver.close()
        self.feed.close()
        self._maintenance.close()
        is_nobody = is_filed and self._is_nobody()
        self._history.close()
        if is_nobody:
            self.keys.discard()
        self.keys.close()

    def _is_nobody(self) -> bool:
        """Whether the keys of this start are of no use: they are new, and the name for which they
        were made is taken."""
        if not self.keys.is_new or not isinstance(self.core.not_let_in, events.NameUnavailable):
            return False
        try:
            return self._history.is_blank
        except sqlite3.Error:
            return False

    # --- a node, as all stand on (`OpenedNode`)

    @property
    def state(self) -> State:
        """The state now. Raises NotOpen."""
        self._check_open()
        core = self.core
        room, operator, recipients = core.rooms.room, core.desk, core.rooms.recipients
        return State(
            name=core.me.name,
            state=self._standing,
            server=self._addresses.get(
                core.registry.servers.current, core.registry.servers.current
            ),
            servers=self.servers,
            address=core.registry.servers.current,
            server_key=core.registry.trust.digits,
            folder=str(self.folder),
            port=self.driver.port,
            process=os.getpid(),
            is_offline=core.is_offline,
            is_server_away=core.reach is RegistryReach.LOST,
            is_sending=core.is_sending,
            sending_try=(core.direct.sending_try, self._settings.policy.tries),
            room=None if room is None else room.room,
            members=recipients.people(),
            in_reach=recipients.in_reach,
            desk=DeskState(
                client=operator.client,
                visit=operator.visit,
                is_operator=operator.is_listed,
                is_on_duty=operator.is_on,
                waiting=operator.waiting,
                answers=operator.answers,
            ),
        )

    @property
    def _standing(self) -> PeerState:
        match self.core.state, self.core.reach:
            case SessionState.REFUSED, _:
                return PeerState.REFUSED
            case ((SessionState.OFFLINE | SessionState.LEAVING), _):
                return PeerState.OFFLINE
            case _, RegistryReach.UP:
                return PeerState.ONLINE
            case _, RegistryReach.LOST:
                return PeerState.ALONE
            case _:
                return PeerState.SEEKING

    def people(self) -> tuple[events.Person, ...]:
        """Return everybody in the table, by name. Raises NotOpen."""
        self._check_open()
        return self.core.people()

    async def request(self, request: Request[Result]) -> Result:
        """Carry out a request and return its answer. Raises what the request says, and NotOpen."""
        self._check_open()
        answer = ANSWERS[type(request)](self, request)
        if hasattr(answer, "__await__"):
            answer = await answer
        else:
            self.driver.schedule()
        return cast("Result", answer)

    def post(self, command: Command) -> None:
        """Begin a command. Raises NotOpen, and what the command says."""
        self._check_open()
        ANSWERS[type(command)](self, command)
        self.driver.schedule()

    async def send(self, request: Send) -> Receipt:
        """Begin a message or line; return its receipt. Raises what `Send` says, and NotOpen."""
        if self.driver.is_closed:
            raise NotOpen
        conversation, text = request.conversation, request.text
        if self.commits.is_full:
            return self._refuse(conversation, events.MessageReason.OWN_DISK)
        if conversation.kind is ConversationKind.ROOM:
            return self._say(request)
        if conversation.kind is not ConversationKind.PERSON:
            begun = self.core.rooms.say_to_all(text, now=self.driver.now())
            self.driver.schedule()
            return self.receipts.open(begun.conversation, begun.id)
        to = conversation.name
        message = self.core.direct.send_to_known(to, text, now=self.driver.now())
        if message is None:
            found = await self._look_for(to, text)
            if not isinstance(found, SentMessage):
                return self._refuse(conversation, found)
            message = found
        receipt = self.receipts.open(message.conversation, message.id)
        if self.receipts.is_alone:
            self.driver.hasten()
        elif not self.driver.is_turn_due:
            self.driver.schedule()  # shares its datagram with what is said right after it
        return receipt

    async def _look_for(self, to: str, text: str) -> SentMessage | events.MessageReason:
        """Begin a message to somebody whom the registry may know; return why not, if so."""
        asked_at = None
        while True:
            now, direct = self.now(), self.core.direct
            found = direct.look_up(to, now=now)
            if found is LookUp.ASKING:
                # The question goes out now, or once the registry is found.
                if self.core.reach is not asked_at:
                    asked_at = self.core.reach
                    self.driver.schedule()
                await self.turn()
            elif found is LookUp.KNOWN:
                return direct.send(to, text, now=now)
            elif found is LookUp.UNANSWERED:
                return direct.keep(to, text, now=now)
            else:
                return _WHY_NOT[found]

    def _say(self, request: Send) -> Receipt:
        """Say a line in our room, if that is the one that is meant."""
        room = self.core.rooms.room
        if room is not None and request.conversation.name not in ("", room.room):
            return self._refuse(request.conversation, events.MessageReason.NOT_IN_ROOM)
        begun = self.core.rooms.say(request.text, now=self.now())
        self.driver.schedule()
        if begun is not None:
            return self.receipts.open(begun.conversation, begun.id)
        receipt = Receipt(request.conversation, 0)
        receipt.settle(events.MessageState.REFUSED, events.MessageReason.NOT_IN_ROOM)
        return receipt

    def _refuse(self, conversation: Conversation, reason: events.MessageReason) -> Receipt:
        receipt, state = Receipt(conversation, 0), events.MessageState.REFUSED
        receipt.settle(state, reason)
        refused = events.MessageChanged(conversation=conversation, id=0, state=state, reason=reason)
        self.tell([refused])
        return receipt

    async def next_events(self) -> list[events.Event]:
        """Return all that happened since the last call, waiting for something."""
        return await self.feed.next_batch()

    def take_events(self) -> list[events.Event]:
        """Return the same, without waiting."""
        return self.feed.take()

    def listen(self, listener: Callable[[Sequence[events.Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen. Raises NotOpen."""
        self._check_open()
        return self.feed.listen(listener)

    def shown(self, batch: Sequence[events.Event]) -> None:
        """Note that the user has seen these events. Nothing happens on a closed node: their lines
        are given again."""
        if self.driver.is_closed or not batch:
            return
        shown: list[Said] = [event for event in batch if type(event) is Said]
        if not _MORE_LINES.isdisjoint(map(type, batch)):  # mostly there is none
            shown = self._lines_in(batch)
        if shown:
            self.core.lines_shown(shown)
            self.store()
            for listener in self._shown_listeners:
                listener(shown)

    def _lines_in(self, batch: Sequence[events.Event]) -> list[Said]:
        """Return the lines that these events show, in order. Lines of a visitor count as shown at
        once."""
        shown: list[Said] = []
        for event in batch:
            match event:
                case Said():
                    shown.append(event)
                case events.MailReturned(lines=lines):
                    shown += lines
                case events.ClientSaid(visit=visit, position=position):
                    self.core.desk.lines_shown(visit, position)
                    self.driver.schedule()
                case _:
                    pass
        return shown

    def listen_shown(self, listener: Callable[[Sequence[Said]], None]) -> Callable[[], None]:
        """Call `listener` with lines when they are reported as shown."""
        self._shown_listeners = [*self._shown_listeners, listener]

        def end() -> None:
            self._shown_listeners = [
                other for other in self._shown_listeners if other is not listener
            ]

        return end

    async def close(self, *, within: float) -> None:
        """Leave, waiting at most `within` seconds for the registry's answer, and let go of
        everything."""
        try:
            if not self.driver.is_closed and self.core.state is SessionState.REGISTERED:
                self.leave()
                with contextlib.suppress(
                    TimeoutError, NotOpen
                ):  # another task may close it meanwhile
                    async with asyncio.timeout(within):
                        await self.request(Wait(until=Moment.LEFT))
        finally:
            self.core.rooms.forget()  # only now is it known which lines have been told there
            self.let_go()
        await self.driver.closed()

    def _check_open(self) -> None:
        if self.driver.is_closed:
            raise NotOpen

    # --- for those who answer requests

    @property
    def name(self) -> PeerName:
        """Our name; another one after a change of it."""
        return PeerName(self.core.me.name)

    @property
    def folder(self) -> Path:
        """The folder with our keys and messages."""
        return self.keys.folder

    def now(self) -> float:
        """Return the time of the event loop."""
        return self.driver.now()

    def schedule(self) -> None:
        """Have a turn soon: something is to be sent, stored or told."""
        self.driver.schedule()

    @property
    def registry(self) -> int:
        """The row of our registry in the history."""
        return self._history.registries.current

    async def read(self, query: Callable[[MessageQueries], Result], *, by_index: bool) -> Result:
        """Read the history beside the event loop, including what was said right before. `by_index`:
        the query uses the indexes. Raises sqlite3.Error, and NotOpen when the peer is closed
        meanwhile."""
        await self._write_and_file()
        if by_index:
            await self._history.lines.index.catch_up_gently()
        while not self.driver.is_closed:
            reader = self._reader
            with contextlib.suppress(ReaderClosed):  # our folder was moved meanwhile
                return await reader.read(query)
        raise NotOpen

    async def _write_and_file(self) -> None:
        self.store()
        self.commits.keep((), now=self._loop.time(), is_last=True)
        await self.commits.file_gently(now=self._loop.time)
        self._tell_filing_trouble()

    def unshown(self, *, after: int, count: int) -> list[events.Said]:
        """Return lines to us that were not shown. Raises sqlite3.Error."""
        self.file_all()
        return [received(line) for line in self._history.unshown(after=after, count=count)]

    def tell(self, events: Sequence[events.Event]) -> None:
        """Give events to every reader."""
        if events:
            self.feed.put(events)

    def store(self, *, now: float | None = None, is_last: bool = False) -> bool:
        """Store what the core wants stored; True when nothing that an acknowledgement depends on is
        left unstored."""
        now = self._loop.time() if now is None else now
        is_stored = self.commits.keep(self.core.records_to_store(), now=now, is_last=is_last)
        if self.commits.trouble is not None:
            self._tell_trouble()
        return is_stored

    def _tell_trouble(self) -> None:
        if self.commits.trouble is not None:
            self.tell([events.StorageFailed(error=self.commits.trouble)])
            self.commits.trouble = None

    def sync(self) -> bool:
        """Store what the core wants stored, and wait until it is on the disk. False if the disk
        does not confirm that."""
        is_stored = self.store()
        self._sync_thread.wait()
        is_synced = self.commits.sync(now=self._loop.time())
        self._tell_trouble()
        return is_stored and is_synced

    def _tend_disk(self, now: float) -> None:
        self._give_again(now)
        if self.core.wants_sync():
            self.commits.sync_soon(now=now)
        pending = self.commits.begin_sync(now=now)
        if pending is not None:
            core, number = self.core, self.core.sync_begins()
            self._sync_thread.begin(pending.run, lambda error: self._synced(error, core, number))

    def _synced(self, error: OSError | None, core: PeerCore, number: int) -> None:
        if self.commits.end_sync(error, now=self._loop.time()):
            core.synced(number)
        self._tell_trouble()
        self.driver.schedule()

    def _give_again(self, now: float) -> None:
        """Give the core those of our delivered messages that their recipients may have lost."""
        for lost in self.core.lost_messages(now=now):
            if self.file_all():
                with contextlib.suppress(sqlite3.Error):  # they are looked for again
                    found, is_all = self._history.delivered(
                        lost.contact.identity, lost.first, lost.end
                    )
                    self.core.give_again(lost, found, is_all=is_all, now=now)
                    self.driver.schedule()

    def leave(self) -> None:
        """Go offline. Those to whom we have acknowledged something are told first that it is on our
        disk: without that, they would keep it for us."""
        core, now = self.core, self.driver.now()
        if self.store(now=now):
            core.records_stored(now=now)
        self.driver.send(core.datagrams_to_send(now=now))
        number = core.sync_begins()
        if self.sync():
            core.synced(number)
            self.driver.send(core.datagrams_to_send(now=now))
        core.leave(now=now)
        self.driver.schedule()

    def file_all(self) -> bool:
        """Store what the core wants stored, and file it; True when the database has everything."""
        is_stored = self.store()
        is_filed = self.commits.file_all(now=self._loop.time())
        self._tell_filing_trouble()
        return is_stored and is_filed

    def _tell_filing_trouble(self) -> None:
        if self.commits.filing_trouble is not None:
            self.tell([events.HistoryBehind(error=self.commits.filing_trouble)])
            self.commits.filing_trouble = None

    async def turn(self) -> None:
        """Wait for the end of the next turn. Raises NotOpen when the peer is closed meanwhile."""
        await self.driver.turn()
        if self.driver.is_closed:
            raise NotOpen

    async def until(self, is_so: Callable[[PeerCore], bool]) -> None:
        """Wait until this is so. Raises NotOpen when the peer is closed meanwhile."""
        while not is_so(self.core):
            await self.turn()

    # --- for the driver

    def take_turn(self, *, now: float) -> None:
        """Send, store and tell what has come of the last inputs."""
        core = self.core
        if core.registry.servers.to_look_up and self._looking_up is None:
            self._looking_up = self._loop.create_task(
                self._look_up(list(core.registry.servers.to_look_up))
            )
        if (
            core.registry.newly_pinned is not None
            or self._met is not None
            or self._is_changing_registry
        ):
            if not self._is_registry_known():
                return
            core = self.core
        if datagrams := core.datagrams_to_send(now=now):
            self.driver.send(datagrams)
        # The disk works while the network does. What is stored is then acknowledged.
        if (
            self.store(now=now)
            and core.records_stored(now=now)
            and (datagrams := core.datagrams_to_send(now=now))
        ):
            self.driver.send(datagrams)
        if self._is_new_pin:
            self._is_new_pin = not self.sync()  # before the user is told of the registry
        self.driver.tend_link(now=now)
        events = core.events()
        if events:
            self.receipts.note_all(events)
        if self.core.registry.renaming.confirmed is not None and (
            name := self.core.registry.renaming.take_confirmed()
        ):
            self._move_folder(name)
        if events:
            self.tell(events)
        self._throttle()
        if core.needs_disk or now >= self.commits.sync_at:
            self._tend_disk(now)
        self.commits.file_if_due(now=now)
        if self.commits.filing_trouble is not None:
            self._tell_filing_trouble()

    async def _look_up(self, servers: Sequence[Address]) -> None:
        """Find the addresses of servers that the registry has named. One that is not found is
        looked up at another start."""
        found: dict[Address, Address] = {}
        with contextlib.suppress(AddressRefused):
            found = await resolved(servers)
        for address, server in found.items():
            self._addresses.setdefault(address, server)
        self.core.registry.add_servers(servers, found)
        self._looking_up = None
        self.driver.schedule()

    def next_timer(self) -> float | None:
        """Return the earliest deadline of the core and of the disk."""
        dues = [
            due for due in (self.core.next_timer(), self.commits.next_timer()) if due is not None
        ]
        return min(dues, default=None)

    def _is_registry_known(self) -> bool:
        """Find out what the history knows of a registry that has let us in, and change to it if
        need be. False while the disk prevents that."""
        self._met = self.core.registry.take_pinned() or self._met
        if self._met is not None:
            if not self.commits.file_all(now=self._loop.time()):
                self._tell_filing_trouble()
                return False
            self._is_changing_registry |= self._history.registries.is_change(self._met)
            self._met = None
            self._is_new_pin = True
            if not self._is_changing_registry:
                self._note_servers()
        return not self._is_changing_registry or self._change_registry()

    def _change_registry(self) -> bool:
        """Begin again with what the history knows of the registry that has let us in: it is not the
        one whose people the core began with. False while the disk does not take the change."""
        if not self.file_all():
            return False
        self.sync()  # what the old core has acknowledged counts as on the disk for the new one
        self._is_changing_registry = False
        self._note_servers()
        # The new core registers again and tells these again.
        repeated = events.Registered | events.RegistryMet
        batch = [event for event in self.core.events() if not isinstance(event, repeated)]
        if servers := self._history.registries.other_servers():
            batch.append(events.RegistryRecognized(servers=tuple(servers)))
        self.tell(batch)
        self.registry_key = self.core.registry.demanded
        self.core = self._new_core(self.core.me.name, self._settings.machine.wall())
        self._had_room = None
        self.driver.restart()
        self._register()
        return True

    def _throttle(self) -> None:
        """Take no messages while nobody reads the events or the disk fails: they would fill our
        memory."""
        is_full = self.feed.is_full
        if is_full and not self._is_full:
            self.tell([events.ReadersBehind()])
        self._is_full = is_full
        has_room = not is_full and not self.commits.is_full
        if has_room is self._had_room:
            return
        self._had_room = has_room
        self.core.take_messages(has_room=has_room)
        self.driver.hold_link(is_held=not has_room)
        self.core.read_link(is_read=has_room, now=self.driver.now())

    def _move_folder(self, name: str) -> None:
        """Give our folder this name, under which the registry knows us for certain now.

        The history is closed while its folder moves. A crash at any point leaves a folder that is
        found under either name (`peer.node.keystore`)."""
        now, server = self._loop.time(), self._history.registries.server
        self.commits.keep((), now=now, is_last=True)
        self._sync_thread.wait()
        self.commits.close(now=now)
        self._maintenance.close()
        self._reader.close()
        self._history.close()
        try:
            self.keys.settle(name)
        except OSError as error:
            self.tell([events.FolderNotMoved(name=name, error=str(error))])
        self._history, journal, _ = open_history(self.keys.history, server=server, is_new=False)
        self.commits.use(self._history, journal)
        self._reader = HistoryReader(self.keys.history)
        self._maintenance = MaintenanceSchedule(self._loop, self._history.maintenance)
