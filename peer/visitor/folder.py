"""The files of a visitor: the key of each registry that was trusted, and the tickets of visits that are not over."""

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.visitor.conversation import StoredVisit
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import make_private
from chatapp.wire.identity import fingerprint_digits

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
    """One visit of the desk to which a server leads. Close it to let another program take it up."""

    def __init__(self, home: Path, server: str) -> None:
        """`server`: as the user names it (`wire.address.server_name`). Raises OSError, TooManyVisits."""
        self._home: Final = home / "visits"
        file_name = hashlib.blake2b(server.encode(), digest_size=16).hexdigest()
        self._key_file: Final = self._home / "servers" / f"{file_name}.key"
        make_private(self._key_file.parent)
        self.visit = StoredVisit()
        self.damage: list[str] = []
        """What is to be told of files that are no good."""
        self._lock: int | None = None
        self._path: Path | None = None
        """Where the visit is kept; None before the first contact with a registry."""
        self.registry = self._read_key()
        """The identity key of the registry, trusted on first use."""
        if self.registry is not None:
            self._enter(self.registry)

    @property
    def folder(self) -> Path:
        """Where our files are; that of the registry, once it is known."""
        return self._home if self.registry is None else self._home / fingerprint_digits(self.registry)

    def pin(self, registry: bytes) -> None:
        """The server leads to this registry from now on; `visit` is then one of ours there that was cut off, if there is
        one. Raises OSError, TooManyVisits."""
        _write(self._key_file, registry)
        self.registry = registry
        self.close()
        self._enter(registry)

    def _read_key(self) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            key = self._key_file.read_bytes()
            if len(key) == _KEY_SIZE:
                return key
            self.damage.append(
                f"{self._key_file} holds no key that can be read: the server's is trusted anew"
            )
        return None

    def _enter(self, registry: bytes) -> None:
        self.visit = StoredVisit()
        self.registry = registry
        make_private(self.folder)
        self._path = self._take()

    def _take(self) -> Path:
        """A visit that was cut off, else the first that nobody has."""
        begun = [number for number in range(VISITS_MAX) if self._file(number).exists()]
        for number in (*begun, *range(VISITS_MAX)):
            if not self._locked(number):
                continue
            with contextlib.suppress(FileNotFoundError):
                self._load(self._file(number))
            return self._file(number)
        raise TooManyVisits(self.folder)

    def _load(self, path: Path) -> None:
        """A file that says nothing costs a place in a line, and no more; it is kept for who can read it."""
        try:
            self.visit = msgspec.json.decode(path.read_bytes(), type=StoredVisit)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            aside = path.with_suffix(".damaged")
            os.replace(path, aside)
            self.damage.append(f"{path} is damaged, and with it your place is lost; kept as {aside.name}")

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
            assert self._path is not None, "nobody gets a ticket before the first contact"
            _write(self._path, msgspec.json.encode(visit))
        elif self._path is not None:
            self._path.unlink(missing_ok=True)
        self.visit = visit

    def close(self) -> None:
        """Let another program have the visit."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_suffix(f".{os.getpid()}.new")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
