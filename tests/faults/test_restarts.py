"""A registry that dies again and again: people find it each time, by themselves and soon."""

import time

from tests.cast.lines import SAVED
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.size import bar, dose

LIVES = dose(3, 20)
BACK_WITHIN = bar(5.0)


async def test_a_registry_that_dies_again_and_again_is_found_each_time(
    stage: Stage, figure: Note
) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.quits()
    await alice.knows(away=["bob"])
    slowest = 0.0
    for life in range(LIVES):
        await registry.kill()
        registry = await stage.registry()
        back_at = time.monotonic()
        await alice.type(f"send bob {life}")
        await alice.sees(SAVED)  # which only a registry can say that has found her
        slowest = max(slowest, time.monotonic() - back_at)
    figure(
        f"a registry that dies {LIVES} times",
        f"each time somebody's letter is saved {slowest:.2f} s after it is back, at the latest",
        "<= 5 s",
    )
    assert slowest <= BACK_WITHIN
