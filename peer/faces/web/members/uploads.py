"""Files that a browser gives to the program: copies on the disk, for their owner alone, until they are
not offered any more."""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from typing import Final

from chatapp.peer.api.files import FileState, FileTransfer
from chatapp.peer.faces.web.guard import Refusal, RequestRefused
from chatapp.peer.faces.web.limits import (
    UPLOAD_MAX,
    UPLOAD_STAYS,
    UPLOADS_AT_ONCE,
    UPLOADS_KEPT_MAX,
    UPLOADS_SPARED,
)
from chatapp.peer.words import members as words
from chatapp.wire.files import clean_name
from chatapp.wire.folders import make_private

_OVER: Final = (FileState.DONE, FileState.REFUSED, FileState.WITHDRAWN)
"""When nobody fetches a file of ours any more."""

_RANDOM: Final = 8


class Uploads:
    """The copies of one person's files, each in a folder of its own: so it keeps its name."""

    def __init__(self, folder: Path, *, most: int | None = None) -> None:
        """`folder`: made when there is something to keep. `most`: bytes of all copies together, if
        not as many as usual."""
        self._folder: Final = folder
        self._most: Final = UPLOADS_KEPT_MAX if most is None else most
        self._under_way: Final[dict[Path, int]] = {}
        """The folders of those that are coming or about to be offered, and their sizes."""
        self.has_any = True
        """Whether there may be copies."""

    @property
    def most(self) -> int:
        """Bytes of one file at most."""
        return min(UPLOAD_MAX, self._most)

    async def take(self, name: str, size: int, pieces: AsyncIterable[bytes]) -> Path:
        """Store a file, and return where it is; `settle` is called when it is offered or not. Raises
        RequestRefused."""
        if len(self._under_way) >= UPLOADS_AT_ONCE:
            raise RequestRefused(Refusal(429, words.TOO_MANY_UPLOADS, {"retry-after": "5"}))
        if size > self.most:
            raise RequestRefused(Refusal(413, words.upload_too_large(self.most)))
        path = self._folder / os.urandom(_RANDOM).hex() / clean_name(name)
        self._under_way[path.parent], self.has_any = size, True
        try:
            await self._store(path, size, pieces)
        except OSError as error:
            await self.settle(path, is_offered=False)
            raise RequestRefused(Refusal(507, words.upload_failed(error))) from None
        except BaseException:
            await self.settle(path, is_offered=False)
            raise
        return path

    async def settle(self, path: Path, *, is_offered: bool) -> None:
        """Note that a file is offered now; or remove it, as it is not."""
        if not is_offered:
            await asyncio.to_thread(_remove, path.parent)
        self._under_way.pop(path.parent, None)

    async def sweep(self, files: Iterable[FileTransfer]) -> None:
        """Remove what is not offered any more. `files`: all that the node knows."""
        ours = [file for file in files if file.is_ours]
        over = {Path(file.path).parent for file in ours if file.state in _OVER}
        kept = {Path(file.path).parent for file in ours} - over | set(self._under_way)
        is_left = await asyncio.to_thread(self._sweep, over - set(self._under_way), kept)
        self.has_any = is_left or bool(self._under_way)

    # --- in a thread

    def _sweep(self, over: set[Path], kept: set[Path]) -> bool:
        """Remove some, and return whether any are left."""
        with contextlib.suppress(OSError):
            for folder in self._folder.iterdir():
                is_forgotten = folder not in kept and _is_old(folder)
                if folder in over or is_forgotten:
                    _remove(folder)
        return self._folder.exists() and any(self._folder.iterdir())

    async def _store(self, path: Path, size: int, pieces: AsyncIterable[bytes]) -> None:
        opening = asyncio.to_thread(self._open, path)
        with os.fdopen(await opening, "wb", buffering=0) as file:
            async for piece in pieces:
                size -= len(piece)
                if size < 0:
                    raise RequestRefused(Refusal(413, words.upload_too_large(self.most)))
                await asyncio.to_thread(_write, file.fileno(), piece)

    def _open(self, path: Path) -> int:
        make_private(self._folder)
        coming = sum(self._under_way.values())
        if coming + _size_of(self._folder) > self._most:
            raise OSError(0, words.TOO_MUCH_UPLOADED)
        if shutil.disk_usage(self._folder).free < coming + UPLOADS_SPARED:
            raise OSError(0, words.NO_SPACE)
        path.parent.mkdir(mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, 0o600)


def _write(file: int, piece: bytes) -> None:
    data = memoryview(piece)
    while data:
        data = data[os.write(file, data) :]


def _size_of(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.glob("*/*"))


def _is_old(folder: Path) -> bool:
    """Whether nothing has been written to a folder for long: another program may be about to offer
    what it has."""
    newest = max((one.stat().st_mtime for one in (folder, *folder.iterdir())), default=0.0)
    return newest < time.time() - UPLOAD_STAYS


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
