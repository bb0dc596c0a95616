"""The state of a cluster as files of a registry without one, and back: for backups, and to begin a
cluster with what a single registry has."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from chatapp.registry.cluster.stream.image import Image
from chatapp.registry.store.entries import (
    CheckpointMark,
    DeskOwner,
    Entry,
    MailStored,
    MailTaken,
    Owner,
)
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.journals import Journals, Reader
from chatapp.registry.store.keystore import KEY_FILE, PUBLIC_FILE
from chatapp.registry.store.protocol import StoreUnusable
from chatapp.registry.store.recovery import Loading
from chatapp.registry.store.segments import FileIndex, FileLayout
from chatapp.wire.folders import make_private, write_whole
from chatapp.wire.identity import Identity
from chatapp.wire.storage import Disk

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
