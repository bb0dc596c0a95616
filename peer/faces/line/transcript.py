"""The transcript of a visit that the visitor keeps: a file that nobody else may read."""

import os
import time
from pathlib import Path
from typing import IO, NamedTuple


class Said(NamedTuple):
    """A line of the visit."""

    at: float
    """Unix time."""
    who: str
    text: str


class Transcript:
    """What was said in a visit; also in a file, once it is asked for."""

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._file: IO[str] | None = None

    def note(self, who: str, text: str, *, at: float | None = None) -> None:
        """Add a line. `at`: Unix time; None for now. Raises OSError if the file cannot be written;
        then it is closed."""
        self._said.append(Said(time.time() if at is None else at, who, text))
        if self._file is not None:
            self._write(self._said[-1:])

    def write_to(self, path: Path) -> int:
        """Write all that was said to a new file (mode 0600), and from now on each line. Return how
        many lines there are. Raises OSError, also if the file exists."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.close()
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._write(self._said)
        return len(self._said)

    def begin_anew(self) -> None:
        """Forget what was said: another visit begins. It needs a file of its own."""
        self.close()
        self._said.clear()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, lines: list[Said]) -> None:
        assert self._file is not None
        try:
            for line in lines:
                at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.at))
                self._file.write(f"{at} {line.who}: {line.text}\n")
            self._file.flush()
        except OSError:
            self._file = None
            raise


def default_path() -> Path:
    """Return a path in the present folder, named by the time."""
    return Path(time.strftime("transcript-%Y-%m-%d-%H%M%S.txt"))
