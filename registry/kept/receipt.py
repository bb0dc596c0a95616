"""A file as it is given on one link: what is asked for, and what is here. No I/O."""

from typing import Final, NamedTuple

from chatapp.registry.kept.disk import PartFile, sealed_size
from chatapp.registry.kept.shelf import Gift
from chatapp.wire.errors import DecodeError
from chatapp.wire.files import page_count, page_span
from chatapp.wire.limits import KEPT_WINDOW
from chatapp.wire.messages.files import GivePage, KeeperNotice, WantChunk, WantPage


class Chunk(NamedTuple):
    """A sealed chunk, and its place."""

    place: int
    sealed: bytes


class Receipt:
    """A gift as it comes on a link: what is asked for, and what is here."""

    def __init__(self, gift: Gift, part: PartFile) -> None:
        self.gift: Final = gift
        self.part: Final = part
        self.page = 0
        """The page that comes, or whose chunks come."""
        self.is_page_here = False
        self._next = 0
        """The chunk to ask for next."""
        self._asked: set[int] = set()

    @property
    def is_whole(self) -> bool:
        return self.page >= page_count(self.gift.head.size)

    def requests(self) -> list[KeeperNotice]:
        """Return what to ask for now."""
        if self.is_whole:
            return []
        span = page_span(self.gift.head.size, self.page)
        if not self.is_page_here:
            return [WantPage(self.page)]
        wanted: list[KeeperNotice] = []
        while len(self._asked) < KEPT_WINDOW and self._next < span.stop:
            self._asked.add(self._next)
            wanted.append(WantChunk(self._next))
            self._next += 1
        return wanted

    def take_page(self, given: GivePage) -> None:
        """Note that a page came. Raises DecodeError for one that was not asked for."""
        if self.is_page_here or given.page != self.page or self.is_whole:
            raise DecodeError("page", "not asked for")
        self.is_page_here = True

    def take_chunk(self, chunk: Chunk) -> None:
        """Note that a chunk came. Raises DecodeError for one that was not asked for."""
        if chunk.place not in self._asked:
            raise DecodeError("chunk", "not asked for")
        if len(chunk.sealed) != sealed_size(self.gift.head.size, chunk.place):
            raise DecodeError("chunk", "of another size than its file says")
        self._asked.remove(chunk.place)

    def chunk_written(self) -> None:
        """Go on to the next page after the last chunk of one."""
        if not self._asked and self._next >= page_span(self.gift.head.size, self.page).stop:
            self.page, self.is_page_here = self.page + 1, False
