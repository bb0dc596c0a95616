"""Draw pictures of ChatApp on a real terminal: scenes that end, as PNG, and the README's as SVG too.

python -m examples.picture docs             # docs/pictures/*.png and docs/terminal.svg
python -m examples.picture docs talk doctor # these scenes alone

A registry and people run on free loopback ports, one of them at a pseudo-terminal. Her screen at the end of the scene is
drawn character by character, as a terminal emulator shows it.
"""

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
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import pyte

from examples.drawing import COLUMNS, ROWS, drawn, painted
from examples.theatre import PROGRAM, Play, Stage, StepFailed, stage_for

PLAYED_WITHIN: Final = 60.0


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
    async def take(
        cls, name: str, server: int, port: int, home: Path, variables: Mapping[str, str]
    ) -> "Seat":
        """Start a peer at a terminal of its own."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        words = ["-c", name, "127.0.0.1", str(server), str(port)]
        environment = {**os.environ, "TERM": "xterm-256color", "CHATAPP_HOME": str(home), **variables}
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


_DIM: Final = re.compile(r"(\x1b\[(?:[0-9]+;)*)2m")


@contextlib.asynccontextmanager
async def seat(name: str, stage: Stage, home: Path, **variables: str) -> AsyncIterator[Seat]:
    """Seat somebody at a terminal until the scene is over."""
    taken = await Seat.take(name, *stage.next_ports(), home, variables)
    try:
        yield taken
    finally:
        await taken.leave()


async def talk(stage: Stage, home: Path) -> pyte.Screen:
    """Two people talk; one of them goes away, and a message is saved for him."""
    await stage.registry()
    bob = await stage.person("bob")
    await bob.sees("[Welcome, You are registered.]")
    async with seat("alice", stage, home) as alice:
        await alice.sees("2 online")
        alice.types("send bob Did the probe come up?\r")
        await alice.sees("up?  ✓")
        await bob.types(
            "send alice Yes, at the second try. The log says that the other sensor is back as well"
        )
        await alice.sees("second try")
        alice.types("/query bob\r")
        await alice.sees("to bob")
        alice.types("Good. Lunch at noon?\r")
        await alice.sees("noon?  ✓")
        bob.send(signal.SIGSTOP)
        alice.types("And bring the notebook, please\r")
        await alice.sees("try 3 of 5")
        return alice.still()


async def room(stage: Stage, home: Path) -> pyte.Screen:
    """Three people in a room."""
    await stage.registry()
    bob, erin = await stage.person("bob"), await stage.person("erin")
    for person in (bob, erin):
        await person.sees("[Welcome, You are registered.]")
    async with seat("alice", stage, home) as alice:
        await alice.sees("3 online")
        alice.types("send bob Did the samples arrive?\r")
        await alice.sees("arrive?  ✓")
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
        await erin.types("Bien sûr ☕")
        await alice.sees("sûr")
        alice.types("/n\t")
        await alice.sees("list the people in your room")
        return alice.still()


async def doctor(stage: Stage, home: Path) -> pyte.Screen:
    """A person asks why the server does not answer."""
    registry = await stage.registry()
    async with seat("alice", stage, home) as alice:
        await alice.sees("1 online")
        registry.send(signal.SIGTERM)
        await registry.ends(0)
        await alice.sees("server away")
        await alice.sees("[Type /doctor to find out why.]")
        alice.types("/doctor\r")
        await alice.sees("troubles found")
        await alice.sees("server away")
        return alice.still()


async def desk(stage: Stage, home: Path) -> pyte.Screen:
    """An operator of the help desk serves one visitor while another waits."""
    registry = await stage.registry("--operator", "alice")
    code_line = re.compile(r"\[Operator alice: start once with --code (.*)\]")
    await registry.sees(code_line)
    code = next(found[1] for line in registry.seen if (found := code_line.fullmatch(line)))
    visitors = [await stage.visitor(name) for name in ("Asha Rao", "Ben Okafor")]
    async with seat("alice", stage, home, CHATAPP_CODE=code) as alice:
        await alice.sees("1 online")
        alice.types(".on\r")
        await alice.sees("on duty")
        for visitor, answers in zip(visitors, (("9876543210", "3"), ("9876543211", "5")), strict=True):
            await visitor.types(visitor.name)
            for answer in answers:
                await visitor.types(answer)
            await visitor.sees(re.compile(r"\[(You are connected|Waiting room, position 1)\.\]"))
        await alice.sees("Asha Rao")
        await visitors[0].types("Hello! My marks in physics went down this term")
        await alice.sees("this term")
        alice.types("Thank you for writing. Since when?\r")
        alice.types(".room\r")
        await alice.sees("1. Ben Okafor")
        return alice.still()


SCENES: Final = {"talk": talk, "room": room, "doctor": doctor, "desk": desk}


async def play(scene: str) -> pyte.Screen | None:
    """Play a scene. Returns the screen at its end; None if something went wrong."""
    try:
        async with stage_for(Play()) as stage, asyncio.timeout(PLAYED_WITHIN):
            return await SCENES[scene](stage, stage.folder / "alice")
    except (StepFailed, TimeoutError) as failure:
        print(f"FAILED: {scene}: {failure!r}", flush=True)
        return None


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "pictures").mkdir(exist_ok=True)
    for name in sys.argv[2:] or SCENES:
        screen = asyncio.run(play(name))
        if screen is None:
            sys.exit(1)
        painted(screen, folder / "pictures" / f"{name}.png")
        if name == "room":
            (folder / "terminal.svg").write_text(drawn(screen), encoding="utf-8")
