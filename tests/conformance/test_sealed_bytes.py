"""Sealed bytes (clauses 5 to 9): a program written from the document alone makes those that ours
makes.

As in test_bytes.py, what `by_hand` makes is compared with the test vectors.
"""

import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatapp.wire.codec import decode_frames, encode_said
from chatapp.wire.errors import SealError
from chatapp.wire.identity import AgreementKey, agreement_half
from chatapp.wire.sealing import ReplayWindow, open_letter
from tests.conformance import by_hand
from tests.conformance.document import ALICE, BOB, REGISTRY, SEED, fields, number, printed, words
from tests.conformance.vectors import letter_body


def bound_to(block: str, responder: bytes, *, way: bytes, context: bytes) -> bytes:
    """The prologue of a handshake of alice's."""
    session = printed("session", "alice.session")
    return by_hand.prologue(
        ALICE, responder, number(block, "number"), session, way=way, context=context
    )


def test_static_keys() -> None:
    """Clause 5.1: "the birational map of RFC 7748 for the public halves; the first 32 bytes of
    SHA-512 of the Ed25519 seed for the secret ones"."""
    secret = by_hand.agreement_secret(SEED)
    assert by_hand.agreement_half(BOB) == printed("session", "bob.agreement")
    assert (
        by_hand.agreement_half(ALICE)
        == printed("session", "alice.agreement")
        == by_hand.public_of(secret)
    )
    assert by_hand.agreed(secret, by_hand.agreement_half(BOB)) == printed(
        "session", "static.agreement"
    )
    assert by_hand.public_of(printed("session", "alice.agreement.secret")) == by_hand.public_of(
        secret
    )


def opened(
    block: str, responder: bytes, *, way: bytes, context: bytes
) -> tuple[by_hand.Handshake, bytes]:
    """Alice's side after message 1, and the head of its datagrams."""
    bound = bound_to(block, responder, way=way, context=context)
    handshake = by_hand.Handshake(bound, ALICE, responder)
    half, ephemeral = (
        by_hand.agreement_half(responder),
        printed("session", "alice.ephemeral.secret"),
    )
    ss = by_hand.agreed(by_hand.agreement_secret(SEED), half)
    first = handshake.first(by_hand.public_of(ephemeral), by_hand.agreed(ephemeral, half), ss)
    shown = by_hand.proof(ss, bound, first)
    session = printed("session", "alice.session")
    return handshake, by_hand.opening_head(ALICE, number(block, "number"), session, first, shown)


def answered(handshake: by_hand.Handshake, ephemeral: bytes, theirs: bytes) -> bytes:
    """Alice's side goes on to message 2, with the other side's ephemeral secret."""
    ours, half = printed("session", "alice.ephemeral.secret"), by_hand.public_of(ephemeral)
    ee = by_hand.agreed(ours, half)
    second = handshake.second(half, ee, by_hand.agreed(by_hand.agreement_secret(SEED), half))
    return by_hand.answer_head(printed("session", "alice.session"), theirs, second)


@pytest.mark.parametrize("counter", [0, 1])
def test_openings(counter: int) -> None:
    """Clause 5.2: "All datagrams of one opening have the same header except for the counter"."""
    handshake, head = opened("session", BOB, way=by_hand.DATAGRAMS, context=b"")
    assert handshake.early_key() == printed("session", "early.key")
    made = by_hand.sealed_behind(
        head, handshake.early_key(), counter, printed("session", "payload")
    )
    assert made == printed("session", f"opening.{counter}")


def test_an_answer_and_the_keys_of_a_session() -> None:
    """Clause 5.2: "The keys of a session are those of Noise's Split"."""
    handshake, _ = opened("session", BOB, way=by_hand.DATAGRAMS, context=b"")
    head = answered(
        handshake, printed("session", "bob.ephemeral.secret"), printed("session", "bob.session")
    )
    to_bob, to_alice = handshake.keys()
    assert (to_bob, to_alice) == (
        printed("session", "key.alice-to-bob"),
        printed("session", "key.bob-to-alice"),
    )
    made = by_hand.sealed_behind(head, to_alice, 0, printed("session", "payload"))
    assert made == printed("session", "answer.0")


@pytest.mark.parametrize("counter", [0, 1])
def test_sealed_datagrams(counter: int) -> None:
    """Clause 5.2: "The cipher is AES-256-GCM; the nonce is eight zero bytes and the counter"."""
    key, session = printed("session", "key.alice-to-bob"), printed("session", "bob.session")
    made = by_hand.sealed(key, session, counter, printed("session", "payload"))
    assert made == printed("session", f"datagram.{counter}")


def test_a_key_of_small_order_is_refused() -> None:
    """Clause 5.1: "A key of small order is refused"."""
    with pytest.raises(SealError):
        AgreementKey(SEED).agree(bytes(32))
    with pytest.raises(SealError):
        agreement_half(b"\1" + bytes(31))


def test_the_replay_window() -> None:
    """Clause 5.2: "it remembers the newest counter that it opened, and which of the 4,096 counters
    up to that one it opened. An older counter is dropped, and so is a repeat"."""
    window = ReplayWindow()
    window.accept(5_000)
    assert [window.is_fresh(counter) for counter in (904, 905, 4_999, 5_000, 5_001)] == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_ranges() -> None:
    """Clause 5.3: "`ranges` holds the lengths of ranges and of the gaps between them, in turn,
    beginning and ending with a range: an odd count, at most 63 lengths, none of them 0"."""
    assert decode_frames(by_hand.packed([[2, 7, [1] * 63]]))
    for bad in ([], [1] * 64, [0], [1, 0, 1]):
        assert not decode_frames(by_hand.packed([[2, 7, list[object](bad)]]))


def test_a_frame_that_cannot_be_read_is_skipped() -> None:
    """Clause 5.3: "A frame with an unknown tag, or with a value out of bounds, is skipped; the
    other frames of the datagram count"."""
    part: list[object] = [1, 9, 0, 1, b"body"]
    for bad in ([99, "typing"], [2, 7, [0]], "no array"):
        frames: list[object] = [[2, 7, [1]], bad, part]
        assert decode_frames(by_hand.packed(frames)) == decode_frames(
            by_hand.packed([[2, 7, [1]], part])
        )


def test_a_datagram_with_a_message() -> None:
    """Clause 5.3: "The payload of a sealed datagram is one msgpack array of one or more **frames**,
    at most 128, each with its tag"."""
    body = by_hand.packed([number("direct", "at"), words("direct", "text")])
    assert body == printed("direct", "body")
    first = number("direct", "number")
    frames: list[object] = [
        [2, 7, [3, 2, 1], 1 << 31, 5],
        [9, 1 << 31, 4],
        [3, first - 1, 0, [2]],
        [5, first - 3, 2],
        [4, first - 4],
        [6, first + 1],
        [7, first - 5],
        [8],
        [15, first - 6],
        [16, 5, True, 0, b"a"],
        [17, 5, False, 1, 3, [1]],
        [18, 5, True],
        [19, 5],
        [20, 5, True],
        [1, first, 0, 1, body],
    ]
    assert by_hand.packed(frames) == printed("direct", "payload")


def test_a_letter() -> None:
    """Clause 7.1: "The plaintext is the array `[body, signature]`: `body` is a bin with the encoded
    letter body, and the signature is the author's, with the purpose of letters, over the
    recipient's mail key and the encoded body"."""
    body = fields("letter", "body")
    assert by_hand.packed(body) == printed("letter", "body") == encode_said(letter_body())
    mail = printed("keys", "bob.mail")
    made = by_hand.letter(body, SEED, mail, printed("letter", "ephemeral.secret"))
    assert made == printed("letter", "letter")
    keys = [AgreementKey(printed("keys", "bob.mail.secret"))]
    assert open_letter(made, reader=BOB, mail_keys=keys, sender=ALICE) == letter_body()


def test_a_file() -> None:
    """Clause 6.16: "its place in the file, from 0 on, is the nonce, 12 bytes big-endian ... The first
    16 bytes of the SHA-256 of `chatapp file 1`, a zero byte and the key name it"."""
    content, key = printed("files", "content"), printed("files", "key")
    sealed = AESGCM(key).encrypt(bytes(12), content, None)
    page = hashlib.sha256(sealed).digest()
    assert printed("files", "page") == page
    assert printed("files", "chunk") == struct.pack(">BQ", 12, 0) + sealed
    assert printed("files", "file") == hashlib.sha256(b"chatapp file 1\0" + key).digest()[:16]
    offer = fields("direct", "body.offer")
    assert offer[1:] == ["plan.txt", [5, len(content), key, [hashlib.sha256(page).digest()]]]


def test_who_has_what_of_a_file() -> None:
    """Clause 6.19: "the lowest of the first byte for the first one"."""
    assert fields("files", "ask.have") == [3, printed("files", "file"), 0]
    assert fields("files", "have") == [3, 0, b"\1", [printed("keys", "bob.identity")], False, b""]


@pytest.mark.parametrize("counter", [0, 1])
def test_group_frames(counter: int) -> None:
    """Clause 8.2: "The nonce of a GROUP frame is its sender index and its counter; the 25 bytes of
    header are its additional data"."""
    assert by_hand.group_tag("channel") == printed("group", "tag")
    key, epoch, sender_index = (
        printed("group", "key"),
        number("group", "epoch"),
        number("group", "sender_index"),
    )
    made = by_hand.group_frame(
        key, "channel", epoch, sender_index, counter, printed("group", "body")
    )
    assert made == printed("group", f"frame.{counter}")


def test_a_relayed_frame() -> None:
    """Clause 2.2: "The kind and position before a relayed frame are not authenticated"."""
    position = number("direct", "number")
    assert printed("group", "relayed") == struct.pack(">BQ", 9, position) + printed(
        "group", "frame.0"
    )


def link_keys() -> tuple[bytes, bytes, bytes]:
    """The head of the registry's answer, and the keys of the link."""
    context = printed("link", "context")
    handshake, _ = opened("link", REGISTRY, way=by_hand.LINK, context=context)
    head = answered(handshake, bytes([0x22]) * 32, bytes(8))
    return head, *handshake.keys()


def framed(body: bytes) -> bytes:
    """With its length."""
    return struct.pack(">I", len(body)) + body


def test_a_link_begins_with_an_opening() -> None:
    """Clause 9.1: "Its first frame is an OPENING for links (clause 5.1), which carries Attach under
    the early key"."""
    handshake, head = opened("link", REGISTRY, way=by_hand.LINK, context=printed("link", "context"))
    made = by_hand.sealed_behind(head, handshake.early_key(), 0, printed("link", "attach"))
    assert framed(made) == printed("link", "opening")


def test_it_is_answered_with_nothing_but_the_keys() -> None:
    """Clause 9.1: "The registry answers with an ANSWER that carries nothing and whose second
    session is zero"."""
    head, up, down = link_keys()
    assert framed(by_hand.sealed_behind(head, down, 0, b"")) == printed("link", "answer")
    assert (up, down) == (printed("link", "key.up"), printed("link", "key.down"))


def test_frames_of_a_link_are_counted() -> None:
    """Clause 9.2: "The nonce is four zero bytes and the count of frames sealed in that direction
    before it; the kind byte is the additional data"."""
    _, up, down = link_keys()
    assert by_hand.packed([60, 0, 0]) == printed("link", "attach")
    assert by_hand.link_frame(up, 0, printed("link", "fetch")) == printed("link", "frame.up.0")
    assert by_hand.link_frame(down, 1, b"") == printed("link", "frame.down.1")


def test_a_renewal_is_three_frames_and_other_keys() -> None:
    """Clause 9.6: "The prologue is `chatapp renewal 1`, a zero byte and the hash of the previous
    handshake, which is that of the link's opening or of the last renewal. The new keys are those of
    Split"."""
    began, _ = opened("link", REGISTRY, way=by_hand.LINK, context=printed("link", "context"))
    answered(began, bytes([0x22]) * 32, bytes(8))
    assert began.hash == printed("link", "binding")
    _, up, down = link_keys()
    handshake = by_hand.Handshake(b"chatapp renewal 1\0" + began.hash, ALICE, REGISTRY)
    ours, theirs = (
        printed("link", f"renewal.{who}.ephemeral.secret") for who in ("peer", "registry")
    )
    secret, half = by_hand.agreement_secret(SEED), by_hand.agreement_half(REGISTRY)
    first = handshake.first(
        by_hand.public_of(ours), by_hand.agreed(ours, half), by_hand.agreed(secret, half)
    )
    assert by_hand.link_frame(up, 1, first, b"\x0b") == printed("link", "renewal.up.1")
    answer = by_hand.public_of(theirs)
    second = handshake.second(answer, by_hand.agreed(ours, answer), by_hand.agreed(secret, answer))
    assert by_hand.link_frame(down, 2, second, b"\x0b") == printed("link", "renewal.down.2")
    assert by_hand.link_frame(up, 2, b"", b"\x0b") == printed("link", "renewal.up.2")
    assert handshake.keys() == (
        printed("link", "renewed.key.up"),
        printed("link", "renewed.key.down"),
    )


def test_the_counts_of_a_link_go_on_under_new_keys() -> None:
    """Clause 9.6: "The counts of clause 9.2 go on over a change of keys, so a frame that somebody
    holds back before the change is noticed after it"."""
    key = printed("link", "renewed.key.up")
    assert by_hand.link_frame(key, 3, printed("link", "fetch")) == printed("link", "frame.up.3")
