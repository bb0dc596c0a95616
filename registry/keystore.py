"""The registry's identity key on disk, which peers have pinned.

Files are written under another name and then renamed, so no crash leaves half a key. A damaged key is never replaced:
that would be another registry, and every peer would warn of it.
"""

import os
import random
import stat
from pathlib import Path

from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import keep_public_half, write_whole
from chatapp.wire.identity import Identity

KEY_FILE = "identity.key"
PUBLIC_FILE = "identity.pub"
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


def load_or_make(folder: Path, rng: random.Random | None = None) -> tuple[Identity, bool]:
    """Return the key in `folder`, made if needed, and whether it was made just now. `rng`: what a new key is made of; None
    for the system's chance. Raises KeyUnusable."""
    path = folder / KEY_FILE
    try:
        seed = _read(path)
        is_new = seed is None
        if seed is None:
            # If we crashed after making the new key, the public half of a lost one would not fit it.
            (folder / PUBLIC_FILE).unlink(missing_ok=True)
            seed = (rng or random.SystemRandom()).randbytes(_SEED_SIZE)
            write_whole(path, seed)
        identity = Identity(seed)
        if not keep_public_half(folder / PUBLIC_FILE, identity.public, is_new=is_new):
            wrong = f"does not belong to {PUBLIC_FILE} beside it: one of them is damaged"
            raise KeyUnusable(
                path, f"{wrong}; restore them from a copy, or remove both to be another registry"
            )
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    return identity, is_new


def _read(path: Path) -> bytes | None:
    """Return the key's bytes, None if the file does not exist."""
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


def public_key(folder: Path) -> bytes:
    """Return the public key of the registry with this folder, which must have run once. Raises KeyUnusable, OSError."""
    path = folder / PUBLIC_FILE
    try:
        identity = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        identity = b""
    if len(identity) != 32:
        raise KeyUnusable(
            path, "holds no key; the registry makes it anew at its next start, if it is removed"
        )
    return identity
