"""Sealing of group frames and of letters (sealed mail), and the replay window.

All members of a group share its AES-256-GCM key. The nonce is sender index and counter, and the
registry never gives one index twice under one key. The keys between two parties are in
`wire.sessions.session` and `wire.sessions.link`.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from chatapp.wire.codec import (
    GROUP_HEADER_SIZE,
    GROUP_OVERHEAD,
    TAG_SIZE,
    GroupHeader,
    decode_letter_body,
    decode_signed_letter,
    encode,
    encode_said,
    pack_group,
    unpack_group,
)
from chatapp.wire.errors import SealError
from chatapp.wire.identity import AgreementKey, Identity, is_signed_by
from chatapp.wire.messages.mail import LetterBody, SignedLetter

CIPHERS_KEPT: Final = 512
"""Ciphers kept ready, for as many sessions as talk at once. Each takes 2.4 KiB, and one that has to
be made anew costs 1.4 microseconds; a silent session keeps its keys only."""

REPLAY_WINDOW: Final = 4_096
"""Counters behind the newest that can still be told apart: several full windows of datagrams in
flight."""


def group_tag(name: str) -> bytes:
    """Return the 8 bytes that name a group (clause 8.2)."""
    return hashlib.blake2s(name.encode(), digest_size=TAG_SIZE, person=b"chat-grp").digest()


class Ciphers:
    """The ciphers of keys in use, up to a limit; beyond it the oldest is dropped.

    Every program owns its own, instead of a module-wide cache, so that erased keys are really gone.
    """

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[bytes, AESGCM] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: bytes) -> AESGCM:
        """Return the cipher of this key."""
        return self._by_key.get(key) or self._make(key)

    def drop(self, key: bytes) -> None:
        """Drop the cipher of a key that is erased."""
        self._by_key.pop(key, None)

    def _make(self, key: bytes) -> AESGCM:
        if len(self._by_key) >= CIPHERS_KEPT:
            del self._by_key[next(iter(self._by_key))]
        cipher = self._by_key[key] = AESGCM(key)
        return cipher


class ReplayWindow:
    """A replay window: the newest accepted counter and a bit for each of those behind it (RFC 4303,
    3.4.3).

    Counters mostly come in order. Those that followed each other without a gap since `_top` get
    their bits when another one comes.
    """

    __slots__ = ("_bits", "_top", "newest")

    def __init__(self) -> None:
        self.newest = -1
        """The highest accepted counter."""
        self._top = -1
        """The counter of the lowest bit. All counters above it, up to `newest`, were accepted."""
        self._bits = 0

    def is_fresh(self, counter: int) -> bool:
        """Whether this counter was never accepted and is not too old to tell."""
        if counter > self._top:
            return counter > self.newest
        return self.newest - counter < REPLAY_WINDOW and not self._bits >> (self._top - counter) & 1

    def accept(self, counter: int) -> None:
        """Record a counter whose datagram opened."""
        ahead = counter - self.newest
        if ahead == 1:
            self.newest = counter
            return
        self._shift(self.newest - self._top, (1 << min(self.newest - self._top, REPLAY_WINDOW)) - 1)
        if ahead > 0:
            self._shift(ahead, 1)
            self.newest = counter
        else:
            self._bits |= 1 << -ahead
        self._top = self.newest

    def _shift(self, ahead: int, bits: int) -> None:
        self._bits = (self._bits << ahead | bits) & _WINDOW_MASK if ahead < REPLAY_WINDOW else bits


_WINDOW_MASK: Final = (1 << REPLAY_WINDOW) - 1


class GroupKey:
    """The key of one group in one epoch; members seal under their own sender index (clause 8.2)."""

    __slots__ = ("_counter", "_open", "_replay", "_seal", "epoch", "key", "tag")

    def __init__(self, name: str, *, epoch: int, key: bytes) -> None:
        self.tag: Final = group_tag(name)
        self.epoch: Final = epoch
        self.key: Final = key
        cipher = AESGCM(key)
        self._seal = cipher.encrypt
        self._open = cipher.decrypt
        self._counter = 0
        self._replay: dict[int, ReplayWindow] = {}

    @property
    def next_counter(self) -> int:
        """The counter of the next frame that is sealed; its acceptance or refusal will name it."""
        return self._counter

    def seal(self, sender_index: int, payload: bytes) -> bytes:
        """Return a group frame, the same bytes for all members."""
        header = GroupHeader(self.tag, self.epoch, sender_index, self._counter)
        self._counter += 1
        packed = pack_group(header)
        return packed + self._seal(packed[-12:], payload, packed)

    def open(self, frame: bytes) -> bytes:
        """Open a frame that was just relayed. Raises SealError for a forgery or a replay,
        DecodeError."""
        header = unpack_group(frame)
        window = self._replay.get(header.sender_index)
        if window is not None and not window.is_fresh(header.counter):
            raise SealError("replayed")
        payload = self.open_stored(frame)
        self._replay.setdefault(header.sender_index, ReplayWindow()).accept(header.counter)
        return payload

    def open_stored(self, frame: bytes) -> bytes:
        """Open a frame from the log, where the message number shows whether it is a repeat. Raises
        SealError."""
        if len(frame) < GROUP_OVERHEAD:
            raise SealError("too short")
        packed = frame[:GROUP_HEADER_SIZE]
        try:
            return self._open(packed[-12:], frame[GROUP_HEADER_SIZE:], packed)
        except InvalidTag:
            raise SealError("does not open") from None


_LETTER: Final = b"chatapp letter 1\0"
_KEY_HINT: Final = 4
"""Bytes of the mail key in front of the ciphertext: they tell the reader which of its recent keys
it needs."""
_suite: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal_letter(body: LetterBody, *, author: Identity, mail_key: bytes) -> bytes:
    """Seal a letter, as the registry stores it. Raises SealError if `mail_key` is not a valid
    key."""
    encoded = encode_said(body)
    signed = SignedLetter(body=encoded, signature=author.sign(_LETTER, mail_key + encoded))
    try:
        sealed = _suite.encrypt(
            encode(signed), X25519PublicKey.from_public_bytes(mail_key), info=_LETTER
        )
    except ValueError:
        raise SealError("the recipient's mail key is not a valid X25519 key") from None
    return mail_key[:_KEY_HINT] + sealed


def open_letter(
    letter: bytes, *, reader: bytes, mail_keys: Iterable[AgreementKey], sender: bytes
) -> LetterBody:
    """Open a letter and check that `sender` wrote it for `reader` (identity keys). Raises
    SealError, DecodeError."""
    hint, sealed = letter[:_KEY_HINT], letter[_KEY_HINT:]
    problem = "sealed for a key that we no longer hold"
    for key in mail_keys:
        if key.public[:_KEY_HINT] != hint:
            continue
        encoded = _unsealed(sealed, key)
        if encoded is not None:
            return _proved(encoded, key, reader, sender)
        problem = "does not open"  # with this key; another key may have the same hint
    raise SealError(problem)


def _unsealed(sealed: bytes, key: AgreementKey) -> bytes | None:
    try:
        return _suite.decrypt(sealed, key.hpke, info=_LETTER)
    except (InvalidTag, ValueError):
        return None


def _proved(encoded: bytes, key: AgreementKey, reader: bytes, sender: bytes) -> LetterBody:
    signed = decode_signed_letter(encoded)
    if not is_signed_by(sender, _LETTER, key.public + signed.body, signed.signature):
        raise SealError("not signed by its sender")
    body = decode_letter_body(signed.body)
    if body.sender != sender or body.recipient != reader:
        raise SealError("names another sender or reader than its envelope")
    return body
