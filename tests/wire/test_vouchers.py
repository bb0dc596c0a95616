"""Vouchers of gateways: for whom and for what one is valid."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.admission import (
    is_register_authentic,
    is_voucher_for,
    make_register,
    make_voucher,
    public_half,
)
from chatapp.wire.codec import Kind, encode
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.limits import DATAGRAM_MAX
from chatapp.wire.messages.registration import Register

GATEWAY, VISITOR = Identity(b"g" * 32), Identity(b"v" * 32)
HERE, ELSEWHERE = b"r" * 32, b"e" * 32
NONCE, OTHER_NONCE = b"n" * 16, b"o" * 16
VOUCHER = make_voucher(GATEWAY, registry=HERE, nonce=NONCE, identity=VISITOR.public)
CARD = make_card(VISITOR, name="", mail=AgreementKey(b"m" * 32).public, counter=1)
KEYS = st.binary(min_size=32, max_size=32)


@given(gateway=KEYS, registry=KEYS, identity=KEYS, nonce=st.binary(min_size=16, max_size=16))
def test_a_voucher_is_valid_for_what_it_was_made_for(
    gateway: bytes, registry: bytes, identity: bytes, nonce: bytes
) -> None:
    key = Identity(gateway)
    voucher = make_voucher(key, registry=registry, nonce=nonce, identity=identity)
    assert public_half(voucher) == key.public
    assert is_voucher_for(voucher, registry=registry, nonce=nonce, identity=identity)


@pytest.mark.parametrize(
    ("registry", "nonce", "identity"),
    [
        (ELSEWHERE, NONCE, VISITOR.public),
        (HERE, OTHER_NONCE, VISITOR.public),
        (HERE, NONCE, GATEWAY.public),
    ],
    ids=["another registry", "another attempt", "another visitor"],
)
def test_a_voucher_is_valid_for_nothing_else(
    registry: bytes, nonce: bytes, identity: bytes
) -> None:
    assert not is_voucher_for(VOUCHER, registry=registry, nonce=nonce, identity=identity)


@given(st.integers(0, len(VOUCHER) * 8 - 1))
def test_no_bit_of_a_voucher_can_be_changed(bit: int) -> None:
    changed = bytearray(VOUCHER)
    changed[bit // 8] ^= 1 << bit % 8
    assert not is_voucher_for(bytes(changed), registry=HERE, nonce=NONCE, identity=VISITOR.public)


@given(st.binary(max_size=96))
def test_arbitrary_bytes_are_no_voucher(some: bytes) -> None:
    assert not is_voucher_for(some, registry=HERE, nonce=NONCE, identity=VISITOR.public)


def register(gateway: Identity | None) -> Register:
    return make_register(
        VISITOR, registry=HERE, nonce=NONCE, cookie=b"c" * 16, card=CARD, gateway=gateway
    )


def test_nobody_on_the_way_can_remove_or_add_a_voucher() -> None:
    vouched, plain = register(GATEWAY), register(None)
    assert vouched.voucher == VOUCHER
    assert is_register_authentic(vouched, registry=HERE)
    assert not is_register_authentic(msgspec.structs.replace(vouched, voucher=b""), registry=HERE)
    assert not is_register_authentic(msgspec.structs.replace(plain, voucher=VOUCHER), registry=HERE)
    as_invitation = msgspec.structs.replace(vouched, voucher=b"", invitation=VOUCHER)
    assert not is_register_authentic(as_invitation, registry=HERE)


def test_a_register_with_a_voucher_fits_a_datagram() -> None:
    assert len(bytes((Kind.REGISTER,)) + encode(register(GATEWAY))) < DATAGRAM_MAX
