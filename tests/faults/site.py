"""The web desk as raw sockets see it, and whoever else uses it while somebody does what he should
not."""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import urlencode

from tests.cast.lines import beginning
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.faults.machine import limited
from tests.faults.size import dose
from tests.support.ports import free_port

DESCRIPTORS: Final = dose(400, 2_000)
"""The limit of the web desk: half of them are connections. So all can be held by a test that has
few itself."""
ROUNDS: Final = 20
"""So often others are served while an attack holds what it has."""
OTHERS: Final = [f"127.0.1.{number}" for number in range(1, 255)]
"""Addresses of everybody else."""
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

    def __init__(self, site: Site, pages: Mapping[str, str]) -> None:
        """`pages`: addresses that they ask for, each with its cookie."""
        self._site: Final = site
        self._pages: Final = {"/": "", "/healthz": "", **pages}
        self.slowest = dict.fromkeys(self._pages, 0.0)
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
        for path, cookie in self._pages.items():
            begun = time.monotonic()
            status, answer = await self._site.ask(path, address=address, Cookie=cookie)
            assert status == 200, answer
            self.slowest[path] = max(self.slowest[path], time.monotonic() - begun)

    async def served(self) -> None:
        """Wait until they have asked for each page some times more, and were answered."""
        async with self._rounds:
            due = self._count + ROUNDS
            await self._rounds.wait_for(lambda: self._count >= due)


@contextlib.asynccontextmanager
async def served_beside(
    site: Site, pages: Mapping[str, str] | None = None
) -> AsyncIterator[Others]:
    """Let others use the desk meanwhile. `pages`: as in `Others`."""
    others = Others(site, pages or {})
    async with asyncio.timeout(10 * WITHIN), asyncio.TaskGroup() as group:
        group.create_task(others.go_on())
        yield others
        others.is_over = True


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
