"""A backup of a running registry, and a registry that goes on from it, with real programs."""

import re
import shutil
import signal
from pathlib import Path

from tests.cast.lines import BACK, CHANNEL_TAKEN, LOST, channel_mail
from tests.cast.stage import Stage, copy_folder


async def test_a_restored_backup_loses_nothing_that_was_said_since(
    stage: Stage, tmp_path: Path
) -> None:
    registry = await stage.registry()
    alice, bob, carol = peers = await stage.welcome("alice", "bob", "carol")
    await alice.type("/all before the backup")
    await alice.sees(CHANNEL_TAKEN)
    copy = str(tmp_path / "copy")
    assert re.fullmatch(
        r".*/copy: \d+ files, [\d,]+ bytes", (await stage.output_of("backup", copy))[0]
    )
    for words in (["verify"], ["verify", copy]):
        assert (await stage.output_of(*words))[0].endswith("read: all sound")
    await alice.type("/all after the backup")
    await alice.sees(CHANNEL_TAKEN)
    carol.signal(signal.SIGTERM)
    await carol.ends()
    await alice.knows("bob", away=["carol"])
    await alice.type("send carol a letter after the backup")
    await alice.sees("[Messages received by the server and saved]")
    assert "a registry runs on" in (await stage.output_of("restore", copy, status=1))[0]
    registry.signal(signal.SIGTERM)
    await registry.ends()
    for peer in (alice, bob):
        await peer.sees(LOST)
    assert "--replace moves them aside" in (await stage.output_of("restore", copy, status=2))[0]
    restored = await stage.output_of("restore", copy, "--replace")
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


async def test_the_newest_of_a_series_stay_and_their_age_is_told(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.registry()
    series = tmp_path / "series"
    assert "backup age seconds" not in "".join(await stage.output_of("admin", "stats"))
    for _ in range(3):
        await stage.output_of("backup", str(series), "--keep", "2")
    kept = sorted(series.iterdir())
    assert len(kept) == 2
    for backup in kept:
        assert (await stage.output_of("verify", str(backup)))[0].endswith("read: all sound")
    (age,) = [
        line for line in await stage.output_of("admin", "stats") if "backup age seconds" in line
    ]
    assert float(age.split()[-1]) < 60
    wrong = await stage.output_of("backup", str(series), "--keep", "none", status=2)
    assert wrong == ['ChatApp: --keep: "none" is not a whole number from 1 to 1000']


async def test_what_is_no_backup_or_of_another_registry_is_refused(
    stage: Stage, tmp_path: Path
) -> None:
    registry = await stage.registry()
    copy, other = str(tmp_path / "copy"), str(tmp_path / "other")
    await stage.output_of("backup", copy)
    assert "is not empty" in (await stage.output_of("backup", copy, status=1))[0]
    assert "backup.json is missing" in (await stage.output_of("verify", other, status=1))[0]
    registry.signal(signal.SIGKILL)
    await registry.ends()
    await stage.output_of("backup", other)
    again = await stage.output_of("restore", other, "--port", "5001")
    assert again[0].endswith("restored")
    names = tmp_path / "copy" / "names"
    names.write_bytes(b"x" + names.read_bytes()[1:])
    assert await stage.output_of("restore", copy, "--port", "5002", status=1) == [
        "ChatApp: names: its content was changed"
    ]
    folder = stage.folder / "registry" / "registry" / "5001"
    (folder / "identity.pub").write_text("ab" * 32)
    refused = await stage.output_of("restore", other, "--port", "5001", status=2)
    assert "belongs to another registry" in refused[0]


async def test_a_mailbox_that_somebody_changed_is_named_by_a_start_and_by_verify(
    stage: Stage, tmp_path: Path
) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    bob.signal(signal.SIGTERM)
    await bob.ends()
    await alice.knows(away=["bob"])
    await alice.type("send bob a letter", "send bob another letter")
    await alice.sees_times(2, "[Messages received by the server and saved]")
    registry.signal(signal.SIGTERM)
    await registry.ends()
    folder = stage.folder / "registry" / "registry" / str(stage.port)
    whole = copy_folder(folder, tmp_path / "whole")
    [name] = [f"mail/{path.name}" for path in folder.glob("mail/*.mail")]
    content = (folder / name).read_bytes()
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    for harmed, what in [
        (None, "missing"),
        (b"", "changed: it has 0 bytes"),
        (content[:half], "torn or"),
        (flipped, "torn or"),
    ]:
        shutil.rmtree(folder)
        copy_folder(whole, folder)
        (folder / name).unlink()
        if harmed is not None:
            (folder / name).write_bytes(harmed)
        verified = await stage.output_of("verify", status=1)
        [told] = [line for line in verified if name in line]
        assert what in told
        assert "a backup" in told
        registry = await stage.registry()
        [told] = registry.shown(lambda line: name in line)
        assert what in told
        registry.signal(signal.SIGTERM)
        await registry.ends()
    shutil.rmtree(folder)
    copy_folder(whole, folder)
    (folder / "identity.key").unlink()
    verified = await stage.output_of("verify", status=1)
    assert sum("identity.key: missing" in line for line in verified) == 1
    registry = await stage.begin_registry()
    await registry.sees(lambda line: "identity.key: missing; restore it from a copy" in line)
    assert await registry.ends() == 1
