"""This file is about our copy of the table: batches in order, gaps asked for, rows saved for a start without registry.

It knows versions; what a changed row means for messages is the ladder's.
"""

from collections.abc import Callable

import msgspec

from peer.core.contact import Contact
from peer.core.contacts import Change, Contacts
from peer.core.events import (
    KeyChanged,
    KeyRestored,
    PersonBanned,
    PersonLeft,
    PersonLost,
    Renamed,
    TableChanged,
)
from peer.core.outputs import Outputs
from peer.core.records import FormerName, NameBlocked, NameCleared, RowsSaved
from wire.codec import decode_row
from wire.messages.table import FetchTable, Presence, Row, TableBatch, TablePage
from wire.names import name_key

FETCH_TIMEOUT = 2.0
"""Seconds after which an unanswered question for rows is asked again."""


class Table:
    """Our copy, and how far it goes."""

    def __init__(
        self, contacts: Contacts, outputs: Outputs, *, version: int, saved_at: float, me: bytes = b""
    ) -> None:
        self._contacts = contacts
        self._me = me
        self._out = outputs
        self._fetching_since: float | None = None
        self.asked = 0
        self.answered = 0
        """Questions for rows sent and answered on this link; answers come in the order of the questions."""
        self.before_gone: Callable[[bytes], None] = lambda identity: None
        """Called before somebody is said to be gone: what they leave thereby is said first."""
        self.version = version
        self.saved_at = saved_at
        self.is_fresh = False
        """Whether we have heard all that the registry knew when the present link came up."""

    def link_lost(self) -> None:
        """Nothing asked for will be answered."""
        self._fetching_since = None
        self.asked = self.answered = 0
        self.is_fresh = False

    def begin_anew(self) -> None:
        """The registry's versions have gone back: whatever it tells from now on is newer than what we hold."""
        self.version = 0
        self._contacts.forget_versions()
        self._out.records.append(RowsSaved(rows=(), version=0, at=self.saved_at))

    def fetch(self, *, now: float) -> None:
        """Ask for what we miss, unless that is being answered right now. Only while the link is up."""
        if self._fetching_since is None or now >= self._fetching_since + FETCH_TIMEOUT:
            self.fetch_anew(now=now)

    def fetch_anew(self, *, now: float) -> None:
        """Ask for what changed up to this very moment. Only while the link is up."""
        self.asked += 1
        self._ask(now)

    def take_page(self, page: TablePage, *, now: float, wall: float) -> list[tuple[Contact, Change]]:
        """An answer over the link, or the first part of one: the next is asked for. Raises DecodeError; the question
        then counts as not answered."""
        changes: list[tuple[Contact, Change]] = []
        if page.since <= self.version <= page.version:  # else a batch has overtaken the question
            changes = self._take_rows(page.rows, page.version, wall)
        if page.more:
            self._ask(now)
        else:
            self._fetching_since = None
            self.answered += 1
            self.is_fresh = True
        return changes

    def take_batch(self, batch: TableBatch, *, wall: float) -> list[tuple[Contact, Change]] | None:
        """A broadcast. None when rows before it are missing: fetch. Raises DecodeError."""
        if batch.version <= self.version:
            return []
        if batch.since > self.version or not batch.rows:
            return None
        return self._take_rows(batch.rows, batch.version, wall)

    def _ask(self, now: float) -> None:
        self._fetching_since = now
        self._out.requests.append(FetchTable(since=self.version))

    def _take_rows(
        self, encoded: list[msgspec.Raw], version: int, wall: float
    ) -> list[tuple[Contact, Change]]:
        rows = [decode_row(raw) for raw in encoded]
        changes: list[tuple[Contact, Change]] = []
        saved: list[Row] = []
        for row in rows:
            shown_before = self._contacts.shown_instead(row.card.name)
            known = self._contacts.by_identity(row.card.identity)
            before = known.row if known is not None else None
            change = self._contacts.take_row(row)
            if change is Change.KEY_CHANGED:
                self._note_block(row, shown_before)
            elif change is not Change.REFUSED and self._contacts.clears(row):
                self._out.records.append(NameCleared(name_key(row.card.name)))
                self._out.events.append(KeyRestored(name=row.card.name))
            contact = self._contacts.by_identity(row.card.identity)
            if contact is not None and change not in (Change.REFUSED, Change.KEY_CHANGED):
                changes.append((contact, change))
                saved.append(contact.row)
                free = self._contacts.given_up(before, contact) if before is not None else None
                if before is not None and free is not None:
                    self._out.records.append(NameCleared(name_key(before.card.name)))
                    rows.append(free)
                if before is not None and row.card.identity != self._me:
                    self._tell(before, contact)
        self.version, self.saved_at = version, wall
        if rows:
            self._out.records.append(RowsSaved(rows=tuple(saved), version=version, at=wall))
            self._out.events.append(TableChanged())
        return changes

    def _note_block(self, row: Row, shown_before: bytes | None) -> None:
        """The block outlives the program, and so does the row: it may come to be trusted. Each new key is told."""
        shown = self._contacts.shown_instead(row.card.name)
        if shown != row.card.identity:
            return  # an older row than the one that blocks the name
        self._out.records.append(NameBlocked(name_key(row.card.name), row))
        if shown != shown_before:
            self._out.events.append(KeyChanged(name=row.card.name, is_again=shown_before is not None))

    def _tell(self, before: Row, contact: Contact) -> None:
        """What people want to know of somebody. What changed while we were away ourselves is not told, but for names."""
        row = contact.row
        if before.card.name != row.card.name:
            former = name_key(before.card.name)
            if former != name_key(row.card.name):
                self._out.records.append(FormerName(contact.identity, former))
            self._out.events.append(Renamed(old=before.card.name, new=row.card.name, is_me=False))
        is_gone = self.is_fresh and before.presence is Presence.ONLINE
        if not is_gone or contact.identity in self._contacts.ignored:
            return
        if not row.online:
            self.before_gone(contact.identity)
        if row.presence is Presence.AWAY:
            self._out.events.append(PersonLeft(name=row.card.name))
        elif row.presence is Presence.LOST:
            self._out.events.append(PersonLost(name=row.card.name))
        elif row.presence is Presence.BANNED:
            self._out.events.append(PersonBanned(name=row.card.name))
