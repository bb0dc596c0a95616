"""Folders restored from a backup: later messages reach everybody, and nothing is shown twice."""

import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.cast import lines
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage, copy_folder
from tests.faults.conftest import Note

LINES = 10
SAID = re.compile(r": .*(before|lost|after|answer) \d+\]?$")


def put_back(backup: Path, folder: Path) -> None:
    """Restore the folder from the backup: what it holds now is gone."""
    shutil.rmtree(folder)
    copy_folder(backup, folder)


async def say(author: Program, name: str, what: str, readers: list[Program]) -> None:
    """Send lines to the channel and to the room where all are, and wait until the readers were
    shown them."""
    for number in range(LINES):
        await author.type(f"/all {what} {number}", f"in the room {what} {number}")
    await author.sees_times(LINES, lines.CHANNEL_TAKEN)
    for reader in readers:
        for number in range(LINES):
            await reader.sees(
                re.compile(rf"\[Channel_Message {name}: ({lines.TIME} )?{what} {number}\]")
            )
            await reader.sees(
                re.compile(rf"{name} \(in lab\): ({lines.TIME} )?in the room {what} {number}")
            )


async def test_the_registrys_folder_is_put_back(stage: Stage, figure: Note) -> None:
    registry = await stage.registry()
    alice, bob, carol = peers = await stage.welcome("alice", "bob", "carol")
    for peer in peers:
        await peer.type("join lab")
        await peer.sees(lambda line: line.startswith("[You are in lab"))
    await say(alice, "alice", "before", [bob, carol])
    await registry.kill()
    for peer in peers:
        await peer.sees(lines.LOST)
    folder, backup = (
        stage.folder / "registry" / "registry" / str(stage.port),
        stage.folder / "backup",
    )
    copy_folder(folder, backup)
    registry = await stage.registry()
    for peer in peers:
        await peer.sees(lines.BACK)
    await say(alice, "alice", "lost", [bob, carol])
    carol.signal(signal.SIGTERM)
    await carol.ends()
    await alice.knows("bob", away=["carol"])
    await registry.kill()
    for peer in (alice, bob):
        await peer.sees(lines.LOST)
    put_back(backup, folder)
    await stage.registry()
    for peer in (alice, bob):
        await peer.sees(lines.BACK)
    await say(alice, "alice", "after", [bob])
    await say(bob, "bob", "answer", [alice])
    carol = await stage.come("carol")
    for number in range(LINES):
        await carol.sees(lines.channel_mail("alice", f"after {number}"))
        await carol.sees(lines.channel_mail("bob", f"answer {number}"))
    for peer in (alice, bob, carol):
        shown = peer.shown(lambda line: SAID.search(line) is not None)
        assert len(shown) == len(set(shown)), "shown twice"
    figure(
        "the registry's folder put back from a backup",
        f"{4 * LINES} of {4 * LINES} lines told as received afterwards shown, to those who stayed and to one who came later",
        "every line told as received is shown",
    )


FAKETIME = shutil.which("faketime")
MESSAGE = re.compile(r"(before|lost|after) \d+ to \w+")


async def talk(author: Program, what: str, *people: str) -> set[str]:
    """Send different messages to these people, to everybody and to the room."""
    said: set[str] = set()
    for number in range(LINES):
        told = {name: f"{what} {number} to {name}" for name in people}
        to_all, to_room = f"{what} {number} to all", f"{what} {number} to lab"
        await author.type(
            *(f"/msg {name} {text}" for name, text in told.items()), f"/all {to_all}", to_room
        )
        said.update(told.values(), {to_all, to_room})
    return said


async def reads(reader: Program, said: set[str]) -> None:
    """Wait until this reader was shown every one of these."""
    for text in said:
        await reader.sees(lambda line, text=text: line.rstrip("]").endswith(text))  # type: ignore[misc]


@pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed")
async def test_a_persons_folder_is_put_back_under_a_slow_clock(stage: Stage, figure: Note) -> None:
    """The lost state of alice's folder has left dave letters and lines; he hears her later messages
    first."""
    registry = await stage.registry()
    alice, bob, carol, dave = peers = await stage.welcome("alice", "bob", "carol", "dave")
    for peer in peers:
        await peer.type("join lab")
        await peer.sees(lambda line: line.startswith("[You are in lab"))
    to = {name: (name, "all", "lab") for name in ("bob", "carol", "dave")}
    said = await talk(alice, "before", "bob", "dave")
    readers = {"bob": bob, "carol": carol, "dave": dave}

    def for_(name: str, what: str) -> set[str]:
        return {text for text in said if text.startswith(what) and text.split()[-1] in to[name]}

    for name, reader in readers.items():
        await reads(reader, for_(name, "before"))
    folder, backup = stage.folder / "alice", stage.folder / "backup"
    copy_folder(folder, backup)
    await dave.kill()
    await alice.knows("bob", "carol", away=["dave"])
    said |= await talk(alice, "lost", "bob", "dave")
    await alice.sees_times(2 * LINES, lines.CHANNEL_TAKEN)
    await alice.sees_times(LINES, lines.SAVED)
    for name in ("bob", "carol"):
        await reads(readers[name], for_(name, "lost"))
    await alice.kill()
    await registry.kill()
    for name in ("bob", "carol"):
        await readers[name].sees(lines.LOST)
    put_back(backup, folder)
    readers["dave"] = again = await stage.peer("dave")
    await again.sees(lambda line: line.startswith(lines.SILENT))
    assert FAKETIME is not None
    mine = ["-c", "alice", "127.0.0.1", str(stage.port), str(stage.port_of("alice"))]
    alice = await stage.person("alice", [FAKETIME, "-f", "-1h", *CHATAPP, *mine])
    await alice.sees(lambda line: line.startswith(lines.SILENT))
    said |= await talk(alice, "after", "bob", "dave")
    for name in ("bob", "dave"):
        await reads(readers[name], {text for text in for_(name, "after") if text.endswith(name)})
    await stage.registry()
    for reader in (alice, *readers.values()):
        await reader.sees(lambda line: line in (lines.BACK, lines.WELCOME))
    await reads(again, for_("dave", "lost"))
    for name, reader in readers.items():
        await reads(reader, {text for text in for_(name, "after") if not text.endswith(name)})
    for name, programs in {"bob": [bob], "carol": [carol], "dave": [dave, again]}.items():
        shown = [
            found[0]
            for program in programs
            for line in program.lines
            if (found := MESSAGE.search(line.text))
        ]
        assert sorted(shown) == sorted(for_(name, "")), name
    figure(
        "a person's folder put back, the clock an hour slow, the registry away",
        f"{len(said)} of {len(said)} messages, lines and letters shown, each once",
        "everything said is shown, once",
    )


OTHER = "[Not registered: another program uses your name and key; type reg to take them back.]"


async def test_two_programs_with_copies_of_one_folder(stage: Stage, figure: Note) -> None:
    """The program that registered last has the name. The other one reports that, and takes it again
    for its user."""
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    copy_folder(stage.folder / "alice", stage.folder / "copy")
    copy = await stage.come("alice", home="copy")
    await alice.sees(OTHER)
    await copy.type("send bob from the copy")
    await bob.sees("alice: from the copy")
    copy.signal(signal.SIGTERM)
    await copy.ends()
    await bob.knows("bob", away=["alice"])  # nothing that bob knows of her now is older
    await alice.type("reg alice")
    await alice.sees(lines.WELCOME)
    await bob.knows(
        "alice", "bob"
    )  # until the news of her return has come, bob's answer would go by mail
    await alice.type("send bob from the first one")
    await bob.sees("alice: from the first one")
    await bob.type("send alice heard")
    await alice.sees("bob: heard")
    assert copy.shown(OTHER) == []
    figure(
        "the same folder run twice",
        "the earlier one reads why it is out, and is in again by reg",
        "so",
    )
