"""One file on its way to us: which pages and chunks are asked for, of whom, and which are here
(clauses 6.16 to 6.19). The chunks of a page are the bits of an integer, the first one the lowest: it has 8,192 of
them, and each step is one operation on all."""

import hashlib
import random
from collections.abc import Iterable
from typing import Final

from chatapp.wire.errors import DecodeError
from chatapp.wire.files import (
    HASH_SIZE,
    any_bit,
    bits_of,
    chunk_count,
    file_id,
    lowest_bit,
    packed,
    page_bits,
    page_count,
    page_span,
    unpacked,
)
from chatapp.wire.limits import CHUNK_SIZE, PAGE_CHUNKS
from chatapp.wire.messages.direct import FileOffer
from chatapp.wire.messages.files import AskChunk, AskHave, AskPage, FileRequest, Have, PageGiven

WINDOW: Final = 8
"""Chunks that one holder is asked for at a time at most: 2 MiB are on their way."""

WINDOW_LEAST: Final = 2
"""The same of one of several holders who is slow. What waits there comes perhaps sooner from another."""

COMES_WITHIN: Final = 0.25
"""Seconds from asking one of several holders for a chunk until it comes that are taken as fast."""

HAVE_ASKED_EACH: Final = 0.25
"""Seconds until a holder is asked again what they have, and who else has some."""

ASKED_ELSEWHERE_AFTER: Final = 3.0
"""Seconds until a chunk that one holder does not bring is asked of another who has nothing else to
give: a slow one holds nobody up."""


class Fetch:
    """What of one file is here, and what is asked for on the present links."""

    def __init__(self, offer: FileOffer, rng: random.Random | None = None) -> None:
        """`rng`: several people may have the file, and it chooses among chunks that as many have;
        None: one person has it, and is asked for one chunk after the other."""
        self.offer: Final = offer
        self.file: Final = file_id(offer.key)
        self.rng: Final = rng
        self.sources: Final[list[Source]] = []
        """Those who are asked now."""
        self.page = 0
        """The first page of which chunks are missing."""
        self._pages: Final = page_count(offer.size)
        self._hashes: Final[dict[int, bytes]] = {}
        self._checked: Final[set[int]] = set()
        """Pages of which it is known which chunks are here."""
        self._count: Final = chunk_count(offer.size)
        self._here: Final = [0] * self._pages
        """The chunks of each page that are here."""
        self._count_here = 0

    @property
    def is_whole(self) -> bool:
        """Whether all chunks are here."""
        return self._count_here == self._count

    @property
    def done(self) -> int:
        """The bytes that are here."""
        return min(self._count_here * CHUNK_SIZE, self.offer.size)

    def source(self, *, is_whole: bool, file: bytes | None = None) -> "Source":
        """Return what is asked of one more holder from now on. `is_whole`: it has offered the file,
        or has all of it. `file`: how the holder calls it; None: as those do who have its key."""
        source = Source(self, file or self.file, is_whole=is_whole)
        self.sources.append(source)
        return source

    # --- what is here

    def has(self, chunk: int) -> bool:
        """Whether a chunk is here."""
        page, place = divmod(chunk, PAGE_CHUNKS)
        return page < self._pages and bool(self._here[page] >> place & 1)

    def have(self, page: int) -> bytes:
        """Return which chunks of a page are here, as bits."""
        return packed(self._here[page])

    def hashes(self, page: int) -> bytes | None:
        """Return a page of hashes; None if it is not here."""
        return self._hashes.get(page)

    def all_hashes(self) -> bytes:
        """Return the hashes of all chunks of a whole file."""
        return b"".join(self._hashes[page] for page in range(self._pages))

    def is_checked(self, page: int) -> bool:
        """Whether it is known which chunks of a page are here."""
        return page in self._checked

    # --- what comes

    def page_came(self, given: PageGiven) -> range | None:
        """Take a page of hashes; return its chunks, of which is to be found out which are here.
        None: it has come before. Raises DecodeError for one that is not the one of the offer."""
        span = page_span(self.offer.size, given.page)
        digest = hashlib.sha256(given.hashes).digest()
        if len(given.hashes) != len(span) * HASH_SIZE or digest != self.offer.pages[given.page]:
            raise DecodeError("page", "not that of the offer")
        if given.page in self._hashes:
            return None
        self._hashes[given.page] = given.hashes
        return span

    def page_checked(self, page: int, here: Iterable[int]) -> None:
        """Note which chunks of a page are here."""
        self._checked.add(page)
        for chunk in here:
            self.keep(chunk)

    def digest(self, chunk: int) -> bytes:
        """Return the hash of a sealed chunk whose page has come."""
        start = chunk % PAGE_CHUNKS * HASH_SIZE
        return self._hashes[chunk // PAGE_CHUNKS][start : start + HASH_SIZE]

    def keep(self, chunk: int) -> None:
        """Note that a chunk is here."""
        page, place = divmod(chunk, PAGE_CHUNKS)
        if self._here[page] >> place & 1:
            return
        self._here[page] |= 1 << place
        self._count_here += 1
        while self.page < self._pages and not self._missing(self.page):
            self.page += 1

    def _missing(self, page: int) -> int:
        return page_bits(self.offer.size, page) & ~self._here[page]

    # --- what is asked for

    def pages_to_ask(self, *, ahead: int) -> range:
        """Return the pages whose chunks may be asked for: the first that lacks some, and so many
        behind it."""
        return range(self.page, min(self.page + 1 + ahead, self._pages))

    def wanted(self, page: int) -> int:
        """Return the chunks of a page that are neither here nor asked for, nor being checked and
        written."""
        coming = 0
        for source in self.sources:
            coming |= bits_of(source.asked, page) | bits_of(source.coming, page)
        return self._missing(page) & ~coming

    def next_of(self, page: int, chunks: int) -> int:
        """Return one of these chunks of a page: any of those that fewest have, as far as we know;
        the first one if only one person has the file."""
        if self.rng is None:
            return page * PAGE_CHUNKS + lowest_bit(chunks)
        rarest = next(filter(None, (chunks & ~common for common in self._common(page))), chunks)
        return page * PAGE_CHUNKS + any_bit(rarest, self.rng)

    def _common(self, page: int) -> list[int]:
        """Return the chunks of a page that at least one has who has a part, that at least two have,
        and so on."""
        common: list[int] = []
        for source in self.sources:
            if not source.is_whole:
                has = source.has(page)
                more = [has, *(one & has for one in common)]
                common = [one | other for one, other in zip([*common, 0], more, strict=True)]
        return common


class Source:
    """What is asked of one holder, on one link."""

    def __init__(self, fetch: Fetch, file: bytes, *, is_whole: bool) -> None:
        """`file`, `is_whole`: as in `Fetch.source`."""
        self._fetch: Final = fetch
        self._file: Final = file
        self.is_whole: Final = is_whole
        self.asked: Final[dict[int, float]] = {}
        """When each chunk was asked for that has not come."""
        self.coming: Final[set[int]] = set()
        """Chunks that have come, and are being checked and written."""
        self._said: tuple[int, int, int] = (0, 0, 0)
        """A page, the chunks of it that they have, and those of which they would like to be asked
        for first."""
        self._wrong: Final[set[int]] = set()
        """Chunks that were not the ones that were offered."""
        self._window = WINDOW if fetch.rng is None else WINDOW_LEAST
        self._page_asked: int | None = None
        self._have_asked: int | None = None
        """The page of which was asked what they have."""
        self._have_asked_at: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing that the file consists of is asked of this holder."""
        return not self.asked and not self.coming and self._page_asked is None

    def has(self, page: int) -> int:
        """Return the chunks of a page that this holder has, as far as we know."""
        if self.is_whole:
            return page_bits(self._fetch.offer.size, page)
        known, has, _ = self._said
        return has if known == page else 0

    def close(self) -> None:
        """Forget what was asked for: the link is over."""
        self._fetch.sources.remove(self)

    # --- out

    def take_requests(self, *, now: float) -> list[FileRequest]:
        """Return what is to be asked for now."""
        requests: list[FileRequest] = []
        if self._is_have_due(now):
            self._have_asked, self._have_asked_at = self._fetch.page, now
            requests.append(AskHave(self._file, self._fetch.page))
        while len(self.asked) + len(self.coming) < self._window:
            request = self._next(now)
            if request is None:
                break
            requests.append(request)
        return requests

    def _is_have_due(self, now: float) -> bool:
        if self._fetch.rng is None or self._have_asked is not None or self._fetch.is_whole:
            return False
        before = self._have_asked_at
        return before is None or now >= before + HAVE_ASKED_EACH

    def _next(self, now: float) -> FileRequest | None:
        fetch = self._fetch
        for page in fetch.pages_to_ask(ahead=1 if self.is_whole else 0):
            if not fetch.is_checked(page):
                return self._ask_page(page)
            if (chunk := self._next_of(page)) is not None:
                return self._ask(chunk, now)
        overdue = self._next_overdue(now)
        return None if overdue is None else self._ask(overdue, now)

    def _ask_page(self, page: int) -> AskPage | None:
        """Ask for a page; one who has none of its chunks does not know it either."""
        is_known = self._fetch.hashes(page) is not None or not (self.has(page))
        if is_known or self._page_asked is not None:
            return None
        self._page_asked = page
        return AskPage(self._file, page)

    def _ask(self, chunk: int, now: float) -> AskChunk:
        self.asked[chunk] = now
        return AskChunk(self._file, chunk)

    def _next_of(self, page: int) -> int | None:
        """Return the next chunk of a page that is neither here nor on its way."""
        wanted = self._fetch.wanted(page) & self.has(page)
        if self._wrong and len(self._fetch.sources) > 1:
            wanted &= ~bits_of(self._wrong, page)
        if not wanted:
            return None
        known, _, suggested = self._said
        first = wanted & suggested if known == page else 0
        return self._fetch.next_of(page, first or wanted)

    def _next_overdue(self, now: float) -> int | None:
        """Return a chunk that another holder does not bring."""
        for source in self._fetch.sources:
            if source is self:
                continue
            for chunk, at in source.asked.items():
                is_ours = chunk in self.asked or chunk in self.coming or chunk in self._wrong
                if now < at + ASKED_ELSEWHERE_AFTER or is_ours or self._fetch.has(chunk):
                    continue
                page, place = divmod(chunk, PAGE_CHUNKS)
                if self.has(page) >> place & 1:
                    return chunk
        return None

    # --- in

    def page_came(self, given: PageGiven) -> range | None:
        """Take a page, as in `Fetch`; it must have been asked for."""
        if given.page != self._page_asked:
            raise DecodeError("page", "not asked for")
        span = self._fetch.page_came(given)
        self._page_asked = None
        return span

    def have_came(self, have: Have) -> None:
        """Note what this holder has. Raises DecodeError if that was not asked for."""
        if have.page != self._have_asked:
            raise DecodeError("have", "not asked for")
        self._have_asked = None
        size, page = self._fetch.offer.size, have.page
        self._said = page, unpacked(have.chunks, size, page), unpacked(have.suggested, size, page)

    def chunk_came(self, chunk: int, *, now: float) -> bytes | None:
        """Return the hash that a chunk must have which came; None if it has come from somebody else
        meanwhile. Raises DecodeError for one that was not asked for, or comes a second time."""
        if chunk not in self.asked:
            raise DecodeError("chunk", "not asked for")
        took, fetch = now - self.asked.pop(chunk), self._fetch
        if fetch.rng is not None:
            more = 1 if took <= COMES_WITHIN else -1
            self._window = min(max(self._window + more, WINDOW_LEAST), WINDOW)
        if fetch.has(chunk) or any(chunk in source.coming for source in fetch.sources):
            return None
        self.coming.add(chunk)
        return fetch.digest(chunk)

    def chunk_kept(self, chunk: int) -> None:
        """Note that a chunk is here."""
        self.coming.discard(chunk)
        self._fetch.keep(chunk)

    def chunk_wrong(self, chunk: int) -> None:
        """Note that a chunk was not the one that was offered: it is asked for again, of somebody
        else if anybody else is there."""
        self.coming.discard(chunk)
        self._wrong.add(chunk)
