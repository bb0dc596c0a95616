"""Presence by interest (clause 3.9): with many people online, each link is told of those whom its peer
watches, and asks for others by name.

An edge decides this by its own view of the table, and the engine learns nothing of it. While few
people are online nothing of this is in use, and no byte differs.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

import msgspec

from chatapp.registry.edge.links import Links, PeerLink
from chatapp.registry.rules.effects import DropReason
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import decode_row, encode
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import (
    BUCKETS_MAX,
    FINDS_BURST,
    FINDS_NETWORK_FACTOR,
    FINDS_PER_SECOND,
    RELEASED_TOLD_MAX,
    SIGHTS_MAX,
    WATCH_UNIT,
    WATCHED_MAX,
)
from chatapp.wire.messages.table import (
    ONLINE,
    By,
    Find,
    Found,
    Presence,
    PresenceChanged,
    Scope,
    Sight,
    TableScope,
    Watch,
)
from chatapp.wire.names import name_key
from chatapp.wire.roster import sight_digest, sight_of

HYSTERESIS: Final = 0.8
"""The share of the limit below which the table is broadcast again: a crowd that stays near the limit
does not make everybody fetch the table all the time."""


class TableEntry(Protocol):
    """One row, as it is told."""

    def row(self) -> msgspec.Raw:
        """Return the encoded row."""


class TableView(Protocol):
    """The table that an edge looks at."""

    version: int

    def changed(self, since: int) -> Iterable[TableEntry]:
        """Return whose rows have changed after this version, the oldest change first."""

    def is_missed(self, version: int) -> bool:
        """Whether somebody with this version may have rows that nobody here knows."""


class Watched:
    """One person, and the links that watch them. Nothing may be known of the person."""

    __slots__ = ("digest", "key", "links", "name_key", "sight")

    def __init__(self) -> None:
        self.sight: Sight | None = None
        self.key = ""
        """The key of the name in `sight`; empty for somebody who has none."""
        self.digest = 0
        self.links: dict[int, None] = {}


class PeopleIndex:
    """Everybody in the table, found by key, name and sender index."""

    def __init__(self) -> None:
        self._people: dict[bytes, Watched] = {}
        self._by_name: dict[str, Watched] = {}
        self._by_sender: dict[int, Watched] = {}
        self._lists: tuple[list[str], list[str]] = [], []
        """All names, and those of people online, in order. To insert one into a hundred thousand
        moves less than a megabyte."""
        self._released: dict[bytes, None] = {}

    def load(self, sights: Iterable[Sight]) -> None:
        """Take the whole table."""
        for sight in sights:
            self._place(self.of(sight.key), sight)
        names = sorted(self._by_name)
        self._lists = names, [key for key in names if _is_online(self._by_name[key].sight)]

    def learn(self, sight: Sight) -> Watched:
        """Take a row that has changed."""
        one = self.of(sight.key)
        keys = {one.key, "" if sight.presence is Presence.RELEASED else _key(sight.name)} - {""}
        before = {key: self._listed(key) for key in keys}
        self._place(one, sight)
        for key in keys:
            for names, was, is_in in zip(self._lists, before[key], self._listed(key), strict=True):
                if was is not is_in:
                    (insort if is_in else _remove)(names, key)
        return one

    def _listed(self, key: str) -> tuple[bool, bool]:
        """Return whether a name is somebody's, and somebody's who is online."""
        one = self._by_name.get(key)
        return one is not None, one is not None and _is_online(one.sight)

    def of(self, identity: bytes) -> Watched:
        """Return a person, of whom nothing may be known."""
        one = self._people.get(identity)
        if one is None:
            one = self._people[identity] = Watched()
        return one

    def let_go(self, identity: bytes, link: int) -> None:
        """Note that a link watches somebody no more."""
        one = self._people.get(identity)
        if one is not None:
            one.links.pop(link, None)
            if one.sight is None and not one.links:
                del self._people[identity]

    def named(self, key: str) -> Sight | None:
        """Return who has the name with this key."""
        one = self._by_name.get(key)
        return None if one is None else one.sight

    def speaker(self, sender_index: int) -> Sight | None:
        """Return who seals group frames under this index."""
        one = self._by_sender.get(sender_index)
        return None if one is None else one.sight

    def names(self, prefix: str, *, after: str, only_online: bool) -> Iterator[Sight]:
        """Yield the people whose names begin so, behind the name with the key `after`."""
        names = self._lists[only_online]
        begin = bisect_right(names, after) if after >= prefix else bisect_left(names, prefix)
        for place in range(begin, len(names)):
            if not names[place].startswith(prefix):
                return
            sight = self._by_name[names[place]].sight
            assert sight is not None, "whoever has a name has a row"
            yield sight

    def _place(self, one: Watched, sight: Sight) -> None:
        before, key = one.sight, ""
        if sight.presence is not Presence.RELEASED:
            is_same = before is not None and before.name == sight.name
            key = (one.key if is_same else "") or _key(sight.name)
        if one.key != key and self._by_name.get(one.key) is one:
            del self._by_name[one.key]
        if before is not None and self._by_sender.get(before.sender_index) is one:
            del self._by_sender[before.sender_index]
        one.sight, one.key, one.digest = sight, key, sight_digest(sight.key, sight)
        if key:
            self._by_name[key] = one
            self._released.pop(sight.key, None)
        else:
            self._note_released(sight.key)
        if sight.sender_index:
            self._by_sender[sight.sender_index] = one

    def _note_released(self, identity: bytes) -> None:
        """Remember a last row, and forget the oldest one of too many, as the table does."""
        self._released[identity] = None
        if len(self._released) > RELEASED_TOLD_MAX:
            oldest = next(iter(self._released))
            del self._released[oldest]
            one = self._people[oldest]
            one.sight = None
            if not one.links:
                del self._people[oldest]


class Interest:
    """What the links of one edge are told of the table."""

    def __init__(self, links: Links, recorder: Recorder, *, limit: int) -> None:
        """`limit`: people online up to whom the table is broadcast."""
        self._links: Final = links
        self._recorder: Final = recorder
        self._limit: Final = limit
        self._table: TableView | None = None
        self._count: Callable[[], int] = int
        self._seen = -1
        self._index: PeopleIndex | None = None
        self._watched: dict[int, dict[bytes, None]] = {}
        """By link."""
        self._owed: list[tuple[int, Watch]] = []
        """What was asked on each link before the table was here."""
        self._finds: Buckets[bytes] = Buckets(
            rate=FINDS_PER_SECOND, burst=FINDS_BURST, most=BUCKETS_MAX
        )
        self._network_finds: Buckets[str] = Buckets(
            rate=FINDS_PER_SECOND * FINDS_NETWORK_FACTOR,
            burst=FINDS_BURST * FINDS_NETWORK_FACTOR,
            most=BUCKETS_MAX,
        )

    @property
    def is_on(self) -> bool:
        """Whether links are told only of those whom they watch."""
        return self._index is not None

    def look_at(self, table: TableView, online: Callable[[], int]) -> None:
        """Follow this table from now on. `online`: returns how many people in it are online."""
        if table is not self._table:
            self._table, self._count, self._seen = table, online, -1

    def expect(self) -> None:
        """Count on a table of many people, which is not here yet: an earlier edge had it. What its
        peers ask meanwhile is answered when it comes."""
        self._index = PeopleIndex()

    def begin_anew(self) -> None:
        """Forget the table and who watches whom, for another table, which may be of as many people
        as the last one."""
        was_on, self._table, self._seen = self.is_on, None, -1
        self._index = None
        self._watched.clear()
        self._owed.clear()
        if was_on:
            self.expect()

    # --- the table

    def settle(self) -> None:
        """Tell what has changed in the table, to those whom it concerns."""
        table = self._table
        if table is None or table.version == self._seen:
            return
        since, self._seen = self._seen, table.version
        index, count = self._index, self._count()
        if index is None:
            if count > self._limit:
                self._index = PeopleIndex()
                self._index.load(_sights(table.changed(-1)))
                self._tell_scope()
            return
        if since < 0:
            index.load(_sights(table.changed(since)))
            self._answer_owed(index)
        else:
            self._tell(index, _sights(table.changed(since)))
        if count < HYSTERESIS * self._limit:
            self._index = None
            self._watched.clear()
            self._tell_scope()

    def _answer_owed(self, index: PeopleIndex) -> None:
        owed, self._owed = self._owed, []
        for number, request in owed:
            link = self._links.find(number)
            if link is not None:
                self._answer(index, request, link)

    def _tell_scope(self) -> None:
        for link in self._links.members():
            self._links.send(link, encode(self._scope_of(link)))

    def _tell(self, index: PeopleIndex, sights: Sequence[Sight]) -> None:
        """Tell the links that watch these people. Who does not read is not told: others must not
        fill a link, and the next digest shows what is missing there."""
        news: dict[int, list[Sight]] = {}
        for sight in sights:
            for number in index.learn(sight).links:
                news.setdefault(number, []).append(sight)
        encoded: dict[int, bytes] = {}
        for number, people in news.items():
            link = self._links.find(number)
            if link is None or link.is_behind:
                continue
            if len(people) > 1:
                self._send(link, people)
                continue
            place = id(people[0])
            if place not in encoded:
                encoded[place] = encode(PresenceChanged(0, more=False, people=people))
            self._links.send(link, encoded[place])

    def _send(self, link: PeerLink, people: Sequence[Sight], reference: int = 0) -> None:
        """Send rows, in answer to the Watch with this reference or as news."""
        for start in range(0, max(len(people), 1), SIGHTS_MAX):
            end = start + SIGHTS_MAX
            more, some = end < len(people), list(people[start:end])
            self._links.send(link, encode(PresenceChanged(reference, more, some)))

    def _scope_of(self, link: PeerLink) -> TableScope:
        index, digest, scope = self._index, 0, Scope.WHOLE
        if index is not None:
            scope = Scope.INTEREST
            for identity in self._watched.get(link.number, ()):
                digest ^= index.of(identity).digest
        return TableScope(scope, self._count(), self._seen, digest.to_bytes(8, "big"))

    # --- links

    def tell_scope(self, link: PeerLink) -> None:
        """Say on a link how things stand, if that is not as always: it is new, or its peer shows a
        sign of life, or has asked for the table."""
        if self._index is not None:
            self._links.send(link, encode(self._scope_of(link)))

    def link_over(self, number: int) -> None:
        """Forget whom a link watches."""
        for identity in self._watched.pop(number, ()):
            if self._index is not None:
                self._index.let_go(identity, number)

    def handle(self, request: Watch | Find, link: PeerLink, *, now: float) -> int:
        """Answer a request. Return as how many more requests it counts."""
        index = self._index
        if index is None:
            return 0  # the table is broadcast again, as the peer was just told
        if isinstance(request, Watch):
            self._watch(index, request, link)
            return (len(request.add) + len(request.drop)) // WATCH_UNIT
        found = Found(request.reference, [], wait=1) if self._table is None else None
        self._links.send(link, encode(found or self._find(index, request, link, now)))
        return 0

    def _watch(self, index: PeopleIndex, request: Watch, link: PeerLink) -> None:
        number = link.number
        watched = self._watched.setdefault(number, {})
        for identity in request.drop:
            if identity in watched:
                del watched[identity]
                index.let_go(identity, number)
        for identity in request.add:
            if identity in watched:
                continue
            if len(watched) == WATCHED_MAX:
                self._recorder.dropped[DropReason.WATCHES_TOO_MANY] += 1
                break
            watched[identity] = None
            index.of(identity).links[number] = None
        if self._table is None:
            self._owed.append((number, request))
        else:
            self._answer(index, request, link)

    def _answer(self, index: PeopleIndex, request: Watch, link: PeerLink) -> None:
        """Tell what has changed of people who are watched from now on."""
        watched = self._watched.get(link.number, {})
        assert self._table is not None
        since = -1 if self._table.is_missed(request.since) else request.since
        people = (index.of(one).sight for one in dict.fromkeys(request.add) if one in watched)
        news = [one for one in people if one is not None and one.version > since]
        self._send(link, news, request.reference)

    def _find(self, index: PeopleIndex, request: Find, link: PeerLink, now: float) -> Found:
        if request.by is By.SENDER_INDEX:
            wait = self._wait(link, now)
            one = None if wait else index.speaker(request.sender_index)
            return Found(request.reference, [] if one is None else [one], wait=wait)
        key = "" if request.by is By.PREFIX and not request.name else _key(request.name)
        if (not key and request.name) or (not key and request.by is By.NAME):
            return Found(request.reference, [])  # nobody can have such a name
        wait = self._wait(link, now)
        if wait:
            return Found(request.reference, [], wait=wait)
        if request.by is By.NAME:
            one = index.named(key)
            return Found(request.reference, [] if one is None else [one])
        after = _key(request.after) if request.after else ""
        people = index.names(key, after=after, only_online=request.only_online)
        found = list(islice(people, request.limit + 1))
        listed = [msgspec.structs.replace(one, host="", port=0) for one in found[: request.limit]]
        return Found(request.reference, listed, more=len(found) > request.limit)

    def _wait(self, link: PeerLink, now: float) -> int:
        """Return the whole seconds until a search is answered again; 0 for now."""
        if self._network_finds.take(link.network, now=now) and self._finds.take(
            link.identity, now=now
        ):
            return 0
        self._recorder.dropped[DropReason.FIND_RATE] += 1
        return max(1, round(1 / FINDS_PER_SECOND))


def _sights(entries: Iterable[TableEntry]) -> list[Sight]:
    return [sight_of(decode_row(entry.row())) for entry in entries]


def _is_online(sight: Sight | None) -> bool:
    return sight is not None and sight.presence in ONLINE


def _key(name: str) -> str:
    """Return the key of a name; empty if nobody can have it."""
    try:
        return name_key(name)
    except NameRefused:
        return ""


def _remove(names: list[str], name: str) -> None:
    place = bisect_left(names, name)
    if place < len(names) and names[place] == name:
        del names[place]
