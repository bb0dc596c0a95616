"""A hostile browser at the port of the web desk: keys, bodies, pages, connections and names that it
should not send.

It comes from addresses of its own. Meanwhile somebody at another address asks for the form, and a
monitor for `/healthz`.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from chatapp.peer.faces.web.limits import PAGE_MAX
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.machine import MIB, memory_of
from tests.faults.site import DESCRIPTORS, OTHERS, Others, Site, opened, served_beside
from tests.faults.size import bar, dose, only_whole

KEYS: Final = dose(20, 100)
CUT: Final = dose(100, 500)
PAGES: Final = dose(40, 200)
LINES: Final = 24
SERVED_WITHIN: Final = bar(1.0)
HEALTHY_WITHIN: Final = bar(0.5)
GROWN_MAX: Final = 5.0
"""MiB."""


@pytest.fixture
async def site(stage: Stage) -> Site:
    """A web desk that logs what it logs by default."""
    return await opened(stage)


Attack = Callable[[Site, Others], Awaitable[None]]


async def long_keys(site: Site, others: Others) -> None:
    """Lines of several visits with keys as long as a body may be."""
    cookies = [await site.visit("127.0.0.2", f"Key {letter}") for letter in "abcdef"]
    for number in range(KEYS):
        for cookie in cookies[1:]:
            fields = {"text": "a", "key": f"{number}".ljust(190_000, "k")}
            status, _ = await site.ask("/say", address="127.0.0.2", fields=fields, Cookie=cookie)
            assert status in (413, 429)


async def cut_posts(site: Site, others: Others) -> None:
    """Forms that are cut in their midst."""
    for number in range(CUT):
        _, writer = await site.connect("127.0.0.2")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "1000"}
        writer.write(site.head("POST", "/join", headers) + b"name=half")
        await writer.drain()
        if number % 2:
            writer.transport.abort()
        else:
            writer.close()


async def unfinished_heads(site: Site, others: Others) -> None:
    """Two addresses that send most of a head on every connection and stop."""
    head = site.head("GET", "/", {"X": "x" * 15_000})[:-4]
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for number in range(DESCRIPTORS // 2):
        held.append(await site.connect(f"127.0.0.{2 + number % 2}"))
        held[-1][1].write(head)
    await others.served()
    for _, writer in held:
        writer.transport.abort()


async def held_connections(site: Site, others: Others, addresses: int = 2) -> None:
    """Two addresses that hold every connection and say nothing."""
    held = []
    for number in range(DESCRIPTORS):
        with contextlib.suppress(OSError):
            held.append(await site.connect(f"127.0.0.{2 + number % addresses}"))
    await others.served()
    for _, writer in held:
        writer.transport.abort()


async def connections_of_many(site: Site, others: Others) -> None:
    """The same from forty addresses, which hold them after an answer, too."""
    for _ in range(2):
        await held_connections(site, others, addresses=40)
    held = []
    for number in range(DESCRIPTORS // 2):
        reader, writer = await site.connect(f"127.0.0.{2 + number % 40}")
        held.append(writer)
        writer.write(site.head("GET", "/", {"Accept": "text/html"}))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"</html>")
    await others.served()
    for writer in held:
        writer.transport.abort()


async def heavy_pages(site: Site, others: Others) -> None:
    """A long talk, whose page is asked for again and again by readers who are gone, or never
    read."""
    cookie = site.served
    for number in range(LINES):
        fields = {"text": f"{number} " + "&" * 60_000, "key": str(number)}
        await site.ask("/say", address="127.0.0.2", fields=fields, Cookie=cookie)
    status, page = await site.ask("/", address="127.0.0.2", Cookie=cookie)
    assert status == 200
    assert len(page.encode()) < PAGE_MAX
    assert 'href="earlier?before=' in page
    stuck = []
    for number in range(PAGES):
        _, writer = await site.connect("127.0.0.2")
        writer.write(
            8 * site.head("GET", ("/", "/log", "/earlier?before=9")[number % 3], {"Cookie": cookie})
        )
        if number % 2:
            writer.transport.abort()
        else:
            reading = writer.transport
            assert isinstance(reading, asyncio.Transport)
            reading.pause_reading()
            stuck.append(writer)
    await others.served()
    for writer in stuck:
        writer.transport.abort()


async def foreign_names(site: Site, others: Others) -> None:
    """Requests for another host, and what is no request at all."""
    for number in range(CUT):
        status, answer = await site.ask("/", address="127.0.0.2", Host=f"evil{number}.example")
        assert status == 400 and answer.endswith("adds a name.\n")
        _, writer = await site.connect("127.0.0.2")
        writer.write(site.head("GET", "/", {}) + b"\x00\xff\r\n\r\n" + site.head("GET", "/", {}))
        writer.close()


ATTACKS: Final[list[Attack]] = [
    long_keys,
    cut_posts,
    held_connections,
    connections_of_many,
    unfinished_heads,
    heavy_pages,
    foreign_names,
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_others_are_served_whatever_one_browser_does(
    site: Site, figure: Note, attack: Attack
) -> None:
    await site.ask("/", address=OTHERS[0])
    before = memory_of(site.program.pid)
    async with served_beside(site) as others:
        await attack(site, others)
        await others.served()
    grown = (memory_of(site.program.pid) - before) / MIB
    figure(
        f"a hostile browser: {attack.__name__.replace('_', ' ')}",
        f"the form for another address within {others.slowest['/']:.2f} s, /healthz {others.slowest['/healthz']:.2f} s, "
        f"memory + {grown:.1f} MiB, nothing logged",
        "<= 1 s, <= 0.5 s, <= 5 MiB, no traceback",
    )
    assert others.slowest["/"] < SERVED_WITHIN
    assert others.slowest["/healthz"] < HEALTHY_WITHIN
    assert grown < GROWN_MAX


@only_whole
async def test_the_log_has_at_most_a_line_a_second_whatever_clients_do(
    outspoken_stage: Stage,
) -> None:
    site = await opened(outspoken_stage, "--log-level", "debug")
    before = len(site.program.complaints)
    begun = time.monotonic()
    async with served_beside(site) as others:
        for attack in ATTACKS:
            await attack(site, others)
    lasted = time.monotonic() - begun
    told = site.program.complaints[before:]
    assert 0 < len(told) <= lasted + 1
    assert [
        line
        for line in told
        if not line.startswith("INFO chatapp.peer: web desk, since its start: ")
    ] == []
