"""A history whose files were damaged: noticed before SQLite opens them, told, and kept as they were.

Theory: SQLite takes of a write-ahead log what is whole and forgets the rest without a word; of a database that is
missing or empty it throws the log away. Both are right after a power cut and wrong to be silent about: what is lost so
was acknowledged. A log is frames behind a header, each with the header's two salts and a running checksum (the file
format, section 4). How many were committed stands in the index beside it (`-shm`, section 2.1 of the WAL-index format),
as long as the machine has not been started anew. It knows bytes of files.
"""

import shutil
import struct
from pathlib import Path
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_INDEX: Final = struct.Struct("=16xI12x8s56xI")
"""Of the index: how many frames are committed, the salts of their log, and how many frames the database has as well."""
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""Of a log, and in which order of bytes its checksums are counted."""
_MASK: Final = 0xFFFFFFFF


class _Index(NamedTuple):
    committed: int
    salts: bytes
    copied: int


class _Log(NamedTuple):
    whole: int
    """Frames that are whole."""
    committed: int
    """Frames that were committed, as far as is known."""


def lines_about(history: Path, *, is_new: bool) -> list[str]:
    """What is to be told of the files of a history, which lie open to nobody. `is_new`: there has been none before.
    What would be lost by opening it is kept under another name. Raises OSError."""
    log = Path(f"{history}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    if not history.exists() or not history.stat().st_size:
        if has_log:
            return [f"{history} is missing: it begins anew; its newest part is kept as {_kept(log)}"]
        return [] if is_new else [f"{history} is missing: it begins anew"]
    index = _index_of(history)
    lost = "what came last may be missing from the history"
    if not has_log:
        return [f"{log} is missing: {lost}"] if index.committed > index.copied else []
    found = _examined(log.read_bytes(), index)
    if found.whole >= found.committed or index.copied >= index.committed > 0:
        return []
    return [
        f"{log} is damaged: {found.whole} of its {found.committed} parts are whole, {lost}; kept as {_kept(log)}"
    ]


def _index_of(history: Path) -> _Index:
    """What the index shows; nothing without a good one."""
    try:
        content = Path(f"{history}-shm").read_bytes()
    except OSError:
        return _Index(0, b"", 0)
    if len(content) < _INDEX.size or content[:48] != content[48:96]:
        return _Index(0, b"", 0)
    return _Index(*_INDEX.unpack_from(content))


def _examined(log: bytes, index: _Index) -> _Log:
    count = index.committed
    if len(log) < _HEADER.size:
        return _Log(0, max(count, 1))
    magic, _, page, *_ = _HEADER.unpack_from(log)
    order = _MAGIC.get(magic)
    if order is None or _checksum(order, log[:24]) != _HEADER.unpack_from(log)[6:]:
        return _Log(0, max(count, 1))
    if index.salts != log[16:24]:
        count = 0  # the index is of another log, or of none
    size = _FRAME.size + page
    sums = _checksum(order, log[:24])
    whole = last = 0
    is_whole = True
    for number, at in enumerate(range(_HEADER.size, len(log) - size + 1, size), start=1):
        _, pages, *_ = frame = _FRAME.unpack_from(log, at)
        if log[at + 8 : at + 16] != log[16:24]:
            continue  # what an earlier log left behind; or damage, if frames of this one follow, whose sums differ then
        if is_whole:
            sums = _checksum(order, log[at : at + 8], sums)
            sums = _checksum(order, log[at + _FRAME.size : at + size], sums)
            is_whole = sums == frame[4:]
            whole += is_whole
        last = number if pages else last  # the last of a transaction says how large the database is
    # A program that was killed may have left one frame half written: that was never committed.
    return _Log(whole, max(count, last if last > whole + 1 else 0))


def _checksum(order: str, data: bytes, sums: tuple[int, ...] = (0, 0)) -> tuple[int, ...]:
    one, two = sums
    for left, right in struct.iter_unpack(f"{order}2I", data):
        one = (one + left + two) & _MASK
        two = (two + right + one) & _MASK
    return one, two


def _kept(path: Path) -> str:
    """A copy of a damaged file, under a name that nothing else has."""
    number = 1
    while (copy := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    shutil.copy2(path, copy)
    return copy.name
