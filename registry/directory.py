"""This file is about the directory: who holds which name, where they are, and the table of rows that all peers copy.

It is the only place where a name or a key becomes an address. Rows belong to identities, so a name can change under
one. It knows names, cards and versions (clause 3); it must not know keys' secrets, links, mail or clocks.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from registry.changes import ChangeLog
from registry.names import Names
from registry.pages import Pages
from registry.person import Person
from wire.address import Address
from wire.codec import encode
from wire.limits import NAMES_MAX, TABLE_PAGE_MAX
from wire.messages.registration import RefusalReason
from wire.messages.table import Card, Presence, TablePage
from wire.names import name_key

VERSION_LAST: Final = 2**62
"""Versions that a peer claims are believed up to here: above it there is room for more changes than will ever be."""

LIVES_FROM: Final = 2**42
LIFE_SPAN: Final = 2**36
"""Versions of the registry's n-th life begin at LIVES_FROM + n * LIFE_SPAN, and there are fewer changes in one: no version
ever stands for two tables, whatever the clock was set to. (Above any clock's milliseconds, which versions once were.)"""

_ROWS_A_PAGE: Final = 4_096


class Delta(NamedTuple):
    """Rows that changed in (since, version]; `more` says that others changed after `version`."""

    rows: list[msgspec.Raw]
    version: int
    more: bool


def first_version(*, life: int, wall_ms: int) -> int:
    """Where the versions of a life begin. Lives are counted by the channel's epochs, which are kept on disk."""
    return max(LIVES_FROM + life * LIFE_SPAN, wall_ms)


class Directory:
    """Everybody who ever got a name here."""

    def __init__(self, *, version: int) -> None:
        self._people: dict[bytes, Person] = {}
        self.names: Final = Names()
        self._lives: dict[bytes, bytes] = {}
        self._changes: ChangeLog[Person] = ChangeLog()
        self._online: dict[bytes, Address] = {}
        self._pages: Final = Pages()
        self.version = version

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def person(self, identity: bytes) -> Person | None:
        """Who holds this key."""
        return self._people.get(identity)

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

    def refusal_of(self, card: Card, key: str) -> RefusalReason | None:
        """Why this card cannot be let in under the name with this key; None when it can."""
        person = self._people.get(card.identity)
        if self._is_taken(card, key):
            return RefusalReason.NAME_TAKEN
        if self.names.holder(key) is None and len(self.names) >= NAMES_MAX:
            return RefusalReason.FULL
        if person is None:
            return None
        is_older = card.counter < person.card.counter
        is_other = card.counter == person.card.counter and card != person.card
        return RefusalReason.OLD_CARD if is_older or is_other else None

    def _is_taken(self, card: Card, key: str) -> bool:
        """By its key, by a look-alike, or by a card that shows another's live key (to catch their datagrams)."""
        return (
            self.names.is_taken(key, card.identity)
            or self._lives.get(card.live, card.identity) != card.identity
        )

    def bind(self, card: Card, *, channel_since: int, at: int, wall_ms: int) -> Person:
        """Somebody new, under this name. `at`: Unix seconds of what is last known of them."""
        key = name_key(card.name)
        self.names.bind(key, card.identity)
        person = Person(card, key=key, channel_since=channel_since, since=at)
        self._people[card.identity] = person
        self._lives[card.live] = card.identity
        self._changed(person, wall_ms)
        return person

    def rename(
        self, person: Person, card: Card, key: str, *, reserved_until: float, wall_ms: int
    ) -> list[str]:
        """Another name for somebody. Returned are names of theirs that are free for it."""
        before, person.name_key = person.name_key, key
        self.names.bind(key, card.identity)
        self.renew_card(person, card, wall_ms=wall_ms)
        return [] if before == key else self.names.reserve(before, card.identity, until=reserved_until)

    def release(self, person: Person) -> None:
        """Their name is anybody's again, and their row is told to nobody who has not got it: else a newcomer would take
        the first bearer of a name for the only one."""
        identity = person.card.identity
        self.names.release(person.name_key, identity)
        del self._people[identity]
        self._online.pop(identity, None)
        if self._lives.get(person.card.live) == identity:
            del self._lives[person.card.live]
        self._pages.row_changes(person.version)
        self._changes.blank(person.place)

    # --- changes

    def renew_card(self, person: Person, card: Card, *, wall_ms: int) -> None:
        """A newer card."""
        if card == person.card:
            return
        if card.live != person.card.live:
            self._lives.pop(person.card.live, None)
            self._lives[card.live] = card.identity
        person.card = card
        self._changed(person, wall_ms)

    def place(
        self,
        person: Person,
        *,
        presence: Presence,
        station: int,
        address: Address | None = None,
        wall_ms: int,
    ) -> None:
        """Where somebody is, whether they are there, and by which number they speak in groups."""
        where = person.address if address is None else address
        if (presence, station, where) == (person.presence, person.station, person.address):
            return
        online = presence is Presence.ONLINE
        if online is not person.online:
            person.since = wall_ms // 1_000
        person.presence, person.station, person.address = presence, station, where
        if online:
            self._online[person.card.identity] = where
        else:
            self._online.pop(person.card.identity, None)
        self._changed(person, wall_ms)

    def catch_up(self, claimed: int, *, wall_ms: int) -> bool:
        """A peer has a table of a later version than ours: of an earlier life, under a clock that was set back since.

        Every row is stamped anew above that version, or this peer would take our rows for old ones. True when done.
        """
        if not self.version < claimed <= VERSION_LAST:
            return False
        self.version = claimed
        self._pages.row_changes(0)
        for person in [person for _, person in self._changes.after(-1)]:
            self._changed(person, wall_ms)
        return True

    def _changed(self, person: Person, wall_ms: int) -> None:
        self._pages.row_changes(person.version)
        self.version = person.version = max(self.version + 1, wall_ms)
        person.encoded = None
        if person.place >= 0:
            self._changes.blank(person.place)
        person.place = self._changes.append(person.version, person)
        if self._changes.wants_rewriting:
            for place, kept in self._changes.rewrite():
                kept.place = place

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
