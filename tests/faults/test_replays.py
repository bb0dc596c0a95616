"""Recorded openings, sent again and again from any socket; and thousands of openings from one
address."""

import asyncio
import contextlib
import itertools
import random
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatapp.wire.codec import Kind, encode, join_frames
from chatapp.wire.messages.registration import Ping, Welcome
from chatapp.wire.sessions.session import OPENING_LASTS_FOR, OPENINGS_BURST, SessionTable
from tests.cast.lines import LOST, WELCOME, received
from tests.cast.people import Person
from tests.cast.stage import Stage, overheard
from tests.faults.conftest import Note
from tests.faults.machine import allow_descriptors, processor_time_of
from tests.faults.size import IS_WHOLE, bar, dose, only_whole
from tests.faults.visitor import Visitor

RATES = (1.5, 4.0, 20.0, 50.0)
MESSAGES = dose(1, 3)
AT_WORK_WITH_THE_TABLE = "Working with the table of"
CROWD = 1_950  # an address may take 2,000 names at once, and alice and bob have some
SECONDS = 10
BREATH = 2.0
"""Seconds until everybody knows the crowd."""
SHARE_BAR = 0.25
"""Of a core, with the first two thousand that come at once."""


@contextlib.asynccontextmanager
async def replayed(opening: bytes, port: int, rate: float) -> AsyncIterator[None]:
    """Send a recorded opening so often, for so long that its author's allowance is used up, and on
    until the end."""
    is_used_up = asyncio.Event()

    async def send() -> None:
        begun = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for count in itertools.count(1):
                stranger.sendto(opening, ("127.0.0.1", port))
                if count > OPENINGS_BURST * (1 + 1 / (rate - 1)):
                    is_used_up.set()
                await asyncio.sleep(max(begun + count / rate - time.monotonic(), 0.0))

    sending = asyncio.create_task(send())
    await is_used_up.wait()
    yield
    sending.cancel()


def recorded(heard: Path, port: int) -> bytes:
    """Return the first datagram to this port that was written to the file."""
    lines = (line.split() for line in heard.read_text("utf-8").splitlines())
    return next(bytes.fromhex(data) for to, data in lines if int(to) == port)


async def restarted(stage: Stage, peer: Person, ready: str) -> Person:
    """Kill a peer and start it again; wait until it shows a line that says that it works."""
    await peer.kill()
    again = await stage.peer(peer.name)
    await again.sees(lambda line: ready in line)
    return again


@pytest.mark.parametrize("rate", RATES if IS_WHOLE else (20.0,))
@pytest.mark.parametrize("is_registry_there", [True, False], ids=["registry", "no registry"])
async def test_two_go_on_talking_while_an_opening_comes_again(
    stage: Stage, figure: Note, rate: float, *, is_registry_there: bool
) -> None:
    registry = await stage.registry()
    heard = stage.folder / "heard"
    alice = await stage.peer("alice", environment=overheard(Kind.OPENING, heard))
    bob = await stage.peer("bob")
    await asyncio.gather(alice.sees(WELCOME), bob.sees(WELCOME))
    await alice.knows("bob")
    await alice.type("send bob hello")
    await alice.sees(received("bob"))
    opening = recorded(heard, stage.port_of("bob"))
    alice = await restarted(stage, alice, WELCOME)
    await alice.knows("bob")
    await alice.type("send bob hello again")
    await alice.sees(received("bob"))
    if not is_registry_there:
        await registry.kill()
        await asyncio.gather(alice.sees(LOST), bob.sees(LOST))
    slowest = 0.0
    async with replayed(opening, stage.port_of("bob"), rate):
        for number in range(MESSAGES):
            alice = await restarted(
                stage, alice, WELCOME if is_registry_there else AT_WORK_WITH_THE_TABLE
            )
            begun = time.monotonic()
            await alice.type(f"send bob message {number}")
            await bob.sees(f"alice: message {number}")
            await alice.sees(received("bob"))
            slowest = max(slowest, time.monotonic() - begun)
    where = "with" if is_registry_there else "without"
    figure(
        f"an opening sent again {rate} times a second, {where} a registry",
        f"{MESSAGES} of {MESSAGES} directly, within {slowest:.2f} s",
        f"{MESSAGES} of {MESSAGES} directly",
    )
    assert slowest < bar(5.0)


async def test_the_registry_answers_the_next_opening_while_an_older_one_comes_again(
    stage: Stage,
) -> None:
    await stage.registry()
    alice = Visitor(stage.port, "alice")
    await alice.come()
    old, newer, newest = openings_of(alice.sessions, alice.registry, 3)
    for opening in (old, newer):
        await alice.exchange(opening, Kind.ANSWER)
    async with replayed(old, stage.port, 50.0):
        await alice.exchange(newest, Kind.ANSWER)
    alice.close()


def openings_of(sessions: SessionTable, to: bytes, count: int) -> list[bytes]:
    """Return so many openings, each with a Ping, as if time passed between them."""
    ping = join_frames([encode(Ping(1))])
    return [sessions.seal(to, ping, now=number * OPENING_LASTS_FOR)[0] for number in range(count)]


@only_whole
@pytest.mark.parametrize("victim", ["the registry", "a peer"])
async def test_two_thousand_identities_of_one_address_take_no_core(
    stage: Stage, figure: Note, victim: str
) -> None:
    """Each opens a session once a second, as often as one of them may; two others talk
    meanwhile."""
    allow_descriptors()
    registry = await stage.registry()
    heard = stage.folder / "heard"
    bob = await stage.peer("bob", environment=overheard(Kind.OPENING, heard))
    (alice,) = await stage.welcome("alice")
    await alice.knows("bob")
    await bob.type("send alice hello")
    await bob.sees(received("alice"))
    crowd = [Visitor(stage.port, f"eve{number}") for number in range(CROWD)]
    for eve in crowd:
        assert isinstance(await eve.register(), Welcome)
    is_registry = victim == "the registry"
    target, flooded = (stage.port, registry) if is_registry else (stage.port_of("bob"), bob)
    identity = crowd[0].registry if is_registry else recorded(heard, stage.port_of("alice"))[1:33]
    rounds = zip(
        *(openings_of(sessions_of(eve, identity), identity, SECONDS) for eve in crowd), strict=True
    )
    flood = [opening for one in rounds for opening in one]
    await asyncio.sleep(BREATH)
    used, begun = processor_time_of(flooded.pid), time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for count, opening in enumerate(flood):
            udp.sendto(opening, ("127.0.0.1", target))
            if count % 20 == 0:
                await asyncio.sleep(max(begun + count / CROWD - time.monotonic(), 0.0))
            if count == len(flood) // 2:
                await alice.type("send bob hello")
    share = (processor_time_of(flooded.pid) - used) / (time.monotonic() - begun)
    await alice.sees(received("bob"))
    figure(
        f"{CROWD:,} identities of one address open sessions with {victim} for {SECONDS} s",
        f"{share:.0%} of a core",
        f"{SHARE_BAR:.0%}",
    )
    for eve in crowd:
        eve.close()
    assert share < SHARE_BAR


def sessions_of(eve: Visitor, to: bytes) -> SessionTable:
    """Return the sessions by which somebody opens to this identity."""
    if to == eve.registry:
        return eve.sessions
    return SessionTable(eve.identity, rng=random.SystemRandom(), context_of=lambda _: b"")
