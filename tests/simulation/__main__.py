"""The command `python -m tests.simulation`: so many worlds, how many a minute, and which of them
broke.

python -m tests.simulation --seeds 20000 --workers 2 [--first 0] [--nodes 3]
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

from tests.simulation.closing import check_end
from tests.simulation.story import live_through
from tests.support.cluster.cluster import NODES

_BATCH: Final = 50


def fate(seed: int, nodes: int) -> str:
    """Return what broke in this world; empty if nothing did."""
    try:
        check_end(live_through(seed, nodes=nodes))
    except Exception as error:  # noqa: BLE001 - whatever broke, the seed tells it again
        return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


def fates(first: int, *, last: int, nodes: int) -> list[str]:
    """Return the fates of a batch of worlds."""
    return [
        broken for seed in range(first, min(first + _BATCH, last)) if (broken := fate(seed, nodes))
    ]


def main() -> int:
    """Run the command line."""
    asked = argparse.ArgumentParser(prog="python -m tests.simulation")
    asked.add_argument("--seeds", type=int, default=20_000)
    asked.add_argument("--first", type=int, default=0)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--nodes", type=int, choices=(1, NODES), default=1)
    words = asked.parse_args()
    last, begun, broken = words.first + words.seeds, time.monotonic(), 0
    with ProcessPoolExecutor(words.workers) as pool:
        for found in pool.map(
            partial(fates, last=last, nodes=words.nodes), range(words.first, last, _BATCH)
        ):
            for line in found:
                broken += 1
                print(line, flush=True)
    took = time.monotonic() - begun
    print(
        f"{words.seeds:,} worlds in {took:,.0f} s, {60 * words.seeds / took:,.0f} a minute; {broken} broken"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
