"""What the entries of the help desk mean, and that what was said in a visit leaves the disk with it."""

from pathlib import Path

import pytest

from registry.store.disk import Disk
from registry.store.entries import DeskVisitOver, Entry
from registry.store.image import Image
from registry.store.memory import MemoryStore
from tests.registry.store.playbook import ALICE, opened, over, said, visiting
from wire.limits import DESK_LINES_BYTES_MAX, DESK_LINES_MAX, DESK_SESSIONS_MAX


def image_of(*entries: Entry) -> Image[Entry]:
    image: Image[Entry] = Image()
    for entry in entries:
        image.apply(entry, entry)
    return image


def test_the_latest_record_of_a_visit_holds() -> None:
    desk = image_of(visiting(1), visiting(2), visiting(1, operator=ALICE)).desk
    assert list(desk.visits.values()) == [visiting(1, operator=ALICE), visiting(2)]


def test_lines_go_with_their_visit() -> None:
    desk = image_of(visiting(1), said(1), said(2), visiting(2), said(1, 2), over(1, called_at=4)).desk
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
    image: Image[int] = Image()
    freed: list[int] = []
    for visit in range(1, DESK_SESSIONS_MAX + 3):
        freed += image.apply(over(visit, called_at=1), visit)
    assert len(image.desk.served) == DESK_SESSIONS_MAX
    assert freed == [1, 2]


def test_who_came_and_went_unserved_takes_no_session_s_place() -> None:
    image: Image[int] = Image()
    image.apply(over(1, called_at=1), 1)
    for visit in range(2, DESK_SESSIONS_MAX + 9):
        image.apply(over(visit), visit)
    assert list(image.desk.served) == [1]
    assert len(image.desk.last) == 1


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


@pytest.mark.parametrize("size", [0, 1, DESK_LINES_BYTES_MAX // 4])
def test_a_line_of_any_length_is_kept(tmp_path: Path, size: int) -> None:
    store, _ = opened(tmp_path / "r", Disk())
    store.append([visiting(1), said(DESK_LINES_MAX, size=size)])
    store.close()
    again, loaded = opened(tmp_path / "r", Disk())
    assert loaded.desk.lines == {1: [said(DESK_LINES_MAX, size=size)]}
    again.close()
