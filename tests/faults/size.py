"""How much of a fault is tried: a small, quick dose in `make test`, all of it in `make faults`.

Only the numbers differ, and the bars in seconds: they depend on the machine as much as on the program, and apply only
where somebody reads the figures.
"""

import math
import os
from typing import Final, TypeVar

import pytest

IS_WHOLE: Final = bool(os.environ.get("CHATAPP_FAULTS"))
"""Whether the whole dose was asked for."""

only_whole: Final = pytest.mark.skipif(not IS_WHOLE, reason="waits long; make faults does it")
"""For what has no small dose: what it is about is a real wait."""

Amount = TypeVar("Amount", int, float)


def dose(small: Amount, whole: Amount) -> Amount:
    """How much of it."""
    return whole if IS_WHOLE else small


def bar(seconds: float) -> float:
    """The seconds that something may take; without end in `make test`, where no busy machine may fail it."""
    return seconds if IS_WHOLE else math.inf
