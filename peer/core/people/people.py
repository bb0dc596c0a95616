"""Whom we know: the table, their names and keys, what waits until we know somebody, and what the user
has decided about keys and about whom to ignore.

A name whose key has changed is blocked until the user trusts the new key, which then replaces the
old one. The user states the digits of the key, so that no other key is trusted if the registry
shows yet another one meanwhile.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from chatapp.peer.api import events
from chatapp.peer.core.contacts import Change, Contact, Contacts, doubt_about
from chatapp.peer.core.context import Context, RegistryChange, RegistryReach, Routes
from chatapp.peer.core.people.interest import Interest
from chatapp.peer.core.people.table import NameResolver, Table
from chatapp.peer.core.records import (
    KEY_SIZE,
    IgnoreChanged,
    Loaded,
    NameCleared,
    PersonVerified,
    RowsSaved,
)
from chatapp.wire.buckets import Buckets
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import CARDS_MAX, FINDS_BURST, FINDS_PER_SECOND, STATUS_MAX
from chatapp.wire.messages.mail import MailBatch
from chatapp.wire.messages.rooms import GroupPage
from chatapp.wire.messages.table import (
    CardsShown,
    Found,
    Page,
    PresenceChanged,
    RosterPage,
    Row,
    SetStatus,
    Sight,
    TablePage,
    TableScope,
)
from chatapp.wire.names import name_key
from chatapp.wire.text import sanitize

ROUNDS: Final = 5_200
"""Hashes for each half. An attacker who searches a key with the same half pays them for every key
tried."""

HALVES_KEPT: Final = 8
"""Halves that are not computed again at once: our own is a part of every number."""

_PURPOSE: Final = b"chatapp safety 1\0"
_GROUPS: Final = 6
_GROUP_BYTES: Final = 5
_GROUP_DIGITS: Final = 5


def safety_number(one: bytes, other: bytes) -> str:
    """Return the 60 digits of two identity keys, the same in either order."""
    return "".join(sorted((half_of(one), half_of(other))))


@lru_cache(maxsize=HALVES_KEPT)
def half_of(identity: bytes) -> str:
    """Return the 30 digits of an identity key (protocol clause 3.7)."""
    digest = hashlib.sha512(_PURPOSE + identity).digest()
    for _ in range(ROUNDS - 1):
        digest = hashlib.sha512(digest + identity).digest()
    starts = range(0, _GROUPS * _GROUP_BYTES, _GROUP_BYTES)
    groups = [int.from_bytes(digest[start : start + _GROUP_BYTES]) for start in starts]
    return "".join(f"{group % 10**_GROUP_DIGITS:0{_GROUP_DIGITS}}" for group in groups)


class TrustDecisions:
    """The user's decisions about people."""

    def __init__(
        self,
        ctx: Context,
        table: Table,
        *,
        replaced: Callable[[Contact, Contact, float], None],
    ) -> None:
        """`replaced` is told that a contact was replaced by another one."""
        self._ctx: Final = ctx
        self._out = ctx.out
        self._contacts: Final = table.contacts
        self.table: Final = table
        self._replaced: Final = replaced
        self._shown: dict[str, str] = {}
        """The digits that `/verify` showed last, by the key of the name."""

    def number(self, name: str) -> events.SafetyNumber | events.NobodyKnown:
        """Return the digits to compare. For a blocked name they are those of the key that the
        registry shows now."""
        row, is_changed = self._in_question(name)
        if row is None:
            return events.NobodyKnown(name=name)
        identity = row.card.identity
        digits = self._shown[name_key(name)] = self._digits_of(identity)
        return events.SafetyNumber(
            name=row.card.name,
            digits=digits,
            is_own_first=digits.startswith(half_of(self._ctx.me.identity.public)),
            is_verified=identity in self._contacts.verified,
            is_changed=is_changed,
        )

    def accept(
        self, name: str, digits: str | None, *, now: float
    ) -> events.Trusted | events.NotTrusted | events.NobodyKnown:
        """Trust the key with these digits for a name, if the registry shows it now. Pending
        messages to the old key, except saved mail, go to the new one."""
        row, is_changed = self._in_question(name)
        contact = self._contacts.by_name(name)
        if row is None or contact is None or (is_changed and not row.card.is_signed):
            return events.NobodyKnown(name=name)
        typed = None if digits is None else re.sub(r"[\s-]", "", digits)
        doubt = doubt_about(
            typed, self._digits_of(row.card.identity), shown=self._shown.get(name_key(name))
        )
        if doubt is not None:
            return events.NotTrusted(name=row.card.name, why=doubt)
        if is_changed:
            self._replace(contact, row, now)
        self._contacts.verified.add(row.card.identity)
        self._contacts.changed()
        self._out.records.append(PersonVerified(row.card.identity))
        return events.Trusted(name=row.card.name, is_new=is_changed)

    # --- ignoring

    def ignore(self, name: str, *, is_ignored: bool) -> events.Ignored | events.NobodyKnown:
        """Ignore somebody, or stop. It goes by identity, so a new name changes nothing. Their
        messages are still acknowledged and stored."""
        contact = self._contacts.by_name(name)
        if contact is None or self._is_own(contact.row):
            return events.NobodyKnown(name=name)
        if is_ignored:
            self._contacts.ignored.add(contact.identity)
        else:
            self._contacts.ignored.discard(contact.identity)
        self._out.records.append(IgnoreChanged(contact.identity, is_ignored))
        return events.Ignored(name=contact.name, is_ignored=is_ignored)

    def _replace(self, old: Contact, row: Row, now: float) -> None:
        key = name_key(row.card.name)
        self._contacts.verified.discard(old.identity)
        self._contacts.let_go(old)
        del self._contacts.blocked[key]
        self._contacts.take_row(row)
        new = self._contacts.by_identity(row.card.identity)
        if new is None:
            return
        self._out.records += [
            NameCleared(key, replaced=old.identity),
            RowsSaved(rows=(row,), version=self.table.version, at=self.table.saved_at),
        ]
        self._replaced(old, new, now)

    def _digits_of(self, identity: bytes) -> str:
        return safety_number(self._ctx.me.identity.public, identity)

    def _in_question(self, name: str) -> tuple[Row | None, bool]:
        """Return the row whose key is to be compared for a name, and whether that key differs from
        the one that we hold. The row is None for an unknown name and for our own."""
        contact, blocked = self._contacts.by_name(name), self._blocked(name)
        row = blocked or (contact.row if contact is not None else None)
        return (None if row is None or self._is_own(row) else row), blocked is not None

    def _blocked(self, name: str) -> Row | None:
        try:
            return self._contacts.blocked.get(name_key(name))
        except NameRefused:
            return None

    def _is_own(self, row: Row) -> bool:
        return row.card.identity == self._ctx.me.identity.public


class Standing:
    """What our row says of us, as the user wants it. The registry forgets it when it is started
    again, so it is told again whenever our row says something else."""

    def __init__(self, ctx: Context, row: Row | None) -> None:
        """`row`: our own, as an earlier run knew it."""
        self._out = ctx.out
        self._status: Final = ctx.status
        self.text = "" if row is None else row.status
        """What the user says of themselves."""
        self.away: str | None = None
        """Why the user does not answer; None: they do, as whoever starts a program."""
        self._is_settled = False
        """Whether the text is that of this run, and not only what an earlier one knew."""

    def change(self, text: str | None, away: str | None) -> events.StatusSet:
        """Set what our row says. `text`: None leaves it as it is."""
        if text is not None:
            self.text, self._is_settled = _fitted(text), True
        self.away = None if away is None else _fitted(away)
        self._tell()
        is_later = self._status.reach is not RegistryReach.UP
        return events.StatusSet(status=self.text, away=self.away, is_later=is_later)

    def row_came(self, row: Row) -> None:
        """Take our own row."""
        if not self._is_settled:
            self.text, self._is_settled = row.status or self.text, True
        if (row.status, row.away) != (self.text, self.away):
            self._tell()

    def _tell(self) -> None:
        if self._status.reach is RegistryReach.UP:
            self._out.requests.append(SetStatus(self.text, self.away))


def _fitted(text: str) -> str:
    return sanitize(text.strip())[:STATUS_MAX]


Authored = MailBatch | GroupPage
"""Notices with things that people have said."""


class PeopleHub(Protocol):
    """Who is told of changes in the table."""

    def person_gone(self, identity: bytes) -> None:
        """Note that somebody goes offline; the user is told right after that."""

    def key_replaced(self, old: Contact, new: Contact, now: float) -> None:
        """Note that the user trusts another key for a name."""

    def rows_changed(self, changes: Sequence[tuple[Contact, Change]], *, now: float) -> None:
        """Apply changed rows."""

    def authors_known(self, notices: Sequence[Authored], *, now: float) -> None:
        """Take notices whose authors' rows are here, as far as they will come."""


class Roster:
    """The subject `people` of a peer (a `People`)."""

    def __init__(self, ctx: Context, hub: PeopleHub, loaded: Loaded) -> None:
        self._ctx: Final = ctx
        self._hub: Final = hub
        self.table: Final = Table(
            ctx, gone=hub.person_gone, version=loaded.version, saved_at=loaded.table_at
        )
        self.interest: Final = Interest(ctx, self.table.contacts)
        self._resolver: Final = NameResolver(ctx, self.table, self.interest)
        self.contacts: Final[Contacts] = self.table.contacts
        self.trust: Final = TrustDecisions(ctx, self.table, replaced=hub.key_replaced)
        self.progressed: Final = self.table.progressed
        self.find: Final = self._resolver.find
        self.searches: Final = self._resolver.searches
        self.forget: Final = self._resolver.forget
        self.routes: Final[Routes] = {
            MailBatch: self._authors_speak,
            GroupPage: self._authors_speak,
            TableScope: self._scope_came,
            PresenceChanged: self._people_came,
            Found: self._found,
        }
        self._waiting: list[Authored] = []
        """Mail and pages of group logs that wait for the rows of their authors, in order."""
        self._is_linked = False
        """Whether the link is granted."""
        self._strangers: Final[Buckets[bytes]] = Buckets(rate=FINDS_PER_SECOND, burst=FINDS_BURST)
        """How often we ask for somebody who writes to us and whom we do not know."""
        self._known_by = 0
        """The number of the table request whose answer has the rows of all authors that wait."""
        for row in loaded.rows:
            self.contacts.take_row(_capped(row, loaded.version), is_checked=True)
        for row in loaded.blocked:
            self.contacts.block(_capped(row, loaded.version))
        for identity, key in loaded.former_names.items():
            self.contacts.also_called(identity, key)
        own = self.contacts.by_identity(ctx.me.identity.public)
        self.standing: Final = Standing(ctx, None if own is None else own.row)
        self.contacts.ignored.update(loaded.ignored)
        self.contacts.verified.update(loaded.verified)

    # --- for other subjects

    @property
    def version(self) -> int:
        """The newest version of the table of which we know something."""
        return max(self.table.version, self.interest.seen)

    @property
    def saved_at(self) -> float:
        """The Unix time up to which it is complete."""
        return self.table.saved_at

    @property
    def is_fresh(self) -> bool:
        """Whether we have all rows that the registry had when the present link came up."""
        return self.table.is_fresh

    # --- what the registry says

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        """Ask for rows on a new link; forget on what the old one was asked."""
        if change in (RegistryChange.GRANTED, RegistryChange.GRANTED_ANEW):
            self._is_linked = True
        match change:
            case RegistryChange.GRANTED if self.interest.is_on:
                self._begin_interest()
            case RegistryChange.GRANTED_ANEW if self.interest.is_on:
                self.table.count_from_nothing()
                self.interest.forget_versions()
                self._begin_interest()
            case RegistryChange.GRANTED:
                self.interest.begin_whole()
                self.table.fetch_anew(now=now)
                self.table.cards.link_came()
            case RegistryChange.GRANTED_ANEW:
                self.interest.begin_whole()
                self.interest.forget_versions()
                self.table.fetch_whole(now=now)
                self.table.cards.link_came()
            case RegistryChange.LINK_LOST:
                self._is_linked = False
                self.table.link_lost()
                self.interest.link_lost()
                self._waiting.clear()
                self._known_by = 0
            case RegistryChange.RESTORED:
                self.table.begin_anew()
                self.interest.forget_versions()

    def _begin_interest(self) -> None:
        self.interest.begin(since=self.table.known_upto)
        self.table.cards.link_came()

    def _scope_came(self, notice: TableScope, *, now: float) -> None:
        """Take of whom we are told from now on."""
        if not self.interest.scope_came(notice):
            return
        self._resolver.scope_changed()
        self.table.give_up()
        self._known_by = 0
        if not self._is_linked:
            return  # all is asked when the link is granted
        if self.interest.is_on:
            self.interest.begin(since=self.table.known_upto)
        else:
            self.interest.begin_whole()
            self.table.catch_up(now=now)
        self._ask_for_authors(self._waiting, now)

    def _people_came(self, notice: PresenceChanged, *, now: float) -> None:
        """Take rows of people whom we watch."""
        self._sights_came(notice.people, is_news=self.interest.people_came(notice), now=now)
        if self.interest.is_on and self.interest.is_answered:
            self.table.became_fresh()
        self.release(now=now)

    def _found(self, notice: Found, *, now: float) -> None:
        """Take who was looked for, and want to be told of them from now on: nobody is asked for twice
        on a link, and what we know of them would grow old."""
        found = self.interest.found(notice, now=now)
        self._sights_came(found, is_news=False, now=now)
        for sight in found:
            if (contact := self.contacts.by_identity(sight.key)) is not None:
                self.contacts.touch(contact)

    def _sights_came(self, sights: Sequence[Sight], *, is_news: bool, now: float) -> None:
        changes = self.table.take_sights(sights, wall=self._ctx.wall(now), is_news=is_news)
        self._hub.rows_changed(changes, now=now)

    # --- whom we are told of

    def stranger_wrote(self, identity: bytes, *, now: float) -> None:
        """Ask who that is, if the registry tells us only of some people. What they sent comes
        again. Anybody can send datagrams in many names, so we do not ask for each."""
        if (
            self._is_linked
            and self.interest.is_on
            and len(identity) == KEY_SIZE
            and self._strangers.take(b"", now=now)
        ):
            self.table.cards.ask([identity])

    def is_vouched(self, contact: Contact, key: str) -> bool:
        """Whether the registry would have told us if the name with this key were somebody else's
        by now."""
        if not self.interest.is_on or self.interest.has_asked_for(key):
            return True
        is_bearer = not contact.is_released and name_key(contact.name) == key
        return is_bearer and self.contacts.is_followed(contact)

    def fetch(self, *, now: float) -> None:
        """Ask for the rows that we miss, unless that is asked, or we are not told of everybody. Only
        while the link is up."""
        if not self.interest.is_on:
            self.table.fetch(now=now)

    def seek_speaker(self, sender_index: int, *, now: float) -> None:
        """Ask who seals group frames under this index. Only while the link is up."""
        if self.interest.is_on:
            self.interest.seek_speaker(sender_index)
        else:
            self.table.fetch(now=now)

    def seek(self, identities: Iterable[bytes], *, is_anew: bool = True, now: float) -> None:
        """Ask for the rows of these people, of whom some are unknown. `is_anew`: also if rows are
        asked for already. Only while the link is up."""
        if self.interest.is_on:
            self.table.cards.ask(one for one in identities if not self.contacts.by_identity(one))
        elif is_anew:
            self.table.fetch_anew(now=now)
        else:
            self.table.fetch(now=now)

    def page_came(
        self, page: TablePage | RosterPage, *, now: float
    ) -> list[tuple[Contact, Change]]:
        """Take a page of rows. Return whose rows have changed. Raises DecodeError."""
        return self.table.take_page(page, now=now, wall=self._ctx.wall(now))

    def cards_came(
        self, notice: CardsShown, *, now: float
    ) -> tuple[list[tuple[Contact, Change]], list[Contact]]:
        """Take whole rows. Return whose rows have changed, and for whom nobody has to wait any
        more. Raises DecodeError."""
        answered = self.table.cards.answered()
        changes = self.table.take_cards(notice, wall=self._ctx.wall(now))
        self.release(now=now)
        return changes, [
            contact
            for identity in answered
            if (contact := self.contacts.by_identity(identity)) is not None
        ]

    def meet(self, contacts: Iterable[Contact]) -> None:
        """Ask for the cards of some of these people, who are to be reached without the registry as
        well."""
        wanted = [one.identity for one in contacts if not one.is_current]
        self.table.cards.ask(wanted[:CARDS_MAX])

    def wants_cards(self) -> bool:
        """Ask for all cards that may not be the newest, if the registry is in reach. Return whether
        answers are to come."""
        if self._ctx.status.reach is RegistryReach.UP:
            self.table.cards.ask(
                one.identity
                for one in self.contacts
                if not one.is_current and self.contacts.is_followed(one)
            )
        return self.awaits_cards

    @property
    def awaits_cards(self) -> bool:
        """Whether answers about cards are to come from a registry in reach."""
        return self.table.cards.are_awaited and self._ctx.status.reach is RegistryReach.UP

    def awaits_card(self, contact: Contact) -> bool:
        """Ask for the card of somebody if it may not be the newest. Return whether the answer is to
        come."""
        self.table.cards.ask([contact.identity])
        return self.table.cards.is_awaited(contact.identity)

    def awaits_rows(self, identities: Iterable[bytes]) -> bool:
        """Whether rows of some of these people were asked for one by one and are to come."""
        return self._ctx.status.reach is RegistryReach.UP and any(
            map(self.table.cards.is_awaited, identities)
        )

    def batch_came(self, batch: Page, *, now: float) -> list[tuple[Contact, Change]]:
        """Take a broadcast. Return whose rows have changed. Raises DecodeError."""
        return self.table.take_batch(batch, wall=self._ctx.wall(now)) or []

    def _authors_speak(self, notice: Authored, *, now: float) -> None:
        """Take a notice, or hold it back while an author is unknown: the broadcast of a new
        author's row may be lost."""
        self._waiting.append(notice)
        self._ask_for_authors([notice], now)
        self.release(now=now)

    def _ask_for_authors(self, notices: Sequence[Authored], now: float) -> None:
        """Ask for the rows of authors whom we do not know."""
        unknown = {
            author
            for notice in notices
            for author in _authors(notice)
            if self.contacts.by_identity(author) is None
        }
        if unknown and (self.table.is_fresh or self.interest.is_on):
            self.seek(unknown, now=now)
            self._known_by = self.table.asked

    def release(self, *, now: float) -> None:
        """Hand out what waits for authors, if these are known."""
        if not self.table.is_fresh or self.table.answered < self._known_by:
            return
        if self.interest.is_on and any(
            self.table.cards.is_awaited(author)
            for notice in self._waiting
            for author in _authors(notice)
        ):
            return
        waiting, self._waiting = self._waiting, []
        self._hub.authors_known(waiting, now=now)


def _authors(notice: Authored) -> Iterator[bytes]:
    said = notice.letters if isinstance(notice, MailBatch) else notice.lines
    return (one.sender for one in said)


def _capped(row: Row, version: int) -> Row:
    """Return the row with version 0, so that any that comes is newer, and without a sender index,
    if it is another registry's (version 0), or newer than the table: ours was restored since."""
    is_ours = 0 < row.version <= version
    return row if is_ours else msgspec.structs.replace(row, version=0, sender_index=0)
