"""Which files are kept, for whom they count, and which one makes room for another. No I/O."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import AEAD_TAG_SIZE
from chatapp.wire.files import HASH_SIZE, chunk_count, kept_id
from chatapp.wire.limits import (
    BUCKETS_MAX,
    KEPT_LEAST,
    KEPT_NETWORK_SHARES,
    KEPT_TURNS_PER_HOUR,
)
from chatapp.wire.messages.files import KeptResult

_HOUR: Final = 3_600.0
_AGAIN_AFTER: Final = 60
"""Seconds after which to ask again for a place that gifts under way hold."""


class KeptHead(msgspec.Struct, frozen=True, array_like=True):
    """A kept file without its bytes."""

    giver: bytes
    """Who has given it, by identity key."""
    network: str
    """With which network it counts."""
    size: int
    """Bytes of the file before it was sealed."""
    pages: tuple[bytes, ...]
    at: int
    """Unix seconds at which it came."""

    @property
    def id(self) -> bytes:
        """What names it."""
        return kept_id(self.size, self.pages)

    @property
    def cost(self) -> int:
        """The bytes that it counts."""
        return max(self.size + chunk_count(self.size) * (HASH_SIZE + AEAD_TAG_SIZE), KEPT_LEAST)


class Quota(NamedTuple):
    """How much is kept, and for how long."""

    each: int
    """Bytes of one person."""
    total: int
    """Bytes of all."""
    kept_for: float
    """Seconds."""

    @property
    def of_network(self) -> int:
        """Bytes of the people of one network."""
        return min(KEPT_NETWORK_SHARES * self.each, self.total)


class Refused(NamedTuple):
    """Why a file is not taken; `limit` as in `FileKept`."""

    result: KeptResult
    limit: int = 0


class Room(NamedTuple):
    """What was done to make room."""

    gone: list[bytes]
    """The files that are forgotten for it."""
    is_enough: bool
    """Whether there is room now: else other gifts hold it."""


class Gift:
    """A file that comes: what of it is here counts already."""

    def __init__(self, head: KeptHead) -> None:
        self.head: Final = head
        self.here = 0
        """Bytes, as they count."""


class Shelf:
    """All kept files, the oldest first, and those that come."""

    def __init__(self, quota: Quota) -> None:
        self._quota: Final = quota
        self._kept: Final[dict[bytes, KeptHead]] = {}
        self._gifts: Final[dict[bytes, Gift]] = {}
        self._of_giver: Final[Counter[bytes]] = Counter()
        self._of_network: Final[Counter[str]] = Counter()
        turns, network_turns = (
            max(KEPT_TURNS_PER_HOUR * size, 1) for size in (quota.each, quota.of_network)
        )
        self._turns: Final[Buckets[bytes]] = Buckets(
            rate=turns / _HOUR, burst=turns, most=BUCKETS_MAX
        )
        self._network_turns: Final[Buckets[str]] = Buckets(
            rate=network_turns / _HOUR, burst=network_turns, most=BUCKETS_MAX
        )
        self.size = 0
        """Bytes that all count, those included that come."""

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, file: bytes) -> KeptHead | None:
        """Return the whole file that is named so."""
        return self._kept.get(file)

    def load(self, heads: Iterable[KeptHead]) -> list[bytes]:
        """Note the files of earlier runs. Return those for which there is no place any more."""
        for head in sorted(heads, key=lambda head: head.at):
            self._kept[head.id] = head
            self._count(head, head.cost)
        return [
            file
            for head in list(self._kept.values())
            if head.id in self._kept
            for file in self._make_room(head).gone
        ]

    # --- a file comes

    def begin(self, head: KeptHead, *, now: float) -> Gift | Refused:
        """Take in a file that somebody begins to give."""
        quota = self._quota
        if head.id in self._kept:
            return Refused(KeptResult.KEPT)
        if head.cost > min(quota.each, quota.total):
            return Refused(KeptResult.TOO_LARGE, min(quota.each, quota.total))
        debt = max(
            self._turns.overdraw(head.giver, 0, now=now),
            self._network_turns.overdraw(head.network, 0, now=now),
        )
        if debt > 0:
            return Refused(KeptResult.TOO_FAST, int(debt) + 1)
        if head.id in self._gifts:
            return Refused(KeptResult.TOO_FAST, _AGAIN_AFTER)
        gift = self._gifts[head.id] = Gift(head)
        return gift

    def grow(self, gift: Gift, size: int, *, now: float) -> Room:
        """Note that `size` more bytes of a gift have come, and make room for them."""
        head = gift.head
        size = max(size, KEPT_LEAST if not gift.here else 0)
        gift.here += size
        self._turns.overdraw(head.giver, size, now=now)
        self._network_turns.overdraw(head.network, size, now=now)
        self._count(head, size)
        return self._make_room(head)

    def finish(self, gift: Gift) -> None:
        """Note that a gift is whole."""
        head = gift.head
        del self._gifts[head.id]
        self._count(head, head.cost - gift.here)
        self._kept[head.id] = head

    def give_up(self, gift: Gift) -> None:
        """Forget a gift."""
        if self._gifts.pop(gift.head.id, None) is not None:
            self._count(gift.head, -gift.here)

    # --- a file goes

    def drop(self, file: bytes) -> None:
        """Forget a file."""
        head = self._kept.pop(file, None)
        if head is not None:
            self._count(head, -head.cost)

    def expire(self, is_known: Callable[[bytes], bool], *, wall: float) -> list[bytes]:
        """Forget the files that were kept long enough, and those of people who are not known any
        more. Return them."""
        before = wall - self._quota.kept_for
        gone = [
            file
            for file, head in self._kept.items()
            if head.at <= before or not is_known(head.giver)
        ]
        for file in gone:
            self.drop(file)
        return gone

    # --- inside

    def _count(self, head: KeptHead, size: int) -> None:
        self.size += size
        self._of_giver[head.giver] += size
        self._of_network[head.network] += size
        if not self._of_giver[head.giver]:
            del self._of_giver[head.giver]
        if not self._of_network[head.network]:
            del self._of_network[head.network]

    def _make_room(self, head: KeptHead) -> Room:
        """Forget the oldest files of whoever has too many: this person, this network or, if all
        together are too many, the network that has most."""
        quota, gone = self._quota, list[bytes]()
        while True:
            if self._of_giver[head.giver] > quota.each:
                oldest = self._oldest(lambda one: one.giver == head.giver)
            elif self._of_network[head.network] > quota.of_network:
                oldest = self._oldest(lambda one: one.network == head.network)
            elif self.size > quota.total:
                oldest = self._oldest_of_most()
            else:
                return Room(gone, is_enough=True)
            if oldest is None:
                return Room(gone, is_enough=False)
            gone.append(oldest)
            self.drop(oldest)

    def _oldest(self, counts: Callable[[KeptHead], bool]) -> bytes | None:
        return next((file for file, head in self._kept.items() if counts(head)), None)

    def _oldest_of_most(self) -> bytes | None:
        networks = {head.network for head in self._kept.values()}
        if not networks:
            return None
        most = max(networks, key=self._of_network.__getitem__)
        return self._oldest(lambda one: one.network == most)
