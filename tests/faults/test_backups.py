"""Folders restored from a backup: later messages reach everybody, and nothing is shown twice."""

import re
import shutil
import signal
from pathlib import Path

from tests.endtoend.lines import BACK, CHANNEL_TAKEN, LOST, TIME, WELCOME, channel_mail
from tests.faults.conftest import Note
from tests.support.program import Program
from tests.support.stage import Stage, knows

LINES = 10
SAID = re.compile(r": .*(before|lost|after|answer) \d+\]?$")


def put_back(backup: Path, folder: Path) -> None:
    """What the folder holds now is gone."""
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)


async def say(author: Program, name: str, what: str, readers: list[Program]) -> None:
    """Lines to the channel and to the room where all are; the server takes them, and they are shown to the readers."""
    for number in range(LINES):
        await author.type(f"/all {what} {number}", f"in the room {what} {number}")
    await author.sees_times(LINES, CHANNEL_TAKEN)
    for reader in readers:
        for number in range(LINES):
            await reader.sees(re.compile(rf"\[Channel_Message {name}: ({TIME} )?{what} {number}\]"))
            await reader.sees(re.compile(rf"{name} \(in lab\): ({TIME} )?in the room {what} {number}"))


async def test_the_registrys_folder_is_put_back(stage: Stage, figure: Note) -> None:
    registry = await stage.registry()
    alice, bob, carol = peers = await stage.welcome("alice", "bob", "carol")
    for peer in peers:
        await peer.type("join lab")
        await peer.sees(lambda line: line.startswith("[You are in lab"))
    await say(alice, "alice", "before", [bob, carol])
    await registry.kill()
    for peer in peers:
        await peer.sees(LOST)
    folder, backup = stage.folder / "registry" / "registry" / str(stage.port), stage.folder / "backup"
    shutil.copytree(folder, backup)
    registry = await stage.registry()
    for peer in peers:
        await peer.sees(BACK)
    await say(alice, "alice", "lost", [bob, carol])
    carol.signal(signal.SIGTERM)
    await carol.ends()
    await knows(alice, "bob", away=["carol"])
    await registry.kill()
    for peer in (alice, bob):
        await peer.sees(LOST)
    put_back(backup, folder)
    await stage.registry()
    for peer in (alice, bob):
        await peer.sees(BACK)
    await say(alice, "alice", "after", [bob])
    await say(bob, "bob", "answer", [alice])
    carol = await stage.peer("carol")
    await carol.sees(WELCOME)
    for number in range(LINES):
        await carol.sees(channel_mail("alice", f"after {number}"))
        await carol.sees(channel_mail("bob", f"answer {number}"))
    for peer in (alice, bob, carol):
        shown = peer.shown(lambda line: SAID.search(line) is not None)
        assert len(shown) == len(set(shown)), "shown twice"
    figure(
        "the registry's folder put back from a backup",
        f"{4 * LINES} of {4 * LINES} lines told as received afterwards shown, to those who stayed and to one who came later",
        "every line told as received is shown",
    )


OTHER = "[Not registered: another program uses your name and key; type reg to take them back.]"


async def test_two_programs_with_copies_of_one_folder(stage: Stage, figure: Note) -> None:
    """The one that came in last has the name; the other reads that, and has it again when its user says so."""
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    shutil.copytree(stage.folder / "alice", stage.folder / "copy")
    copy = await stage.peer("alice", home="copy")
    await copy.sees(WELCOME)
    await alice.sees(OTHER)
    await copy.type("send bob from the copy")
    await bob.sees("alice: from the copy")
    copy.signal(signal.SIGTERM)
    await copy.ends()
    await alice.type("reg alice")
    await alice.sees(WELCOME)
    await knows(bob, "alice", "bob")  # until the news of her return has come, bob's answer would go by mail
    await alice.type("send bob from the first one")
    await bob.sees("alice: from the first one")
    await bob.type("send alice heard")
    await alice.sees("bob: heard")
    assert copy.shown(OTHER) == []
    figure("the same folder run twice", "the earlier one reads why it is out, and is in again by reg", "so")
