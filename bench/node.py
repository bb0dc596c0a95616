"""One end of a direct conversation under measurement: the SDK's `Peer` in a process of its own.

python -m bench.node NAME REGISTRY-ADDRESS FOLDER LOSS-SEED [uvloop] [early] [#ROOM]

`early`: it takes orders before it has the table. `#ROOM`: where it is.

Told by lines of JSON on standard input, answers by one line each:

    {"do": "ping", "to": NAME, "count": N}   one at a time, each awaited: round trips
    {"do": "stream", "to": NAME, "count": N, "window": W, "size": S}
        texts of S bytes; at most W unsettled, 0: as many as there are
    {"do": "talk", "to": NAME, "count": N, "every": S}   sentences, S seconds apart
    {"do": "expect", "count": N}   "ready"; when N texts were shown, what came of them
    {"do": "come in", "to": NAME}  a text at once; how long it and the table took from now on
    {"do": "offer", "to": NAME, "path": P}   a file; how long that took
    {"do": "fetch", "path": P}     "ready"; the file that was offered last comes there
    {"do": "fetched"}              when it is there, how long it took
    {"do": "ignore"}               the file that was offered last is not wanted
    {"do": "here"}                 the bytes of it that are here
    {"do": "index"}                when all that was said is filed and indexed
    {"do": "lose", "share": S}     from now on, this share of the datagrams to us is lost

Texts have 100 bytes where no other size is asked for. They begin with their index, so the receiver
can tell that each came once and in order.
"""

import asyncio
import json
import random
import statistics
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from chatapp.peer.api.conversations import person, room
from chatapp.peer.api.events import MailReturned, MessageState, Said
from chatapp.peer.api.files import FileState
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.sdk.client import Peer
from chatapp.wire.address import Address
from chatapp.wire.aio.datagram import DRAINED_A_WAKE_UP, DatagramEndpoint, Receive
from chatapp.wire.aio.machine import Machine

TEXT_SIZE = 100
_PATIENCE = 120.0


class Loss:
    """Decides which datagrams are lost: the same ones in each run, by their order of arrival."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.share = 0.0
        self.lost = 0

    def spares(self, _: object) -> bool:
        """Return whether this datagram arrives."""
        if self.share and self._chance.random() < self.share:
            self.lost += 1
            return False
        return True


class LossyEndpoint(DatagramEndpoint):
    """The product's endpoint behind a line that loses datagrams."""

    loss = Loss(0)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Receive,
        *,
        at_once: int = DRAINED_A_WAKE_UP,
        answers_from_asked: bool = False,
    ) -> None:
        def receive_some(batch: list[tuple[bytes, Address]]) -> None:
            if self.loss.share:
                batch = [*filter(self.loss.spares, batch)]
            if batch:
                receive(batch)

        super().__init__(loop, receive_some, at_once=at_once, answers_from_asked=answers_from_asked)


def text_of(index: int, size: int = TEXT_SIZE) -> str:
    """A text of `size` bytes that begins with the index."""
    return f"{index:08d} ".ljust(size, "x")


_SENTENCES = (
    "the probe sensor came up at noon after the second try and the log says that some water falls "
    "wind turns north so we move the boat tomorrow before light bring spare cable two batteries tea"
)
_WORDS = _SENTENCES.split()


def sentence_of(index: int) -> str:
    """A text of 16 words that begins with the index: an index of words has work with it."""
    chance = random.Random(index)
    return f"{index:08d} {' '.join(chance.choices(_WORDS, k=15))} {chance.randrange(100_000)}"


class Node:
    """Carries out commands."""

    def __init__(self, me: Peer) -> None:
        self._me = me
        self._done = asyncio.Event()
        self._wanted = 0
        self._shown: list[int] = []
        self._times: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._offers: asyncio.Queue[Said] = asyncio.Queue()
        self._fetching: asyncio.Task[dict[str, float]] | None = None

    async def watch(self) -> None:
        """Show events as a face does: in batches, each marked as shown."""
        while batch := await self._me.next_events():
            for event in batch:
                if isinstance(event, Said) and event.file is not None:
                    self._offers.put_nowait(event)
                elif isinstance(event, Said):
                    self._shown.append(int(event.text[:8]))
                elif isinstance(event, MailReturned):
                    self._shown += [int(line.text[:8]) for line in event.lines]
            self._me.events_shown(batch)
            if self._wanted and len(self._shown) >= self._wanted:
                self._times = (*self._times[:2], time.monotonic())
                self._done.set()

    async def obey(self, order: dict[str, Any]) -> None:
        """Carry out one command."""
        match order["do"]:
            case "ping":
                tell(await self._ping(order["to"], order["count"]))
            case "stream":
                words = order["to"], order["count"], order["window"], order["size"]
                tell(await self._stream(*words, takes_detours=order["takes_detours"]))
            case "talk":
                await self._talk(order["to"], order["count"], order["every"])
                tell({})
            case "come in":
                tell(await self._come_in(order["to"]))
            case "expect":
                await self._expect(order["count"])
            case "offer":
                tell(await self._offer(order["to"], Path(order["path"])))
            case "fetch":
                line = await asyncio.wait_for(self._offers.get(), _PATIENCE)
                self._fetching = asyncio.create_task(self._fetch(line, Path(order["path"])))
                tell("ready")
            case "ignore":
                await asyncio.wait_for(self._offers.get(), _PATIENCE)
                tell({})
            case "here":
                tell((await self._me.files())[-1].done)
            case "fetched":
                assert self._fetching is not None
                tell(await self._fetching)
            case "index":
                await self._me.past.search("any")  # a reader has all filed and indexed first
                tell({})
            case "lose":
                LossyEndpoint.loss.share = order["share"]
                tell({})

    async def _ping(self, to: str, count: int) -> dict[str, Any]:
        took, cpu = [], time.process_time()
        for index in range(count):
            start = time.perf_counter()
            receipt = await self._me.send(to, text_of(index))
            await receipt.settled()
            took.append(time.perf_counter() - start)
            if receipt.state is not MessageState.DELIVERED or receipt.through_server:
                raise RuntimeError(f"message {index}: {receipt.state.name} {receipt.reason}")
        return {
            "p50": statistics.median(took),
            "p90": sorted(took)[int(0.9 * count)],
            "cpu": time.process_time() - cpu,
            "ended": time.monotonic(),
        }

    async def _talk(self, to: str, count: int, every: float) -> None:
        """Send a real sentence now and then, as a person does."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for index in range(count):
            await asyncio.sleep(began + index * every - loop.time())
            receipt = await self._me.send(to, sentence_of(index))
            await receipt.settled()
            check(receipt)

    async def _come_in(self, to: str) -> dict[str, float]:
        """Wait for the table, and send a message meanwhile."""
        began = time.monotonic()

        async def said() -> float:
            await (await self._me.send(to, "hi")).settled()
            return time.monotonic() - began

        async def ready() -> float:
            await self._me.ready()
            return time.monotonic() - began

        settled, complete = await asyncio.gather(said(), ready())
        return {"settled": settled, "complete": complete}

    async def _offer(self, to: str, path: Path) -> dict[str, float]:
        began = time.monotonic()
        where = room(to[1:]) if to.startswith("#") else person(to)
        await self._me.send_file(where, path)
        return {"seconds": time.monotonic() - began}

    async def _fetch(self, line: Said, path: Path) -> dict[str, float]:
        """Fetch a file whose offer was shown."""
        began, cpu = time.monotonic(), time.process_time()
        transfer = await self._me.accept_file(line, path)
        file = await asyncio.wait_for(transfer.settled(), _PATIENCE)
        ended = time.monotonic()
        if file.state is not FileState.DONE:
            raise RuntimeError(f"{path}: {file.state.name} {file.trouble} {file.detail}")
        return {"seconds": ended - began, "ended": ended, "cpu": time.process_time() - cpu}

    async def _stream(
        self, to: str, count: int, window: int, size: int, *, takes_detours: bool
    ) -> dict[str, Any]:
        """Send messages of `size` bytes; 0: sentences. `takes_detours`: some may go through the
        server, as they do when a path loses much."""
        waiting: deque[Receipt] = deque()
        detours = 0
        start, cpu = time.monotonic(), time.process_time()
        for index in range(count):
            while window and len(waiting) >= window:
                await waiting[0].settled()
                while waiting and waiting[0].state is not MessageState.UNSETTLED:
                    check(waiting.popleft())
            text = text_of(index, size) if size else sentence_of(index)
            waiting.append(await self._me.send(to, text))
            if not window and index % 64 == 63:
                await asyncio.sleep(
                    0
                )  # a program that hands over 10,000 lines also reads its input in between
        for receipt in waiting:
            await receipt.settled()
            detours += receipt.state is MessageState.SAVED or receipt.through_server
            if not takes_detours:
                check(receipt)
        seconds = time.monotonic() - start
        return {
            "detours": detours,
            "began": start,
            "seconds": seconds,
            "cpu": time.process_time() - cpu,
        }

    async def _expect(self, count: int) -> None:
        self._done.clear()
        self._shown.clear()
        self._wanted, cpu, LossyEndpoint.loss.lost = count, time.process_time(), 0
        tell("ready")
        await asyncio.wait_for(self._done.wait(), _PATIENCE)
        self._wanted = 0
        tell(
            {
                "ended": self._times[2],
                "cpu": time.process_time() - cpu,
                "in_order_once": self._shown == list(range(count)),
                "lost": LossyEndpoint.loss.lost,
            }
        )


def check(receipt: Receipt) -> None:
    """Check that every message was acknowledged directly: a detour would spoil the figure."""
    if receipt.state is not MessageState.DELIVERED or receipt.through_server:
        raise RuntimeError(f"message {receipt.id}: {receipt.state.name} {receipt.reason}")


def tell(answer: object) -> None:
    """Write one line."""
    print(json.dumps(answer), flush=True)


async def run(
    name: str, registry: Address, folder: Path, *, rooms: list[str], is_early: bool
) -> None:
    """Run until standard input ends. `is_early`: take orders before the table is here."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    machine = Machine(endpoint=LossyEndpoint)
    me = Peer(name, registry, home=folder, rooms=rooms, machine=machine)
    await me.open()
    try:
        if not is_early:
            await me.ready()
        node = Node(me)
        watching = asyncio.create_task(node.watch())
        tell("ready")
        while line := await reader.readline():
            await node.obey(json.loads(line))
        watching.cancel()
    finally:
        await me.close()


def main() -> None:
    """Run the command line."""
    name, registry, folder, seed, *rest = sys.argv[1:]
    host, _, port = registry.rpartition(":")
    LossyEndpoint.loss = Loss(int(seed))
    rooms = [word[1:] for word in rest if word.startswith("#")]
    server = Address(host, int(port))
    what = run(name, server, Path(folder), rooms=rooms, is_early="early" in rest)
    if "uvloop" in rest:
        import uvloop

        uvloop.run(what)
    else:
        asyncio.run(what)


if __name__ == "__main__":
    main()
