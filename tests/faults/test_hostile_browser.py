"""A hostile browser at the port of the web desk: keys, bodies, pages, connections and names that it
should not send.

It comes from addresses of its own. Meanwhile somebody at another address asks for the form, and a
monitor for `/healthz`.
"""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import pytest

from chatapp.peer.faces.web.limits import PAGE_MAX
from tests.cast.lines import beginning
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.faults.conftest import Note
from tests.faults.machine import MIB, limited, memory_of
from tests.faults.size import bar, dose, only_whole
from tests.support.ports import free_port

DESCRIPTORS: Final = dose(400, 2_000)
"""The limit of the web desk: half of them are connections. So all can be held by a test that has
few itself."""
KEYS: Final = dose(20, 100)
CUT: Final = dose(100, 500)
PAGES: Final = dose(40, 200)
LINES: Final = 24
ROUNDS: Final = 20
"""So often others are served while an attack holds what it has."""
OTHERS: Final = [f"127.0.1.{number}" for number in range(1, 255)]
"""Addresses of everybody else."""
SERVED_WITHIN: Final = bar(1.0)
HEALTHY_WITHIN: Final = bar(0.5)
GROWN_MAX: Final = 5.0
"""MiB."""
WITHIN: Final = 60.0


class Site:
    """The web desk as raw sockets see it."""

    def __init__(self, program: Program, port: int) -> None:
        self.program: Final = program
        self.port: Final = port
        self.served = ""
        """The cookie of the visitor who is being served."""

    async def connect(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = socket.socket()
        connection.setblocking(False)
        connection.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        return await asyncio.open_connection(sock=connection, limit=1 << 21)

    def head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        place = f"127.0.0.1:{self.port}"
        told = {"Host": place, "Origin": f"http://{place}", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()

    async def ask(
        self, path: str, *, address: str, fields: Mapping[str, str] | None = None, **headers: str
    ) -> tuple[int, str]:
        """Return the status, and all of the answer."""
        reader, writer = await self.connect(address)
        body = b"" if fields is None else urlencode(fields).encode()
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Content-Length"] = str(len(body))
        writer.write(
            self.head("GET" if fields is None else "POST", path, {**headers, "Connection": "close"})
            + body
        )
        answer = b""
        try:
            async with asyncio.timeout(WITHIN):
                with contextlib.suppress(ConnectionError):
                    answer = await reader.read()
        finally:
            writer.close()
        return int(answer.split()[1]) if answer else 0, answer.decode()

    async def visit(self, address: str, name: str) -> str:
        """Join the queue; return the cookie."""
        form = {"name": name, "number": "9876543210", "issue": "6"}
        status, answer = await self.ask("/join", address=address, fields=form)
        assert status == 303, answer
        found = re.search("set-cookie: ([^;]*)", answer)
        assert found is not None
        return found[1]


class Others:
    """Whoever else uses the desk meanwhile."""

    def __init__(self, site: Site) -> None:
        self._site: Final = site
        self.slowest = dict.fromkeys(("/", "/healthz"), 0.0)
        self.is_over = False
        self._rounds = asyncio.Condition()
        self._count = 0

    async def go_on(self) -> None:
        """Ask again and again, one after the other, until it is over."""
        while not self.is_over:
            await self.ask()
            async with self._rounds:
                self._count += 1
                self._rounds.notify_all()

    async def ask(self) -> None:
        """Ask for each page once, from the next address."""
        address = OTHERS[self._count % len(OTHERS)]
        for path in self.slowest:
            begun = time.monotonic()
            status, answer = await self._site.ask(path, address=address)
            assert status == 200, answer
            self.slowest[path] = max(self.slowest[path], time.monotonic() - begun)

    async def served(self) -> None:
        """Wait until they have asked for each page some times more, and were answered."""
        async with self._rounds:
            due = self._count + ROUNDS
            await self._rounds.wait_for(lambda: self._count >= due)


@contextlib.asynccontextmanager
async def served_beside(site: Site) -> AsyncIterator[Others]:
    """Let others use the desk meanwhile."""
    others = Others(site)
    async with asyncio.timeout(10 * WITHIN), asyncio.TaskGroup() as group:
        group.create_task(others.go_on())
        yield others
        others.is_over = True


@pytest.fixture
async def site(stage: Stage) -> Site:
    """A web desk that logs what it logs by default."""
    return await opened(stage)


async def opened(stage: Stage, *options: str) -> Site:
    """Open a desk whose registry serves one visitor at a time, and its web desk with few
    descriptors."""
    await stage.registry()
    port = free_port()
    words = ["web", "127.0.0.1", str(stage.port), "--listen", str(port), *options]
    program = await stage.run("web", [*limited(f"-n {DESCRIPTORS}"), *CHATAPP, *words], home="web")
    await program.sees(beginning("[The server does not list this gateway"))
    site = Site(program, port)
    site.served = await site.visit("127.0.0.2", "Served")
    return site


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
