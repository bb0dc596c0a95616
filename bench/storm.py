"""A storm of reactions: what a window costs while 200 people react ten times a second.

    python -m bench.storm [line full plain]

The events are made in the program that runs the peer, and the window is another program at a
pseudo-terminal, so that its processor time is its own. It is counted until the window has nothing
more to do.
"""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, cast

from bench.machine import CHECKOUT, free_port, processor_time, scratch
from chatapp.peer.api import events
from chatapp.peer.api.conversations import room
from chatapp.peer.node.local import PeerNode
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.registry.program.app import Registry, RuleSettings
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.rules.people.access import AccessSettings

PEOPLE: Final = 200
EACH: Final = 10
"""Reactions of a person in a second."""
SPAN: Final = 20.0
LAB: Final = room("lab")
CALM_FOR: Final = 1.5
"""Seconds without processor time after which a window has nothing more to do."""
APART: Final = 0.02
"""Seconds between two drawings: less, and they are parts of one."""


class Window:
    """Another window of the peer, at a terminal whose output is counted."""

    def __init__(self, face: str, port: int, home: Path) -> None:
        self.drawn = 0
        self._last = 0.0
        self.pid, self._master = pty.fork()
        if not self.pid:
            variables = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "CHATAPP_DISCOVER": "false"}
            words = ["-c", "alice", "127.0.0.1", str(port), "--data", str(home), f"--{face}"]
            program = [sys.executable, str(CHECKOUT / "ChatApp.py"), *words]
            os.execve(sys.executable, program, {**os.environ, **variables})
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            os.read(self._master, 65_536)
        now = time.monotonic()
        self.drawn += now - self._last > APART
        self._last = now

    async def calm(self) -> float:
        """Wait until it does nothing; return the processor time that it has used."""
        used = -1.0
        while used != (used := processor_time(self.pid)):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(CALM_FOR)
        return used

    def close(self) -> None:
        """End it."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self._master)


async def storm(alice: Peer, line: events.Said, span: float) -> None:
    """Have everybody react to this line for so many seconds."""
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < span:
        batch = [reaction(number, line) for number in range(sent, int(passed * PEOPLE * EACH))]
        sent += len(batch)
        if batch:
            cast(PeerNode, alice.node).tell(batch)
            alice.take_events()
        await asyncio.sleep(0.005)


def reaction(number: int, line: events.Said) -> events.Reacted:
    """Return one of the reactions: everybody puts the emoji to the line and takes it away."""
    return events.Reacted(
        conversation=LAB,
        id=1_000_000 + number,
        sender=f"p{number % PEOPLE}",
        number=number + 1,
        text="👍",
        at=time.time(),
        target=line.as_target,
        is_on=number // PEOPLE % 2 == 0,
    )


@contextlib.asynccontextmanager
async def alice_in_lab(port: int, home: Path) -> AsyncIterator[tuple[Peer, events.Said]]:
    """A registry, alice in a room, and what bob has said there."""
    rules = RuleSettings(None, RegistryPolicy(), AccessSettings())
    registry = Registry(port, home / "registry", say=lambda _: None, rules=rules)
    await registry.start()
    alice, bob = (
        Peer(name, ("127.0.0.1", port), home=home / name, rooms="lab") for name in ("alice", "bob")
    )
    async with alice, bob:
        await (await bob.say("lab", "What about noon?")).settled()
        said = None
        while said is None:
            batch = await alice.next_events()
            said = next((one for one in batch if isinstance(one, events.Said)), None)
        with contextlib.closing(Offer(alice)):
            yield alice, said
    await registry.stop()


async def measure(face: str) -> None:
    """Print what one face costs."""
    with scratch() as home:
        port = free_port()
        async with alice_in_lab(port, home) as (alice, line):
            window = Window(face, port, home / "alice")
            await window.calm()
            await storm(alice, line, 2.0)
            before, window.drawn = await window.calm(), 0
            await storm(alice, line, SPAN)
            drawn = window.drawn
            share = (await window.calm() - before) / SPAN
            print(f"{face}: {share:.1%} of a core, drawn {drawn / SPAN:.1f} times a second")
            window.close()


if __name__ == "__main__":
    for name in sys.argv[1:] or ("line", "full", "plain"):
        asyncio.run(measure(name))
