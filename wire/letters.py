"""This file is about letters: a message sealed for somebody who is away (clause 7.1).

HPKE (RFC 9180, base mode) hides it from the registry; the signature inside, over the body and the recipient's mail
key, says who wrote it to whom: a letter can be neither altered, readdressed nor sealed anew for somebody else.
"""

from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from wire.codec import decode_letter_body, decode_signed_letter, encode
from wire.errors import SealError
from wire.identity import AgreementKey, Identity, is_signed_by
from wire.messages.mail import LetterBody, SignedLetter

_LETTER: Final = b"chatapp letter 1\0"
_KEY_HINT: Final = 4
"""Bytes of the mail key before the ciphertext: tells the reader which of its keys of the last weeks it needs."""
_suite: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal_letter(body: LetterBody, *, author: Identity, mail_key: bytes) -> bytes:
    """The bytes that the registry keeps. Raises SealError when `mail_key` is no good key."""
    encoded = encode(body)
    signed = SignedLetter(body=encoded, signature=author.sign(_LETTER, mail_key + encoded))
    try:
        sealed = _suite.encrypt(encode(signed), X25519PublicKey.from_public_bytes(mail_key), info=_LETTER)
    except ValueError:
        raise SealError("the recipient's mail key is no good X25519 key") from None
    return mail_key[:_KEY_HINT] + sealed


def open_letter(
    letter: bytes, *, reader: bytes, mail_keys: Iterable[AgreementKey], sender: bytes
) -> LetterBody:
    """The body, proved to be by `sender` for `reader` (identity keys). Raises SealError, DecodeError."""
    hint, sealed = letter[:_KEY_HINT], letter[_KEY_HINT:]
    problem = "sealed for a key that we no longer hold"
    for key in mail_keys:
        if key.public[:_KEY_HINT] != hint:
            continue
        encoded = _unsealed(sealed, key)
        if encoded is not None:
            return _proved(encoded, key, reader, sender)
        problem = "does not open"  # with this one; another key may have the same hint
    raise SealError(problem)


def _unsealed(sealed: bytes, key: AgreementKey) -> bytes | None:
    try:
        return _suite.decrypt(sealed, key.secret, info=_LETTER)
    except (InvalidTag, ValueError):
        return None


def _proved(encoded: bytes, key: AgreementKey, reader: bytes, sender: bytes) -> LetterBody:
    signed = decode_signed_letter(encoded)
    if not is_signed_by(sender, _LETTER, key.public + signed.body, signed.signature):
        raise SealError("not signed by its sender")
    body = decode_letter_body(signed.body)
    if body.sender != sender or body.recipient != reader:
        raise SealError("says another sender or reader than its envelope")
    return body
