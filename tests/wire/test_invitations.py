"""Join codes: how they are parsed, and for whom an invitation is valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.admission import CODE_BYTES, CodeRefused, JoinCode, is_invitation_for, public_half

CHANCE = st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES)
ALICE, BOB, HERE, ELSEWHERE = (bytes([letter]) * 32 for letter in b"ABHE")
NONCE, OTHER_NONCE = b"n" * 16, b"o" * 16
CODE = JoinCode.generate(bytes(range(CODE_BYTES)), registry=HERE)
SHOWN = CODE.invitation_for(registry=HERE, nonce=NONCE, identity=ALICE)


@given(CHANCE)
def test_a_code_is_read_as_it_is_written_down(chance: bytes) -> None:
    code = JoinCode.generate(chance, registry=HERE)
    loose = code.text.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert JoinCode(loose).public == JoinCode(code.text).public == code.public
    assert JoinCode(loose).text == code.text


@given(CHANCE, st.binary(min_size=32, max_size=32))
def test_a_code_names_the_registry_that_made_it(chance: bytes, other: bytes) -> None:
    code = JoinCode.generate(chance, registry=HERE)
    assert JoinCode(code.text).is_made_by(HERE)
    assert code.is_made_by(other) is (other == HERE)


def test_what_names_a_registry_tells_nothing_without_the_code() -> None:
    """Two codes of one registry have different tags: a tag does not depend on the registry's key
    alone."""
    tags = {
        JoinCode.generate(bytes([number]) * CODE_BYTES, registry=HERE).text[18:]
        for number in range(50)
    }
    assert len(tags) == 50


@given(CHANCE, CHANCE)
def test_different_codes_have_different_keys(one: bytes, other: bytes) -> None:
    drawn = JoinCode.generate(one, registry=HERE), JoinCode.generate(other, registry=HERE)
    assert (drawn[0].text == drawn[1].text) == (drawn[0].public == drawn[1].public)


@pytest.mark.parametrize(
    "text", ["", "x", CODE.text[:-1], CODE.text + "0", "U" + CODE.text[1:], "é" * 25]
)
def test_an_invalid_code_is_refused(text: str) -> None:
    with pytest.raises(CodeRefused, match="a join code has 25 letters and digits"):
        JoinCode(text)


def test_most_slips_are_noticed() -> None:
    places = [at for at, letter in enumerate(CODE.text) if letter != "-"]
    slips = [CODE.text[:at] + letter + CODE.text[at + 1 :] for at in places for letter in "37KX"]
    wrong = [slip for slip in slips if slip != CODE.text]
    unnoticed = 0
    for slip in wrong:
        try:
            JoinCode(slip)
            unnoticed += 1
        except CodeRefused:
            continue
    assert unnoticed <= len(wrong) // 8


def test_an_invitation_is_good_for_whom_it_was_made() -> None:
    assert public_half(SHOWN) == CODE.public
    assert is_invitation_for(SHOWN, registry=HERE, nonce=NONCE, identity=ALICE)


@pytest.mark.parametrize(
    ("registry", "nonce", "identity"),
    [(ELSEWHERE, NONCE, ALICE), (HERE, OTHER_NONCE, ALICE), (HERE, NONCE, BOB)],
    ids=["another registry", "another attempt", "another identity"],
)
def test_and_for_nobody_else(registry: bytes, nonce: bytes, identity: bytes) -> None:
    assert not is_invitation_for(SHOWN, registry=registry, nonce=nonce, identity=identity)


@given(st.integers(0, len(SHOWN) * 8 - 1))
def test_no_bit_of_it_can_be_changed(bit: int) -> None:
    changed = bytearray(SHOWN)
    changed[bit // 8] ^= 1 << bit % 8
    assert not is_invitation_for(bytes(changed), registry=HERE, nonce=NONCE, identity=ALICE)


@given(st.binary(max_size=96))
def test_any_bytes_are_no_invitation(some: bytes) -> None:
    assert not is_invitation_for(some, registry=HERE, nonce=NONCE, identity=ALICE)
