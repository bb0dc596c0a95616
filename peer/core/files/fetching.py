"""One file on its way to us: which pages and chunks are asked for, and which are here (clauses 6.16 to 6.18)."""

import hashlib
from collections.abc import Iterable
from typing import Final

from chatapp.wire.errors import DecodeError
from chatapp.wire.files import HASH_SIZE, chunk_count, file_id, page_span
from chatapp.wire.limits import CHUNK_SIZE, PAGE_CHUNKS
from chatapp.wire.messages.direct import FileOffer
from chatapp.wire.messages.files import AskChunk, AskPage, FileRequest, PageGiven

WINDOW: Final = 8
"""Chunks that are asked for at a time: 2 MiB are on their way."""

WRONG_MAX: Final = 3
"""Wrong chunks after which what somebody sends is not the file that was offered."""


class Fetch:
    """What of one file is here, and what is asked for on the present link."""

    def __init__(self, offer: FileOffer) -> None:
        self.offer: Final = offer
        self.file: Final = file_id(offer.key)
        self._hashes: dict[int, bytes] = {}
        self._checked: set[int] = set()
        """Pages of which it is known which chunks are here."""
        self._page_asked: int | None = None
        self._here: Final = bytearray(chunk_count(offer.size))
        self._count_here = 0
        self._asked: set[int] = set()
        self._coming: Final[set[int]] = set()
        """Chunks that have come, and are being checked and written."""
        self._next = 0
        """All chunks before this one are here or asked for."""
        self.wrong = 0
        """Chunks that were not the ones that were offered."""

    @property
    def is_whole(self) -> bool:
        """Whether all chunks are here."""
        return self._count_here == len(self._here)

    @property
    def done(self) -> int:
        """The bytes that are here."""
        return min(self._count_here * CHUNK_SIZE, self.offer.size)

    def link_changed(self) -> None:
        """Forget what was asked for: there is another link, or none."""
        self._asked.clear()
        self._coming.clear()
        self._page_asked, self._next = None, 0

    def take_requests(self) -> list[FileRequest]:
        """Return what is to be asked for now."""
        requests: list[FileRequest] = []
        while (
            len(self._asked) + len(self._coming) < WINDOW
            and (chunk := self._next_missing()) is not None
        ):
            page = chunk // PAGE_CHUNKS
            if page not in self._checked:
                if page not in self._hashes and self._page_asked is None:
                    self._page_asked = page
                    requests.append(AskPage(self.file, page))
                break
            self._asked.add(chunk)
            self._next = chunk + 1
            requests.append(AskChunk(self.file, chunk))
        return requests

    def _next_missing(self) -> int | None:
        """Return the first chunk that is neither here nor on its way."""
        while (chunk := self._here.find(0, self._next)) >= 0:
            if chunk not in self._asked and chunk not in self._coming:
                return chunk
            self._next = chunk + 1
        return None

    # --- what comes

    def page_came(self, given: PageGiven) -> range:
        """Take a page of hashes; return its chunks, of which is to be found out which are here.
        Raises DecodeError for one that was not asked for, or is not the one of the offer."""
        if given.page != self._page_asked:
            raise DecodeError("page", "not asked for")
        span = page_span(self.offer.size, given.page)
        digest = hashlib.sha256(given.hashes).digest()
        if len(given.hashes) != len(span) * HASH_SIZE or digest != self.offer.pages[given.page]:
            raise DecodeError("page", "not that of the offer")
        self._page_asked = None
        self._hashes[given.page] = given.hashes
        return span

    def page_checked(self, page: int, here: Iterable[int]) -> None:
        """Note which chunks of a page are here."""
        self._checked.add(page)
        for chunk in here:
            self._keep(chunk)

    def digest(self, chunk: int) -> bytes:
        """Return the hash of a sealed chunk whose page has come."""
        start = chunk % PAGE_CHUNKS * HASH_SIZE
        return self._hashes[chunk // PAGE_CHUNKS][start : start + HASH_SIZE]

    def chunk_came(self, chunk: int) -> bytes:
        """Return the hash that a chunk must have which came. Raises DecodeError for one that was not
        asked for, or comes a second time."""
        if chunk not in self._asked:
            raise DecodeError("chunk", "not asked for")
        self._asked.discard(chunk)
        self._coming.add(chunk)
        return self.digest(chunk)

    def chunk_kept(self, chunk: int) -> None:
        """Note that a chunk is here."""
        self._coming.discard(chunk)
        self._keep(chunk)

    def chunk_wrong(self, chunk: int) -> None:
        """Note that a chunk was not the one that was offered: it is asked for again."""
        self._coming.discard(chunk)
        self._next = min(self._next, chunk)
        self.wrong += 1

    def _keep(self, chunk: int) -> None:
        if not self._here[chunk]:
            self._here[chunk] = 1
            self._count_here += 1
