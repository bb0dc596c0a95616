"""How many passphrases may be tried, and who is next: they cost much memory and time."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from chatapp.peer.faces.web.accounts.errors import TooManyTries
from chatapp.peer.faces.web.budget import FairTurns
from chatapp.peer.faces.web.limits import (
    MAKES_BURST,
    MAKES_PER_SECOND,
    RATES_MAX,
    TRIES_BURST,
    TRIES_OF_NAME_BURST,
    TRIES_OF_NETWORK_BURST,
    TRIES_OF_NETWORK_PER_SECOND,
    TRIES_PER_SECOND,
    TRIES_WAITING_MAX,
    TRIES_WAITING_PER_NETWORK,
)
from chatapp.wire.buckets import Buckets

T = TypeVar("T")


class Tries:
    """The passphrases that are tried at one gateway. A right one costs nothing."""

    def __init__(self, read_clock: Callable[[], float]) -> None:
        self._now: Final = read_clock
        self._of_both: Buckets[tuple[str, str]] = Buckets(
            rate=TRIES_PER_SECOND, burst=TRIES_BURST, most=RATES_MAX
        )
        self._of_name: Buckets[str] = Buckets(
            rate=TRIES_PER_SECOND, burst=TRIES_OF_NAME_BURST, most=RATES_MAX
        )
        self._of_network: Buckets[str] = Buckets(
            rate=TRIES_OF_NETWORK_PER_SECOND, burst=TRIES_OF_NETWORK_BURST, most=RATES_MAX
        )
        self._makes: Buckets[str] = Buckets(
            rate=MAKES_PER_SECOND, burst=MAKES_BURST, most=RATES_MAX
        )
        self.turns: Final = FairTurns(
            of_network=TRIES_WAITING_PER_NETWORK, in_all=TRIES_WAITING_MAX
        )
        """In which passphrases are looked at."""

    def take(self, name: str, network: str) -> None:
        """Count a try before it is looked at, as many come at once. Raises TooManyTries."""
        now = self._now()
        if not (
            self._of_both.take((name, network), now=now)
            and self._of_network.take(network, now=now)
            and self._of_name.take(name, now=now)
        ):
            raise TooManyTries

    def was_right(self, name: str, network: str) -> None:
        """Give back what a right passphrase has cost."""
        now = self._now()
        self._of_both.overdraw((name, network), -1, now=now)
        self._of_network.overdraw(network, -1, now=now)
        self._of_name.overdraw(name, -1, now=now)

    def take_making(self, network: str) -> None:
        """Count a new account. Raises TooManyTries."""
        if not self._makes.take(network, now=self._now()):
            raise TooManyTries


async def in_thread(work: Callable[[], T]) -> T:
    """Run something in a thread, and wait for its end even if nobody wants it any more."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
