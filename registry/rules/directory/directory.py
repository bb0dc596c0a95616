"""The directory: which identity has which name, where people are, and their rows of the table
(clause 3).

This is the only place where a name or a key becomes an address. A row belongs to an identity, so
its name can change.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from chatapp.registry.rules.directory.names import Names
from chatapp.registry.rules.directory.table import Table
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.store.protocol import KeptTable
from chatapp.wire.address import Address
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import GROUP_OVERHEAD, encode
from chatapp.wire.identity import Identity, sign_table
from chatapp.wire.limits import (
    BUCKETS_MAX,
    CUT_SIZE,
    DATAGRAM_MAX,
    NAMES_MAX,
    RELEASED_TOLD_MAX,
    ROW_CHANGES_BURST,
    ROW_CHANGES_PER_NETWORK,
    ROW_CHANGES_PER_NETWORK_BURST,
    ROW_CHANGES_SPAN,
    ROWS_TOLD_WHOLE,
)
from chatapp.wire.messages.registration import RefusalReason
from chatapp.wire.messages.table import (
    ONLINE,
    Card,
    CardsShown,
    Page,
    Presence,
    RosterPage,
    Row,
    TablePage,
)
from chatapp.wire.names import name_key
from chatapp.wire.roster import KEY_SIZE, Cells

_NOWHERE: Final = Address("", 0)


class Person:
    """A row of the table, and what only the registry knows about its person."""

    __slots__ = (
        "address",
        "away",
        "bears",
        "card",
        "cells",
        "channel_since",
        "encoded",
        "is_banned",
        "name_key",
        "named_at",
        "network",
        "node",
        "place",
        "presence",
        "since",
        "size",
        "sender_index",
        "status",
        "told_as",
        "told_at",
        "version",
    )

    def __init__(
        self, card: Card, *, key: str, channel_since: int, since: int, network: str = ""
    ) -> None:
        self.card = card
        self.bears = card.name
        """The name that the row is to be told under; empty if there is none any more."""
        self.name_key = key
        self.channel_since: Final = channel_since
        """The channel's newest position when the first name was bound: nothing up to it is this
        person's to read."""
        self.network: Final = network
        """The network from which the name was bound. Quotas count by it, because identities cost
        nothing and programs move."""
        self.address = _NOWHERE
        self.node = 0
        """The node at which the datagrams of somebody online come in."""
        self.presence = Presence.AWAY
        self.is_banned = False
        """Whether the person is banned. The row says so instead of the presence."""
        self.since = since
        self.status = ""
        self.away: str | None = None
        self.sender_index = 0
        self.version = 0
        self.told_at = float("-inf")
        """When a change of this row was last announced at once."""
        self.place = -1
        self.encoded: msgspec.Raw | None = None
        self.cells: Cells | None = None
        self.size = 0
        self.told_as = ""
        self.named_at = 0

    @property
    def online(self) -> bool:
        """Whether the person is online."""
        return self.presence in ONLINE

    def row(self) -> msgspec.Raw:
        """Return the encoded row, made once a change and shared by all readers."""
        if self.encoded is None:
            host, port = self.address
            presence = Presence.BANNED if self.is_banned else self.presence
            row = encode(
                Row(
                    self.card,
                    host,
                    port,
                    presence,
                    self.since,
                    self.sender_index,
                    self.version,
                    self.status,
                    self.away,
                )
            )
            self.encoded, self.cells, self.size = msgspec.Raw(row), None, len(row)
        return self.encoded


_SAME_CHANGE: Final = 0.1
"""Seconds in which further changes of a row belong to the first: a newcomer's name, address and
link."""

_TOLD_TOGETHER: Final = 0.2
"""Seconds of which the rows that the rate of a network holds back are announced together: five rows
fill a datagram, and each datagram goes to everybody online."""

LINK_AWAITED_FOR: Final = 0.1
"""Seconds after a REGISTER in which its row waits for the sender index of the link, so that a join
is told once."""

ELSEWHERE: Final = -1
"""The node of somebody who was online in an earlier run and has not come in again: no node has this
number."""

_RECALLED: Final = frozenset({Presence.AWAY, Presence.LOST, *ONLINE})
"""What may be recalled. Bans are applied anew, and released names have no row."""

_rows: Final = msgspec.msgpack.Decoder(Row)


def _row_in(raw: msgspec.Raw) -> Row | None:
    """Decode a row that was kept; None if it is none: it may come from a file."""
    try:
        return _rows.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _still_holds(row: Row, person: Person, is_sender: Callable[[int], bool]) -> bool:
    """Whether a row of an earlier run says nothing that has changed since."""
    return (
        row.presence in _RECALLED
        and (row.card.name == person.card.name or name_key(row.card.name) == person.name_key)
        and row.card.counter >= person.card.counter
        and (not row.sender_index or is_sender(row.sender_index))
    )


class Directory:
    """Everybody who has a name here."""

    def __init__(
        self, *, version: int, names_max: int = NAMES_MAX, rows_whole: int = ROWS_TOLD_WHOLE
    ) -> None:
        """Create an empty directory. `version`: where the numbers of this run begin. `names_max`:
        how many names may be bound. `rows_whole`: see `Table`.

        A change that is made with a time `now` is announced at once within the rates of its person
        and network, and later above them.
        """
        self._people: dict[bytes, Person] = {}
        self.names: Final = Names()
        self._names_max: Final = names_max
        self._online: dict[bytes, Address] = {}
        self.table: Final[Table[Person]] = Table(version=version, rows_whole=rows_whole)
        """What is handed out of it."""
        self._throttle: Buckets[bytes] = Buckets(
            rate=1 / ROW_CHANGES_SPAN, burst=ROW_CHANGES_BURST, most=BUCKETS_MAX
        )
        self._network_pace: Buckets[str] = Buckets(
            rate=ROW_CHANGES_PER_NETWORK, burst=ROW_CHANGES_PER_NETWORK_BURST, most=BUCKETS_MAX
        )
        self._untold: dict[bytes, float] = {}
        """Identities whose row has changed without an announcement, and when it is due."""
        self._link_awaited: set[bytes] = set()
        """Those of them whose row is announced as soon as they have a link."""
        self._timers: list[tuple[float, bytes]] = []
        self._released: dict[bytes, Person] = {}
        """The last rows of people who have no name any more, for the peers that hold them; the
        oldest first."""
        self._has_nodes = False
        """Whether somebody was ever online at another node than this one."""

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    @property
    def version(self) -> int:
        """The version of the table."""
        return self.table.version

    def person(self, identity: bytes) -> Person | None:
        """Return the person with this identity."""
        return self._people.get(identity)

    def network_of(self, identity: bytes) -> str:
        """Return the network with which an identity is counted; empty for an identity without a
        name."""
        person = self._people.get(identity)
        return "" if person is None else person.network

    def online(self) -> list[bytes]:
        """Return the identities of everybody online."""
        return list(self._online)

    @property
    def online_count(self) -> int:
        """How many people are online."""
        return len(self._online)

    def online_at(self, node: int) -> list[bytes]:
        """Return the identities of the people online at this node."""
        return [identity for identity in self._online if self._people[identity].node == node]

    def online_addresses(self, node: int) -> list[Address]:
        """Return the addresses of the people online at this node."""
        if not self._has_nodes:
            return [] if node else list(self._online.values())
        people = self._people
        return [
            address for identity, address in self._online.items() if people[identity].node == node
        ]

    # --- an earlier run

    def recall(
        self, kept: KeptTable, *, first: int, is_sender: Callable[[int], bool]
    ) -> list[Person]:
        """Take the rows that an earlier run has told of, and that still hold. Return whose they
        are. `is_sender`: whether an index can be that of a sender still."""
        recalled: list[Person] = []
        told_at = 0
        for raw in kept.rows:
            row = _row_in(raw)
            person = None if row is None else self._people.get(row.card.identity)
            if row is None or person is None or not _still_holds(row, person, is_sender):
                continue
            if not told_at < row.version <= kept.version:
                continue
            told_at = row.version
            person.card, person.since, person.version = row.card, row.since, row.version
            person.bears = row.card.name
            person.presence, person.sender_index = row.presence, row.sender_index
            person.status, person.away = row.status, row.away
            person.address = Address(row.host, row.port)
            person.encoded, person.cells, person.size = msgspec.Raw(raw), None, len(raw)
            if person.online:
                person.node, self._has_nodes = ELSEWHERE, True
                self._online[row.card.identity] = person.address
            recalled.append(person)
        self.table.gaps = list(kept.gaps)
        self.table.recall(recalled, upto=kept.version, first=first)
        return recalled

    def cards(self, identities: Iterable[bytes]) -> CardsShown:
        """Return the whole rows of these people."""
        found = (self._people.get(one) or self._released.get(one) for one in identities)
        return self.table.cards(person for person in found if person is not None)

    def kept(self) -> KeptTable:
        """Return the table for a run that goes on with it."""
        rows = [person.row() for _, person in self.table.entries()]
        return KeptTable(self.table.version, rows, self.table.gaps)

    def tell_all(self) -> None:
        """Announce all rows anew: somebody may have rows of an earlier run that this one does not
        know."""
        self.table.gaps.clear()
        for _, person in list(self.table.entries()):
            person.encoded = None
            self._tell(person)

    # --- names

    def refusal_of(self, card: Card, key: str, *, code: bytes = b"") -> RefusalReason | None:
        """Return why this card cannot have the name with this key; None if it can. `code`: the join
        code shown with it."""
        person, names = self._people.get(card.identity), self.names
        if (
            names.is_operator_name(key)
            and names.holder(key) is None
            and not names.is_open(key, card.identity, code)
        ):
            return RefusalReason.BAD_CODE if code else RefusalReason.KEPT_FOR_OPERATOR
        is_own = person is not None and key == person.name_key
        if not is_own and names.is_taken(card.name, card.identity, code):
            return RefusalReason.NAME_TAKEN
        if not is_own and self.names.holder(key) is None and len(self.names) >= self._names_max:
            return RefusalReason.FULL
        if person is None:
            return None
        is_older = card.counter < person.card.counter
        is_other = card.counter == person.card.counter and card != person.card
        return RefusalReason.OLD_CARD if is_older or is_other else None

    def bind(
        self,
        card: Card,
        *,
        channel_since: int,
        at: int,
        network: str = "",
        now: float | None = None,
        is_told: bool = True,
    ) -> Person:
        """Add a person with a name. `at`: Unix seconds of the last sign of life. `is_told`: not if
        `tell_rest` follows."""
        key = name_key(card.name)
        self.names.bind(card.name, card.identity)
        person = Person(card, key=key, channel_since=channel_since, since=at, network=network)
        self._people[card.identity] = person
        self._forget_released(card.identity)
        if now is not None:
            self.await_link(person, now=now)
        elif is_told:
            self._tell(person)
        return person

    def tell_rest(self) -> None:
        """Announce the rows that nobody was told of yet."""
        for person in self._people.values():
            if person.place < 0:
                self._tell(person)

    def rename(
        self,
        person: Person,
        card: Card,
        key: str,
        *,
        reserved_until: float,
        now: float | None = None,
    ) -> list[str]:
        """Give a person another name. Return the names that the person had and that become free."""
        before, person.name_key = person.name_key, key
        self.names.bind(card.name, card.identity)
        self.renew_card(person, card, now=now)
        return (
            [] if before == key else self.names.reserve(before, card.identity, until=reserved_until)
        )

    def release(self, person: Person) -> None:
        """Remove a person, so that the name is free, and announce it at once to the peers that have
        the row."""
        identity = person.card.identity
        self.names.release(person.name_key, identity)
        del self._people[identity]
        self._online.pop(identity, None)
        self._told(identity)
        if person.place < 0:
            return  # nobody was told of this person
        person.presence, person.is_banned, person.sender_index = Presence.RELEASED, False, 0
        person.status, person.away, person.bears = "", None, ""
        self._tell(person)
        self._released[identity] = person
        if len(self._released) > RELEASED_TOLD_MAX:
            self._forget_released(next(iter(self._released)))

    def _forget_released(self, identity: bytes) -> None:
        """Announce the last row of a released name no more."""
        person = self._released.pop(identity, None)
        if person is not None:
            self.table.forget(person)

    # --- changes

    def await_link(self, person: Person, *, now: float) -> None:
        """Announce what changes from now on, as this person registers, together with the sender
        index of their link, or without if there is none in time."""
        if self._may_tell(person, now):
            self._link_awaited.add(person.card.identity)
            self._postpone(person, now + LINK_AWAITED_FOR)

    def announce_awaited(self, *, now: float) -> None:
        """Announce the rows that wait for a link, without it: somebody who has the whole table
        looks for a newcomer."""
        for identity in list(self._link_awaited):
            self._told(identity)
            person = self._people[identity]
            person.told_at = now
            self._tell(person)

    def renew_card(self, person: Person, card: Card, *, now: float | None = None) -> None:
        """Replace a person's card by a newer one."""
        if card == person.card:
            return
        is_told = self._may_tell(person, now)
        person.card, person.bears = card, card.name
        if is_told:
            self._tell(person)

    def place(
        self,
        person: Person,
        *,
        presence: Presence,
        sender_index: int,
        address: Address | None = None,
        node: int | None = None,
        wall_ms: int,
        now: float | None = None,
    ) -> None:
        """Set a person's presence, sender index, address and node."""
        if node is not None:
            person.node = node
            self._has_nodes = self._has_nodes or node != 0
        where = person.address if address is None else address
        is_same = (presence, sender_index, where) == (
            person.presence,
            person.sender_index,
            person.address,
        )
        is_told = not is_same and self._may_tell(person, now)
        online = presence in ONLINE
        if online is not person.online:
            person.since = wall_ms // 1_000
        person.presence, person.sender_index, person.address = presence, sender_index, where
        if online:
            self._online[person.card.identity] = where
        else:
            self._online.pop(person.card.identity, None)
        if is_told:
            self._tell(person)

    def set_status(
        self, person: Person, status: str, away: str | None, *, now: float | None = None
    ) -> None:
        """Set what the row says of a person."""
        if (status, away) != (person.status, person.away):
            is_told = self._may_tell(person, now)
            person.status, person.away = status, away
            if is_told:
                self._tell(person)

    def ban(self, person: Person, *, is_banned: bool) -> None:
        """Set whether a person is banned, and announce it at once."""
        if person.is_banned is not is_banned:
            is_told = self._may_tell(person, None)
            person.is_banned = is_banned
            if is_told:
                self._tell(person)

    # --- telling

    def _may_tell(self, person: Person, now: float | None) -> bool:
        """Return whether a change that is about to be made is announced at once. Otherwise the row
        stays as it was announced until it is due: somebody who comes and goes all the time costs
        the others one row now and then."""
        identity = person.card.identity
        if identity in self._untold:
            return False
        if now is None or now < person.told_at + _SAME_CHANGE:
            return True
        wait = self._throttle.overdraw(identity, now=now)
        network_wait = self._network_pace.overdraw(person.network, now=now)
        if not wait and not network_wait:
            person.told_at = now
            return True
        due = now + network_wait
        if network_wait:
            due = math.ceil(due / _TOLD_TOGETHER) * _TOLD_TOGETHER
        self._postpone(person, max(now + wait, due))
        return False

    def _postpone(self, person: Person, due: float) -> None:
        person.row()  # encoded now, as it was announced
        self._untold[person.card.identity] = due
        heapq.heappush(self._timers, (due, person.card.identity))

    def _told(self, identity: bytes) -> None:
        """Wait no longer to announce a row."""
        self._untold.pop(identity, None)
        self._link_awaited.discard(identity)

    def _tell(self, person: Person) -> None:
        person.encoded = None
        self.table.change(person, self.table.version + 1)

    def handle_timer(self, *, now: float) -> None:
        """Announce the rows that are due, if they still differ from what was announced."""
        while (due := self.next_timer()) is not None and due <= now:
            _, identity = heapq.heappop(self._timers)
            self._tell_postponed(self._people[identity], now)

    def link_came(self, person: Person, *, now: float) -> None:
        """Announce what waits for the link of this person."""
        if person.card.identity in self._link_awaited:
            self._tell_postponed(person, now)

    def _tell_postponed(self, person: Person, now: float) -> None:
        self._told(person.card.identity)
        person.told_at = now
        before, person.encoded = person.encoded, None
        if person.place < 0 or person.row() != before:
            self._tell(person)

    def next_timer(self) -> float | None:
        """Return when the next row is due."""
        while self._timers and self._untold.get(self._timers[0][1]) != self._timers[0][0]:
            heapq.heappop(self._timers)  # announced earlier, or the name was released
        return self._timers[0][0] if self._timers else None


# --- broadcasts of the table: when its changes are announced, and the signed batches (clause 3).

_SIGNATURE_SIZE = 64
_BATCH_SIZE: Final = DATAGRAM_MAX - GROUP_OVERHEAD - _SIGNATURE_SIZE
_ROWS_SIZE: Final = _BATCH_SIZE - 24
"""Bytes of the rows in a `TablePage`, beside the array, its tag, two versions, `more` and the array
of rows."""
_ROWS_MAX = 64
_COLUMNS_SIZE: Final = _BATCH_SIZE - 72
"""The same of the entries in a `RosterPage` that deflate by nothing. Mostly twice as many fit."""


class TableBroadcaster:
    """Decides when changes of the table are broadcast, and signs the batches."""

    def __init__(self, table: Table[Person], identity: Identity, policy: RegistryPolicy) -> None:
        self._table = table
        self._identity = identity
        self._policy = policy
        self._seen = self._sent = table.version
        self._due_at: float | None = None
        self._repeat_at: float | None = None
        self._quiet_until = float("-inf")
        self.broadcasts = self.rows = 0
        """Broadcasts of changes, and rows in them, since the start."""

    def check(self, *, now: float) -> None:
        """Schedule a broadcast if the table has changed since the last check."""
        if self._table.version != self._seen:
            self._seen = self._table.version
            if self._due_at is None:
                self._due_at = max(now + self._policy.coalesce_span, self._quiet_until)

    def handle_timer(self, *, audience: int, now: float) -> list[bytes]:
        """Return the signed payloads that are due, in order. The more there are, and the larger the
        audience, the longer the pause behind them: a crowd that comes in must not drown in the news
        of its own arrival."""
        due = self.next_timer()
        if due is None or now < due:
            return []
        if self._due_at is None:
            self._repeat_at = None
            return [self._announcement()]
        payloads, policy = self._changes(audience, now), self._policy
        self.broadcasts += 1
        takes = len(payloads) * max(audience / policy.broadcasts_per_second, policy.datagram_span)
        self._quiet_until = max(self._quiet_until, now + max(policy.busy_span, takes))
        self._repeat_at = now + policy.announce_span
        return payloads

    def pass_over(self) -> None:
        """Announce nothing of what has changed until now: nobody is told by broadcasts."""
        self._seen = self._sent = self._table.version
        self._due_at = self._repeat_at = None

    def next_timer(self) -> float | None:
        """Return the deadline. While changes are due, nothing is repeated: an announcement would
        come before their rows, and everybody would fetch these."""
        return self._repeat_at if self._due_at is None else self._due_at

    def _changes(self, audience: int, now: float) -> list[bytes]:
        """Return the batches of what has changed: with whole rows, as long as these are not too
        many datagrams for all together, else in columns."""
        policy = self._policy
        whole = min(policy.whole_rows_told // max(audience, 1), policy.broadcast_datagrams)
        pages = self._chain(self._whole_rows, most=max(whole, 1))
        if pages is None:
            pages = self._chain(self._columns, most=policy.broadcast_datagrams)
        if pages is None:
            return self._storm(now)
        self._sent, self._due_at = self._table.version, None
        self.rows += sum(map(_row_count, pages))
        return [self._signed(page) for page in pages]

    def _chain(self, page_after: Callable[[int], Page], *, most: int) -> list[Page] | None:
        """Return pages of all that has changed since the last broadcast; None if they are too
        many."""
        pages: list[Page] = []
        since = self._sent
        while since < self._table.version:
            if len(pages) == most:
                return None
            pages.append(page_after(since))
            since = pages[-1].version
        return pages

    def _whole_rows(self, since: int) -> Page:
        delta = self._table.delta(since, bytes_max=_ROWS_SIZE, rows_max=_ROWS_MAX)
        return TablePage(since, delta.version, delta.more, delta.rows)

    def _columns(self, since: int) -> Page:
        """Return the changes after a version in columns: as many as deflated fill a datagram,
        mostly."""
        room = 2 * _COLUMNS_SIZE
        while True:
            page = self._table.roster(since, known_upto=self._sent, bytes_max=room)
            size = len(encode(page))
            if size <= _BATCH_SIZE or room <= _COLUMNS_SIZE:
                return page
            room = max(room * _COLUMNS_SIZE // size, _COLUMNS_SIZE)

    def _storm(self, now: float) -> list[bytes]:
        """Announce the version alone: the changes are too many for datagrams, so peers fetch them.
        Changes that follow wait for `storm_span`, and are announced in the same way if they are too
        many by then."""
        self._sent, self._due_at = self._table.version, None
        self._quiet_until = now + self._policy.storm_span
        return [self._announcement()]

    def _announcement(self) -> bytes:
        return self._signed(TablePage(self._sent, self._sent, more=False, rows=[]))

    def _signed(self, page: Page) -> bytes:
        return sign_table(self._identity, encode(page))


def _row_count(page: Page) -> int:
    if isinstance(page, RosterPage):
        return len(page.keys) // KEY_SIZE + len(page.cuts) // CUT_SIZE
    return len(page.rows)
