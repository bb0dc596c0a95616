"""The bytes of a cluster's messages: sealed, numbered and chained, so that whatever the broker
loses or reorders is noticed, and whatever others put there is passed over.

    "CA"  version  kind  key id 8  number 8  previous 32  salt 16  counter 8  |  sealed content, tag
    16

All but the content is readable, and the tag covers it together with the cluster's name. Every
version has this header and this seal, so that a reader can tell another version's messages from
those that nobody with the key wrote. `number` is the place for which a message of the journal or a
lease was sealed: the broker stores it there or not at all. `previous` is the SHA-256 of the whole
message of ours before it, whatever strays lie between. `salt` is drawn anew by each process and
gives it a key of its own (HKDF), and `counter` rises within it, so two processes never meet on a
nonce.
"""

import enum
import hashlib
import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chatapp.registry.store.entries import CheckpointMark, Entry, decode
from chatapp.wire.errors import ChatAppError
from chatapp.wire.storage import scan

VERSION: Final = 1
KEY_SIZE: Final = 32
SALT_SIZE: Final = 16
HASH_SIZE: Final = 32
TAG_SIZE: Final = 16

_MAGIC: Final = b"CA"
_HEADER: Final = struct.Struct(">2sBB8sQ32s16sQ")
_NONCE: Final = struct.Struct(">IQ")
_PURPOSE: Final = b"chatapp cluster 1\0"

OVERHEAD: Final = _HEADER.size + TAG_SIZE + 1
"""Bytes of a message of the journal beside its share of the records."""

NO_HASH: Final = bytes(HASH_SIZE)
"""What precedes the first message."""


class Kind(enum.IntEnum):
    """What a message is."""

    JOURNAL = 1
    SNAPSHOT = 2
    MANIFEST = 3
    LEASE = 4
    BUS = 5
    """It passes between nodes, and no stream keeps it."""


class Flaw(enum.Enum):
    """Why a message cannot be used."""

    NOT_OURS = "it is no message of a registry"
    OTHER_VERSION = "it was written by another version"
    OTHER_KEY = "it was sealed with another cluster key"
    DAMAGED = "it was altered or cut off"
    OUT_OF_ORDER = "the message before it is missing, or another one"
    UNKNOWN_ENTRY = "it has an entry that this version does not know"


class BundleRefused(ChatAppError):
    """A message that cannot be used. `number` is its place in the stream, 0 if that is not
    known."""

    def __init__(self, flaw: Flaw, number: int = 0) -> None:
        super().__init__(flaw, number)
        self.flaw = flaw
        self.number = number

    def __str__(self) -> str:
        return f"message {self.number}: {self.flaw.value}"


class ClusterKey:
    """The secret that the registries of a cluster share; `id` tells it from others and reveals
    nothing."""

    __slots__ = ("id", "secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_SIZE:
            raise ValueError(f"a cluster key has {KEY_SIZE} bytes, not {len(secret)}")
        self.secret: Final = secret
        self.id: Final = hashlib.sha256(_PURPOSE + b"id\0" + secret).digest()[:8]

    def cipher(self, salt: bytes) -> ChaCha20Poly1305:
        """Return the cipher of the process that drew `salt`."""
        derived = HKDF(SHA256(), KEY_SIZE, salt, _PURPOSE + b"seal").derive(self.secret)
        return ChaCha20Poly1305(derived)


class Opened(NamedTuple):
    """A message that was opened."""

    number: int
    previous: bytes
    content: bytes


class Sealer:
    """Seals the messages of one process. `salt`: 16 random bytes that no other process ever
    uses."""

    def __init__(self, key: ClusterKey, cluster: str, salt: bytes) -> None:
        if len(salt) != SALT_SIZE:
            raise ValueError(f"a salt has {SALT_SIZE} bytes, not {len(salt)}")
        self._key = key
        self._cluster = cluster.encode()
        self._salt = salt
        self._cipher = key.cipher(salt)
        self._counter = 0

    def seal(self, kind: Kind, number: int, previous: bytes, content: bytes) -> bytes:
        """Return a whole message. `number`: its place in the stream, if it is for one place
        only."""
        self._counter += 1
        header = _HEADER.pack(
            _MAGIC, VERSION, kind, self._key.id, number, previous, self._salt, self._counter
        )
        nonce = _NONCE.pack(0, self._counter)
        return header + self._cipher.encrypt(nonce, content, header + self._cluster)

    @property
    def last_id(self) -> str:
        """A name of the message that was sealed last, by which the broker recognises a repeat."""
        return f"{self._salt.hex()}-{self._counter}"


class Opener:
    """Opens the messages of all registries of a cluster."""

    def __init__(self, key: ClusterKey, cluster: str) -> None:
        self._key = key
        self._cluster = cluster.encode()
        self._ciphers: dict[bytes, ChaCha20Poly1305] = {}

    def open(self, kind: Kind, message: bytes) -> Opened:
        """Open a message. Raises BundleRefused."""
        if len(message) < _HEADER.size or message[: len(_MAGIC)] != _MAGIC:
            raise BundleRefused(Flaw.NOT_OURS)
        _, version, found, key_id, number, previous, salt, counter = _HEADER.unpack_from(message)
        if key_id != self._key.id:
            raise BundleRefused(Flaw.OTHER_KEY, number)
        if found != kind:
            raise BundleRefused(Flaw.NOT_OURS, number)
        cipher = self._ciphers.get(salt)
        if cipher is None:
            cipher = self._key.cipher(salt)
        header, sealed = message[: _HEADER.size], message[_HEADER.size :]
        try:
            content = cipher.decrypt(_NONCE.pack(0, counter), sealed, header + self._cluster)
        except InvalidTag:
            raise BundleRefused(Flaw.DAMAGED, number) from None
        self._ciphers[salt] = cipher  # only now: strangers may make up salts without end
        if version != VERSION:
            raise BundleRefused(Flaw.OTHER_VERSION, number)
        return Opened(number, previous, content)

    def opens(self, kind: Kind, message: bytes) -> bool:
        """Return whether somebody with the key has sealed a message, in whatever version."""
        try:
            self.open(kind, message)
        except BundleRefused as refused:
            return refused.flaw is Flaw.OTHER_VERSION
        return True


def hash_of(message: bytes) -> bytes:
    """Return what the next message names as the one before it."""
    return hashlib.sha256(message).digest()


# --- what a journal holds


class ClusterFounded(msgspec.Struct, frozen=True, array_like=True, tag=60):
    """The first record of a cluster: the identity that peers have pinned, sealed with the cluster
    key."""

    identity: bytes
    at: int


class OwnerBegan(msgspec.Struct, frozen=True, array_like=True, tag=61):
    """A registry has taken over. Whatever an earlier one still writes is refused, as this message
    came before it."""

    node: str
    at: int


Record = Entry | ClusterFounded | OwnerBegan

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(ClusterFounded | OwnerBegan)


def encode_control(record: ClusterFounded | OwnerBegan) -> bytes:
    """Encode a control record: one about the cluster itself."""
    return _encoder.encode(record)


def decode_record(payload: bytes) -> Record:
    """Decode a record. Raises BundleRefused for one that this version does not know: a registry
    that passed over it would write a snapshot without it."""
    entry = decode(payload)
    if entry is not None and not isinstance(entry, CheckpointMark):
        return entry
    try:
        control: ClusterFounded | OwnerBegan = _decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BundleRefused(Flaw.UNKNOWN_ENTRY) from None
    return control


class Head(NamedTuple):
    """Where a journal ends: its last place, 0 for none, and the hash of the last message of ours,
    which may be before it."""

    number: int = 0
    hash: bytes = NO_HASH


_FIRST: Final = 1
_LAST: Final = 2


def parts_of(records: Sequence[bytes], size: int) -> Iterator[bytes]:
    """Cut a turn's framed records into the contents of messages with at most `size` bytes of
    records each. A reader takes in all of them or none."""
    turn = b"".join(records)
    count = max(-(-len(turn) // size), 1)
    for index in range(count):
        flags = _FIRST * (index == 0) | _LAST * (index == count - 1)
        yield bytes((flags,)) + turn[index * size : (index + 1) * size]


class JournalReader:
    """Reads the messages of a journal in order, from `head` on, and passes over strays: what was
    not sealed with the key for the place where it is. Each message names the one before it, so none
    can be missing unnoticed but at the end."""

    def __init__(self, opener: Opener, head: Head) -> None:
        self._opener = opener
        self._turn: list[bytes] | None = None
        self._gap = 0
        """The first place without a message since the last one of ours; 0 for none. It may have had
        a stray."""
        self.head = head
        self.strays = 0
        """How many messages were passed over."""
        self.has_opened = False
        """Whether a message was sealed with the key."""
        self.saw_other_key = False
        """Whether a stray says that it was sealed with another key."""

    def take(self, place: int, message: bytes) -> list[tuple[Record, bytes]]:
        """Take in the message at this place of the stream. Return the records of a turn that it
        completes, each with its encoding. A turn whose owner died in the middle is dropped. Raises
        BundleRefused."""
        if place != self.head.number + 1:
            self._gap = self._gap or self.head.number + 1
        opened = self._opened(place, message)
        if opened is None:
            self.strays += 1
            self.head = Head(place, self.head.hash)
            return []
        if opened.number != place or opened.previous != self.head.hash or not opened.content:
            raise BundleRefused(Flaw.OUT_OF_ORDER, place)
        flags, part = opened.content[0], opened.content[1:]
        if flags & _FIRST:
            self._turn = []
        elif self._turn is None:
            raise BundleRefused(Flaw.OUT_OF_ORDER, place)
        self._turn.append(part)
        self._gap = 0
        self.head = Head(place, hash_of(message))
        if not flags & _LAST:
            return []
        turn, self._turn = b"".join(self._turn), None
        payloads, whole = scan(turn)
        if whole != len(turn):
            raise BundleRefused(Flaw.DAMAGED, place)
        try:
            return [(decode_record(payload), payload) for payload in payloads]
        except BundleRefused as refused:
            raise BundleRefused(refused.flaw, place) from None

    @property
    def has_gap(self) -> bool:
        """Whether places are without a message since the last one of ours."""
        return self._gap != 0

    def finish(self, last: int) -> None:
        """Check that all places up to the last one were read. Raises BundleRefused."""
        if self._gap or self.head.number != last:
            raise BundleRefused(Flaw.OUT_OF_ORDER, self._gap or self.head.number + 1)

    def _opened(self, place: int, message: bytes) -> Opened | None:
        """Open a message, None for a stray. One for an earlier place was published again, or came
        too late for that place. Nobody has one for a later place, so before such a one places were
        lost."""
        try:
            opened = self._opener.open(Kind.JOURNAL, message)
        except BundleRefused as refused:
            self.saw_other_key |= refused.flaw is Flaw.OTHER_KEY
            if refused.flaw is Flaw.OTHER_VERSION and refused.number >= place:
                raise
            return None
        self.has_opened = True
        return opened if opened.number >= place else None


WARN_SPAN: Final = 1.0
"""The least seconds between two lines in the log."""

_log = logging.getLogger(__name__)


class Strays:
    """The strays that one node has passed over in one place."""

    def __init__(self, cluster: str, place: str = "streams", *, now: Callable[[], float]) -> None:
        """`place`: where they were, for people."""
        self._cluster = cluster
        self._place = place
        self._now = now
        self._warned_at = float("-inf")
        self.count = 0
        """How many there were since the start."""

    def note(self, count: int = 1) -> None:
        """Count messages that were passed over, and warn of them, once in a while."""
        self.count += count
        if count and self._now() - self._warned_at >= WARN_SPAN:
            self._warned_at = self._now()
            _log.warning(
                "%s: %s messages in the %s were passed over: no registry of this cluster wrote them; look at who may "
                "publish there (docs/howto/cluster.md)",
                self._cluster,
                f"{self.count:,}",
                self._place,
            )
