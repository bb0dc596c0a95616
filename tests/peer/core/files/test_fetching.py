"""What is asked for, whatever the other side answers, and however often the link breaks."""

import hashlib
import random

import pytest

from chatapp.peer.core.files.fetching import WINDOW, Fetch
from chatapp.wire.errors import DecodeError
from chatapp.wire.files import HASH_SIZE, chunk_count, page_count, page_span
from chatapp.wire.limits import CHUNK_SIZE, PAGE_CHUNKS
from chatapp.wire.messages.direct import FileOffer
from chatapp.wire.messages.files import AskChunk, AskPage, PageGiven

SMALL = 20 * CHUNK_SIZE + 7
"""A file of one page."""


def hashes_of(size: int, page: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d" % chunk).digest() for chunk in page_span(size, page))


def fetch_of(size: int) -> Fetch:
    pages = [hashlib.sha256(hashes_of(size, page)).digest() for page in range(page_count(size))]
    return Fetch(FileOffer(size, bytes(32), tuple(pages)))


def give_page(fetch: Fetch, page: int, here: tuple[int, ...] = ()) -> None:
    fetch.page_came(PageGiven(page, hashes_of(fetch.offer.size, page)))
    fetch.page_checked(page, here)


@pytest.mark.parametrize("seed", range(30))
def test_a_file_is_whole_however_the_links_break(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.choice([1, CHUNK_SIZE, SMALL, (PAGE_CHUNKS + 5) * CHUNK_SIZE])
    fetch, fetched, asked = fetch_of(size), 0, []
    while not fetch.is_whole:
        asked += fetch.take_requests()
        assert sum(isinstance(request, AskChunk) for request in asked) <= WINDOW
        chance = rng.random()
        if chance < 0.01 or not asked:
            fetch.link_changed()
            asked = []
            continue
        request = asked.pop(rng.randrange(len(asked)))
        if isinstance(request, AskPage):
            give_page(fetch, request.page)
        elif chance < 0.05:
            fetch.chunk_wrong(request.chunk)
        else:
            assert fetch.chunk_came(request.chunk) == hashlib.sha256(b"%d" % request.chunk).digest()
            fetch.chunk_kept(request.chunk)
            fetched += 1
    assert fetched == chunk_count(size)
    assert fetch.done == size and not fetch.take_requests()


def test_an_empty_file_is_whole_at_once() -> None:
    assert fetch_of(0).is_whole


def test_what_an_earlier_run_left_is_not_asked_for() -> None:
    fetch = fetch_of(SMALL)
    assert fetch.take_requests() == [AskPage(fetch.file, 0)]
    assert fetch.take_requests() == []
    give_page(fetch, 0, here=tuple(range(1, 20)))
    assert fetch.take_requests() == [AskChunk(fetch.file, 0), AskChunk(fetch.file, 20)]


@pytest.mark.parametrize(
    "given",
    [
        PageGiven(1, b""),
        PageGiven(0, b""),
        PageGiven(0, bytes(21 * HASH_SIZE)),
        PageGiven(0, hashes_of(SMALL, 0)[:-1]),
        PageGiven(0, hashes_of(SMALL, 0) + bytes(HASH_SIZE)),
    ],
)
def test_another_page_than_that_of_the_offer_is_refused(given: PageGiven) -> None:
    fetch = fetch_of(SMALL)
    fetch.take_requests()
    with pytest.raises(DecodeError):
        fetch.page_came(given)


def test_what_was_not_asked_for_is_refused() -> None:
    fetch = fetch_of(SMALL)
    with pytest.raises(DecodeError):
        fetch.page_came(PageGiven(0, hashes_of(SMALL, 0)))
    fetch.take_requests()
    give_page(fetch, 0)
    fetch.take_requests()
    for chunk in (WINDOW, 20, 21, 1 << 40):
        with pytest.raises(DecodeError):
            fetch.chunk_came(chunk)


def test_a_chunk_that_comes_twice_is_refused_and_a_wrong_one_asked_for_again() -> None:
    fetch = fetch_of(SMALL)
    fetch.take_requests()
    give_page(fetch, 0)
    fetch.take_requests()
    fetch.chunk_came(0)
    with pytest.raises(DecodeError):
        fetch.chunk_came(0)
    fetch.chunk_wrong(0)
    assert AskChunk(fetch.file, 0) in fetch.take_requests()
