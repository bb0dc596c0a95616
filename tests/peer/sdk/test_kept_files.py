"""Files that the registry keeps while the one who offers them, or the one who gets them, is away (clause 6.23)."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chatapp import Peer, events, room
from chatapp.events import FileState, FileWay
from chatapp.peer.node.files.keeper import Keeper
from chatapp.registry.kept.keeper import SWEPT_EACH, KeptFiles
from chatapp.registry.program.app import Registry, RuleSettings
from chatapp.registry.program.driver import MAINTENANCE_SPAN
from chatapp.registry.rules.admin_requests import ErasePerson, PersonErased
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.testing import Town
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.limits import CHUNK_SIZE
from chatapp.wire.sessions.link import LinkOpening
from tests.peer.sdk.test_files import is_plan, offered, settled, under_way, write

CONTENT = os.urandom(9 * CHUNK_SIZE + 5)
MEGABYTE = 1_000_000

Keep = Callable[..., None]


@pytest.fixture(name="plan")
def _plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.peer.sdk.test_files.CONTENT", CONTENT)
    path = tmp_path / "plan.pdf"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(name="keep")
def _keep(monkeypatch: pytest.MonkeyPatch) -> Keep:
    def keep(each: int = 100 * MEGABYTE, total: int = 1_000 * MEGABYTE) -> None:
        policy = RegistryPolicy(kept_files_each=each, kept_files_total=total)
        registry = partial(Registry, rules=RuleSettings(policy=policy))
        monkeypatch.setattr("chatapp.testing.town.Registry", registry)

    return keep


async def kept(town: Town, peer: Peer, *, is_kept: bool = True) -> events.FileTransfer:
    """Wait until the registry keeps a file of ours, or does not any more."""
    while True:
        file = (await town.event(peer, events.FileChanged, within=200.0)).file
        if file.is_kept is is_kept:
            return file


async def offering_to_bob(town: Town, plan: Path) -> Peer:
    """Return alice, who has offered a file to bob while he was away."""
    alice, bob = await town.peer("alice"), await town.peer("bob")
    await bob.close()
    await alice.send_file("bob", plan)
    return alice


def on_disk(town: Town) -> list[str]:
    """Return the suffixes of what the registry keeps."""
    folder = town.registry.place.folder / "registry" / "5000" / "kept"
    return [path.suffix for path in folder.iterdir()] if folder.is_dir() else []


async def test_a_file_comes_although_the_two_are_never_there_together(
    keep: Keep, plan: Path
) -> None:
    keep()
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        assert (await kept(town, alice)).is_kept and on_disk(town) == [".kept"]
        await alice.close()
        bob = await town.peer("bob")
        line = await offered(town, bob)
        told: list[events.Event] = []
        bob.listen(told.extend)
        await bob.accept_file(line)
        got = await settled(town, bob)
        assert is_plan(got) and got.ways == (FileWay.KEPT,) and got.people == 0
        await town.wait(10.0)  # alice is told that he has it, who is away
        assert {type(event) for event in told} == {events.FileChanged}
        trace = await bob.past.why(line.id)
        assert trace is not None and trace.file is not None
        assert trace.file.ways == (FileWay.KEPT,)
        alice = await town.peer("alice")  # hears that he has it
        assert (await kept(town, alice, is_kept=False)).state is FileState.DONE
        assert on_disk(town) == []


async def test_nothing_is_kept_unless_the_owner_wants_it(plan: Path) -> None:
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        await town.wait(100.0)
        assert not (await alice.files())[0].is_kept and on_disk(town) == []
        await alice.close()
        bob = await town.peer("bob")
        await bob.accept_file(await offered(town, bob))
        await town.wait(100.0)
        assert (await bob.files())[0].state is FileState.WAITING
        await town.peer("alice")
        assert is_plan(await settled(town, bob))


async def test_a_file_is_given_once_its_reader_has_gone(keep: Keep, plan: Path) -> None:
    keep()
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        await offered(town, bob)
        await town.wait(20.0)
        assert on_disk(town) == []
        await bob.close()
        await kept(town, alice)


async def test_what_is_taken_back_is_dropped_also_after_a_restart(keep: Keep, plan: Path) -> None:
    keep()
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        await kept(town, alice)
        await town.registry.kill()
        (file,) = await alice.files()
        await alice.cancel_file(file)
        await town.registry.start()
        assert on_disk(town) == [".kept"]
        assert (await kept(town, alice, is_kept=False)).state is FileState.WITHDRAWN
        assert on_disk(town) == []


async def test_a_registry_that_is_killed_keeps_files_whole_or_not_at_all(
    keep: Keep, plan: Path
) -> None:
    keep()
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        while ".part" not in on_disk(town):
            await town.wait(0.01)
        await town.registry.kill()
        assert on_disk(town) == [".part"]
        await town.registry.start()
        assert on_disk(town) == []
        await kept(town, alice)
        await town.registry.kill()
        await town.registry.start()
        assert on_disk(town) == [".kept"]
        await alice.close()
        bob = await town.peer("bob")
        await bob.accept_file(await offered(town, bob))
        assert is_plan(await settled(town, bob))


async def test_a_room_with_somebody_away(keep: Keep, plan: Path) -> None:
    keep()
    async with Town() as town:
        alice, bob = await town.peer("alice", rooms="lab"), await town.peer("bob", rooms="lab")
        await bob.close()
        await town.wait(60.0)
        await alice.send_file(room("lab"), plan)
        await kept(town, alice)
        await alice.close()
        bob = await town.peer("bob", rooms="lab")
        await bob.accept_file(await offered(town, bob))
        got = await settled(town, bob)
        assert is_plan(got) and got.ways == (FileWay.KEPT,)


async def test_a_file_that_is_too_large_waits_for_both(keep: Keep, plan: Path) -> None:
    keep(each=2 * MEGABYTE)
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        await town.wait(300.0)
        assert not (await alice.files())[0].is_kept and on_disk(town) == []


async def test_erasing_somebody_erases_what_they_gave(keep: Keep, plan: Path) -> None:
    keep()
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        await kept(town, alice)
        running = town.registry._running
        assert running is not None
        figures = running.snapshot(0.0).figures
        assert figures["kept_files"] == 1 and figures["kept_bytes_given"] > len(CONTENT)
        await alice.close()
        assert isinstance(await running.ask(ErasePerson("alice")), PersonErased)
        await town.wait(SWEPT_EACH + MAINTENANCE_SPAN + 1.0)
        assert on_disk(town) == []


async def test_an_owner_who_switches_it_off_has_nothing_left(keep: Keep, plan: Path) -> None:
    keep()
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        await kept(town, alice)
        await town.registry.stop()
        keep(each=0)
        await town.registry.start()
        assert on_disk(town) == []


async def test_what_the_registry_has_thrown_away_is_not_said_to_be_there(
    keep: Keep, plan: Path
) -> None:
    keep(each=3 * MEGABYTE)
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await bob.close()
        for _ in range(2):
            await alice.send_file("bob", plan)
            await kept(town, alice)
        assert on_disk(town) == [".kept"]
        await town.registry.kill()
        await town.registry.start()
        assert not (await kept(town, alice, is_kept=False)).is_kept
        await town.wait(300.0)
        assert [file.is_kept for file in await alice.files()] == [False, True]


async def test_the_one_who_offers_comes_back_while_the_registry_gives(
    keep: Keep, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep()
    monkeypatch.setattr("chatapp.registry.kept.keeper.KEPT_BYTES_PER_SECOND", CHUNK_SIZE)
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        await kept(town, alice)
        await alice.close()
        bob = await town.peer("bob")
        await bob.accept_file(await offered(town, bob))
        await under_way(town, bob)
        await town.registry.kill()
        await town.wait(5.0)
        await town.registry.start()
        await town.peer("alice")
        assert is_plan(await settled(town, bob))


async def test_no_name_and_no_content_reaches_the_disk_of_the_registry(
    keep: Keep, tmp_path: Path
) -> None:
    keep()
    words = b"tomorrow at noon " * 100
    path = tmp_path / "secret.txt"
    path.write_bytes(words)
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await bob.close()
        await alice.send_file("bob", path)
        await kept(town, alice)
        home = town.registry.place.folder
        written = [found.read_bytes() for found in home.rglob("*") if found.is_file()]
        assert len(written) > 1
        assert not any(b"tomorrow" in one or b"secret" in one for one in written)


async def test_one_link_that_breaks_is_no_registry_that_keeps_nothing(
    keep: Keep, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep()
    take, cut = KeptFiles.take, list[str]()

    def breaks(self: KeptFiles, link: TcpLink, *others: Any) -> None:
        if cut:
            take(self, link, *others)
        else:
            cut.append("once")
            link.cut("broken")

    monkeypatch.setattr(KeptFiles, "take", breaks)
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        assert (await kept(town, alice)).is_kept and cut


async def test_a_file_that_has_changed_is_not_given_again_and_again(
    keep: Keep, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep()
    asked, opening = [0], Keeper.opening

    def counted(self: Keeper) -> tuple[bytes, LinkOpening]:
        asked[0] += 1
        return opening(self)

    monkeypatch.setattr(Keeper, "opening", counted)
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        await offered(town, bob)
        write(plan, CONTENT[1:])
        await bob.close()
        await town.wait(600.0)
        assert asked == [1] and on_disk(town) == []
        assert not (await alice.files())[0].is_kept


async def test_what_has_made_room_for_another_file_is_not_said_to_be_kept(
    keep: Keep, plan: Path
) -> None:
    keep(each=5 * MEGABYTE)
    async with Town() as town:
        alice = await offering_to_bob(town, plan)
        await kept(town, alice)
        for _ in range(2):
            await alice.send_file("bob", plan)
        await town.wait(100.0)
        assert [file.is_kept for file in await alice.files()] == [False, True, True]
        assert on_disk(town) == [".kept", ".kept"]
