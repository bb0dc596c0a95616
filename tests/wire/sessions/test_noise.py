"""The handshake KK against public test vectors, and what must not open.

The vectors are those for `Noise_KK_25519_AESGCM_SHA256` in two public collections:
`vectors/cacophony.txt` of cacophony (Haskell) and `snow/tests/vectors/snow.txt` (Rust). Only this
pattern is taken, and only the data.
"""

from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.errors import SealError, WireError
from chatapp.wire.identity import AgreementKey
from chatapp.wire.sessions.opening import MESSAGE_OVERHEAD, CipherState, HandshakeState
from tests.support.tampering import all_cuts, all_flips


@dataclass(frozen=True)
class Vector:
    """One handshake and the transport messages behind it; the sides take turns. All values are
    hexadecimal."""

    name: str
    prologue: str
    initiator_static: str
    initiator_ephemeral: str
    responder_static: str
    responder_ephemeral: str
    handshake_hash: str
    """Empty where the collection does not say it."""
    messages: tuple[tuple[str, str], ...]
    """(payload, ciphertext)"""


VECTORS = (
    Vector(
        name="cacophony",
        prologue="4a6f686e2047616c74",
        initiator_static="e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        initiator_ephemeral="893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        responder_static="4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        responder_ephemeral="bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        handshake_hash="c03693acd830588fac76dd414c9e100e8c601d27511de855100239f7705fa3f2",
        messages=(
            (
                "4c756477696720766f6e204d69736573",
                (
                    "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79448564738a841228e693caeec4"
                    "c497a8bd562231c3e51a1f03c4fd45dfe3a67870"
                ),
            ),
            (
                "4d757272617920526f746862617264",
                (
                    "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843b94504c4d83506f5dd2568b6"
                    "8490eba8ed6f9cf2cca194a273c56d7ae3c558"
                ),
            ),
            (
                "462e20412e20486179656b",
                "6a5c10a201d4e3a08f79f64949e55731f774913a4d949bda3fcebf",
            ),
            (
                "4361726c204d656e676572",
                "4e8a1bf06926fdd74e2f516e2b0c11cc1dc3387fadeb75389d4342",
            ),
            (
                "4a65616e2d426170746973746520536179",
                "c1df7194ca8ea51d4dd99059bc9b90288112d47237d8481f1773fb26a31629a05c",
            ),
            (
                "457567656e2042f6686d20766f6e2042617765726b",
                "3edba4feaf590ee88dd8f5fba51db4bee651cf41afd410fe476c524ac9b1db24252fc55ff8",
            ),
        ),
    ),
    Vector(
        name="snow",
        prologue=(
            "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c79206675"
            "6e20616e6420626f72696e672e"
        ),
        initiator_static="9549823a99f0123c499ed64b03f96351089c548db8e62ad808613e832892b371",
        initiator_ephemeral="cb6e9750688cdbc61b3cb94eee07ca8653119574b52cf6f00bf39b9e3a6e8ef6",
        responder_static="f012bd6139ec4c143ab597178fae7b38e5345db76a712da27f2354d1d49e2bb5",
        responder_ephemeral="e90eda32e14188b31beb045d5dffe3c8d74997c2a080ef8cbf54535eeed471c8",
        handshake_hash="",
        messages=(
            (
                "771ab1a9e5b47a4918ae6e3c3090e2ed8003efab57810dfaa80480b17ca353ed",
                (
                    "4ebc0a4c0f62be1035bdb0e593e8f869395f885d54f9addec79ddc077592be1dbdf392d7b24dc710aa955240"
                    "8bd75a7efd2e2bcbe57c1ba4c7d108479ab505d3df574b860882218db04a12fc5e2e925f"
                ),
            ),
            (
                "685d9d6e0db7ef2b2678f27b9d4efb3508dc9b28171e4b83f391a897cc04c660",
                (
                    "6ab486b44c71d04b6f3db423964373878d2b1915f64225dc5dd82f6ee22559606adf38b57530c54f9c8b6e71"
                    "cf416c4604895a02a4b711d5641466fe8f069ca26ec0b9d97b6d576aa7b22dc5aaeb3add"
                ),
            ),
            (
                "ec4a308c662e963deb387378aaa22648cae767b7f050531210e15fe778d19c29",
                (
                    "340c26a14c3bde0e73bb5d309d4a85daab0b317552ae9203b677a1809a0a564dd34affe246da3dfd7fb17e0a"
                    "d8bb5f93"
                ),
            ),
            (
                "e9968ebcbf844bde2a8b0d4f0487e3efbf30b1ec37bcecb17bda4c697d83b56e",
                (
                    "db9b7164d1a9494582661aa0d815e6802c319345d90abb1ea5ea8ea01da648fccc9b6603b7c71116388afcec"
                    "877b97d2"
                ),
            ),
        ),
    ),
)


def key(secret: str) -> AgreementKey:
    """Return a key pair by its secret half."""
    return AgreementKey(bytes.fromhex(secret))


def sides(vector: Vector) -> tuple[HandshakeState, HandshakeState]:
    """Return the initiator and the responder of a vector."""
    initiator, responder = key(vector.initiator_static), key(vector.responder_static)
    prologue = bytes.fromhex(vector.prologue)
    return (
        HandshakeState(
            is_initiator=True,
            prologue=prologue,
            static=initiator,
            ephemeral=key(vector.initiator_ephemeral),
            their_static=responder.public,
        ),
        HandshakeState(
            is_initiator=False,
            prologue=prologue,
            static=responder,
            ephemeral=key(vector.responder_ephemeral),
            their_static=initiator.public,
        ),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_public_vector(vector: Vector) -> None:
    initiator, responder = sides(vector)
    messages = [
        (bytes.fromhex(payload), bytes.fromhex(sealed)) for payload, sealed in vector.messages
    ]
    (first_said, first), (second_said, second), *transport = messages

    assert initiator.write_first(first_said) == first
    assert responder.read_first(first) == first_said
    assert responder.write_second(second_said) == second
    assert initiator.read_second(second) == second_said
    assert initiator.handshake_hash == responder.handshake_hash
    if vector.handshake_hash:
        assert initiator.handshake_hash.hex() == vector.handshake_hash

    ours, theirs = initiator.split(), responder.split()
    assert len(transport) > 1
    for place, (said, sealed) in enumerate(transport):
        direction = place % 2
        assert ours[direction].encrypt(b"", said) == sealed
        assert theirs[direction].decrypt(b"", sealed) == said


@given(st.binary(max_size=70_000), st.binary(max_size=2_000))
def test_payloads_of_any_length(first: bytes, second: bytes) -> None:
    initiator, responder = sides(VECTORS[0])
    message = initiator.write_first(first)
    assert len(message) == len(first) + MESSAGE_OVERHEAD
    assert responder.read_first(message) == first
    answer = responder.write_second(second)
    assert len(answer) == len(second) + MESSAGE_OVERHEAD
    assert initiator.read_second(answer) == second


def refuses(read: object, message: bytes) -> bool:
    """Return whether a side refuses a message; errors other than those of the wire are raised."""
    assert callable(read)
    try:
        read(message)
    except WireError:
        return True
    return False


def test_not_one_bit_of_a_message_can_be_changed_and_a_refused_one_changes_nothing() -> None:
    initiator, responder = sides(VECTORS[0])
    first = initiator.write_first(b"one")
    # The highest bit of a public key is ignored by X25519 (RFC 7748), but not by the hash of the
    # handshake.
    assert all(
        refuses(responder.read_first, wrong) for wrong in [*all_flips(first), *all_cuts(first)]
    )
    assert responder.read_first(first) == b"one"
    second = responder.write_second(b"two")
    assert all(
        refuses(initiator.read_second, wrong) for wrong in [*all_flips(second), *all_cuts(second)]
    )
    assert initiator.read_second(second) == b"two"
    assert [cipher.key for cipher in initiator.split()] == [
        cipher.key for cipher in responder.split()
    ]


def test_another_prologue_or_static_key_opens_nothing() -> None:
    vector = VECTORS[0]
    message = sides(vector)[0].write_first(b"")
    other = key("11" * 32)
    for changed in (
        {"prologue": b"another"},
        {"static": other},
        {"their_static": other.public},
        {"static_static": bytes(32)},
    ):
        arguments = {
            "is_initiator": False,
            "prologue": bytes.fromhex(vector.prologue),
            "static": key(vector.responder_static),
            "ephemeral": key(vector.responder_ephemeral),
            "their_static": key(vector.initiator_static).public,
        } | changed
        assert refuses(HandshakeState(**arguments).read_first, message), changed  # type: ignore[arg-type]


def test_a_key_of_small_order_is_refused() -> None:
    responder = sides(VECTORS[0])[1]
    with pytest.raises(SealError):
        responder.read_first(bytes(MESSAGE_OVERHEAD))
    with pytest.raises(SealError):
        HandshakeState(
            is_initiator=True,
            prologue=b"",
            static=key("11" * 32),
            ephemeral=key("22" * 32),
            their_static=bytes(32),
        )


def test_an_exported_key_is_the_same_on_both_sides_and_no_other_key_of_the_handshake() -> None:
    initiator, responder = sides(VECTORS[0])
    responder.read_first(initiator.write_first(b""))
    early = initiator.export(b"early")
    assert early == responder.export(b"early")
    assert early != initiator.export(b"other")
    initiator.read_second(responder.write_second(b""))
    assert initiator.export(b"early") == responder.export(b"early") != early
    assert early not in [cipher.key for cipher in initiator.split()]


def test_a_message_that_does_not_open_leaves_the_count_as_it_is() -> None:
    here, there = CipherState(bytes(32)), CipherState(bytes(32))
    sealed = here.encrypt(b"", b"text")
    assert refuses(lambda message: there.decrypt(b"", message), sealed[:-1])
    assert there.decrypt(b"", sealed) == b"text"


class StolenKey:
    """The static key of the responder in the hands of a thief who says to be the initiator."""

    def __init__(self, stolen: AgreementKey, claimed: bytes) -> None:
        self.public = claimed
        self._stolen = stolen
        self._claimed = claimed

    def agree(self, other: bytes) -> bytes:
        """Agree as the initiator would where the responder's key does as well, and wrongly
        elsewhere."""
        return self._stolen.agree(self._claimed if other == self._stolen.public else other)


def test_who_stole_the_key_of_one_side_speaks_for_the_other_and_cannot_read_the_answer() -> None:
    vector = VECTORS[0]
    stolen, claimed = key(vector.responder_static), key(vector.initiator_static).public
    thief = HandshakeState(
        is_initiator=True,
        prologue=bytes.fromhex(vector.prologue),
        static=cast(AgreementKey, StolenKey(stolen, claimed)),
        ephemeral=key("33" * 32),
        their_static=stolen.public,
    )
    responder = sides(vector)[1]
    assert responder.read_first(thief.write_first(b"forged")) == b"forged"
    assert refuses(thief.read_second, responder.write_second(b"secret"))
