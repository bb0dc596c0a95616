"""A peer that other programs can be: the SDK, which is also what every face stands on.

async with Peer("alice", ("192.0.2.1", 5000)) as me:
        receipt = await me.send("bob", "hi")
        print(await receipt.settled())
        async for event in me.events(): ...

It asks the core and tells what happened. How bytes, time and records move stands in `peer.driver`, what they mean in
`peer.core`.
"""

import asyncio
import contextlib
import enum
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Self, assert_never

from chatapp.peer.core import events as happened
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.operator import VisitTarget
from chatapp.peer.core.people.table import NOBODY, LookUp
from chatapp.peer.core.registry.session import State
from chatapp.peer.driver import PeerDriver
from chatapp.peer.errors import NameTaken, NotAdmitted, NotLetIn, NotOpen, OtherRegistry
from chatapp.peer.history.query import Past
from chatapp.peer.keystore import NameHasKeys, folder_of
from chatapp.peer.receipts import CHANNEL, Outcome, Receipt, Receipts
from chatapp.wire.address import Address, parse_port
from chatapp.wire.admission import JoinCode
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.folders import default_home
from chatapp.wire.identity import require_fingerprint
from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.names import PeerName, is_same_name, peer_name

NO_ROOM: Final = "nothing can be stored here, and too much waits to be"


class Company(PeerDriver):
    """One node among others."""

    # --- rooms

    @property
    def room(self) -> str | None:
        """The room where we are, as its maker wrote it. Raises NotOpen."""
        room = self._open_core().rooms.room
        return room.room if room is not None else None

    def enter_room(self, room: str) -> None:
        """Ask to be in this room, and in no other; `RoomEntered` or `RoomRefused` follows. Raises NotOpen."""
        self._open_core().rooms.enter(room, now=self._now())
        self._schedule()

    def leave_room(self) -> None:
        """Be in no room; `RoomLeft` follows, `NotInRoom` in none. Raises NotOpen."""
        self._open_core().rooms.leave(now=self._now())
        self._schedule()

    async def say(self, text: str) -> Receipt:
        """Begin a line for the room where we are; in none it is refused. Raises TooLong, UnicodeEncodeError, NotOpen."""
        core = self._open_core()
        if self._commit_queue.is_full:
            return self._refuse(self.room or "", NO_ROOM)
        begun = core.sending.say(text, now=self._now())
        self._schedule()
        if begun is not None:
            return self._receipts.open(begun.to, begun.number)
        receipt = Receipt("", 0)
        receipt.settle(Outcome.REFUSED, "you are in no room")
        return receipt

    async def room_settled(self) -> None:
        """Wait until it is known, and told, in which room we are: the answer has come, or is given up. Raises NotOpen."""
        await self._until(lambda core: core.rooms.is_settled or core.state is State.REFUSED)

    def list_rooms(self) -> None:
        """Ask which rooms there are; `RoomsListed` follows: at once, or when the registry is found or known to be away.
        Raises NotOpen."""
        self._open_core().rooms.room_list.ask(now=self._now())
        self._schedule()

    def members(self) -> tuple[happened.Person, ...]:
        """Everybody in the room where we are, ourselves among them, by name. Raises NotOpen."""
        return self._open_core().rooms.recipients.people()

    @property
    def in_reach(self) -> int:
        """How many others of the room a line of ours gets to now. Raises NotOpen."""
        return self._open_core().rooms.recipients.in_reach

    @property
    def is_server_away(self) -> bool:
        """Whether the registry is known not to answer. Raises NotOpen."""
        return self._open_core().reach is RegistryReach.LOST

    # --- our name

    def rename(self, new: str) -> None:
        """Ask for another name; `Renamed`, `NameUnavailable` or `RenameRefused` follows. Raises NotOpen."""
        core = self._open_core()
        refused = self._mark(new) if core.renaming.refusal_of(new) is None else None
        if refused is not None:
            self._tell([refused])
            return
        core.renaming.request(new, now=self._now())
        self._schedule()

    def _mark(self, new: str) -> happened.NameUnavailable | happened.RenameRefused | None:
        """Note on disk that we are about to ask for this name; why that cannot be, if it cannot."""
        try:
            self._keys.mark(new)
        except NameHasKeys as error:
            # Of several people on one machine the keys are here, which tells the user less than whose name it is.
            if any(is_same_name(person.name, new) for person in self._open_core().people()):
                return happened.NameUnavailable(name=new)
            return happened.RenameRefused(name=new, reason=str(error))
        except OSError as error:
            why = f"{error.filename or self._keys.folder}: {error.strerror or error}"
            return happened.RenameRefused(name=new, reason=why)
        return None

    def _refuse(self, to: str, reason: str) -> Receipt:
        receipt = Receipt(to, 0)
        receipt.settle(Outcome.REFUSED, reason)
        self._tell([happened.Refused(to=to, number=0, reason=reason)])
        return receipt


class AtDesk:
    """The desk, as one peer sees it. Every method raises NotOpen."""

    def __init__(
        self,
        open_core: Callable[[], PeerCore],
        *,
        schedule: Callable[[], None],
        read_clock: Callable[[], float],
        change: Callable[[], Awaitable[None]],
    ) -> None:
        self._open_core: Final = open_core
        self._schedule: Final = schedule
        self._now: Final = read_clock
        self._change: Final = change

    @property
    def client(self) -> str | None:
        """The name of the visitor whom we serve."""
        return self._open_core().operator.client

    @property
    def visit(self) -> int:
        """The number of the visit of the visitor whom we serve; 0 for nobody."""
        return self._open_core().operator.visit

    @property
    def is_on_duty(self) -> bool:
        """Whether visitors may be given to us."""
        return self._open_core().operator.is_on

    def takes_lines(self, *, entered_at: float) -> bool:
        """Whether text that is typed at this time (of the loop's clock) is for a visitor, be it for one who has just
        left."""
        return self._open_core().operator.takes_lines(entered_at=entered_at)

    # What concerns a visitor names the visit (`visit`, as ClientCame said it), or the time at which an operator has
    # typed it (`entered_at`, by the loop's clock; now, if neither is given). Then it is for the visitor whom the
    # operator was shown, and is held back, with HeldBack as the event, if that is not clear.

    def say(
        self, text: str, *, visit: int | None = None, entered_at: float | None = None, is_maybe: bool = False
    ) -> None:
        """A line for our visitor. `is_maybe`: the line would mean something else if nobody were served. Raises TooLong,
        UnicodeEncodeError."""
        now = self._now()
        target = self._target(visit, entered_at)._replace(is_maybe=is_maybe)
        self._open_core().sending.say_on_duty(text, target, now=now)
        self._schedule()

    def ask(
        self, request: OperatorRequest, *, visit: int | None = None, entered_at: float | None = None
    ) -> None:
        """Ask for something, such as `TakeDuty(0, "")`; events tell what comes of it. The reference and the visit of the
        request are filled in here. A number means whoever had it in the waiting room that was shown last."""
        self._open_core().operator.ask(request, self._target(visit, entered_at))
        self._schedule()

    async def answered(self) -> None:
        """Wait until all that was asked is answered: what follows from it was told before. Raises NotOpen."""
        while not self._open_core().operator.commands.is_answered:
            await self._change()

    async def said(self) -> None:
        """Wait until what we said to our visitor is on its way: an end of the session would overtake it. Raises NotOpen."""
        while not self._open_core().operator.is_said:
            await self._change()

    def _target(self, visit: int | None, entered_at: float | None) -> VisitTarget:
        return VisitTarget(visit, self._now() if entered_at is None else entered_at)


class PeerTrust:
    """What the user of a peer decides about others. A name that nobody here has is answered with `NobodyKnown`."""

    def __init__(
        self,
        core: Callable[[], PeerCore],
        receipts: Receipts,
        *,
        now: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        """`core` raises NotOpen while there is none; `changed`: the core has something to send or to store."""
        self._core = core
        self._receipts = receipts
        self._now = now
        self._changed = changed

    def number(self, name: str) -> happened.SafetyNumber | happened.NobodyKnown:
        """60 digits to compare with theirs: over another way, or side by side. Raises NotOpen."""
        return self._core().trust.number(name)

    def accept(
        self, name: str, digits: str | None
    ) -> happened.Trusted | happened.NotTrusted | happened.NobodyKnown:
        """Hold the key of this name whose safety number has these 60 digits, if it is the one that is shown now, and send
        there what was on its way. Raises NotOpen."""
        answer, numbers = self._core().trust.accept(name, digits, now=self._now())
        self._receipts.renumber(answer.name, numbers)
        self._changed()
        return answer

    def registry_key(self) -> happened.RegistryKey:
        """The fingerprint of the registry's key, and of one that answers in its place. Raises NotOpen."""
        return self._core().trust.registry_key()

    def accept_registry(self, digits: str | None) -> happened.Trusted | happened.NotTrusted:
        """Take the key with this fingerprint for the registry's: the one that we hold, or the one that answers in its
        place. Raises NotOpen."""
        answer = self._core().trust.accept_registry(digits, now=self._now())
        self._changed()
        return answer

    def ignore(self, name: str) -> happened.Ignored | happened.NobodyKnown:
        """Show nothing of theirs from now on; it is acknowledged and stored all the same. Raises NotOpen."""
        return self._ignore(name, is_ignored=True)

    def unignore(self, name: str) -> happened.Ignored | happened.NobodyKnown:
        """Show again what they say. Raises NotOpen."""
        return self._ignore(name, is_ignored=False)

    def _ignore(self, name: str, *, is_ignored: bool) -> happened.Ignored | happened.NobodyKnown:
        answer = self._core().trust.ignore(name, is_ignored=is_ignored)
        self._changed()
        return answer


class PeerState(enum.Enum):
    """Where a peer stands."""

    CLOSED = "not open"
    SEEKING = "looking for the registry"
    ONLINE = "registered, with a link to the registry"
    ALONE = "the registry does not answer; direct chat goes on"
    OFFLINE = "offline by our own wish"
    REFUSED = "the registry does not let us in"


class Peer(Company):
    """One node."""

    def __init__(
        self,
        name: str,
        server: tuple[str, int],
        *,
        port: int = 0,
        home: Path | None = None,
        policy: Policy | None = None,
        room: str | None = None,
        code: str | None = None,
        registry_key: str | None = None,
    ) -> None:
        """`server`: the registry's host (an IP address or a name) and port; the registry's key is remembered under what is
        given here. `port`: our UDP port, 0 for any. `room`: to be in from the start. `code`: a join code, for where
        newcomers need one. `registry_key`: the fingerprint that the registry's key must have. Raises NameRefused,
        AddressRefused, CodeRefused, KeyRefused."""
        super().__init__(
            peer_name(name),
            Address(server[0], parse_port(str(server[1]), "server")),
            registry_key=None if registry_key is None else require_fingerprint(registry_key),
            port=port,
            home=home or default_home(),
            policy=policy or Policy(),
        )
        self._room = room
        self._code = JoinCode(code) if code else None
        self._is_begun = False
        """Whether we have been with the registry since the start or the last return, or know that it is not there."""
        self.desk: Final = AtDesk(
            self._open_core, schedule=self._schedule, read_clock=self._now, change=self._change
        )
        """What an operator of the help desk asks for."""
        self.trust: Final = PeerTrust(self._open_core, self._receipts, now=self._now, changed=self._schedule)

    @property
    def name(self) -> PeerName:
        """Ours; another one after a change of it."""
        return PeerName(self._core.me.name) if self._is_open else self._name

    @property
    def folder(self) -> Path:
        """Where our keys and messages are."""
        return self._keys.folder if self._is_open else folder_of(self._home, self._name)

    # --- life

    async def __aenter__(self) -> Self:
        """Open, and wait as `ready` does. Raises what `open` and `ready` raise; the peer is closed then."""
        await self.open()
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave and close."""
        await self.close()

    async def open(self) -> None:
        """Find the server, bind, lock, load, begin to register; also again after `close`. Raises AlreadyOpen,
        ServerUnreachable, PortInUse, FolderInUse, BrokenKeyFile, OtherKey, sqlite3.Error, OSError."""
        await super().open()
        self._is_begun = False
        if self._code is not None:
            # Not too late: the first REGISTER waits for an answer, which nobody has read yet.
            self._core.use_code(self._code)
        if self._room is not None:
            self.enter_room(self._room)

    async def ready(self) -> None:
        """Wait until all that the registry had for us is here, and we are in the room where we want to be; or until it
        is known not to answer. Once that was so, a registry that is being looked for again keeps nobody from speaking.
        Raises NotOpen, NameTaken, NotAdmitted, OtherRegistry."""
        if not self._is_begun:
            await self._until(lambda core: core.is_ready or core.not_let_in is not None)
        core = self._open_core()
        if core.not_let_in is not None and not (self._is_begun and core.state is not State.REFUSED):
            raise _refusal(core.not_let_in)
        self._is_begun = True
        await self.room_settled()

    async def close(self, *, within: float = 1.0) -> None:
        """Leave, waiting at most `within` seconds for the registry's answer, and let go of everything."""
        if not self._is_open:
            return
        try:
            if self._core.state is State.REGISTERED:
                self.leave()
                with contextlib.suppress(TimeoutError, NotOpen):  # somebody else may close it meanwhile
                    async with asyncio.timeout(within):
                        await self.left()
        finally:
            self._core.rooms.forget()  # only now is it known which lines have been told there
            self._shut()
        await self._connection.closed()

    # --- what one can do

    async def send(self, to: str, text: str) -> Receipt:
        """Begin a message. An unknown name is refused in the receipt, once the registry says that nobody bears it; until
        then the message is kept. Raises TooLong, UnicodeEncodeError, NotOpen."""
        core, now = self._open_core(), self._now()
        if self._commit_queue.is_full:
            return self._refuse(to, NO_ROOM)
        while (found := core.sending.look_up(to, now=now)) is LookUp.ASKING:
            self._schedule()
            await self._change()
            core, now = self._open_core(), self._now()
        if found is LookUp.UNANSWERED:
            begun = core.sending.keep(to, text, now=now)
        elif found is LookUp.KNOWN:
            begun = core.sending.send(to, text, now=now)
        else:
            return self._refuse(to, _WHY_NOT[found])
        self._schedule()
        return self._receipts.open(begun.to, begun.number)

    async def send_all(self, text: str) -> Receipt:
        """Begin a line for the channel. Raises TooLong, UnicodeEncodeError, NotOpen."""
        core = self._open_core()
        if self._commit_queue.is_full:
            return self._refuse("everybody", NO_ROOM)
        number = core.sending.send_all(text, now=self._now())
        self._schedule()
        return self._receipts.open(CHANNEL, number)

    async def settled(self) -> None:
        """Wait until all that we said is delivered, saved, kept or refused. Raises NotOpen."""
        await self._until(lambda core: core.is_settled)

    def leave(self) -> None:
        """Go offline and stay in the program; `Left` or `LeaveUnanswered` follows. Raises NotOpen."""
        self._open_core().leave(now=self._now())
        self._schedule()

    async def left(self) -> None:
        """Wait until the registry has answered our leave, or all tries are over, and an event says which. Raises NotOpen."""
        await self._until(lambda core: core.state is not State.LEAVING and not self._is_pump_due)

    def come_back(self) -> None:
        """Register again after `leave`. Raises NotOpen."""
        self._is_begun = False
        self._open_core().start(now=self._now())
        self._schedule()

    @property
    def past(self) -> Past:
        """Our own history, from disk. Raises NotOpen."""
        core = self._open_core()
        return Past(
            self._history.lines, lambda: core.me.name, core.sending.steps_under_way, flush=self._store
        )

    def people(self) -> tuple[happened.Person, ...]:
        """The table, by name. Raises NotOpen."""
        return self._open_core().people()

    @property
    def state(self) -> PeerState:
        """Where this peer stands."""
        if not self._is_open:
            return PeerState.CLOSED
        match self._core.state, self._core.reach:
            case State.REFUSED, _:
                return PeerState.REFUSED
            case ((State.OFFLINE | State.LEAVING), _):
                return PeerState.OFFLINE
            case _, RegistryReach.UP:
                return PeerState.ONLINE
            case _, RegistryReach.LOST:
                return PeerState.ALONE
            case _:
                return PeerState.SEEKING

    @property
    def is_offline(self) -> bool:
        """Whether we left and have not come back, or are not let in. Raises NotOpen."""
        return self._open_core().is_offline

    # --- what happens

    def events(self) -> AsyncGenerator[happened.Event, None]:
        """Everything that happens, one by one, until the peer is closed. Raises NotOpen for one that was never open.

        Several loops may run at once: each gets every event, the first from the opening of the peer on, any other from its
        own beginning on. The first decides what has been shown: asking for the next event says that it is done with the
        last, and a message that it never asked beyond is given again after a restart. The slowest sets the pace: past
        `EVENTS_WAITING_MAX` events that wait for it, nobody's messages are taken."""
        return self._open_feed().read(self.events_shown)

    async def next_events(self) -> list[happened.Event]:
        """For a program that shows many at a time, and whose only reader this is: all that happened since the last call;
        waits for something; empty when closed. Then say `events_shown`. Raises NotOpen for a peer that was never open."""
        return await self._open_feed().next_batch()

    def take_events(self) -> list[happened.Event]:
        """The same, without waiting."""
        return self._open_feed().take()

    def events_shown(self, batch: Sequence[happened.Event]) -> None:
        """These have been seen; their messages are not given again after a restart."""
        for event in batch:
            match event:
                case happened.DirectReceived() | happened.ChannelReceived() | happened.RoomReceived():
                    self._core.line_shown(event)
                case happened.MailReturned(lines=lines):
                    for line in lines:
                        self._core.line_shown(line)
                case happened.ClientSaid(visit=visit, position=position):
                    self._core.operator.lines_shown(visit, position)
                    self._schedule()
                case _:
                    pass
        if self._is_open and batch:
            self._store()


_WHY_NOT: Final = {
    LookUp.UNKNOWN: NOBODY,
    LookUp.BLOCKED: "the key shown for this name is not the one that we hold",
}


def _refusal(why: happened.NotLetIn) -> NotLetIn:
    match why:
        case happened.NameUnavailable(name=name):
            return NameTaken(name)
        case happened.AdmissionRefused(reason=reason):
            return NotAdmitted(reason)
        case happened.RegistryKeyChanged(expected=expected, got=got):
            return OtherRegistry(expected, got)
        case _:
            assert_never(why)
