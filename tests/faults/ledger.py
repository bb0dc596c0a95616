"""The notes of a bot: what was promised to it and what it was shown, in a file that survives `kill
-9`.

`tests.faults.judging` decides what may be missing or come twice.
"""

import enum
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple


class What(enum.StrEnum):
    """Kinds of entries."""

    PROMISED = "promised"
    """`text` was delivered, saved or kept, so `who`'s message must be shown."""
    SHOWN = "shown"
    """`text` was shown to `who`."""
    FATE = "fate"
    """An outcome, to be counted."""
    LINK = "link"
    """`who` has a link to the registry's server with the port `text`; empty: it has none any
    more."""
    BROKEN = "broken"
    """Something that must not happen."""


class Entry(NamedTuple):
    """One line of a ledger. `at`: Unix seconds."""

    at: float
    what: What
    who: str
    text: str


class Ledger:
    """A file written line by line: entries survive whatever happens to the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: Final = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, what: What, who: str, text: str) -> None:
        """Write one entry."""
        os.write(self._file, f"{time.time():.6f}\t{what}\t{who}\t{text}\n".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> Iterator[Entry]:
    """Return all entries, in order."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            at, what, who, text = line.rstrip("\n").split("\t", 3)
            yield Entry(float(at), What(what), who, text)
