"""Crashes between any two steps, by a kill or a power failure: nothing synced is lost, and nothing
removed comes back."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.registry.store.backup import inspect
from chatapp.registry.store.entries import CheckpointMark, Entry, decode
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.protocol import Loaded
from chatapp.wire.storage import HEADER_SIZE, scan
from tests.registry.store.playbook import (
    BOB,
    Model,
    Script,
    View,
    bound,
    cut,
    files,
    full_script,
    key,
    line,
    opened,
    stored,
    taken,
    view,
)
from tests.registry.store.strategies import Author
from tests.wire.storage.disks import Died, DyingDisk, WatchedDisk
from tests.wire.storage.power import PowerDisk


def states(folder: Path) -> Iterator[View]:
    """A folder, used by one process after the other, with everything that may happen in between. No
    file at rest is ever missing, changed or stray."""
    for _ in range(2):  # replaying twice changes nothing
        disk = WatchedDisk()
        assert flaws(folder) == []
        yield view(*in_order(folder, disk))
        disk.kill()
    disk = WatchedDisk()
    store, _ = in_order(folder, disk)
    store.checkpoint()
    disk.kill()
    for _ in range(2):
        assert flaws(folder) == []
        store, loaded = in_order(folder, WatchedDisk())
        yield view(store, loaded)
        store.close()
    assert not list(folder.rglob("*.new"))


def in_order(folder: Path, disk: WatchedDisk) -> tuple[FileStore, Loaded]:
    """Open a store that nobody but a registry has touched."""
    store, loaded = opened(folder, disk)
    assert all(line.startswith("journal-") for line in loaded.damage), loaded.damage
    return store, loaded


def flaws(folder: Path) -> list[str]:
    """Return what reading the same files finds, but for the key, which these registries have not,
    and the end of a journal. Nothing is there to be read before the first start has ended."""
    if not {"names", "journals"} <= set(files(folder)):
        return []
    return [
        line
        for line in inspect(folder, lengths={}).damage
        if not line.startswith(("identity.", "journal-"))
    ]


def die_at(step: int, folder: Path, disk: DyingDisk) -> Script | None:
    """Run the script up to that step; None if it ends before."""
    script = full_script()
    try:
        store, _ = opened(folder, disk)
        script.play(store)
        store.close()
    except Died:
        disk.kill()
        return script
    return None


def test_killed_between_any_two_steps(tmp_path: Path) -> None:
    for step in itertools.count():
        folder = tmp_path / str(step)
        script = die_at(step, folder, DyingDisk(step))
        if script is None:
            break
        first, *others = states(folder)
        # What was written outlives the process, synced or not.
        assert first in script.outcomes(len(script.appended)), step
        assert all(other == first for other in others), step
    assert step > 90


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_the_power_fails_between_any_two_steps(tmp_path: Path, share: float) -> None:
    for step in itertools.count():
        chance = Random(step)
        disk = PowerDisk(step)
        script = die_at(step, tmp_path / str(step), disk)
        if script is None:
            break
        for part in range(2 if share == 0.5 else 1):
            left = tmp_path / f"{step}-{part}-left"
            left.mkdir()
            disk.survivors(left, chance, share)
            first, *others = states(left)
            assert first in script.outcomes(script.synced), step
            assert all(other == first for other in others), step
    assert step > 90


def test_killed_between_any_two_steps_then_made_up_for_and_then_the_power_fails(
    tmp_path: Path,
) -> None:
    """The second process may have read bytes that are in the kernel's memory only: it must sync
    them itself."""
    for step in itertools.count():
        disk = PowerDisk(step)
        script = die_at(step, tmp_path / str(step), disk)
        if script is None:
            break
        disk.revive(1000)
        store, loaded = opened(tmp_path / str(step), disk)
        found = view(store, loaded)
        if step % 2:
            store.checkpoint()
        disk.kill()
        left = tmp_path / f"{step}-left"
        left.mkdir()
        disk.survivors(left, Random(step), 0)
        assert all(state == found for state in states(left)), step


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_play_through_several_deaths(
    new_folder: Callable[[], Path], data: st.DataObject
) -> None:
    """Each run begins with the files of the last run, and must keep what it finds there."""
    folder = new_folder()
    author = Author()
    past: list[Entry] = []
    disk = PowerDisk(0)
    for _ in range(data.draw(st.integers(1, 4))):
        kinds = data.draw(
            st.lists(st.sampled_from(("say", "say", "sync", "checkpoint")), min_size=1, max_size=10)
        )
        script = Script([author.batch(data) if kind == "say" else kind for kind in kinds])
        disk.revive(data.draw(st.integers(2, 90)))
        with suppress(Died):
            store, loaded = opened(folder, disk)
            assert view(store, loaded) == Model().say(past).view()
            script.play(store)
        if data.draw(st.booleans()):
            disk.revive(1000)
            at_least = len(script.appended)
            first = view(*opened(folder, disk))
        else:
            disk.kill()
            folder = new_folder()
            share = data.draw(st.sampled_from((0, 0.5, 1)))
            disk.survivors(folder, Random(data.draw(st.integers(0, 9))), share)
            disk = PowerDisk(0)
            at_least = script.synced
            first, *others = states(folder)
            assert all(other == first for other in others)
        outcomes = script.outcomes(at_least, past)
        assert first in outcomes
        past += script.begun[: at_least + outcomes.index(first)]
        author.go_on_from(Model().say(past))
    disk.kill()


def counted_through(folder: Path) -> int:
    """Return the generation up to which the file of names is complete; 0 also if there is no such
    file."""
    names = folder / "names"
    mark = decode(scan(names.read_bytes())[0][0]) if names.exists() else None
    return mark.generation if isinstance(mark, CheckpointMark) else 0


def test_a_damaged_journal_brings_nothing_back_that_its_files_have_passed(tmp_path: Path) -> None:
    """The process is killed when the files are complete and the journal still exists; then the
    journal is cut at every byte."""
    said: list[Entry] = [
        stored(1),
        stored(2),
        line(1),
        key(1),
        bound("al"),
        taken(1),
        cut(1),
        stored(3),
    ]
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        disk = DyingDisk(steps)
        with suppress(Died):
            store, _ = opened(folder, disk)
            store.append(said)
            store.checkpoint()
        disk.kill()
        if counted_through(folder):
            break
        last, steps = folder, steps + 1
    data = (last / "journal-000000000001").read_bytes()
    (start, *_), _ = scan(data)
    for end in range(HEADER_SIZE + len(start), len(data)):
        torn = tmp_path / f"torn-{end}"
        shutil.copytree(last, torn)
        (torn / "journal-000000000001").write_bytes(data[:end])
        after = WatchedDisk()
        _, loaded = opened(torn, after)
        assert [head.serial for head in loaded.letters[BOB]] == [2, 3]
        assert loaded.groups["tea"].lines == []
        after.kill()
