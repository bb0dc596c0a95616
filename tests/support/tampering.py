"""Changes that an attacker on the path makes to bytes: a flipped bit, a cut, an added byte."""

from collections.abc import Iterator

from hypothesis import strategies as st


def flipped(data: bytes, bit: int) -> bytes:
    """`data` with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def all_flips(data: bytes) -> Iterator[bytes]:
    """`data` with each of its bits changed in turn."""
    return (flipped(data, bit) for bit in range(8 * len(data)))


def all_cuts(data: bytes) -> Iterator[bytes]:
    """`data` cut off at every byte."""
    return (data[:size] for size in range(len(data)))


def tampered(data: bytes) -> st.SearchStrategy[bytes]:
    """`data` with a bit flipped, cut short at either end, or with bytes added at either end."""
    return st.one_of(
        st.integers(0, 8 * len(data) - 1).map(lambda bit: flipped(data, bit)),
        st.integers(0, len(data) - 1).map(lambda size: data[:size]),
        st.integers(1, len(data)).map(lambda start: data[start:]),
        st.binary(min_size=1, max_size=20).map(lambda more: data + more),
        st.binary(min_size=1, max_size=20).map(lambda more: more + data),
    )
