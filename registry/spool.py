"""This file is about the folder through which a running registry is asked by whoever runs it: one file an errand.

Each file is put in place whole, by a rename. The folder is for its owner alone, as everything there is. It knows files and
shapes; it must not know what an errand does.

    requests/<ticket>.ask       put there by who asks, taken away by the registry
    requests/<ticket>.answer    the other way round
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from registry.errands import Answer, Errand
from wire.folders import make_private

FOLDER: Final = "requests"
_ASK: Final = re.compile(r"([0-9a-f]{32})\.ask\Z")
_SIZE_MAX: Final = 1 << 20
_AT_ONCE: Final = 16

_errands: Final = msgspec.json.Decoder(Errand)
_answers: Final = msgspec.json.Decoder(Answer)


class Spool:
    """Both ends of it. What raises OSError says so."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the registry's."""
        self._folder = folder / FOLDER

    # --- the registry's end

    def open(self) -> None:
        """Make it, and forget what was left there: whoever still waits asks again. Raises OSError."""
        make_private(self._folder)
        for path in self._folder.iterdir():
            with suppress(OSError):
                path.unlink()

    def asked(self) -> Iterator[tuple[str, Errand]]:
        """Drained: errands, each with its ticket. What is no errand is taken away, and not answered."""
        try:
            found = [path for path in self._folder.iterdir() if _ASK.match(path.name)]
        except OSError:
            return
        for path in found[:_AT_ONCE]:
            try:
                with path.open("rb") as file:
                    content = file.read(_SIZE_MAX)
                path.unlink()
                errand = _errands.decode(content)
            except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                continue
            yield path.stem, errand

    def answer(self, ticket: str, answer: Answer) -> None:
        """Raises OSError."""
        self._put(f"{ticket}.answer", msgspec.json.encode(answer))

    # --- the other end

    def ask(self, ticket: str, errand: Errand) -> None:
        """Unless it lies there already. Raises OSError."""
        make_private(self._folder)
        if not (self._folder / f"{ticket}.ask").exists():
            self._put(f"{ticket}.ask", msgspec.json.encode(errand))

    def answered(self, ticket: str) -> Answer | None:
        """Drained: the answer, if it is there. Raises OSError."""
        path = self._folder / f"{ticket}.answer"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return _answers.decode(content)

    def withdraw(self, ticket: str) -> None:
        """Ask no more. Raises OSError."""
        (self._folder / f"{ticket}.ask").unlink(missing_ok=True)

    def _put(self, name: str, content: bytes) -> None:
        new = self._folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_bytes(content)
        new.rename(self._folder / name)
