"""This file is about many bots in one process, for the soak: each a `Peer` that writes to others and notes what it is shown.

    python -m tests.faults.bots <port> <home> <first> <count> <all>

On standard input `stop` ends the talking; when all that was said is settled, one line of JSON says what became of it. It
knows the SDK; it must not know what faults are made.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from peer.core import events as happened
from peer.node import Peer
from peer.receipts import Outcome, Receipt

EACH: Final = 2.0
"""Seconds between two messages of a bot, on average."""


class Bot:
    """One of them."""

    def __init__(self, number: int, port: int, home: Path, everybody: int) -> None:
        self.peer: Final = Peer(name_of(number), ("127.0.0.1", port), home=home)
        self.chance: Final = random.Random(number)
        self.number: Final = number
        self.everybody: Final = everybody
        self.shown: Counter[str] = Counter()
        self.out_of_order = 0
        self.receipts: list[tuple[str, Receipt]] = []
        self.fates: Counter[str] = Counter()
        self.promised: list[str] = []
        """Texts that were delivered or saved: each must be shown, once."""
        self._newest: dict[str, int] = {}

    async def watch(self) -> None:
        """Note what is shown."""
        async for event in self.peer.events():
            match event:
                case happened.DirectReceived():
                    self._note(event.text)
                case happened.MailReturned(lines=lines):
                    for line in lines:
                        self._note(line.text)
                case _:
                    pass

    def _note(self, text: str) -> None:
        self.shown[text] += 1
        sender, _, number = text.rpartition(" ")
        self.out_of_order += int(number) < self._newest.get(sender, -1)
        self._newest[sender] = max(int(number), self._newest.get(sender, -1))

    async def talk(self, stopped: asyncio.Event) -> None:
        """Write to somebody now and then; leave and come back once in a long while."""
        count = 0
        while not stopped.is_set():
            await wait(stopped, self.chance.expovariate(1 / EACH))
            if self.chance.random() < 0.01:
                self.peer.leave()
                await wait(stopped, 3.0)
                self.peer.come_back()
            to = name_of(self.chance.randrange(self.everybody))
            text = f"{self.peer.name} to {to} {count}"
            self.receipts.append((text, await self.peer.send(to, text)))
            count += 1
            self._settle()

    def _settle(self) -> None:
        left: list[tuple[str, Receipt]] = []
        for text, receipt in self.receipts:
            if receipt.outcome is None:
                left.append((text, receipt))
                continue
            self.fates[receipt.outcome.name] += 1
            if receipt.outcome is not Outcome.REFUSED:
                self.promised.append(text)
        self.receipts = left

    async def rest(self) -> None:
        """Until all that was said has found its end."""
        for _, receipt in self.receipts:
            await receipt.settled()
        self._settle()


def name_of(number: int) -> str:
    """The bots' names."""
    return f"bot{number:04d}"


async def wait(stopped: asyncio.Event, span: float) -> None:
    """So long, or until it is over."""
    try:
        await asyncio.wait_for(stopped.wait(), span)
    except TimeoutError:
        return


async def run(port: int, home: Path, first: int, count: int, everybody: int) -> None:
    """All of them, until `stop` and then until the input ends."""
    bots = [Bot(number, port, home, everybody) for number in range(first, first + count)]
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    for bot in bots:
        await bot.peer.open()
        await bot.peer.ready()
    print("ready", flush=True)
    stopped = asyncio.Event()
    watching = [asyncio.create_task(bot.watch()) for bot in bots]
    await reader.readline()
    talking = [asyncio.create_task(bot.talk(stopped)) for bot in bots]
    await reader.readline()
    stopped.set()
    await asyncio.gather(*talking)
    await asyncio.gather(*(bot.rest() for bot in bots))
    print("settled", flush=True)
    await reader.readline()
    told = {
        "promised": [text for bot in bots for text in bot.promised],
        "shown": [[text, times] for bot in bots for text, times in bot.shown.items()],
        "fates": sum((bot.fates for bot in bots), Counter[str]()),
        "out_of_order": sum(bot.out_of_order for bot in bots),
    }
    print(json.dumps(told), flush=True)
    for bot in bots:
        await bot.peer.close()
    await asyncio.gather(*watching)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6])))
