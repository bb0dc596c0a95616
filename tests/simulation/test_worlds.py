"""This file is about worlds that a seed tells: bad weather, crashes, partitions, rooms, renames, the help desk; then
calm, and nothing lost.

CHATAPP_SEEDS says how many (default 200); a failing one is printed, and `CHATAPP_SEED=<n>` runs it alone.
"""

import os
from typing import Final

import pytest

from tests.simulation.story import try_seed

SEEDS: Final = int(os.environ.get("CHATAPP_SEEDS", "200"))
BATCH: Final = 10
FOUND: Final[dict[int, str]] = {
    163: "an operator who came back too late was not told that the visitor was theirs no more; lines stayed unanswered",
    2212: "a visitor who came back and was called at once did not say again what was unanswered",
    5661: "refused numbers side by side were told as so many spans that a reader was not told of all, and waited for them",
    5245: "what an operator had said before the visitor was put back in line was not shown on the visitor's return",
}


@pytest.mark.parametrize("seed", FOUND, ids=lambda seed: f"{seed}: {FOUND[seed]}")
def test_what_a_seed_once_found(seed: int) -> None:
    """Each is a world in which the promise was broken: what it was stands beside the number."""
    try_seed(seed)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_the_promise_holds_in_any_weather(first: int) -> None:
    chosen = os.environ.get("CHATAPP_SEED")
    for seed in [int(chosen)] if chosen else range(first, min(first + BATCH, SEEDS)):
        try_seed(seed)
