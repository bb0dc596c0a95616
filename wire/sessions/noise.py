"""The handshake `Noise_KK_25519_AESGCM_SHA256` of the Noise Protocol Framework, revision 34.

Both sides know each other's static key beforehand. Two messages, each with a payload, then two
transport keys:

    -> e, es, ss
    <- e, ee, se

The names are those of the specification (section 5), so that it can be read beside the code.
"""

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatapp.wire.errors import DecodeError, SealError
from chatapp.wire.identity import AgreementKey

PROTOCOL_NAME: Final = b"Noise_KK_25519_AESGCM_SHA256"
KEY_SIZE: Final = 32
TAG_SIZE: Final = 16
MESSAGE_OVERHEAD: Final = KEY_SIZE + TAG_SIZE
"""Bytes of either handshake message besides its payload: an ephemeral key and an AEAD tag."""


def hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Return the two outputs of the specification's HKDF (section 4.3)."""
    secret = hmac.digest(chaining_key, material, "sha256")
    first = hmac.digest(secret, b"\x01", "sha256")
    return first, hmac.digest(secret, first + b"\x02", "sha256")


class CipherState:
    """A key and the count of messages sealed or opened under it (section 5.1)."""

    __slots__ = ("key", "nonce")

    def __init__(self, key: bytes) -> None:
        self.key: Final = key
        self.nonce = 0

    def encrypt(self, additional: bytes, plaintext: bytes) -> bytes:
        """Return the ciphertext and its tag."""
        sealed = AESGCM(self.key).encrypt(self.nonce.to_bytes(12, "big"), plaintext, additional)
        self.nonce += 1
        return sealed

    def decrypt(self, additional: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext. Raises SealError, and then leaves the nonce unchanged."""
        try:
            opened = AESGCM(self.key).decrypt(
                self.nonce.to_bytes(12, "big"), ciphertext, additional
            )
        except InvalidTag:
            raise SealError("does not open") from None
        self.nonce += 1
        return opened


class SymmetricState:
    """The chaining key, the hash of the transcript, and the key for the next payload (section
    5.2)."""

    __slots__ = ("chaining_key", "cipher", "hash")

    def __init__(self, chaining_key: bytes, hashed: bytes, cipher: CipherState | None) -> None:
        self.chaining_key = chaining_key
        self.hash = hashed
        self.cipher = cipher

    @classmethod
    def initial(cls) -> "SymmetricState":
        """Return the initial state: the protocol's name (28 bytes, so it is padded and not
        hashed)."""
        name = PROTOCOL_NAME.ljust(32, b"\0")
        return cls(name, name, None)

    def copy(self) -> "SymmetricState":
        """Return an independent copy, on which a message can be tried."""
        return SymmetricState(self.chaining_key, self.hash, self.cipher)

    def mix_key(self, material: bytes) -> None:
        """Mix the result of a key agreement into the chaining key."""
        self.chaining_key, key = hkdf(self.chaining_key, material)
        self.cipher = CipherState(key)

    def mix_hash(self, data: bytes) -> None:
        """Mix bytes that both sides have seen into the hash."""
        self.hash = hashlib.sha256(self.hash + data).digest()

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Return the sealed payload. Both messages of KK have a key by then."""
        assert self.cipher is not None
        ciphertext = self.cipher.encrypt(self.hash, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Return the payload. Raises SealError."""
        assert self.cipher is not None
        plaintext = self.cipher.decrypt(self.hash, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext


class HandshakeState:
    """One side of one handshake (section 5.3). Raises SealError for an invalid public key."""

    __slots__ = (
        "_ephemeral",
        "_static",
        "_static_static",
        "_symmetric",
        "_their_ephemeral",
        "_their_static",
    )

    def __init__(
        self,
        *,
        is_initiator: bool,
        prologue: bytes,
        static: AgreementKey,
        ephemeral: AgreementKey,
        their_static: bytes,
        static_static: bytes | None = None,
    ) -> None:
        """`static_static`: the agreement of the two static keys, when the caller has it already."""
        self._static = static
        self._ephemeral = ephemeral
        self._their_static = their_static
        self._static_static = static.agree(their_static) if static_static is None else static_static
        symmetric = self._symmetric = SymmetricState.initial()
        symmetric.mix_hash(prologue)
        symmetric.mix_hash(static.public if is_initiator else their_static)
        symmetric.mix_hash(their_static if is_initiator else static.public)

    @property
    def handshake_hash(self) -> bytes:
        """The hash of the transcript: after message 2 it is the same on both sides, and differs for
        every handshake."""
        return self._symmetric.hash

    def write_first(self, payload: bytes) -> bytes:
        """Initiator: return message 1."""
        symmetric = self._symmetric
        symmetric.mix_hash(self._ephemeral.public)
        symmetric.mix_key(self._ephemeral.agree(self._their_static))  # es
        symmetric.mix_key(self._static_static)  # ss
        return self._ephemeral.public + symmetric.encrypt_and_hash(payload)

    def read_first(self, message: bytes) -> bytes:
        """Responder: read message 1 and return its payload. After SealError or DecodeError nothing
        has changed."""
        theirs, sealed = _cut(message)
        symmetric = self._symmetric.copy()
        symmetric.mix_hash(theirs)
        symmetric.mix_key(self._static.agree(theirs))  # es
        symmetric.mix_key(self._static_static)  # ss
        payload = symmetric.decrypt_and_hash(sealed)
        self._symmetric, self._their_ephemeral = symmetric, theirs
        return payload

    def write_second(self, payload: bytes) -> bytes:
        """Responder: return message 2."""
        symmetric, ephemeral = self._symmetric, self._ephemeral
        symmetric.mix_hash(ephemeral.public)
        symmetric.mix_key(ephemeral.agree(self._their_ephemeral))  # ee
        symmetric.mix_key(ephemeral.agree(self._their_static))  # se
        return ephemeral.public + symmetric.encrypt_and_hash(payload)

    def read_second(self, message: bytes) -> bytes:
        """Initiator: read message 2 and return its payload. After SealError or DecodeError nothing
        has changed."""
        theirs, sealed = _cut(message)
        symmetric = self._symmetric.copy()
        symmetric.mix_hash(theirs)
        symmetric.mix_key(self._ephemeral.agree(theirs))  # ee
        symmetric.mix_key(self._static.agree(theirs))  # se
        payload = symmetric.decrypt_and_hash(sealed)
        self._symmetric = symmetric
        return payload

    def export(self, label: bytes) -> bytes:
        """Return a key for another use, bound to the transcript so far and to `label`.

        The material is longer than any key agreement, so no later step of the handshake derives the
        same.
        """
        return hkdf(self._symmetric.chaining_key, label + self._symmetric.hash)[0]

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the transport ciphers after message 2: of the initiator's messages, and of the
        responder's."""
        first, second = hkdf(self._symmetric.chaining_key, b"")
        return CipherState(first), CipherState(second)


def _cut(message: bytes) -> tuple[bytes, bytes]:
    if len(message) < MESSAGE_OVERHEAD:
        raise DecodeError("handshake", f"{len(message)} bytes, at least {MESSAGE_OVERHEAD}")
    return message[:KEY_SIZE], message[KEY_SIZE:]
