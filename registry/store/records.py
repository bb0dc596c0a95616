"""This file is about framing: how whole records are told from torn and damaged ones. It knows bytes, not their meaning.

    record = length u32 | crc32 u32 | payload      big endian; the checksum covers the four length bytes and the payload

An empty payload is no record: what a power cut leaves is often a tail of zeros, and zeros must not read as records.
"""

import struct
from zlib import crc32

_HEADER = struct.Struct(">II")
_LENGTH = struct.Struct(">I")
HEADER_SIZE = _HEADER.size

# The largest payload. A mailbox holds 256 KiB and a frame 64 KiB; a longer claim is damage, seen before any work on it.
LARGEST_PAYLOAD = 1 << 20


def frame(payload: bytes) -> bytes:
    """One whole record. ValueError for an empty or an oversized payload: that is the caller's mistake."""
    length = len(payload)
    if not 0 < length <= LARGEST_PAYLOAD:
        raise ValueError(f"a record holds 1 to {LARGEST_PAYLOAD} bytes, not {length}")
    return _HEADER.pack(length, crc32(payload, crc32(_LENGTH.pack(length)))) + payload


def unframe(record: bytes) -> bytes | None:
    """The payload, if `record` is exactly one whole record."""
    payload = _payload_at(record, 0)
    return payload if payload is not None and HEADER_SIZE + len(payload) == len(record) else None


def scan(data: bytes) -> tuple[list[bytes], int]:
    """The payloads of the whole records that `data` begins with, and the length of those records together.

    Any bytes are fine. It ends at the first record that is torn or damaged: where the next one would begin is unknown.
    """
    payloads: list[bytes] = []
    whole = 0
    while (payload := _payload_at(data, whole)) is not None:
        payloads.append(payload)
        whole += HEADER_SIZE + len(payload)
    return payloads, whole


def _payload_at(data: bytes, start: int) -> bytes | None:
    begin = start + HEADER_SIZE
    if begin > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, start)
    end = begin + length
    if not 0 < length <= LARGEST_PAYLOAD or end > len(data):
        return None
    payload = data[begin:end]
    return payload if crc32(payload, crc32(_LENGTH.pack(length))) == checksum else None
