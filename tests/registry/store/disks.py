"""This file is about disks that misbehave, each at a step that the test chooses. They know no records and no stores."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from registry.store.disk import Disk, SyncFailed


class Died(BaseException):
    """The process ends here: nothing catches this."""


class WatchedDisk(Disk):
    """Names each step that changes something, before it is done; and lets go of everything when the process "dies".

    It does not really sync: a test never pulls the plug of the machine that it runs on.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._open: set[int] = set()

    def step(self, what: str) -> None:
        self.steps.append(what)

    def kill(self) -> None:
        """What the kernel does for a process that ends: files are closed, locks are given up, written bytes stay."""
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
    """The process dies before step number `last` (from 0); if that is a write, half of it is still done."""

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
    """`wrong` is asked before each step for the error that it gives, if any. A write that fails has written half."""

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
    """Before a step it calls `hook`: what another thread might do just then, done in a known order."""

    def __init__(self) -> None:
        super().__init__()
        self.hook: Callable[[str], None] = lambda what: None

    def step(self, what: str) -> None:
        super().step(what)
        self.hook(what)


@dataclass(eq=False)
class _File:
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


@dataclass(eq=False)
class _Folder:
    now: dict[str, _File] = field(default_factory=dict)
    durable: dict[str, _File] = field(default_factory=dict)
    pending: list[dict[str, _File | None]] = field(default_factory=list)


class PowerDisk(DyingDisk):
    """Keeps a second account of what is on the plate: synced bytes of files, synced names of folders, nothing else.

    `survivors` writes down what a power cut leaves: of the rest, anything may be there or not.
    """

    def __init__(self, last: int) -> None:
        super().__init__(last)
        self._folders: dict[str, _Folder] = {}
        self._folder_at: dict[int, _Folder] = {}
        self._file_at: dict[int, _File] = {}

    def revive(self, last: int) -> None:
        """Another process on the same machine: the power stayed on, so the kernel still has what was not synced."""
        self.kill()
        self.steps.clear()
        self._last, self._dead = last, False

    def survivors(self, target: Path, chance: Random, share: float) -> None:
        """Each unsynced change of names is there with probability `share`; of unsynced bytes, a part."""
        for where, folder in self._folders.items():
            names = dict(folder.durable)
            for change in folder.pending:
                if chance.random() < share:
                    _apply(names, change)
            (target / where).mkdir(mode=0o700, exist_ok=True)
            for name, file in names.items():
                (target / where / name).write_bytes(_torn(file, chance, share))

    def open_root(self, path: Path) -> int:
        return self._enter(super().open_root(path), ".")

    def open_folder(self, within: int, name: str) -> int:
        return self._enter(super().open_folder(within, name), name)

    def create(self, folder: int, name: str) -> int:
        opened = super().create(folder, name)
        self._file_at[opened] = _File()
        self._change(folder, {name: self._file_at[opened]})
        return opened

    def open_to_append(self, folder: int, name: str) -> int:
        opened = super().open_to_append(folder, name)
        self._file_at[opened] = self._folder_at[folder].now[name]
        return opened

    def open_to_read(self, folder: int, name: str) -> int:
        opened = super().open_to_read(folder, name)
        self._file_at[opened] = self._folder_at[folder].now[name]
        return opened

    def write(self, file: int, data: bytes | memoryview) -> int:
        try:
            return super().write(file, data)
        finally:  # what arrived of a write that failed counts too
            self._file_at[file].content = bytearray(os.pread(file, 1 << 30, 0))

    def cut(self, file: int, length: int) -> None:
        super().cut(file, length)
        del self._file_at[file].content[length:]

    def sync(self, file: int) -> None:
        super().sync(file)
        self._file_at[file].durable = bytes(self._file_at[file].content)

    def sync_folder(self, folder: int) -> None:
        super().sync_folder(folder)
        if folder in self._folder_at:  # else it is the one above
            known = self._folder_at[folder]
            known.durable, known.pending = dict(known.now), []

    def rename(self, folder: int, old: str, new: str) -> None:
        super().rename(folder, old, new)
        self._change(folder, {old: None, new: self._folder_at[folder].now[old]})

    def link(self, folder: int, old: str, new: str) -> None:
        super().link(folder, old, new)
        self._change(folder, {new: self._folder_at[folder].now[old]})

    def remove(self, folder: int, name: str) -> None:
        super().remove(folder, name)
        self._change(folder, {name: None})

    def _enter(self, opened: int, where: str) -> int:
        folder = self._folders.setdefault(where, _Folder())
        self._folder_at[opened] = folder
        for entry in os.scandir(opened):  # what is there already was there before the power came
            if entry.is_file() and entry.name not in folder.now:
                content = os.pread(fd := os.open(entry.name, os.O_RDONLY, dir_fd=opened), 1 << 30, 0)
                os.close(fd)
                folder.now[entry.name] = folder.durable[entry.name] = _File(bytearray(content), content)
        return opened

    def _change(self, folder: int, change: dict[str, _File | None]) -> None:
        known = self._folder_at[folder]
        known.pending.append(change)
        _apply(known.now, change)


def _apply(names: dict[str, _File], change: dict[str, _File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _torn(file: _File, chance: Random, share: float) -> bytes:
    """The synced bytes, then some of the others, then perhaps zeros where data never arrived."""
    content = bytes(file.content)
    if share == 0 or not content.startswith(file.durable):
        return file.durable
    rest = content[len(file.durable) :]
    if share == 1:
        return content
    arrived = chance.randint(0, len(rest))
    zeros = chance.choice((0, len(rest) - arrived))
    return file.durable + rest[:arrived] + bytes(zeros)
