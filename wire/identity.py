"""Identity keys, and what they sign in the table: mail keys, cards and the table itself (clause 3).

A name has one Ed25519 identity key, whose X25519 form opens sessions, and one X25519 mail key for
each week, kept on disk so that mail can wait. A card ties the two together under the identity key's
signature.
"""

import functools
import hashlib
import re
from typing import TYPE_CHECKING, Final

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey

from chatapp.wire.codec import encode
from chatapp.wire.errors import ChatAppError, SealError, quoted
from chatapp.wire.messages.table import Card

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

AGREEMENT_KEY_SIZE: Final = 32
"""Bytes of an X25519 key, secret or public."""

_CARD: Final = b"chatapp card 1\0"
_TABLE: Final = b"chatapp table 1\0"
_SIGNATURE_SIZE: Final = 64
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{32})?\Z")


class Identity:
    """An Ed25519 signing key (RFC 8032); `public` is the 32 bytes that others know."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self.public: Final = bytes(self._key.verify_key)

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes from which the key can be made again."""
        return bytes(self._key)

    def agreement_key(self) -> "AgreementKey":
        """Return the X25519 form of this key, with which it opens sessions (clause 5.1)."""
        return AgreementKey(bytes(self._key.to_curve25519_private_key()))

    def sign(self, purpose: bytes, message: bytes) -> bytes:
        """Return a signature of 64 bytes. `purpose` prevents its use for anything else."""
        return self._key.sign(purpose + message).signature


def is_signed_by(identity: bytes, purpose: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `identity` signed this; also False for anything malformed."""
    try:
        VerifyKey(identity).verify(purpose + message, signature)
    except (BadSignatureError, ValueError, TypeError):
        return False
    return True


def agreement_half(identity: bytes) -> bytes:
    """Return the X25519 form of a public identity key. Raises SealError for an invalid one."""
    try:
        return bytes(VerifyKey(identity).to_curve25519_public_key())
    except (CryptoError, ValueError, TypeError):
        raise SealError("the other side's identity is not a valid key") from None


class AgreementKey:
    """An X25519 key (RFC 7748): an identity in this form, a key for one handshake, or a mail key.

    It is libsodium's: with `cryptography`, the first key of a program loads modules for 6 ms, a
    thirtieth of a start."""

    __slots__ = ("_hpke", "public", "raw")

    def __init__(self, raw: bytes) -> None:
        """Raises ValueError unless `raw` has 32 bytes."""
        if len(raw) != AGREEMENT_KEY_SIZE:  # the binding does not check it
            raise ValueError(f"an X25519 key has {AGREEMENT_KEY_SIZE} bytes, not {len(raw)}")
        self.raw: Final = raw
        """The 32 secret bytes from which the key can be made again."""
        self.public: Final = crypto_scalarmult_base(raw)
        self._hpke: X25519PrivateKey | None = None

    @property
    def hpke(self) -> "X25519PrivateKey":
        """The secret half as HPKE takes it, made once: a few keys open many letters. It goes when
        this object goes, so an erased key stays in no cache."""
        if self._hpke is None:
            from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

            self._hpke = X25519PrivateKey.from_private_bytes(self.raw)
        return self._hpke

    def agree(self, other: bytes) -> bytes:
        """Return the 32 bytes shared with the public key `other`. Raises SealError for a key of
        small order, or of another size."""
        if len(other) == AGREEMENT_KEY_SIZE:
            try:
                return crypto_scalarmult(self.raw, other)
            except CryptoError:  # libsodium refuses a result of zeros (RFC 7748, 6.1)
                pass
        raise SealError("the other side's key is not a valid X25519 key")


def make_card(identity: Identity, *, name: str, mail: bytes, counter: int) -> Card:
    """Make a signed card (clause 3.1)."""
    signature = identity.sign(_CARD, _said(name, identity.public, mail, counter))
    return Card(
        name=name, identity=identity.public, mail=mail, counter=counter, signature=signature
    )


def is_authentic(card: Card) -> bool:
    """Whether the card's own identity key signed it."""
    said = _said(card.name, card.identity, card.mail, card.counter)
    return is_signed_by(card.identity, _CARD, said, card.signature)


def _said(name: str, identity: bytes, mail: bytes, counter: int) -> bytes:
    return encode([name, identity, mail, counter])


def fingerprint(identity: bytes) -> str:
    """Return a key's fingerprint for people to compare (clause 3.6): 128 bits of BLAKE2b as eight
    groups of four digits."""
    return in_groups_of_four(fingerprint_digits(identity))


@functools.lru_cache(1_024)
def fingerprint_digits(identity: bytes) -> str:
    """Return the 32 digits of a key's fingerprint without blanks, the form that programs
    compare."""
    return hashlib.blake2b(identity, digest_size=16, person=b"chatapp finger").hexdigest()


def fingerprint_from(text: str) -> str | None:
    """Return the 32 digits of a typed fingerprint, or of a key that was typed in full (64 digits);
    None for anything else.

    Blanks, colons and case do not matter.
    """
    digits = re.sub(r"[\s:]", "", text).lower()
    if not _FINGERPRINT.match(digits):
        return None
    return digits if len(digits) == 32 else fingerprint_digits(bytes.fromhex(digits))


class KeyRefused(ChatAppError):
    """The text is not a fingerprint."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f'"{quoted(text)}" is no key: a key is 32 hexadecimal digits, as the registry shows them'
        )


def require_fingerprint(text: str) -> str:
    """As `fingerprint_from`, but raises KeyRefused instead of returning None."""
    digits = fingerprint_from(text)
    if digits is None:
        raise KeyRefused(text)
    return digits


def in_groups_of_four(digits: str) -> str:
    """Return the digits of a fingerprint in groups of four, as they are shown."""
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def sign_table(registry: Identity, batch: bytes) -> bytes:
    """Return the payload of a TABLE: 64 bytes of signature, then the encoded page (clause
    3.3)."""
    return registry.sign(_TABLE, batch) + batch


def is_table_signed(payload: bytes, *, registry: bytes) -> bool:
    """Whether this registry signed the TABLE: every member holds the group's key, so the seal does
    not show it."""
    return is_signed_by(registry, _TABLE, table_in(payload), payload[:_SIGNATURE_SIZE])


def table_in(payload: bytes) -> bytes:
    """Return the encoded page of a TABLE. The signature is not checked."""
    return payload[_SIGNATURE_SIZE:]
