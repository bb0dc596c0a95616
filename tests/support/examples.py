"""How many examples a slow property gets."""

from hypothesis import settings


def scaled(quick: int) -> int:
    """Return `quick` in `make test`, and in `make fuzz` as many times more as for every other."""
    return quick * settings().max_examples // settings.get_profile("quick").max_examples
