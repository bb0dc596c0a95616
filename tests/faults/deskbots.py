"""A help desk at work, for the soak: operators on duty and visitors who come, one after the other.

python -m tests.faults.deskbots <port,...> <home> <ledger> <code> ...

An operator greets each visitor, the visitor answers, the operator ends the session. Standard input
says `talk`, `stop`, `end`. It knows the SDK's two desks.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chatapp.peer.api import visit_events
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import ClientCame, ClientMoved, Said
from chatapp.peer.api.form import Form
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.visitor import Visitor
from chatapp.wire.address import ServerSpec
from chatapp.wire.messages.desk import EndSession, TakeDuty
from tests.faults.bot import ports_in, servers_from, wait
from tests.faults.ledger import Ledger, What

OPERATORS: Final = ("opal", "otto")
LANES: Final = 6
BETWEEN: Final = 20.0
"""Seconds between two visits of one lane, on average."""
LOOKS_EACH: Final = 0.5
_LETTERS: Final = str.maketrans("0123456789", "abcdefghij")

Note = Callable[[What, str, str], None]


class Operator:
    """One operator. It checks the state now and then, as a person does: requests made while the
    registry was away had no effect, and a visitor reported as back may be one whose arrival was
    never reported."""

    def __init__(self, name: str, servers: ServerSpec, home: Path, code: str, note: Note) -> None:
        self.name: Final = name
        self.peer: Final = Peer(name, servers, home=home, code=code)
        self._note: Final = note
        self._said = 0
        self._greeted: set[str] = set()
        self._answered: set[str] = set()

    async def watch(self) -> None:
        """Record the lines until the peer is closed."""
        async for event in self.peer.events():
            match event:
                case ClientCame(is_back=is_back):
                    self._note(What.FATE, self.name, "visitor back" if is_back else "visitor came")
                case Said(text=text, sender=sender, visit=visit) if visit:
                    self._note(What.SHOWN, self.name, text)
                    self._answered.add(sender)
                case ClientMoved(move=move):
                    self._note(What.FATE, self.name, f"visitor {move.name.lower()}")
                case _:
                    pass

    async def serve(self, over: asyncio.Event) -> None:
        """Greet each new visitor, and end the session of a visitor who has answered."""
        desk = self.peer.desk
        while not over.is_set():
            if desk.client is not None and desk.client not in self._greeted:
                self._said += 1
                self._greeted.add(desk.client)
                desk.say(f"{self.name} {desk.client} {self._said}", visit=desk.visit)
            elif desk.client in self._answered:
                desk.ask(EndSession(0, 0), visit=desk.visit)
            elif not desk.is_on_duty:
                desk.ask(TakeDuty(0, ""))
            with contextlib.suppress(NotOpen):  # it is closed while the answer is awaited
                await desk.answered()
            await wait(over, LOOKS_EACH)


class Lane:
    """Visitors, one after the other, at one machine."""

    def __init__(self, place: int, servers: ServerSpec, home: Path, note: Note) -> None:
        self._place = place
        self._servers = servers
        self._home = home / f"lane{place}"
        self._note = note
        self._chance = random.Random(place)
        self._visits = 0

    async def run(self, stopped: asyncio.Event) -> None:
        """Make visits one after the other; the last one is completed."""
        while not stopped.is_set():
            await self._visit()
            await wait(stopped, self._chance.expovariate(1 / BETWEEN))

    async def _visit(self) -> None:
        self._visits += 1
        name = f"{self._place}x{self._visits}".translate(_LETTERS)
        visitor = Visitor(self._servers, home=self._home)
        visitor.open()
        try:
            reason = await self._be_served(visitor, name)
        finally:
            await visitor.close(within=1.0)
        self._note(What.FATE, name, f"visit over: {reason}")

    async def _be_served(self, visitor: Visitor, name: str) -> str:
        is_greeted = False
        while batch := await visitor.next_events():
            for event in batch:
                match event:
                    case visit_events.FormWanted():
                        visitor.join(Form(name=name, number="+919876543210", issue=1))
                    case visit_events.Said(text=text, sender=operator, is_late=False):
                        is_greeted = True
                        self._note(What.SHOWN, name, text)
                        visitor.say(f"{name} {operator} {time.time_ns()}")
                    case visit_events.VisitEnded():
                        if not is_greeted:
                            self._note(What.BROKEN, name, f"was sent away without a word: {event}")
                        return str(event)
                    case (
                        visit_events.VisitRefused()
                        | visit_events.VisitorNotAdmitted()
                        | visit_events.VisitorLineRefused()
                    ):
                        self._note(What.BROKEN, name, f"is refused: {event}")
                        return str(event)
                    case (
                        visit_events.TicketNotStored()
                        | visit_events.TicketDamaged()
                        | visit_events.RegistryKeyUnreadable()
                        | visit_events.RegistryKeyChanged()
                    ):
                        self._note(What.BROKEN, name, str(event))
                    case _:
                        pass
            visitor.events_shown(batch)
        return "closed"


async def main() -> None:
    """Run the command line."""
    ports, home, ledger = ports_in(sys.argv[1]), Path(sys.argv[2]), Ledger(Path(sys.argv[3]))
    commands, stopped = asyncio.StreamReader(), asyncio.Event()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    codes = dict(zip(OPERATORS, sys.argv[4:], strict=True))
    operators = [
        Operator(name, servers_from(place, ports), home, code, ledger.note)
        for place, (name, code) in enumerate(codes.items())
    ]
    for operator in operators:
        await operator.peer.open()
        await operator.peer.ready()
    over = asyncio.Event()
    serving = [
        asyncio.create_task(one)
        for operator in operators
        for one in (operator.watch(), operator.serve(over))
    ]
    print("ready", flush=True)
    await commands.readline()
    lanes = [
        asyncio.create_task(Lane(place, servers_from(place, ports), home, ledger.note).run(stopped))
        for place in range(LANES)
    ]
    await commands.readline()
    stopped.set()
    await asyncio.gather(*lanes)
    print("settled", flush=True)
    await commands.readline()
    over.set()
    for operator in operators:
        await operator.peer.close()
    await asyncio.gather(*serving)
    ledger.close()


if __name__ == "__main__":
    asyncio.run(main())
