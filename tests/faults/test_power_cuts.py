"""A peer's machine loses power while it is talked to: nothing is lost that its author's disk has.

The peer's folder is on a disk of its own, an image behind a loop device. A power cut is a copy of
the image, taken while everything runs: it holds what the file system had handed to the disk by
then, and nothing of what was in memory only.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.cast.lines import is_met, received
from tests.cast.program import Program
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.size import dose
from tests.faults.test_killed_peers import past

CUTS = dose(2, 8)
SECONDS = dose(3.0, 8.0)
"""How long alice talks before the last cut of a round, at most."""
EACH = 0.05
"""Seconds between her lines."""
MIB = 1 << 20


class Disk:
    """A disk of ext4 that may lose power."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "mounted"
        self.folder.mkdir()
        self._image = folder / "image"
        with self._image.open("wb") as image:
            image.truncate(64 * MIB)
        self._call("mkfs.ext4", "-q", "-F", str(self._image))
        self.turn_on()

    def turn_on(self) -> None:
        """Mount it. The file system's own journal is played first, as after any power cut."""
        self._call("mount", "-o", "loop", str(self._image), str(self.folder))
        self.folder.chmod(0o700)

    def lose_power(self, program: Program) -> None:
        """Take away what the disk does not have. The program stands still while the image is
        copied, and dies."""
        program.signal(signal.SIGSTOP)
        left = self._image.with_name("left")
        shutil.copyfile(self._image, left)
        program.signal(signal.SIGKILL)
        self.close()
        left.rename(self._image)
        self.turn_on()

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)

    def _call(self, *words: str) -> None:
        try:
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs {words[0]} and a loop device: {error}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid():
        pytest.skip("needs root to mount a disk")
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.close()


async def talk(alice: Program, said: list[str], most: float) -> None:
    """Let alice send a line now and then."""
    loop = asyncio.get_running_loop()
    end = loop.time() + most
    while loop.time() < end:
        said.append(f"line {len(said)}.")
        await alice.type(f"send bob {said[-1]}")
        await asyncio.sleep(EACH)  # a person's pause


async def test_a_power_cut_while_somebody_talks_to_a_peer(
    stage: Stage, disk: Disk, figure: Note
) -> None:
    """In the first round bob is new: his key and his server's are on the disk, too."""
    chance = Random(1)
    home = {"CHATAPP_HOME": str(disk.folder)}
    await stage.registry()
    alice = await stage.come("alice")
    bob = await stage.come("bob", environment=home)
    said: list[str] = []
    lost = 0
    for cut in range(CUTS):
        await asyncio.gather(alice.knows("bob"), bob.knows("alice"))
        await talk(alice, said, chance.uniform(0.5, SECONDS))
        told = len(alice.shown(received("bob")))
        disk.lose_power(bob)
        await bob.ends()
        left = await past(stage, "bob", home=disk.folder, copy=f"left{cut}")
        lost += max(0, told - len(left))
        bob = await stage.come("bob", environment=home)
        assert not bob.shown(is_met), "the key of the server was lost"
        assert not bob.shown(lambda line: "damaged" in line or "is missing" in line)
    said.append(f"line {len(said)}.")
    await alice.type(f"send bob {said[-1]}")
    await bob.sees(lambda line: line.startswith("alice: ") and line.endswith(said[-1]))
    # It comes as mail, with its time, where alice had not heard yet that bob is back.
    lines = bob.shown(lambda line: line.startswith("alice: "))
    shown = [line[line.index("line ") :] for line in lines]
    assert shown == said[-len(shown) :], "lost, doubled or out of order"
    await asyncio.gather(alice.kill(), bob.kill())
    read = await past(stage, "bob", home=disk.folder, copy="end")
    assert sorted(read) == sorted(said), "lost or doubled"
    figure(
        f"power of a peer's machine cut {CUTS} times while somebody talks to it",
        f"{len(said):,} messages, each once; {lost} had been told as received and were not on the disk, "
        "and were given again",
        "none lost",
    )
