"""This file is about folders that hold keys and mail: where they are, and that they are for their owner alone."""

import os
from pathlib import Path
from typing import Final

_FOLDER_MODE: Final = 0o700


def default_home() -> Path:
    """$CHATAPP_HOME, or where this platform keeps a program's data."""
    named = os.environ.get("CHATAPP_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path  # costs a start 20 ms that most starts need not pay

    return user_data_path("ChatApp", appauthor=False)


def make_private(folder: Path) -> None:
    """Make `folder` and what is missing above it, all for this user alone. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    folder.chmod(_FOLDER_MODE)
