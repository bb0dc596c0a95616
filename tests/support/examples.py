"""How many examples a property gets."""

from typing import Final

from hypothesis import settings

QUICK: Final = 50
"""In `make test`. The same ones each time: what fails, fails for whoever changed something, and at
once. `make fuzz` draws others, a hundred times as many."""


def scaled(quick: int) -> int:
    """Return how many a slow property gets: `quick` in `make test`, and in `make fuzz` as many
    times more as every other."""
    return quick * settings().max_examples // QUICK
