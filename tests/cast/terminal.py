"""A peer on a pseudo-terminal: keys in, screen out. The screen is compared as text without escape
sequences."""

import asyncio
import codecs
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import pyte

from chatapp.peer.words.answers import TYPE_HELP
from tests.cast.lines import UPDATED, WELCOME
from tests.cast.people import Person
from tests.cast.program import WITHIN
from tests.cast.stage import CHATAPP, QUIET, Stage

CTRL_C: Final = "\x03"
CTRL_D: Final = "\x04"
CTRL_R: Final = "\x12"
UP: Final = "\x1b[A"
TAB: Final = "\t"

_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_=>])"
)
_TIME: Final = re.compile(r"\d\d:\d\d ")
_NEXT_ROW: Final = re.compile(r"\r*\n {7,}(?=\S)")
_HERE_ARE: Final = ("[Here: ", "[Nobody else is here.]")
_WHERE: Final = b"\x1b[6n"
_HERE: Final = b"\x1b[1;1R"
_TAKE_TERMINAL: Final = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""The child's first action: make the pseudo-terminal its controlling terminal, so that closing it
hangs up."""


class Terminal:
    """One terminal and the peer that runs on it."""

    def __init__(self, process: asyncio.subprocess.Process, master: int, *, answers: bool) -> None:
        self.drawn = ""
        """All output so far, escape sequences included."""
        self._process = process
        self._master: int | None = master
        self._news = asyncio.Event()
        self._from = 0
        self._answers = answers
        self._asking = b""
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.modes_before: Final = termios.tcgetattr(master)
        asyncio.get_running_loop().add_reader(master, self._read)

    @classmethod
    async def open(
        cls,
        *words: str,
        home: Path,
        environment: dict[str, str] | None = None,
        answers: bool = True,
        inside: Sequence[str] = (),
    ) -> Self:
        """Start ChatApp with these arguments on a terminal of 24 lines of 80, which answers when it
        is asked where its cursor is (as a screen does, and a program that plays one does not).
        `inside`: what runs a command elsewhere."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = await asyncio.create_subprocess_exec(
            *inside,
            sys.executable,
            "-c",
            _TAKE_TERMINAL,
            *CHATAPP,
            *words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={
                **os.environ,
                "TERM": "xterm-256color",
                "CHATAPP_HOME": str(home),
                "XDG_DATA_HOME": str(home / "user"),
                **QUIET,
                **(environment or {}),
            },
        )
        os.close(slave)
        os.set_blocking(master, False)
        return cls(process, master, answers=answers)

    def press(self, keys: str) -> None:
        """Type these keys; Enter is a carriage return."""
        assert self._master is not None
        os.write(self._master, keys.encode())

    def resize(self, lines: int, columns: int) -> None:
        """Change the size of the window."""
        assert self._master is not None
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen.resize(lines, columns)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        os.kill(self._process.pid, number)

    async def changes(self) -> None:
        """Wait until something is drawn."""
        self._news.clear()
        await self._news.wait()

    async def shows(self, text: str) -> None:
        """Wait until this text was drawn after the last text waited for."""
        try:
            async with asyncio.timeout(WITHIN):
                while (place := self.text.find(text, self._from)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"{text!r} was not drawn; this was:\n{self.text[self._from :]}"
            ) from None
        self._from = place + len(text)

    async def stands(self, *rows: str) -> None:
        """Wait until the screen has these rows, one below the other, with nothing after the last
        but empty ones. News of the table come in between when they like, and are passed over."""
        try:
            async with asyncio.timeout(WITHIN):
                while [row for row in self.rows if not _is_news(row)][-len(rows) :] != list(rows):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            shown = "\n".join(self.rows)
            raise AssertionError(f"the screen does not end with {rows}; it is:\n{shown}") from None

    @property
    def rows(self) -> list[str]:
        """Return the visible rows, down to the last that is not empty, without times and blanks at
        their ends."""
        return [_TIME.sub("", row, count=1) if _TIME.match(row) else row for row in self.timed_rows]

    @property
    def timed_rows(self) -> list[str]:
        """Return the visible rows as they are, down to the last that is not empty, without blanks
        at their ends."""
        # The library's own `display` fails while only half of a wide character is drawn over.
        cells, columns = self._screen.buffer, range(self._screen.columns)
        rows = ("".join(cells[y][x].data for x in columns) for y in range(self._screen.lines))
        return "\n".join(row.rstrip() for row in rows).rstrip("\n").split("\n")

    @property
    def title(self) -> str:
        """The title of the window."""
        return str(self._screen.title)

    @property
    def modes(self) -> list[Any]:
        """Return the terminal's modes."""
        assert self._master is not None
        return termios.tcgetattr(self._master)

    @property
    def text(self) -> str:
        """Return what was drawn, without escape sequences; a line of several rows is one line."""
        return _NEXT_ROW.sub(" ", _ESCAPES.sub("", self.drawn))

    async def ends(self) -> int:
        """Wait for the end; returns the exit status."""
        async with asyncio.timeout(WITHIN):
            return await self._process.wait()

    def close(self) -> None:
        """Close the terminal, as a closed window does."""
        if self._master is not None:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            self._master = None

    async def clear_away(self) -> None:
        """Remove everything, whatever happened. The program is killed before its terminal is
        closed, as it would answer that with an orderly end."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)  # as in `Program.signal`
        await self._process.wait()
        self.close()

    def _read(self) -> None:
        assert self._master is not None
        try:
            data = os.read(self._master, 65_536)
        except BlockingIOError:
            return
        except OSError:  # the other end is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        drawn = self._decoder.decode(data)
        self.drawn += drawn
        self._stream.feed(drawn)
        asked = self._asking + data  # a question may come in two pieces
        for _ in range(asked.count(_WHERE) if self._answers else 0):
            os.write(self._master, _HERE)
        self._asking = asked[-len(_WHERE) + 1 :]
        self._news.set()


def _is_news(row: str) -> bool:
    """Whether a row says that the table has changed, who is here, or how to get help."""
    return row in (UPDATED, TYPE_HELP) or row.startswith(_HERE_ARE)


Open = Callable[..., Awaitable[Terminal]]
"""Opens a terminal with a peer on it: the peer's name, then options; as named arguments its `port`,
`answers` and environment."""


async def beside_bob(
    stage: Stage, at_terminal: Open, *options: str, **how: Any
) -> tuple[Terminal, Person]:
    """Start a registry, bob, and alice on a terminal. Return alice and bob once they know each
    other."""
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    alice = await at_terminal("alice", *options, **how)
    await alice.shows(WELCOME)
    await bob.knows("alice")
    return alice, bob
