"""Fuzz targets: files that another program may have overwritten; each is read, or reported as
invalid."""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
import weakref
from pathlib import Path
from typing import Final

from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.core import PeerCore
from chatapp.peer.history.database import History
from chatapp.peer.node.keystore import MARK, BrokenKeyFile, KeyFolder
from chatapp.peer.node.starts import folder_of
from chatapp.peer.node.ticket import VisitFolder
from chatapp.registry.program.admin.listener import answered
from chatapp.registry.program.settings import Misconfigured, configure, shown
from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    AdminRequest,
)
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.identity import AgreementKey, Identity
from fuzz import seeds

_SERVER: Final = Address("192.0.2.1", 5_000)
_PATCH: Final = 4
"""Bytes of a patch: three give the place, one the new value."""
_MEMORY: Final = (
    "/dev/shm" if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK) else None
)


class _Folder:
    """A temporary folder, in memory if possible: syncs would take nearly all of the time."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(dir=_MEMORY)
        self.path = Path(folder)
        weakref.finalize(self, shutil.rmtree, folder)


class HistoryFile(_Folder):
    """A peer starts with a `history.db` in which some bytes, or the values of a column, were
    changed."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = seeds.histories()[0]
        self._file = self.path / "history.db"
        self._columns = _columns_of(self._whole, self._file)

    def __call__(self, data: bytes) -> None:
        for path in self.path.iterdir():
            path.unlink()
        kind, rest = data[:1], data[1:]
        self._file.write_bytes(self._patched(rest) if kind < b"\x80" else self._whole)
        with contextlib.suppress(sqlite3.Error):
            if kind >= b"\x80":
                self._set(kind[0], rest)
            _use(self._file)

    def _patched(self, patches: bytes) -> bytes:
        changed = bytearray(self._whole)
        for at in range(0, len(patches) - _PATCH + 1, _PATCH):
            place = int.from_bytes(patches[at : at + _PATCH - 1]) % len(changed)
            changed[place] = patches[at + _PATCH - 1]
        return bytes(changed)

    def _set(self, which: int, rest: bytes) -> None:
        table, column = self._columns[which % len(self._columns)]
        values: tuple[object, ...] = (
            rest[1:],
            rest[1:].decode("utf-8", "replace"),
            None,
            int.from_bytes(rest[1:8]),
            -1,
            0.5,
        )
        db = sqlite3.connect(self._file)
        try:
            db.execute(
                f"UPDATE {table} SET {column} = ?",
                (values[(rest[0] if rest else 0) % len(values)],),
            )
            db.commit()
        finally:
            db.close()


def _columns_of(whole: bytes, file: Path) -> list[tuple[str, str]]:
    file.write_bytes(whole)
    db = sqlite3.connect(file)
    try:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        tables = [name for name in tables if not name.startswith(("words", "sqlite"))]
        return [
            (table, row[1])
            for table in sorted(tables)
            for row in db.execute(f"PRAGMA table_info({table})")
        ]
    finally:
        db.close()


def _use(path: Path) -> None:
    """Start a program on the history, and read it as a person does."""
    history = History(path, server="registry")
    try:
        core = PeerCore(
            Context(
                LocalIdentity(
                    name="alice",
                    identity=Identity(b"a" * 32),
                    mail_keys=[AgreementKey(b"m" * 32)],
                    counter=1,
                ),
                policy=Policy(),
                rng=random.Random(1),
                wall_offset=1_700_000_000.0,
            ),
            servers=[_SERVER],
            loaded=history.load(),
            now=100.0,
        )
        core.start(now=100.0)
        core.handle_timer(now=110.0)
        core.events(), core.datagrams_to_send(now=110.0)
        history.apply(core.records_to_store())
        (
            history.lines.latest(10),
            history.lines.index.catch_up(),
            history.lines.search("hi", 10),
            history.lines.page((1,), limit=10),
            history.lines.last_own(),
            list(history.lines.all()),
        )
    finally:
        history.close()


class Configuration(_Folder):
    """A registry's configuration file: settings that can be shown and read again, or one line that
    names what is wrong."""

    def __call__(self, data: bytes) -> None:
        file = self.path / "chatapp.toml"
        file.write_bytes(data)
        try:
            found = configure(file)
        except Misconfigured as error:
            if "\n" in str(error):
                raise ValueError("more than one line") from error
            return
        file.write_text("\n".join(shown(found)))
        assert configure(file).settings == found.settings


class Keepsakes(_Folder):
    """Small files of a person, a visitor and a registry: keys, counters, renames, tickets, admin
    requests."""

    def __call__(self, data: bytes) -> None:
        self._be_a_person(data)
        self._be_a_visitor(data)
        self._be_a_registry(data)

    def _be_a_person(self, data: bytes) -> None:
        home = self.path / "home"
        for name in ("mail.keys", "card.counter", MARK, "identity.key"):
            shutil.rmtree(home, ignore_errors=True)
            folder = folder_of(home, "alice")
            folder.mkdir(parents=True)
            (folder / name).write_bytes(data)
            for called in ("alice", "alicia"):
                try:
                    keys = KeyFolder(home, called, wall=1_700_000_000.0)
                except BrokenKeyFile:
                    continue
                assert 0 < keys.next_counter(1_700_000_000.0) < 2**63
                keys.close()

    def _be_a_visitor(self, data: bytes) -> None:
        first = VisitFolder(self.path, str(_SERVER))
        first.pin(b"r" * 32)
        first.close()
        (first.folder / "visit-0.json").write_bytes(data)
        second = VisitFolder(self.path, str(_SERVER))
        second.save(second.visit)
        second.close()
        for key in (self.path / "visits" / "servers").iterdir():
            key.write_bytes(data)
        third = VisitFolder(self.path, str(_SERVER))
        assert third.registry is None or len(third.registry) == 32
        third.close()

    def _be_a_registry(self, data: bytes) -> None:
        answer = asyncio.run(answered(data, 0, self._never))
        assert isinstance(answer, AdminRefused)

    async def _never(self, request: AdminRequest, user: int) -> AdminAnswer:
        """Refuse a request that fuzzing has found: it is not carried out."""
        return AdminRefused(refusal=AdminRefusal.NOT_STORED)
