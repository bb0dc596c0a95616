"""This file is about a peer that other programs can be: the SDK, which is also what every face stands on.

    async with Peer("alice", ("192.0.2.1", 5000)) as me:
        receipt = await me.send("bob", "hi")
        print(await receipt.settled())
        async for event in me.events(): ...

It asks the core and tells what happened. How bytes, time and records move stands in `peer.pump`, what they mean in
`peer.core`.
"""

import asyncio
import contextlib
import enum
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final, Self, assert_never

from peer.atdesk import AtDesk
from peer.company import NO_ROOM, Company
from peer.core import events as happened
from peer.core.lookup import NOBODY, LookUp
from peer.core.reach import Reach
from peer.core.states import State
from peer.errors import NameTaken, NotAdmitted, NotLetIn, NotOpen, OtherRegistry
from peer.keys import folder_of
from peer.past import Past
from peer.receipts import CHANNEL, Receipt
from peer.trust import PeerTrust
from wire.address import Address, port_of
from wire.delivery.policy import Policy
from wire.folders import default_home
from wire.identity import demanded_key
from wire.invitations import JoinCode
from wire.names import PeerName, peer_name


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
            Address(server[0], port_of(str(server[1]), "server")),
            registry_key=None if registry_key is None else demanded_key(registry_key),
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
        if self._keeper.is_full:
            return self._refuse(to, NO_ROOM)
        while (found := core.speech.look_up(to, now=now)) is LookUp.ASKING:
            self._schedule()
            await self._change()
            core, now = self._open_core(), self._now()
        if found is LookUp.UNANSWERED:
            begun = core.speech.keep(to, text, now=now)
        elif found is LookUp.KNOWN:
            begun = core.speech.send(to, text, now=now)
        else:
            return self._refuse(to, _WHY_NOT[found])
        self._schedule()
        return self._receipts.open(begun.to, begun.number)

    async def send_all(self, text: str) -> Receipt:
        """Begin a line for the channel. Raises TooLong, UnicodeEncodeError, NotOpen."""
        core = self._open_core()
        if self._keeper.is_full:
            return self._refuse("everybody", NO_ROOM)
        number = core.speech.send_all(text, now=self._now())
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
        return Past(self._history.lines, lambda: core.me.name, core.speech.steps_under_way, flush=self._store)

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
            case _, Reach.UP:
                return PeerState.ONLINE
            case _, Reach.LOST:
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
                    self._core.duty.lines_shown(visit, position)
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
