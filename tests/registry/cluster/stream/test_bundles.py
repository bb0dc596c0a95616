"""Bundles: what was written is read, and every loss, exchange, repeat and forgery is noticed."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.cluster.stream.bundles import (
    KEY_SIZE,
    OVERHEAD,
    BundleRefused,
    ClusterKey,
    Flaw,
    Head,
    JournalReader,
    Kind,
    Opener,
    OwnerBegan,
    Sealer,
    encode_control,
    hash_of,
    parts_of,
)
from chatapp.registry.store.entries import Entry, encode
from chatapp.wire.storage import frame
from tests.registry.store.playbook import bound, line, stored, taken
from tests.support.cluster.versions import sealed_by_later_version

KEY = ClusterKey(bytes(KEY_SIZE))
SALT = bytes(16)
ENTRIES = st.lists(
    st.sampled_from([stored(1), stored(2, size=900), taken(1), line(1), bound("ann")]),
    min_size=1,
    max_size=5,
)


def journal(turns: list[list[Entry]], *, size: int = 100, salt: bytes = SALT) -> list[bytes]:
    """Return the messages of a journal with these turns."""
    sealer, last = Sealer(KEY, "c", salt), bytes(32)
    messages: list[bytes] = []
    for turn in turns:
        for part in parts_of([frame(encode(entry)) for entry in turn], size):
            messages.append(sealer.seal(Kind.JOURNAL, len(messages) + 1, last, part))
            last = hash_of(messages[-1])
    return messages


def read(messages: list[bytes]) -> list[list[object]]:
    """Return the turns of a journal."""
    reader = JournalReader(Opener(KEY, "c"), Head())
    found = [reader.take(number, message) for number, message in enumerate(messages, 1)]
    return [[record for record, _ in turn] for turn in found if turn]


@given(turns=st.lists(ENTRIES, max_size=6), size=st.integers(1, 2000))
def test_what_is_written_is_read(turns: list[list[Entry]], size: int) -> None:
    messages = journal(turns, size=size)
    assert read(messages) == turns
    assert all(len(message) <= size + OVERHEAD for message in messages)


@given(turns=st.lists(ENTRIES, min_size=1, max_size=4), data=st.data())
def test_a_lost_moved_or_altered_message_is_noticed(
    turns: list[list[Entry]], data: st.DataObject
) -> None:
    messages = [*journal(turns), b""]
    messages[-1] = journal([*turns, [stored(1)]])[
        len(messages) - 1
    ]  # the chain shows nothing of what is behind the last
    index = data.draw(st.integers(0, len(messages) - 2))
    places = list(range(1, len(messages) + 1))
    match data.draw(st.sampled_from(("lose", "lose and move up", "swap", "alter", "cut"))):
        case "lose":
            del messages[index], places[index]
        case "lose and move up":
            del messages[index], places[-1]
        case "swap":
            messages[index + 1], messages[index] = messages[index], messages[index + 1]
        case "alter":
            byte = data.draw(st.integers(0, len(messages[index]) - 1))
            broken = bytearray(messages[index])
            broken[byte] ^= data.draw(st.integers(1, 255))
            messages[index] = bytes(broken)
        case "cut":
            messages[index] = messages[index][: data.draw(st.integers(0, len(messages[index]) - 1))]
    reader = JournalReader(Opener(KEY, "c"), Head())
    with pytest.raises(BundleRefused):
        list(itertools.starmap(reader.take, zip(places, messages, strict=True)))


def test_a_turn_whose_owner_died_in_the_middle_is_dropped() -> None:
    first, *_ = journal([[stored(1, size=500)]])
    began = next(parts_of([frame(encode_control(OwnerBegan("b", 7)))], 100))
    second = Sealer(KEY, "c", bytes([1]) * 16).seal(Kind.JOURNAL, 2, hash_of(first), began)
    assert read([first, second]) == [[OwnerBegan("b", 7)]]


def test_each_flaw_has_its_name() -> None:
    (message,) = journal([[taken(1)]])
    other_key = Sealer(ClusterKey(bytes([1]) * KEY_SIZE), "c", SALT)
    other_cluster = Sealer(KEY, "d", SALT)
    unknown = next(parts_of([frame(b"\x92\x7f\x01")], 100))
    lease = Sealer(KEY, "c", SALT).seal(Kind.LEASE, 1, bytes(32), b"\x03")
    strays = [
        (Flaw.NOT_OURS, b"hello"),
        (Flaw.NOT_OURS, lease),
        (Flaw.DAMAGED, message[:2] + b"\x09" + message[3:]),
        (Flaw.OTHER_KEY, other_key.seal(Kind.JOURNAL, 1, bytes(32), b"x")),
        (Flaw.DAMAGED, other_cluster.seal(Kind.JOURNAL, 1, bytes(32), b"x")),
    ]
    for flaw, bad in strays:
        with pytest.raises(BundleRefused) as caught:
            Opener(KEY, "c").open(Kind.JOURNAL, bad)
        assert caught.value.flaw is flaw
        assert read([bad]) == []
    refused = {
        Flaw.OTHER_VERSION: sealed_by_later_version(KEY, "c", Kind.JOURNAL, 1, bytes(32), b"x"),
        Flaw.UNKNOWN_ENTRY: Sealer(KEY, "c", SALT).seal(Kind.JOURNAL, 1, bytes(32), unknown),
        Flaw.OUT_OF_ORDER: Sealer(KEY, "c", SALT).seal(Kind.JOURNAL, 2, bytes(32), b"\x03"),
    }
    for flaw, bad in refused.items():
        with pytest.raises(BundleRefused) as caught:
            read([bad])
        assert caught.value.flaw is flaw


@given(junk=st.binary(max_size=200))
def test_any_bytes_are_refused_by_one_error(junk: bytes) -> None:
    with pytest.raises(BundleRefused):
        Opener(KEY, "c").open(Kind.JOURNAL, b"CA\x01" + junk)


def test_two_processes_never_share_a_nonce_under_one_key() -> None:
    one, two = (Sealer(KEY, "c", bytes([number]) * 16) for number in (1, 2))
    messages = [sealer.seal(Kind.JOURNAL, 1, bytes(32), b"same") for sealer in (one, two, one)]
    assert len({message[-20:] for message in messages}) == 3


def test_what_is_stored_shows_nothing_without_the_key() -> None:
    secret = stored(1, size=400)
    (message,) = journal([[secret]], size=2_000)
    assert secret.letter[:16] not in message
    assert secret.sender not in message
    other = ClusterKey(b"other" + bytes(KEY_SIZE - 5))
    assert not JournalReader(Opener(other, "c"), Head()).take(1, message)
    assert JournalReader(Opener(KEY, "c"), Head()).take(1, message)
