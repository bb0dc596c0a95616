"""Folders that hold keys and mail: where they are, and that they are for their owner alone."""

import errno
import os
from pathlib import Path
from typing import Final

_FOLDER_MODE: Final = 0o700


def path_of(named: str) -> Path:
    """What a person means by it, `~` and `~name` being somebody's home. Raises FileNotFoundError."""
    try:
        return Path(named).expanduser()
    except RuntimeError:
        raise FileNotFoundError(errno.ENOENT, "there is no such user", named) from None


def default_home() -> Path:
    """$CHATAPP_HOME, or where this platform keeps a program's data. Raises FileNotFoundError."""
    named = os.environ.get("CHATAPP_HOME")
    if named:
        return path_of(named)
    from platformdirs import user_data_path  # costs a start 20 ms that most starts need not pay

    return user_data_path("ChatApp", appauthor=False)


def make_private(folder: Path) -> None:
    """Make `folder` and what is missing above it, all for this user alone. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    folder.chmod(_FOLDER_MODE)
