"""Our copy of the registry's table, kept current by version, and saved for a start without the
registry.

`NameResolver` asks the registry about names that are not in it.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from chatapp.peer.api.events import (
    Absence,
    KeyChanged,
    KeyRestored,
    PersonAway,
    PersonCame,
    Renamed,
    TableChanged,
)
from chatapp.peer.core.contacts import Change, Contact, Contacts
from chatapp.peer.core.context import Context, LookUp
from chatapp.peer.core.people.cards import CardRequests
from chatapp.peer.core.people.interest import Interest, Search
from chatapp.peer.core.records import FormerName, NameBlocked, NameCleared, RowsSaved
from chatapp.wire.codec import decode_row
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import CUT_SIZE
from chatapp.wire.messages.table import (
    By,
    CardsShown,
    FetchTable,
    Page,
    Presence,
    RosterPage,
    Row,
    Sight,
    TablePage,
    listed_card,
    outdated,
)
from chatapp.wire.names import name_key
from chatapp.wire.roster import Entry, check_of, entries_of

FETCH_TIMEOUT: Final = 10.0
"""Seconds after which an unanswered request for rows is made again, if nothing long is on its way:
nothing gets lost on a link, but the registry drops what we ask too often."""


_ABSENCES: Final = {Presence.LOST: Absence.LOST, Presence.BANNED: Absence.BANNED}


class Table:
    """Our copy of the table, and its version."""

    def __init__(
        self,
        ctx: Context,
        *,
        gone: Callable[[bytes], None],
        version: int,
        saved_at: float,
    ) -> None:
        """`gone` is told who goes offline, before the user is."""
        self.contacts: Final = Contacts()
        self.cards: Final = CardRequests(ctx.out)
        self._gone: Final = gone
        self._me = ctx.me.identity.public
        self._out = ctx.out
        self._fetching_since: float | None = None
        self._wants_keys = False
        """Whether we have asked for whole keys: a roster has named somebody whom we do not know."""
        self.asked = 0
        self.answered = 0
        """How many requests for rows were sent and answered on this link; answers come in the order
        of the requests."""
        self.version = version
        self._whole_upto: int | None = None
        """Up to which version we have asked for all rows anew; None if we need not."""
        self.saved_at = saved_at
        self.is_fresh = False
        """Whether we have all rows that the registry had when the present link came up."""
        self._was_fresh = False
        """Whether we ever had, so that changes since then are told by name."""
        self._catches_up = False
        """Whether we were told only of some people until now: what the others did is no news."""

    def link_lost(self) -> None:
        """Forget pending requests: the link is gone."""
        self.cards.link_lost()
        self.give_up()
        self.is_fresh = False

    def give_up(self) -> None:
        """Expect no rows any more."""
        self._fetching_since = None
        self._wants_keys = False
        self.asked = self.answered = 0

    def begin_anew(self) -> None:
        """Start again at version 0: the registry was restored from a backup, and its versions have
        gone back."""
        self.version, self._whole_upto = 0, None
        self.contacts.forget_versions()
        self._out.records.append(RowsSaved(rows=(), version=0, at=self.saved_at))

    def fetch_whole(self, *, now: float) -> None:
        """Ask for all rows: the registry does not know what it told us before, and what it tells us
        now counts as newer."""
        self.count_from_nothing()
        self.fetch_anew(now=now)

    def count_from_nothing(self) -> None:
        """Do as `fetch_whole`, but ask later: we are not told of everybody now."""
        self._whole_upto = 0
        self.contacts.forget_versions()

    @property
    def known_upto(self) -> int:
        """The version up to which we know everybody."""
        return self.version if self._whole_upto is None else self._whole_upto

    def catch_up(self, *, now: float) -> None:
        """Ask for the rows of all those of whom we were not told for a while."""
        self._catches_up = True
        self.fetch_anew(now=now)

    def fetch(self, *, now: float) -> None:
        """Ask for the rows that we miss, unless a request is pending. Call this only while the link
        is up."""
        if self._fetching_since is None or now >= self._fetching_since + FETCH_TIMEOUT:
            self.fetch_anew(now=now)

    def fetch_anew(self, *, now: float) -> None:
        """Ask for all changes up to this moment, even if a request is pending. Call this only while
        the link is up."""
        self.asked += 1
        self._ask(now)

    def progressed(self, *, now: float) -> None:
        """Note that part of a long frame came: on a slow link a page takes a minute, and a second
        request would bring it twice."""
        if self._fetching_since is not None:
            self._fetching_since = now

    def take_page(self, page: Page, *, now: float, wall: float) -> list[tuple[Contact, Change]]:
        """Take a page of rows from the link, and ask for the next one if there is more. Raises
        DecodeError; the request then counts as not answered."""
        changes: list[tuple[Contact, Change]] = []
        is_anew = page.since == self._whole_upto
        # otherwise a broadcast has overtaken the request
        if is_anew or page.since <= self.version <= page.version:
            rows = self._rows_in(page)
            if rows is None and self._wants_keys:
                raise DecodeError("roster", "cut keys although whole ones were asked for")
            if rows is None:
                self._ask(now, wants_keys=True)
                return changes
            if is_anew:
                self._whole_upto = page.version if page.more else None
            is_listed, upto = isinstance(page, RosterPage), max(page.version, self.version)
            changes = self._take_rows(rows, upto, wall, is_listed=is_listed)
        self._wants_keys = False
        if page.more:
            # Somebody whose row has changed since the last page was in none, but counts as known.
            self._ask(now, wants_keys=True)
        else:
            self._fetching_since = None
            self.answered += 1
            self.became_fresh()
            self._catches_up = False
        return changes

    def became_fresh(self) -> None:
        """Note that we have the rows of all those of whom we are told."""
        self.is_fresh = self._was_fresh = True

    def take_batch(self, batch: Page, *, wall: float) -> list[tuple[Contact, Change]] | None:
        """Take a broadcast batch. Return None when rows before it are missing, or it names people
        whom we do not know: then fetch. Raises DecodeError."""
        if batch.version <= self.version:
            return []
        is_listed = isinstance(batch, RosterPage)
        is_empty = isinstance(batch, TablePage) and not batch.rows
        if batch.since > self.version or is_empty:
            return None
        rows = self._rows_in(batch)
        if rows is None:
            return None
        return self._take_rows(rows, batch.version, wall, is_listed=is_listed)

    def take_cards(self, notice: CardsShown, *, wall: float) -> list[tuple[Contact, Change]]:
        """Take the cards and addresses of rows that we asked for. Presence is left as it is in our
        version of the table: a registry that is killed may forget a change that we have not been
        told as such. An address is not taken over a newer one: a broadcast may have overtaken the
        link. A row that would give somebody another name than the roster did before anything of
        them was known is not taken. Raises DecodeError."""
        rows: list[Row] = []
        for row in map(decode_row, notice.rows):
            contact = self.contacts.by_identity(row.card.identity)
            if contact is None:
                rows.append(msgspec.structs.replace(row, version=self.version))
            elif not contact.is_bare or contact.name == row.card.name:
                known = contact.row
                is_newer = contact.is_current and known.version > row.version
                placed = known if is_newer else row
                rows.append(
                    msgspec.structs.replace(
                        known, card=row.card, host=placed.host, port=placed.port
                    )
                )
        return self._take_rows(rows, self.version, wall, is_news=False)

    def take_sights(
        self, sights: Sequence[Sight], *, wall: float, is_news: bool
    ) -> list[tuple[Contact, Change]]:
        """Take what the registry says of some people. It is the newest, whatever its version: what
        comes on a link comes in order. `is_news`: whether it has just changed."""
        rows = [self._sighted(sight) for sight in sights]
        self._catches_up, before = self._catches_up or not is_news, self._catches_up
        try:
            return self._take_rows(rows, self.version, wall, is_listed=True)
        finally:
            self._catches_up = before

    def _sighted(self, sight: Sight) -> Row:
        """Return a row with the card that we have, as far as it is the newest."""
        contact = self.contacts.by_identity(sight.key)
        if contact is None:
            card = listed_card(sight.name, sight.key)
        else:
            known = contact.row
            if sight.version < known.version:
                contact.row = msgspec.structs.replace(known, version=sight.version)
            card = known.card
            if card.counter != sight.counter or card.name != sight.name:
                card = outdated(card, name=sight.name)
                self.cards.outdated(contact.identity)
        return Row(
            card,
            sight.host,
            sight.port,
            sight.presence,
            sight.since,
            sight.sender_index,
            sight.version,
            sight.status,
            sight.away,
        )

    def _ask(self, now: float, *, wants_keys: bool = False) -> None:
        self._fetching_since, self._wants_keys = now, wants_keys
        self._out.requests.append(FetchTable(since=self.known_upto, is_whole=wants_keys))

    def _rows_in(self, page: Page) -> list[Row] | None:
        """Return the rows of a page; None if it names people by cut keys whom we do not know.
        Raises DecodeError."""
        if isinstance(page, TablePage):
            return list(map(decode_row, page.rows))
        whole, known = entries_of(page)
        contacts = self._with_keys([entry.key for entry in known])
        people = [] if contacts is None else [(one.identity, one.name) for one in contacts]
        if contacts is None or check_of(people) != page.check:
            return None
        rows = [self._listed(entry, self.contacts.by_identity(entry.key), page) for entry in whole]
        pairs = zip(known, contacts, strict=True)
        return rows + [self._listed(entry, contact, page) for entry, contact in pairs]

    def _with_keys(self, cuts: list[bytes]) -> list[Contact] | None:
        """Return who has keys that begin so; None if that is not clear."""
        found = {contact.identity[:CUT_SIZE]: contact for contact in self.contacts if cuts}
        contacts = [found[cut] for cut in cuts if cut in found]
        return contacts if len(contacts) == len(cuts) else None

    def _listed(self, entry: Entry, contact: Contact | None, page: RosterPage) -> Row:
        """Return an entry of a roster as a row, with card and address as far as we have them."""
        host, port = "", 0
        if contact is None:
            card = listed_card(entry.name, entry.key)
        else:
            card = outdated(contact.row.card, name=entry.name or contact.name)
            self.cards.outdated(contact.identity)
            if entry.is_placed:
                host, port = contact.row.host, contact.row.port
        return Row(
            card,
            host,
            port,
            entry.presence,
            entry.since,
            entry.sender_index,
            page.version,
            entry.status,
            entry.away,
        )

    def _take_rows(
        self,
        rows: list[Row],
        version: int,
        wall: float,
        *,
        is_listed: bool = False,
        is_news: bool = True,
    ) -> list[tuple[Contact, Change]]:
        """`is_listed`: whether they were made from a roster. `is_news`: whether the user is told
        that the table has changed."""
        count = len(rows)  # those behind them come from a block, and were looked at by then
        changes: list[tuple[Contact, Change]] = []
        saved: list[Row] = []
        has_changed = False
        for place, row in enumerate(rows):
            shown_before = self.contacts.shown_instead(row.card.name)
            known = self.contacts.by_identity(row.card.identity)
            before = known.row if known is not None else None
            has_changed = has_changed or before is None or _differ(before, row)
            change = self.contacts.take_row(row, is_checked=is_listed or place >= count)
            if change is Change.KEY_CHANGED:
                self._note_block(row, shown_before)
            elif change is not Change.REFUSED and self.contacts.clears(row):
                has_changed = True
                self._out.records.append(NameCleared(name_key(row.card.name)))
                self._out.events.append(KeyRestored(name=row.card.name))
            contact = self.contacts.by_identity(row.card.identity)
            if contact is not None and change not in (Change.REFUSED, Change.KEY_CHANGED):
                changes.append((contact, change))
                saved.append(contact.row)
                free = self.contacts.given_up(before, contact) if before is not None else None
                if before is not None and free is not None:
                    self._out.records.append(NameCleared(name_key(before.card.name)))
                    rows.append(free)
                if row.card.identity != self._me:
                    if before is not None and before.card.name != contact.name:
                        self._tell_name(before, contact)
                    if contact.row.online is not (before is not None and before.online):
                        self._tell_presence(contact)
        is_newer = version != self.version
        self.version, self.saved_at = version, wall
        if rows or is_newer:
            upto = version if self.contacts.followed is None else self.known_upto
            self._out.records.append(RowsSaved(rows=tuple(saved), version=upto, at=wall))
        if has_changed and is_news:
            self._out.events.append(TableChanged())
        return changes

    def _note_block(self, row: Row, shown_before: bytes | None) -> None:
        """Store a block with its row, which the user may come to trust, and report each new key
        once."""
        shown = self.contacts.shown_instead(row.card.name)
        if shown != row.card.identity:
            return  # an older row than the one that blocks the name
        self._out.records.append(NameBlocked(name_key(row.card.name), row))
        if not row.card.is_signed:
            self.cards.ask([row.card.identity])
        if shown != shown_before:
            self._out.events.append(
                KeyChanged(name=row.card.name, is_again=shown_before is not None)
            )

    def _tell_name(self, before: Row, contact: Contact) -> None:
        """Report somebody's new name, also if they took it while we were away."""
        former = name_key(before.card.name)
        if former != name_key(contact.name):
            self._out.records.append(FormerName(contact.identity, former))
        self._out.events.append(Renamed(old=before.card.name, new=contact.name, is_me=False))

    def _tell_presence(self, contact: Contact) -> None:
        """Report that somebody came or went. What is found out afterwards, and of whom the user
        ignores, is no news."""
        if not (self._was_fresh or self.is_fresh):
            return
        row, is_known = contact.row, self.is_fresh and not self._catches_up
        is_quiet = not is_known or contact.identity in self.contacts.ignored
        if row.online:
            self._out.events.append(PersonCame(name=contact.name, is_quiet=is_quiet))
            return
        if not is_quiet:
            self._gone(contact.identity)  # told first: they left the room, then the network
        how = _ABSENCES.get(row.presence, Absence.LEFT)
        self._out.events.append(PersonAway(name=contact.name, how=how, is_quiet=is_quiet))


class NameSearch:
    """The search for one name."""

    __slots__ = ("deadline", "question")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.question: Search | int | None = None
        """What settles the search: an answer of the registry, or the one to the table request with
        this number. None while there is no link to ask on."""


class NameResolver:
    """Asks the registry whether somebody has a name that is not in our table."""

    def __init__(self, ctx: Context, table: Table, interest: Interest) -> None:
        self._table = table
        self._interest: Final = interest
        self._span = ctx.policy.give_up_after
        self.searches: Final[dict[str, NameSearch]] = {}
        self._alarm: Final = ctx.alarms.add(self._look)
        """Rings at each deadline, so that whoever waits asks again."""

    def find(self, name: str, *, can_ask: bool, now: float) -> LookUp:
        """Return what is known of a name that is not in the table. ASKING: call again after the
        next turn."""
        one = self.searches.get(name)
        # A search that is long over belongs to a caller that never came back for the answer.
        if one is None or now >= one.deadline + self._span:
            one = self.searches[name] = NameSearch(now + self._span)
            self._alarm.no_later_than(one.deadline)
        if one.question is None and can_ask:
            one.question = self._ask(name, now)
            return LookUp.ASKING
        is_answered = self._is_answered(one)
        if now < one.deadline and not is_answered:
            return LookUp.ASKING
        self.forget(name)
        return LookUp.UNKNOWN if is_answered else LookUp.UNANSWERED

    def _ask(self, name: str, now: float) -> Search | int:
        if self._interest.is_on:
            return self._interest.search(By.NAME, name, key=name_key(name))
        self._table.fetch_anew(now=now)
        return self._table.asked

    def _is_answered(self, search: NameSearch) -> bool:
        match search.question:
            case Search() as question:
                if question.is_lost:
                    search.question = None  # ask anew
                return question.answer is not None
            case None:
                return False
            case number:
                return not self._interest.is_on and number <= self._table.answered

    def scope_changed(self) -> None:
        """Ask anew: what was asked is not answered."""
        for search in self.searches.values():
            search.question = None

    def forget(self, name: str) -> None:
        """End the search for a name."""
        self.searches.pop(name, None)

    def _look(self, *, now: float) -> None:
        """Drop searches that nobody asks about any more."""
        dues = []
        for name, search in list(self.searches.items()):
            due = search.deadline if now < search.deadline else search.deadline + self._span
            if now < due:
                dues.append(due)
            else:
                del self.searches[name]
        self._alarm.deadline = min(dues, default=None)


def _differ(before: Row, row: Row) -> bool:
    """Whether two rows of one person differ in what a user sees: a sender index is no news, and
    comes with the link."""
    return (
        msgspec.structs.replace(row, sender_index=before.sender_index, version=before.version)
        != before
    )
