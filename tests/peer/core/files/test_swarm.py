"""Many fetch a file of a room at once, each at a line of its own: the more they give each other, the sooner
all have it. In virtual time, without links and disks."""

import hashlib
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Final

import pytest

from chatapp.peer.core.files.fetching import HAVE_ASKED_EACH, Fetch, Source
from chatapp.peer.core.files.holders import Holder, Holders
from chatapp.peer.core.files.readers import Readers
from chatapp.peer.node.files.fetching import HOLDERS_AT_ONCE, HOLDERS_SOUGHT_EACH
from chatapp.wire.files import packed
from chatapp.wire.limits import CHUNK_SIZE, FILE_LINKS_MAX
from chatapp.wire.messages.direct import FileOffer
from chatapp.wire.messages.files import AskChunk, AskHave, AskPage, FileRequest, Have, PageGiven

CHUNKS: Final = 40
CHUNK_TAKES: Final = CHUNK_SIZE / 12.5e6
"""Seconds on a line of 100 Mbit/s."""
ONE_COPY: Final = CHUNKS * CHUNK_TAKES
OPENING: Final = 0.02
LATENCY: Final = 0.005
HASHES: Final = b"".join(hashlib.sha256(b"%d" % chunk).digest() for chunk in range(CHUNKS))
OFFER: Final = FileOffer(CHUNKS * CHUNK_SIZE, bytes(32), (hashlib.sha256(HASHES).digest(),))


class Swarm:
    """One who offers a file, and those who fetch it."""

    def __init__(self, readers: int, seed: int) -> None:
        self.rng: Final = random.Random(seed)
        self.now = 0.0
        self._due: Final[list[tuple[float, int, Callable[[], None]]]] = []
        self._numbers: Final = itertools.count()
        self.origin, *self.readers = [Member(self, number) for number in range(readers + 1)]
        self.present = {one.identity: one for one in (self.origin, *self.readers)}
        for reader in self.readers:
            self.after(self.rng.uniform(0.0, 0.05), reader.seek)

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), do))

    def run_until(self, is_over: Callable[[], bool]) -> float:
        """Return the time, in that which one copy takes."""
        while not is_over():
            assert self.now < 20 * ONE_COPY
            self.now, _, do = heapq.heappop(self._due)
            do()
        return self.now / ONE_COPY

    def all_have_it(self) -> bool:
        return all(reader.is_whole for reader in self.readers)

    def can_do_without_origin(self) -> bool:
        """Whether each has 60 %, and all of it is among them."""
        fetches = [reader.fetch for reader in self.readers if reader.fetch is not None]
        return min(fetch.done for fetch in fetches) >= 0.6 * OFFER.size and all(
            any(fetch.has(chunk) for fetch in fetches) for chunk in range(CHUNKS)
        )

    def kill_origin(self) -> None:
        del self.present[self.origin.identity]
        for link in list(self.origin.given_on):
            link.end()


class Link:
    """One member fetches from another."""

    def __init__(self, reader: "Member", giver: "Member", holder: Holder, source: Source) -> None:
        self.reader: Final = reader
        self.giver: Final = giver
        self.holder: Final = holder
        self.source: Final = source
        self.asked: Final[deque[FileRequest]] = deque()
        self.is_open = True

    def tick(self) -> None:
        if self.is_open and not self.reader.is_whole:
            self.ask()
            self.reader.swarm.after(HAVE_ASKED_EACH, self.tick)

    def ask(self) -> None:
        swarm = self.reader.swarm
        for request in self.source.take_requests(now=swarm.now) if self.is_open else ():
            swarm.after(LATENCY, lambda request=request: self.giver.take(self, request))  # type: ignore[misc]

    def end(self) -> None:
        if self.is_open:
            self.is_open = False
            self.source.close()
            self.giver.given_on.remove(self)
            self.giver.knows.left(self)
            self.reader.links.remove(self)
            self.reader.holders.end(self.holder, has_given=True, now=self.reader.swarm.now)


class Member:
    """One machine at the switch."""

    def __init__(self, swarm: Swarm, number: int) -> None:
        self.swarm: Final = swarm
        self.identity: Final = bytes([number]) * 32
        self.fetch: Final = Fetch(OFFER, swarm.rng) if number else None
        self.holders: Final = Holders(bytes(32), swarm.rng)
        self.knows: Final = Readers(OFFER.size, swarm.rng)
        self.links: Final[list[Link]] = []
        self.given_on: Final[list[Link]] = []
        self.given = 0
        self._turns: Final[deque[Link]] = deque()
        self._is_sending = False
        self._receives_until = 0.0

    @property
    def is_whole(self) -> bool:
        return self.fetch is None or self.fetch.is_whole

    # --- fetching

    def seek(self) -> None:
        swarm, fetch = self.swarm, self.fetch
        assert fetch is not None
        if fetch.is_whole:
            return
        others = [one for one in swarm.present if one != self.identity]
        while len(self.links) < HOLDERS_AT_ONCE:
            identity = self.holders.next(others, now=swarm.now)
            if identity is None:
                break
            giver, holder = swarm.present[identity], self.holders.begin(identity)
            if len(giver.given_on) >= FILE_LINKS_MAX:
                self.holders.end(holder, has_given=False, now=swarm.now)
                continue
            link = Link(self, giver, holder, fetch.source(is_whole=giver.fetch is None))
            self.links.append(link)
            giver.given_on.append(link)
            giver.knows.note(self.identity)
            giver.holders.note((self.identity,))
            swarm.after(OPENING, link.tick)
        swarm.after(HOLDERS_SOUGHT_EACH, self.seek)

    def came(self, link: Link, answer: PageGiven | Have | int) -> None:
        assert self.fetch is not None
        if not link.is_open:
            return
        match answer:
            case PageGiven():
                if link.source.page_came(answer) is not None:
                    self.fetch.page_checked(0, ())
            case Have():
                link.source.have_came(answer)
                self.holders.note(one for one in answer.others if one != self.identity)
            case int():
                if link.source.chunk_came(answer, now=self.swarm.now) is not None:
                    link.source.chunk_kept(answer)
                    link.holder.given += 1
        for each in self.links:
            each.ask()

    # --- giving

    def take(self, link: Link, request: FileRequest) -> None:
        if link.is_open:
            link.asked.append(request)
            if link not in self._turns:
                self._turns.append(link)
            self._send()

    def _send(self) -> None:
        """Send one chunk after the other, to each who asks in turn."""
        swarm = self.swarm
        while self._turns and not self._is_sending:
            link = self._turns.popleft()
            if not link.is_open:
                continue
            request = link.asked.popleft()
            if link.asked:
                self._turns.append(link)
            answer: PageGiven | Have | int
            takes = LATENCY
            match request:
                case AskPage():
                    answer = PageGiven(0, HASHES)
                case AskHave():
                    answer = self._have(link)
                case AskChunk(chunk=chunk):
                    answer = chunk
                    self.knows.given(chunk)
                    self.given += 1
                    self._is_sending = True
                    swarm.after(CHUNK_TAKES, self._sent)
                    reader = link.reader
                    reader._receives_until = max(swarm.now, reader._receives_until) + CHUNK_TAKES
                    takes += reader._receives_until - swarm.now
            swarm.after(takes, lambda link=link, answer=answer: link.reader.came(link, answer))  # type: ignore[misc]

    def _have(self, link: Link) -> Have:
        others = self.knows.others(link.reader.identity)
        if self.fetch is not None and not self.fetch.is_whole:
            return Have(0, self.fetch.have(0), others)
        suggested = packed(self.knows.suggest(link, 0))
        return Have(0, packed((1 << CHUNKS) - 1), others, suggested=suggested)

    def _sent(self) -> None:
        self._is_sending = False
        self._send()


@pytest.mark.parametrize("seed", range(5))
def test_a_file_is_at_many_in_little_more_time_than_at_one(seed: int) -> None:
    swarm = Swarm(8, seed)
    assert swarm.run_until(swarm.all_have_it) <= 3.0
    assert swarm.origin.given <= 3 * CHUNKS


@pytest.mark.parametrize("seed", range(5))
def test_it_is_no_later_when_its_origin_is_killed(seed: int) -> None:
    swarm = Swarm(8, seed)
    swarm.run_until(swarm.can_do_without_origin)
    swarm.kill_origin()
    assert swarm.run_until(swarm.all_have_it) <= 3.0
