"""A key under a passphrase, and bytes sealed to it."""

import io
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.errors import SealError
from chatapp.wire.passphrase import (
    PIECE,
    Lock,
    SealedReader,
    SealingWriter,
    new_lock,
    unlocked,
    unwrapped,
    wrapped,
)

PASSPHRASE: Final = "four words are e\N{LATIN SMALL LETTER A WITH DIAERESIS}sy"


@pytest.fixture(scope="module")
def locked() -> tuple[Lock, bytes]:
    return new_lock(PASSPHRASE)


def sealed(lock: Lock, *pieces: bytes) -> bytes:
    out = io.BytesIO()
    writer = SealingWriter(lock.public, out.write)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return out.getvalue()


def opened(secret: bytes, content: bytes, *, at_once: int = 1 << 20) -> bytes:
    reader = SealedReader(secret, io.BytesIO(content).read)
    return b"".join(iter(lambda: reader.read(at_once), b""))


def test_only_the_passphrase_opens_the_lock(locked: tuple[Lock, bytes]) -> None:
    lock, secret = locked
    assert unlocked(lock, PASSPHRASE) == secret
    assert unlocked(lock, PASSPHRASE + " ") is None
    assert unlocked(lock, "") is None


def test_every_keyboard_writes_the_same_passphrase(locked: tuple[Lock, bytes]) -> None:
    """RFC 8265, 4.2.2: spaces are mapped, and the form is NFC."""
    lock, secret = locked
    other = PASSPHRASE.replace("\N{LATIN SMALL LETTER A WITH DIAERESIS}", "a\u0308")
    assert unlocked(lock, other.replace(" ", "\N{NO-BREAK SPACE}")) == secret


def test_another_passphrase_locks_the_same_key(locked: tuple[Lock, bytes]) -> None:
    _, secret = locked
    other, same = new_lock("something else", secret=secret)
    assert (same, unlocked(other, "something else")) == (secret, secret)
    assert unlocked(other, PASSPHRASE) is None


def test_a_secret_opens_with_its_key_alone() -> None:
    box = wrapped(b"secret", b"k" * 32)
    assert unwrapped(box, b"k" * 32) == b"secret"
    assert unwrapped(box, b"l" * 32) is None
    assert unwrapped(b"", b"k" * 32) is None


@given(
    st.lists(st.integers(0, 3 * PIECE), max_size=4),
    st.integers(1, 2 * PIECE),
)
def test_what_is_sealed_comes_back_however_it_was_cut(sizes: list[int], at_once: int) -> None:
    lock, secret = LOCK
    pieces = [bytes([at]) * size for at, size in enumerate(sizes)]
    assert opened(secret, sealed(lock, *pieces), at_once=at_once) == b"".join(pieces)


@given(st.data())
def test_no_change_and_no_cut_goes_unnoticed(data: st.DataObject) -> None:
    lock, secret = LOCK
    whole = sealed(lock, b"a" * (PIECE + 100))
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] ^= data.draw(st.integers(1, 255))
    for content in (bytes(damaged), whole[:at]):
        with pytest.raises(SealError):
            opened(secret, content)


def test_another_key_opens_nothing() -> None:
    lock, _ = LOCK
    with pytest.raises(SealError, match="does not open"):
        opened(b"k" * 32, sealed(lock, b"secret"))


LOCK: Final = new_lock("of the properties")
