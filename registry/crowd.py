"""This file is about connections that have proved nothing yet: how long, and how many, so that a flood is only a flood.

A silent connection has its time to speak; past that, it goes when others want its place. It knows numbers of links and
hosts; it must not know what proves a link.
"""

from typing import Final

from registry.leases import Leases
from wire.address import network_of
from wire.limits import LINK_FIRST_FRAME_TIMEOUT, LINKS_WAITING_IN_ALL, LINKS_WAITING_PER_ADDRESS

TIME_TO_SPEAK: Final = 2.0
"""Seconds that a connection has to speak before a flood may push it out. A class behind one address that connects at
once must not push itself out; a silent connection lives no longer than this while others want its place."""

WAITING_AT_ONCE: Final = 8 * LINKS_WAITING_IN_ALL
"""Connections without a first frame, however young: past it the oldest goes at once."""


class Crowd:
    """Those before the door, the oldest first."""

    def __init__(self) -> None:
        self._waiting: Leases[int] = Leases(LINK_FIRST_FRAME_TIMEOUT)
        self._since: dict[int, float] = {}
        self._silent: dict[str, dict[int, None]] = {}
        """By address, where a /64 of IPv6 is one; dicts as ordered sets."""

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, number: int, host: str, *, now: float) -> None:
        """A connection that has said nothing."""
        self._waiting.renew(number, now=now)
        self._since[number] = now
        self._silent.setdefault(network_of(host), {})[number] = None

    def leave(self, number: int, host: str) -> None:
        """It has proved itself, or is over."""
        self._waiting.end(number)
        self._since.pop(number, None)
        place = network_of(host)
        silent = self._silent.get(place)
        if silent is not None:
            silent.pop(number, None)
            if not silent:
                del self._silent[place]

    def oldest(self) -> int | None:
        """Who has waited longest."""
        return self._waiting.oldest()

    def one_too_many(self, host: str, *, now: float) -> int | None:
        """Who has to go because of how many there are, after one of this host has come; ask until None."""
        silent = self._silent.get(network_of(host), {})
        if len(silent) > LINKS_WAITING_PER_ADDRESS and self._had_time(first := next(iter(silent)), now):
            return first
        oldest = self.oldest()
        if oldest is not None and len(self) > LINKS_WAITING_IN_ALL and self._had_time(oldest, now):
            return oldest
        return oldest if len(self) > WAITING_AT_ONCE else None

    def expired(self, *, now: float) -> list[int]:
        """Drained: those that did not prove themselves in time."""
        return self._waiting.expired(now=now)

    def next_deadline(self) -> float | None:
        """When the time of the first one is over."""
        return self._waiting.next_deadline()

    def _had_time(self, number: int, now: float) -> bool:
        """A crowd that connects in one moment is accepted before any of it is read: each may speak first."""
        return now >= self._since[number] + TIME_TO_SPEAK
