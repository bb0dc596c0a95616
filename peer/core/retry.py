"""This file is about asking the registry by UDP: the same question until it is answered or five tries are over.

It knows tries and time; it must not know what is asked.
"""

from typing import Final

from wire.delivery.policy import Policy


class Question:
    """One question on its way: sent at once, again after each `ack_timeout`, given up after `tries` of them."""

    __slots__ = ("_next_at", "_policy", "_tries", "asked_at", "reference")

    def __init__(self, policy: Policy, *, reference: int, now: float) -> None:
        self._policy: Final = policy
        self._tries = 0
        self._next_at = now
        self.reference: Final = reference
        self.asked_at: Final = now

    @property
    def next_timer(self) -> float:
        """When the next try, or the giving up, is due."""
        return self._next_at

    def is_due(self, now: float) -> bool:
        """Whether to send it (again) now; counts the try. Ask until `is_over`."""
        if self.is_over(now) or now < self._next_at:
            return False
        self._tries += 1
        self._next_at = now + self._policy.ack_timeout
        return True

    def is_over(self, now: float) -> bool:
        """Whether all tries were made and the last one was waited for."""
        return self._tries >= self._policy.tries and now >= self._next_at


class Backoff:
    """How long to wait before the next attempt: doubling from `first` to `largest` seconds, with jitter."""

    __slots__ = ("_first", "_largest", "_next")

    def __init__(self, *, first: float, largest: float) -> None:
        self._first: Final = first
        self._largest: Final = largest
        self._next = first

    def next_wait(self, chance: float) -> float:
        """Seconds to wait; `chance` in [0, 1) spreads those who lost the registry at the same moment."""
        wait = self._next * (0.5 + chance)
        self._next = min(self._next * 2, self._largest)
        return wait

    def reset(self) -> None:
        """It went well: begin small again."""
        self._next = self._first
