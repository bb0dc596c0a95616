"""Notice at a start that a history has lost lines which were committed.

SQLite keeps the undamaged beginning of a write-ahead log and silently drops the rest, and it discards the log of a missing
database. After a power cut that is right. But what was dropped had been acknowledged to its sender, who will not send it
again, so the user must be told. See `docs/decisions/noticing-lost-history.md`.
"""

import contextlib
import shutil
from pathlib import Path

from chatapp.peer.core.events import HistoryMissing, LinesLost
from chatapp.peer.history.database import History


def open_history(
    path: Path, *, server: str, is_new: bool
) -> tuple[History, HistoryMissing | LinesLost | None]:
    """Open a history, and tell what it has lost. Files from which SQLite would drop something are kept under another name.
    `is_new`: there was no history before. Raises sqlite3.Error, OSError."""
    log = Path(f"{path}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    if not path.exists() or not path.stat().st_size:
        kept = _copied(log) if has_log else None
        history = History(path, server=server)
        history.accept_losses()
        if is_new and kept is None:
            return history, None
        return history, HistoryMissing(path=str(path), kept_as=None if kept is None else kept.name)
    # Whether anything is missing is known once SQLite has read the log; by then it may have changed it.
    copy = _copied(log) if has_log else None
    try:
        history = History(path, server=server)
    except BaseException:
        _remove(copy)
        raise
    if not history.lost_lines:
        _remove(copy)
        return history, None
    lost = LinesLost(path=str(path), count=history.lost_lines, kept_as=None if copy is None else copy.name)
    history.accept_losses()
    return history, lost


def _copied(path: Path) -> Path:
    """Copy a file to a name that nothing else has."""
    number = 1
    while (copy := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    shutil.copy2(path, copy)
    return copy


def _remove(copy: Path | None) -> None:
    if copy is not None:
        with contextlib.suppress(OSError):
            copy.unlink()
