"""What is promised about files: who accepted one and stays gets exactly its bytes, or is told once why not;
nothing of it is there without that, and nothing half-written has its name.

Checked on the disks of those who fetch, and by what they are told.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api.events import Event, FileChanged
from chatapp.peer.api.files import FileState, FileTransfer

PART: Final = ".part"


def digest(content: bytes) -> bytes:
    """Return what tells a content from all others."""
    return hashlib.sha256(content).digest()


class Wanted:
    """A file that somebody has accepted."""

    def __init__(self, content: bytes) -> None:
        """`content`: the digest of what was offered."""
        self.content: Final = content
        self.failures_left = 0
        """How often they may still be told that it stops."""


class FilesPromise:
    """Checks the files of one person."""

    def __init__(self, name: str, downloads: Path) -> None:
        self._name: Final = name
        self._downloads: Final = downloads
        self._wanted: Final[dict[int, Wanted]] = {}
        """By the id of the line that offers it."""
        self._seen: Final[dict[Path, tuple[int, bytes]]] = {}

    def note_accepted(self, file: FileTransfer, content: bytes) -> None:
        """Note that the person accepts a file."""
        self._wanted.setdefault(file.id, Wanted(content)).failures_left = 1

    def note_started(self) -> None:
        """Note that the program starts again: it tries again what it has not told to be over, and
        tells again what its end kept from the disk."""
        for wanted in self._wanted.values():
            wanted.failures_left = 1

    def note_told(self, batch: Sequence[Event]) -> None:
        """Check what the person is told."""
        for event in batch:
            if isinstance(event, FileChanged) and not event.file.is_ours:
                self._check_told(event.file)

    def _check_told(self, file: FileTransfer) -> None:
        wanted = self._wanted.get(file.id)
        if file.state in (FileState.WAITING, FileState.RUNNING, FileState.DONE):
            assert wanted is not None, f"{self._name}: {file.name} comes, and nobody wants it"
        if file.state is FileState.FAILED:
            assert wanted is not None and wanted.failures_left, f"{self._name}: told twice: {file}"
            assert file.trouble is not None, f"{self._name}: {file.name} stops without a reason"
            wanted.failures_left -= 1
        if file.state is FileState.DONE and wanted is not None:
            assert wanted.content in self._whole(), f"{self._name}: {file.name} is not there"

    def look(self) -> None:
        """After every step: whole files are those that were accepted, each once."""
        contents = Counter(wanted.content for wanted in self._wanted.values())
        for content, count in Counter(self._whole()).items():
            assert content in contents, f"{self._name}: a file that nobody wants, or half of one"
            assert count <= contents[content], f"{self._name}: a file came twice"
        parts = sum(path.suffix == PART for path in self._paths())
        assert parts <= len(self._wanted), f"{self._name}: more comes than was accepted"

    def check_end(self, file: FileTransfer, *, is_intact: bool) -> None:
        """At the end. `is_intact`: whether the one who offers a file still has it as it was."""
        wanted = self._wanted.get(file.id)
        if wanted is None:
            assert file.state is not FileState.DONE, f"{self._name}: {file.name} came by itself"
        elif file.state is FileState.DONE:
            assert wanted.content in self._whole(), f"{self._name}: {file.name} is not there"
        else:
            assert not is_intact, f"{self._name}: {file.name} never came: {file}"
            assert file.state is FileState.FAILED, f"{self._name}: nothing is said of {file}"

    def _whole(self) -> list[bytes]:
        """Return the digests of all files that have their name."""
        return [self._digest(path) for path in self._paths() if path.suffix != PART]

    def _paths(self) -> Iterator[Path]:
        return iter(sorted(self._downloads.glob("*")))

    def _digest(self, path: Path) -> bytes:
        """Return the digest of a file, which nobody changes once it has its name."""
        found = path.stat()
        seen = self._seen.get(path)
        if seen is None or seen[0] != found.st_ino:
            seen = self._seen[path] = found.st_ino, digest(path.read_bytes())
        return seen[1]
