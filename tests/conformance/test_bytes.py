"""This file is about bytes: whoever writes a program from the document alone makes the bytes that ours makes.

`by_hand` is such a program. What it makes is compared with the test vectors, which test_document.py compares with the code.
"""

import hashlib
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tests.conformance import by_hand
from tests.conformance.document import vectors
from tests.conformance.vectors import letter_body
from tests.support.strategies import ALONE, NOTICES, REQUESTS, Message, messages
from wire.codec import decode_card, decode_direct_body, decode_frames, decode_hello, encode
from wire.errors import DecodeError, SealError
from wire.identity import AgreementKey
from wire.letters import open_letter
from wire.messages.registration import Hello
from wire.sealing import ReplayWindow


def printed(block: str, name: str) -> bytes:
    """A value of the document."""
    return bytes.fromhex(vectors()[block][name])


def number(block: str, name: str) -> int:
    """A number of the document."""
    return int(vectors()[block][name])


def words(block: str, name: str) -> str:
    """A text of the document."""
    return vectors()[block][name].strip('"')


def fields(block: str, name: str, *, skipped: int = 0) -> list[object]:
    """A message of the document as an array."""
    found = msgspec.msgpack.decode(printed(block, name)[skipped:])
    assert isinstance(found, list)
    return found


SEED = printed("keys", "alice.identity.seed")
REGISTRY_SEED = printed("keys", "registry.identity.seed")
LIVE = printed("keys", "alice.live.secret")
ALICE = (printed("keys", "alice.identity"), printed("keys", "alice.live"))
BOB = (printed("keys", "bob.identity"), printed("keys", "bob.live"))
REGISTRY = (printed("keys", "registry.identity"), printed("keys", "registry.live"))


# --- clause 1


@given(st.sampled_from([*(set(ALONE) - {Hello}), *REQUESTS, *NOTICES]).flatmap(messages))
def test_messages_are_arrays_in_their_shortest_form(message: Message) -> None:
    """Clause 1.3: "A message is one msgpack array of its fields, in the order in which this document lists them. ...
    Numbers, lengths and texts are written in their shortest form"."""
    data = encode(message)
    assert by_hand.packed(msgspec.msgpack.decode(data)) == data


def test_later_elements_are_ignored() -> None:
    """Clause 1.3: "Elements behind those that a reader knows are ignored, so that a later version can add some; a
    card, a row and a table batch have no more elements than are listed here"."""
    assert decode_direct_body(by_hand.packed([5, "hi", "later", [1]])).text == "hi"
    assert decode_frames(by_hand.packed([[10, 7, "later"]])) == decode_frames(by_hand.packed([[10, 7]]))
    card = fields("cards", "alice.card")
    decode_card(by_hand.packed(card))
    with pytest.raises(DecodeError):
        decode_card(by_hand.packed([*card, "later"]))


# --- clauses 3 and 4


@pytest.mark.parametrize("who", ["alice", "bob", "registry"])
def test_keys_and_cards(who: str) -> None:
    """Clause 3.1: "of the identity key, with the purpose of cards, over the array `[name, identity, live, mail,
    counter]`"."""
    seed = printed("keys", f"{who}.identity.seed")
    live, mail = (by_hand.public_of(printed("keys", f"{who}.{key}.secret")) for key in ("live", "mail"))
    assert by_hand.identity_of(seed) == printed("keys", f"{who}.identity")
    assert (live, mail) == (printed("keys", f"{who}.live"), printed("keys", f"{who}.mail"))
    made = by_hand.card(seed, words("cards", f"{who}.name"), live, mail, number("cards", f"{who}.counter"))
    assert by_hand.packed(made) == printed("cards", f"{who}.card")


def test_a_batch_is_signed_and_sealed() -> None:
    """Clause 3.3: "the 64 bytes of signature and the encoded batch behind them are the payload of one GROUP datagram,
    sealed under the channel's current key as station 0"."""
    batch = printed("table", "batch")
    since, version, rows = fields("table", "batch")
    assert by_hand.packed([since, version, rows]) == batch
    assert by_hand.packed(rows) == b"\x91" + printed("table", "row")
    payload = by_hand.signed(REGISTRY_SEED, b"chatapp table 1\0", batch) + batch
    assert payload == printed("table", "payload")
    sealed = by_hand.group_frame(printed("table", "key"), "channel", number("table", "epoch"), 0, 0, payload)
    assert sealed == printed("table", "datagram")


def test_a_fingerprint() -> None:
    """Clause 3.6: "BLAKE2b over it with 16 bytes of digest and the personalisation `chatapp finger`: 32 hexadecimal
    digits in eight groups of four"."""
    digest = hashlib.blake2b(ALICE[0], digest_size=16, person=b"chatapp finger").hexdigest()
    assert words("keys", "alice.fingerprint") == " ".join(digest[at : at + 4] for at in range(0, 32, 4))


def test_a_safety_number() -> None:
    """Clause 3.7: "the first hash is over `chatapp safety 1`, a zero byte and the key; each of the next 5,199 is over the
    hash before it and the key"."""
    halves = []
    for key in (ALICE[0], BOB[0]):
        digest = hashlib.sha512(b"chatapp safety 1\0" + key).digest()
        for _ in range(5_199):
            digest = hashlib.sha512(digest + key).digest()
        groups = [int.from_bytes(digest[at : at + 5], "big") % 100_000 for at in range(0, 30, 5)]
        halves.append("".join(f"{group:05}" for group in groups))
    assert words("keys", "alice.bob.safety") == "".join(sorted(halves))


def test_a_hello() -> None:
    """Clause 4.1: "the padding is a bin of zeros that makes the whole datagram, with its kind, 256 bytes long"."""
    made = b"\x01" + by_hand.packed([1, printed("admission", "nonce"), bytes(233)])
    assert made == printed("admission", "hello")
    assert len(made) == 256
    assert decode_hello(made[1:]) == Hello(version=1, nonce=printed("admission", "nonce"))


def test_a_cookie_is_never_longer_than_a_hello() -> None:
    """Clause 4.1: "A HELLO of any other length is dropped: its answer is never longer, so a forged sender gains
    nothing"."""
    assert len(printed("admission", "cookie.datagram")) <= 256
    assert printed("admission", "cookie.datagram") == b"\x02" + by_hand.packed(
        [printed("admission", "nonce"), printed("admission", "cookie"), fields("cards", "registry.card")]
    )


def test_a_register() -> None:
    """Clause 4.3: "over the array `[registry, nonce, cookie, card, table_version]`, where `registry` is the registry's
    identity key"."""
    said = fields("admission", "register", skipped=1)[:4]
    signature = by_hand.signed(SEED, b"chatapp register 1\0", by_hand.packed([REGISTRY[0], *said]))
    assert b"\x03" + by_hand.packed([*said, signature, b""]) == printed("admission", "register")


def test_an_invitation() -> None:
    """Clause 4.8: "BLAKE2b over all 20 with 32 bytes of digest and the personalisation `chatapp code`"."""
    letters = vectors()["invitation"]["code"].strip('"').replace("-", "").encode()
    check = hashlib.blake2b(letters[:19], digest_size=1, person=b"chatapp check").digest()[0] & 31
    assert b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[check] == letters[19]
    seed = hashlib.blake2b(letters, digest_size=32, person=b"chatapp code").digest()
    key = bytes(SigningKey(seed).verify_key)
    said = by_hand.packed([REGISTRY[0], printed("admission", "nonce"), fields("cards", "alice.card")[1]])
    assert printed("invitation", "code.key") == key
    assert printed("invitation", "invitation") == key + by_hand.signed(seed, b"chatapp invited 1\0", said)


def test_a_welcome() -> None:
    """Clause 4.4: "over the array `[identity, nonce, host, port, table_version, lease, link_port]`, where `identity` is
    the peer's"."""
    said = fields("admission", "welcome", skipped=1)[:6]
    signature = by_hand.signed(REGISTRY_SEED, b"chatapp welcome 1\0", by_hand.packed([ALICE[0], *said]))
    assert b"\x04" + by_hand.packed([*said, signature]) == printed("admission", "welcome")


def test_a_refusal() -> None:
    """Clause 4.5: "the signature is the registry's, with the purpose of REFUSED, over the array `[nonce, reason,
    name]`"."""
    said: list[object] = [printed("admission", "nonce"), 1, "alice"]
    signature = by_hand.signed(REGISTRY_SEED, b"chatapp refused 1\0", by_hand.packed(said))
    assert b"\x05" + by_hand.packed([*said, signature]) == printed("admission", "refused")


# --- clause 5


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
    decode_frames(by_hand.packed([[2, 7, [1] * 63]]))
    for bad in ([], [1] * 64, [0], [1, 0, 1]):
        with pytest.raises(DecodeError):
            decode_frames(by_hand.packed([[2, 7, list[object](bad)]]))


# --- clause 6


def test_a_datagram_with_a_message() -> None:
    """Clause 5.3: "The payload of a sealed datagram is one msgpack array of one or more **frames**, each with its
    tag"."""
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


# --- clause 7


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


# --- clause 8


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


# --- clause 9


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
