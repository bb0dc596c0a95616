"""The entries of the help desk, and that the lines of a visit leave the disk with it."""

import errno
from pathlib import Path

import msgspec
import pytest

from chatapp.registry.store.entries import DeskLineKept, DeskVisitKept, DeskVisitOver, Entry
from chatapp.registry.store.files import ERASE_SPAN, RETRY_SPAN, FileStore
from chatapp.registry.store.state import StoreState
from chatapp.wire.errors import StoreError
from chatapp.wire.limits import (
    DESK_LINES_BYTES_MAX,
    DESK_LINES_MAX,
    DESK_SESSIONS_MAX,
    DESK_UNTOLD_MAX,
)
from chatapp.wire.storage import Disk
from tests.registry.store.playbook import (
    ALICE,
    forgotten,
    kept,
    opened,
    over,
    said,
    transcript,
    visiting,
)
from tests.support.memory_store import MemoryStore
from tests.wire.storage.disks import WatchedDisk


def image_of(*entries: Entry) -> StoreState[Entry]:
    state: StoreState[Entry] = StoreState()
    for entry in entries:
        state.apply(entry, entry)
    return state


def test_the_latest_record_of_a_visit_holds() -> None:
    desk = image_of(visiting(1), visiting(2), visiting(1, operator=ALICE)).desk
    assert list(desk.visits.values()) == [visiting(1, operator=ALICE), visiting(2)]


def test_lines_go_with_their_visit() -> None:
    desk = image_of(
        visiting(1), said(1), said(2), visiting(2), said(1, 2), over(1, called_at=4)
    ).desk
    assert list(desk.lines.values()) == [said(1, 2)]
    assert list(desk.served.values()) == [over(1, called_at=4)]


def test_older_lines_are_dropped() -> None:
    desk = image_of(visiting(1), said(1), said(2), said(3, first=3)).desk
    assert list(desk.lines.values()) == [said(3, first=3)]
    assert desk.apply(said(2), said(2)) == (said(2),)


def test_a_number_is_never_given_again_even_when_nobody_was_served() -> None:
    store = MemoryStore()
    store.append([visiting(1), visiting(2), over(2), over(1)])
    store.sync()
    store.crash()
    assert store.load().desk.highest_visit == 2


def test_sessions_that_are_remembered_have_a_cap() -> None:
    state: StoreState[int] = StoreState()
    freed: list[int] = []
    for visit in range(1, DESK_SESSIONS_MAX + 3):
        freed += state.apply(over(visit, called_at=1), visit)
    assert len(state.desk.served) == DESK_SESSIONS_MAX
    assert freed == [1, 2]


def test_who_came_and_went_unserved_takes_no_session_s_place() -> None:
    state: StoreState[int] = StoreState()
    state.apply(over(1, called_at=1), 1)
    for visit in range(2, DESK_SESSIONS_MAX + 9):
        state.apply(over(visit), visit)
    assert list(state.desk.served) == [1]
    assert len(state.desk.last) == 1


def test_ends_that_a_visitor_is_still_to_be_told_of_have_a_cap_of_their_own() -> None:
    state: StoreState[int] = StoreState()
    freed: list[int] = []
    for visit in range(1, DESK_UNTOLD_MAX + 3):
        freed += state.apply(untold(visit), visit)
    freed += state.apply(over(999), 999)
    assert list(state.desk.untold) == list(range(3, DESK_UNTOLD_MAX + 3))
    assert freed == [1, 2]
    assert state.apply(visiting(5), 5) == (5,), "it stays over"


def test_a_past_session_is_kept_until_it_is_dropped() -> None:
    desk = image_of(
        kept(1), transcript(1, "hi"), kept(2), forgotten([], [1]), kept(3), forgotten([2], [2])
    ).desk
    assert list(desk.sessions.values()) == [kept(1), kept(3)]
    assert desk.transcripts == {}
    assert desk.apply(kept(1, note="x"), kept(1, note="x")) == (kept(1),)


def test_what_was_kept_of_a_session_leaves_every_file_when_it_is_dropped(tmp_path: Path) -> None:
    folder, clock = tmp_path / "r", Clock()
    store = FileStore(folder, now=clock)
    store.load()
    past = msgspec.structs.replace(
        kept(1), name="Zebedee Quux", number="+919876501234", note="call the aunt"
    )
    store.append([*session(1), past, transcript(1, "the blue envelope")])
    store.checkpoint()
    assert found(folder) == list(WORDS)
    clock.now += ERASE_SPAN
    store.append([forgotten([1], [1])])
    assert store.checkpoint_due(clock.now)
    store.checkpoint()
    assert found(folder) == []
    store.close()


def untold(visit: int) -> DeskVisitOver:
    return msgspec.structs.replace(over(visit), ticket=bytes(16), cause=2)


def test_an_end_that_is_to_be_told_outlives_a_checkpoint(tmp_path: Path) -> None:
    store, _ = opened(tmp_path / "r", Disk())
    store.append([visiting(1), untold(1)])
    store.checkpoint()
    store.close()
    again, loaded = opened(tmp_path / "r", Disk())
    assert loaded.desk.untold == [untold(1)]
    again.close()


def test_what_was_said_leaves_the_disk_with_the_next_checkpoint(tmp_path: Path) -> None:
    store, _ = opened(tmp_path / "r", Disk())
    store.append([visiting(1), visiting(2), said(1, size=5_000)])
    store.checkpoint()
    assert b"x" * 5_000 in (tmp_path / "r" / "desk").read_bytes()
    store.append([over(1, called_at=3)])
    store.checkpoint()
    assert b"x" * 5_000 not in (tmp_path / "r" / "desk").read_bytes()
    store.close()
    again, loaded = opened(tmp_path / "r", Disk())
    assert loaded.desk.visits == [visiting(2)]
    assert loaded.desk.served == [DeskVisitOver(1, "desk", 5, 3, 9, 3, 1)]
    again.close()


# --- nothing personal is left on the disk


WORDS = (b"Zebedee Quux", b"+919876501234", b"the blue envelope", b"call the aunt")


def personal(visit: int, *, note: str = "") -> DeskVisitKept:
    return msgspec.structs.replace(
        visiting(visit), name="Zebedee Quux", number="+919876501234", note=note
    )


def session(visit: int) -> list[Entry]:
    """Return all entries of a visit, including its end."""
    return [
        personal(visit),
        msgspec.structs.replace(said(1, visit), text="the blue envelope"),
        personal(visit, note="call the aunt"),
        over(visit, called_at=3),
    ]


def found(folder: Path) -> list[bytes]:
    """Return the words that occur in any file of the store, as raw bytes."""
    content = b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())
    return [word for word in WORDS if word in content]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_personal_leaves_every_file_when_the_session_is_over(tmp_path: Path) -> None:
    folder, clock = tmp_path / "r", Clock()
    store = FileStore(folder, now=clock)
    store.load()
    clock.now += ERASE_SPAN
    *before, end = session(1)
    store.append(before)
    store.checkpoint()
    store.append([personal(1, note="call the aunt"), *(session(2)[:-1])])
    clock.now += ERASE_SPAN
    assert found(folder) == list(WORDS)
    assert not store.checkpoint_due(clock.now)
    store.append([end, over(2)])
    assert store.checkpoint_due(clock.now)
    store.checkpoint()
    assert found(folder) == []
    assert not store.checkpoint_due(clock.now + ERASE_SPAN)
    store.close()
    assert found(folder) == []


def test_it_leaves_them_also_when_the_registry_was_killed_right_after(tmp_path: Path) -> None:
    folder, clock = tmp_path / "r", Clock()
    disk = WatchedDisk()
    store = FileStore(folder, disk=disk, now=clock)
    store.load()
    store.append(session(1))
    disk.kill()
    again = FileStore(folder, now=clock)
    again.load()
    assert found(folder) == list(WORDS)
    clock.now += ERASE_SPAN
    assert again.checkpoint_due(clock.now)
    again.checkpoint()
    assert found(folder) == []
    again.close()


def test_it_leaves_them_after_a_checkpoint_that_failed(tmp_path: Path) -> None:
    """A journal left by an earlier try is checkpointed first, then the present one."""
    folder, clock = tmp_path / "r", Clock()
    disk = FailingDisk()
    store = FileStore(folder, disk=disk, now=clock)
    store.load()
    *before, end = session(1)
    store.append(before)
    disk.fails = True
    with pytest.raises(StoreError):
        store.checkpoint()
    disk.fails = False
    store.append([end])
    rounds = 0
    while found(folder):
        clock.now += max(ERASE_SPAN, RETRY_SPAN)
        assert store.checkpoint_due(clock.now)
        store.checkpoint()
        rounds += 1
    assert rounds <= 2
    store.close()


def test_ends_that_follow_each_other_closely_share_a_checkpoint(tmp_path: Path) -> None:
    clock = Clock()
    store = FileStore(tmp_path / "r", now=clock)
    store.load()
    clock.now += ERASE_SPAN
    count = 0
    for visit in range(1, 101):
        store.append(session(visit))
        if store.checkpoint_due(clock.now):
            store.checkpoint()
            count += 1
        clock.now += 0.5
    assert count == 10
    store.close()


class FailingDisk(Disk):
    """A disk that accepts no new files except journals while it fails."""

    fails = False

    def create(self, folder: int, name: str) -> int:
        if self.fails and not name.startswith("journal"):
            raise OSError(errno.ENOSPC, "no room")
        return super().create(folder, name)


@pytest.mark.parametrize("size", [0, 1, DESK_LINES_BYTES_MAX // 4])
def test_a_line_of_any_length_is_kept(tmp_path: Path, size: int) -> None:
    store, _ = opened(tmp_path / "r", Disk())
    store.append([visiting(1), said(DESK_LINES_MAX, size=size)])
    store.close()
    again, loaded = opened(tmp_path / "r", Disk())
    assert loaded.desk.lines == {1: [said(DESK_LINES_MAX, size=size)]}
    again.close()


def test_what_was_changed_is_kept_as_it_is_now() -> None:
    now = msgspec.structs.replace(said(1), text="hello", mark=1)
    state = image_of(said(1), said(2), now)
    assert [line.text for line in state.desk.lines.values() if isinstance(line, DeskLineKept)] == [
        "hello",
        said(2).text,
    ]
    late = image_of(said(1), said(2, first=2), now)
    assert list(late.desk.lines.values()) == [said(2, first=2)]


def test_what_was_taken_back_leaves_every_file_soon(tmp_path: Path) -> None:
    folder, clock = tmp_path / "r", Clock()
    store = FileStore(folder, now=clock)
    store.load()
    secret = msgspec.structs.replace(said(1), text="my pin is 1234")
    store.append([visiting(1), secret])
    clock.now += ERASE_SPAN
    store.checkpoint()
    taken_back = msgspec.structs.replace(secret, text="", mark=2)
    change = msgspec.structs.replace(said(2), text="", mark=2, target=1)
    clock.now += ERASE_SPAN
    assert not store.checkpoint_due(clock.now)
    store.append([taken_back, change])
    assert store.checkpoint_due(clock.now)
    store.checkpoint()
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(b"1234" in data for data in files)
    store.close()
    again = FileStore(folder, now=clock)
    assert again.load().desk.lines[1] == [taken_back, change]
    again.close()
