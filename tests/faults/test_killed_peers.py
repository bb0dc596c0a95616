"""Peers that are killed while they talk, or whose disk is full: what was acknowledged is in its
reader's history, once.

Each life of a program ends with kill -9 after a random number of receipts or lines, while more is
on its way. The past is read from a copy of the folder as the kill left it.
"""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.cast.lines import WELCOME, received, relayed
from tests.cast.program import CHECKOUT, Program
from tests.cast.stage import Stage, copy_folder
from tests.faults.conftest import Note, disk_or_skip
from tests.faults.size import dose

KILLS = dose(4, 60)
BURST = 40


_OF_ALICE: Final = re.compile(r"alice: (?:[-0-9]{10} [:0-9]{8} )?(\d+)\.(\d+)")


async def test_killed_while_they_talk(stage: Stage, figure: Note) -> None:
    chance = Random(1)
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    acknowledged, before = 0, 0
    for life in range(KILLS):
        await alice.type(*(f"send bob {life}.{number}" for number in range(BURST)))
        if life % 2:
            await bob.sees(f"alice: {life}.{chance.randrange(BURST)}")
            await alice.kill()
            before += receipts(alice)
            alice = await stage.come("alice")
        else:
            wanted = receipts(alice) + chance.randrange(1, BURST)
            while receipts(alice) < wanted:
                await alice.sees(is_receipt)
            await bob.kill()
            acknowledged = receipts(alice) + before
            texts = await past(stage, "bob", copy=f"bob{life}")
            assert len(texts) >= acknowledged, "a message that was acknowledged is not stored"
            assert len(texts) == len(set(texts)), "stored twice"
            bob = await stage.come("bob")
        await asyncio.gather(alice.knows("bob"), bob.knows("alice"))
    wanted = receipts(alice) + 1
    await alice.type("send bob the end")
    await bob.sees(lambda line: line.endswith("the end"))
    while receipts(alice) < wanted:
        await alice.sees(is_receipt)
    await asyncio.gather(alice.kill(), bob.kill())
    read = await past(stage, "bob", copy="bob-end")
    # A history has messages as they arrived: after a kill the first ones of a burst may have to be
    # sent again.
    assert sorted(read) == sorted(await past(stage, "alice", copy="alice-end"))
    for life in range(KILLS):
        found = sorted(int(text.partition(".")[2]) for text in read if text.startswith(f"{life}."))
        assert found == list(range(len(found))), "lost or doubled"
    for program in stage.programs:
        shown = [
            (int(line[1]), int(line[2]))
            for one in program.lines
            if (line := _OF_ALICE.fullmatch(one.text))
        ]
        assert shown == sorted(set(shown)), "shown twice or out of order"
        assert life % 2 or len(found) == BURST
    figure(
        f"peers killed at {KILLS} points while they talk",
        f"{len(read):,} messages, each once and in order in both pasts",
        "none lost, none twice",
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    with disk_or_skip(tmp_path / "disk", "1m") as folder:
        yield folder


def fill(ballast: Path) -> None:
    """Leave no room on a disk."""
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while file.write(bytes(4_096)):
            pass


async def test_a_full_disk_acknowledges_nothing_and_works_again(
    stage: Stage, small_disk: Path, figure: Note
) -> None:
    await stage.registry()
    alice = await stage.peer("alice")
    bob = await stage.peer("bob", environment={"CHATAPP_HOME": str(small_disk)})
    await asyncio.gather(alice.sees(WELCOME), bob.sees(WELCOME))
    await asyncio.gather(alice.knows("bob"), bob.knows("alice"))
    ballast = small_disk / "ballast"
    fill(ballast)
    texts = [f"{number} {'x' * 3_000}" for number in range(20)]
    await alice.type(*(f"send bob {text}" for text in texts))
    told = await bob.sees(re.compile(r"\[Nothing can be stored .*"))
    assert "No space left on device" in told
    assert (
        receipts(alice) <= len(bob.shown(lambda line: line.startswith("alice: "))) < len(texts) / 2
    )
    ballast.unlink()
    await bob.sees(lambda line: line.endswith(texts[-1]))
    shown = [line.split(" ")[-2] for line in bob.shown(lambda line: line.endswith("x" * 3_000))]
    assert shown == [str(number) for number in range(20)]
    figure(
        "a peer's disk is full",
        "nothing acknowledged; all shown, once, when there was room",
        "none lost",
    )


def is_receipt(line: str) -> bool:
    return line in (received("bob"), relayed("bob"))


def receipts(alice: Program) -> int:
    return len(alice.shown(is_receipt))


async def past(stage: Stage, name: str, *, copy: str, home: Path | None = None) -> list[str]:
    """Return the texts between alice and bob in somebody's history, from a copy of the folder as it
    is."""
    folder = copy_folder(home or stage.folder / name, stage.folder / copy)
    words = [
        str(CHECKOUT / "ChatApp.py"),
        "export",
        name,
        "--format",
        "jsonl",
        "--data",
        str(folder),
    ]
    exporting = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await exporting.communicate()
    return [json.loads(line)["text"] for line in out.splitlines()]
