"""The objects in memory that the garbage collector knows, to check that erased keys are gone."""

import gc
from collections.abc import Iterator


def reachable() -> Iterator[bytes]:
    """Every byte string that is to be had from an object which the collector knows."""
    gc.collect()
    seen: set[int] = set()
    for holder in gc.get_objects():
        for held in gc.get_referents(holder):
            if isinstance(held, bytes) and id(held) not in seen:
                seen.add(id(held))
                yield held


def keys_in_memory() -> set[str]:
    """All that may be keys, in hexadecimal, so that the question itself does not hold them."""
    return {held.hex() for held in reachable() if len(held) == 32}
