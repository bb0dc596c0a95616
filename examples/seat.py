"""A person at a terminal whose screen can be drawn, and the pictures that a scene ends with."""

import asyncio
import codecs
import contextlib
import copy
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pyte

from examples.drawing import COLUMNS, DARK, ROWS, Look
from examples.theatre import PROGRAM, WITHIN, Stage, StepFailed


class Seat:
    """A person at a terminal whose screen can be drawn. pyte does not know dim text, so dim is fed
    to it as italics."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.screen: Final = _Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._process = process
        self._master = master
        self._news = asyncio.Event()
        os.set_blocking(master, False)
        asyncio.get_running_loop().add_reader(master, self._read)

    @classmethod
    async def take(
        cls,
        name: str,
        server: int,
        port: int,
        home: Path,
        variables: Mapping[str, str],
        *options: str,
    ) -> "Seat":
        """Start a peer at a terminal of its own."""
        master, slave = pty.openpty()
        _set_size(slave, COLUMNS, ROWS)
        words = ["-c", name, "127.0.0.1", str(server), str(port), *options]
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "CHATAPP_HOME": str(home),
            **variables,
        }
        environment.pop("NO_COLOR", None)
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        return cls(process, master)

    def types(self, keys: str) -> None:
        """Press keys; Enter is a carriage return."""
        os.write(self._master, keys.encode())

    async def sees(self, text: str) -> None:
        """Wait until this text is on the screen. Raises StepFailed, which quotes the screen
        instead."""
        try:
            async with asyncio.timeout(WITHIN):
                while not any(text in row for row in self.screen.display):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            shown = "".join(f"\n    {row.rstrip()}" for row in self.screen.display if row.strip())
            raise StepFailed(
                f"there should have been\n    {text}\nand there was{shown or ' nothing'}"
            ) from None

    async def rests(self) -> None:
        """Wait until the program has drawn nothing for a while."""
        with contextlib.suppress(TimeoutError):
            while True:
                self._news.clear()
                async with asyncio.timeout(
                    RESTS_FOR
                ):  # `wait_for` may swallow a cancellation (Python 3.11)
                    await self._news.wait()

    async def resizes(self, columns: int, rows: int) -> None:
        """Give the terminal another size, and wait until the program has drawn itself anew."""
        if (self.screen.columns, self.screen.lines) == (columns, rows):
            await self.rests()
            return
        is_hidden = self.screen.cursor.hidden
        self.screen.resize(rows, columns)
        self.screen.reset()
        self.screen.cursor.hidden = is_hidden
        _set_size(self._master, columns, rows)
        self._process.send_signal(
            signal.SIGWINCH
        )  # the terminal is not the one that controls the process
        while not self.screen.display[-1].strip():
            self._news.clear()
            await self._news.wait()
        await self.rests()

    def still(self) -> pyte.Screen:
        """Return the screen as it is now: the end of the program is not drawn."""
        return copy.deepcopy(self.screen)

    async def leave(self) -> None:
        """End the peer."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65_536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._master)
            return
        self._stream.feed(_DIM.sub(r"\g<1>3m", self._decoder.decode(data)))
        self._news.set()


class _Screen(pyte.Screen):
    """A screen that asks and answers nothing: pyte takes some questions of programs for other
    sequences."""

    def report_device_status(self, mode: int, **more: object) -> None:
        """Answer nothing."""

    def report_device_attributes(self, mode: int = 0, **more: object) -> None:
        """Answer nothing."""


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


RESTS_FOR: Final = 0.7
"""Seconds without output after which a program counts as having drawn everything."""

_DIM: Final = re.compile(r"(\x1b\[(?:[0-9]+;)*)2m")


class Picture(NamedTuple):
    """One picture of a scene."""

    screen: pyte.Screen
    look: Look = DARK
    is_svg: bool = False
    """Whether it is drawn as SVG, too."""


Pictures = dict[str, Picture]
"""The pictures of a scene, by their file names."""


@contextlib.asynccontextmanager
async def seat(
    name: str, stage: Stage, home: Path, *options: str, **variables: str
) -> AsyncIterator[Seat]:
    """Seat somebody at a terminal until the scene is over."""
    taken = await Seat.take(name, *stage.next_ports(), home, variables, *options)
    try:
        yield taken
    finally:
        await taken.leave()
