"""Worlds that a seed tells: bad weather, crashes, partitions, rooms, renames, the help desk; then
calm, and nothing lost.

CHATAPP_SEEDS says how many (default 80); a failing one is printed, and `CHATAPP_SEED=<n>` runs it
alone. In every third world the registry is a cluster; CHATAPP_NODES=1 or 3 says so for all.
"""

import os
from typing import Final

import pytest

from tests.simulation.story import try_seed
from tests.support.cluster.cluster import NODES

SEEDS: Final = int(os.environ.get("CHATAPP_SEEDS", "80"))
BATCH: Final = 10
CHOSEN: Final = os.environ.get("CHATAPP_SEED")
CHOSEN_NODES: Final = os.environ.get("CHATAPP_NODES")
CLUSTERED: Final = 3
"""Of so many worlds, one has a cluster."""
BATCHES: Final = (
    [range(int(CHOSEN), int(CHOSEN) + 1)]
    if CHOSEN
    else [range(first, min(first + BATCH, SEEDS)) for first in range(0, SEEDS, BATCH)]
)
FOUND: Final[dict[int, str]] = {
    163: "an operator who came back too late was not told that the visitor was theirs no more; lines stayed unanswered",
    2212: "a visitor who came back and was called at once did not say again what was unanswered",
    5661: "refused numbers side by side were told as so many spans that a reader was not told of all, and waited for them",
    3511: "a restart forgot which numbers past the last message never come, and the reader waited for them",
    25669: "a line said right after the link was back went out before an unanswered one, which was taken for a repeat",
    26647: "a line that came to a visitor before the word that their ticket was good was dropped",
    5245: "what an operator had said before the visitor was put back in line was not shown on the visitor's return",
}
FOUND_BY_STOPS: Final[dict[int, str]] = {
    351: "a change of name that was given up while the registry was stopped was heard when it went on",
}
"""Worlds in which the registry is stopped now and then; the worlds above are told without, as they
were found."""


@pytest.mark.parametrize("seed", FOUND, ids=lambda seed: f"{seed}: {FOUND[seed]}")
def test_what_a_seed_once_found(seed: int) -> None:
    """Each seed is a world that broke the promise; `FOUND` says how."""
    try_seed(
        seed,
        stops=False,
        disk_fails=False,
        fails_over=False,
        replays=False,
        changes=False,
        interest=False,
    )


@pytest.mark.parametrize("seed", FOUND_BY_STOPS, ids=lambda seed: f"{seed}: {FOUND_BY_STOPS[seed]}")
def test_what_a_seed_once_found_while_the_registry_was_stopped(seed: int) -> None:
    try_seed(seed, disk_fails=False, fails_over=False, replays=False, changes=False, interest=False)


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"from {seeds[0]}")
def test_the_promise_holds_in_any_weather(seeds: range) -> None:
    for seed in seeds:
        usual = 1 if seed % CLUSTERED else NODES
        try_seed(seed, nodes=int(CHOSEN_NODES) if CHOSEN_NODES else usual)
