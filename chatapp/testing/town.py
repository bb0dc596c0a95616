"""A town: a registry and people, each on a simulated machine, in one event loop and in virtual
time."""

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self, TypeVar

from chatapp.bot import Bot
from chatapp.peer.api import events
from chatapp.peer.api.files import AutoAccept
from chatapp.peer.api.state import PeerState
from chatapp.peer.sdk.client import Peer
from chatapp.registry.program.app import Registry
from chatapp.testing.clock import BEGIN, TownMisused, VirtualClock
from chatapp.testing.network import Network, SimulatedListener, Weather, make_endpoint_at
from chatapp.wire.address import Address
from chatapp.wire.aio.machine import Machine, MakeLink
from chatapp.wire.names import name_key, peer_name
from chatapp.wire.storage import Disk

Kind = TypeVar("Kind", bound=events.Event)

PORT: Final = 5_000
"""The port of the registry."""

BEGAN_AT: Final = 1_800_000_000.0
"""The Unix time at which a town begins."""

WITHIN: Final = 60.0
"""Seconds for which an event is waited for."""

HEARD_AFTER: Final = 0.5
"""Seconds after which everybody has heard of a newcomer, unless the network is bad."""

LAST_TIMERS: Final = 60.0
"""Seconds after which nothing that was open in a town has a timer any more."""


class _QuickDisk(Disk):
    """A disk whose content outlives a program, and need not outlive the machine."""

    def sync(self, file: int) -> None:
        pass

    def sync_folder(self, folder: int) -> None:
        pass


class TownMachine:
    """A simulated machine: an address, a folder, and what one program needs."""

    def __init__(self, network: Network, host: str, folder: Path, *, rng: random.Random) -> None:
        self._network = network
        self.host: Final = host
        """Its IP address."""
        self.folder: Final = folder
        self.downloads: Final = folder / "Downloads"
        """Where its programs put files that others give them."""
        loop = asyncio.get_running_loop()

        async def connect(make_link: MakeLink, host: str, port: int) -> None:
            await network.connect(make_link, self.host, Address(host, port))

        self.machine: Final = Machine(
            now=loop.time,
            wall=lambda: BEGAN_AT - BEGIN + loop.time(),
            rng=rng,
            endpoint=make_endpoint_at(network, host),
            connect=connect,
            is_wireless=lambda: False,
            listen=lambda port: SimulatedListener(network, Address(host, port)),
            disk=_QuickDisk(),
        )

    @contextlib.contextmanager
    def killing(self) -> Iterator[None]:
        """Kill the program that runs here. Inside, it is closed as usual, but nobody hears of it,
        and the files are put back to what they are now."""
        self._network.kill(self.host)
        copy = self.folder.with_name(f"{self.folder.name}.copy")
        shutil.copytree(self.folder, copy)
        yield
        shutil.rmtree(self.folder)
        copy.rename(self.folder)


class TownRegistry:
    """The registry of a town, which may be stopped, killed and started again."""

    def __init__(self, place: TownMachine) -> None:
        self._running: Registry | None = None
        self.place: Final = place
        """The machine on which it runs."""
        self.fingerprint = ""
        """The fingerprint of its key."""

    @property
    def address(self) -> tuple[str, int]:
        """Its IP address and port."""
        return self.place.host, PORT

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._running is not None

    async def start(self) -> None:
        """Start with what its disk holds. Raises TownMisused if it runs."""
        if self._running is not None:
            raise TownMisused("the registry runs already")
        place = self.place
        registry = Registry(
            PORT,
            place.folder,
            say=lambda _: None,
            machine=place.machine,
            takes_admin_requests=False,
        )
        await registry.start()
        self._running, self.fingerprint = registry, registry.fingerprint

    async def stop(self) -> None:
        """Stop in order. Raises TownMisused if it does not run."""
        await self._taken().stop()

    async def kill(self) -> None:
        """End as by `kill -9`: nobody is told, and the disk keeps what was written. Raises
        TownMisused if it does not run."""
        running = self._taken()
        with self.place.killing():
            await running.stop()

    def _taken(self) -> Registry:
        if self._running is None:
            raise TownMisused("the registry does not run")
        running, self._running = self._running, None
        return running


class Town:
    """A registry and people on a simulated network, in virtual time.

    While a town is open, its event loop has a virtual clock: `asyncio.sleep`, `asyncio.timeout` and
    the programs of the town count virtual seconds, and waiting costs nothing. The peers are those
    of the SDK, on the product's own drivers and files; only sockets, clocks, threads and chance are
    simulated. The same seed gives the same run."""

    def __init__(self, seed: int = 0) -> None:
        """`seed`: decides all chance, such as which datagrams get lost and what keys are made
        of."""
        self._rng = random.Random(seed)
        self._undo: contextlib.AsyncExitStack | None = None
        self._is_open = False
        self._places: dict[str, TownMachine] = {}
        self._peers: dict[Peer, TownMachine] = {}
        self._mail: dict[Peer, deque[events.LineEvent]] = {}
        """Lines of mail that `event` has not looked at."""
        self._bots: list[asyncio.Task[None]] = []

    # --- life

    async def __aenter__(self) -> Self:
        """Begin virtual time and start the registry. Raises TownMisused."""
        if self._undo is not None:
            raise TownMisused("a town opens once; make another one")
        async with contextlib.AsyncExitStack() as undo:
            self._clock = VirtualClock()
            self._clock.start()
            undo.push_async_callback(self._clock.stop)
            self._folder = Path(
                undo.enter_context(tempfile.TemporaryDirectory(prefix="chatapp-town-"))
            )
            self._network = Network(self._new_rng())
            self._registry = TownRegistry(self._place("registry of the town"))
            await self._registry.start()
            undo.push_async_callback(self._close)
            self._undo = undo.pop_all()
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all peers, stop the registry, end virtual time and remove all files."""
        if self._undo is not None:
            await self._undo.aclose()

    async def _close(self) -> None:
        self._is_open = False
        for peer in self._peers:
            await peer.close()
        if self._registry.is_running:
            await self._registry.stop()
        await asyncio.sleep(LAST_TIMERS)
        await asyncio.gather(*self._bots)

    def _require_open(self) -> None:
        if not self._is_open:
            raise TownMisused("this town is not open: use `async with Town() as town`")

    # --- people and the registry

    @property
    def registry(self) -> TownRegistry:
        """The registry, which runs from the beginning on. Raises TownMisused."""
        self._require_open()
        return self._registry

    async def peer(
        self,
        name: str,
        *,
        folder: str = "",
        rooms: str | Sequence[str] = (),
        auto_accept: AutoAccept | None = None,
        gives_marks: bool = False,
    ) -> Peer:
        """Start a program for a person, and return it half a second after it is ready
        (`Peer.ready`), so that the others have heard of it. A person who comes again has the same
        machine and folder as before. `folder`: the name of another folder, and so of somebody else,
        on a machine of its own. `rooms`, `auto_accept`, `gives_marks`: as in `Peer`. Raises TownMisused if the person is
        here, and whatever `Peer` raises."""
        self._require_open()
        label = f"folder {folder}" if folder else f"person {name_key(peer_name(name))}"
        place = self._place(label)
        if any(
            held is place and peer.state is not PeerState.CLOSED
            for peer, held in self._peers.items()
        ):
            raise TownMisused(
                f"{folder or name} is in the town already; `folder` makes it somebody else"
            )
        peer = Peer(
            name,
            self._registry.address,
            home=place.folder,
            rooms=rooms,
            downloads=place.downloads,
            auto_accept=auto_accept,
            gives_marks=gives_marks,
            machine=place.machine,
        )
        async with contextlib.AsyncExitStack() as undo:
            await undo.enter_async_context(peer)
            undo.pop_all()
        self._peers[peer] = place
        await asyncio.sleep(HEARD_AFTER)
        return peer

    async def bot(self, bot: Bot, name: str, *, rooms: str | Sequence[str] = ()) -> Peer:
        """Start a bot under a name and return its peer, as `peer` does. It runs until the peer or
        the town is closed; an error that ends it before is raised when the town is closed. Raises
        TownMisused, and whatever `Peer` raises."""
        peer = await self.peer(name, rooms=rooms)
        self._bots.append(asyncio.create_task(bot.serve(peer)))
        return peer

    async def kill(self, peer: Peer) -> None:
        """End a peer as by `kill -9`: nobody is told, and the disk keeps what was written.
        `restart` brings it back. Raises TownMisused if it is not open."""
        place = self._place_of(peer)
        if peer.state is PeerState.CLOSED:
            raise TownMisused(f"{peer.name} is not open")
        self._mail.pop(peer, None)
        with place.killing():
            await peer.close(within=0.0)

    async def restart(self, peer: Peer) -> None:
        """Start a peer again with its folder, after closing it if it is open, and wait as `peer`
        does. Raises TownMisused, and whatever `Peer.open` and `Peer.ready` raise."""
        self._place_of(peer)
        self._mail.pop(peer, None)
        await peer.close()
        await peer.open()
        await peer.ready()
        await asyncio.sleep(HEARD_AFTER)

    async def event(self, peer: Peer, kind: type[Kind], *, within: float = WITHIN) -> Kind:
        """Return the next event of this kind, such as `events.Said`; a line of
        `MailReturned` is one, too. It and what happened before it count as shown, and are not
        returned any more. Raises TimeoutError if there is none within so many seconds, or the peer
        is closed; AlreadyRead while a loop of yours reads the peer's events."""
        self._place_of(peer)
        if (found := self._in_mail(peer, kind)) is not None:
            return found
        try:
            async with asyncio.timeout(within), contextlib.aclosing(peer.events()) as happening:
                async for event in happening:
                    if isinstance(event, kind):
                        peer.events_shown([event])
                        return event
                    if isinstance(event, events.MailReturned):
                        self._mail.setdefault(peer, deque()).extend(event.lines)
                        if (found := self._in_mail(peer, kind)) is not None:
                            return found
        except TimeoutError:
            raise TimeoutError(f"{peer.name} saw no {kind.__name__} within {within:g} s") from None
        raise TimeoutError(f"{peer.name} saw no {kind.__name__} until it was closed")

    def _in_mail(self, peer: Peer, kind: type[Kind]) -> Kind | None:
        """Return the next line of this kind in mail that was returned, and forget those before
        it."""
        lines = self._mail.get(peer, deque())
        while lines:
            line = lines.popleft()
            peer.events_shown([line])
            if isinstance(line, kind):
                return line
        return None

    # --- time

    @property
    def now(self) -> float:
        """Seconds since the town began. Raises TownMisused."""
        self._require_open()
        return self._clock.now() - BEGIN

    async def wait(self, seconds: float) -> None:
        """Let so many virtual seconds pass. Raises TownMisused."""
        self._require_open()
        if not seconds >= 0.0:
            raise TownMisused(f"time goes forward only, not by {seconds} s")
        await asyncio.sleep(seconds)

    # --- the network

    def lose(self, share: float) -> None:
        """Lose this share of all datagrams from now on, from 0 to 1. Connections send again what
        they lose. Raises TownMisused."""
        self._weather.loss = _share(share, "loss")

    def double(self, share: float) -> None:
        """Let this share of all datagrams arrive twice, from 0 to 1. Raises TownMisused."""
        self._weather.doubled = _share(share, "doubling")

    def delay(self, least: float, most: float | None = None) -> None:
        """Let everything be under way for `least` to `most` seconds; without `most`, for exactly
        `least`. Datagrams may overtake each other. Raises TownMisused."""
        most = least if most is None else most
        weather = self._weather
        if not 0.0 <= least <= most:
            raise TownMisused(
                f"a delay is from 0 s on, and the least first, not {least} to {most} s"
            )
        weather.delay_least, weather.delay_most = least, most

    def partition(self, one: "Peer | TownRegistry", other: "Peer | TownRegistry") -> None:
        """Let nothing pass between two people, or a person and `town.registry`, until `heal`.
        Raises TownMisused."""
        self._network.cut(self._place_of(one).host, self._place_of(other).host)

    def heal(self) -> None:
        """Let everything pass between all again, without loss, doubles and long delays. Raises
        TownMisused."""
        self._require_open()
        self._network.heal()

    # --- machines

    @property
    def _weather(self) -> Weather:
        self._require_open()
        return self._network.weather

    def _new_rng(self) -> random.Random:
        return random.Random(self._rng.random())

    def _place(self, label: str) -> TownMachine:
        """Return the machine of this name, making it if needed."""
        if label not in self._places:
            number = len(self._places) + 1
            host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            folder = self._folder / str(number)
            folder.mkdir()
            self._places[label] = TownMachine(self._network, host, folder, rng=self._new_rng())
        return self._places[label]

    def _place_of(self, owner: "Peer | TownRegistry") -> TownMachine:
        self._require_open()
        if owner is self._registry:
            return self._registry.place
        if isinstance(owner, Peer) and owner in self._peers:
            return self._peers[owner]
        raise TownMisused(
            f"{owner!r} is not of this town: use what `town.peer` returned, or `town.registry`"
        )


def _share(share: float, what: str) -> float:
    if not 0.0 <= share <= 1.0:
        raise TownMisused(f"{what} is a share from 0 to 1, not {share}")
    return share
