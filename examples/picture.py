"""Draw the picture in the README: a scene on a real terminal, as SVG.

python -m examples.picture docs/terminal.svg

A registry and three people run on free loopback ports, one of them at a pseudo-terminal. Her screen at the end of the
scene is drawn character by character, as a terminal emulator shows it.
"""

import asyncio
import codecs
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

import pyte
from pyte.screens import Char

from examples.theatre import PROGRAM, Play, Stage, StepFailed, stage_for

ROWS, COLUMNS = 20, 84
WIDE, HIGH = 8.4, 18.0
"""Pixels of one character."""

FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
MARGIN: Final = 14
BAR: Final = 30
BACKGROUND: Final = "#16181d"
FOREGROUND: Final = "#d7dae0"
DIM: Final = "#8b919c"
NAMED: Final = {
    "black": "#000000",
    "red": "#e06c75",
    "green": "#7fb069",
    "brown": "#d19a66",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d7dae0",
}
PLAYED_WITHIN: Final = 120.0


class Seat:
    """A person at a terminal whose screen can be drawn. pyte does not know dim text, so dim is fed to it as italics."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.screen: Final = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._process = process
        self._master = master
        self._news = asyncio.Event()
        os.set_blocking(master, False)
        asyncio.get_running_loop().add_reader(master, self._read)

    @classmethod
    async def take(cls, name: str, server: int, port: int, home: Path) -> "Seat":
        """Start a peer at a terminal of its own."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        words = ["-c", name, "127.0.0.1", str(server), str(port)]
        environment = {**os.environ, "TERM": "xterm-256color", "CHATAPP_HOME": str(home)}
        environment.pop("NO_COLOR", None)
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, *words, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        return cls(process, master)

    def types(self, keys: str) -> None:
        """Press keys; Enter is a carriage return."""
        os.write(self._master, keys.encode())

    async def sees(self, text: str) -> None:
        """Wait until this text is on the screen."""
        while not any(text in row for row in self.screen.display):
            self._news.clear()
            await self._news.wait()

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


_DIM: Final = re.compile(r"(\x1b\[(?:[0-9]+;)*)2m")


async def perform(stage: Stage, home: Path) -> str:
    """Play the scene. Returns the picture of alice's screen at its end."""
    await stage.registry()
    bob, erin = await stage.person("bob"), await stage.person("erin")
    for person in (bob, erin):
        await person.sees("[Welcome, You are registered.]")
    alice = await Seat.take("alice", *stage.next_ports(), home)
    try:
        await alice.sees("3 online")
        alice.types("send bob Did the samples arrive?\r")
        await alice.sees("[Message received by bob.]")
        await bob.types("send alice Yes, all twelve ✓")
        await alice.sees("all twelve")
        alice.types("join lab\r")
        await alice.sees("[You are in lab")
        for person in (bob, erin):
            await person.types("join lab")
            await alice.sees(f"{person.name} joined lab.")
        await erin.types("Who starts the run tonight?")
        await alice.sees("tonight?")
        await bob.types("Alice has the key, I can stay until nine")
        await alice.sees("until nine")
        alice.types("I do. Erin, will you bring the coffee?\r")
        await erin.sees("alice (in lab): I do. Erin, will you bring the coffee?")
        await erin.types("もちろん ☕")
        await alice.sees("も")
        alice.types("/n\t")
        await alice.sees("list the people in your room")
        return drawn(alice.screen)
    finally:
        await alice.leave()


# --- drawing


def drawn(screen: pyte.Screen) -> str:
    """Return the screen as SVG."""
    width, height = 2 * MARGIN + COLUMNS * WIDE, BAR + 2 * MARGIN + ROWS * HIGH
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    about = f'role="img" aria-label="ChatApp on a terminal" font-size="14" font-family="{FONTS}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {about}>',
        f'<rect width="100%" height="100%" rx="9" fill="{BACKGROUND}"/>',
        *(
            f'<circle cx="{MARGIN + 6 + 20 * place}" cy="18" r="6" fill="{colour}"/>'
            for place, colour in enumerate(("#e5605a", "#e0b04a", "#5fb65a"))
        ),
    ]
    for row in range(screen.lines):
        parts += _row(screen, row)
    x, y = MARGIN + screen.cursor.x * WIDE, BAR + MARGIN + screen.cursor.y * HIGH
    parts.append(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{WIDE}" height="{HIGH}" fill="{FOREGROUND}" opacity="0.6"/>'
    )
    return "\n".join((*parts, "</svg>", ""))


def _row(screen: pyte.Screen, row: int) -> list[str]:
    """Return one element for each run of a style, with the place of each character: the widths of fonts differ."""
    cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
    y = BAR + MARGIN + (row + 0.75) * HIGH
    pieces: list[str] = []
    for look, group in groupby(cells, lambda cell: _look(cell[1])):
        run = [(column, char.data) for column, char in group if char.data.strip()]
        if run:
            places = " ".join(f"{MARGIN + column * WIDE:.1f}" for column, _ in run)
            text = escape("".join(data[0] for _, data in run))
            pieces.append(f'<text y="{y:.1f}" x="{places}" {look}>{text}</text>')
    return pieces


def _look(char: Char) -> str:
    colour = (
        DIM if char.italics else FOREGROUND if char.fg == "default" else NAMED.get(char.fg, f"#{char.fg}")
    )
    return f'fill="{colour}"' + (' font-weight="bold"' if char.bold else "")


async def main() -> str:
    """Play and draw. Returns the picture; empty if something went wrong."""
    try:
        async with stage_for(Play()) as stage, asyncio.timeout(PLAYED_WITHIN):
            return await perform(stage, stage.folder / "alice")
    except (StepFailed, TimeoutError) as failure:
        print(f"FAILED: {failure!r}", flush=True)
        return ""


if __name__ == "__main__":
    picture = asyncio.run(main())
    if not picture:
        sys.exit(1)
    Path(sys.argv[1]).write_text(picture, encoding="utf-8")
