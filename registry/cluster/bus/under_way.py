"""What an edge has asked of the engine that the engine has not handled yet: how much of it may be
under way.

An engine that is slower than its edges' peers ask would be behind without end. So a link that has
too much under way is not read until the engine has followed, and the others go on.
"""

from collections import deque
from typing import Final

LINK_BYTES_MAX: Final = 256 * 1024
"""Bytes under way of one link past which it is held. More than the engine handles before it says so
(`HANDLED_TOLD`)."""
ALL_LINKS_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes under way of all links past which those are held that have more than an equal share of
it."""
DATAGRAMS_MAX: Final = 1024 * 1024
"""Bytes under way of requests in datagrams past which others are dropped: their senders send them
again."""
DATAGRAMS: Final = 0
"""Stands for all datagrams, as links have numbers from 1."""


class UnderWay:
    """The bytes under way in one session, by link."""

    def __init__(self) -> None:
        self._new: list[tuple[int, int]] = []
        """The link and size of each item that is not in a bundle yet."""
        self._bundles: deque[tuple[int, list[tuple[int, int]]]] = deque()
        """The items under way, by the number of the bundle that ended their turn."""
        self._sizes: dict[int, int] = {}
        self._of_links = 0
        self._held: dict[int, None] = {}

    def add(self, link: int, size: int) -> bool:
        """Note an item of a link, or a datagram. Return whether its link is to be held from now
        on."""
        self._new.append((link, size))
        self._sizes[link] = self._sizes.get(link, 0) + size
        if link == DATAGRAMS:
            return False
        self._of_links += size
        if not self._is_too_much(link) or link in self._held:
            return False
        self._held[link] = None
        return True

    def sent(self, number: int) -> None:
        """Note that all items were sent, with this bundle as the last one."""
        if self._new:
            self._bundles.append((number, self._new))
            self._new = []

    def handled(self, number: int) -> list[int]:
        """Note the newest bundle that the engine has handled. Return the links to release."""
        while self._bundles and self._bundles[0][0] <= number:
            for link, size in self._bundles.popleft()[1]:
                self._settle(link, size)
        if not self._held:
            return []
        released = [link for link in self._held if not self._is_too_much(link)]
        for link in released:
            del self._held[link]
        return released

    def _settle(self, link: int, size: int) -> None:
        left = self._sizes.pop(link) - size
        if left:
            self._sizes[link] = left
        if link != DATAGRAMS:
            self._of_links -= size

    @property
    def takes_datagrams(self) -> bool:
        """Whether another datagram may be under way."""
        return self._sizes.get(DATAGRAMS, 0) < DATAGRAMS_MAX

    def _is_too_much(self, link: int) -> bool:
        size = self._sizes.get(link, 0)
        if self._of_links <= ALL_LINKS_BYTES_MAX:
            return size > LINK_BYTES_MAX
        return size > min(LINK_BYTES_MAX, ALL_LINKS_BYTES_MAX // len(self._sizes))
