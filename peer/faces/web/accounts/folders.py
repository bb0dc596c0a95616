"""The folder of an account on the gateway's disk: its lock, and what belongs to its person, which is
open while their node runs and sealed otherwise.

Each change ends with one rename, so that a crash leaves either what was before or what comes after.
What is open counts: it is at least as new as what is sealed.
"""

import contextlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

import msgspec

from chatapp.peer.faces.web.accounts.errors import FolderDamaged
from chatapp.peer.faces.web.limits import FOLDER_FILES_MAX, FOLDER_OPENED_MAX
from chatapp.wire.errors import SealError
from chatapp.wire.folders import make_private, sync_folder, write_whole
from chatapp.wire.passphrase import PIECE, Lock, SealedReader, SealingWriter

_FILE_MODE: Final = 0o600
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_NOT_KEPT: Final = frozenset({"lock", "socket"})
"""Files of a program that runs."""


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account without its passphrase."""

    name: str
    """By which its person signs in."""
    lock: Lock


class AccountFolder:
    """The files of one account. What reads or writes them takes its time, and runs in a thread."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self.key: Final = path.name
        """What the account is called on the disk."""
        self._record_file: Final = path / "account"
        self.home: Final = path / "open"
        """Where the node of the person finds its folder, while that is open."""
        self._sealed: Final = path / "sealed"

    def read(self) -> AccountRecord | None:
        """Return what is known of the account; None without a file that can be read. Raises
        OSError."""
        try:
            return msgspec.msgpack.decode(self._record_file.read_bytes(), type=AccountRecord)
        except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError, ValueError):
            return None

    def write(self, record: AccountRecord) -> None:
        """Store what is known of the account. Raises OSError."""
        make_private(self._path)
        write_whole(self._record_file, msgspec.msgpack.encode(record))

    @property
    def is_open(self) -> bool:
        """Whether the folder lies there as it is."""
        return self.home.is_dir()

    def tidy(self) -> None:
        """Remove what a crash has left half done. Raises OSError."""
        self._sealed.with_suffix(".new").unlink(missing_ok=True)
        for left in (self.home.with_suffix(".new"), self.home.with_suffix(".old")):
            shutil.rmtree(left, ignore_errors=True)

    def size(self) -> int:
        """Return how many bytes are open, or sealed."""
        if not self.is_open:
            with contextlib.suppress(OSError):
                return self._sealed.stat().st_size
            return 0
        total = 0
        for path in self._files():
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def _files(self) -> Iterator[Path]:
        for root, _, names in os.walk(self.home):
            yield from (Path(root, name) for name in sorted(names) if name not in _NOT_KEPT)

    def unseal(self, secret: bytes) -> None:
        """Open the folder. `secret`: the key in the lock. Raises FolderDamaged, OSError."""
        if self.is_open:
            return
        fresh = self.home.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh)
        with contextlib.suppress(FileNotFoundError), self._sealed.open("rb") as sealed:
            try:
                _unpack(SealedReader(secret, sealed.read), fresh)
            except (SealError, tarfile.TarError, ValueError):
                shutil.rmtree(fresh, ignore_errors=True)
                raise FolderDamaged(self._sealed) from None
        fresh.rename(self.home)
        sync_folder(self._path)

    def seal(self, lock: Lock) -> None:
        """Seal the folder, which nobody uses. Raises OSError; then it stays open."""
        if not self.is_open:
            return
        draft = self._sealed.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, _WRITE, _FILE_MODE), "wb") as file:
            writer = SealingWriter(lock.public, file.write)
            self._pack(writer)
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._sealed)
        sync_folder(self._path)
        old = self.home.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        self.home.rename(old)
        sync_folder(self._path)
        shutil.rmtree(old)

    def _pack(self, writer: SealingWriter) -> None:
        with tarfile.open(fileobj=cast("IO[bytes]", writer), mode="w|", bufsize=PIECE) as tar:
            for path in self._files():
                with os.fdopen(os.open(path, _READ), "rb") as file:
                    entry = tar.gettarinfo(arcname=str(path.relative_to(self.home)), fileobj=file)
                    if entry.isreg():
                        tar.addfile(_nameless(entry), file)

    def exported(self, secret: bytes) -> Iterator[bytes]:
        """Yield what is sealed, as a tar file. Raises FolderDamaged, OSError."""
        with self._sealed.open("rb") as sealed:
            try:
                reader = SealedReader(secret, sealed.read)
                while piece := reader.read(PIECE):
                    yield piece
            except SealError:
                raise FolderDamaged(self._sealed) from None

    def remove(self) -> None:
        """Remove all of it. Raises OSError."""
        self._record_file.unlink(missing_ok=True)
        shutil.rmtree(self._path)


def _nameless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Let the file of a folder say nothing of the gateway's user."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = _FILE_MODE
    return entry


def _unpack(reader: SealedReader, folder: Path) -> None:
    """Write the files of a folder. Whoever can write to the gateway's disk can seal one, so names
    and sizes are looked at. Raises SealError, TarError, ValueError, OSError."""
    room = FOLDER_OPENED_MAX
    with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|", bufsize=PIECE) as tar:
        for count, entry in enumerate(tar):
            name = PurePosixPath(entry.name)
            room -= entry.size
            is_inside = not name.is_absolute() and ".." not in name.parts
            if not (entry.isreg() and is_inside and count < FOLDER_FILES_MAX and room >= 0):
                raise ValueError("it holds what no folder has")
            content = tar.extractfile(entry)
            assert content is not None  # it is a file
            path = folder / name
            make_private(path.parent)
            with os.fdopen(os.open(path, _WRITE, _FILE_MODE), "wb") as file:
                shutil.copyfileobj(content, file, PIECE)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(path.parent)
    while reader.read(PIECE):  # to its last piece, which says that it is whole
        pass
