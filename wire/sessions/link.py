"""The secure session of a link: sealed frames in order, and new keys while the link lasts (clauses
9.1, 9.2 and 9.6).

TCP keeps the order, so counters are not sent: both sides count, and a frame that was lost, repeated
or changed does not open. A renewal is another Noise KK handshake, carried by frames of the link and
bound to the previous handshake. Each direction changes its key after one particular frame, so
frames in transit still open and none has to wait.
"""

from typing import Final

from cryptography.exceptions import InvalidTag

from chatapp.wire.codec import ANSWER_HEADER_SIZE, Kind, unpack_answer
from chatapp.wire.errors import SealError
from chatapp.wire.identity import AgreementKey
from chatapp.wire.sealing import Ciphers
from chatapp.wire.sessions.opening import (
    KEY_SIZE,
    MESSAGE_OVERHEAD,
    HandshakeState,
    OutgoingOpening,
    Parties,
    Randomness,
    SessionKeys,
)

RENEW_AFTER_FRAMES: Final = 1 << 20
"""Frames of both sides under the same keys after which a link is renewed, however young it is."""

_PURPOSE: Final = b"chatapp renewal 1\0"
_SEALED: Final = bytes((Kind.SEALED,))
_RENEWAL: Final = bytes((Kind.RENEWAL,))


class LinkSession:
    """One side of a link: seals and opens its frames, and takes its part in renewals. The peer
    begins them."""

    __slots__ = (
        "_binding",
        "_ciphers",
        "_handshake",
        "_is_peer",
        "_next_open_key",
        "_open_key",
        "_opened",
        "_parties",
        "_rng",
        "_seal_key",
        "_sealed",
        "_worn_at",
    )

    def __init__(
        self,
        agreed: SessionKeys,
        *,
        parties: Parties,
        rng: Randomness,
        ciphers: Ciphers,
        is_peer: bool,
    ) -> None:
        """`agreed`: by the opening and its answer. `is_peer`: whether this is the side that opened
        the link."""
        self._seal_key = agreed.seal_key
        self._open_key = agreed.open_key
        self._binding = agreed.binding
        self._parties = parties
        self._rng = rng
        self._ciphers = ciphers
        self._is_peer = is_peer
        self._sealed = 0
        self._opened = 0
        self._worn_at = RENEW_AFTER_FRAMES
        self._handshake: HandshakeState | None = None
        """At the peer: the handshake of a renewal that waits for the registry's answer."""
        self._next_open_key = b""
        """At the registry: the key that opens frames from the peer's change of keys on; empty
        outside a renewal."""

    def seal(self, payload: bytes, header: bytes = _SEALED) -> bytes:
        """Return a frame: the header (mostly the kind alone) and the ciphertext."""
        # The count goes on when the key changes: a frame that is missing before the change is
        # noticed behind it.
        nonce = self._sealed.to_bytes(12, "big")
        self._sealed += 1
        return header + self._ciphers.get(self._seal_key).encrypt(nonce, payload, header)

    def open(self, frame: bytes, header: bytes = _SEALED) -> bytes:
        """Return the payload of a frame with this header. Raises SealError."""
        if not frame.startswith(header):
            raise SealError("a frame of another kind")
        nonce = self._opened.to_bytes(12, "big")
        try:
            payload = self._ciphers.get(self._open_key).decrypt(nonce, frame[len(header) :], header)
        except InvalidTag:
            raise SealError("does not open") from None
        self._opened += 1
        return payload

    # --- renewal

    @property
    def is_renewing(self) -> bool:
        """Whether the peer has begun a renewal that is not answered yet."""
        return self._handshake is not None

    @property
    def is_worn(self) -> bool:
        """Whether the present keys have served so many frames that they must be renewed."""
        return self._sealed + self._opened >= self._worn_at

    def renew(self) -> bytes:
        """Return the frame with which the peer begins a renewal."""
        assert self._is_peer and self._handshake is None
        self._handshake = self._new_handshake()
        return self.seal(self._handshake.write_first(b""), _RENEWAL)

    def renewal_came(self, frame: bytes) -> bytes:
        """Handle a frame of a renewal; return the frame that answers it, empty for none.

        Raises SealError: the link is then unusable.
        """
        message = self.open(frame, _RENEWAL)
        if self._is_peer:
            return self._finish(message)
        if not self._next_open_key:
            return self._answer(message)
        if message:
            raise SealError("a renewal before the last one is over")
        self._ciphers.drop(self._open_key)
        self._open_key, self._next_open_key = self._next_open_key, b""
        return b""

    def _answer(self, first: bytes) -> bytes:
        """Do the registry's part: everything after its answer is sealed under the new key."""
        _check_length(first)
        handshake = self._new_handshake()
        handshake.read_first(first)
        answer = self.seal(handshake.write_second(b""), _RENEWAL)
        to_us, to_them = handshake.split()
        self._next_open_key, self._binding = to_us.key, handshake.handshake_hash
        self._change_seal_key(to_them.key)
        return answer

    def _finish(self, second: bytes) -> bytes:
        """Do the peer's part. The new keys serve for frames after the answer, and for ours after
        the frame returned here."""
        handshake, self._handshake = self._handshake, None
        if handshake is None:
            raise SealError("an answer without a renewal")
        _check_length(second)
        handshake.read_second(second)
        last = self.seal(b"", _RENEWAL)
        to_them, to_us = handshake.split()
        self._ciphers.drop(self._open_key)
        self._open_key, self._binding = to_us.key, handshake.handshake_hash
        self._change_seal_key(to_them.key)
        return last

    def _new_handshake(self) -> HandshakeState:
        ephemeral = AgreementKey(self._rng.randbytes(KEY_SIZE))
        return self._parties.handshake(
            ephemeral, _PURPOSE + self._binding, is_initiator=self._is_peer
        )

    def _change_seal_key(self, key: bytes) -> None:
        self._ciphers.drop(self._seal_key)
        self._seal_key = key
        self._worn_at = self._sealed + self._opened + RENEW_AFTER_FRAMES

    # --- the end

    def erase(self) -> None:
        """Erase the keys: the link is over."""
        self._ciphers.drop(self._seal_key)
        self._ciphers.drop(self._open_key)
        self._seal_key = self._open_key = self._next_open_key = b""
        self._handshake = None


class LinkOpening:
    """A link of ours whose first frame was sent and not answered yet."""

    __slots__ = ("_begun", "_ciphers", "_parties", "_rng")

    def __init__(
        self, begun: OutgoingOpening, *, parties: Parties, rng: Randomness, ciphers: Ciphers
    ) -> None:
        self._begun = begun
        self._parties = parties
        self._rng = rng
        self._ciphers = ciphers

    def answered(self, frame: bytes) -> LinkSession:
        """Return the session of the link, given the registry's first frame. Raises SealError,
        DecodeError."""
        if frame[:1] != bytes((Kind.ANSWER,)):
            raise SealError("not an answer")
        answer = unpack_answer(frame)
        if answer.session != self._begun.session:
            raise SealError("an answer to another link")
        agreed = self._begun.answered(answer)
        session = LinkSession(
            agreed, parties=self._parties, rng=self._rng, ciphers=self._ciphers, is_peer=True
        )
        try:
            session.open(frame, frame[:ANSWER_HEADER_SIZE])
        except SealError:
            session.erase()
            raise
        self._begun.erase()
        return session


def _check_length(message: bytes) -> None:
    if len(message) != MESSAGE_OVERHEAD:
        raise SealError("not a message of a handshake")
