"""This file is about seals of a session: only the right pair opens, once, in one direction, and not a bit can be changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tampering import all_cuts, all_flips, tampered
from tests.wire.parties import ALICE, BOB, EVE, Party, keys, payloads
from wire.errors import SealError, WireError
from wire.header import SEALED_OVERHEAD, Kind, unpack_sealed
from wire.identity import AgreementKey
from wire.sealing import REPLAY_WINDOW, Session, derive, group_tag, session_tag


def opens(session: Session, datagram: bytes) -> bool:
    """Whether a session opens this; anything but the two errors of the wire is raised."""
    try:
        session.open(datagram)
    except WireError:
        return False
    return True


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


def test_tags_name_a_direction_between_two_live_keys() -> None:
    lives = [ALICE.live.public, BOB.live.public, EVE.live.public]
    tags = {session_tag(one, other) for one in lives for other in lives}
    assert len(tags) == 9
    assert all(len(tag) == 8 for tag in tags)


def test_groups_have_tags_of_their_own() -> None:
    names = ["channel", "#channel", "#Channel", "#ü", ""]
    assert len({group_tag(name) for name in names} | {session_tag(b"channel", b"")}) == 6


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
