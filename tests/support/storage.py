"""What one person's disk holds in the simulation: the product's journal, over files in memory, and
the database.

A crash sets the database back to what was certainly on its disk, so every start files again what
followed, from the journal.
"""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from chatapp.peer.core.records import Record
from chatapp.peer.history.database import History
from chatapp.peer.history.journal import LINES, RecordJournal
from chatapp.peer.history.opening import replay
from chatapp.peer.node.storage import CommitQueue
from chatapp.wire.storage import Disk
from tests.support.histories import close_when_forgotten

SERVER = "registry"


class MemoryDisk(Disk):
    """Files without a file system, as far as a peer's journal uses them."""

    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}
        self._synced: dict[int, int] = {}
        """By open file, how much of it is on the disk."""
        self._open: list[bytearray] = []

    def open_root(self, path: Path) -> int:
        return -1

    def names(self, folder: int) -> list[str]:
        return sorted(self._files)

    def create(self, folder: int, name: str) -> int:
        if name in self._files:
            raise FileExistsError(name)
        return self.open_to_overwrite(folder, name)

    def open_to_read(self, folder: int, name: str) -> int:
        return self.open_to_overwrite(folder, name)

    def open_to_overwrite(self, folder: int, name: str) -> int:
        self._open.append(self._files.setdefault(name, bytearray()))
        return len(self._open) - 1

    def close(self, file: int) -> None:
        pass

    def sync(self, file: int) -> None:
        self._synced[file] = len(self._open[file])

    def sync_folder(self, folder: int) -> None:
        pass

    def lose_power(self, chance: random.Random) -> None:
        """Forget what was not synced, or the end of it."""
        for name, content in self._files.items():
            files = [file for file, other in enumerate(self._open) if other is content]
            if name != LINES and files:
                synced = max(self._synced.get(file, 0) for file in files)
                del content[chance.choice((synced, chance.randint(synced, len(content)))) :]

    def size(self, file: int) -> int:
        return len(self._open[file])

    def read(self, file: int, length: int, offset: int) -> bytes:
        return bytes(self._open[file][offset : offset + length])

    def write(self, file: int, data: bytes | memoryview) -> int:
        self._open[file] += data
        return len(data)

    def overwrite(self, file: int, data: bytes) -> None:
        self._open[file][: len(data)] = data

    def remove(self, folder: int, name: str) -> None:
        del self._files[name]


class _Database(History):
    """A database in memory that knows what it was when it was last on the disk."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(":memory:", server=SERVER)
        close_when_forgotten(self)  # whoever is done with a world just forgets it
        if content:
            self._db.deserialize(content)
            self.registries.look_again()
            self.filed = self._position()
        self.synced = self._db.serialize()

    def sync(self) -> bool:
        self.synced = self._db.serialize()
        return True


class Storage:
    """A person's journal and database."""

    def __init__(self) -> None:
        self.is_slow = False
        """Whether no sync of this disk ends."""
        self._disk = MemoryDisk()
        self._open(b"")

    @property
    def history(self) -> History:
        """The database, with all that is stored."""
        assert self._queue.file_all(now=0.0)
        return self._database

    def store(self, records: Sequence[Record]) -> None:
        """Store records."""
        assert self._queue.keep(records, now=0.0, is_last=True)

    def sync(self) -> bool:
        """Put on the disk what is stored. False if the disk takes longer."""
        return not self.is_slow and self._queue.sync(now=0.0)

    def lose_power(self, chance: random.Random) -> None:
        """Forget what is not on the disk. `restart` follows."""
        self._disk.lose_power(chance)

    def restart(self) -> None:
        """Open what a crash left."""
        self._database.close()
        self._open(self._database.synced)

    def put_back(self, path: Path) -> None:
        """Restore the database from a copy, without a journal."""
        self._database.close()
        self._disk = MemoryDisk()
        with closing(sqlite3.connect(path)) as copy:
            self._open(copy.serialize())

    def _open(self, content: bytes) -> None:
        self._database = _Database(content)
        journal = RecordJournal(Path(), server=SERVER, disk=self._disk)
        assert replay(self._database, journal) == 0, "lines are lost"
        self._queue = CommitQueue(self._database, journal)
