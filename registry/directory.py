"""This file is about the directory: who holds which name, where they are, and the table of rows that all peers copy.

It is the only place where a name or a key becomes an address. Rows belong to identities, so a name can change under
one. It knows names, cards and versions (clause 3); it must not know keys' secrets, links, mail or clocks.
"""

import heapq
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from registry.buckets import Buckets
from registry.changes import ChangeLog
from registry.names import Names
from registry.pages import Pages
from registry.person import Person
from wire.address import Address
from wire.codec import encode
from wire.limits import (
    BUCKETS_MAX,
    NAMES_MAX,
    ROW_CHANGES_BURST,
    ROW_CHANGES_PER_NETWORK,
    ROW_CHANGES_PER_NETWORK_BURST,
    ROW_CHANGES_SPAN,
    TABLE_PAGE_MAX,
)
from wire.messages.registration import RefusalReason
from wire.messages.table import Card, Presence, TablePage
from wire.names import name_key

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
        self._pace: Buckets[bytes] = Buckets(
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
        if names.is_kept(key) and names.holder(key) is None and not names.is_open(key, card.identity, code):
            return RefusalReason.BAD_CODE if code else RefusalReason.KEPT_FOR_OPERATOR
        if self._is_taken(card, code):
            return RefusalReason.NAME_TAKEN
        if self.names.holder(key) is None and len(self.names) >= NAMES_MAX:
            return RefusalReason.FULL
        if person is None:
            return None
        is_older = card.counter < person.card.counter
        is_other = card.counter == person.card.counter and card != person.card
        return RefusalReason.OLD_CARD if is_older or is_other else None

    def _is_taken(self, card: Card, code: bytes) -> bool:
        """By its key or by a look-alike."""
        return self.names.is_taken(card.name, card.identity, code)

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
        station: int,
        address: Address | None = None,
        wall_ms: int,
        now: float | None = None,
    ) -> None:
        """Where somebody is, whether they are there, and by which number they speak in groups."""
        where = person.address if address is None else address
        is_same = (presence, station, where) == (person.presence, person.station, person.address)
        is_told = not is_same and self._may_tell(person, now)
        online = presence is Presence.ONLINE
        if online is not person.online:
            person.since = wall_ms // 1_000
        person.presence, person.station, person.address = presence, station, where
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
        waits = self._pace.overdraw(identity, now=now), self._network_pace.overdraw(person.network, now=now)
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
