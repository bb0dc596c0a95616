"""This file is about seals of a link: frames open in order, once, at the other end, and not a bit can be changed."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.tampering import all_cuts, all_flips
from tests.wire.parties import ALICE, BOB, payloads
from wire.errors import SealError
from wire.sealing import LinkCipher


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
