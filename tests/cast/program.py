"""The real program: started as processes, driven through pipes, stopped by process id.

Nothing here waits for time to pass: tests wait for a line or an end, and a deadline only reports
that it did not come.
"""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.cast import nursery
from tests.cast.nursery import Forked, Process, can_fork

CHECKOUT: Final = nursery.CHECKOUT

WITHIN: Final = 60.0
"""Seconds after which a wait fails. Nothing takes so long, however loaded the machine is."""

_LINE_MAX: Final = 1 << 22
_LINES_TOLD: Final = 60
_ROOM: Final = re.compile(r"\[[^]]*\] ")
"""The part before the prompt, in a room."""

Wanted = str | re.Pattern[str] | Callable[[str], bool]
"""An expected line: its exact text, a pattern for the whole line, or a predicate."""


@dataclass(slots=True)
class Line:
    """One line that a program has shown, and when (monotonic seconds)."""

    at: float
    text: str
    is_awaited: bool = False


class Program:
    """One process. Each line satisfies one wait only: a test that waits twice for a line waits for
    two of them."""

    def __init__(self, name: str, process: Process, prompt: str, *, started_at: float) -> None:
        self.name: Final = name
        self.lines: list[Line] = []
        self.prompts: list[str] = []
        """The text before the prompt, for lines that had one: the room."""
        self.complaints: list[str] = []
        """Standard error."""
        self.started_at: Final = started_at
        """Just before the process started; on a busy machine control may return much later."""
        self.ended_at: float | None = None
        self._process = process
        self._prompt = prompt
        self._news = asyncio.Event()
        self._reading = asyncio.gather(
            self._read(process.stdout, self._note),
            self._read(process.stderr, self.complaints.append),
        )
        self._ending = asyncio.ensure_future(self._end())

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        prompt: str = "",
        stdin: int = asyncio.subprocess.PIPE,
        stdout: int = asyncio.subprocess.PIPE,
        is_forked: bool = False,
    ) -> Self:
        """Run `command` in the checkout. Lines are expected to begin with `prompt`, which is taken
        off. `is_forked`: whether ChatApp may be forked from a process that has loaded it."""
        started_at = time.monotonic()
        words = [*map(str, command)]
        if is_forked and can_fork(words, environment):
            forked = await Forked.start(
                words[2:],
                stdin=stdin,
                stdout=stdout,
                environment={**os.environ, **environment},
                limit=_LINE_MAX,
            )
            return cls(name, forked, prompt, started_at=started_at)
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=stdin,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
            limit=_LINE_MAX,
        )
        return cls(name, process, prompt, started_at=started_at)

    # --- what it is told

    async def type(self, *lines: str) -> None:
        """Type lines, each with its line end."""
        await self.type_bytes(
            "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        )

    async def type_bytes(self, typed: bytes) -> None:
        """Type exactly these bytes."""
        stdin = self._process.stdin
        assert stdin is not None, f"{self.name} has no standard input"
        try:
            stdin.write(typed)
            await stdin.drain()
        except ConnectionError:
            raise AssertionError(f"{self.name} reads no more\n{self}") from None

    async def end_input(self) -> None:
        """Close its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await self._process.stdin.wait_closed()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self._process.returncode is None:
            # Not by the process object: that would look whether the process has ended, and take its
            # status from who waits.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """Kill it (`kill -9`) and wait for its end."""
        self.signal(signal.SIGKILL)
        await self.end_input()
        await self._ending

    async def stops(self) -> None:
        """Let it end in order, as the system does that shuts down."""
        self.signal(signal.SIGTERM)
        assert await self.ends() == 0, str(self)

    async def quits(self, command: str = "quit") -> None:
        """Leave as a person does, and end well."""
        await self.type(command)
        assert await self.ends() == 0, str(self)

    # --- what it shows

    async def sees(self, wanted: Wanted, *, within: float = WITHIN) -> str:
        """Wait for a line that nobody has waited for yet; returns it. AssertionError with all lines
        when none comes."""
        found: list[Line] = []

        def is_there() -> bool:
            line = self._next_line(wanted)
            found.extend([] if line is None else [line])
            return line is not None

        await self._until(is_there, f"show {_told(wanted)}", within)
        return found[0].text

    async def complains(self, wanted: Wanted, *, times: int = 1, within: float = WITHIN) -> None:
        """Wait until standard error has so many such lines."""
        await self._until(
            lambda: sum(_fits(wanted, line) for line in self.complaints) >= times,
            f"complain of {_told(wanted)} for the {times}. time",
            within,
        )

    async def sees_all(self, *wanted: Wanted, within: float = WITHIN) -> None:
        """Wait for several lines, in whatever order they come."""
        for one in wanted:
            await self.sees(one, within=within)

    async def sees_times(self, count: int, wanted: Wanted, *, within: float = WITHIN) -> list[str]:
        """Wait for `count` such lines; returns them in their order."""
        return [await self.sees(wanted, within=within) for _ in range(count)]

    def forget(self) -> None:
        """Begin anew with what it shows: a test that shares it with others counts its own lines."""
        self.lines.clear()
        self.prompts.clear()

    def shown(self, wanted: Wanted = lambda text: True) -> list[str]:
        """Return all matching lines so far, in order."""
        return [line.text for line in self.lines if _fits(wanted, line.text)]

    async def ends(self, *, within: float = WITHIN) -> int:
        """Wait for its end; returns the exit status, minus the number for a signal."""
        try:
            async with asyncio.timeout(within):
                return await asyncio.shield(self._ending)
        except TimeoutError:
            raise AssertionError(f"{self.name} has not ended within {within} s\n{self}") from None

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._ending.done()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def complaint(self) -> str:
        """Return all of standard error."""
        return "\n".join(self.complaints)

    def __str__(self) -> str:
        shown = [
            f"  {line.at - self.started_at:7.3f} {line.text[:300]}"
            for line in self.lines[-_LINES_TOLD:]
        ]
        return "\n".join(
            [
                f"--- {self.name}",
                *shown,
                *(f"  stderr: {complaint}" for complaint in self.complaints),
            ]
        )

    # --- inside

    async def _until(self, holds: Callable[[], bool], what: str, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                while not holds():
                    if self._ending.done():
                        raise AssertionError(f"{self.name} ended and did not {what}\n{self}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} did not {what} within {within} s\n{self}") from None

    def _next_line(self, wanted: Wanted) -> Line | None:
        for line in self.lines:
            if not line.is_awaited and _fits(wanted, line.text):
                line.is_awaited = True
                return line
        return None

    def _note(self, text: str) -> None:
        room = _ROOM.match(text)
        if room is not None and text.startswith(self._prompt, room.end()) and self._prompt:
            self.prompts.append(room[0])
            text = text[room.end() :]
        if not text.startswith(self._prompt):
            text = f"(without the prompt) {text}"
        self.lines.append(Line(time.monotonic(), text.removeprefix(self._prompt)))

    async def _read(self, stream: asyncio.StreamReader | None, note: Callable[[str], None]) -> None:
        while stream is not None and (line := await stream.readline()):
            note(line.decode("utf-8", "backslashreplace").removesuffix("\n"))
            self._news.set()

    async def _end(self) -> int:
        status = await self._process.wait()
        await self._reading
        self.ended_at = time.monotonic()
        self._news.set()
        return status


def _fits(wanted: Wanted, text: str) -> bool:
    match wanted:
        case str():
            return text == wanted
        case re.Pattern():
            return wanted.fullmatch(text) is not None
        case _:
            return wanted(text)


def _told(wanted: Wanted) -> str:
    return repr(
        wanted[:200] if isinstance(wanted, str) else getattr(wanted, "pattern", "the awaited line")
    )
