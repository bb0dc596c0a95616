"""Folders that hold keys and mail: where they are, and access for their owner alone."""

import errno
import os
from pathlib import Path
from typing import Final

_FOLDER_MODE: Final = 0o700


def path_of(named: str) -> Path:
    """Return the path that a person typed, with `~` and `~name` expanded. Raises FileNotFoundError."""
    try:
        return Path(named).expanduser()
    except RuntimeError:
        raise FileNotFoundError(errno.ENOENT, "there is no such user", named) from None


def default_home() -> Path:
    """Return $CHATAPP_HOME, or the platform's folder for a program's data. Raises FileNotFoundError."""
    named = os.environ.get("CHATAPP_HOME")
    if named:
        return path_of(named)
    from platformdirs import user_data_path  # deferred: it takes 20 ms, which most starts need not spend

    return user_data_path("ChatApp", appauthor=False)


def make_private(folder: Path) -> None:
    """Create `folder` and its missing parents, accessible to this user alone. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    folder.chmod(_FOLDER_MODE)
