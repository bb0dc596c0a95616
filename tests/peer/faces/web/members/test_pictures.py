"""Which files a page shows as pictures."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.web.limits import PICTURE_PIXELS
from chatapp.peer.faces.web.pictures import Picture, picture_in

SIDE = st.integers(1, 6_000)
BEGINNINGS = (
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"RIFF\0\0\0\0WEBP",
    b"RIFF\0\0\0\0WEBPVP8X",
)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\2\0\0\0"


def jpeg(width: int, height: int, before: bytes = b"") -> bytes:
    about = b"\xff\xe1" + struct.pack(">H", 2 + len(before)) + before
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3)
    return b"\xff\xd8" + about + frame + bytes(9)


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + struct.pack("<I", len(body)) + body


def pair24(width: int, height: int) -> bytes:
    return (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


@given(SIDE, SIDE, st.binary(max_size=300))
def test_each_kind_tells_its_size(width: int, height: int, before: bytes) -> None:
    bits = (width - 1) | (height - 1) << 14
    lossy = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    made = {
        "image/png": [png(width, height)],
        "image/jpeg": [jpeg(width, height, before)],
        "image/webp": [
            webp(b"VP8X", b"\0\0\0\0" + pair24(width, height)),
            webp(b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(5)),
            webp(b"VP8 ", lossy),
        ],
    }
    is_shown = width * height <= PICTURE_PIXELS
    for kind, files in made.items():
        for file in files:
            assert picture_in(file) == (Picture(kind, width, height) if is_shown else None)


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=200))
def test_any_bytes_are_judged(beginning: bytes, rest: bytes) -> None:
    found = picture_in(beginning + rest)
    assert found is None or 0 < found.width * found.height <= PICTURE_PIXELS


@pytest.mark.parametrize(
    "file",
    [
        png(50_000, 50_000),
        png(0, 5),
        jpeg(0xFFFF, 0xFFFF),
        b"GIF89a\1\0\1\0",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>",
        b"\xff\xd8" + b"\xff" * 300,
        b"\xff\xd8" + b"\xff\xe0\0\0" * 60_000,
    ],
)
def test_bombs_and_other_kinds_are_not_shown(file: bytes) -> None:
    assert picture_in(file) is None
