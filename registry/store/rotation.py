"""A series of backups in one folder: each in a folder of its own, named by its time, and only the
newest ones kept."""

import datetime as dt
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from chatapp.registry.store.backup import BackupFailed, read_manifest
from chatapp.wire.folders import make_private, write_whole

LAST_BACKUP: Final = "last-backup"
"""The file in a registry's folder that says when its last backup succeeded, in Unix seconds."""

_NAME: Final = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?\Z", re.ASCII)
_SAME_SECOND_MAX: Final = 100
_DIGITS_MAX: Final = 16


def next_in(series: Path, *, at: float) -> Path:
    """Return the folder for a backup made at the Unix time `at`: one that does not exist yet. The
    series is created if it is missing. Raises BackupFailed."""
    try:
        if not series.exists():
            make_private(series)
        elif not series.is_dir():
            raise BackupFailed(f"{series} is not a folder")
    except OSError as error:
        raise BackupFailed(f"{error.filename or series}: {error.strerror or error}") from None
    stem = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    names = [stem, *(f"{stem}-{number}" for number in range(2, _SAME_SECOND_MAX))]
    free = next((name for name in names if not (series / name).exists()), None)
    if free is None:
        raise BackupFailed(f"{series} has {_SAME_SECOND_MAX - 1} backups of this second already")
    return series / free


def prune(series: Path, *, keep: int, key: str) -> list[Path]:
    """Remove all but the newest `keep` complete backups of the registry with this public key
    (hexadecimal digits). Return the removed folders. Everything else in the folder stays: other
    registries' backups, and what is no backup. Raises BackupFailed."""
    removed = []
    for backup in sorted(_backups_in(series, key), key=_order)[:-keep]:
        try:
            shutil.rmtree(backup)
        except OSError as error:
            raise BackupFailed(f"{error.filename or backup}: {error.strerror or error}") from None
        removed.append(backup)
    return removed


def _backups_in(series: Path, key: str) -> list[Path]:
    found = []
    for path in series.iterdir():
        if _NAME.match(path.name) and path.is_dir() and not path.is_symlink():
            with suppress(BackupFailed):
                if read_manifest(path).key == key:
                    found.append(path)
    return found


def _order(backup: Path) -> tuple[str, int]:
    stem, _, number = backup.name.partition("-")
    return stem, int(number or 1)


def note_backup(folder: Path, *, at: float) -> None:
    """Note in a registry's folder that a backup was made at this Unix time. Raises OSError."""
    write_whole(folder / LAST_BACKUP, f"{int(at)}\n".encode())


def last_backup(folder: Path) -> int | None:
    """Return when the last backup of a registry succeeded, in Unix seconds; None if that is not
    known."""
    try:
        text = (folder / LAST_BACKUP).read_bytes()[: _DIGITS_MAX + 1].strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and len(text) <= _DIGITS_MAX else None
