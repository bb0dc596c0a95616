"""Where a registry's state and its identity are: in its folder, or elsewhere
(`registry.cluster`)."""

import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from chatapp.registry.store.files import FileStore
from chatapp.registry.store.keystore import had_key, has_key, load_or_make
from chatapp.registry.store.protocol import KeptTable, Loaded, Store, StoreUnusable
from chatapp.wire.errors import quoted
from chatapp.wire.folders import make_private, write_whole
from chatapp.wire.identity import Identity
from chatapp.wire.storage import Disk

if TYPE_CHECKING:
    from chatapp.registry.store.backup import Inspection, Manifest

_log = logging.getLogger(__name__)

TABLE = "table"
"""The file with the table as it was told last. It is there between an orderly stop and the next
start only, and in no backup."""

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
        """Keep the table as it was told last, for the next run, as far as that is done by this
        node."""

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
        return Found(msgspec.structs.replace(loaded, table=self._take_table()), identity, is_new)

    def keep_table(self, table: KeptTable) -> None:
        write_whole(self._folder / TABLE, msgspec.msgpack.encode(table))

    def _take_table(self) -> KeptTable | None:
        """Return the table that the last run has kept, once: after this run it is old."""
        path = self._folder / TABLE
        try:
            data = path.read_bytes()
            path.unlink()
            return msgspec.msgpack.decode(data, type=KeptTable)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, RecursionError) as error:
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
