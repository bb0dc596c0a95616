"""The roster: who is in the table, in columns, without what only somebody who talks with them needs:
cards and addresses (clause 3.3)."""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import sub
from typing import Annotated, Final, NamedTuple

import msgspec

from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import CUT_SIZE, TABLE_PAGE_MAX, Name
from chatapp.wire.messages.table import Presence, RosterPage, Row, Sight, StatusText

KEY_SIZE: Final = 32
_encode: Final = msgspec.msgpack.Encoder().encode
_PLACED: Final = 8
"""Added to the presence of somebody who has an address."""
_HEADERS_MAX: Final = 64
"""Bytes of the arrays around the columns."""
_COLUMNS_MAX: Final = TABLE_PAGE_MAX + _HEADERS_MAX
_LEVEL: Final = 1
"""Of zlib: others take longer and gain nothing here."""
_ENTRY_SIZE: Final = 26
"""Bytes that an entry takes at most beside its name and what its person says of themselves."""

_Number = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
_Since = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Entry(NamedTuple):
    """One person of a roster."""

    key: bytes
    """The identity key; of somebody whom the reader knows only its beginning."""
    name: str
    """Empty for somebody whom the reader knows."""
    presence: Presence
    is_placed: bool
    """Whether the registry has seen them since it started (clause 3.2)."""
    since: int
    sender_index: int
    status: str
    away: str | None


class _Said(msgspec.Struct, frozen=True, array_like=True):
    place: int
    status: StatusText
    away: StatusText | None


class _Columns(msgspec.Struct, frozen=True, array_like=True):
    """Numbers are given as differences from the row before: mostly one byte."""

    names: Sequence[Name]
    presences: Sequence[int]
    sender_indices: Sequence[int]
    sinces: Sequence[int]
    said: list[_Said]


class Cells(NamedTuple):
    """What the columns of a roster have of one row."""

    identity: bytes
    name: str
    presence: int
    sender_index: int
    since: int
    said: tuple[str, str | None] | None
    size: int
    """How many bytes it takes at most, if the reader knows the person."""
    size_whole: int
    """The same with its key and name."""
    checked: bytes
    """What `check` is made over: the key, and the name encoded."""


def cells_of(row: Row) -> Cells:
    """Return what a roster says of a row."""
    identity, name, said, size = row.card.identity, row.card.name, None, _ENTRY_SIZE
    if row.status or row.away is not None:
        said = row.status, row.away
        size += len(_encode(said))
    return Cells(
        identity,
        name,
        row.presence + (_PLACED if row.is_placed else 0),
        row.sender_index,
        row.since,
        said,
        size,
        size + KEY_SIZE + len(name.encode()),
        identity + _encode(name),
    )


def roster_page(
    since: int, version: int, *, more: bool, whole: Sequence[Cells], known: Sequence[Cells]
) -> RosterPage:
    """Return a page. `known`: rows whose names the reader has had by the version `since`."""
    rows = [*whole, *known]
    keys, names, presences, indices, sinces, said = (
        [*zip(*rows, strict=True)][:6] if rows else [()] * 6
    )
    columns = _Columns(
        names[: len(whole)],
        presences,
        _steps(indices),
        _steps(sinces),
        [_Said(place, *words) for place, words in enumerate(said) if words is not None],
    )
    return RosterPage(
        since,
        version,
        more,
        b"".join(keys[: len(whole)]),
        b"".join([cells.identity[:CUT_SIZE] for cells in known]),
        _hashed([cells.checked for cells in known]),
        zlib.compress(_encode(columns), _LEVEL),
    )


def entries_of(page: RosterPage) -> tuple[list[Entry], list[Entry]]:
    """Return the people with whole keys, and those whom the reader knows. Raises DecodeError."""
    columns = _decoded(page.columns)
    keys = [*_cut(page.keys, KEY_SIZE), *_cut(page.cuts, CUT_SIZE)]
    whole = len(page.keys) // KEY_SIZE
    said = {one.place: one for one in columns.said}
    lengths = {len(columns.presences), len(columns.sender_indices), len(columns.sinces)}
    if lengths != {len(keys)} or len(columns.names) != whole:
        raise DecodeError("roster", "columns of other lengths")
    names = [*columns.names, *[""] * (len(keys) - whole)]
    try:
        numbers = _numbers(list(accumulate(columns.sender_indices)))
        sinces = _sinces(list(accumulate(columns.sinces)))
        presences = [Presence(one & ~_PLACED) for one in columns.presences]
    except (msgspec.ValidationError, ValueError) as error:
        raise DecodeError("roster", str(error)) from None
    entries: list[Entry] = []
    for place, key in enumerate(keys):
        words = said.get(place)
        entries.append(
            Entry(
                key,
                names[place],
                presences[place],
                bool(columns.presences[place] & _PLACED),
                sinces[place],
                numbers[place],
                "" if words is None else words.status,
                None if words is None else words.away,
            )
        )
    return entries[:whole], entries[whole:]


def check_of(people: Iterable[tuple[bytes, str]]) -> bytes:
    """Return what shows that the reader knows these people: a hash of their whole keys and names,
    in order."""
    return _hashed([identity + _encode(name) for identity, name in people])


def _hashed(checked: list[bytes]) -> bytes:
    return hashlib.blake2b(b"".join(checked), digest_size=16, person=b"chatapp roster").digest()


def sight_of(row: Row) -> Sight:
    """Return what a row says, with the number of its card in the card's place."""
    card = row.card
    return Sight(
        card.identity,
        card.name,
        row.host,
        row.port,
        row.presence,
        row.since,
        row.sender_index,
        card.counter,
        row.version,
        row.status,
        row.away,
    )


def sight_digest(key: bytes, row: Row | Sight | None) -> int:
    """Return what stands for somebody's row in the digest of a TableScope (8 bytes); 0 for somebody
    who has no row, or no name any more."""
    if row is None or row.presence is Presence.RELEASED:
        return 0
    said = key + _DIGESTED.pack(row.presence, row.since, row.sender_index)
    return int.from_bytes(
        hashlib.blake2b(said, digest_size=8, person=b"chatapp watched").digest(), "big"
    )


_DIGESTED: Final = struct.Struct(">BQI")


def _steps(numbers: Sequence[int]) -> list[int]:
    return list(map(sub, numbers, (0, *numbers)))


def _cut(data: bytes, size: int) -> list[bytes]:
    if len(data) % size:
        raise DecodeError("roster", "keys of another length")
    return [data[start : start + size] for start in range(0, len(data), size)]


def _decoded(data: bytes) -> _Columns:
    inflating = zlib.decompressobj()
    try:
        columns = inflating.decompress(data, _COLUMNS_MAX)
        if not inflating.eof or inflating.unused_data:
            raise DecodeError("roster", f"more than {_COLUMNS_MAX} bytes of columns, or a part")
        return _columns.decode(columns)
    except (zlib.error, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DecodeError("roster", str(error)) from None


def _numbers(found: list[int]) -> list[int]:
    return msgspec.convert(found, list[_Number])


def _sinces(found: list[int]) -> list[int]:
    return msgspec.convert(found, list[_Since])


_columns: Final = msgspec.msgpack.Decoder(_Columns)
