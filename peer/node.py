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
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Self

from peer.atdesk import AtDesk
from peer.company import NO_ROOM, Company, NotOpen
from peer.core import events as happened
from peer.core.events.duty import ClientSaid
from peer.core.lookup import LookUp
from peer.core.states import State
from peer.keys import folder_of
from peer.past import Past
from peer.receipts import CHANNEL, Receipt
from peer.trust import PeerTrust
from wire.address import Address
from wire.delivery.policy import Policy
from wire.folders import default_home
from wire.invitations import JoinCode
from wire.names import PeerName, peer_name

__all__ = ["NotOpen", "Peer"]


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
    ) -> None:
        """`server`: the registry's IP address and port. `port`: our UDP port, 0 for any. `room`: to be in from the start.
        `code`: a join code, for where newcomers need one. Raises NameRefused, CodeRefused."""
        super().__init__(
            peer_name(name),
            Address(*server),
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
        return PeerName(self._core.me.name) if hasattr(self, "_core") else self._name

    @property
    def folder(self) -> Path:
        """Where our keys and messages are."""
        return self._keys.folder if hasattr(self, "_core") else folder_of(self._home, self._name)

    # --- life

    async def __aenter__(self) -> Self:
        """Open, and wait until the registry has answered or is known not to."""
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
        """Bind, lock, load, begin to register. Raises PortInUse, FolderInUse, BrokenKeyFile, sqlite3.Error."""
        await super().open()
        if self._code is not None:
            # Not too late: the first REGISTER waits for an answer, which nobody has read yet.
            self._core.use_code(self._code)
        if self._room is not None:
            self.enter_room(self._room)

    async def ready(self) -> None:
        """Wait until all that the registry had for us is here, and we are in the room where we want to be; or until it
        is known not to answer. Once that was so, a registry that is being looked for again keeps nobody from speaking."""
        while self._is_open and not self._is_begun:
            if self._core.is_ready or self._core.state is State.REFUSED:
                self._is_begun = True
            else:
                await self._change()
        await self.room_settled()

    async def close(self, *, within: float = 1.0) -> None:
        """Leave, waiting at most `within` seconds for the registry's answer, and let go of everything."""
        if not self._is_open:
            return
        try:
            if self._core.state is State.REGISTERED:
                self.leave()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(within):
                        await self.left()
        finally:
            self._core.rooms.forget()  # only now is it known which lines have been told there
            self._shut()
        await self._connection.closed()

    # --- what one can do

    async def send(self, to: str, text: str) -> Receipt:
        """Begin a message. An unknown name is refused in the receipt. Raises TooLong, UnicodeEncodeError, NotOpen."""
        core, now = self._open_core(), self._now()
        if self._keeper.is_full:
            return self._refuse(to, NO_ROOM)
        while (found := core.speech.look_up(to, now=now)) is LookUp.ASKING:
            self._schedule()
            await self._change()
            core, now = self._open_core(), self._now()
        if found is not LookUp.KNOWN:
            return self._refuse(to, _WHY_NOT[found])
        begun = core.speech.send(to, text, now=now)
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
        """Wait until all that we said is delivered, saved, kept or refused."""
        while self._is_open and not self._core.is_settled:
            await self._change()

    def leave(self) -> None:
        """Go offline and stay in the program; `Left` or `LeaveUnanswered` follows. Raises NotOpen."""
        self._open_core().leave(now=self._now())
        self._schedule()

    async def left(self) -> None:
        """Wait until the registry has answered our leave, or all tries are over."""
        while self._is_open and self._is_leaving:
            await self._change()

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
        """The table, by name."""
        return self._core.people()

    @property
    def is_offline(self) -> bool:
        """Whether we left and have not come back."""
        return self._core.is_offline

    @property
    def _is_leaving(self) -> bool:
        return self._core.state is State.LEAVING

    # --- what happens

    async def events(self) -> AsyncIterator[happened.Event]:
        """Everything that happens, one by one, until the peer is closed. Asking for the next says that one is done
        with the last: messages that were never asked beyond are given again after a restart."""
        while True:
            batch = await self.next_events()
            if not batch:
                return
            done: list[happened.Event] = []
            try:
                for event in batch:
                    yield event
                    done.append(event)
            finally:
                self.events_shown(done)

    async def next_events(self) -> list[happened.Event]:
        """All that happened since the last call; waits for something; empty when closed. Then say `events_shown`."""
        self._is_watched = True
        while not self._events and self._is_open:
            await self._waiting_for_events.wait()
        return self.take_events()

    def take_events(self) -> list[happened.Event]:
        """What happened since the last call, without waiting."""
        batch = list(self._events)
        self._events.clear()
        if self._is_full and self._is_open:
            self._schedule()
        return batch

    def events_shown(self, batch: Sequence[happened.Event]) -> None:
        """These have been seen; their messages are not given again after a restart."""
        for event in batch:
            match event:
                case happened.DirectReceived() | happened.ChannelReceived() | happened.RoomReceived():
                    self._core.line_shown(event)
                case happened.MailReturned(lines=lines):
                    for line in lines:
                        self._core.line_shown(line)
                case ClientSaid(visit=visit, position=position):
                    self._core.duty.lines_shown(visit, position)
                    self._schedule()
                case _:
                    pass
        if self._is_open and batch:
            self._store()


_WHY_NOT: Final = {
    LookUp.UNKNOWN: "nobody of that name is known here",
    LookUp.BLOCKED: "the key shown for this name is not the one that we hold",
}
