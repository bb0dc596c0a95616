"""Opening a session: one handshake of Noise KK (`wire.sessions.noise`) between two identity keys,
as either side sees it.

The first message travels in an OPENING, in front of data that is already sealed under a key of its
own (early data), so nothing waits for an answer. A keyed hash in it proves that its author holds
the identity key, and is checked before any expensive computation. The second message travels in an
ANSWER.
"""

import copy
import enum
import hashlib
import hmac
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatapp.wire.errors import SealError
from chatapp.wire.framing import (
    COUNTER_SIZE,
    NONCE_PREFIX,
    OPENING_HEAD_SIZE,
    OPENING_HEADER_SIZE,
    AnswerHeader,
    OpeningHeader,
    pack_answer,
    pack_opening,
)
from chatapp.wire.identity import AgreementKey, agreement_half
from chatapp.wire.sessions.noise import KEY_SIZE, HandshakeState

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
        self.context: Final = context

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
