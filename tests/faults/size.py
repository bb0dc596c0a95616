"""This file is about how much of a fault is tried: a small, quick dose in `make test`, the whole of it in `make faults`.

Only numbers differ; what is checked is the same.
"""

import os
from typing import Final, TypeVar

IS_WHOLE: Final = bool(os.environ.get("CHATAPP_FAULTS"))
"""Whether the whole dose was asked for."""

Amount = TypeVar("Amount", int, float)


def dose(small: Amount, whole: Amount) -> Amount:
    """How much of it."""
    return whole if IS_WHOLE else small
