"""Those who fetch one file of a room from us: whom they may ask besides, and what each is to ask for first
(clause 6.19)."""

import random
from typing import Final

from chatapp.wire.files import any_bit, page_bits
from chatapp.wire.limits import FILE_OTHERS_MAX, FILE_SUGGESTED_MAX, PAGE_CHUNKS

KNOWN_MAX: Final = 32
"""People of whom it is known that they have asked for a file."""


class Readers:
    """What one who has all of a file tells those who ask for it."""

    def __init__(self, size: int, rng: random.Random) -> None:
        """`size`: bytes of the file."""
        self._size: Final = size
        self._rng: Final = rng
        self._known: Final[dict[bytes, None]] = {}
        """Who has asked, the latest last."""
        self._given: Final[dict[int, int]] = {}
        """The chunks of each page that somebody has got from us."""
        self._suggested: Final[dict[object, tuple[int, int]]] = {}
        """The page and its chunks that were suggested on each link."""

    def note(self, identity: bytes) -> None:
        """Note that somebody asks for the file: they may have some of it."""
        self._known.pop(identity, None)
        self._known[identity] = None
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def others(self, identity: bytes) -> tuple[bytes, ...]:
        """Return some people other than this one who may have some of it: not the same to all, or
        all would ask the same few."""
        others = [one for one in self._known if one != identity]
        return tuple(self._rng.sample(others, min(len(others), FILE_OTHERS_MAX)))

    def suggest(self, link: object, page: int) -> int:
        """Return a few chunks of a page, as bits, which nobody has got from us, and which are not
        suggested on another link: those who fetch have more to give each other if each of them gets
        something else from us."""
        self._suggested.setdefault(link, (page, 0))
        known, before = self._suggested[link]
        free = page_bits(self._size, page) & ~self._given.get(page, 0)
        suggested = before & free if known == page else 0
        for other, (of, chunks) in self._suggested.items():
            if other is not link and of == page:
                free &= ~chunks
        while suggested.bit_count() < FILE_SUGGESTED_MAX and (left := free & ~suggested):
            suggested |= 1 << any_bit(left, self._rng)
        self._suggested[link] = page, suggested
        return suggested

    def given(self, chunk: int) -> None:
        """Note that somebody gets a chunk."""
        page, place = divmod(chunk, PAGE_CHUNKS)
        self._given[page] = self._given.get(page, 0) | 1 << place

    def left(self, link: object) -> None:
        """Note that a link is over: what was suggested on it may be suggested to others."""
        self._suggested.pop(link, None)
        if not self._suggested:
            self._given.clear()  # whoever comes next does not meet those who have got it
