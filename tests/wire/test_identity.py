"""Keys and cards: only the holder of an identity key can make its card, and no bit can be
changed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import decode_card, encode
from chatapp.wire.errors import DecodeError, SealError
from chatapp.wire.identity import (
    AgreementKey,
    Identity,
    KeyRefused,
    fingerprint,
    fingerprint_digits,
    is_authentic,
    is_signed_by,
    make_card,
    require_fingerprint,
)
from chatapp.wire.messages.table import Card
from tests.support.strategies import messages
from tests.support.tampering import all_flips

ALICE = Identity(b"\x01" * 32)
BOB = Identity(b"\x02" * 32)
LIVE = AgreementKey(b"\x03" * 32)
MAIL = AgreementKey(b"\x04" * 32)

keys = st.binary(min_size=32, max_size=32)
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
]
"""Points of X25519 that make every secret the same one (RFC 7748, section 6.1)."""


def card_of(name: str = "alice", counter: int = 7) -> Card:
    """Return a card of Alice."""
    return make_card(ALICE, name=name, mail=MAIL.public, counter=counter)


# --- identities


@given(keys, st.binary(max_size=50), st.binary(max_size=50))
def test_a_signature_is_good_for_its_key_purpose_and_message(
    seed: bytes, purpose: bytes, message: bytes
) -> None:
    author = Identity(seed)
    signature = author.sign(purpose, message)
    assert len(signature) == 64
    assert is_signed_by(author.public, purpose, message, signature)
    assert not is_signed_by(ALICE.public, purpose, message, signature) or seed == ALICE.seed
    assert not is_signed_by(author.public, purpose + b"x", message, signature)
    assert not is_signed_by(author.public, purpose, message + b"x", signature)


def test_no_flipped_bit_of_a_signature_or_key_is_taken() -> None:
    signature = ALICE.sign(b"purpose\0", b"message")
    assert not any(
        is_signed_by(ALICE.public, b"purpose\0", b"message", bad) for bad in all_flips(signature)
    )
    assert not any(
        is_signed_by(bad, b"purpose\0", b"message", signature) for bad in all_flips(ALICE.public)
    )


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_malformed_keys_and_signatures_sign_nothing(
    identity: bytes, message: bytes, signature: bytes
) -> None:
    assert not is_signed_by(identity, b"purpose\0", message, signature)


@pytest.mark.parametrize("identity", SMALL_ORDER)
def test_a_key_of_small_order_signs_nothing(identity: bytes) -> None:
    # Such a key could let one signature pass for every message.
    for signature in (bytes(64), b"\x01" + bytes(63)):
        assert not is_signed_by(identity, b"", b"message", signature)


def test_a_signature_has_one_form() -> None:
    # S + L is the same number modulo the order of the group: a lax verifier takes it too, as a
    # second signature.
    order = 2**252 + 27742317777372353535851937790883648493
    signature = ALICE.sign(b"", b"message")
    second = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not is_signed_by(ALICE.public, b"", b"message", signature[:32] + second)


@given(keys)
def test_keys_come_back_from_their_secret_bytes(raw: bytes) -> None:
    assert Identity(Identity(raw).seed).public == Identity(raw).public
    assert AgreementKey(AgreementKey(raw).raw).public == AgreementKey(raw).public


# --- agreement


@given(keys, keys)
def test_two_agree_on_one_secret(one: bytes, other: bytes) -> None:
    mine, theirs = AgreementKey(one), AgreementKey(other)
    assert mine.agree(theirs.public) == theirs.agree(mine.public)


@pytest.mark.parametrize("point", [*SMALL_ORDER, b"", bytes(31), bytes(33)])
def test_nobody_agrees_with_a_bad_key(point: bytes) -> None:
    with pytest.raises(SealError):
        LIVE.agree(point)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_secret_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AgreementKey(bytes(size))


# --- cards


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=32), keys, st.integers(0, 2**63 - 1)
)
def test_a_card_is_authentic_also_after_a_journey(name: str, mail: bytes, counter: int) -> None:
    card = make_card(ALICE, name=name, mail=mail, counter=counter)
    assert is_authentic(card)
    assert is_authentic(decode_card(encode(card)))


def test_not_one_bit_of_a_card_can_be_changed() -> None:
    card = card_of()
    for data in all_flips(encode(card)):
        try:
            changed = decode_card(data)
        except DecodeError:
            continue
        assert changed != card
        assert not is_authentic(changed)


@given(st.sampled_from(Card.__struct_fields__), messages(Card))
def test_no_field_of_a_card_can_be_replaced(field: str, other: Card) -> None:
    card = card_of()
    changed = msgspec.structs.replace(card, **{field: getattr(other, field)})
    assert is_authentic(changed) is (changed == card)


@given(messages(Card))
def test_a_card_made_of_nothing_is_not_authentic(card: Card) -> None:
    assert not is_authentic(card)


def test_bob_cannot_make_a_card_of_alice() -> None:
    forged = make_card(BOB, name="alice", mail=MAIL.public, counter=8)
    assert not is_authentic(msgspec.structs.replace(forged, identity=ALICE.public))


def test_fields_cannot_flow_into_each_other() -> None:
    # What is signed is an encoding with lengths: "ab" + "c" and "a" + "bc" are two cards.
    said = card_of(name="ab")
    assert not is_authentic(msgspec.structs.replace(said, name="a", mail=b"b" + said.mail[:-1]))


# --- fingerprints


def test_a_fingerprint_is_eight_groups_of_four_digits() -> None:
    groups = fingerprint(ALICE.public).split(" ")
    assert [len(group) for group in groups] == [4] * 8
    assert fingerprint(ALICE.public) != fingerprint(BOB.public)
    assert fingerprint(ALICE.public) == fingerprint(Identity(ALICE.seed).public)


@given(keys)
def test_a_fingerprint_is_read_as_it_is_shown_or_typed(identity: bytes) -> None:
    shown = fingerprint(identity)
    for typed in (
        shown,
        shown.upper(),
        shown.replace(" ", ""),
        shown.replace(" ", ":"),
        identity.hex(),
    ):
        assert require_fingerprint(typed) == fingerprint_digits(identity)


@pytest.mark.parametrize("text", ["", "12ab", "x" * 32, "0" * 31, "0" * 33, "0" * 63])
def test_an_invalid_fingerprint_is_reported_with_an_example(text: str) -> None:
    with pytest.raises(KeyRefused, match=f'"{text}" is no key: a key is 32 hexadecimal digits'):
        require_fingerprint(text)
