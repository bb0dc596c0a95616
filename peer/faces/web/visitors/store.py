"""The files of a gateway: the key of its registry, and for each visit the ticket, under the hash of
the browser's secret."""

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.api.form import StoredVisit
from chatapp.peer.api.visit_events import RegistryKeyUnreadable, TicketDamaged
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import make_private, write_whole

_KEY_SIZE: Final = 32
_SESSION: Final = re.compile(r"[0-9a-f]{32}\.json")


class GatewayRuns(ChatAppError):
    """Another gateway for the same server uses this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return f"{self.folder} is used by another web desk of this server; name another one with --data DIR"


class StoredSession(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a browser session that is kept on disk."""

    visit: StoredVisit
    language: str
    is_absent: bool = False
    """Whether we have let others go first because no browser was there."""


class GatewayFolder:
    """The folder of one gateway. While it is open, no other gateway uses it."""

    def __init__(self, home: Path, server: str) -> None:
        """`server`: as the user names it (`wire.address.server_name`). Raises GatewayRuns,
        OSError."""
        name = hashlib.blake2b(server.encode(), digest_size=16).hexdigest()
        self.path: Final = home / "web" / name
        self._sessions: Final = self.path / "sessions"
        self._key_file: Final = self.path / "registry.key"
        make_private(self._sessions)
        make_private(self.path)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise GatewayRuns(self.path) from None
        self.damage: list[RegistryKeyUnreadable | TicketDamaged] = []
        """What is wrong with the files."""
        self.registry = self._read_key()
        """The identity key of the registry, trusted on first use; None before the first contact."""

    def pin(self, registry: bytes) -> None:
        """Trust this registry as the one to which the server leads. Raises OSError."""
        write_whole(self._key_file, registry)
        self.registry = registry

    def sessions(self) -> Iterator[tuple[str, StoredSession]]:
        """Yield the sessions that are stored, by the hashes of their secrets. A damaged file costs
        one place in the line and no more; it is set aside. Raises OSError."""
        for path in sorted(self._sessions.iterdir()):
            if not _SESSION.fullmatch(path.name):
                continue
            try:
                yield path.stem, msgspec.json.decode(path.read_bytes(), type=StoredSession)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                aside = path.with_suffix(".damaged")
                os.replace(path, aside)
                self.damage.append(TicketDamaged(path=str(path), kept_as=aside.name))

    def file_of(self, session: str) -> Path:
        """Return the file of a session."""
        return self._sessions / f"{session}.json"

    def close(self) -> None:
        """Let another gateway use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _read_key(self) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            key = self._key_file.read_bytes()
            if len(key) == _KEY_SIZE:
                return key
            self.damage.append(RegistryKeyUnreadable(path=str(self._key_file)))
        return None


class SessionStore:
    """Where one visit is kept (a `VisitStore`): a file of the gateway's folder, or nothing for a
    visitor who only looks."""

    def __init__(self, folder: GatewayFolder, session: str, stored: StoredSession) -> None:
        """`session`: the hash of the browser's secret; empty to keep nothing."""
        self._folder: Final = folder
        self._session: Final = session
        self._stored = stored

    @property
    def folder(self) -> Path:
        """The gateway's folder."""
        return self._folder.path

    @property
    def visit(self) -> StoredVisit:
        """The visit as it is stored."""
        return self._stored.visit

    @property
    def registry(self) -> bytes | None:
        """The registry's key."""
        return self._folder.registry

    @property
    def damage(self) -> Sequence[RegistryKeyUnreadable | TicketDamaged]:
        """Nothing: the gateway tells what is wrong with its folder."""
        return ()

    @property
    def is_absent(self) -> bool:
        """Whether we have let others go first because no browser was there."""
        return self._stored.is_absent

    def pin(self, registry: bytes) -> None:
        """Trust this registry, for the whole gateway. Raises OSError."""
        self._folder.pin(registry)

    def save(self, visit: StoredVisit) -> None:
        """Store the visit, or delete its file if it is over. How far the lines were shown is not
        stored: the registry tells all of them to a gateway that starts again. Raises OSError; then
        the file is as it was."""
        stored = msgspec.structs.replace(self._stored, visit=visit)
        if visit.ticket == self._stored.visit.ticket:
            self._stored = stored
        else:
            self._write(stored)

    def note_absence(self, *, is_absent: bool) -> None:
        """Store whether we let others go first because no browser is there. Raises OSError."""
        if is_absent is not self._stored.is_absent:
            self._write(msgspec.structs.replace(self._stored, is_absent=is_absent))

    def close(self) -> None:
        """Do nothing: the gateway's folder stays in use."""

    def _write(self, stored: StoredSession) -> None:
        if self._session:
            path = self._folder.file_of(self._session)
            if stored.visit.ticket:
                kept = StoredVisit(ticket=stored.visit.ticket)
                write_whole(path, msgspec.json.encode(msgspec.structs.replace(stored, visit=kept)))
            else:
                path.unlink(missing_ok=True)
        self._stored = stored
