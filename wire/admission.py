"""The signed messages of registration: REGISTER by the peer, WELCOME and REFUSED by the registry;
join codes; and the vouchers of gateways.

Each signature covers all other fields and the other side's identity or nonce (clauses 4.3 to 4.5),
so that no such datagram can be used a second time or by anybody else.
"""

import hashlib
from typing import Final

import msgspec

from chatapp.wire.codec import encode
from chatapp.wire.errors import ChatAppError
from chatapp.wire.identity import Identity, is_signed_by
from chatapp.wire.messages.registration import (
    RefusalReason,
    Refused,
    Register,
    Welcome,
)
from chatapp.wire.messages.table import Card

_INVITED: Final = b"chatapp invited 1\0"
_VOUCHED: Final = b"chatapp voucher 1\0"
_TAGGED: Final = b"chatapp code of 1\0"
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U, which are mistaken for other signs."""
_MEANT: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_KEY_SIZE: Final = 32

CODE_BYTES: Final = 10
"""Random bytes of a code, of which 75 bits are used: too many to try them all while the code is
valid, with or without its public half."""
_SEED_LETTERS: Final = 15
_TAG_LETTERS: Final = 9
"""45 bits: somebody who does not know the code has one chance in 2^45 for each registry key that
they present."""
_TAG_ROUNDS: Final = 2_000
"""Rounds of PBKDF2: somebody who knows the code and looks for a registry key that fits pays this
for each key they try."""
CODE_LETTERS: Final = _SEED_LETTERS + _TAG_LETTERS + 1
_GROUP: Final = 5


class CodeRefused(ChatAppError):
    """The text is not a join code; the message shows what one looks like."""

    def __init__(self) -> None:
        example = "-".join(["0" * _GROUP] * (CODE_LETTERS // _GROUP))
        super().__init__(f"a join code has {CODE_LETTERS} letters and digits, such as {example}")


class JoinCode:
    """A join code. `text` is what people pass on, `public` the part that its registry stores."""

    __slots__ = ("_key", "_seed", "_tag", "public", "text")

    def __init__(self, text: str) -> None:
        """Raises CodeRefused. One letter is a check, so a typing error is found before any request
        is sent."""
        letters = text.upper().translate(_MEANT).replace("-", "").replace(" ", "")
        if len(letters) != CODE_LETTERS or any(letter not in _ALPHABET for letter in letters):
            raise CodeRefused
        if letters[-1] != _check(letters[:-1]):
            raise CodeRefused
        self.text: Final = "-".join(
            letters[at : at + _GROUP] for at in range(0, CODE_LETTERS, _GROUP)
        )
        self._seed: Final = letters[:_SEED_LETTERS]
        self._tag: Final = letters[_SEED_LETTERS:-1]
        seed = hashlib.blake2b(
            self._seed.encode(), digest_size=_KEY_SIZE, person=b"chatapp code"
        ).digest()
        self._key = Identity(seed)
        self.public: Final = self._key.public

    @classmethod
    def generate(cls, chance: bytes, *, registry: bytes) -> "JoinCode":
        """Make a new code of the registry with this identity key from `CODE_BYTES` random bytes."""
        assert len(chance) == CODE_BYTES
        seed = _letters(chance, _SEED_LETTERS)
        letters = seed + _tag_of(registry, seed)
        return cls(letters + _check(letters))

    def is_made_by(self, registry: bytes) -> bool:
        """Whether the registry with this identity key made the code: it is shown to no other
        registry."""
        return _tag_of(registry, self._seed) == self._tag

    def invitation_for(self, *, registry: bytes, nonce: bytes, identity: bytes) -> bytes:
        """Return the invitation for a REGISTER, valid for this registry, this identity and this
        attempt only."""
        return self.public + self._key.sign(_INVITED, encode([registry, nonce, identity]))


def public_half(proof: bytes) -> bytes:
    """Return the public key with which an invitation or a voucher begins; empty for none."""
    return proof[:_KEY_SIZE]


def is_invitation_for(invitation: bytes, *, registry: bytes, nonce: bytes, identity: bytes) -> bool:
    """Whether the holder of the code made this invitation for exactly this registry, attempt and
    identity."""
    said = encode([registry, nonce, identity])
    return is_signed_by(public_half(invitation), _INVITED, said, invitation[_KEY_SIZE:])


def make_voucher(gateway: Identity, *, registry: bytes, nonce: bytes, identity: bytes) -> bytes:
    """Return the voucher of a gateway for a visitor: 96 bytes, valid for this registry, this
    visitor's key and this attempt only (clause 4.10)."""
    return gateway.public + gateway.sign(_VOUCHED, encode([registry, nonce, identity]))


def is_voucher_for(voucher: bytes, *, registry: bytes, nonce: bytes, identity: bytes) -> bool:
    """Whether the gateway that the voucher names made it for exactly this registry, attempt and
    visitor."""
    said = encode([registry, nonce, identity])
    return is_signed_by(public_half(voucher), _VOUCHED, said, voucher[_KEY_SIZE:])


def _tag_of(registry: bytes, seed: str) -> str:
    salt = _TAGGED + registry
    return _letters(
        hashlib.pbkdf2_hmac("sha512", seed.encode(), salt, _TAG_ROUNDS, 6), _TAG_LETTERS
    )


def _check(letters: str) -> str:
    return _letters(
        hashlib.blake2b(letters.encode(), digest_size=1, person=b"chatapp check").digest(), 1
    )


def _letters(chance: bytes, count: int) -> str:
    """Write the lowest bits of a big-endian number as letters, the lowest first."""
    number = int.from_bytes(chance)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(count))


_REGISTER: Final = b"chatapp register 1\0"
_WELCOME: Final = b"chatapp welcome 1\0"
_REFUSED: Final = b"chatapp refused 1\0"


def make_register(
    author: Identity,
    *,
    registry: bytes,
    nonce: bytes,
    cookie: bytes,
    card: Card,
    code: JoinCode | None = None,
    gateway: Identity | None = None,
) -> Register:
    """Make a REGISTER for the registry with that identity key. `gateway`: the key of the gateway
    through which a visitor comes."""
    shown = (
        b""
        if code is None
        else code.invitation_for(registry=registry, nonce=nonce, identity=card.identity)
    )
    voucher = b""
    if gateway is not None:
        voucher = make_voucher(gateway, registry=registry, nonce=nonce, identity=card.identity)
    signature = author.sign(_REGISTER, _asked(registry, nonce, cookie, card, shown, voucher))
    return Register(nonce, cookie, card, signature, shown, voucher)


def is_register_authentic(message: Register, *, registry: bytes) -> bool:
    """Whether the holder of the card's identity key signed this REGISTER for this registry."""
    shown, voucher = message.invitation, message.voucher
    said = _asked(registry, message.nonce, message.cookie, message.card, shown, voucher)
    return is_signed_by(message.card.identity, _REGISTER, said, message.signature)


def sign_welcome(registry: Identity, welcome: Welcome, *, identity: bytes) -> Welcome:
    """Sign a WELCOME for the peer with this identity."""
    signature = registry.sign(_WELCOME, _welcomed(welcome, identity))
    return msgspec.structs.replace(welcome, signature=signature)


def is_welcome_authentic(message: Welcome, *, registry: bytes, identity: bytes) -> bool:
    """Whether this registry signed the WELCOME for the peer with this identity."""
    return is_signed_by(registry, _WELCOME, _welcomed(message, identity), message.signature)


def make_refused(
    registry: Identity,
    *,
    nonce: bytes,
    reason: RefusalReason,
    name: str,
    counter: int = 0,
    seconds: int = 0,
    text: str = "",
) -> Refused:
    """Make a REFUSED that answers this nonce."""
    signature = registry.sign(_REFUSED, encode([nonce, reason, name, counter, seconds, text]))
    return Refused(
        nonce=nonce,
        reason=reason,
        name=name,
        counter=counter,
        seconds=seconds,
        text=text,
        signature=signature,
    )


def is_refused_authentic(message: Refused, *, registry: bytes) -> bool:
    """Whether this registry signed the REFUSED."""
    said = encode(
        [
            message.nonce,
            message.reason,
            message.name,
            message.counter,
            message.seconds,
            message.text,
        ]
    )
    return is_signed_by(registry, _REFUSED, said, message.signature)


def _asked(
    registry: bytes, nonce: bytes, cookie: bytes, card: Card, invitation: bytes, voucher: bytes
) -> bytes:
    """Return the signed part of a REGISTER. It includes the invitation and the voucher: otherwise
    an attacker on the path could remove them, and the author would be refused."""
    asked: list[object] = [registry, nonce, cookie, card]
    if voucher:
        asked += [invitation, voucher]
    elif invitation:
        asked.append(invitation)
    return encode(asked)


def _welcomed(message: Welcome, identity: bytes) -> bytes:
    """Return the signed part of a WELCOME."""
    return encode(
        [
            identity,
            message.nonce,
            message.host,
            message.port,
            message.table_version,
            message.lease,
            message.link_port,
            message.clock,
            message.servers,
        ]
    )
