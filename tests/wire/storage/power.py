"""A disk that may lose power: what was not synced survives entirely, in part, or not at all."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.wire.storage.disks import DyingDisk


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
    """Keeps a second account of what is on the plate: synced bytes of files, synced names of
    folders, nothing else.

    `survivors` writes down what a power cut leaves: of the rest, anything may be there or not.
    """

    def __init__(self, last: int) -> None:
        super().__init__(last)
        self._folders: dict[str, _Folder] = {}
        self._folder_at: dict[int, _Folder] = {}
        self._file_at: dict[int, _File] = {}

    def revive(self, last: int) -> None:
        """Another process on the same machine: the power stayed on, so the kernel still has what
        was not synced."""
        self.kill()
        self.steps.clear()
        self._last, self._dead = last, False

    def survivors(self, target: Path, chance: Random, share: float) -> None:
        """Each unsynced change of names is there with probability `share`; of unsynced bytes, a
        part."""
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
                content = os.pread(
                    fd := os.open(entry.name, os.O_RDONLY, dir_fd=opened), 1 << 30, 0
                )
                os.close(fd)
                folder.now[entry.name] = folder.durable[entry.name] = _File(
                    bytearray(content), content
                )
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
