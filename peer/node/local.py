"""One open peer: its core, its sockets and files, and the events that it has reported."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import LineEvent, Said
from chatapp.peer.api.files import AutoAccept
from chatapp.peer.api.requests import Command, Moment, Request, Send, Sending, Sent, Wait
from chatapp.peer.api.state import DeskState, PeerState, State
from chatapp.peer.core.context import Context, LocalIdentity, LookUp, RegistryReach
from chatapp.peer.core.conversation import SentMessage
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.records import Loaded, Related
from chatapp.peer.core.registry.session import State as SessionState
from chatapp.peer.core.relations import told
from chatapp.peer.node.answers import ANSWERS, begin
from chatapp.peer.node.bounds import FolderBounds
from chatapp.peer.node.driver import Driver
from chatapp.peer.node.feed import EventFeed
from chatapp.peer.node.keystore import FILES, KeyFolder
from chatapp.peer.node.readmarks import ReadMarks
from chatapp.peer.node.receipts import Receipt, Receipts
from chatapp.peer.node.registry import KnownRegistry
from chatapp.peer.node.storage import NodeStorage
from chatapp.wire.address import Address, server_name
from chatapp.wire.aio.machine import Machine
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.identity import fingerprint_digits
from chatapp.wire.messages.direct import TryPort
from chatapp.wire.names import PeerName

if TYPE_CHECKING:
    from chatapp.peer.node.files.files import Files

Result = TypeVar("Result")

_KEYS_MAX: Final = 1_000
"""Lines that other programs have asked for, and whose keys are remembered."""

_WHY_NOT: Final = {
    LookUp.UNKNOWN: events.MessageReason.NOBODY,
    LookUp.BLOCKED: events.MessageReason.KEY_CHANGED,
}


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a node runs: what stays as it is from one opening of a peer to the next."""

    servers: tuple[Address, ...]
    """The registry's, as the user gave them."""
    port: int
    """Our UDP port, 0 for any."""
    home: Path
    policy: Policy
    machine: Machine
    registry_key: str | None
    """The digits of the fingerprint that the registry's key must have; None for any."""
    announced_key: str | None
    """The digits of the fingerprint that it must have at a first contact; None for any."""
    slow_link: bool
    """Whether to spare the link, whatever is measured."""
    downloads: Path | None
    """Where files are put that others give us; None: where the platform puts such."""
    auto_accept: AutoAccept | None
    """Whose files are fetched without a question; None: nobody's."""
    gives_marks: bool
    """Whether people who do the same are told what the user has seen of theirs."""
    bounds: FolderBounds | None = None
    """What it may use of a machine that is not its user's; None: all that its user may."""

    @property
    def server_names(self) -> list[str]:
        """The servers as the history names them."""
        return [server_name(*server) for server in self.servers]


def _offer_files(batch: Sequence[events.Event]) -> bool:
    """Whether events tell of a file that somebody offers."""
    for event in batch:  # each message comes by here, so no call is made for one
        if type(event) is Said:
            if event.file is not None:
                return True
        elif type(event) is events.MailReturned and _offer_files(event.lines):
            return True
    return False


def line_id() -> int:
    """Return a new id of a line to a visitor, which no other program that uses the peer draws: 52
    random bits, not 0."""
    return secrets.randbits(52) or 1


class PeerNode:
    """A peer from its opening to its closing. A peer that is opened again is another node."""

    def __init__(
        self,
        name: PeerName,
        settings: NodeSettings,
        addresses: Mapping[Address, Address],
        *,
        feed: EventFeed[events.Event] | None = None,
        is_offline: bool = False,
    ) -> None:
        """Bind, lock, load and begin to register. `addresses`: the IP addresses of the servers,
        each with the server to which it belongs. `feed`: gets the events; None for a new one.
        `is_offline`: stay offline until `ComeBack`. Raises PortInUse, FolderInUse, BrokenKeyFile,
        OtherKey, sqlite3.Error, OSError; then nothing is left open."""
        self._loop: Final = asyncio.get_running_loop()
        self._settings: Final = settings
        self._is_full = False
        """Whether a reader of the events was too far behind in the last turn."""
        self._had_room: bool | None = None
        """Whether there was room for messages in the last turn; None: nobody was told yet."""
        self.has_been_ready = False
        """Whether we were with the registry, or found it away, since the start or the last
        return."""
        self._shown_listeners: list[Callable[[Sequence[LineEvent]], None]] = []
        self._ours_listeners: list[Callable[[Sequence[events.Event]], None]] = []
        self._said: list[events.SaidByUs] = []
        """What was said in this turn, of which other programs are to be told."""
        self._by_key: dict[int, Receipt] = {}
        """The last lines that other programs have asked for, by the keys of their requests."""
        machine = settings.machine
        with contextlib.ExitStack() as undo:
            self.driver: Final = Driver(self, port=settings.port, machine=machine)
            undo.callback(self.driver.close)
            self.now: Final = self.driver.now
            self.schedule: Final = self.driver.schedule
            self.keys: Final = KeyFolder(
                settings.home, name, wall=machine.wall(), rng=machine.rng, port=self.driver.port
            )
            undo.callback(self.keys.close)
            self.storage: Final = NodeStorage(self, self.keys, settings.server_names)
            undo.callback(self.storage.drop)
            self.registry: Final = KnownRegistry(self, self.storage, settings, addresses)
            loaded = self.storage.history.load()
            self.core: PeerCore = self._new_core(name, loaded)
            self.drafts: Final[dict[Conversation, str]] = dict(loaded.drafts)
            """What the user has begun to type, by conversation."""
            self.read_marks: Final[ReadMarks] = ReadMarks(self)
            self._files: Files | None = None
            undo.pop_all()
        self.receipts: Final = Receipts()
        if settings.bounds is not None:
            self.storage.history.maintenance.bytes_kept = settings.bounds.history
        self.storage.maintain()
        self.feed: Final = feed or EventFeed[events.Event](
            self._loop, has_room=self.driver.schedule
        )
        self.feed.has_room = self.driver.schedule
        self.next_events: Final = self.feed.next_batch
        self.take_events: Final = self.feed.take
        self.tell([] if self.storage.damage is None else [self.storage.damage])
        self.registry.begin(self.core, is_offline=is_offline)
        self.driver.start()
        if (self.folder / FILES).is_dir():
            _ = self.files

    def _new_core(self, name: str, loaded: Loaded) -> PeerCore:
        now, machine = self._loop.time(), self._settings.machine
        wall = machine.wall()
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
                rng=machine.rng,
                wall_offset=wall - now,
                gives_marks=self._settings.gives_marks,
            ),
            servers=list(self.registry.addresses),
            loaded=loaded,
            now=now,
        )

    def begin_anew(self) -> None:
        """Exchange the core for one that begins with what the history knows now, and asks for the
        same rooms."""
        rooms = self.core.rooms.wanted
        self.core = self._new_core(self.core.me.name, self.storage.history.load())
        self._had_room = None
        self.driver.restart()
        self.registry.begin(self.core)
        for room in rooms:
            self.core.rooms.enter(room, now=self.now())

    def let_go(self, *, keeps_link: bool = False) -> None:
        """Store what is left and let go of everything; a second call does nothing. `keeps_link`:
        but for the link."""
        if self.driver.is_closed:
            return
        if self._files is not None:
            self._files.close()
        self.receipts.close(is_kept=self.storage.store(is_last=True))
        self.registry.close()
        self.driver.close(keeps_link=keeps_link)
        is_blank = self.storage.close()
        self.feed.close()
        # The keys of this start are of no use if the name for which they were made is taken.
        is_taken = isinstance(self.core.not_let_in, events.NameUnavailable)
        if is_blank and self.keys.is_new and is_taken:
            self.keys.discard()
        self.keys.close()

    # --- a node, as all stand on (`OpenedNode`)

    @property
    def state(self) -> State:
        """The state now. Raises NotOpen."""
        self.check_open()
        core = self.core
        operator = core.desk
        server, pinned = core.registry.servers.current, core.registry.session.pinned
        return State(
            name=core.me.name,
            state=self._standing,
            server=self.registry.addresses.get(server, server),
            servers=self._settings.servers,
            address=server,
            server_key="" if pinned is None else fingerprint_digits(pinned),
            folder=str(self.folder),
            port=self.driver.port,
            process=os.getpid(),
            is_offline=core.is_offline,
            is_server_away=core.reach is RegistryReach.LOST,
            is_sending=core.is_sending,
            sending_try=(core.direct.sending_try, self._settings.policy.tries),
            rooms=core.rooms.recipients.rooms(),
            desk=DeskState()
            if not operator.is_listed
            else DeskState(
                client=operator.client,
                visit=operator.visit,
                is_operator=True,
                is_on_duty=operator.is_on,
                waiting=operator.waiting,
                answers=operator.answers,
                files_largest=operator.files_largest,
            ),
            status=core.roster.standing.text,
            away=core.roster.standing.away,
            knows_everybody=not core.roster.interest.is_on,
            online=core.roster.interest.online,
            muted=core.muting.conversations(now=self.now()) if core.muting.kept else (),
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
        self.check_open()
        return self.core.people()

    async def request(self, request: Request[Result]) -> Result:
        """Carry out a request and return its answer. Raises what the request says, and NotOpen."""
        self.check_open()
        answer = ANSWERS[type(request)](self, request)
        if hasattr(answer, "__await__"):
            answer = await answer
        else:
            self.driver.schedule()
        return cast("Result", answer)

    def post(self, command: Command) -> None:
        """Begin a command. Raises NotOpen, and what the command says."""
        self.check_open()
        ANSWERS[type(command)](self, command)
        self.driver.schedule()

    async def send(self, request: Sending) -> Receipt:
        """Begin what the request says; return its receipt. Raises what it says, and NotOpen."""
        if request.key and (known := self._by_key.get(request.key)) is not None:
            return known
        if type(request) is Send and request.reply_to is None:  # mostly
            return await self.say(request.conversation, request.text, asked=request)
        return await begin(self, request)

    async def say(
        self,
        conversation: Conversation,
        text: str,
        related: Related | None = None,
        *,
        asked: Sending,
    ) -> Receipt:
        """Begin a message or line. `related`: what it is to another one; `asked`: for which
        request. Raises what `Send` says, and NotOpen."""
        if self.driver.is_closed:
            raise NotOpen
        if self.storage.commits.is_full:
            return self._refuse(conversation, events.MessageReason.OWN_DISK)
        to, now = conversation.name, self.driver.now()
        if not conversation.is_person:
            rooms, is_room = self.core.rooms, conversation.is_room
            begun = (
                rooms.say(to, text, related, now=now)
                if is_room
                else rooms.say_to_all(text, related, now=now)
            )
            if begun is None:
                return self._refuse(conversation, events.MessageReason.NOT_IN_ROOM)
            self.driver.schedule()
            return self._receipt(begun, text, related, asked)
        message = self.core.direct.send_to_known(to, text, related, now=now)
        if message is None:
            found = await self._look_for(to, text, related)
            if not isinstance(found, SentMessage):
                return self._refuse(conversation, found)
            message = found
        receipt = self._receipt(message, text, related, asked)
        if self.receipts.is_alone:
            self.driver.hasten()
        elif not self.driver.is_turn_due:
            self.driver.schedule()  # shares its datagram with what is said right after it
        return receipt

    def _receipt(
        self, begun: SentMessage, text: str, related: Related | None, asked: Sending
    ) -> Receipt:
        """Return the receipt of a line that was begun, of which the user's other windows learn."""
        receipt = self.receipts.open(begun.conversation, begun.id)
        if asked.key or self._ours_listeners:  # mostly there is one window
            line = self._line_of(begun, text)
            self.note_said(line if related is None else told(line, related), key=asked.key)
        if asked.key:
            self.core.note_key(begun.id, asked.key)
            self._remember(receipt, asked.key)
        return receipt

    def _remember(self, receipt: Receipt, key: int) -> None:
        """Answer a request with this key by the same receipt, if it comes again."""
        self._by_key[key] = receipt
        if len(self._by_key) > _KEYS_MAX:
            del self._by_key[next(iter(self._by_key))]

    def cancelled(self, conversation: Conversation, id_: int, *, asked: Sending) -> Receipt:
        """Return the receipt of a line that is never sent, as events tell."""
        self.driver.schedule()
        receipt = Receipt(conversation, id_)
        receipt.settle(events.MessageState.REFUSED, events.MessageReason.CANCELLED)
        if asked.key:
            self._remember(receipt, asked.key)
        return receipt

    def reworded(self, line: Said, text: str, related: Related, *, asked: Sending) -> Receipt:
        """Return the receipt of a line that says something else before anybody has it."""
        self.driver.schedule()
        if asked.key or self._ours_listeners:
            now = msgspec.structs.replace(line, id=0, text=text)
            self.note_said(told(now, related), key=asked.key)
        receipt = self.receipts.of(line)
        if asked.key:
            self._remember(receipt, asked.key)
        return receipt

    def _line_of(self, begun: SentMessage, text: str) -> Said:
        me = self.core.me
        return Said(
            conversation=begun.conversation,
            id=begun.id,
            sender=me.name,
            identity=me.identity.public,
            number=begun.number,
            text=text,
            at=self._settings.machine.wall(),
            is_ours=True,
            state=events.MessageState.UNSETTLED,
        )

    def note_said(self, line: LineEvent, *, key: int) -> None:
        """Have the user's other windows told of a line in this turn. `key`: by which another
        program has asked for it; 0: the window of this program has."""
        self._said.append(events.SaidByUs(line=line, key=key))

    def _tell_said(self) -> None:
        """Tell the user's other windows what was said, now that it is stored."""
        several, self._said = self._said, []
        for said in several:
            if said.key:
                self.tell([said])
            else:  # the window of this program shows it by itself
                for listener in self._ours_listeners:
                    listener([said])

    async def stored(self) -> None:
        """Wait until what was said is stored, as far as the disk takes it: another program that is
        answered may outlive this one. Raises NotOpen when the peer is closed meanwhile."""
        if self.driver.is_turn_due:
            await self.turn()

    def sent_by(self, key: int) -> Sent | None:
        """Return the line that another program asked for by this key in this run."""
        receipt = self._by_key.get(key)
        return None if receipt is None else receipt.sent()

    async def _look_for(
        self, to: str, text: str, related: Related | None
    ) -> SentMessage | events.MessageReason:
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
                return direct.send(to, text, related, now=now)
            elif found is LookUp.UNANSWERED:
                return direct.keep(to, text, related, now=now)
            else:
                return _WHY_NOT[found]

    def _refuse(self, conversation: Conversation, reason: events.MessageReason) -> Receipt:
        receipt, state = Receipt(conversation, 0), events.MessageState.REFUSED
        receipt.settle(state, reason)
        refused = events.MessageChanged(conversation=conversation, id=0, state=state, reason=reason)
        self.tell([refused])
        return receipt

    def listen(self, listener: Callable[[Sequence[events.Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen. Raises NotOpen."""
        self.check_open()
        return self.feed.listen(listener)

    def shown(self, batch: Sequence[events.Event]) -> None:
        """Note that the user has seen these events. Nothing happens on a closed node: their lines
        are given again."""
        if self.driver.is_closed or not batch:
            return
        shown: list[LineEvent] = []
        for event in batch:
            if isinstance(event, events.Line):
                shown.append(event)
            elif type(event) is events.MailReturned:
                shown += event.lines
        if shown:
            self.core.lines_shown(shown)
            if shown[-1].visit:  # the registry is told
                self.driver.schedule()
            self.storage.store()
            for listener in self._shown_listeners:
                listener(shown)

    def listen_shown(self, listener: Callable[[Sequence[LineEvent]], None]) -> Callable[[], None]:
        """Call `listener` with lines when they are reported as shown."""
        self._shown_listeners.append(listener)
        return lambda: self._shown_listeners.remove(listener)

    def listen_ours(self, listener: Callable[[Sequence[events.Event]], None]) -> Callable[[], None]:
        """Call `listener` with what this program says itself, as other programs are to be told."""
        self._ours_listeners.append(listener)
        return lambda: self._ours_listeners.remove(listener)

    async def close(self, *, within: float) -> None:
        """Leave, waiting at most `within` seconds for the registry's answer, and let go of
        everything."""
        try:
            if not self.driver.is_closed and self.core.state is SessionState.REGISTERED:
                self.leave()
                # another task may close it meanwhile
                with contextlib.suppress(TimeoutError, NotOpen):
                    async with asyncio.timeout(within):
                        await self.request(Wait(until=Moment.LEFT))
        finally:
            self.core.rooms.forget()  # only now is it known which lines have been told there
            self.let_go()
        await self.driver.closed()

    def hand_over(self) -> None:
        """Let go of everything without leaving: another program of the user runs the peer from now
        on. The link stays until `handed_over`, so that nobody is told that we were lost."""
        if not self.driver.is_closed:
            self._tell_stored(now=self.driver.now())
        self.let_go(keeps_link=True)

    async def handed_over(self, *, within: float) -> None:
        """Wait until the registry has let the other program in, so many seconds at most."""
        await self.driver.cut_link(within=within)
        await self.driver.closed()

    def check_open(self) -> None:
        """Raises NotOpen for a peer that is closed."""
        if self.driver.is_closed:
            raise NotOpen

    # --- for those who answer requests

    @property
    def files(self) -> "Files":
        """The files that we offer, and those that others offer to us; loaded for the first one."""
        if self._files is None:
            from chatapp.peer.node.files.files import Files  # deferred: most peers have none

            settings = self._settings
            self._files = Files(
                self,
                settings.machine,
                downloads=settings.downloads,
                auto_accept=settings.auto_accept,
                bounds=settings.bounds,
            )
            self._files.begin()
        return self._files

    @property
    def name(self) -> PeerName:
        """Our name; another one after a change of it."""
        return PeerName(self.core.me.name)

    @property
    def folder(self) -> Path:
        """The folder with our keys and messages."""
        return self.keys.folder

    def tell(self, events: Sequence[events.Event]) -> None:
        """Give events to every reader."""
        if events:
            self.feed.put(events)

    def leave(self) -> None:
        """Go offline."""
        now = self.driver.now()
        self._tell_stored(now=now)
        self.core.leave(now=now)
        self.driver.schedule()

    def _tell_stored(self, *, now: float) -> None:
        """Tell those to whom we have acknowledged something that it is on our disk: without that,
        they would keep it for us."""
        core = self.core
        if self.storage.store(now=now):
            core.records_stored(now=now)
        self.driver.send(core.datagrams_to_send(now=now))
        number = core.sync_begins()
        if self.storage.sync():
            core.synced(number, now=now)
            core.direct.report_syncs()
            self.driver.send(core.datagrams_to_send(now=now))

    async def turn(self) -> None:
        """Wait for the end of the next turn. Raises NotOpen when the peer is closed meanwhile."""
        await self.driver.turn()
        self.check_open()

    async def until(self, is_so: Callable[[PeerCore], bool]) -> None:
        """Wait until this is so. Raises NotOpen when the peer is closed meanwhile."""
        while not is_so(self.core):
            await self.turn()

    # --- for the driver

    def take_turn(self, *, now: float) -> None:
        """Send, store and tell what has come of the last inputs."""
        core, storage = self.core, self.storage
        if storage.sync_thread.is_running:
            storage.look_at_sync(now=now)
        if core.registry.servers.to_look_up:
            self.registry.look_up(core.registry.servers.to_look_up)
        if core.registry.newly_pinned is not None or self.registry.is_unsettled:
            if not self.registry.settle(core):
                return
            core = self.core
        self._send_and_store(now=now)
        if self._said:
            self._tell_said()
        if self.registry.is_new_pin:
            self.registry.keep_pin()
        self.driver.tend_link(now=now)
        events = core.events()
        if events:
            self.receipts.note_all(events)
        if core.registry.renaming.confirmed is not None and (
            name := core.registry.renaming.take_confirmed()
        ):
            storage.move_folder(name)
        if events:
            if self._files is None and not _offer_files(events):  # mostly
                self.tell(events)
            else:
                self.tell(self.files.noted(events))
                self.files.tell()
        if core.file_frames:
            self._file_frames_came()
        self._throttle()
        if core.needs_disk or now >= storage.commits.sync_at:
            storage.tend(now=now)
        storage.commits.file_if_due(now=now)
        if storage.commits.filing_trouble is not None:
            storage.tell_filing_trouble()

    def _send_and_store(self, *, now: float) -> None:
        core, storage = self.core, self.storage
        if any(said.key for said in self._said):
            # Whoever asks by a key asks again if we are killed now: what nobody has is not stored.
            storage.store(now=now)
        if datagrams := core.datagrams_to_send(now=now):
            self.driver.send(datagrams)
        # The disk works while the network does. What is stored is then acknowledged.
        if (
            storage.store(now=now)
            and core.records_stored(now=now)
            and (datagrams := core.datagrams_to_send(now=now))
        ):
            self.driver.send(datagrams)

    def _file_frames_came(self) -> None:
        frames = list(self.core.file_frames)
        self.core.file_frames.clear()
        if self._files is not None or any(type(came.frame) is TryPort for came in frames):
            self.files.frames_came(frames)

    def next_timer(self) -> float | None:
        """Return the earliest deadline of the core and of the disk."""
        dues = self.core.next_timer(), self.storage.commits.next_timer()
        return min((due for due in dues if due is not None), default=None)

    def _throttle(self) -> None:
        """Take no messages while nobody reads the events or the disk fails: they would fill our
        memory."""
        is_full = self.feed.is_full
        if is_full and not self._is_full:
            self.tell([events.ReadersBehind()])
        self._is_full = is_full
        has_room = not is_full and not self.storage.commits.is_full
        if has_room is self._had_room:
            return
        self._had_room = has_room
        self.core.take_messages(has_room=has_room)
        self.driver.hold_link(is_held=not has_room)
        self.core.read_link(is_read=has_room, now=self.driver.now())
