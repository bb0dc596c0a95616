"""Disks that fail at a step chosen by the test."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from chatapp.wire.storage import Disk, SyncFailed


class Died(BaseException):
    """The process ends here; nothing catches this exception."""


class WatchedDisk(Disk):
    """Names each step that changes something, before it is done; and lets go of everything when the
    process "dies".

    It does not really sync: a test never pulls the plug of the machine that it runs on.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._open: set[int] = set()

    def step(self, what: str) -> None:
        self.steps.append(what)

    def kill(self) -> None:
        """What the kernel does for a process that ends: files are closed, locks are given up,
        written bytes stay."""
        while self._open:
            os.close(self._open.pop())

    def open_root(self, path: Path) -> int:
        return self._opened(super().open_root(path))

    def open_folder(self, within: int, name: str) -> int:
        return self._opened(super().open_folder(within, name))

    def create(self, folder: int, name: str) -> int:
        self.step("create")
        return self._opened(super().create(folder, name))

    def open_to_append(self, folder: int, name: str) -> int:
        return self._opened(super().open_to_append(folder, name))

    def open_to_read(self, folder: int, name: str) -> int:
        return self._opened(super().open_to_read(folder, name))

    def close(self, file: int) -> None:
        if file in self._open:
            self._open.remove(file)
            super().close(file)

    def write(self, file: int, data: bytes | memoryview) -> int:
        self.step("write")
        return super().write(file, data)

    def open_to_overwrite(self, folder: int, name: str) -> int:
        self.step("open_to_overwrite")
        return self._opened(super().open_to_overwrite(folder, name))

    def overwrite(self, file: int, data: bytes) -> None:
        self.step("overwrite")
        super().overwrite(file, data)

    def cut(self, file: int, length: int) -> None:
        self.step("cut")
        super().cut(file, length)

    def sync(self, file: int) -> None:
        self.step("sync")

    def sync_folder(self, folder: int) -> None:
        self.step("sync_folder")

    def rename(self, folder: int, old: str, new: str) -> None:
        self.step("rename")
        super().rename(folder, old, new)

    def link(self, folder: int, old: str, new: str) -> None:
        self.step("link")
        super().link(folder, old, new)

    def remove(self, folder: int, name: str) -> None:
        self.step("remove")
        super().remove(folder, name)

    def lock(self, folder: int, name: str) -> int | None:
        held = super().lock(folder, name)
        return held if held is None else self._opened(held)

    def _opened(self, file: int) -> int:
        self._open.add(file)
        return file


class DyingDisk(WatchedDisk):
    """The process dies before step number `last` (from 0); if that is a write, half of it is still
    done."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last
        self._dead = False

    def step(self, what: str) -> None:
        if self._dead or len(self.steps) == self._last:
            self._dead = True
            raise Died
        super().step(what)

    def write(self, file: int, data: bytes | memoryview) -> int:
        try:
            return super().write(file, data)
        except Died:
            if len(self.steps) == self._last:
                os.write(file, data[: len(data) // 2])
            raise


class FailingDisk(WatchedDisk):
    """`wrong` is asked before each step for the error that it gives, if any. A write that fails has
    written half."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: Callable[[str], int | None] = lambda what: None

    def step(self, what: str) -> None:
        super().step(what)
        number = self.wrong(what)
        if number is not None:
            kind = SyncFailed if what.startswith("sync") else OSError
            raise kind(number, os.strerror(number))

    def write(self, file: int, data: bytes | memoryview) -> int:
        try:
            return super().write(file, data)
        except OSError:
            os.write(file, data[: len(data) // 2])
            raise


def no_room(what: str) -> int | None:
    return errno.ENOSPC if what == "write" else None


def bad_sync(what: str) -> int | None:
    return errno.EIO if what == "sync" else None


class HookedDisk(WatchedDisk):
    """Before a step it calls `hook`: what another thread might do just then, done in a known
    order."""

    def __init__(self) -> None:
        super().__init__()
        self.hook: Callable[[str], None] = lambda what: None

    def step(self, what: str) -> None:
        super().step(what)
        self.hook(what)
