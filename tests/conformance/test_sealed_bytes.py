"""This file is about sealed bytes (clauses 5 to 9): a program written from the document alone makes those that ours makes.

As in test_bytes.py, what `by_hand` makes is compared with the test vectors.
"""

import struct

import pytest

from tests.conformance import by_hand
from tests.conformance.document import ALICE, BOB, LIVE, REGISTRY, SEED, fields, number, printed, words
from tests.conformance.vectors import letter_body
from wire.codec import decode_frames, encode
from wire.errors import SealError
from wire.identity import AgreementKey
from wire.letters import open_letter
from wire.sealing import ReplayWindow


def test_tags() -> None:
    """Clause 5.1: "The **tag** of a direction is BLAKE2s over the sender's live key and the recipient's, with 8 bytes
    of digest and the personalisation `chat-tag`"."""
    assert by_hand.session_tag(ALICE[1], BOB[1]) == printed("session", "tag.alice-to-bob")
    assert by_hand.session_tag(BOB[1], ALICE[1]) == printed("session", "tag.bob-to-alice")


def test_keys_of_a_session() -> None:
    """Clause 5.2: "The key of a direction is 32 bytes of HKDF-SHA256 (RFC 5869) without a salt. The input is X25519
    (RFC 7748) of the two live keys"."""
    assert by_hand.agreed(LIVE, BOB[1]) == printed("session", "agreement")
    assert by_hand.direction_key(LIVE, ALICE, BOB, BOB[1]) == printed("session", "key.alice-to-bob")
    assert by_hand.direction_key(LIVE, BOB, ALICE, BOB[1]) == printed("session", "key.bob-to-alice")


@pytest.mark.parametrize("counter", [0, 1])
def test_sealed_datagrams(counter: int) -> None:
    """Clause 5.2: "The cipher is AES-256-GCM; the nonce is four zero bytes and the counter; the 17 bytes of header are
    its additional data"."""
    key, tag = printed("session", "key.alice-to-bob"), printed("session", "tag.alice-to-bob")
    made = by_hand.sealed(key, tag, counter, printed("session", "payload"))
    assert made == printed("session", f"datagram.{counter}")


def test_a_key_of_small_order_is_refused() -> None:
    """Clause 5.2: "a key of small order is refused"."""
    with pytest.raises(SealError):
        AgreementKey(LIVE).agree(bytes(32))


def test_the_replay_window() -> None:
    """Clause 5.2: "it keeps the newest that it opened and which of the 4,096 up to it were. An older one is dropped, and
    so is a repeat"."""
    window = ReplayWindow()
    window.accept(5_000)
    assert [window.is_fresh(counter) for counter in (904, 905, 4_999, 5_000, 5_001)] == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_runs() -> None:
    """Clause 5.3: "alternating lengths, a run first, an odd count of them, at most 63, none of them 0"."""
    assert decode_frames(by_hand.packed([[2, 7, [1] * 63]]))
    for bad in ([], [1] * 64, [0], [1, 0, 1]):
        assert not decode_frames(by_hand.packed([[2, 7, list[object](bad)]]))


def test_a_frame_that_cannot_be_read_is_skipped() -> None:
    """Clause 5.3: "A frame of an unknown tag, or one that is out of its bounds, is skipped, and its neighbours count"."""
    part: list[object] = [1, 9, 0, 1, b"body"]
    for bad in ([99, "typing"], [2, 7, [0]], "no array"):
        frames: list[object] = [[2, 7, [1]], bad, part]
        assert decode_frames(by_hand.packed(frames)) == decode_frames(by_hand.packed([[2, 7, [1]], part]))


def test_a_datagram_with_a_message() -> None:
    """Clause 5.3: "The payload of a sealed datagram is one msgpack array of one or more **frames**, at most 128, each
    with its tag"."""
    body = by_hand.packed([number("direct", "at"), words("direct", "text")])
    assert body == printed("direct", "body")
    first = number("direct", "number")
    frames: list[object] = [
        [2, 7, [3, 2, 1]],
        [3, first - 1, 0, [2]],
        [5, first - 3, 2],
        [4, first - 4],
        [1, first, 0, 1, body],
    ]
    assert by_hand.packed(frames) == printed("direct", "payload")


def test_a_letter() -> None:
    """Clause 7.1: "Sealed is the array `[body, signature]`: `body` is a bin with the encoded letter body, and the
    signature is the author's, with the purpose of letters, over the recipient's mail key and the encoded body"."""
    body = fields("letter", "body")
    assert by_hand.packed(body) == printed("letter", "body") == encode(letter_body())
    mail = printed("keys", "bob.mail")
    made = by_hand.letter(body, SEED, mail, printed("letter", "ephemeral.secret"))
    assert made == printed("letter", "letter")
    keys = [AgreementKey(printed("keys", "bob.mail.secret"))]
    assert open_letter(made, reader=BOB[0], mail_keys=keys, sender=ALICE[0]) == letter_body()


@pytest.mark.parametrize("counter", [0, 1])
def test_group_frames(counter: int) -> None:
    """Clause 8.2: "The nonce of a GROUP frame is its station and its counter; the 25 bytes of header are its additional
    data"."""
    assert by_hand.group_tag("channel") == printed("group", "tag")
    key, epoch, station = printed("group", "key"), number("group", "epoch"), number("group", "station")
    made = by_hand.group_frame(key, "channel", epoch, station, counter, printed("group", "body"))
    assert made == printed("group", f"frame.{counter}")


def test_a_relayed_frame() -> None:
    """Clause 2.2: "The kind and position before a relayed frame are not authenticated"."""
    position = number("direct", "number")
    assert printed("group", "relayed") == struct.pack(">BQ", 9, position) + printed("group", "frame.0")


def test_the_greeting_of_a_link() -> None:
    """Clause 9.1: "sends 24 bytes: the tag of its session's direction to the registry (clause 5.1), and 16 random
    bytes"."""
    greeting = printed("link", "greeting")
    assert len(greeting) == 24
    assert greeting[:8] == by_hand.session_tag(ALICE[1], REGISTRY[1])


def test_keys_and_frames_of_a_link() -> None:
    """Clause 9.1: "The input is that direction's session key (clause 5.2); the info is `chatapp link 1` and a zero
    byte, the peer's random bytes, the registry's random bytes"."""
    up = by_hand.direction_key(LIVE, ALICE, REGISTRY, REGISTRY[1])
    down = by_hand.direction_key(LIVE, REGISTRY, ALICE, REGISTRY[1])
    assert (up, down) == (printed("link", "session.key.up"), printed("link", "session.key.down"))
    info = b"chatapp link 1\0" + printed("link", "greeting")[8:] + printed("link", "answer")
    up, down = by_hand.derived(up, info), by_hand.derived(down, info)
    assert by_hand.link_frame(up, 0, printed("link", "attach")) == printed("link", "frame.up.0")
    assert by_hand.link_frame(up, 1, printed("link", "fetch")) == printed("link", "frame.up.1")
    assert by_hand.link_frame(down, 0, b"") == printed("link", "frame.down.0")


def test_frames_of_a_link_are_counted() -> None:
    """Clause 9.2: "The nonce is four zero bytes and the count of SEALED frames before it in this direction; the kind
    byte is the additional data"."""
    assert by_hand.packed([60]) == printed("link", "attach")
    framed = printed("link", "frame.up.1")
    assert struct.unpack(">IB", framed[:5]) == (len(framed) - 4, 7)
