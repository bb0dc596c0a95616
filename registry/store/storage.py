"""Where a registry's state and its identity are: in its folder, or elsewhere
(`registry.cluster`)."""

import itertools
import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from chatapp.registry.store.files import FileStore
from chatapp.registry.store.keystore import had_key, has_key, load_or_make
from chatapp.registry.store.protocol import KeptTable, Loaded, Store, StoreUnusable
from chatapp.wire.errors import quoted
from chatapp.wire.folders import make_private
from chatapp.wire.identity import Identity
from chatapp.wire.messages.table import Row
from chatapp.wire.storage import LARGEST_CLAIM, Disk, frame, scan

if TYPE_CHECKING:
    from chatapp.registry.store.backup import Inspection, Manifest

_log = logging.getLogger(__name__)

TABLE = "table"
"""The file with the table as it was told last: a record with the whole of it, then one each time
with the rows that have changed. It is in no backup."""
_TABLE_SLACK = 1 << 20
"""Bytes of changed rows in it, at least, before it is written anew."""

CLUSTER_MARK = "cluster"
"""The file that says that the folder belongs to a node of a cluster, whose state is not in the
folder."""


def marked_cluster(folder: Path) -> str | None:
    """Return the cluster whose node this folder belongs to, None if there is none. What a registry
    without a cluster found in such a folder would be old. Raises OSError."""
    try:
        text = (folder / CLUSTER_MARK).read_text(errors="replace")
    except FileNotFoundError:
        return None
    return text.partition("\n")[0].strip()


class Found(NamedTuple):
    """What a registry starts with."""

    loaded: Loaded
    identity: Identity
    is_new: bool
    """Whether the identity was made just now."""


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """Rows that have changed since the record before, up to this version."""

    version: int
    rows: Sequence[msgspec.Raw]


def _record(value: KeptTable | _Told) -> bytes:
    return frame(msgspec.msgpack.encode(value), largest=LARGEST_CLAIM)


def _write(path: Path, data: bytes, how: int) -> None:
    """Write to a file of this user alone, without waiting for the disk. What is written in part
    ends what is read of it."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC | how, 0o600)
    try:
        os.write(file, data)
    finally:
        os.close(file)


def _table_in(data: bytes) -> KeptTable:
    """Return the table in a file, with what has changed since it was written: who is told of again
    stands behind all others. Raises ValueError."""
    records = scan(data)[0]
    if not records:
        raise ValueError("it does not begin with a table")
    table = msgspec.msgpack.decode(records[0], type=KeptTable)
    told = [msgspec.msgpack.decode(record, type=_Told) for record in records[1:]]
    if not told:
        return table
    rows: dict[bytes, msgspec.Raw] = {}
    for raw in itertools.chain(table.rows, *(one.rows for one in told)):
        identity = msgspec.msgpack.decode(raw, type=Row).card.identity
        rows.pop(identity, None)
        rows[identity] = msgspec.Raw(raw)
    return KeptTable(told[-1].version, list(rows.values()), table.gaps)


class Storage(Protocol):
    """What keeps a registry's state. Methods raise OSError, StoreError, KeyUnusable."""

    def open(self) -> Store:
        """Open the store, once, before everything else."""

    def load(self) -> Found:
        """Load the state and the identity, once."""

    def back_up(self, target: Path, *, port: int, made_at: int) -> "Manifest":
        """Copy everything that is kept into a folder, in a worker thread beside no checkpoint.
        Raises BackupFailed."""

    def verify(self) -> "Inspection":
        """Read everything that is kept, likewise."""

    def keep_table(self, table: KeptTable) -> None:
        """Keep the table as it is told, for the next run, as far as that is done by this node."""

    def add_to_table(self, version: int, rows: Sequence[msgspec.Raw], /) -> bool:
        """Keep the rows that have changed since, up to this version. Return False if the whole
        table is to be kept instead."""

    def figures(self) -> dict[str, float]:
        """Return the figures of where it is kept, by name."""


class FolderStorage:
    """State and identity in the registry's own folder."""

    def __init__(
        self, folder: Path, *, rng: random.Random, now: Callable[[], float], disk: Disk | None
    ) -> None:
        self._folder = folder
        self._rng = rng
        self._now = now
        self._disk = disk
        self._store: FileStore | None = None
        self._table_left = 0
        """Bytes that may be added to the file of the table; 0 before this run has written it."""

    def open(self) -> Store:
        make_private(self._folder)
        cluster = marked_cluster(self._folder)
        if cluster is not None:
            raise StoreUnusable(
                str(self._folder),
                f"this folder belongs to a node of the cluster {cluster}: start it with --cluster, "
                "or name another folder by --data",
            )
        has_past = had_key(self._folder)
        self._store = FileStore(self._folder, has_past=has_past, now=self._now, disk=self._disk)
        return self._store

    def load(self) -> Found:
        assert self._store is not None
        found = load_or_make(self._folder, self._rng) if has_key(self._folder) else None
        loaded = self._store.load()
        # A new key is made last: once it exists, the store's files must exist too.
        identity, is_new = found or load_or_make(self._folder, self._rng)
        return Found(msgspec.structs.replace(loaded, table=self._read_table()), identity, is_new)

    def keep_table(self, table: KeptTable) -> None:
        path, record = self._folder / TABLE, _record(table)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        _write(fresh, record, os.O_CREAT | os.O_EXCL)
        fresh.replace(path)
        self._table_left = max(2 * len(record), _TABLE_SLACK)

    def add_to_table(self, version: int, rows: Sequence[msgspec.Raw]) -> bool:
        record = _record(_Told(version, rows))
        self._table_left -= len(record)
        if self._table_left < 0:
            return False
        _write(self._folder / TABLE, record, os.O_APPEND)
        return True

    def _read_table(self) -> KeptTable | None:
        """Return the table that the last run has kept. What this run tells before it keeps its own
        counts as unknown: its versions are higher."""
        path = self._folder / TABLE
        try:
            return _table_in(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s: %s; everybody fetches the table anew", path, quoted(str(error)))
            return None

    def back_up(self, target: Path, *, port: int, made_at: int) -> "Manifest":
        from chatapp.registry.store.backup import make_backup  # deferred: it is rarely done

        def copy(lengths: Mapping[str, int]) -> "Manifest":
            return make_backup(self._folder, target, lengths=lengths, port=port, made_at=made_at)

        assert self._store is not None
        return self._store.hold_still(copy)

    def verify(self) -> "Inspection":
        from chatapp.registry.store.backup import inspect  # deferred: it is rarely done

        assert self._store is not None
        return self._store.hold_still(lambda lengths: inspect(self._folder, lengths=lengths))

    def figures(self) -> dict[str, float]:
        return {}
