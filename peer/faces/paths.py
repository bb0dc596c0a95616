"""The files and folders that Tab offers."""

import os
from typing import Final

from chatapp.wire.folders import path_of

LISTED_MAX: Final = 200


def list_paths(begun: str) -> list[str]:
    """Return the paths that begin like this, folders with a slash behind them; what begins with a
    dot is offered when the dot is typed."""
    folder, slash, start = begun.rpartition("/")
    try:
        with os.scandir(path_of(f"{folder}{slash}" or ".")) as entries:
            found = [
                f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
                for entry in entries
                if entry.name.startswith(start)
                and entry.name.isprintable()
                and (start or not entry.name.startswith("."))
            ]
    except OSError:
        return []
    return sorted(found)[:LISTED_MAX]
