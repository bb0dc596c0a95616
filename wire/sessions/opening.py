"""Opening a session: one handshake of Noise KK between two identity keys, as either side sees it.

The first message travels in an OPENING, in front of data that is already sealed under a key of its
own (early data), so nothing waits for an answer. A keyed hash in it proves that its author holds
the identity key, and is checked before any expensive computation. The second message travels in an
ANSWER.

The handshake is `Noise_KK_25519_AESGCM_SHA256` of the Noise Protocol Framework, revision 34. Both
sides know the static key of the other beforehand. Two messages, each with a payload, then two
transport keys:

    -> e, es, ss
    <- e, ee, se

The names are those of the specification (section 5), so that it can be read beside the code.
"""

import copy
import enum
import hashlib
import hmac
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatapp.wire.codec import (
    COUNTER_SIZE,
    NONCE_PREFIX,
    OPENING_HEAD_SIZE,
    OPENING_HEADER_SIZE,
    AnswerHeader,
    OpeningHeader,
    pack_answer,
    pack_opening,
)
from chatapp.wire.errors import DecodeError, SealError
from chatapp.wire.identity import AgreementKey, agreement_half

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


SESSION_ID_SIZE: Final = 8
PROOF_SIZE: Final = 16
_PURPOSE: Final = b"chatapp session 1\0"
_EARLY: Final = b"chatapp early 1\0"
_PROOF: Final = b"chatapp proof 1\0"


class Randomness(Protocol):
    """A source of random bytes: `random.Random` in tests, the system's in production."""

    def randbytes(self, n: int, /) -> bytes:
        """Return `n` random bytes."""


class Carrier(enum.IntEnum):
    """What carries a session. An opening for one carrier is invalid for the other."""

    DATAGRAMS = 0
    LINK = 1


class SessionKeys(NamedTuple):
    """The result of a handshake for one side."""

    seal_key: bytes
    open_key: bytes
    binding: bytes
    """The handshake's hash; it is unique to the handshake and not secret."""


class Parties:
    """The permanent part of the relation between us and one other party: the keys that both sides
    know already.

    `context`: bytes that both sides know and that invalidate openings of an earlier registration;
    usually empty.
    """

    __slots__ = ("_proof_key", "_shared", "_static", "_their_static", "context", "ours", "theirs")

    def __init__(self, static: AgreementKey, *, ours: bytes, theirs: bytes, context: bytes) -> None:
        """`ours`, `theirs`: the identity keys. Raises SealError if theirs is invalid."""
        self._static = static
        self._their_static = agreement_half(theirs)
        self._shared = static.agree(self._their_static)
        self._proof_key = hmac.digest(self._shared, _PROOF, "sha256")
        self.ours: Final = ours
        self.theirs: Final = theirs
        self.context = context

    def under(self, context: bytes) -> "Parties":
        """Return the same parties with another context. What two keys agree on stays the same, and
        takes longest."""
        fresh = copy.copy(self)
        fresh.context = context
        return fresh

    def handshake(
        self, ephemeral: AgreementKey, prologue: bytes, *, is_initiator: bool
    ) -> HandshakeState:
        """Return our side of a handshake, before its first message."""
        return HandshakeState(
            is_initiator=is_initiator,
            prologue=prologue,
            static=self._static,
            ephemeral=ephemeral,
            their_static=self._their_static,
            static_static=self._shared,
        )

    def prologue(self, header: OpeningHeader, carrier: Carrier) -> bytes:
        """Return what both sides know of an opening before its first message: who opens to whom, by
        which carrier, under which number."""
        responder = self.theirs if header.identity == self.ours else self.ours
        number = header.number.to_bytes(8, "big")
        return (
            _PURPOSE
            + bytes((carrier,))
            + header.identity
            + responder
            + number
            + header.session
            + self.context
        )

    def proof(self, header: OpeningHeader, carrier: Carrier) -> bytes:
        """Return the keyed hash that only the two parties can compute: 16 bytes over the prologue
        and the first message."""
        return hashlib.blake2s(
            self.prologue(header, carrier) + header.ephemeral + header.tag,
            key=self._proof_key,
            digest_size=PROOF_SIZE,
        ).digest()


class OutgoingOpening:
    """An opening of ours, until the answer comes. `head`: what all of its datagrams begin with."""

    __slots__ = ("_counter", "_early_key", "_handshake", "head", "said_at", "session", "started")

    def __init__(
        self, parties: Parties, *, number: int, carrier: Carrier, rng: Randomness, now: float
    ) -> None:
        self.started: Final = now
        self.said_at = float("-inf")
        """When it was last sent to the other party's address."""
        self.session: Final = rng.randbytes(SESSION_ID_SIZE)
        bare = OpeningHeader(parties.ours, number, self.session, b"", b"", b"", 0)
        ephemeral = AgreementKey(rng.randbytes(KEY_SIZE))
        handshake = parties.handshake(ephemeral, parties.prologue(bare, carrier), is_initiator=True)
        first = handshake.write_first(b"")
        self._handshake: HandshakeState | None = handshake
        self._early_key = handshake.export(_EARLY)
        self._counter = 0
        header = bare._replace(ephemeral=first[:KEY_SIZE], tag=first[KEY_SIZE:])
        self.head: Final = pack_opening(header._replace(proof=parties.proof(header, carrier)))[
            :-COUNTER_SIZE
        ]

    def seal(self, payload: bytes) -> bytes:
        """Return a datagram (or a link's first frame) that opens the session and carries this
        payload."""
        counter = self._counter.to_bytes(COUNTER_SIZE, "big")
        self._counter += 1
        header = self.head + counter
        return header + AESGCM(self._early_key).encrypt(NONCE_PREFIX + counter, payload, header)

    def answered(self, answer: AnswerHeader) -> SessionKeys:
        """Return the keys of the session. Raises SealError, and changes nothing, if this is not an
        answer to the opening."""
        if self._handshake is None:
            raise SealError("answered before")
        handshake = copy.copy(self._handshake)
        handshake.read_second(answer.ephemeral + answer.tag)
        to_them, to_us = handshake.split()
        return SessionKeys(to_them.key, to_us.key, handshake.handshake_hash)

    def erase(self) -> None:
        """Erase the keys: the opening is answered or given up."""
        self._handshake, self._early_key = None, b""


class IncomingOpening:
    """A genuine opening of another party: its early data can be read, and it can be answered."""

    __slots__ = ("_early_key", "_handshake", "_header", "head")

    def __init__(
        self, parties: Parties, header: OpeningHeader, *, carrier: Carrier, rng: Randomness
    ) -> None:
        """Raises SealError if its first message does not open. The caller has checked the proof."""
        ephemeral = AgreementKey(rng.randbytes(KEY_SIZE))
        handshake = parties.handshake(
            ephemeral, parties.prologue(header, carrier), is_initiator=False
        )
        handshake.read_first(header.ephemeral + header.tag)
        self._handshake: HandshakeState | None = handshake
        self._early_key = handshake.export(_EARLY)
        self._header: Final = header
        self.head: Final = pack_opening(header)[:-COUNTER_SIZE]

    def open(self, data: bytes) -> bytes:
        """Return the payload of one of its datagrams. Raises SealError."""
        header, counter = data[:OPENING_HEADER_SIZE], data[OPENING_HEAD_SIZE:OPENING_HEADER_SIZE]
        try:
            return AESGCM(self._early_key).decrypt(
                NONCE_PREFIX + counter, data[OPENING_HEADER_SIZE:], header
            )
        except InvalidTag:
            raise SealError("does not open") from None

    def answer(self, session: bytes) -> tuple[bytes, SessionKeys]:
        """Do our part of the handshake. Return the bytes with which all answers begin, and the keys
        of the session.

        To be called once."""
        assert self._handshake is not None
        second = self._handshake.write_second(b"")
        to_us, to_them = self._handshake.split()
        agreed = SessionKeys(to_them.key, to_us.key, self._handshake.handshake_hash)
        self._handshake = None  # nothing more can be derived from it
        header = AnswerHeader(
            self._header.session, session, second[:KEY_SIZE], second[KEY_SIZE:], 0
        )
        return pack_answer(header)[:-COUNTER_SIZE], agreed

    def erase(self) -> None:
        """Erase the keys."""
        self._handshake, self._early_key = None, b""
