"""The objects in memory that the garbage collector knows, to check that erased keys are gone."""

import _asyncio
import gc
from collections.abc import Iterator


def reachable() -> Iterator[bytes]:
    """Yield every byte string that an object known to the collector refers to."""
    gc.collect()
    seen: set[int] = set()
    for holder in gc.get_objects():
        # Python 3.12 counts dead objects that it keeps for later among what this module refers to.
        # Each one that is handed out dies a second time, and the next collection never ends.
        if holder is _asyncio:
            continue
        for held in gc.get_referents(holder):
            if isinstance(held, bytes) and id(held) not in seen:
                seen.add(id(held))
                yield held


def keys_in_memory() -> set[str]:
    """Return everything that may be a key, in hexadecimal, so that the result itself does not hold
    the keys."""
    return {held.hex() for held in reachable() if len(held) == 32}
