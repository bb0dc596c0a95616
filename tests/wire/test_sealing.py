"""This file is about seals: only the right pair opens, once, in the right direction, and not a bit can be changed."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tampering import all_cuts, all_flips, tampered
from wire.errors import DecodeError, SealError, WireError
from wire.header import SEALED_OVERHEAD, GroupHeader, Kind, pack_group, unpack_group, unpack_sealed
from wire.identity import AgreementKey, Identity
from wire.sealing import (
    REPLAY_WINDOW,
    GroupKey,
    LinkCipher,
    ReplayWindow,
    Session,
    derive,
    group_tag,
    session_tag,
)

keys = st.binary(min_size=32, max_size=32)
payloads = st.binary(max_size=200)
GROUP: Final = bytes(range(32))


class Party:
    """An identity and a live key."""

    def __init__(self, number: int) -> None:
        self.identity = Identity(bytes([number]) * 32).public
        self.live = AgreementKey(bytes([100 + number]) * 32)

    def with_(self, other: "Party") -> Session:
        """A new session with somebody."""
        return Session(
            live=self.live,
            identity=self.identity,
            their_live=other.live.public,
            their_identity=other.identity,
        )


ALICE, BOB, EVE = Party(1), Party(2), Party(3)


def opens(session: Session, datagram: bytes) -> bool:
    """Whether a session opens this; anything but the two errors of the wire is raised."""
    try:
        session.open(datagram)
    except WireError:
        return False
    return True


# --- the replay window


@given(
    st.lists(
        st.integers(0, 40)
        | st.integers(0, 3 * REPLAY_WINDOW)
        | st.sampled_from([REPLAY_WINDOW - 1, REPLAY_WINDOW, REPLAY_WINDOW + 1, 2**64 - 1]),
        max_size=80,
    )
)
def test_the_window_does_what_a_set_would_do(counters: list[int]) -> None:
    window, accepted = ReplayWindow(), set[int]()
    for counter in counters:
        newest = max(accepted, default=-1)
        is_fresh = counter not in accepted and newest - counter < REPLAY_WINDOW
        assert window.is_fresh(counter) is is_fresh
        if is_fresh:
            window.accept(counter)
            accepted.add(counter)


@pytest.mark.parametrize(("counter", "is_fresh"), [(1, False), (2, True), (REPLAY_WINDOW + 1, False)])
def test_the_edge_of_the_window(counter: int, is_fresh: bool) -> None:
    window = ReplayWindow()
    window.accept(REPLAY_WINDOW + 1)
    assert window.is_fresh(counter) is is_fresh


@pytest.mark.parametrize(
    "ahead", [1, 2, REPLAY_WINDOW - 2, REPLAY_WINDOW - 1, REPLAY_WINDOW, REPLAY_WINDOW + 1]
)
def test_a_leap_forgets_nothing_that_is_in_the_window(ahead: int) -> None:
    window = ReplayWindow()
    for counter in (0, 1, 1 + ahead):
        window.accept(counter)
    assert not any(window.is_fresh(counter) for counter in (0, 1, 1 + ahead))
    assert window.is_fresh(2) is (1 < ahead <= REPLAY_WINDOW)


def test_a_counter_that_was_only_looked_at_is_still_fresh() -> None:
    window = ReplayWindow()
    assert all(window.is_fresh(5) for _ in range(3))


def test_a_far_leap_costs_no_memory() -> None:
    window = ReplayWindow()
    window.accept(0)
    window.accept(2**64 - 1)
    assert not window.is_fresh(0)
    assert window.is_fresh(2**64 - REPLAY_WINDOW)
    assert window._bits.bit_length() <= REPLAY_WINDOW


# --- sessions


@given(keys, keys, st.lists(payloads, max_size=5))
def test_what_one_seals_the_other_opens(one: bytes, other: bytes, sent: list[bytes]) -> None:
    alice, bob = Party(1), Party(2)
    alice.live, bob.live = AgreementKey(one), AgreementKey(other)
    here, there = alice.with_(bob), bob.with_(alice)
    assert (here.seal_tag, here.open_tag) == (there.open_tag, there.seal_tag)
    for payload in sent:
        datagram = here.seal(payload)
        assert len(datagram) == len(payload) + SEALED_OVERHEAD
        assert unpack_sealed(datagram).tag == there.open_tag
        assert there.open(datagram) == payload
        assert here.open(there.seal(payload)) == payload


def test_not_one_bit_of_a_datagram_can_be_changed_and_none_of_it_cut() -> None:
    datagram = ALICE.with_(BOB).seal(b"the text")
    bob = BOB.with_(ALICE)
    assert not any(opens(bob, changed) for changed in all_flips(datagram))
    assert not any(opens(bob, cut) for cut in all_cuts(datagram))
    assert bob.open(datagram) == b"the text"  # and all that noise has not used its counter up


@given(payloads, st.data())
def test_nothing_that_was_tampered_with_opens(payload: bytes, data: st.DataObject) -> None:
    datagram = ALICE.with_(BOB).seal(payload)
    assert not opens(BOB.with_(ALICE), data.draw(tampered(datagram)))


@given(st.binary(max_size=120))
def test_noise_does_not_open(noise: bytes) -> None:
    assert not opens(BOB.with_(ALICE), noise)
    assert not opens(BOB.with_(ALICE), bytes((Kind.SEALED,)) + BOB.with_(ALICE).open_tag + noise)


def test_a_datagram_opens_only_at_its_recipient() -> None:
    datagram = ALICE.with_(BOB).seal(b"")
    wrong = [ALICE.with_(BOB), BOB.with_(EVE), EVE.with_(ALICE), EVE.with_(BOB), ALICE.with_(EVE)]
    assert not any(opens(session, datagram) for session in wrong)


def test_an_identity_is_part_of_the_key() -> None:
    # Who shows another's live key under their own name shares no key with anybody.
    impostor = Party(3)
    impostor.live = BOB.live
    assert not opens(impostor.with_(ALICE), ALICE.with_(BOB).seal(b""))
    assert not opens(ALICE.with_(BOB), impostor.with_(ALICE).seal(b""))


def test_a_session_with_a_bad_live_key_is_not_made() -> None:
    with pytest.raises(SealError):
        Session(live=ALICE.live, identity=ALICE.identity, their_live=bytes(32), their_identity=BOB.identity)


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=20))
def test_in_any_order_each_opens_once(order: list[int], repeats: list[int]) -> None:
    here, there = ALICE.with_(BOB), BOB.with_(ALICE)
    datagrams = [here.seal(bytes([number])) for number in range(12)]
    assert [there.open(datagrams[number]) for number in order] == [bytes([number]) for number in order]
    for number in repeats:
        with pytest.raises(SealError, match="replayed"):
            there.open(datagrams[number])


def test_a_datagram_older_than_the_window_does_not_open() -> None:
    here, there = ALICE.with_(BOB), BOB.with_(ALICE)
    first, second = here.seal(b"1"), here.seal(b"2")
    later = [here.seal(b"") for _ in range(REPLAY_WINDOW)]
    there.open(later[-1])
    assert not opens(there, first)
    assert not opens(there, second)
    assert opens(there, later[0])


def test_no_counter_is_used_twice() -> None:
    session = ALICE.with_(BOB)
    counters = [unpack_sealed(session.seal(b"same")).counter for _ in range(100)]
    assert counters == list(range(100))


# --- tags


def test_tags_name_a_direction_between_two_live_keys() -> None:
    lives = [ALICE.live.public, BOB.live.public, EVE.live.public]
    tags = {session_tag(one, other) for one in lives for other in lives}
    assert len(tags) == 9
    assert all(len(tag) == 8 for tag in tags)


def test_groups_have_tags_of_their_own() -> None:
    names = ["channel", "#channel", "#Channel", "#ü", ""]
    assert len({group_tag(name) for name in names} | {session_tag(b"channel", b"")}) == 6


# --- links


def linked(our: bytes, their: bytes) -> tuple[LinkCipher, LinkCipher]:
    """Both ends of a link: the peer's and the registry's."""
    return (
        ALICE.with_(BOB).link_cipher(our, their, is_peer=True),
        BOB.with_(ALICE).link_cipher(their, our, is_peer=False),
    )


def link_opens(cipher: LinkCipher, frame: bytes) -> bool:
    """Whether a cipher opens a frame."""
    try:
        cipher.open(frame)
    except SealError:
        return False
    return True


@given(st.lists(st.tuples(st.booleans(), payloads), max_size=12))
def test_a_link_carries_both_ways_in_order(sent: list[tuple[bool, bytes]]) -> None:
    peer, registry = linked(b"p" * 16, b"r" * 16)
    for is_up, payload in sent:
        here, there = (peer, registry) if is_up else (registry, peer)
        assert there.open(here.seal(payload)) == payload


def test_frames_of_a_link_open_in_order_only_and_once() -> None:
    peer, registry = linked(b"p" * 16, b"r" * 16)
    first, second = peer.seal(b"1"), peer.seal(b"2")
    assert not link_opens(registry, second)
    assert registry.open(first) == b"1"
    assert not link_opens(registry, first)
    assert registry.open(second) == b"2"


def test_not_one_bit_of_a_frame_can_be_changed_and_none_of_it_cut() -> None:
    peer, registry = linked(b"p" * 16, b"r" * 16)
    frame = peer.seal(b"the request")
    assert not any(link_opens(registry, changed) for changed in all_flips(frame))
    assert not any(link_opens(registry, cut) for cut in all_cuts(frame))
    assert registry.open(frame) == b"the request"


def test_a_frame_does_not_open_at_its_own_sender() -> None:
    peer, registry = linked(b"p" * 16, b"r" * 16)
    assert not link_opens(peer, peer.seal(b""))
    assert not link_opens(registry, registry.seal(b""))


def test_a_recorded_link_fits_no_later_one() -> None:
    recorded = linked(b"p" * 16, b"r" * 16)[0].seal(b"")
    for our, their in ((b"p" * 16, b"R" * 16), (b"P" * 16, b"r" * 16), (b"r" * 16, b"p" * 16)):
        assert not link_opens(linked(our, their)[1], recorded)


def test_a_link_key_is_not_the_sessions_own() -> None:
    session, (_, registry) = ALICE.with_(BOB), linked(b"p" * 16, b"r" * 16)
    datagram = session.seal(b"")
    assert not link_opens(registry, datagram[:1] + datagram[17:])


# --- groups


def member(epoch: int = 1, key: bytes = GROUP, name: str = "channel") -> GroupKey:
    """The key as one member has it."""
    return GroupKey(name, epoch=epoch, key=key)


@given(st.integers(0, 2**32 - 1), st.lists(payloads, max_size=5))
def test_every_member_opens_the_same_bytes(station: int, sent: list[bytes]) -> None:
    author, readers = member(), [member(), member()]
    for number, payload in enumerate(sent):
        assert author.next_counter == number
        frame = author.seal(station, payload)
        assert unpack_group(frame) == GroupHeader(group_tag("channel"), 1, station, number)
        assert [reader.open(frame) for reader in readers] == [payload, payload]


@given(st.lists(st.tuples(st.integers(0, 5), payloads), max_size=60))
def test_two_members_never_share_a_nonce(said: list[tuple[int, bytes]]) -> None:
    # Each has one station, handed out by the registry; 0 is its own.
    members = {station: member() for station in range(6)}
    frames = [members[station].seal(station, payload) for station, payload in said]
    nonces = [frame[13:25] for frame in frames]
    assert len(set(nonces)) == len(frames)


def test_a_member_with_a_new_station_goes_on_counting() -> None:
    author = member()
    nonces = {author.seal(station, b"")[13:25] for station in (4, 4, 9, 4)}
    assert len(nonces) == 4


def test_a_group_frame_opens_once_for_each_station() -> None:
    reader = member()
    one, other = member().seal(1, b"one"), member().seal(2, b"other")
    assert (reader.open(one), reader.open(other)) == (b"one", b"other")
    for frame in (one, other):
        with pytest.raises(SealError, match="replayed"):
            reader.open(frame)
        assert reader.open_stored(frame)


def test_not_one_bit_of_a_group_frame_can_be_changed_and_none_of_it_cut() -> None:
    frame, reader = member().seal(1, b"the line"), member()
    for changed in [*all_flips(frame), *all_cuts(frame)]:
        with pytest.raises(WireError):
            reader.open(changed)
        with pytest.raises(SealError):
            reader.open_stored(changed)
    assert reader.open(frame) == b"the line"


@given(st.binary(max_size=80))
def test_any_bytes_are_one_error_of_the_wire(noise: bytes) -> None:
    # A stored line shorter than a header raised ValueError, past everybody who expects a SealError.
    with pytest.raises(SealError):
        member().open_stored(noise)
    with pytest.raises((SealError, DecodeError)):
        member().open(noise)


def test_a_group_frame_is_of_its_group_epoch_and_key() -> None:
    frame = member().seal(1, b"")
    header = unpack_group(frame)
    for changed in (
        header._replace(tag=group_tag("#room")),
        header._replace(epoch=2),
        header._replace(station=2),
        header._replace(counter=1),
    ):
        with pytest.raises(SealError):
            member().open(pack_group(changed) + frame[25:])
    with pytest.raises(SealError):
        member(key=bytes(32)).open(frame)


def test_a_frame_that_does_not_open_uses_up_no_counter_and_no_memory() -> None:
    reader, frame = member(), member().seal(1, b"line")
    for station in range(100):
        with pytest.raises(SealError):
            reader.open(pack_group(GroupHeader(reader.tag, 1, station, 0)) + bytes(20))
    assert len(reader._replay) == 0
    assert reader.open(frame) == b"line"


# --- derivation


@given(keys, st.sampled_from([b"one\0", b"two\0"]), st.binary(max_size=40))
def test_derived_keys_differ_by_secret_purpose_and_context(
    secret: bytes, purpose: bytes, context: bytes
) -> None:
    made = derive(secret, purpose, context)
    assert len(made) == 32
    others = [
        derive(secret, b"three\0", context),
        derive(secret, purpose, context + b"x"),
        derive(bytes(32 * [0xA5]), purpose, context),
    ]
    assert made == derive(secret, purpose, context)
    assert made not in others or secret == bytes(32 * [0xA5])
