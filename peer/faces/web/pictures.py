"""Which files a page may show as pictures. Only their first bytes are looked at; nothing is
decoded here."""

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from chatapp.peer.faces.web.limits import PICTURE_PIXELS

HEAD: Final = 256 * 1024
"""Bytes from the beginning of a file that are looked at: a JPEG file may have its size behind what
cameras and programs say about it."""

_JPEG_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers of JPEG without a length."""
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG behind which the size of the picture is."""


class Picture(NamedTuple):
    """What a file says that it holds."""

    media_type: str
    width: int
    height: int


def picture_in(head: bytes) -> Picture | None:
    """Return which picture begins with these bytes. None for anything but PNG, JPEG and WebP, and for
    a picture of so many pixels that a browser would need much memory for it."""
    for is_it, kind, sizes in _KINDS:
        if is_it(head):
            size = sizes(head)
            is_fine = size is not None and 0 < size[0] * size[1] <= PICTURE_PIXELS
            return Picture(kind, *size) if size is not None and is_fine else None
    return None


def _png(head: bytes) -> tuple[int, int] | None:
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
        elif marker in _JPEG_ALONE:
            at += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        else:
            at += 2 + max(int.from_bytes(head[at + 2 : at + 4]), 2)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind, rest = head[12:16], head[20:30]
    if len(rest) < 10:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(rest[4:7], "little"), 1 + int.from_bytes(rest[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(rest[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", rest, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


_KINDS: Final[
    tuple[tuple[Callable[[bytes], bool], str, Callable[[bytes], tuple[int, int] | None]], ...]
] = (
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), "image/png", _png),
    (lambda head: head.startswith(b"\xff\xd8\xff"), "image/jpeg", _jpeg),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", "image/webp", _webp),
)
