"""Chunks, their seals and hashes, and names that are safe on a disk."""

import hashlib
import itertools
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import chunk_header, decode_message_body, encode, unpack_chunk
from chatapp.wire.errors import DecodeError
from chatapp.wire.files import (
    NAME_MAX,
    ChunkSeal,
    any_bit,
    bits_of,
    chunk_count,
    clean_name,
    is_offer_sound,
    lowest_bit,
    packed,
    page_count,
    page_span,
    unpacked,
)
from chatapp.wire.limits import CHUNK_SIZE, FILE_MAX, PAGE_CHUNKS
from chatapp.wire.messages.direct import FileOffer, Unknown

SIZES = st.integers(0, FILE_MAX)


@given(SIZES)
def test_pages_have_each_chunk_once(size: int) -> None:
    pages = [page_span(size, page) for page in range(page_count(size))]
    assert sum(map(len, pages)) == chunk_count(size)
    assert all(before.stop == after.start for before, after in itertools.pairwise(pages))
    assert all(0 < len(page) <= PAGE_CHUNKS for page in pages)
    assert chunk_count(size) * CHUNK_SIZE >= size > (chunk_count(size) - 1) * CHUNK_SIZE or not size


@given(st.lists(st.booleans(), max_size=100))
def test_bits_are_unpacked_as_they_were_packed(chosen: list[bool]) -> None:
    first = PAGE_CHUNKS
    bits = bits_of((first + place for place, is_in in enumerate(chosen) if is_in), 1)
    assert bits_of(range(first), 1) == 0
    assert unpacked(packed(bits), FILE_MAX, 1) == bits
    assert [bool(bits >> place & 1) for place in range(len(chosen))] == chosen


@given(st.binary(max_size=20), st.integers(0, 100))
def test_any_bits_are_unpacked(bits: bytes, count: int) -> None:
    assert unpacked(bits, count * CHUNK_SIZE, 0) >> count == 0


@given(st.integers(1, 1 << 200), st.integers(0, 1 << 32))
def test_any_bit_is_one_of_them(bits: int, seed: int) -> None:
    assert bits >> any_bit(bits, random.Random(seed)) & 1
    assert bits % (1 << lowest_bit(bits)) == 0
    assert bits >> lowest_bit(bits) & 1


@given(st.binary(min_size=1, max_size=100), st.integers(0, 2**22))
def test_a_chunk_opens_in_its_place_alone(chunk: bytes, place: int) -> None:
    seal = ChunkSeal(bytes(32))
    sealed = seal.seal(place, chunk)
    digest = hashlib.sha256(sealed).digest()
    assert seal.open(place, sealed, digest) == chunk
    assert seal.open(place + 1, sealed, digest) is None
    assert seal.open(place, sealed, bytes(32)) is None
    assert ChunkSeal(bytes(31) + b"1").open(place, sealed, digest) is None
    found, received = unpack_chunk(chunk_header(place) + sealed)
    assert (found, bytes(received)) == (place, sealed)


@given(st.binary(max_size=25))
def test_a_frame_without_a_chunk_is_refused(received: bytes) -> None:
    with pytest.raises(DecodeError):
        unpack_chunk(received)


@pytest.mark.parametrize(("size", "pages"), [(2**63, 1), (FILE_MAX + 1, 1), (-1, 0), (1, 513)])
def test_an_impossible_offer_is_a_message_that_cannot_be_shown(size: int, pages: int) -> None:
    body = decode_message_body(encode([1, "plan.pdf", [5, size, bytes(32), [bytes(32)] * pages]]))
    assert isinstance(body.relation, Unknown)


def test_an_offer_has_the_pages_of_its_size() -> None:
    assert is_offer_sound(FileOffer(0, bytes(32), ()))
    assert is_offer_sound(FileOffer(1, bytes(32), (bytes(32),)))
    assert not is_offer_sound(FileOffer(1, bytes(32), ()))
    assert not is_offer_sound(FileOffer(1, bytes(32), (bytes(32),) * 2))


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("Übersicht 3.pdf", "Übersicht 3.pdf"),
        ("../../x", "x"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\x.dll", "x.dll"),
        ("..", "file"),
        ("", "file"),
        ("a/", "file"),
        (".bashrc", "bashrc"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Lpt1.pdf", "_Lpt1.pdf"),
        ("console.txt", "console.txt"),
        ("cod\u202efdp.exe", "codfdp.exe"),
        ("a\nb\x1b[2J.txt", "ab[2J.txt"),
        ("what?.txt", "what_.txt"),
        ("trailing. . ", "trailing"),
        ("é" * 300 + ".jpeg", "é" * 97 + ".jpeg"),
    ],
)
def test_a_name_is_made_safe(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@given(st.text(max_size=400))
def test_whatever_the_name_it_is_one_file_in_the_folder(name: str) -> None:
    clean = clean_name(name)
    assert clean == clean_name(clean)
    assert 0 < len(clean.encode()) <= NAME_MAX
    assert os.sep not in clean and "\\" not in clean and "\0" not in clean
    assert clean not in (".", "..") and not clean.startswith(".")
    assert all(character.isprintable() for character in clean)
