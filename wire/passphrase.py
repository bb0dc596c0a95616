"""What only a passphrase opens: a secret key that is locked by it, and bytes that are sealed to the
public half of that key.

So anybody who holds the lock can seal what belongs to the person, and only the passphrase opens it
again.
"""

import unicodedata
from collections.abc import Callable
from typing import Final

import msgspec
from nacl import bindings as sodium
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random

from chatapp.wire.errors import SealError

KEY_SIZE: Final = 32
PIECE: Final = 64 * 1024
"""Bytes that are sealed together."""

_BEGIN: Final = b"chatapp sealed 1\0"
_SEALED_KEY: Final = KEY_SIZE + 48


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A secret key, locked by a passphrase."""

    salt: bytes
    work: int
    """How often argon2id goes through the memory."""
    memory: int
    """Bytes of memory that argon2id takes."""
    public: bytes
    """The public half of the key (X25519)."""
    secret: bytes
    """The key under what argon2id makes of the passphrase."""


def new_lock(passphrase: str, *, secret: bytes = b"") -> tuple[Lock, bytes]:
    """Return a lock for a passphrase, and the secret key in it: this one, else a new one. Takes as
    long as `unlocked`."""
    key = PrivateKey(secret) if secret else PrivateKey.generate()
    salt = random(argon2id.SALTBYTES)
    work, memory = argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE
    stretched = _stretched(passphrase, salt, work, memory)
    lock = Lock(
        salt=salt,
        work=work,
        memory=memory,
        public=bytes(key.public_key),
        secret=wrapped(bytes(key), stretched),
    )
    return lock, bytes(key)


def unlocked(lock: Lock, passphrase: str) -> bytes | None:
    """Return the secret key in a lock; None if it is another passphrase. Takes 64 MiB and a tenth of
    a second, and lets other threads run meanwhile."""
    return unwrapped(lock.secret, _stretched(passphrase, lock.salt, lock.work, lock.memory))


def _stretched(passphrase: str, salt: bytes, work: int, memory: int) -> bytes:
    typed = _plain(passphrase).encode("utf-8", "surrogatepass")
    return argon2id.kdf(KEY_SIZE, typed, salt, opslimit=work, memlimit=memory)


def _plain(passphrase: str) -> str:
    """Return a passphrase as every keyboard writes it (RFC 8265, 4.2.2)."""
    spaced = ("\x20" if unicodedata.category(one) == "Zs" else one for one in passphrase)
    return unicodedata.normalize("NFC", "".join(spaced))


def wrapped(secret: bytes, key: bytes) -> bytes:
    """Return a secret under a key of 32 bytes."""
    return bytes(SecretBox(key).encrypt(secret))


def unwrapped(box: bytes, key: bytes) -> bytes | None:
    """Return what `wrapped` has put under this key; None for another key, or damage."""
    try:
        return SecretBox(key).decrypt(box)
    except (CryptoError, ValueError):
        return None


class SealingWriter:
    """Seals bytes to a public key, piece by piece, and writes them."""

    def __init__(self, public: bytes, write: Callable[[bytes], object]) -> None:
        self._write: Final = write
        self._waiting = bytearray()
        key = random(KEY_SIZE)
        self._state: Final = sodium.crypto_secretstream_xchacha20poly1305_state()
        header = sodium.crypto_secretstream_xchacha20poly1305_init_push(self._state, key)
        write(_BEGIN + SealedBox(PublicKey(public)).encrypt(key) + header)

    def write(self, plain: bytes) -> int:
        """Take more bytes."""
        self._waiting += plain
        while len(self._waiting) > PIECE:
            self._write(
                sodium.crypto_secretstream_xchacha20poly1305_push(
                    self._state,
                    bytes(self._waiting[:PIECE]),
                    tag=sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
                )
            )
            del self._waiting[:PIECE]
        return len(plain)

    def finish(self) -> None:
        """Write the last piece, without which nothing counts as whole."""
        self._write(
            sodium.crypto_secretstream_xchacha20poly1305_push(
                self._state,
                bytes(self._waiting),
                tag=sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL,
            )
        )
        self._waiting.clear()


class SealedReader:
    """Reads what a `SealingWriter` has written."""

    def __init__(self, secret: bytes, read: Callable[[int], bytes]) -> None:
        """`read`: as of a file. Raises SealError."""
        self._read: Final = read
        self._ready = bytearray()
        self._is_whole = False
        begin = read(
            len(_BEGIN) + _SEALED_KEY + sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
        )
        sealed = begin[len(_BEGIN) : len(_BEGIN) + _SEALED_KEY]
        self._state: Final = sodium.crypto_secretstream_xchacha20poly1305_state()
        if not begin.startswith(_BEGIN):
            raise SealError("this is no sealed folder")
        try:
            key = SealedBox(PrivateKey(secret)).decrypt(sealed)
            sodium.crypto_secretstream_xchacha20poly1305_init_pull(
                self._state, begin[len(_BEGIN) + _SEALED_KEY :], key
            )
        except (CryptoError, ValueError, TypeError):
            raise SealError("a sealed folder does not open") from None

    def read(self, size: int) -> bytes:
        """Return the next bytes, so many unless the end comes first. Raises SealError."""
        while len(self._ready) < size and not self._is_whole:
            self._ready += self._piece()
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def _piece(self) -> bytes:
        try:
            plain, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(
                self._state, self._read(PIECE + sodium.crypto_secretstream_xchacha20poly1305_ABYTES)
            )
        except (CryptoError, ValueError, TypeError):
            raise SealError("a sealed folder is damaged") from None
        self._is_whole = tag == sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
        return bytes(plain)
