"""Snapshots: a state cut into sealed pieces, and a manifest that names their places and the message
of the journal up to which they cover it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from chatapp.registry.cluster.stream.bundles import (
    NO_HASH,
    BundleRefused,
    Flaw,
    Head,
    Kind,
    Opener,
    Record,
    Sealer,
    decode_record,
    hash_of,
)
from chatapp.registry.cluster.stream.ledger import Placed, Publication, Subject
from chatapp.wire.storage import scan


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot covers and where it is."""

    number: int
    """The last message of the journal that it covers."""
    hash: bytes
    """The hash of that message."""
    places: list[int]
    """The places of the pieces, in order."""
    last_piece: bytes
    """The hash of the last piece. Each piece has that of the one before it."""
    highest_serial: int
    size: int
    """Bytes of all records."""

    @property
    def head(self) -> Head:
        """The last message that it covers."""
        return Head(self.number, self.hash)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Manifest)


class SnapshotWriter:
    """Seals one snapshot of what the journal says up to `head`. `size`: the most bytes of records
    in a piece."""

    def __init__(self, sealer: Sealer, head: Head, *, highest_serial: int, size: int) -> None:
        self._sealer = sealer
        self._head = head
        self._highest_serial = highest_serial
        self._limit = size
        self._places: list[int] = []
        self._last = NO_HASH
        self._size = 0
        self.run: Final = sealer.last_id
        """The part of the subject that no other snapshot's pieces have."""

    def pieces(self, records: Iterable[bytes]) -> Iterator[Publication]:
        """Yield what to publish, one piece after the other; `stored` comes after each."""
        gathered = bytearray()
        for record in records:
            gathered += record
            while len(gathered) >= self._limit:
                yield self._piece(bytes(gathered[: self._limit]))
                del gathered[: self._limit]
        if gathered or not self._places:
            yield self._piece(bytes(gathered))

    def stored(self, place: int) -> None:
        """Note the place of the piece that was yielded last."""
        self._places.append(place)

    def manifest(self, *, after: int) -> Publication:
        """Return what makes the snapshot count. `after`: the place of the manifest before it."""
        content = Manifest(
            self._head.number,
            self._head.hash,
            self._places,
            self._last,
            self._highest_serial,
            self._size,
        )
        message = self._sealer.seal(
            Kind.MANIFEST, self._head.number, self._head.hash, _encoder.encode(content)
        )
        return Publication(
            subject=Subject.MANIFEST, message=message, after=after, id=self._sealer.last_id
        )

    @property
    def first_place(self) -> int:
        """The place of the first piece, below which nothing is needed any more."""
        return self._places[0]

    @property
    def size(self) -> int:
        """Bytes of all records so far."""
        return self._size

    def _piece(self, content: bytes) -> Publication:
        message = self._sealer.seal(Kind.SNAPSHOT, len(self._places), self._last, content)
        self._last = hash_of(message)
        self._size += len(content)
        return Publication(
            subject=Subject.SNAPSHOT,
            run=self.run,
            message=message,
            after=None,
            id=self._sealer.last_id,
        )


def read_manifest(opener: Opener, placed: Placed) -> Manifest:
    """Open a manifest. Raises BundleRefused."""
    opened = opener.open(Kind.MANIFEST, placed.message)
    try:
        manifest = _decoder.decode(opened.content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BundleRefused(Flaw.OTHER_VERSION, opened.number) from None
    if not manifest.places or manifest.places != sorted(set(manifest.places)):
        raise BundleRefused(Flaw.DAMAGED, opened.number)
    return manifest


def records_of(
    opener: Opener, manifest: Manifest, pieces: Sequence[Placed] | Iterable[Placed]
) -> Iterator[tuple[Record, bytes]]:
    """Yield the records of a snapshot, each with its encoding. `pieces`: what is at the manifest's
    places. Raises BundleRefused."""
    rest, last = b"", NO_HASH
    wanted = iter(manifest.places)
    count = 0
    for piece in pieces:
        opened = opener.open(Kind.SNAPSHOT, piece.message)
        if piece.place != next(wanted, None) or opened.number != count or opened.previous != last:
            raise BundleRefused(Flaw.OUT_OF_ORDER, piece.place)
        count, last = count + 1, hash_of(piece.message)
        payloads, whole = scan(rest + opened.content)
        rest = (rest + opened.content)[whole:]
        for payload in payloads:
            yield decode_record(payload), payload
    if count != len(manifest.places) or last != manifest.last_piece or rest:
        raise BundleRefused(Flaw.OUT_OF_ORDER, manifest.number)
