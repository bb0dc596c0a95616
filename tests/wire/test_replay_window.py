"""The replay window: each counter is accepted once, in any order, as long as it is close to the
newest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.sealing import REPLAY_WINDOW, ReplayWindow


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


@pytest.mark.parametrize(
    ("counter", "is_fresh"), [(1, False), (2, True), (REPLAY_WINDOW + 1, False)]
)
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
