"""Shared limits: nobody takes everything, newcomers find a place, and the counts always add up."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.limits import Shares

MOST = 256


def filled(shares: Shares, identity: bytes, network: str, places: int = 1) -> int:
    """Return how many places an identity gets if it takes all it may."""
    taken = 0
    while shares.has_capacity(identity, network, places):
        shares.take(identity, network, places)
        taken += places
    return taken


def filled_by_many(shares: Shares, network: str) -> int:
    """Return how many places a network gets with any number of identities."""
    return sum(filled(shares, f"{network} {number}".encode(), network) for number in range(100))


def test_one_identity_gets_no_more_than_a_third() -> None:
    assert filled(Shares(most=MOST), b"eve", "1.1.1.1") == 86


def test_one_network_gets_no_more_than_half_and_the_next_half_of_the_rest() -> None:
    shares = Shares(most=MOST)
    assert [filled_by_many(shares, f"1.1.1.{number}") for number in range(9)] == [
        128,
        64,
        32,
        16,
        8,
        4,
        2,
        1,
        1,
    ]
    assert shares.held == MOST


def test_an_identity_is_counted_with_the_network_with_which_it_began() -> None:
    shares = Shares(most=MOST)
    filled_by_many(shares, "1.1.1.1")
    assert not shares.has_capacity(b"1.1.1.1 0", "2.2.2.2")
    assert shares.has_capacity(b"eve", "2.2.2.2")


def test_what_takes_several_places_needs_them_all() -> None:
    assert filled(Shares(most=MOST), b"eve", "1.1.1.1", 17) == 85
    assert not Shares(most=MOST).has_capacity(b"eve", "1.1.1.1", MOST + 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(1, 9), st.booleans())))
def test_the_count_adds_up(steps: list[tuple[int, int, int, bool]]) -> None:
    shares, model = Shares(most=60), dict[bytes, list[int]]()
    for who, network, places, is_taken in steps:
        identity = bytes([who])
        mine = model.setdefault(identity, [])
        if is_taken and shares.has_capacity(identity, str(network), places):
            shares.take(identity, str(network), places)
            mine.append(places)
        elif not is_taken and mine:
            shares.give_back(identity, mine.pop())
        assert shares.held == sum(map(sum, model.values())) == sum(shares._networks.values()) <= 60
        assert {one: held.places for one, held in shares._identities.items()} == {
            one: sum(held) for one, held in model.items() if held
        }
