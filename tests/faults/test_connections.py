"""Connections that cost: silent ones, length bombs, readers that never read, no descriptors left.

The tests wait for the registry to end a connection, or for a real person to come in meanwhile.
"""

import asyncio
import contextlib
import socket
import time
from random import Random

from chatapp.wire.limits import LINK_FIRST_FRAME_TIMEOUT, LINK_FRAME_MAX
from chatapp.wire.messages.mail import DepositMail, MailSaved
from chatapp.wire.messages.registration import Welcome
from chatapp.wire.messages.table import FetchTable
from tests.cast.lines import WELCOME, received
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.machine import MIB, descriptors_of, limited, memory_of, registry_under
from tests.faults.size import bar, dose
from tests.faults.visitor import WITHIN, Visitor

SILENT = dose(100, 1_000)
BOMBS = dose(30, 300)
STUCK = dose(8, 100)
LOGIN_WITHIN = bar(5.0)
CUT_WITHIN = bar(20.0)
SLACK = bar(10.0)
"""What fails a test is far beyond the bar, which the figure is to be held against: a busy machine
is no fault of ours."""


async def login(port: int, name: str) -> float:
    """Register a newcomer, up to the first answer on the link; returns the seconds it took."""
    newcomer = Visitor(port, name)
    begun = time.monotonic()
    await newcomer.come()
    await newcomer.next_notice()
    taken = time.monotonic() - begun
    newcomer.close()
    return taken


async def cut_after(connection: socket.socket) -> float:
    """Wait until the other side ends a connection; return when that was."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while await asyncio.wait_for(loop.sock_recv(connection, 4_096), WITHIN):
            pass
    return time.monotonic()


async def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Open a connection and send nothing."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.bind((host, 0))
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def test_silent_connections(stage: Stage, figure: Note) -> None:
    registry = await stage.registry()
    before = descriptors_of(registry.pid)
    begun, silent, since = time.monotonic(), [], []
    for number in range(SILENT):
        silent.append(await connect(stage.port, f"127.0.0.{2 + number % 200}"))
        since.append(time.monotonic())
    cut = asyncio.gather(*map(cut_after, silent))
    await login(
        stage.port, "early"
    )  # not counted: a thousand waits begin here, and that is our own work
    logins = [await login(stage.port, f"person{number}") for number in range(10)]
    lived = [end - start for start, end in zip(since, await cut, strict=True)]
    for connection in silent:
        connection.close()
    await login(stage.port, "last")
    figure(
        f"{SILENT:,} silent connections",
        f"connected within {since[-1] - begun:.2f} s; each cut {min(lived):.2f} to {max(lived):.2f} s after it connected; "
        f"newcomers in within {max(logins):.3f} s",
        f"cut at {LINK_FIRST_FRAME_TIMEOUT:.0f} s; logins < 1 s",
    )
    assert max(logins) < LOGIN_WITHIN
    assert max(lived) < LINK_FIRST_FRAME_TIMEOUT + SLACK
    assert descriptors_of(registry.pid) <= before + 3


def bombs(chance: Random) -> list[bytes]:
    """Return beginnings of a connection that are not a first frame of the protocol."""
    greeting = chance.randbytes(24)
    return [
        greeting + b"\xff\xff\xff\xff",
        greeting + b"\x00\x00\x00\x00",
        greeting + (1 << 30).to_bytes(4, "big") + bytes(4_000),
        b"\xff" * 60_000,
        greeting + (5_000).to_bytes(4, "big") + b"\x91" * 5_000,  # an array in an array in an array
        b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n",
    ]


async def test_length_bombs_and_deep_nesting(stage: Stage, figure: Note) -> None:
    chance = Random(3)
    registry = await stage.registry()
    await login(stage.port, "early")
    before = memory_of(registry.pid)
    took = []
    for number in range(BOMBS):
        for opening in bombs(chance):
            connection = await connect(stage.port, f"127.0.0.{2 + number % 200}")
            sent_at = time.monotonic()
            with contextlib.suppress(ConnectionError):
                await asyncio.get_running_loop().sock_sendall(connection, opening)
            took.append(await cut_after(connection) - sent_at)
            connection.close()
    grown = (memory_of(registry.pid) - before) / MIB
    figure(
        f"{len(took):,} length bombs and nested arrays",
        f"each cut after {max(took):.3f} s at most; memory + {grown:.1f} MiB",
        "at once",
    )
    assert max(took) < SLACK
    assert grown < 50
    assert await login(stage.port, "late") < LOGIN_WITHIN


async def test_length_bombs_from_a_member(stage: Stage) -> None:
    registry = await stage.registry()
    for length in (0, LINK_FRAME_MAX + 1, 0xFFFFFFFF):
        person = Visitor(stage.port, f"person{length}")
        await person.come()
        await person.next_notice()
        person.write(length.to_bytes(4, "big") + b"x" * 64)
        await person.ended()
        person.close()
    assert not registry.has_ended


async def test_readers_that_never_read(stage: Stage, figure: Note) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    stuck = [Visitor(stage.port, f"stuck{number}") for number in range(STUCK)]
    for person in stuck:
        await person.come()
        await person.next_notice()
        person.transport.pause_reading()
    before = memory_of(registry.pid)
    quiet = await round_trip(stage, "quiet")
    begun = time.monotonic()
    # Each asks for the whole table again and again and reads none of it.
    rounds = await asyncio.gather(*(ask_until_cut(person) for person in stuck))
    latest = time.monotonic() - begun
    busy = await round_trip(stage, "busy")
    grown = (memory_of(registry.pid) - before) / MIB
    await alice.type("send bob in between")
    await bob.sees("alice: in between")
    await alice.sees(received("bob"))
    for person in stuck:
        person.close()
    figure(
        f"{STUCK} readers that never read",
        f"all cut within {latest:.1f} s, memory + {grown:.1f} MiB; others' letter saved in "
        f"{busy * 1e3:.1f} ms ({quiet * 1e3:.1f} ms before)",
        "cut within 10 s at <= 128 KiB each; others unchanged",
    )
    assert latest < CUT_WITHIN and min(rounds) > 0
    assert grown < STUCK * 0.25 + 16
    assert busy < LOGIN_WITHIN


async def ask_until_cut(person: Visitor) -> int:
    """Ask for more and more, reading nothing; return how often it was possible."""
    count = 0
    while not person.transport.is_closing():
        person.ask(*(FetchTable(0) for _ in range(50)))
        count += 1
        await asyncio.sleep(0)  # the loop's turn: it learns that the link is over
        if person.transport.get_write_buffer_size() > MIB:
            # the kernel's buffers are full: now look whether it is over
            person.transport.resume_reading()
            await person.ended()
            break
    return count


async def round_trip(stage: Stage, name: str) -> float:
    """Return the seconds until somebody else's letter is saved, the best of five."""
    person = Visitor(stage.port, name)
    await person.come()
    took = []
    for number in range(5):
        begun = time.monotonic()
        person.ask(DepositMail(number, person.id, number, b"x"))
        await person.notice(MailSaved)
        took.append(time.monotonic() - begun)
    person.close()
    return min(took)


async def test_no_descriptors_left(outspoken_stage: Stage, figure: Note) -> None:
    stage = outspoken_stage
    registry = await registry_under(stage, *limited("-n 64"))
    silent = [await connect(stage.port, f"127.0.0.{2 + number}") for number in range(150)]
    logins = [await login(stage.port, f"person{number}") for number in range(5)]
    alice, bob = await stage.welcome("alice", "bob")
    await alice.type("send bob hello")
    await bob.sees("alice: hello")
    people = [Visitor(stage.port, f"member{number}") for number in range(40)]
    for person in people:  # more people than there are descriptors: they are in, without a link
        assert isinstance(await person.register(), Welcome)
    await alice.knows("bob", "member39")
    for connection in silent:
        connection.close()
    held = descriptors_of(registry.pid)
    figure(
        "64 descriptors, 150 silent connections",
        f"newcomers in within {max(logins):.2f} s, {held} descriptors held, "
        f"{len(registry.complaints)} lines of complaint",
        "no crash, people come in",
    )
    assert not registry.has_ended and held <= 64
    assert all("Traceback" not in line for line in registry.complaints)
    assert len(alice.shown(WELCOME)) == 1
    for person in people:
        person.close()
