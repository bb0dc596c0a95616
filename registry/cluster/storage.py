"""The state and the identity of a registry in a cluster, as its program uses them; and as files of a
registry without one, and back: for backups, and to begin a cluster with what a single registry has."""

import logging
import os
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from chatapp.registry.cluster.stream.bundles import (
    KEY_SIZE,
    SALT_SIZE,
    ClusterFounded,
    ClusterKey,
    Strays,
)
from chatapp.registry.cluster.stream.image import Image
from chatapp.registry.cluster.stream.ledger import Ledger
from chatapp.registry.cluster.stream.mark import Mark, read_mark, write_mark
from chatapp.registry.cluster.stream.store import (
    Hold,
    Marks,
    Seals,
    StreamStore,
    TakeoverInterrupted,
)
from chatapp.registry.store.entries import (
    CheckpointMark,
    DeskOwner,
    Entry,
    MailStored,
    MailTaken,
    Owner,
)
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.keystore import (
    KEY_FILE,
    PUBLIC_FILE,
    KeyUnusable,
    load_or_make,
    open_identity,
    public_key,
    seal_identity,
)
from chatapp.registry.store.protocol import KeptTable, StoreUnusable
from chatapp.registry.store.recovery import Loading
from chatapp.registry.store.segments import NAMES, FileIndex, FileLayout, Journals, Reader
from chatapp.registry.store.storage import CLUSTER_MARK, Found
from chatapp.wire.folders import make_private, write_whole
from chatapp.wire.identity import Identity
from chatapp.wire.storage import Disk

if TYPE_CHECKING:
    from chatapp.registry.store.backup import Inspection, Manifest

_COPY: Final = "backup.new"
"""The folder in which a backup is prepared."""
_BATCH: Final = 1_000
"""Entries that are handed to a store at once."""
_NOBODY: Final = bytes(32)


def entries_in(folder: Path) -> list[Entry]:
    """Return everything that a registry's folder holds, as entries. The caller holds the folder's
    lock. Raises StoreError, OSError; StoreUnusable if anything in it is damaged."""
    disk = Disk()
    root = disk.open_root(folder)
    index = FileIndex()
    layout = FileLayout(disk, root)
    loading = Loading(disk, layout, index, folder=str(folder), has_past=True)
    journals = Journals(disk, root)
    try:
        loaded = loading.run()
        journals.adopt(loading.journals, loading.highest_generation)
        if loaded.damage:
            raise StoreUnusable(
                str(folder),
                f"{loaded.damage[0]}; start the registry without --cluster once to repair that",
            )
        state = index.state
        entries: list[Entry] = [*loaded.names, *loaded.members, *loaded.invites, *loaded.bans]
        entries += _with_serial(state.highest_serial)
        owners: list[Owner] = [*state.mail, *state.groups, DeskOwner.DESK]
        for owner in owners:
            places = sorted(place for holder in state.holders(owner) for place in holder.values())
            with closing(Reader(disk, layout, journals.by_generation, owner, None)) as reader:
                found = [reader.entry(place) for place in places]
            entries += [
                entry
                for entry in found
                if entry is not None and not isinstance(entry, CheckpointMark)
            ]
        return entries
    finally:
        journals.close()
        layout.close()
        disk.close(root)


def remove_copy(folder: Path) -> None:
    """Remove the copy that a crash during a backup has left in a node's folder: it is not
    sealed."""
    shutil.rmtree(folder / _COPY, ignore_errors=True)


@contextmanager
def as_folder(image: Image, identity: Identity, home: Path) -> Iterator[Path]:
    """Write a state as the folder of a registry without a cluster, inside the node's folder `home`,
    and remove it at the end. Raises StoreError, OSError."""
    remove_copy(home)
    folder = home / _COPY
    make_private(folder)
    try:
        store = FileStore(folder)
        try:
            store.load()
            entries = iter([*image.entries(), *_with_serial(image.highest_serial)])
            while batch := list(islice(entries, _BATCH)):
                store.append(batch)
            store.sync()
            store.checkpoint()
        finally:
            store.close()
        write_whole(folder / KEY_FILE, identity.seed)
        write_whole(folder / PUBLIC_FILE, identity.public.hex().encode() + b"\n")
        yield folder
    finally:
        remove_copy(home)


def _with_serial(serial: int) -> list[Entry]:
    """Return entries that hold nothing, but after which this serial counts as used."""
    if not serial:
        return []
    return [MailStored(_NOBODY, serial, _NOBODY, "", 0, 0, b""), MailTaken(_NOBODY, [serial])]


_log = logging.getLogger(__name__)


def check_folder(folder: Path, identity: bytes, cluster: str) -> None:
    """Check that a folder does not hold another registry than the cluster, which has this identity.
    Raises StoreUnusable, KeyUnusable, OSError."""
    own = load_or_make(folder)[0].public if (folder / KEY_FILE).exists() else None
    if own is None and (folder / PUBLIC_FILE).exists():
        own = public_key(folder)
    if own not in (None, identity):
        raise StoreUnusable(
            str(folder),
            f"this folder holds another registry than the cluster {cluster}: name another folder by --data",
        )


class ClusterStorage:
    """A `registry.store.storage.Storage` in a cluster's stream. `lease_strays`: those in the place
    of the lease.

    Making it raises StoreError, OSError.
    """

    def __init__(
        self,
        ledger: Ledger,
        key: ClusterKey,
        cluster: str,
        *,
        folder: Path,
        node: str,
        hold: Hold,
        lease_strays: Strays,
    ) -> None:
        self._key = key
        self._cluster = cluster
        self._folder = folder
        self._lease_strays = lease_strays
        self._identity: Identity | None = None
        self._mark: Mark | None = None
        self.is_interrupted = False
        """Whether loading failed in a way that may be different later."""
        self._store = StreamStore(
            ledger,
            Seals(key, cluster, (os.urandom(SALT_SIZE), os.urandom(SALT_SIZE))),
            node=node,
            founding=self._found,
            marks=Marks(read_mark(folder, cluster), self._note_mark),
            hold=hold,
        )

    def open(self) -> StreamStore:
        return self._store

    def follow(self) -> None:
        """Read what is new in the stream while another node keeps the state, in a worker thread:
        `load` then has little left to read."""
        self._store.follow()

    def load(self) -> Found:
        try:
            loaded = self._store.load()
        except TakeoverInterrupted:
            self.is_interrupted = True
            raise
        identity = open_identity(self._store.founded.identity, self._key.secret)
        check_folder(self._folder, identity.public, self._cluster)
        write_mark(self._folder, self._cluster, self._mark)
        write_whole(self._folder / PUBLIC_FILE, identity.public.hex().encode() + b"\n")
        self._identity = identity
        return Found(loaded, identity, is_new=False)

    def keep_table(self, table: KeptTable) -> None:
        """Do nothing: the other nodes have copies."""

    def add_to_table(self, _version: int, _rows: Sequence[msgspec.Raw], /) -> bool:
        return True

    def figures(self) -> dict[str, float]:
        return {"cluster_strays": self._store.strays + self._lease_strays.count}

    def give_up(self) -> None:
        """Store nothing more, at once. Any thread may call it."""
        self._store.give_up()

    def _found(self) -> tuple[ClusterFounded, Sequence[Entry]]:
        """Return the first records of a new cluster: what a registry without a cluster has left in
        the folder, if any."""
        identity, _ = load_or_make(self._folder)
        founded = ClusterFounded(seal_identity(identity, self._key.secret), int(time.time()))
        entries = entries_in(self._folder) if (self._folder / NAMES).exists() else []
        return founded, entries

    def _note_mark(self, mark: Mark) -> None:
        """Keep what this node knows of the stream. Until the identity was compared, the folder may
        be another registry's."""
        self._mark = mark
        if self._identity is None:
            return
        try:
            write_mark(self._folder, self._cluster, mark)
        except OSError as error:
            _log.warning("%s: %s", self._folder / CLUSTER_MARK, error.strerror or error)

    def back_up(self, target: Path, *, port: int, made_at: int) -> "Manifest":
        from chatapp.registry.store.backup import make_backup  # deferred: it is rarely done

        assert self._identity is not None
        image = self._store.snapshot()
        with as_folder(image, self._identity, self._folder) as copied:
            return make_backup(copied, target, lengths={}, port=port, made_at=made_at)

    def verify(self) -> "Inspection":
        from chatapp.registry.store.backup import Inspection  # deferred: it is rarely done

        found = self._store.verify()
        return Inspection(
            files=found.messages, records=found.records, size=found.size, damage=list(found.damage)
        )


CLUSTER_KEY: Final = "cluster.key"
"""The file in the registry's folder, unless another one is named."""
_KEY_SIZE_MAX: Final = 1_000


def read_key(path: Path) -> ClusterKey | None:
    """Return the key in a file; None if there is no such file. Raises KeyUnusable."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    try:
        if stat.S_IMODE(os.fstat(file).st_mode) & 0o077:
            raise KeyUnusable(path, "others on this machine can read this key: run chmod 600 on it")
        text = os.read(file, _KEY_SIZE_MAX)
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    finally:
        os.close(file)
    try:
        return ClusterKey(bytes.fromhex(text.decode("ascii")))
    except ValueError:
        raise KeyUnusable(
            path, f"holds no cluster key, which is {2 * KEY_SIZE} hexadecimal digits"
        ) from None


def make_key(path: Path) -> ClusterKey:
    """Make a new key in a file that does not exist. Raises KeyUnusable."""
    secret = os.urandom(KEY_SIZE)
    try:
        write_whole(path, secret.hex().encode() + b"\n")
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    return ClusterKey(secret)
