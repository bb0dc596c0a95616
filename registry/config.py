"""This file is about where a registry keeps its files, and what it asks of the machine. It opens none of them."""

import os
from pathlib import Path

HOME_VARIABLE = "CHATAPP_HOME"
_FOLDER_MODE = 0o700
_DESCRIPTORS_KEPT = 48
"""Descriptors for sockets that listen, the loop, journals and mailboxes being written."""
_LINKS_MAX = 200_000


def folder_of(port: int, data: Path | None) -> Path:
    """The folder of the registry on this port, in `data`, else in $CHATAPP_HOME, else where the platform keeps data."""
    return (data or _home()) / "registry" / str(port)


def make_private(folder: Path) -> None:
    """Make `folder` and what is missing above it, all for this user alone. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    folder.chmod(_FOLDER_MODE)


def raise_descriptor_limit() -> None:
    """As many descriptors as the system lets us have: each peer takes one."""
    try:
        import resource  # not on every platform
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # what we have must do


def links_max() -> int:
    """How many connections there may be, so that files and the next accept still find a descriptor."""
    try:
        import resource  # not on every platform
    except ImportError:
        return _LINKS_MAX
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _LINKS_MAX
    return max(min(soft - _DESCRIPTORS_KEPT, _LINKS_MAX), 1)


def _home() -> Path:
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser()
    from platformdirs import user_data_path  # only asked for where nobody said

    return user_data_path("ChatApp", appauthor=False)
