"""Join codes: a few letters that let one newcomer in and name the registry that made them (clause 4.8).

A code has three parts: the seed of a signing key, a tag of the registry's key, a check. The registry keeps the public half
of the signing key; who comes in signs with the secret half what binds it to this registry, this attempt and this identity.
So neither a listener nor a thief of the registry's disk has anything that lets them in. The tag depends on the seed as well:
only somebody who knows the code can look for a key that it fits.
"""

import hashlib
from typing import Final

from wire.codec import encode
from wire.errors import ChatAppError
from wire.identity import Identity, is_signed_by

_INVITED: Final = b"chatapp invited 1\0"
_TAGGED: Final = b"chatapp code of 1\0"
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O and U, which are read as others."""
_MEANT: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_KEY_SIZE: Final = 32

CODE_BYTES: Final = 10
"""Random bytes of a code, of which 75 bits count: nobody tries them all while it is good, with the public half in hand or
without."""
_SEED_LETTERS: Final = 15
_TAG_LETTERS: Final = 9
"""45 bits: who does not know the code has one chance in 2^45 for each key that they show."""
_TAG_ROUNDS: Final = 2_000
"""Of PBKDF2: who knows the code and wants a key that it fits pays this for each key that they try."""
CODE_LETTERS: Final = _SEED_LETTERS + _TAG_LETTERS + 1
_GROUP: Final = 5


class CodeRefused(ChatAppError):
    """A text that is no join code; the text says what one looks like."""

    def __init__(self) -> None:
        example = "-".join(["0" * _GROUP] * (CODE_LETTERS // _GROUP))
        super().__init__(f"a join code has {CODE_LETTERS} letters and digits, such as {example}")


class JoinCode:
    """One code: `text` is what people pass on, `public` what its registry knows of it."""

    __slots__ = ("_key", "_seed", "_tag", "public", "text")

    def __init__(self, text: str) -> None:
        """Raises CodeRefused: one letter is a check, so that a slip is told before anybody is asked."""
        letters = text.upper().translate(_MEANT).replace("-", "").replace(" ", "")
        if len(letters) != CODE_LETTERS or any(letter not in _ALPHABET for letter in letters):
            raise CodeRefused
        if letters[-1] != _check(letters[:-1]):
            raise CodeRefused
        self.text: Final = "-".join(letters[at : at + _GROUP] for at in range(0, CODE_LETTERS, _GROUP))
        self._seed: Final = letters[:_SEED_LETTERS]
        self._tag: Final = letters[_SEED_LETTERS:-1]
        seed = hashlib.blake2b(self._seed.encode(), digest_size=_KEY_SIZE, person=b"chatapp code").digest()
        self._key = Identity(seed)
        self.public: Final = self._key.public

    @classmethod
    def drawn(cls, chance: bytes, *, registry: bytes) -> "JoinCode":
        """A new one of the registry with this identity key, of `CODE_BYTES` random bytes."""
        assert len(chance) == CODE_BYTES
        seed = _letters(chance, _SEED_LETTERS)
        letters = seed + _tag_of(registry, seed)
        return cls(letters + _check(letters))

    def is_of(self, registry: bytes) -> bool:
        """Whether the registry with this identity key made it: no other is to see it."""
        return _tag_of(registry, self._seed) == self._tag

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


def _tag_of(registry: bytes, seed: str) -> str:
    salt = _TAGGED + registry
    return _letters(hashlib.pbkdf2_hmac("sha512", seed.encode(), salt, _TAG_ROUNDS, 6), _TAG_LETTERS)


def _check(letters: str) -> str:
    return _letters(hashlib.blake2b(letters.encode(), digest_size=1, person=b"chatapp check").digest(), 1)


def _letters(chance: bytes, count: int) -> str:
    """The lowest bits of a big-endian number as letters, the lowest first."""
    number = int.from_bytes(chance)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(count))
