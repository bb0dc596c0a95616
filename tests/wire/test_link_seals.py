"""Seals of a link: frames open in order, once, at the other end, and not a bit can be changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.errors import SealError
from chatapp.wire.sealing import Ciphers, LinkCipher
from tests.support.tampering import all_cuts, all_flips
from tests.wire.parties import payloads


def linked(up: bytes = b"u" * 32, down: bytes = b"d" * 32) -> tuple[LinkCipher, LinkCipher]:
    """Both ends of a link with these keys: the peer's and the registry's."""
    return (
        LinkCipher(seal_key=up, open_key=down, ciphers=Ciphers()),
        LinkCipher(seal_key=down, open_key=up, ciphers=Ciphers()),
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
    peer, registry = linked()
    for is_up, payload in sent:
        here, there = (peer, registry) if is_up else (registry, peer)
        assert there.open(here.seal(payload)) == payload


def test_frames_of_a_link_open_in_order_only_and_once() -> None:
    peer, registry = linked()
    first, second = peer.seal(b"1"), peer.seal(b"2")
    assert not link_opens(registry, second)
    assert registry.open(first) == b"1"
    assert not link_opens(registry, first)
    assert registry.open(second) == b"2"


def test_not_one_bit_of_a_frame_can_be_changed_and_none_of_it_cut() -> None:
    peer, registry = linked()
    frame = peer.seal(b"the request")
    assert not any(link_opens(registry, changed) for changed in all_flips(frame))
    assert not any(link_opens(registry, cut) for cut in all_cuts(frame))
    assert registry.open(frame) == b"the request"


def test_a_frame_does_not_open_at_its_own_sender() -> None:
    peer, registry = linked()
    assert not link_opens(peer, peer.seal(b""))
    assert not link_opens(registry, registry.seal(b""))


def test_a_recorded_link_fits_no_later_one() -> None:
    recorded = linked()[0].seal(b"")
    assert not link_opens(linked(up=b"v" * 32)[1], recorded)


def test_an_erased_link_opens_nothing_more() -> None:
    peer, registry = linked()
    frame = peer.seal(b"")
    registry.erase()
    with pytest.raises(ValueError, match="key"):
        registry.open(frame)
