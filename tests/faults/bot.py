"""One bot of the soak: a `Peer` that writes to others, uses rooms, changes its name, leaves and
returns.

It records in its ledger what was promised and what it was shown.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.core import PeerCore
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.sdk.client import Peer
from tests.faults.ledger import Ledger, What
from tests.support.nodes import node_of

EACH: Final = 2.0
"""Seconds between two actions of a bot, on average, with up to `BUSY` bots. More of them act as
often all together."""
BUSY: Final = 200
CIRCLE: Final = 16
"""People to whom a bot writes."""
ROOMS: Final = 10
"""The least number of rooms."""
IN_ROOM: Final = 20
"""Bots in one room, if there are enough of them."""
AWAY_FOR: Final = 3.0
AGAIN_AFTER: Final = 0.5


class Bot:
    """One bot. Its label stays the same, whatever its name is."""

    def __init__(
        self, number: int, ports: Sequence[int], home: Path, everybody: int, ledger: Ledger
    ) -> None:
        """`ports`: of the registry's servers. Bots begin at all of them in turn, as do those of
        each room."""
        self.label: Final = label_of(number)
        servers = servers_from(number + number // rooms_of(everybody), ports)
        self.peer: Final = Peer(_name_at(home, self.label), servers, home=home)
        self.room: Final = room_of(number, everybody)
        self.is_steady: Final = is_steady(number, everybody)
        """Whether it stays in its room. Others come and go."""
        self.roams = True
        """Whether it leaves, returns and changes its name now and then."""
        self.expected: set[str] = set()
        self.complete: Final = asyncio.Event()
        self._ledger: Final = ledger
        self._chance: Final = random.Random(number)
        others = [label_of(other) for other in range(everybody) if other != number]
        self._circle: Final = self._chance.sample(others, min(CIRCLE, len(others)))
        mates = (
            label_of(other)
            for other in range(everybody)
            if other != number and room_of(other, everybody) == self.room
        )
        self._each: Final = EACH * max(1.0, everybody / BUSY)
        self._to_greet: Final = list(dict.fromkeys([*self._circle, *mates]))
        """People with whom it will have a conversation: room lines go to them directly while the
        registry is away."""
        self._receipts: list[tuple[str, Receipt]] = []
        self._number = 0

    async def begin(self) -> None:
        """Register, and enter the room for good if it is a steady bot."""
        await self.peer.ready()
        while self.is_steady and not self.peer.rooms:
            self.peer.enter_room(self.room)
            await self.peer.rooms_settled()
            if not self.peer.rooms:  # the registry was away just now, or did not answer soon enough
                await asyncio.sleep(AGAIN_AFTER)  # a bot's patience; a peer itself asks once

    async def watch(self) -> None:
        """Record what is shown, before it counts as shown."""
        async for event in self.peer.events():
            match event:
                case events.Said():
                    self._see(event)
                case events.MailReturned(lines=lines):
                    for line in lines:
                        if isinstance(line, events.Said):
                            self._see(line)
                case events.RenameFailed() | events.RoomEntryDenied() | events.NameUnavailable():
                    self._note(What.FATE, type(event).__name__)
                case events.LinesAbandoned():
                    self._note(What.FATE, "told that a room line did not reach everybody")
                case events.MessageChanged(conversation=what, state=MessageState.REFUSED) if (
                    what.is_room
                ):
                    self._note(What.BROKEN, str(event))
                case (
                    events.KeyChanged()
                    | events.RegistryKeyChanged()
                    | events.MailUnreadable()
                    | events.MailHeldBack()
                    | events.LineUnreadable()
                    | events.HistoryMissing()
                    | events.LinesLost()
                    | events.StorageFailed()
                    | events.HistoryBehind()
                    | events.ReadersBehind()
                    | events.FolderNotMoved()
                ):
                    self._note(What.BROKEN, str(event))
                case _:
                    pass

    def expect(self, texts: set[str]) -> None:
        """Expect these messages; `complete` is set when all of them were shown."""
        self.expected = texts
        self._look_whether_complete()

    async def conversation(self, stopped: asyncio.Event) -> None:
        """Act, again and again."""
        while not stopped.is_set():
            await wait(stopped, self._chance.expovariate(1 / self._each))
            if self._to_greet and self._chance.random() < 0.5:
                await self._write_to(self._to_greet.pop())
            else:
                await self._do(self._chance.random(), stopped)
            self._settle()

    async def follow_link(self) -> None:
        """Record each link to the registry, and its end."""
        node = node_of(self.peer)
        with contextlib.suppress(NotOpen):
            while True:
                await node.until(lambda core: core.registry.link.is_up)
                self._note(What.LINK, str(node.core.registry.servers.current.port))
                await node.until(lambda core: not core.registry.link.is_up)
                self._note(What.LINK, "")

    async def linked(self, *, but: int) -> None:
        """Wait until there is a link, and not to the server with this port."""
        await node_of(self.peer).until(
            lambda core: core.registry.link.is_up and core.registry.servers.current.port != but
        )

    async def sees_all(self, count: int) -> None:
        """Wait until the table shows the first so many bots online; record a bot that is shown
        twice."""
        await node_of(self.peer).until(lambda core: self._is_whole(core, count))

    def _is_whole(self, core: PeerCore, count: int) -> bool:
        shown = Counter(_label_in(person.name) for person in core.people() if person.online)
        for label in (label for label, times in shown.items() if times > 1):
            self._note(What.BROKEN, f"{label} is shown twice")
        shown[self.label] = 1
        return all(label_of(number) in shown for number in range(count))

    async def rest(self) -> None:
        """Wait until every message has its outcome."""
        for _, receipt in self._receipts:
            await receipt.settled()
        self._settle()

    # --- deeds

    async def _do(self, dice: float, stopped: asyncio.Event) -> None:
        peer = self.peer
        if dice < 0.015 and not self.roams:
            return
        if dice < 0.01:
            peer.leave()
            await wait(stopped, AWAY_FOR)
            peer.come_back()
        elif dice < 0.015:
            peer.rename(f"{self.label}v{self._chance.randrange(10_000)}")
        elif dice < 0.05 and not self.is_steady:
            if not peer.rooms:
                peer.enter_room(self.room)
            else:
                peer.leave_room(self.room)
        elif dice < 0.15 and peer.rooms:
            text = self._text(f"#{self.room}")
            self._receipts.append((text, await peer.say(self.room, text)))
        else:
            await self._write_to(self._chance.choice(self._circle))

    async def _write_to(self, label: str) -> None:
        name: str | None = label
        if self.roams:  # so others do, and change their names
            name = next(
                (person.name for person in self.peer.people() if person.name.startswith(label)),
                None,
            )
        if name is not None:
            text = self._text(label)
            self._receipts.append((text, await self.peer.send(name, text)))

    def _text(self, to: str) -> str:
        """Return a new text; numbers rise over restarts."""
        self._number = max(self._number + 1, int(time.time() * 1_000_000))
        return f"{self.label} {to} {self._number}"

    # --- what becomes of it

    def _settle(self) -> None:
        left: list[tuple[str, Receipt]] = []
        for text, receipt in self._receipts:
            if receipt.state is MessageState.UNSETTLED:
                left.append((text, receipt))
                continue
            is_of_room = "#" in text
            kind = "room line" if is_of_room else "message"
            self._note(What.FATE, f"{kind} {receipt.state.name.lower()} {receipt.reason}".rstrip())
            # Who is about to leave a room takes a kept line along.
            is_promise = not (
                is_of_room and receipt.state is MessageState.KEPT and not self.is_steady
            )
            if is_promise and receipt.state is not MessageState.REFUSED:
                self._note(What.PROMISED, text)
        self._receipts = left

    def _see(self, line: events.Said) -> None:
        text = line.text
        self._note(What.SHOWN, text)
        author, to, _ = text.split(" ")
        if not line.sender.startswith(author) or to not in (self.label, f"#{self.room}"):
            self._note(What.BROKEN, f"is shown as of {line.sender}: {text}")
        if self.expected:
            self.expected.discard(text)
            self._look_whether_complete()

    def _look_whether_complete(self) -> None:
        if not self.expected:
            self.complete.set()

    def _note(self, what: What, text: str) -> None:
        self._ledger.note(what, self.label, text)


def label_of(number: int) -> str:
    """Return the label and first name of a bot."""
    return f"bot{number:04d}"


def _label_in(name: str) -> str:
    """Return the label of the bot that has this name."""
    return name.partition("v")[0]


def rooms_of(everybody: int) -> int:
    """Return how many rooms there are with so many bots."""
    return max(ROOMS, everybody // IN_ROOM)


def room_of(number: int, everybody: int) -> str:
    """Return a bot's room."""
    return f"room{number % rooms_of(everybody)}"


def is_steady(number: int, everybody: int) -> bool:
    """Whether the bot stays in its room: half of the bots of each room do."""
    return number // rooms_of(everybody) % 2 == 0


def servers_from(place: int, ports: Sequence[int]) -> list[tuple[str, int]]:
    """Return the registry's servers, in an order that depends on the place."""
    first = place % len(ports)
    return [("127.0.0.1", port) for port in (*ports[first:], *ports[:first])]


def ports_in(text: str) -> list[int]:
    """Return the ports of the registry's servers, as the command line of bots gives them."""
    return [int(port) for port in text.split(",")]


def _name_at(home: Path, label: str) -> str:
    """Return the name that a bot had when its last run ended: a rename may have been cut short."""
    folders = [folder.name.removeprefix("n-") for folder in (home / "peers").glob(f"n-{label}*")]
    assert len(folders) < 2, f"{label} is more than one person: {folders}"
    return folders[0] if folders else label


async def wait(stopped: asyncio.Event, span: float) -> None:
    """Wait so long, or until the end."""
    try:
        await asyncio.wait_for(stopped.wait(), span)
    except TimeoutError:
        return
