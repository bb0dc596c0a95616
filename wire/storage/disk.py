"""The calls to the operating system of everything that is stored in journals: they reach the disk
in no other way.

This is a seam: tests put a disk in its place that fails, fills up or loses power at any of these
steps. POSIX only. Everything is opened relative to its folder with O_NOFOLLOW, so a link that
somebody left there is never followed.
"""

import contextlib
import fcntl
import os
import sys
from pathlib import Path

DAMAGED = ".damaged-"
"""What comes between the name and the number of a damaged file that was set aside."""

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class SyncFailed(OSError):
    """The disk did not confirm. A second sync proves nothing: Linux reports a lost page once, then
    calls it clean."""


class Disk:
    """One method for each step. All raise OSError; `sync` and `sync_folder` raise SyncFailed."""

    def open_root(self, path: Path) -> int:
        """Open a store's own folder, making its last part if it is missing. An existing one keeps
        its mode."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir(mode=_FOLDER_MODE)
        except FileExistsError:
            return _open_folder(path)
        above = _open_folder(path.parent)
        try:
            self.sync_folder(above)
        finally:
            os.close(above)
        return _open_folder(path)

    def open_folder(self, within: int, name: str) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, _FOLDER_MODE, dir_fd=within)
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=within)

    def names(self, folder: int) -> list[str]:
        return sorted(os.listdir(folder))

    def create(self, folder: int, name: str) -> int:
        """Create a file to append to and read. Raises FileExistsError if there is one."""
        return os.open(
            name,
            os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _FLAGS,
            _FILE_MODE,
            dir_fd=folder,
        )

    def open_to_append(self, folder: int, name: str) -> int:
        return os.open(name, os.O_RDWR | os.O_APPEND | _FLAGS, dir_fd=folder)

    def open_to_read(self, folder: int, name: str) -> int:
        # O_NONBLOCK: a named pipe must not hold up the start.
        return os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS, dir_fd=folder)

    def open_to_overwrite(self, folder: int, name: str) -> int:
        """Open a file that holds one short value, creating it if it is missing."""
        return os.open(name, os.O_WRONLY | os.O_CREAT | _FLAGS, _FILE_MODE, dir_fd=folder)

    def close(self, file: int) -> None:
        os.close(file)

    def size(self, file: int) -> int:
        return os.fstat(file).st_size

    def links(self, file: int) -> int:
        return os.fstat(file).st_nlink

    def read(self, file: int, length: int, offset: int) -> bytes:
        return os.pread(file, length, offset)

    def write(self, file: int, data: bytes | memoryview) -> int:
        return os.write(file, data)

    def overwrite(self, file: int, data: bytes) -> None:
        """Replace the value in a file by another one of the same length. A crash leaves the one or
        the other."""
        os.pwrite(file, data, 0)

    def cut(self, file: int, length: int) -> None:
        os.ftruncate(file, length)

    def sync(self, file: int) -> None:
        try:
            self._fdatasync(file)
        except OSError as error:
            raise SyncFailed(error.errno, error.strerror) from error

    def sync_folder(self, folder: int) -> None:
        """Make the names in a folder durable: of files created, renamed and removed."""
        try:
            os.fsync(folder)
        except OSError as error:
            raise SyncFailed(error.errno, error.strerror) from error

    def rename(self, folder: int, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)

    def link(self, folder: int, old: str, new: str) -> None:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)

    def remove(self, folder: int, name: str) -> None:
        os.unlink(name, dir_fd=folder)

    def lock(self, folder: int, name: str) -> int | None:
        """Take a lock that ends with this process. Return None if another process has it."""
        file = os.open(name, os.O_RDWR | os.O_CREAT | _FLAGS, _FILE_MODE, dir_fd=folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def _fdatasync(self, file: int) -> None:
        if sys.platform == "darwin":
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(file)


def _open_folder(path: Path) -> int:
    # The administrator may have put a link here; below it no link is followed.
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def write_whole(disk: Disk, file: int, data: bytes) -> None:
    """Write all data: in one call, unless the system takes less."""
    written = disk.write(file, data)
    while written < len(data):
        written += disk.write(file, memoryview(data)[written:])


def read_file(disk: Disk, folder: int, name: str) -> bytes:
    """Return a file's content."""
    file = disk.open_to_read(folder, name)
    try:
        return disk.read(file, disk.size(file), 0)
    finally:
        disk.close(file)


def set_aside(disk: Disk, folder: int, name: str, *, keep: bool) -> str:
    """Give a damaged file a name that nothing here ever touches, and return that name.

    With `keep` it keeps its first name too, until a sound file takes its place. That makes no copy,
    so it works on a full disk. A file that has such a name already gets no second one.
    """
    taken = set(disk.names(folder))
    number = next(n for n in range(1, len(taken) + 2) if f"{name}{DAMAGED}{n}" not in taken)
    if keep and number > 1 and _has_two_names(disk, folder, name):
        return f"{name}{DAMAGED}{number - 1}"
    aside = f"{name}{DAMAGED}{number}"
    if keep:
        disk.link(folder, name, aside)
    else:
        disk.rename(folder, name, aside)
    return aside


def _has_two_names(disk: Disk, folder: int, name: str) -> bool:
    file = disk.open_to_read(folder, name)
    try:
        return disk.links(file) > 1
    finally:
        disk.close(file)
