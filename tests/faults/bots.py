"""Many bots in one process, for the soak.

python -m tests.faults.bots <port,...> <home> <ledger> <first> <count> <all>

Standard input says what to do: `talk`, `chat` (nobody leaves or changes a name), `count`, `linked
<port>` (all have links to other servers than that), `tables <count>` (all see the first so many
bots online), `stop`, `expect <file>`, `end`. A line answers each, but for the first two. What was
promised and shown stands in the ledger.
"""

import asyncio
import gc
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Final

from tests.faults.bot import Bot, ports_in
from tests.faults.ledger import Ledger, What, read
from tests.faults.machine import allocated, allow_descriptors, sqlite_memory
from tests.support.nodes import node_of

AT_ONCE: Final = 25
"""Bots that register together. With more, some would find another server faster than the one that
they ask first."""


class Crew:
    """The bots of one process."""

    def __init__(
        self, ports: Sequence[int], home: Path, ledger: Path, numbers: range, everybody: int
    ) -> None:
        self._path: Final = ledger
        self._ledger: Final = Ledger(ledger)
        self.bots: Final = [Bot(number, ports, home, everybody, self._ledger) for number in numbers]
        self._stopped: Final = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, commands: asyncio.StreamReader) -> None:
        """Run all bots until the end, or until the commands end."""
        watching: list[asyncio.Task[None]] = []
        for place in range(0, len(self.bots), AT_ONCE):
            some = self.bots[place : place + AT_ONCE]
            for bot in some:
                await bot.peer.open()
            watching += [
                asyncio.create_task(task)
                for bot in some
                for task in (bot.watch(), bot.follow_link())
            ]
            await asyncio.gather(*(bot.begin() for bot in some))
        # else it looks through the tables of hundreds of peers again and again: a fifth of the time
        gc.freeze()
        print("ready", flush=True)
        while words := (await commands.readline()).decode().split():
            if words == ["end"]:
                break
            self._obey(words)
        for bot in self.bots:
            await bot.peer.close()
        await asyncio.gather(*watching)
        self._ledger.close()

    def _obey(self, words: list[str]) -> None:
        match words:
            case ["talk" | "chat" as how]:
                for bot in self.bots:
                    bot.roams = how == "talk"
                self._tasks += [
                    asyncio.create_task(bot.conversation(self._stopped)) for bot in self.bots
                ]
            case ["count"]:
                print(json.dumps(self._counts()), flush=True)
            case ["linked", port]:
                self._answer("linked", *(bot.linked(but=int(port)) for bot in self.bots))
            case ["tables", count]:
                self._answer("tables", *(bot.sees_all(int(count)) for bot in self.bots))
            case ["stop"]:
                self._stopped.set()
                self._tasks.append(asyncio.create_task(self._rest(self._tasks[:])))
            case ["expect", path]:
                self._tasks.append(
                    asyncio.create_task(self._complete(json.loads(Path(path).read_text())))
                )
            case _:
                raise ValueError(f"{words} is no command")

    def _answer(self, word: str, *waiting: Awaitable[None]) -> None:
        """Answer with the word when all that has come true, one after the other."""

        async def all_in_turn() -> None:
            for one in waiting:
                await one
            print(word, flush=True)

        self._tasks.append(asyncio.create_task(all_in_turn()))

    async def _rest(self, talking: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*talking)
        await asyncio.gather(*(bot.rest() for bot in self.bots))
        print("settled", flush=True)

    async def _complete(self, expected: dict[str, list[str]]) -> None:
        """Wait until these bots were shown everything expected, in this run or an earlier one."""
        shown = {(entry.who, entry.text) for entry in read(self._path) if entry.what is What.SHOWN}
        for bot in self.bots:
            bot.expect(
                {text for text in expected.get(bot.label, ()) if (bot.label, text) not in shown}
            )
        for bot in self.bots:
            await bot.complete.wait()
        print("complete", flush=True)

    def _counts(self) -> Counter[str]:
        """Count the product's entries that could accumulate, over all bots, and the bytes that are
        allocated, but for those of SQLite."""
        counts = Counter({"allocated": allocated() - sqlite_memory()})
        for bot in self.bots:
            node = node_of(bot.peer)
            core = node.core
            conversations = [
                contact.conversation
                for contact in core.roster.contacts
                if contact.conversation is not None
            ]
            counts["conversations"] += len(conversations)
            counts["unsettled"] += sum(len(one.outgoing.messages) for one in conversations)
            counts["unshown"] += sum(
                len(conversation.texts) + conversation.delivery.inbox.held_count
                for conversation in conversations
            )
            counts["receipts"] += len(node.receipts._open)
            counts["waiting"] += len(node.feed.main) + len(node.storage.commits._waiting)
        return counts


async def main() -> None:
    """Run the command line."""
    ports, home, ledger, first, count, everybody = sys.argv[1:]
    allow_descriptors()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    numbers = range(int(first), int(first) + int(count))
    await Crew(ports_in(ports), Path(home), Path(ledger), numbers, int(everybody)).run(commands)


if __name__ == "__main__":
    asyncio.run(main())
