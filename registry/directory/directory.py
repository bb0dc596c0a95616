"""The directory: who holds which name, where they are, and the table of rows that all peers copy.

It is the only place where a name or a key becomes an address. Rows belong to identities, so a name can change under
one. It knows names, cards and versions (clause 3).
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from chatapp.registry.directory.names import Names
from chatapp.registry.limits import Buckets
from chatapp.wire.address import Address
from chatapp.wire.codec import encode
from chatapp.wire.limits import (
    BUCKETS_MAX,
    NAMES_MAX,
    ROW_CHANGES_BURST,
    ROW_CHANGES_PER_NETWORK,
    ROW_CHANGES_PER_NETWORK_BURST,
    ROW_CHANGES_SPAN,
    TABLE_PAGE_MAX,
)
from chatapp.wire.messages.registration import RefusalReason
from chatapp.wire.messages.table import Card, Presence, Row, TablePage
from chatapp.wire.names import name_key

_NOWHERE: Final = Address("", 0)


class Person:
    """One row of the table, and what the directory knows beside it."""

    __slots__ = (
        "address",
        "card",
        "channel_since",
        "encoded",
        "is_banned",
        "name_key",
        "network",
        "place",
        "presence",
        "since",
        "size",
        "sender_index",
        "told_at",
        "version",
    )

    def __init__(self, card: Card, *, key: str, channel_since: int, since: int, network: str = "") -> None:
        self.card = card
        self.name_key = key
        self.channel_since: Final = channel_since
        """The channel's newest position when their first name was bound: nothing before it is theirs to read."""
        self.network: Final = network
        """From where it was bound. Quotas count by it, as identities cost nothing and programs move."""
        self.address = _NOWHERE
        self.presence = Presence.AWAY
        self.is_banned = False
        """Whether they are kept out, whatever else the row could say of their presence."""
        self.since = since
        self.sender_index = 0
        self.version = 0
        self.told_at = float("-inf")
        """When the row was last told at once for a change of this life."""
        self.place = -1
        self.encoded: msgspec.Raw | None = None
        self.size = 0

    @property
    def online(self) -> bool:
        """Whether they are here."""
        return self.presence is Presence.ONLINE

    def row(self) -> msgspec.Raw:
        """The row's bytes, made once a change and shared by everybody who reads them."""
        if self.encoded is None:
            host, port = self.address
            presence = Presence.BANNED if self.is_banned else self.presence
            row = encode(Row(self.card, host, port, presence, self.since, self.sender_index, self.version))
            self.encoded, self.size = msgspec.Raw(row), len(row)
        return self.encoded


Thing = TypeVar("Thing")

_BLANKS_ALLOWED = 64


class ChangeLog(Generic[Thing]):
    """Things by the version of their last change. Whoever appends keeps the place that `append` returns."""

    __slots__ = ("_blanks", "_things", "_versions")

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._things: list[Thing | None] = []
        self._blanks = 0

    def __len__(self) -> int:
        return len(self._things) - self._blanks

    def append(self, version: int, thing: Thing) -> int:
        """`version` is above all before it. The place is good until `wants_rewriting`."""
        self._versions.append(version)
        self._things.append(thing)
        return len(self._things) - 1

    def blank(self, place: int) -> None:
        """The thing at this place changes again."""
        self._things[place] = None
        self._blanks += 1

    def after(self, version: int) -> Iterator[tuple[int, Thing]]:
        """What changed after `version`, oldest change first."""
        versions, things, begin = self.walk(version)
        for place in range(begin, len(things)):
            thing = things[place]
            if thing is not None:
                yield versions[place], thing

    def walk(self, version: int) -> tuple[Sequence[int], Sequence[Thing | None], int]:
        """The versions, the things with blanks (None) among them, and where those after `version` begin.

        For whoever walks a million of them: to be read at once, and not to be changed."""
        return self._versions, self._things, bisect_right(self._versions, version)

    @property
    def wants_rewriting(self) -> bool:
        """Whether blanks outnumber things."""
        return 2 * self._blanks > len(self._things) + _BLANKS_ALLOWED

    def rewrite(self) -> Iterator[tuple[int, Thing]]:
        """Drop the blanks; each thing with its new place."""
        kept = list(self.after(-1))
        self._versions = [version for version, _ in kept]
        self._things = [thing for _, thing in kept]
        self._blanks = 0
        return enumerate(thing for _, thing in kept)


PAGES_KEPT: Final = 16


class _Page(NamedTuple):
    upto: int
    is_last: bool
    encoded: msgspec.Raw


class Pages:
    """The newest few, by the version after which they begin."""

    __slots__ = ("_pages",)

    def __init__(self) -> None:
        self._pages: dict[int, _Page] = {}

    def find(self, since: int) -> msgspec.Raw | None:
        """The page, if it is still good."""
        page = self._pages.get(since)
        return None if page is None else page.encoded

    def keep(self, since: int, upto: int, encoded: msgspec.Raw, *, is_last: bool) -> None:
        """A page just made."""
        if len(self._pages) >= PAGES_KEPT:
            del self._pages[next(iter(self._pages))]
        self._pages[since] = _Page(upto, is_last, encoded)

    def row_changes(self, version: int) -> None:
        """A row of this version (0 for none) gets a newer one."""
        if self._pages:
            self._pages = {
                since: page
                for since, page in self._pages.items()
                if not page.is_last and not since < version <= page.upto
            }


_SAME_CHANGE: Final = 0.1
"""Seconds after a change that was told at once in which others belong to it: a newcomer's name, address and link."""

_ROWS_A_PAGE: Final = 4_096


class Delta(NamedTuple):
    """Rows that changed in (since, version]; `more` says that others changed after `version`."""

    rows: list[msgspec.Raw]
    version: int
    more: bool


class Directory:
    """Everybody who ever got a name here."""

    def __init__(self, *, version: int) -> None:
        """Rows that change at a time `now` are told as often as one person, and one network, may change them; those without
        a time, of earlier lives, at once."""
        self._people: dict[bytes, Person] = {}
        self.names: Final = Names()
        self._changes: ChangeLog[Person] = ChangeLog()
        self._online: dict[bytes, Address] = {}
        self._pages: Final = Pages()
        self._throttle: Buckets[bytes] = Buckets(
            rate=1 / ROW_CHANGES_SPAN, burst=ROW_CHANGES_BURST, most=BUCKETS_MAX
        )
        self._network_pace: Buckets[str] = Buckets(
            rate=ROW_CHANGES_PER_NETWORK, burst=ROW_CHANGES_PER_NETWORK_BURST, most=BUCKETS_MAX
        )
        self._untold: dict[bytes, float] = {}
        """Whose row stands otherwise than it was told, and when it is told again."""
        self._timers: list[tuple[float, bytes]] = []
        self.version = version

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def person(self, identity: bytes) -> Person | None:
        """Who holds this key."""
        return self._people.get(identity)

    def network_of(self, identity: bytes) -> str:
        """With which network somebody is counted; an empty one for whoever has no name."""
        person = self._people.get(identity)
        return "" if person is None else person.network

    def online(self) -> list[bytes]:
        """Everybody who is online."""
        return list(self._online)

    @property
    def online_count(self) -> int:
        """How many are online."""
        return len(self._online)

    def online_addresses(self) -> list[Address]:
        """Where everybody who is online is."""
        return list(self._online.values())

    # --- names

    def refusal_of(self, card: Card, key: str, *, code: bytes = b"") -> RefusalReason | None:
        """Why this card cannot be let in under the name with this key; None when it can. `code`: what is shown with it."""
        person, names = self._people.get(card.identity), self.names
        if (
            names.is_operator_name(key)
            and names.holder(key) is None
            and not names.is_open(key, card.identity, code)
        ):
            return RefusalReason.BAD_CODE if code else RefusalReason.KEPT_FOR_OPERATOR
        if names.is_taken(card.name, card.identity, code):
            return RefusalReason.NAME_TAKEN
        if self.names.holder(key) is None and len(self.names) >= NAMES_MAX:
            return RefusalReason.FULL
        if person is None:
            return None
        is_older = card.counter < person.card.counter
        is_other = card.counter == person.card.counter and card != person.card
        return RefusalReason.OLD_CARD if is_older or is_other else None

    def bind(
        self, card: Card, *, channel_since: int, at: int, network: str = "", now: float | None = None
    ) -> Person:
        """Somebody new from this network, under this name. `at`: Unix seconds of what is last known of them."""
        key = name_key(card.name)
        self.names.bind(card.name, card.identity)
        person = Person(card, key=key, channel_since=channel_since, since=at, network=network)
        self._people[card.identity] = person
        if self._may_tell(person, now):
            self._tell(person)
        return person

    def rename(
        self, person: Person, card: Card, key: str, *, reserved_until: float, now: float | None = None
    ) -> list[str]:
        """Another name for somebody. Returned are names of theirs that are free for it."""
        before, person.name_key = person.name_key, key
        self.names.bind(card.name, card.identity)
        self.renew_card(person, card, now=now)
        return [] if before == key else self.names.reserve(before, card.identity, until=reserved_until)

    def release(self, person: Person) -> None:
        """Their name is anybody's again, and their row is told to nobody who has not got it: else a newcomer would take
        the first bearer of a name for the only one."""
        identity = person.card.identity
        self.names.release(person.name_key, identity)
        del self._people[identity]
        self._online.pop(identity, None)
        self._untold.pop(identity, None)
        if person.place >= 0:
            self._pages.row_changes(person.version)
            self._changes.blank(person.place)

    # --- changes

    def renew_card(self, person: Person, card: Card, *, now: float | None = None) -> None:
        """A newer card."""
        if card == person.card:
            return
        is_told = self._may_tell(person, now)
        person.card = card
        if is_told:
            self._tell(person)

    def place(
        self,
        person: Person,
        *,
        presence: Presence,
        sender_index: int,
        address: Address | None = None,
        wall_ms: int,
        now: float | None = None,
    ) -> None:
        """Where somebody is, whether they are there, and by which number they speak in groups."""
        where = person.address if address is None else address
        is_same = (presence, sender_index, where) == (person.presence, person.sender_index, person.address)
        is_told = not is_same and self._may_tell(person, now)
        online = presence is Presence.ONLINE
        if online is not person.online:
            person.since = wall_ms // 1_000
        person.presence, person.sender_index, person.address = presence, sender_index, where
        if online:
            self._online[person.card.identity] = where
        else:
            self._online.pop(person.card.identity, None)
        if is_told:
            self._tell(person)

    def ban(self, person: Person, *, is_banned: bool) -> None:
        """Tell everybody at once that somebody is kept out, or is not any more."""
        if person.is_banned is not is_banned:
            is_told = self._may_tell(person, None)
            person.is_banned = is_banned
            if is_told:
                self._tell(person)

    # --- telling

    def _may_tell(self, person: Person, now: float | None) -> bool:
        """Whether a change that is about to be made is told at once. If not, the row stays as it was told until it is due,
        and is told then as it stands: who comes and goes all the time costs others one row now and then."""
        identity = person.card.identity
        if identity in self._untold:
            return False
        if now is None or now < person.told_at + _SAME_CHANGE:
            return True
        waits = (
            self._throttle.overdraw(identity, now=now),
            self._network_pace.overdraw(person.network, now=now),
        )
        if not any(waits):
            person.told_at = now
            return True
        person.row()  # made now, as it was told
        due = self._untold[identity] = now + max(waits)
        heapq.heappush(self._timers, (due, identity))
        return False

    def _tell(self, person: Person) -> None:
        self._pages.row_changes(person.version)
        self.version = person.version = self.version + 1
        person.encoded = None
        if person.place >= 0:
            self._changes.blank(person.place)
        person.place = self._changes.append(person.version, person)
        if self._changes.wants_rewriting:
            for place, kept in self._changes.rewrite():
                kept.place = place

    def handle_timer(self, *, now: float) -> None:
        """Tell the rows that are due, if they still stand otherwise than they were told."""
        while self._timers and self._timers[0][0] <= now:
            due, identity = heapq.heappop(self._timers)
            if self._untold.get(identity) != due:
                continue  # their name was released meanwhile
            del self._untold[identity]
            person = self._people[identity]
            person.told_at = now
            before, person.encoded = person.encoded, None
            if person.place < 0 or person.row() != before:
                self._tell(person)

    def next_timer(self) -> float | None:
        """When the next row is due."""
        return self._timers[0][0] if self._timers else None

    # --- reading

    def page(self, since: int) -> msgspec.Raw:
        """An encoded `TablePage`: made once for all who ask for the same."""
        page = self._pages.find(since)
        if page is None:
            delta = self.delta(since, bytes_max=TABLE_PAGE_MAX, rows_max=_ROWS_A_PAGE)
            page = msgspec.Raw(encode(TablePage(since, delta.version, delta.more, delta.rows)))
            self._pages.keep(since, delta.version, page, is_last=not delta.more)
        return page

    def delta(self, since: int, *, bytes_max: int, rows_max: int) -> Delta:
        """The oldest changes after `since`, as many as fit; one row goes whatever its size."""
        rows: list[msgspec.Raw] = []
        versions, people, begin = self._changes.walk(since)
        size, version = 0, since
        for place in range(begin, len(people)):
            person = people[place]
            if person is None:
                continue
            row = person.encoded or person.row()
            size += person.size
            if rows and (size > bytes_max or len(rows) == rows_max):
                return Delta(rows, version, more=True)
            rows.append(row)
            version = versions[place]
        return Delta(rows, max(self.version, since), more=False)
