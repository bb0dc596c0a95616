"""What is asked for, whatever the other side answers, and however often the link breaks."""

import hashlib
import random
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from chatapp.peer.core.files.fetching import (
    ASKED_ELSEWHERE_AFTER,
    COMES_WITHIN,
    WINDOW,
    WINDOW_LEAST,
    Fetch,
    Source,
)
from chatapp.wire.errors import DecodeError
from chatapp.wire.files import HASH_SIZE, bits_of, packed, page_count, page_span
from chatapp.wire.limits import CHUNK_SIZE, PAGE_CHUNKS
from chatapp.wire.messages.direct import FileOffer
from chatapp.wire.messages.files import AskChunk, AskHave, AskPage, FileRequest, Have, PageGiven

SMALL = 20 * CHUNK_SIZE + 7
"""A file of one page."""


def hashes_of(size: int, page: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d" % chunk).digest() for chunk in page_span(size, page))


def fetch_of(size: int, rng: random.Random | None = None) -> Fetch:
    pages = [hashlib.sha256(hashes_of(size, page)).digest() for page in range(page_count(size))]
    return Fetch(FileOffer(size, bytes(32), tuple(pages)), rng)


def give_page(source: Source, fetch: Fetch, page: int, here: tuple[int, ...] = ()) -> None:
    if source.page_came(PageGiven(page, hashes_of(fetch.offer.size, page))) is not None:
        fetch.page_checked(page, here)


def has_all(fetch: Fetch, page: int, *, but: frozenset[int] = frozenset()) -> Have:
    span = page_span(fetch.offer.size, page)
    return Have(page, packed(bits_of(set(span) - but, page)), ())


@dataclass
class End:
    """One who has some of the file, and what was asked of them."""

    source: Source
    lacks: frozenset[int]
    asked: list[FileRequest]


@pytest.mark.parametrize("holders", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_a_file_is_whole_however_the_links_break(seed: int, holders: int) -> None:
    rng = random.Random(seed)
    size = rng.choice([1, CHUNK_SIZE, SMALL, (PAGE_CHUNKS + 5) * CHUNK_SIZE])
    fetch, now, ends = fetch_of(size, None if holders == 1 else rng), 0.0, list[End]()
    breaks = 0.01 if size <= SMALL else 0.001  # of a large file, each costs a sort of all chunks
    while not fetch.is_whole:
        now += 0.01
        while len(ends) < holders:
            lacks = frozenset() if not ends else frozenset(rng.sample(range(25), 10))
            ends.append(End(fetch.source(is_whole=not ends), lacks, []))
        end = rng.choice(ends)
        end.asked += end.source.take_requests(now=now)
        assert sum(isinstance(request, AskChunk) for request in end.asked) <= WINDOW
        chance = rng.random()
        if chance < breaks:
            end.source.close()
            ends.remove(end)
        elif end.asked:
            answer(
                fetch,
                end,
                end.asked.pop(rng.randrange(len(end.asked))),
                is_wrong=chance < 5 * breaks,
            )
    assert fetch.done == size
    assert not any(
        isinstance(one, AskChunk) for one in fetch.source(is_whole=True).take_requests(now=now)
    )


def answer(fetch: Fetch, end: End, request: FileRequest, *, is_wrong: bool) -> None:
    match request:
        case AskPage(page=page):
            give_page(end.source, fetch, page)
        case AskHave(page=page):
            end.source.have_came(has_all(fetch, page, but=end.lacks))
        case AskChunk(chunk=chunk):
            assert end.source.is_whole or chunk not in end.lacks
            digest = end.source.chunk_came(chunk, now=0.0)
            if digest is not None and is_wrong:
                end.source.chunk_wrong(chunk)
            elif digest is not None:
                assert digest == hashlib.sha256(b"%d" % chunk).digest()
                end.source.chunk_kept(chunk)


@pytest.mark.parametrize("seed", range(10))
def test_no_chunk_is_asked_for_twice_while_all_bring_theirs(seed: int) -> None:
    rng = random.Random(seed)
    fetch = fetch_of(SMALL, rng)
    ends = [End(fetch.source(is_whole=True), frozenset(), []) for _ in range(3)]
    asked = list[int]()
    while not fetch.is_whole:
        end = rng.choice(ends)
        new = end.source.take_requests(now=0.0)
        asked += [one.chunk for one in new if isinstance(one, AskChunk)]
        end.asked += new
        if end.asked:
            answer(fetch, end, end.asked.pop(0), is_wrong=False)
    assert sorted(asked) == list(range(21))


def chunks_asked(source: Source, *, now: float = 0.0) -> list[int]:
    requests = source.take_requests(now=now)
    return [request.chunk for request in requests if isinstance(request, AskChunk)]


def shared(*, sources: int, rng: random.Random | None = None) -> tuple[Fetch, list[Source]]:
    """Return a small file whose page is here, and those who have it; the first has offered it."""
    fetch = fetch_of(SMALL, rng or random.Random(1))
    found = [fetch.source(is_whole=not number) for number in range(sources)]
    found[0].take_requests(now=0.0)
    give_page(found[0], fetch, 0)
    return fetch, found


def test_what_fewest_have_is_asked_for_first() -> None:
    fetch, (origin, *others) = shared(sources=3)
    rare = {3, 9, 14, 19}
    for other in others:
        other.take_requests(now=0.0)
        other.have_came(has_all(fetch, 0, but=frozenset(rare)))
    asked = list[int]()
    while len(asked) < len(rare):
        asked += chunks_asked(origin)
        for chunk in list(origin.asked):
            origin.chunk_came(chunk, now=0.0)
            origin.chunk_kept(chunk)
    assert set(asked[: len(rare)]) == rare


def test_who_lacks_a_chunk_is_not_asked_for_it() -> None:
    fetch, (_, other) = shared(sources=2)
    assert chunks_asked(other) == []
    other.have_came(has_all(fetch, 0, but=frozenset(range(18))))
    assert set(chunks_asked(other)) <= {18, 19, 20}


def test_what_one_does_not_bring_is_asked_of_another() -> None:
    """One who claims to have everything and gives nothing holds nobody up."""
    fetch, (origin, other) = shared(sources=2)
    other.take_requests(now=0.0)
    other.have_came(has_all(fetch, 0))
    promised, now = set(chunks_asked(other)), 0.0
    while not fetch.is_whole:
        now += 0.1
        for chunk in chunks_asked(origin, now=now):
            origin.chunk_came(chunk, now=0.0)
            origin.chunk_kept(chunk)
        assert now < 2 * ASKED_ELSEWHERE_AFTER
    assert len(promised) == WINDOW_LEAST
    assert other.chunk_came(promised.pop(), now=0.0) is None  # too late, but no fault


def test_a_wrong_chunk_is_asked_of_another() -> None:
    fetch, (origin, other) = shared(sources=2)
    other.take_requests(now=0.0)
    other.have_came(has_all(fetch, 0))
    wrong = chunks_asked(other)
    for chunk in wrong:
        other.chunk_came(chunk, now=0.0)
        other.chunk_wrong(chunk)
    assert not set(wrong) & set(chunks_asked(other))
    for chunk in chunks_asked(origin):
        origin.chunk_came(chunk, now=0.0)
        origin.chunk_kept(chunk)
    assert set(wrong) & set(chunks_asked(origin))


def test_who_brings_what_is_asked_for_soon_is_asked_for_more_at_a_time() -> None:
    _, (origin, _) = shared(sources=2)
    asked, spans = chunks_asked(origin), [0.0] * 7 + [2 * COMES_WITHIN] * 7
    sizes, now = [len(asked)], 0.0
    for span in spans:
        now += span
        origin.chunk_came(asked[0], now=now)
        origin.chunk_kept(asked.pop(0))
        asked += chunks_asked(origin, now=now)
        sizes.append(len(asked))
    assert sizes[:8] == [2, 3, 4, 5, 6, 7, 8, 8]
    assert sizes[-1] < 8


def test_what_a_holder_suggests_is_asked_for_first() -> None:
    fetch, (origin, other) = shared(sources=2)
    other.take_requests(now=0.0)
    other.have_came(has_all(fetch, 0, but=frozenset({0, 1})))  # rarer
    suggested = frozenset({5, 12})
    origin.have_came(replace(has_all(fetch, 0), suggested=packed(bits_of(suggested, 0))))
    assert chunks_asked(origin) in ([5, 12], [12, 5])


@pytest.mark.parametrize("suggested", [b"\xff" * 1024, b"\x00\x00\x80", bytes(1024)])
def test_any_suggestion_is_taken(suggested: bytes) -> None:
    fetch, (origin, _) = shared(sources=2)
    origin.have_came(replace(has_all(fetch, 0), suggested=suggested))
    assert all(0 <= chunk <= 20 for chunk in chunks_asked(origin))
    assert origin.asked


@pytest.mark.parametrize("bits", [b"", b"\xff" * 1024, b"\x00\x00\x80"])
def test_any_bits_are_taken(bits: bytes) -> None:
    fetch, (_, other) = shared(sources=2)
    other.take_requests(now=0.0)
    other.have_came(Have(0, bits, ()))
    assert all(0 <= chunk <= 20 for chunk in chunks_asked(other))
    with pytest.raises(DecodeError):
        other.have_came(Have(0, bits, ()))  # asked for once
    assert fetch.done == 0


def test_an_empty_file_is_whole_at_once() -> None:
    assert fetch_of(0).is_whole


def test_what_an_earlier_run_left_is_not_asked_for() -> None:
    fetch = fetch_of(SMALL)
    source = fetch.source(is_whole=True)
    assert source.take_requests(now=0.0) == [AskPage(fetch.file, 0)]
    assert source.take_requests(now=0.0) == []
    give_page(source, fetch, 0, here=tuple(range(1, 20)))
    assert source.take_requests(now=0.0) == [AskChunk(fetch.file, 0), AskChunk(fetch.file, 20)]


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
    source = fetch_of(SMALL).source(is_whole=True)
    source.take_requests(now=0.0)
    with pytest.raises(DecodeError):
        source.page_came(given)


def test_what_was_not_asked_for_is_refused() -> None:
    fetch = fetch_of(SMALL)
    source = fetch.source(is_whole=True)
    with pytest.raises(DecodeError):
        source.page_came(PageGiven(0, hashes_of(SMALL, 0)))
    source.take_requests(now=0.0)
    give_page(source, fetch, 0)
    source.take_requests(now=0.0)
    for chunk in (WINDOW, 20, 21, 1 << 40):
        with pytest.raises(DecodeError):
            source.chunk_came(chunk, now=0.0)


def test_a_chunk_that_comes_twice_is_refused_and_a_wrong_one_asked_for_again() -> None:
    fetch = fetch_of(SMALL)
    source = fetch.source(is_whole=True)
    source.take_requests(now=0.0)
    give_page(source, fetch, 0)
    source.take_requests(now=0.0)
    source.chunk_came(0, now=0.0)
    with pytest.raises(DecodeError):
        source.chunk_came(0, now=0.0)
    source.chunk_wrong(0)
    assert AskChunk(fetch.file, 0) in source.take_requests(now=0.0)
