"""A series of backups: each has a folder of its own, the newest stay, and nothing else is
removed."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.store import backup

NOON = 1_700_000_000.0
OURS, OTHER = "aa" * 32, "bb" * 32


def made(series: Path, *, at: float, key: str = OURS) -> str:
    """Make a backup with nothing in it. Return its name."""
    folder = backup.next_in(series, at=at)
    folder.mkdir()
    manifest = backup.Manifest(format=backup.FORMAT, port=5000, key=key, made_at=int(at), files={})
    (folder / backup.MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder.name


def names(series: Path) -> list[str]:
    return sorted(path.name for path in series.iterdir())


@given(count=st.integers(1, 12), keep=st.integers(1, 8))
def test_the_newest_stay_whatever_the_seconds_in_which_they_were_made(
    count: int, keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    series = tmp_path_factory.mktemp("series")
    backups = [made(series, at=NOON + number // 3) for number in range(count)]
    removed = backup.prune(series, keep=keep, key=OURS)
    assert [path.name for path in removed] == backups[: max(count - keep, 0)]
    assert names(series) == sorted(backups[-keep:])


def test_nothing_but_complete_backups_of_the_same_registry_is_removed(tmp_path: Path) -> None:
    others = [made(tmp_path, at=NOON - 9, key=OTHER)]
    (tmp_path / "20200101T000000Z").mkdir()  # one that was never completed
    (tmp_path / "letters").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    ours = made(tmp_path, at=NOON - 8)
    (tmp_path / "20200101T000001Z").symlink_to(tmp_path / ours)
    last = made(tmp_path, at=NOON)
    assert [path.name for path in backup.prune(tmp_path, keep=1, key=OURS)] == [ours]
    left = [*others, last, "20200101T000000Z", "20200101T000001Z", "letters", "notes.txt"]
    assert names(tmp_path) == sorted(left)


def test_a_series_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(backup.BackupFailed, match="file"):
        backup.next_in(tmp_path / "file", at=NOON)


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    backup.next_in(tmp_path, at=NOON)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    backup.next_in(tmp_path / "new", at=NOON)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_the_time_of_the_last_backup_is_kept(tmp_path: Path) -> None:
    assert backup.last_backup(tmp_path) is None
    backup.note_backup(tmp_path, at=NOON + 0.7)
    assert backup.last_backup(tmp_path) == NOON


@pytest.mark.parametrize("content", [b"", b"soon", b"-5", b"9" * 30, b"\xff"])
def test_a_damaged_time_counts_as_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / backup.LAST_BACKUP).write_bytes(content)
    assert backup.last_backup(tmp_path) is None
