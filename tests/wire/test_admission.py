"""Registration: each signature covers every field and its recipient."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.admission import (
    CODE_BYTES,
    JoinCode,
    is_refused_authentic,
    is_register_authentic,
    is_welcome_authentic,
    make_refused,
    make_register,
    sign_welcome,
)
from chatapp.wire.codec import decode_refused, decode_register, decode_welcome, encode
from chatapp.wire.errors import DecodeError
from chatapp.wire.identity import (
    AgreementKey,
    Identity,
    is_table_signed,
    make_card,
    sign_table,
    table_in,
)
from chatapp.wire.messages.registration import RefusalReason, Refused, Register, Welcome
from chatapp.wire.messages.table import Card
from tests.support.strategies import messages
from tests.support.tampering import all_cuts, all_flips, tampered

ALICE = Identity(b"\x01" * 32)
EVE = Identity(b"\x03" * 32)
REGISTRY = Identity(b"\x21" * 32)
OTHER = Identity(b"\x22" * 32)
LIVE = AgreementKey(b"\x31" * 32)
MAIL = AgreementKey(b"\x41" * 32)

Said = TypeVar("Said")
nonces = st.binary(min_size=16, max_size=16)


def card_of(author: Identity = ALICE, counter: int = 9) -> Card:
    """Return a card of Alice, or of somebody who uses her name."""
    return make_card(author, name="alice", mail=MAIL.public, counter=counter)


REGISTERED = make_register(
    ALICE, registry=REGISTRY.public, nonce=b"n" * 16, cookie=b"c" * 16, card=card_of()
)
WELCOME = sign_welcome(
    REGISTRY,
    Welcome(
        nonce=b"n" * 16,
        host="192.0.2.7",
        port=6_000,
        table_version=5,
        lease=30,
        link_port=5_000,
        clock=0,
        servers=[],
        signature=b"",
    ),
    identity=card_of().identity,
)
REFUSED = make_refused(REGISTRY, nonce=b"n" * 16, reason=RefusalReason.NAME_TAKEN, name="alice")


def is_registered(message: Register) -> bool:
    """Verify as the registry does."""
    return is_register_authentic(message, registry=REGISTRY.public)


def is_welcomed(message: Welcome) -> bool:
    """Verify as Alice does."""
    return is_welcome_authentic(message, registry=REGISTRY.public, identity=ALICE.public)


def is_refused(message: Refused) -> bool:
    """Verify as Alice does."""
    return is_refused_authentic(message, registry=REGISTRY.public)


def authentic_changes(
    said: bytes, decode: Callable[[bytes], Said], ask: Callable[[Said], bool]
) -> int:
    """Return how many of all messages that differ from this one by one bit are accepted."""
    believed = 0
    for changed in all_flips(said):
        try:
            believed += ask(decode(changed))
        except DecodeError:
            continue
    return believed


# --- REGISTER


def test_a_register_is_believed_by_its_registry_only() -> None:
    assert is_registered(REGISTERED)
    assert is_registered(decode_register(encode(REGISTERED)))
    assert not is_register_authentic(REGISTERED, registry=OTHER.public)


def test_not_one_bit_of_a_register_can_be_changed() -> None:
    assert authentic_changes(encode(REGISTERED), decode_register, is_registered) == 0


@given(st.sampled_from(Register.__struct_fields__), messages(Register))
def test_no_field_of_a_register_can_be_replaced(field: str, other: Register) -> None:
    changed = msgspec.structs.replace(REGISTERED, **{field: getattr(other, field)})
    assert is_registered(changed) is (changed == REGISTERED)


def test_nobody_can_take_an_invitation_away() -> None:
    code = JoinCode.generate(bytes(CODE_BYTES), registry=b"r" * 32)
    invited = make_register(
        ALICE,
        registry=REGISTRY.public,
        nonce=b"n" * 16,
        cookie=b"c" * 16,
        card=card_of(),
        code=code,
    )
    assert is_registered(decode_register(encode(invited)))
    assert not is_registered(msgspec.structs.replace(invited, invitation=b""))
    assert authentic_changes(encode(invited), decode_register, is_registered) == 0


def test_a_card_out_of_the_table_registers_nobody() -> None:
    mine = make_register(
        EVE, registry=REGISTRY.public, nonce=b"n" * 16, cookie=b"c" * 16, card=card_of()
    )
    assert not is_registered(mine)
    swapped = msgspec.structs.replace(REGISTERED, card=card_of(EVE))
    assert not is_registered(swapped)
    assert not is_registered(msgspec.structs.replace(REGISTERED, card=card_of(counter=10)))


# --- WELCOME and REFUSED


def test_a_welcome_is_believed_by_whom_it_is_for() -> None:
    assert is_welcomed(WELCOME)
    assert is_welcomed(decode_welcome(encode(WELCOME)))
    assert not is_welcome_authentic(WELCOME, registry=REGISTRY.public, identity=EVE.public)
    assert not is_welcome_authentic(WELCOME, registry=OTHER.public, identity=ALICE.public)


def test_not_one_bit_of_a_welcome_can_be_changed() -> None:
    assert authentic_changes(encode(WELCOME), decode_welcome, is_welcomed) == 0


@given(st.sampled_from(Welcome.__struct_fields__), messages(Welcome))
def test_no_field_of_a_welcome_can_be_replaced(field: str, other: Welcome) -> None:
    changed = msgspec.structs.replace(WELCOME, **{field: getattr(other, field)})
    assert is_welcomed(changed) is (changed == WELCOME)


def test_a_refusal_is_believed_of_its_registry_only() -> None:
    assert is_refused(REFUSED)
    assert is_refused(decode_refused(encode(REFUSED)))
    assert not is_refused_authentic(REFUSED, registry=OTHER.public)


def test_not_one_bit_of_a_refusal_can_be_changed() -> None:
    assert authentic_changes(encode(REFUSED), decode_refused, is_refused) == 0


@given(st.sampled_from(Refused.__struct_fields__), messages(Refused))
def test_no_field_of_a_refusal_can_be_replaced(field: str, other: Refused) -> None:
    changed = msgspec.structs.replace(REFUSED, **{field: getattr(other, field)})
    assert is_refused(changed) is (changed == REFUSED)


# --- TABLE


@given(st.binary(max_size=200))
def test_a_signed_batch_comes_back(batch: bytes) -> None:
    payload = sign_table(REGISTRY, batch)
    assert len(payload) == 64 + len(batch)
    assert table_in(payload) == batch
    assert is_table_signed(payload, registry=REGISTRY.public)
    assert not is_table_signed(payload, registry=OTHER.public)


@given(st.binary(max_size=60), st.data())
def test_a_batch_cannot_be_tampered_with(batch: bytes, data: st.DataObject) -> None:
    payload = sign_table(REGISTRY, batch)
    assert not is_table_signed(data.draw(tampered(payload)), registry=REGISTRY.public)


def test_not_one_bit_of_a_batch_can_be_changed_and_none_of_it_cut() -> None:
    payload = sign_table(REGISTRY, b"batch")
    for changed in [*all_flips(payload), *all_cuts(payload)]:
        assert not is_table_signed(changed, registry=REGISTRY.public)


# --- one signature serves one use


@pytest.mark.parametrize(
    "purpose", [b"chatapp register 1\0", b"chatapp welcome 1\0", b"chatapp refused 1\0", b""]
)
def test_what_is_signed_for_one_use_serves_no_other(purpose: bytes) -> None:
    # A registry signs what others have a hand in (a name, a batch of rows): it must never pass for
    # something else.
    said = encode([b"n" * 16, RefusalReason.NAME_TAKEN, "alice"])
    assert not is_table_signed(REGISTRY.sign(purpose, said) + said, registry=REGISTRY.public)
    as_table = sign_table(REGISTRY, said)
    assert not is_refused(msgspec.structs.replace(REFUSED, signature=as_table[:64]))


@given(nonces, nonces)
def test_an_answer_recorded_earlier_fits_no_later_question(earlier: bytes, later: bytes) -> None:
    recorded = make_refused(REGISTRY, nonce=earlier, reason=RefusalReason.FULL, name="alice")
    assert is_refused(msgspec.structs.replace(recorded, nonce=later)) is (earlier == later)
