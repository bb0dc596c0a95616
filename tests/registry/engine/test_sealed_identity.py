"""The identity as state: sealed with the cluster key, and opened by nobody else."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.store.keystore import IdentityUnreadable, open_identity, seal_identity
from chatapp.wire.identity import Identity

KEYS = st.binary(min_size=32, max_size=32)


@given(seed=KEYS, key=KEYS)
def test_every_node_with_the_key_has_the_same_identity(seed: bytes, key: bytes) -> None:
    identity = Identity(seed)
    opened = open_identity(seal_identity(identity, key), key)
    assert (opened.seed, opened.public) == (identity.seed, identity.public)


@given(seed=KEYS, key=KEYS, other=KEYS, at=st.integers(0, 60), flip=st.integers(1, 255))
def test_no_other_key_and_no_changed_byte_opens_it(
    seed: bytes, key: bytes, other: bytes, at: int, flip: int
) -> None:
    sealed = seal_identity(Identity(seed), key, random.Random(0))
    changed = bytearray(sealed)
    changed[at] ^= flip
    for wrong in (bytes(changed), sealed[:-1], sealed + b"\0", b""):
        with pytest.raises(IdentityUnreadable):
            open_identity(wrong, key)
    if other != key:
        with pytest.raises(IdentityUnreadable, match="another cluster key"):
            open_identity(sealed, other)


@given(seed=KEYS, key=KEYS)
def test_the_sealed_bytes_show_nothing_and_differ_each_time(seed: bytes, key: bytes) -> None:
    identity = Identity(seed)
    first, second = seal_identity(identity, key), seal_identity(identity, key)
    assert first != second
    assert identity.seed not in first
    assert identity.public not in first


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_cluster_key_of_another_length_is_a_mistake_of_the_caller(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        seal_identity(Identity(bytes(32)), bytes(size))
