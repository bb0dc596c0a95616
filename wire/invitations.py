"""This file is about join codes: a few letters that let one newcomer in, and what is shown of them (clause 4.8).

A code is the seed of a signing key. The registry keeps the public half; who comes in signs with the secret half what
binds it to this registry, this attempt and this identity. So neither a listener nor a thief of the registry's disk has
anything that lets them in. It knows keys; it must not know who made a code, or whether it is used up.
"""

import hashlib
from typing import Final

from wire.codec import encode
from wire.errors import ChatAppError
from wire.identity import Identity, is_signed_by

_INVITED: Final = b"chatapp invited 1\0"
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O and U, which are read as others."""
_MEANT: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_KEY_SIZE: Final = 32

CODE_BYTES: Final = 12
"""Random bytes of a code, of which 95 bits count: nobody tries them all, with the public half in hand or without."""
CODE_LETTERS: Final = 19
_GROUP: Final = 5


class CodeRefused(ChatAppError):
    """A text that is no join code; the text says what one looks like."""

    def __init__(self) -> None:
        super().__init__(
            f"a join code has {CODE_LETTERS + 1} letters and digits, such as {_spelled('0' * 19)}"
        )


class JoinCode:
    """One code: `text` is what people pass on, `public` what a registry knows of it."""

    __slots__ = ("_key", "public", "text")

    def __init__(self, text: str) -> None:
        """Raises CodeRefused: one letter is a check, so that a slip is told before anybody is asked."""
        letters = text.upper().translate(_MEANT).replace("-", "").replace(" ", "")
        if len(letters) != CODE_LETTERS + 1 or any(letter not in _ALPHABET for letter in letters):
            raise CodeRefused
        if letters[-1] != _check(letters[:-1]):
            raise CodeRefused
        self.text: Final = _grouped(letters)
        seed = hashlib.blake2b(letters.encode(), digest_size=_KEY_SIZE, person=b"chatapp code").digest()
        self._key = Identity(seed)
        self.public: Final = self._key.public

    @classmethod
    def drawn(cls, chance: bytes) -> "JoinCode":
        """A new one, of `CODE_BYTES` random bytes."""
        assert len(chance) == CODE_BYTES
        number = int.from_bytes(chance)
        letters = "".join(_ALPHABET[number >> 5 * place & 31] for place in range(CODE_LETTERS))
        return cls(_spelled(letters))

    def shown_to(self, *, registry: bytes, nonce: bytes, identity: bytes) -> bytes:
        """The invitation in a REGISTER: of use to this registry, for this identity, in this attempt."""
        return self.public + self._key.sign(_INVITED, encode([registry, nonce, identity]))


def public_half(invitation: bytes) -> bytes:
    """Of the code that is shown; empty for none."""
    return invitation[:_KEY_SIZE]


def is_shown_to(invitation: bytes, *, registry: bytes, nonce: bytes, identity: bytes) -> bool:
    """Whether the holder of that code has made this invitation for them."""
    said = encode([registry, nonce, identity])
    return is_signed_by(public_half(invitation), _INVITED, said, invitation[_KEY_SIZE:])


def _check(letters: str) -> str:
    return _ALPHABET[
        hashlib.blake2b(letters.encode(), digest_size=1, person=b"chatapp check").digest()[0] & 31
    ]


def _spelled(letters: str) -> str:
    return _grouped(letters + _check(letters))


def _grouped(letters: str) -> str:
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
