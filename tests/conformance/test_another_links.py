"""Our registry and a program that is not ours: its links (clause 9)."""

import pytest

from chatapp.wire.address import Address
from tests.conformance.house import HERE, House
from tests.conformance.stranger import Stranger


def test_a_link_begins_with_a_grant_and_the_mail() -> None:
    """Clause 8.1: "When a link opens, and at each new epoch, the registry sends GroupGranted"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    granted, batch = house.link_up(alice, 1)
    assert granted[:2] == [50, "channel"]
    assert len(granted[3]) == 32
    assert granted[4] > 0
    assert batch == [43, [], False]


@pytest.mark.parametrize("first", [b"\0\0\0\x28\x06" + bytes(39), b"\0\0\0\x28\x07" + bytes(39)])
def test_a_strange_first_frame_is_not_answered(first: bytes) -> None:
    """Clause 9.1: "The registry closes a connection whose first frame opens no session, or is no Attach, without a word"."""
    house = House()
    house.connect(1)
    assert house.write(1, first) == []
    assert 1 in house.closed


@pytest.mark.parametrize("first", [[10, 1], [20, 0], [60], ["no request"]])
def test_the_first_frame_is_an_attach(first: list[object]) -> None:
    """Clause 9.1: "The registry closes a connection whose first frame opens no session, or is no Attach, without a word"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.connect(1)
    assert (house.write(1, alice.first_frame(first)) != []) is (first == [60])
    assert (1 in house.closed) is (first != [60])


def test_a_frame_that_does_not_open_ends_the_link() -> None:
    """Clause 9.2: "A frame that does not open ends the link"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    repeated = alice.ask([10, 1])
    assert house.write(1, repeated) != []
    assert house.write(1, repeated) == []
    assert 1 in house.closed


def test_a_newer_link_ends_the_older_one() -> None:
    """Clause 9.2: "A newer link of the same peer ends the older one"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    house.link_up(alice, 2)
    assert set(house.closed) == {1}


def test_a_link_that_proves_nothing_is_closed() -> None:
    """Clause 9.5: "The first frame must open within 5 s"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.connect(1)
    house.wait(4.9)
    assert house.closed == {}
    house.wait(0.2)
    assert 1 in house.closed


def test_the_oldest_of_too_many_links_goes() -> None:
    """Clause 9.5: "the oldest is closed when there are more than 16 of one address, or more than 512 in all"."""
    house = House()
    for link in range(1, 18):
        house.core.link_opened(link, Address("198.51.100.9", 1_000 + link), now=house.now)
    house.wait(0.1)
    assert house.closed == {}
    house.wait(2.0)
    house.core.link_opened(18, Address("198.51.100.9", 1_018), now=house.now)
    house.wait(0.1)
    assert set(house.closed) == {1, 2}
