"""This file is about what can go wrong in the store. It knows no files; every other file of the package raises these.

StoreError
    StoreInUse       another registry has the folder
    StoreUnusable    the folder cannot be made, opened or read
        StoreLacking     a file is gone or empty that must be there
    StoreFull        no room now; nothing of the batch was kept, a later one may fit
    StoreBroken      a call to the operating system failed in another way
    StoreReadOnly    nothing more is promised until the store has recovered; what is there can be read
    RecordLost       single records that were asked for cannot be read (any more)
"""

import errno
import shlex
from collections.abc import Sequence

# EFBIG: the process may not make files that large (RLIMIT_FSIZE): to a user as good as a full disk.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


LOST_SUFFIX = ".lost"
"""A file of this name beside one that is gone says that the store is to go on without it."""


class StoreError(Exception):
    """`where` names the file or folder, `reason` says why in words for a person."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class StoreInUse(StoreError):
    """Two registries never share a folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder, "another registry is using this folder")


class StoreUnusable(StoreError):
    """The folder cannot be made, opened or read."""


class StoreLacking(StoreUnusable):
    """To start without this file would give people's names to anybody: whoever runs the registry has to decide."""

    def __init__(self, folder: str, name: str, what: str) -> None:
        lost = shlex.quote(f"{folder}/{name}{LOST_SUFFIX}")
        super().__init__(
            f"{folder}/{name}",
            f"{what}; names, letters and lines that only it held would be lost, and such names be anybody's. "
            f"Restore it from a copy; or, to go on without it, run: touch {lost}; "
            f"or, to begin anew with all names free, move {folder} away",
        )


class StoreFull(StoreError):
    """There is no room now. Nothing of what was being written counts; old records can be read."""


class StoreBroken(StoreError):
    """A call to the operating system failed, and not for want of room."""


class StoreReadOnly(StoreError):
    """After a failed sync or a write that could not be undone: reading goes on, writing when the store has recovered."""


class RecordLost(StoreError):
    """`keys` (serials or positions) cannot be read: never stored, dropped, or damaged on the disk."""

    def __init__(self, where: str, keys: Sequence[int]) -> None:
        super().__init__(where, f"cannot be read: {', '.join(map(str, keys))}")
        self.keys = list(keys)


def from_os_error(where: str, wrong: OSError) -> StoreFull | StoreBroken:
    """The store's word for what the operating system said."""
    reason = wrong.strerror or str(wrong)
    if wrong.errno in _NO_ROOM:
        return StoreFull(where, reason)
    return StoreBroken(where, reason)
