"""How much of a fault is tried: a small, quick dose in `make test`, all of it in `make faults`.

Only the numbers differ, and the bars in seconds: they depend on the machine as much as on the
program, and apply only where somebody reads the figures.
"""

import math
import os
from typing import Final, TypeVar

import pytest

IS_WHOLE: Final = bool(os.environ.get("CHATAPP_FAULTS"))
"""Whether the full size was requested."""

only_whole: Final = pytest.mark.skipif(not IS_WHOLE, reason="waits long; make faults does it")
"""For tests without a small version, which are about a real wait."""

Amount = TypeVar("Amount", int, float)


def dose(small: Amount, whole: Amount) -> Amount:
    """Return how much of a fault to try."""
    return whole if IS_WHOLE else small


def rounds(small: int, whole: int) -> int:
    """Return how often to repeat a fault. CHATAPP_ROUNDS replaces the number of the whole size."""
    return int(os.environ.get("CHATAPP_ROUNDS", whole)) if IS_WHOLE else small


def bar(seconds: float) -> float:
    """Return the limit in seconds; none in `make test`, where a busy machine must not fail a
    test."""
    return seconds if IS_WHOLE else math.inf
