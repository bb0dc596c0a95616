"""This file is about what visitors keep on disk for one registry: its key, and for each visit ticket and place of reading.

One folder a registry address, mode 0700, files 0600. Several visitors may run from one folder: each has a visit of its
own, locked, and whoever starts takes up a visit that was cut off, if there is one. A file is written anew and then
renamed, so no crash leaves half of it. No name and no number is kept: those are typed anew.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

from peer.desk.ticket import StoredVisit
from wire.address import Address
from wire.errors import ChatAppError
from wire.folders import make_private

VISITS_MAX: Final = 256
"""Visitors at once from one folder; a registry takes no more of one address."""

_KEY_SIZE: Final = 32


class TooManyVisits(ChatAppError):
    """As many visitors use this folder as may."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is used by {VISITS_MAX} visitors already; name another one with --data DIR"
        )
        self.folder = folder


class VisitFolder:
    """One visit of the desk at one address. Close it to let another program take it up.

    Raises OSError, TooManyVisits."""

    def __init__(self, home: Path, server: Address) -> None:
        host = server.host.replace(":", "_")  # an IP address: letters, digits, dots and colons
        self.folder: Final = home / "visits" / f"{host}-{server.port}"
        make_private(self.folder)
        self.visit = StoredVisit()
        self._lock = -1
        self._path = self._take()

    def _take(self) -> Path:
        """A visit that was cut off, else the first that nobody has."""
        begun = [number for number in range(VISITS_MAX) if self._file(number).exists()]
        for number in (*begun, *range(VISITS_MAX)):
            if not self._locked(number):
                continue
            # A file that says nothing costs a place in a line, and no more.
            with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError, ValueError):
                self.visit = msgspec.json.decode(self._file(number).read_bytes(), type=StoredVisit)
            return self._file(number)
        raise TooManyVisits(self.folder)

    def _file(self, number: int) -> Path:
        return self.folder / f"visit-{number}.json"

    def _locked(self, number: int) -> bool:
        lock = os.open(self.folder / f"visit-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def save(self, visit: StoredVisit) -> None:
        """On disk, or not at all; a visit that is over leaves nothing. Raises OSError."""
        if visit.ticket:
            _write(self._path, msgspec.json.encode(visit))
        else:
            self._path.unlink(missing_ok=True)
        self.visit = visit

    @property
    def registry(self) -> bytes | None:
        """The registry's key, trusted on first use."""
        with contextlib.suppress(OSError):
            key = (self.folder / "registry.key").read_bytes()
            return key if len(key) == _KEY_SIZE else None
        return None

    def pin(self, key: bytes) -> None:
        """Trust this key from now on. Raises OSError."""
        _write(self.folder / "registry.key", key)

    def close(self) -> None:
        """Let another program have the visit."""
        os.close(self._lock)


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_suffix(f".{os.getpid()}.new")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
