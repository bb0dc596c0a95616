"""A hostile client beside two people who talk: whatever it does, they notice only what they are
told."""

import asyncio
import contextlib
import itertools
import json
import re
import sys
import time
from statistics import median

import pytest

from chatapp.wire.messages.registration import Leave, Ping
from tests.cast.lines import CHANNEL_TAKEN, SAVED, TIME, UPDATED, arrived, is_met, on_channel
from tests.cast.program import Program
from tests.cast.stage import Stage
from tests.endtoend.test_every_spelling import enter
from tests.faults.conftest import Note
from tests.faults.hostile import OPERATOR, PLAYS
from tests.faults.machine import MIB, memory_of
from tests.faults.size import IS_WHOLE, bar, dose
from tests.faults.visitor import Visitor

COMMAND = (sys.executable, "-m", "tests.faults.hostile")
SECONDS = dose(2.0, 60.0)
AT_ONCE: list[tuple[str, ...]] = [
    ("registry", "names", "openings", "operators", "letters"),
    ("requests", "relays", "mail", "rooms"),
    ("flapping", "identities", "claims"),
    ("parts", "lines"),
]
"""What is played at the same time in a small dose; `make faults` plays each alone."""
PLAYED = [(play,) for play in PLAYS] if IS_WHOLE else AT_ONCE

TALKS_LEAST = dose(3, 100)
"""Rounds of talk: on a machine that stands still for a second there is one."""
PING_SPAN = 5.0
LONG = "x" * 20_000
MEMORY = 50 * MIB
ROW = 300
"""Bytes of a row of the table on a link, at most."""
TOLD_MOST = (512 + 25 * SECONDS) * ROW
"""Bytes that the registry may send to somebody who is online because of the hostile client: 512 rows
at once, and 25 a second after that."""
LINE = 90
"""Bytes of a line that the two say to everybody, at most: they say more on a faster machine."""
IN_WITHIN = bar(5.0)
"""Seconds for a message and its receipt."""


OF_OTHERS = (
    rf"(eve\S*|friend|listener) (is now \S+|has left\.|lost the connection\.)|eve\S+: ({TIME} )?\d+ and nothing else"
    r"|\[A letter from eve\S+ could not be opened: .*"
)
"""What a terminal shows of people who are neither: that they come and go, and what they write to
us."""


OF_THE_DESK = (
    "CommandDone",
    "DutyStatus",
    "ClientAssigned",
    "ClientChanged",
    "RoomShown",
    "FiguresShown",
    "PastShown",
    "Desk",
)
"""What operators and visitors are told."""


async def conversation(one: Program, other: Program, number: int) -> float:
    """Send a line each way, and one to everybody; return the seconds of the slowest."""
    slowest = 0.0
    for speaker, reader in ((one, other), (other, one)):
        begun = time.monotonic()
        text = f"{number} {LONG}" if number % 5 == 4 else f"{number}"
        await speaker.type(f"send {reader.name} {text}")
        await reader.sees(f"{speaker.name}: {text}")
        await speaker.sees(arrived(reader.name))
        slowest = max(slowest, time.monotonic() - begun)
    await one.type(f"send_all {number}")
    await other.sees(on_channel(one.name, f"{number}"))
    await one.sees(CHANNEL_TAKEN)
    return slowest


class Listener:
    """Somebody at another address who is online, and counts what the registry tells them."""

    def __init__(self, port: int) -> None:
        self._visitor = Visitor(port, "listener", host="127.0.7.7")
        self._datagrams = 0
        self._reading: asyncio.Task[None]
        self._pinging: asyncio.Task[None]

    async def come(self) -> None:
        await self._visitor.come()
        asyncio.get_running_loop().add_reader(self._visitor.udp, self._datagram_came)
        self._reading = asyncio.create_task(self._read())
        self._pinging = asyncio.create_task(self._ping())

    @property
    def bytes_in(self) -> int:
        """By the link and by datagrams."""
        return self._visitor.bytes_in + self._datagrams

    def _datagram_came(self) -> None:
        self._datagrams += len(self._visitor.udp.recv(2_048))

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                await self._visitor.next_notice()

    async def _ping(self) -> None:
        for reference in itertools.count():
            await self._visitor.tell(Ping(reference))
            await asyncio.sleep(PING_SPAN)

    @property
    def is_here(self) -> bool:
        """Whether their link is still open."""
        return not self._reading.done()

    def close(self) -> None:
        self._reading.cancel()
        self._pinging.cancel()
        asyncio.get_running_loop().remove_reader(self._visitor.udp)
        self._visitor.close()


@pytest.mark.parametrize("plays", PLAYED, ids=" ".join)
async def test_two_people_who_talk_do_not_notice_a_hostile_client(
    stage: Stage, figure: Note, plays: tuple[str, ...]
) -> None:
    registry = await stage.registry("--operator", OPERATOR)
    friend = Visitor(stage.port, "friend", host="127.0.0.9")
    await friend.register()
    await friend.tell(Leave(1))
    alice, bob = await stage.welcome("alice", "bob")
    await alice.knows(away=["friend"])
    friend.close()
    listener = Listener(stage.port)
    await listener.come()
    victims = [f"{name}={stage.port_of(name)}" for name in ("alice", "bob")]
    hostiles = [
        await stage.run(
            f"hostile {play}",
            [*COMMAND, str(stage.port), play, str(SECONDS), friend.id.hex(), *victims],
            home=f"hostile {play}",
        )
        for play in plays
    ]
    programs = (registry, alice, bob)
    before, heard = [memory_of(program.pid) for program in programs], listener.bytes_in
    for hostile in hostiles:
        await hostile.sees("ready")
    spans: list[float] = []
    while not all(hostile.has_ended for hostile in hostiles) or len(spans) < TALKS_LEAST:
        spans.append(await conversation(alice, bob, len(spans)))
    heard = listener.bytes_in - heard - LINE * len(spans)
    assert listener.is_here
    grown = [(memory_of(one.pid) - was) / MIB for one, was in zip(programs, before, strict=True)]
    listener.close()
    for hostile in hostiles:
        assert await hostile.ends() == 0
    told = [json.loads(hostile.shown()[-1]) for hostile in hostiles]

    # What they could still do before, they can do now.
    await enter("tea", alice, bob)
    await alice.type("leave", "send friend are you there?")
    await alice.sees(SAVED)
    await alice.knows("bob", away=["friend"])
    await bob.knows("alice")
    others = max(len(person.shown(re.compile(OF_OTHERS))) for person in (alice, bob))
    did = ", ".join(f"{count:,} {what}" for one in told for what, count in one["done"].items())
    figure(
        f"a hostile client plays {', '.join(plays)} for {SECONDS:.0f} s: {did}; "
        f"{sum(one['out'] for one in told) / 1_000:,.0f} KB",
        f"{5 * len(spans):,} messages and receipts of two who talk, the slowest after {max(spans):.2f} s, "
        f"{median(spans):.3f} s as a rule; {max(heard, 0) / 1_000:,.0f} KB told to each who is online besides, and "
        f"{others:,} lines of others shown; "
        f"memory of registry and both + {', '.join(f'{one:.1f}' for one in grown)} MiB",
        f"they notice nothing; <= 5 s; <= {TOLD_MOST / 1_000:,.0f} KB told; <= 50 MiB each",
    )
    assert strange_lines(alice, bob) == []
    of_the_desk = {what for one in told for what in one["heard"] if what.startswith(OF_THE_DESK)}
    assert of_the_desk <= {"CommandDone NOT_AN_OPERATOR"}
    assert max(spans) <= IN_WITHIN
    assert heard <= TOLD_MOST
    assert max(grown) <= MEMORY / MIB


def strange_lines(*people: Program) -> list[str]:
    """Return the lines that they were shown and that neither of them wrote."""
    usual = re.compile(
        r"\[Welcome, You are registered\.\]|\[Message received by (alice|bob)( through the server)?\.\]"
        r"|\[Message received by Server\.\]|(alice|bob): \d+( x+)?|\[Channel_Message alice: \d+\]"
        r"|\[(\S+) (is online|was last seen [-0-9: ]{16})\.\]|\[Unknown command \"/(before|behind).*"
        r"|\[You are in tea.*|(alice|bob) (joined|left) tea\..*|\[You (have )?left tea.*"
        r"|\[No ACK from friend, .*"
    )
    of_others = re.compile(OF_OTHERS)
    allowed = (UPDATED, SAVED)
    return [
        f"{person.name}: {line}"
        for person in people
        for line in person.shown()
        if line not in allowed
        and not is_met(line)
        and not usual.fullmatch(line)
        and not of_others.fullmatch(line)
    ]
