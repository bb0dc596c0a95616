"""The stage of the demo: real processes that are typed at and watched, and the transcript."""

import asyncio
import contextlib
import importlib.util
import os
import random
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
INSTALLED: Final = Path(sys.executable).with_name("ChatApp")
PROGRAM: Final = (
    [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, str(CHECKOUT / "ChatApp.py")]
)

HOST: Final = "127.0.0.1"
PROMPT: Final = re.compile(r"(?:\[[^]]*\] )?>>> ")
"""In a room, the room's name stands before the prompt."""
WITHIN: Final = 30.0
"""Seconds in which a line must appear. The longest regular wait is for five tries and a search for
the registry."""

PORTS: Final = 50
"""Ports of one play: more than it needs."""

Wanted = str | re.Pattern[str]
"""A line to the letter, or a pattern that matches a whole line."""


class StepFailed(Exception):
    """A line did not appear, or a process did not end as it should."""


class Play:
    """The clock and the count of the play."""

    def __init__(self) -> None:
        self.checks = 0
        self._began = time.monotonic()

    def tell(self, who: str, what: str, line: str) -> None:
        """Print one line of the transcript."""
        print(f"{self.seconds:7.2f}  {who:<8}  {what:<5}  {line}", flush=True)

    def scene(self, title: str, *, needs: Sequence[str] = ()) -> bool:
        """Print the title of the next scene. Return whether it can be played; if not, print which
        of the modules that it needs are missing."""
        print(f"\n{title}", flush=True)
        missing = [one.replace("_", "-") for one in needs if importlib.util.find_spec(one) is None]
        if missing:
            print(f"         not played: {' and '.join(missing)} not installed", flush=True)
        return not missing

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began


class Actor:
    """One process, and the lines that it has shown."""

    def __init__(self, play: Play, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.seen: list[str] = []
        self._play = play
        self._process = process
        self._unchecked: list[str] = []
        self._is_over = False
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def types(self, line: str) -> None:
        """Type a line."""
        self._play.tell(self.name, "typed", line)
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it has ended; a later `sees` fails
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def sees(self, *lines: Wanted) -> None:
        """Wait for each of these lines. Raises StepFailed, which quotes what was seen instead."""
        for wanted in lines:
            try:
                async with asyncio.timeout(WITHIN):
                    found = await self._find(wanted)
            except TimeoutError:
                found = False
            if not found:
                told = wanted if isinstance(wanted, str) else wanted.pattern
                instead = "".join(f"\n    {line}" for line in self._unchecked) or " nothing"
                raise StepFailed(f"{self.name} should have seen\n    {told}\nand saw{instead}")
            self._play.checks += 1

    def send(self, number: signal.Signals) -> None:
        """Send this process a signal."""
        if self._process.returncode is None:
            self._play.tell(self.name, "gets", number.name)
            self._signal(number)

    async def ends(self, wanted: int) -> None:
        """Wait for the process to end. Raises StepFailed for any other exit status."""
        try:
            async with asyncio.timeout(WITHIN):
                status = await self._process.wait()
        except TimeoutError:
            raise StepFailed(f"{self.name} should have ended, and runs on") from None
        await self._reading
        self._play.tell(self.name, "ended", f"with status {status}")
        if status != wanted:
            raise StepFailed(
                f"{self.name} should have ended with status {wanted}, and did with {status}"
            )
        self._play.checks += 1

    async def clear_away(self) -> None:
        """Kill the process if it still runs."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
        await self._process.wait()
        await self._reading

    def _signal(self, number: signal.Signals) -> None:
        # Process.send_signal polls the process first, and so takes the exit status away from
        # asyncio's watcher.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    async def _find(self, wanted: Wanted) -> bool:
        """Wait for a line. Returns False if the process has ended without it."""
        while True:
            for line in self._unchecked:
                if line == wanted if isinstance(wanted, str) else wanted.fullmatch(line):
                    self._unchecked.remove(line)
                    return True
            if self._is_over:
                return False
            self._news.clear()
            await self._news.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while raw := await self._process.stdout.readline():
            line = PROMPT.sub("", raw.decode().rstrip("\n"), count=1)
            self.seen.append(line)
            self._unchecked.append(line)
            self._play.tell(self.name, "saw", line)
            self._news.set()
        self._is_over = True
        self._news.set()


async def operator_code(registry: Actor, name: str) -> str:
    """Return the code that an operator of the help desk needs at the first start, as the registry
    prints it."""
    code = re.compile(rf"\[Operator {name}: start once with --code (\S+)\]")
    await registry.sees(code)
    return next(found[1] for line in registry.seen if (found := code.fullmatch(line)))


class Stage:
    """The processes of a play, and the ports and the folder that they share."""

    def __init__(self, play: Play, folder: Path) -> None:
        self.folder: Final = folder
        self.play: Final = play
        self._ports = free_ports()
        self._port = next(self._ports)
        self._actors: list[Actor] = []

    async def registry(self, *options: str) -> Actor:
        """Start the registry, and wait until it listens. A second start continues with the same
        data."""
        registry = await self.start("registry", "-s", str(self._port), *options)
        await registry.sees(re.compile(f".*{self._port}.*"))
        return registry

    async def registry_with(self, operator: str) -> str:
        """Start the registry with an operator of its help desk. Return the code with which the
        operator starts once."""
        return await operator_code(await self.registry("--operator", operator), operator)

    async def person(self, name: str, **variables: str) -> Actor:
        """Start a peer with these variables in its environment. Wait for its welcome before
        typing."""
        words = "-c", name, HOST, str(self._port), str(next(self._ports))
        return await self.start(name, *words, variables=variables)

    async def visitor(self, name: str) -> Actor:
        """Start a visitor of the help desk. Wait for the first question before typing."""
        return await self.start(name, "--desk", HOST, str(self._port))

    async def program(self, name: str, *words: str) -> Actor:
        """Start ChatApp with these words."""
        return await self.start(name, *words)

    @property
    def ports(self) -> Iterator[int]:
        """Free ports, for what the caller starts itself."""
        return self._ports

    def next_ports(self) -> tuple[int, int]:
        """Return the registry's port and a free one, for a peer that the caller starts itself."""
        return self._port, next(self._ports)

    async def clear_away(self) -> None:
        """Kill every process that still runs."""
        for actor in self._actors:
            await actor.clear_away()

    async def start(
        self, name: str, *words: str, variables: Mapping[str, str] | None = None
    ) -> Actor:
        """Start ChatApp with these words, in a home of its own, without waiting for it."""
        variables = variables or {}
        shown = (f"{variable}={value}" for variable, value in variables.items())
        self.play.tell(name, "runs", " ".join((*shown, "ChatApp", *words)))
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "CHATAPP_HOME": str(self.folder / name), **variables},
        )
        actor = Actor(self.play, name, process)
        self._actors.append(actor)
        return actor


def free_ports() -> Iterator[int]:
    """Yield ports that are free for UDP and TCP, below those that the system gives out itself.

    A play owns a block of ports while it holds the first one, so plays side by side do not meet."""
    while True:
        first = random.SystemRandom().randrange(10_000, 20_000, PORTS)
        with socket.socket() as holder:
            try:
                holder.bind((HOST, first))
            except OSError:
                continue
            yield from filter(_is_free, range(first + 1, first + PORTS))


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        try:
            udp.bind(("0.0.0.0", port))
            tcp.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


@contextlib.asynccontextmanager
async def stage_for(play: Play) -> AsyncIterator[Stage]:
    """A stage whose processes and files are removed, however the play ends."""
    with tempfile.TemporaryDirectory(prefix="chatapp-demo-") as folder:
        stage = Stage(play, Path(folder))
        try:
            yield stage
        finally:
            await stage.clear_away()
