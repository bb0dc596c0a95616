"""W2: two hundred members and three hundred visitors at one web desk."""

import asyncio
import random
import re
import statistics
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from bench.figures import LOWER, Figure
from bench.machine import CHECKOUT, Failed, Process, free_port, scratch
from bench.measures import Plan, Side
from bench.registry import RegistryProcess

MEMBERS: Final = 200
VISITORS: Final = 300
LINES: Final = 20
"""Lines that are said one after the other, each by somebody else."""
APART: Final = 1.5
"""Seconds between two of them."""
AT_ONCE: Final = 8
"""Browsers on their way in."""
WITHIN: Final = 60.0
HOST: Final = "desk.example"
LAB: Final = "room:lab"
Watching = asyncio.Task[None]
_WINDOW: Final = re.compile(r'data-version="(\d+)"')
_KEYS: Final = re.compile(rb'"keys": \[[^]]*?(\d+)\]')
_TAIL: Final = 1 << 14
"""Bytes of a stream in which the keys of a piece and its text are."""
_FORM: Final = {"name": "Asha Rao", "number": "98765 43210", "issue": "3", "lang": "en"}


class Answer:
    """What the web desk has answered."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *rest = head.decode("latin-1").split("\r\n")
        self.status: Final = int(first.split()[1])
        self.headers: Final = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
        }
        self.text: Final = body.decode()


class Browser:
    """A browser behind the proxy, at an address of its own."""

    def __init__(self, port: int, number: int) -> None:
        self._port: Final = port
        self._address: Final = f"10.0.{number // 250}.{number % 250 + 1}"
        self._cookie = ""
        self._rng: Final = random.Random(number)
        self.heard: dict[str, float] = {}
        """When each of the awaited lines has come, by its text."""
        self.news = asyncio.Event()
        self.bytes_heard = 0
        self._awaited = b"\0"

    def _head(self, method: str, path: str, more: Mapping[str, str]) -> bytes:
        fields = {
            "host": HOST,
            "origin": f"https://{HOST}",
            "x-forwarded-for": self._address,
            "x-forwarded-proto": "https",
            **({"cookie": self._cookie} if self._cookie else {}),
            **more,
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{one}: {fields[one]}" for one in fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def ask(self, path: str, fields: Mapping[str, str] | None = None) -> Answer:
        """Load a page, or send a form as the page's script does."""
        body = b"" if fields is None else urlencode(fields).encode()
        more = {"connection": "close"}
        if fields is not None:
            more |= {
                "content-type": "application/x-www-form-urlencoded",
                "content-length": str(len(body)),
                "accept": "application/json",
            }
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(self._head("GET" if fields is None else "POST", path, more) + body)
            head, _, rest = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        answer = Answer(head, rest)
        if (cookie := answer.headers.get("set-cookie")) is not None:
            self._cookie = cookie.partition(";")[0]
        return answer

    async def watch(self, path: str) -> None:
        """Take the stream of news, and note when what is awaited comes. What is seen is told beside
        that, once a line, as a page does: the stream is read all the time."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(self._head("GET", path, {"accept": "text/event-stream"}))
            tail = b""
            async with asyncio.TaskGroup() as looks:
                while data := await reader.read(1 << 16):
                    self.bytes_heard += len(data)
                    tail += data
                    if self._awaited in tail and not self.news.is_set():
                        self.heard[self._awaited.decode()] = time.monotonic()
                        self.news.set()
                        if keys := _KEYS.findall(tail):
                            looks.create_task(self.look(keys[-1].decode()))
                    tail = tail[-_TAIL:]
        finally:
            writer.close()

    async def look(self, key: str) -> None:
        """Tell what is seen now."""

    def expect(self, text: str) -> None:
        """Await a line from now on."""
        self._awaited = text.encode()
        self.news.clear()


class Member(Browser):
    """A member with one window, in the room."""

    async def come(self, name: str, tasks: asyncio.TaskGroup) -> Watching:
        """Make an account, open a window, and enter the room. Return what watches it."""
        passphrase = "four words are easy"
        made = {"name": name, "passphrase": passphrase, "again": passphrase}
        answer = await self.ask("/members/new", made)
        if answer.status != 303:
            raise Failed(f"{name} gets no account: {answer.status}")
        place = answer.headers["location"]
        opened = await self.ask(place)
        while (again := opened.headers.get("retry-after")) is not None:  # a browser does so itself
            await asyncio.sleep(float(again))
            opened = await self.ask(place)
        if opened.status != 303:
            raise Failed(f"{name} gets no window: {opened.status} {opened.text}")
        self.window = place + opened.headers["location"]
        page = await self.ask(self.window)
        (version,) = _WINDOW.findall(page.text)
        await self.do("join", room="lab")
        return tasks.create_task(self.watch(f"{self.window}events?since={version}"))

    async def look(self, key: str) -> None:
        """Tell that the user has seen the lines up to this one, when a page does."""
        await asyncio.sleep(self._rng.uniform(0.2, 0.8))
        await self.do("seen", upto=key, looking="1")

    async def do(self, verb: str, **fields: str) -> None:
        """Send a form of the window."""
        answer = await self.ask(f"{self.window}do/{verb}", fields)
        if answer.status != 204:
            raise Failed(f"{verb}: {answer.status} {answer.text}")


class Visitor(Browser):
    """A visitor in the line."""

    async def come(self, tasks: asyncio.TaskGroup) -> Watching:
        """Join the line. Return what watches the page."""
        answer = await self.ask("/join", _FORM)
        if answer.status not in (200, 204, 303):
            raise Failed(f"a visitor is not let in: {answer.status} {answer.text}")
        return tasks.create_task(self.watch("/events?since=0"))


def w2(plan: Plan) -> Iterator[Figure]:
    """A line in a room with all members: from its form to the page of each; and their memory."""
    late: list[float] = []
    memory: list[float] = []
    gateway_side, load_side = Side("gateway"), Side("browsers")
    for _ in plan.rounds(1):
        with scratch() as folder:
            asyncio.run(_measure(plan, folder, late, memory, gateway_side, load_side))
    plan.side("W2", gateway_side, load_side)
    yield Figure(
        goal="W2", what="a line in all pages, p95", unit="ms", ours=late, sense=LOWER, bound=300.0
    )
    yield Figure(goal="W2", what="a member", unit="KiB", ours=memory, sense=LOWER, bound=4_096.0)


async def _measure(
    plan: Plan,
    folder: Path,
    late: list[float],
    memory: list[float],
    gateway_side: Side,
    load_side: Side,
) -> None:
    port = free_port()
    with (
        RegistryProcess(folder / "registry") as registry,
        _gateway(folder / "gateway", registry.port, port) as gateway,
    ):
        key = gateway.lines_until("--gateway").rpartition(" ")[2].rstrip("]")
        registry_port = registry.port
        registry.stop()
        with RegistryProcess(folder / "registry", registry_port, ["--gateway", key]):
            gateway.lines_until("Members can sign in")
            async with asyncio.TaskGroup() as tasks:
                visitors = [Visitor(port, 1_000 + one) for one in range(plan.count(VISITORS))]
                watching = await _all([one.come(tasks) for one in visitors])
                await asyncio.sleep(2.0)
                before = gateway.memory()
                members = [Member(port, one) for one in range(plan.count(MEMBERS))]
                watching += await _all(
                    [one.come(f"m{at}", tasks) for at, one in enumerate(members)]
                )
                await _settled(gateway)
                memory.append((gateway.memory() - before) / len(members) / 1024)
                cpu, own, began = gateway.cpu(), time.process_time(), time.monotonic()
                late.append(await _talk(members))
                passed = time.monotonic() - began
                gateway_side.add(gateway.cpu() - cpu, passed)
                load_side.add(time.process_time() - own, passed)
                for task in watching:
                    task.cancel()


def _gateway(folder: Path, registry: int, port: int) -> Process:
    program = [sys.executable, str(CHECKOUT / "ChatApp.py"), "web", "127.0.0.1", str(registry)]
    options = ["--listen", str(port), "--proxy", "127.0.0.1", "--host", HOST]
    return Process([*program, *options, "--data", str(folder), "--members", str(MEMBERS)])


async def _all(coming: Sequence[Coroutine[None, None, Watching]]) -> list[Watching]:
    """Let browsers come, a few at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def come(one: Coroutine[None, None, Watching]) -> Watching:
        async with turns:
            return await one

    return await asyncio.gather(*map(come, coming))


async def _settled(gateway: Process) -> None:
    """Wait until the gateway has little to do."""
    busy = 1.0
    while busy > 0.3:
        before = gateway.cpu()
        await asyncio.sleep(1.0)
        busy = gateway.cpu() - before


async def _talk(members: list[Member]) -> float:
    """Say lines; return the 95th percentile of the time until each is in each page, in
    milliseconds."""
    waits = []
    for number in range(LINES):
        text = f"line {number} of the room"
        for one in members:
            one.expect(text)
        speaker = members[number * 7 % len(members)]
        began = time.monotonic()
        said = {"with": LAB, "text": text, "key": str(1_000_000 + number)}
        await speaker.do("say", **said)
        async with asyncio.timeout(WITHIN):
            for one in members:
                await one.news.wait()
        waits += [one.heard[text] - began for one in members]
        await asyncio.sleep(APART)
    return statistics.quantiles(waits, n=20)[-1] * 1e3
