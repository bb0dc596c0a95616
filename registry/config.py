"""This file is about where a registry keeps its files, and what it asks of the machine. It opens none of them."""

from pathlib import Path

from wire.folders import default_home

_DESCRIPTORS_KEPT = 48
"""Descriptors for sockets that listen, the loop, journals and mailboxes being written."""
_LINKS_MAX = 200_000


def folder_of(port: int, data: Path | None) -> Path:
    """The folder of the registry on this port, in `data`, else in $CHATAPP_HOME, else where the platform keeps data."""
    return (data or default_home()) / "registry" / str(port)


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
