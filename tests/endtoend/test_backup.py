"""A backup of a running registry, and a registry that goes on from it, with real programs."""

import re
import signal
from pathlib import Path

from tests.endtoend.lines import BACK, CHANNEL_TAKEN, LOST, channel_mail
from tests.support.stage import CHATAPP, Stage, knows


async def operator(stage: Stage, *words: str, status: int = 0) -> list[str]:
    """Return what a command of the administrator prints, or its complaints if it fails."""
    program = await stage.run("administrator", [*CHATAPP, *words], home="registry")
    assert await program.ends() == status, str(program)
    said = program.complaints.copy() if status else program.shown()
    program.complaints.clear()
    return said


async def test_a_restored_backup_loses_nothing_that_was_said_since(stage: Stage, tmp_path: Path) -> None:
    registry = await stage.registry()
    alice, bob, carol = peers = await stage.welcome("alice", "bob", "carol")
    await alice.type("/all before the backup")
    await alice.sees(CHANNEL_TAKEN)
    copy = str(tmp_path / "copy")
    assert re.fullmatch(r".*/copy: \d+ files, [\d,]+ bytes", (await operator(stage, "backup", copy))[0])
    for words in (["verify"], ["verify", copy]):
        assert (await operator(stage, *words))[0].endswith("read: all sound")
    await alice.type("/all after the backup")
    await alice.sees(CHANNEL_TAKEN)
    carol.signal(signal.SIGTERM)
    await carol.ends()
    await knows(alice, "bob", away=["carol"])
    await alice.type("send carol a letter after the backup")
    await alice.sees("[Messages received by the server and saved]")
    assert "a registry runs on" in (await operator(stage, "restore", copy, status=1))[0]
    registry.signal(signal.SIGTERM)
    await registry.ends()
    for peer in (alice, bob):
        await peer.sees(LOST)
    assert "--replace moves them aside" in (await operator(stage, "restore", copy, status=2))[0]
    restored = await operator(stage, "restore", copy, "--replace")
    assert restored[1].endswith("restored")
    await stage.registry()
    for peer in (alice, bob):
        await peer.sees(BACK)
    await bob.type("/all after it was restored")
    await alice.sees("[Channel_Message bob: after it was restored]")
    carol = await stage.peer("carol")
    await carol.sees(channel_mail("bob", "after it was restored"))
    await alice.type("send carol a newer message")
    await carol.sees(re.compile(r"alice: (.* )?a letter after the backup"))
    await carol.sees(re.compile(r"alice: (.* )?a newer message"))
    for peer in peers[:2]:
        shown = peer.shown(lambda line: "the backup" in line and ">>>" not in line)
        assert len(shown) == len(set(shown)), "shown twice"


async def test_what_is_no_backup_or_of_another_registry_is_refused(stage: Stage, tmp_path: Path) -> None:
    registry = await stage.registry()
    copy, other = str(tmp_path / "copy"), str(tmp_path / "other")
    await operator(stage, "backup", copy)
    assert "is not empty" in (await operator(stage, "backup", copy, status=1))[0]
    assert "backup.json is missing" in (await operator(stage, "verify", other, status=1))[0]
    registry.signal(signal.SIGKILL)
    await registry.ends()
    await operator(stage, "backup", other)
    again = await operator(stage, "restore", other, "--port", "5001")
    assert again[0].endswith("restored")
    names = tmp_path / "copy" / "names"
    names.write_bytes(b"x" + names.read_bytes()[1:])
    assert await operator(stage, "restore", copy, "--port", "5002", status=1) == [
        "ChatApp: names: its content was changed"
    ]
    folder = stage.folder / "registry" / "registry" / "5001"
    (folder / "identity.pub").write_text("ab" * 32)
    refused = await operator(stage, "restore", other, "--port", "5001", status=2)
    assert "belongs to another registry" in refused[0]
