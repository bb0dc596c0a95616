"""The files of a visitor: the key of each registry that was trusted, and the tickets of visits that
are not over."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from chatapp.peer.api.form import StoredVisit
from chatapp.peer.api.visit_events import RegistryKeyUnreadable, TicketDamaged
from chatapp.peer.node.keystore import BrokenKeyFile
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import make_private, write_whole
from chatapp.wire.identity import Identity, fingerprint_digits
from chatapp.wire.limits import GUESTS_PER_ADDRESS

_KEY_SIZE: Final = 32


class VisitStore(Protocol):
    """Where one visit is kept. While it is open, no other program continues this visit."""

    @property
    def folder(self) -> Path:
        """Where it is, for messages."""

    @property
    def visit(self) -> StoredVisit:
        """The visit as it is stored."""

    @property
    def registry(self) -> bytes | None:
        """The identity key of the registry, trusted on first use; None before the first contact."""

    @property
    def damage(self) -> Sequence[RegistryKeyUnreadable | TicketDamaged]:
        """What is wrong with the files."""

    def pin(self, registry: bytes) -> None:
        """Trust this registry as the one to which the server leads. `visit` is then an unfinished
        one of ours there, if there is one. Raises OSError, TooManyVisits."""

    def save(self, visit: StoredVisit) -> None:
        """Store the visit, or delete it if it is over. Raises OSError; then what is stored is as it
        was."""

    def close(self) -> None:
        """Let another program continue the visit."""


class TooManyVisits(ChatAppError):
    """As many visitors as are allowed use this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return f"{self.folder} is used by {GUESTS_PER_ADDRESS} visitors already; name another one with --data DIR"


class VisitFolder:
    """The files of one visit to the desk of one registry. While the folder is open, no other
    program continues this visit."""

    def __init__(self, home: Path, *servers: str) -> None:
        """`servers`: those of the registry, as the user names them (`wire.address.server_name`);
        the first whose key is known decides. Raises OSError, TooManyVisits."""
        self._home: Final = home / "visits"
        names = [hashlib.blake2b(server.encode(), digest_size=16).hexdigest() for server in servers]
        self._key_files: Final = [self._home / "servers" / f"{name}.key" for name in names]
        make_private(self._key_files[0].parent)
        self.visit = StoredVisit()
        self.damage: list[RegistryKeyUnreadable | TicketDamaged] = []
        """What is wrong with the files."""
        self._lock: int | None = None
        self._path: Path | None = None
        """The file of the visit; None before the first contact with a registry."""
        keys = [self._read_key(file) for file in self._key_files]
        self.registry = next((key for key in keys if key is not None), None)
        """The identity key of the registry, trusted on first use."""
        if self.registry is not None:
            self._enter(self.registry)
            with contextlib.suppress(OSError):  # it is noted at another start
                self._note_key(None)

    @property
    def folder(self) -> Path:
        """The folder of the files: that of the registry, once it is known."""
        return (
            self._home if self.registry is None else self._home / fingerprint_digits(self.registry)
        )

    def pin(self, registry: bytes) -> None:
        """Trust this registry as the one to which the server leads. `visit` is then an unfinished
        one of ours there, if there is one. Raises OSError, TooManyVisits."""
        before, self.registry = self.registry, registry
        self._note_key(before)
        self.close()
        self._enter(registry)

    def _note_key(self, before: bytes | None) -> None:
        """Note that our servers lead to our registry: those that led to `before`, and those that
        led nowhere. Raises OSError."""
        assert self.registry is not None
        for file in self._key_files:
            with contextlib.suppress(FileNotFoundError):
                found = file.read_bytes()
                if found == self.registry or (len(found) == _KEY_SIZE and found != before):
                    continue
            # All visitors of this server share the file, and may write it at the same time.
            write_whole(file, self.registry, draft=file.with_suffix(f".{os.getpid()}.new"))

    def _read_key(self, file: Path) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            key = file.read_bytes()
            if len(key) == _KEY_SIZE:
                return key
            self.damage.append(RegistryKeyUnreadable(path=str(file)))
        return None

    def _enter(self, registry: bytes) -> None:
        self.visit = StoredVisit()
        self.registry = registry
        make_private(self.folder)
        self._path = self._take()

    def _take(self) -> Path:
        """Lock and load an unfinished visit, else the first that is free; return its file."""
        unfinished = [number for number in range(GUESTS_PER_ADDRESS) if self._file(number).exists()]
        for number in (*unfinished, *range(GUESTS_PER_ADDRESS)):
            if not self._locked(number):
                continue
            with contextlib.suppress(FileNotFoundError):
                self._load(self._file(number))
            return self._file(number)
        raise TooManyVisits(self.folder)

    def _load(self, path: Path) -> None:
        """Load the visit. A damaged file costs the position in the line and no more; it is set
        aside."""
        try:
            self.visit = msgspec.json.decode(path.read_bytes(), type=StoredVisit)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            aside = path.with_suffix(".damaged")
            os.replace(path, aside)
            self.damage.append(TicketDamaged(path=str(path), kept_as=aside.name))

    def _file(self, number: int) -> Path:
        return self.folder / f"visit-{number}.json"

    def _locked(self, number: int) -> bool:
        lock = os.open(
            self.folder / f"visit-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def save(self, visit: StoredVisit) -> None:
        """Store the visit, or delete its file if the visit is over. Raises OSError; then the file
        is as it was."""
        if visit.ticket:
            assert self._path is not None, "there is no ticket before the first contact"
            write_whole(self._path, msgspec.json.encode(visit))
        elif self._path is not None:
            self._path.unlink(missing_ok=True)
        self.visit = visit

    def close(self) -> None:
        """Let another program continue the visit."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


# --- the key of a gateway, through which visitors without a program of their own come to a help desk (clause 4.10)

GATEWAY_KEY_FILE: Final = "gateway.key"


def gateway_key(folder: Path) -> Identity:
    """Return the gateway's key in `folder`, which is made if it is missing. Its fingerprint
    (`chatapp.wire.identity.fingerprint`) is what the registry is given by `--gateway`;
    `Visitor(gateway=...)` takes the key. Raises BrokenKeyFile, OSError."""
    make_private(folder)
    path = folder / GATEWAY_KEY_FILE
    if not path.exists():
        write_whole(path, os.urandom(_KEY_SIZE))
    secret = path.read_bytes()
    if len(secret) != _KEY_SIZE:
        raise BrokenKeyFile(path)
    return Identity(secret)
