"""Bytes (clauses 1, 3, 4): a program written from the document alone makes those that ours makes.

`by_hand` is such a program. What it makes is compared with the test vectors, which test_document.py
compares with the code.
"""

import hashlib
import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from chatapp.wire.codec import (
    decode_card,
    decode_frames,
    decode_hello,
    decode_message_body,
    decode_notice,
    decode_request,
    decode_row,
    encode,
)
from chatapp.wire.errors import DecodeError
from chatapp.wire.messages.registration import Hello
from chatapp.wire.messages.table import CardsShown, TablePage
from tests.conformance import by_hand
from tests.conformance.document import (
    ALICE,
    BOB,
    REGISTRY,
    REGISTRY_SEED,
    SEED,
    fields,
    number,
    printed,
    vectors,
    words,
)
from tests.support.strategies import ALONE, NOTICES, REQUESTS, Message, messages


@given(st.sampled_from([*(set(ALONE) - {Hello}), *REQUESTS, *NOTICES]).flatmap(messages))
def test_messages_are_arrays_in_their_shortest_form(message: Message) -> None:
    """Clause 1.3: "A message is one msgpack array of its fields, in the order in which this
    document lists them. ... Numbers, lengths and texts are written in their shortest form"."""
    data = encode(message)
    assert by_hand.packed(msgspec.msgpack.decode(data)) == data


def test_a_roster_is_read_by_the_document_alone() -> None:
    """Clause 3.3: "Columns have a value for each of `keys`, then for each of `cuts`; `names` has
    only the first. To a presence 8 is added if the row has an address. Each sender index and
    `since` is the difference from the one before it"."""
    tag, _, _, more, keys, cuts, check, columns = fields("roster", "page")
    assert isinstance(columns, bytes)
    names, presences, indices, sinces, said = msgspec.msgpack.decode(zlib.decompress(columns))
    alice, bob = fields("cards", "alice.card"), fields("cards", "bob.card")
    assert isinstance(bob[1], bytes)
    assert (tag, more, keys, cuts) == (23, False, alice[1], bob[1][:4])
    assert names == [alice[0]] and presences == [1 + 8, 0] and indices == [9, -9]
    row = fields("table", "row")
    assert sinces[0] == row[4] and sinces[1] == -60
    assert said == [[1, row[7], None]]
    known = hashlib.blake2b(digest_size=16, person=b"chatapp roster")
    known.update(bob[1] + by_hand.packed(bob[0]))
    assert check == known.digest()


def test_the_digest_of_people_is_that_of_the_document() -> None:
    """Clause 3.9: "`digest` is, all by XOR, the BLAKE2b with 8 bytes and the personalisation
    `chatapp watched` of each watched row: over the key, the presence as u8, `since` as u64 and the
    sender index as u32"."""
    _, _, _, people = fields("interest", "changed")
    digest = 0
    assert isinstance(people, list)
    for key, _, _, _, presence, since, sender_index, *_ in people:
        said = key + struct.pack(">BQI", presence, since, sender_index)
        one = hashlib.blake2b(said, digest_size=8, person=b"chatapp watched").digest()
        digest ^= int.from_bytes(one, "big")
    assert fields("interest", "scope")[4] == digest.to_bytes(8, "big")


def test_later_elements_are_ignored() -> None:
    """Clause 1.3: "A reader ignores elements behind those that it knows, so that a later version
    can add some. Only a card never has more elements than are listed here"."""
    assert decode_message_body(by_hand.packed([5, "hi", "later", [1]])).text == "hi"
    assert decode_frames(by_hand.packed([[10, 7, "later"]])) == decode_frames(
        by_hand.packed([[10, 7]])
    )
    card = fields("cards", "alice.card")
    decode_card(by_hand.packed(card))
    with pytest.raises(DecodeError):
        decode_card(by_hand.packed([*card, "later"]))


@given(st.sampled_from([*(set(ALONE) - {Hello}), *REQUESTS, *NOTICES]).flatmap(messages))
def test_a_reader_takes_the_longer_forms(message: Message) -> None:
    """Clause 1.3: "A reader also accepts the longer forms of msgpack"."""
    long = by_hand.packed_long(msgspec.msgpack.decode(encode(message)))
    kind = type(message)
    decode = (
        decode_request if kind in REQUESTS else decode_notice if kind in NOTICES else ALONE[kind]
    )
    assert decode(long) == decode(encode(message)) or kind in (TablePage, CardsShown)
    if isinstance(
        message, TablePage | CardsShown
    ):  # whose rows stay as they came, until each is read
        read = decode(long)
        assert isinstance(read, TablePage | CardsShown)
        assert [decode_row(row) for row in read.rows] == [decode_row(row) for row in message.rows]


@pytest.mark.parametrize("who", ["alice", "bob", "registry"])
def test_keys_and_cards(who: str) -> None:
    """Clause 3.1: "of the identity key, with the purpose of cards, over the array `[name, identity,
    mail, counter]`"."""
    seed = printed("keys", f"{who}.identity.seed")
    mail = by_hand.public_of(printed("keys", f"{who}.mail.secret"))
    assert by_hand.identity_of(seed) == printed("keys", f"{who}.identity")
    assert mail == printed("keys", f"{who}.mail")
    made = by_hand.card(
        seed, words("cards", f"{who}.name"), mail, number("cards", f"{who}.counter")
    )
    assert by_hand.packed(made) == printed("cards", f"{who}.card")


def test_a_batch_is_signed_and_sealed() -> None:
    """Clause 3.3: "The 64 bytes of signature and the encoded page behind them are the payload of
    one GROUP datagram, sealed under the channel's current key and under a sender index that the
    registry has reserved for itself (clause 8.2)"."""
    batch = printed("table", "batch")
    tag, since, version, more, rows = fields("table", "batch")
    assert (tag, more) == (21, False)
    assert by_hand.packed([tag, since, version, more, rows]) == batch
    assert by_hand.packed(rows) == b"\x91" + printed("table", "row")
    payload = by_hand.signed(REGISTRY_SEED, b"chatapp table 1\0", batch) + batch
    assert payload == printed("table", "payload")
    sealed = by_hand.group_frame(
        printed("table", "key"), "channel", number("table", "epoch"), 0, 0, payload
    )
    assert sealed == printed("table", "datagram")


def test_a_fingerprint() -> None:
    """Clause 3.6: "BLAKE2b over it with 16 bytes of digest and the personalisation `chatapp
    finger`: 32 hexadecimal digits in eight groups of four"."""
    digest = hashlib.blake2b(ALICE, digest_size=16, person=b"chatapp finger").hexdigest()
    assert words("keys", "alice.fingerprint") == " ".join(
        digest[at : at + 4] for at in range(0, 32, 4)
    )


def test_a_safety_number() -> None:
    """Clause 3.7: "the first hash is over `chatapp safety 1`, a zero byte and the key; each of the
    next 5,199 is over the previous hash and the key"."""
    halves = []
    for key in (ALICE, BOB):
        digest = hashlib.sha512(b"chatapp safety 1\0" + key).digest()
        for _ in range(5_199):
            digest = hashlib.sha512(digest + key).digest()
        groups = [int.from_bytes(digest[at : at + 5], "big") % 100_000 for at in range(0, 30, 5)]
        halves.append("".join(f"{group:05}" for group in groups))
    assert words("keys", "alice.bob.safety") == "".join(sorted(halves))


def test_a_hello() -> None:
    """Clause 4.1: "the padding is a bin of zeros that makes the whole datagram, with its kind, 256
    bytes long"."""
    made = b"\x01" + by_hand.packed([1, printed("admission", "nonce"), bytes(233)])
    assert made == printed("admission", "hello")
    assert len(made) == 256
    assert decode_hello(made[1:]) == Hello(version=1, nonce=printed("admission", "nonce"))


def test_a_cookie_is_never_longer_than_a_hello() -> None:
    """Clause 4.1: "A HELLO of any other length is dropped: its answer is never longer, so nothing
    is gained by forging the sender"."""
    assert len(printed("admission", "cookie.datagram")) <= 256
    assert printed("admission", "cookie.datagram") == b"\x02" + by_hand.packed(
        [
            printed("admission", "nonce"),
            printed("admission", "cookie"),
            fields("cards", "registry.card"),
        ]
    )


def test_a_register() -> None:
    """Clause 4.3: "over the array `[registry, nonce, cookie, card]`, where `registry` is the
    registry's identity key"."""
    said = fields("admission", "register", skipped=1)[:3]
    signature = by_hand.signed(SEED, b"chatapp register 1\0", by_hand.packed([REGISTRY, *said]))
    assert b"\x03" + by_hand.packed([*said, signature, b"", b""]) == printed(
        "admission", "register"
    )


def test_an_invitation() -> None:
    """Clause 4.8: "BLAKE2b over the first 15 characters with 32 bytes of digest and the
    personalisation `chatapp code`"."""
    letters = vectors()["invitation"]["code"].strip('"').replace("-", "").encode()
    check = hashlib.blake2b(letters[:24], digest_size=1, person=b"chatapp check").digest()[0] & 31
    assert b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[check] == letters[24]
    salt = b"chatapp code of 1\0" + REGISTRY
    tag = int.from_bytes(hashlib.pbkdf2_hmac("sha512", letters[:15], salt, 2_000, 6))
    lowest_first = [tag >> 5 * place & 31 for place in range(9)]
    assert (
        bytes(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits] for bits in lowest_first) == letters[15:24]
    )
    seed = hashlib.blake2b(letters[:15], digest_size=32, person=b"chatapp code").digest()
    key = bytes(SigningKey(seed).verify_key)
    said = by_hand.packed(
        [REGISTRY, printed("admission", "nonce"), fields("cards", "alice.card")[1]]
    )
    assert printed("invitation", "code.key") == key
    assert printed("invitation", "invitation") == key + by_hand.signed(
        seed, b"chatapp invited 1\0", said
    )


def test_a_voucher() -> None:
    """Clause 4.10: "the gateway's public key, and its signature with the purpose of vouchers over
    the array `[registry, nonce, identity]`"."""
    nonce = printed("admission", "nonce")
    signature = by_hand.signed(SEED, b"chatapp voucher 1\0", by_hand.packed([REGISTRY, nonce, BOB]))
    assert printed("voucher", "voucher") == ALICE + signature


def test_a_register_with_a_voucher() -> None:
    """Clause 4.3: "If there is a voucher, the invitation and the voucher are further elements of
    that array"."""
    sent = fields("voucher", "register", skipped=1)
    assert sent[4:] == [b"", printed("voucher", "voucher")]
    said = by_hand.packed([REGISTRY, *sent[:3], *sent[4:]])
    assert sent[3] == by_hand.signed(
        printed("keys", "bob.identity.seed"), b"chatapp register 1\0", said
    )


def test_a_welcome() -> None:
    """Clause 4.4: "over the array `[identity, nonce, host, port, table_version, lease, link_port,
    clock, servers]`, where `identity` is the peer's"."""
    said = fields("admission", "welcome", skipped=1)[:8]
    signature = by_hand.signed(
        REGISTRY_SEED, b"chatapp welcome 1\0", by_hand.packed([ALICE, *said])
    )
    assert b"\x04" + by_hand.packed([*said, signature]) == printed("admission", "welcome")


def test_a_refusal() -> None:
    """Clause 4.5: "the signature is the registry's, with the purpose of REFUSED, over the array
    `[nonce, reason, name, counter, seconds, text]`"."""
    said: list[object] = [printed("admission", "nonce"), 9, "alice", 0, 3600, "spam"]
    signature = by_hand.signed(REGISTRY_SEED, b"chatapp refused 1\0", by_hand.packed(said))
    assert b"\x05" + by_hand.packed([*said, signature]) == printed("admission", "refused")
