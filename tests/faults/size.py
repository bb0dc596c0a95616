"""This file is about how much of a fault is tried: a small, quick dose in `make test`, the whole of it in `make faults`.

Only numbers differ; what is checked is the same, but for bars in seconds: those say as much of the machine as of the
program, and hold where somebody looks at the figures.
"""

import math
import os
from typing import Final, TypeVar

IS_WHOLE: Final = bool(os.environ.get("CHATAPP_FAULTS"))
"""Whether the whole dose was asked for."""

Amount = TypeVar("Amount", int, float)


def dose(small: Amount, whole: Amount) -> Amount:
    """How much of it."""
    return whole if IS_WHOLE else small


def bar(seconds: float) -> float:
    """The seconds that something may take; without end in `make test`, where no busy machine may fail it."""
    return seconds if IS_WHOLE else math.inf
