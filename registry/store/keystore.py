"""The registry's identity key, which peers have pinned: on disk, or sealed in a store that several
nodes share.

Files are written under another name and then renamed, so no crash leaves half a key. A damaged key
is never replaced: that would be another registry, and every peer would warn of it.

The nodes of a cluster are one registry, so they have one identity. It is kept with their common
state, sealed with the cluster key: whoever runs the store without that key cannot read it, nor
exchange it unnoticed.
"""

import hashlib
import os
import random
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import keep_public_half, write_whole
from chatapp.wire.identity import Identity

KEY_FILE = "identity.key"
PUBLIC_FILE = "identity.pub"
_SEED_SIZE = 32
_MODE = 0o600

_RESTORE_KEY: Final = (
    f"restore it from a copy, or remove it and {PUBLIC_FILE} to be another registry"
)
_KEY_GONE: Final = (
    f"missing; restore it from a copy, or remove {PUBLIC_FILE} too to be another registry"
)
_OTHER_KEY: Final = (
    f"does not belong to {PUBLIC_FILE} beside it: one of them is damaged; restore them from a copy, or remove both to be "
    "another registry"
)

CLUSTER_KEY_SIZE: Final = 32
"""Bytes of the key that the nodes of a cluster share."""
_SEALED_VERSION: Final = b"\x01"
_SEAL_NONCE_SIZE: Final = 12
_SEAL_PURPOSE: Final = b"chatapp ident 1"
_SEAL_TAG_SIZE: Final = 16
_SEALED_SIZE: Final = len(_SEALED_VERSION) + _SEAL_NONCE_SIZE + _SEED_SIZE + _SEAL_TAG_SIZE


class KeyUnusable(ChatAppError):
    """A key file that holds no key, or cannot be read or made."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def load_or_make(folder: Path, rng: random.Random | None = None) -> tuple[Identity, bool]:
    """Return the key in `folder`, made if needed, and whether it was made just now. `rng`: what a
    new key is made of; None for the system's chance. Raises KeyUnusable."""
    path = folder / KEY_FILE
    try:
        seed = _read(path)
        is_new = seed is None
        if seed is None:
            # If we crashed after making the new key, the public half of a lost one would not fit
            # it.
            (folder / PUBLIC_FILE).unlink(missing_ok=True)
            seed = (rng or random.SystemRandom()).randbytes(_SEED_SIZE)
            write_whole(path, seed)
        identity = Identity(seed)
        if not keep_public_half(folder / PUBLIC_FILE, identity.public, is_new=is_new):
            raise KeyUnusable(path, _OTHER_KEY)
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    return identity, is_new


def had_key(folder: Path) -> bool:
    """Return whether a registry has run in `folder`: either half of its key is there."""
    return any((folder / name).exists() for name in (KEY_FILE, PUBLIC_FILE))


def has_key(folder: Path) -> bool:
    """Return whether a registry has its key in `folder`. Raises KeyUnusable if it had one that is
    gone."""
    if (folder / KEY_FILE).exists():
        return True
    if had_key(folder):
        raise KeyUnusable(folder / KEY_FILE, _KEY_GONE)
    return False


def key_flaws(folder: Path) -> list[str]:
    """Return a line about each half of the key in `folder` that is missing or damaged, and change
    nothing."""
    path, public = folder / KEY_FILE, folder / PUBLIC_FILE
    try:
        seed = _read(path, mends=False)
        if seed is None:
            return [f"{KEY_FILE}: {_KEY_GONE}"]
        if not public.exists():
            return [f"{PUBLIC_FILE}: missing; the next start makes it from {KEY_FILE}"]
        fits = Identity(seed).public == public_key(folder)
    except KeyUnusable as error:
        return [f"{error.path.name}: {error.reason}"]
    except OSError as error:
        return [f"{KEY_FILE}: cannot be read ({error.strerror})"]
    return [] if fits else [f"{KEY_FILE}: {_OTHER_KEY}"]


def _read(path: Path, *, mends: bool = True) -> bytes | None:
    """Return the key's bytes, None if the file does not exist. `mends`: whether others lose their
    access to it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if mends and stat.S_IMODE(os.fstat(file).st_mode) != _MODE:
            os.fchmod(file, _MODE)
        seed = os.read(file, _SEED_SIZE + 1)
    finally:
        os.close(file)
    if len(seed) != _SEED_SIZE:
        raise KeyUnusable(path, f"holds no key; {_RESTORE_KEY}")
    return seed


def public_key(folder: Path) -> bytes:
    """Return the public key of the registry with this folder, which must have run once. Raises
    KeyUnusable, OSError."""
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


class IdentityUnreadable(ChatAppError):
    """A sealed identity that this cluster key does not open."""

    def __str__(self) -> str:
        return "the registry's identity in the cluster cannot be opened: this node has another cluster key, or it is damaged"


def seal_identity(
    identity: Identity, cluster_key: bytes, rng: random.Random | None = None
) -> bytes:
    """Return the identity sealed with the cluster key (61 bytes), to be kept in a store that others
    may read. `rng`: what the nonce is made of; None for the system's chance."""
    nonce = (rng or random.SystemRandom()).randbytes(_SEAL_NONCE_SIZE)
    return (
        _SEALED_VERSION
        + nonce
        + _seal_cipher(cluster_key).encrypt(nonce, identity.seed, _SEALED_VERSION)
    )


def open_identity(sealed: bytes, cluster_key: bytes) -> Identity:
    """Return the identity that `seal_identity` sealed. Raises IdentityUnreadable for any other
    bytes or key."""
    if len(sealed) != _SEALED_SIZE or not sealed.startswith(_SEALED_VERSION):
        raise IdentityUnreadable
    nonce, ciphertext = sealed[1 : 1 + _SEAL_NONCE_SIZE], sealed[1 + _SEAL_NONCE_SIZE :]
    try:
        return Identity(_seal_cipher(cluster_key).decrypt(nonce, ciphertext, _SEALED_VERSION))
    except InvalidTag:
        raise IdentityUnreadable from None


def _seal_cipher(cluster_key: bytes) -> AESGCM:
    """Return the cipher for the identity alone: what else the cluster key seals has keys of its
    own."""
    if len(cluster_key) != CLUSTER_KEY_SIZE:
        raise ValueError(f"a cluster key has {CLUSTER_KEY_SIZE} bytes, not {len(cluster_key)}")
    return AESGCM(hashlib.blake2b(key=cluster_key, digest_size=32, person=_SEAL_PURPOSE).digest())
