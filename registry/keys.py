"""This file is about the registry's identity key on disk: 32 secret bytes that make it the registry that peers pinned.

Written whole under another name, then given its own, so that no crash leaves half a key. A broken key is never replaced:
that would be another registry, and every peer would warn of it. It knows one file; it must not know what the key signs.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from wire.errors import ChatAppError
from wire.identity import Identity

KEY_FILE = "identity.key"
_SEED_SIZE = 32
_MODE = 0o600


class KeyUnusable(ChatAppError):
    """A key file that holds no key, or cannot be read or made."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def load_or_make(folder: Path) -> tuple[Identity, bool]:
    """The key in `folder`, and whether it was made just now. Raises KeyUnusable."""
    path = folder / KEY_FILE
    try:
        seed = _read(path)
        if seed is not None:
            return Identity(seed), False
        seed = secrets.token_bytes(_SEED_SIZE)
        _write(path, seed)
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    return Identity(seed), True


def _read(path: Path) -> bytes | None:
    """The key's bytes; None where there is no such file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if stat.S_IMODE(os.fstat(file).st_mode) != _MODE:
            os.fchmod(file, _MODE)
        seed = os.read(file, _SEED_SIZE + 1)
    finally:
        os.close(file)
    if len(seed) != _SEED_SIZE:
        raise KeyUnusable(path, "holds no key; restore it from a copy, or remove it to be another registry")
    return seed


def _write(path: Path, seed: bytes) -> None:
    draft = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()  # of a start that was cut short
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    try:
        os.write(file, seed)
        os.fsync(file)
    finally:
        os.close(file)
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
