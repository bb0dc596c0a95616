"""Whom we know: the table, their names and keys, and what waits until we know somebody."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from chatapp.peer.core.contacts import Change, Contact, Contacts
from chatapp.peer.core.context import Context, RegistryChange, Routes
from chatapp.peer.core.people.table import NameResolver, Table
from chatapp.peer.core.people.trust import TrustDecisions
from chatapp.peer.core.records import Loaded
from chatapp.wire.messages.mail import MailBatch
from chatapp.wire.messages.rooms import GroupPage
from chatapp.wire.messages.table import Row, TableBatch, TablePage

Authored = MailBatch | GroupPage
"""Notices with things that people have said."""


class PeopleHub(Protocol):
    """Who is told of changes in the table."""

    def person_gone(self, identity: bytes) -> None:
        """Note that somebody goes offline; the user is told right after that."""

    def key_replaced(self, old: Contact, new: Contact, now: float) -> None:
        """Note that the user trusts another key for a name."""

    def authors_known(self, notices: Sequence[Authored], *, now: float) -> None:
        """Take notices whose authors' rows are here, as far as they will come."""


class Roster:
    """The subject `people` of a peer (a `People`)."""

    def __init__(self, ctx: Context, hub: PeopleHub, loaded: Loaded) -> None:
        self._ctx: Final = ctx
        self._hub: Final = hub
        self._table: Final = Table(
            ctx, gone=hub.person_gone, version=loaded.version, saved_at=loaded.table_at
        )
        self._resolver: Final = NameResolver(ctx, self._table)
        self.contacts: Final[Contacts] = self._table.contacts
        self.trust: Final = TrustDecisions(ctx, self._table, replaced=hub.key_replaced)
        self.fetch: Final = self._table.fetch
        self.fetch_anew: Final = self._table.fetch_anew
        self.find: Final = self._resolver.find
        self.searches: Final = self._resolver.searches
        self.forget: Final = self._resolver.forget
        self.routes: Final[Routes] = {
            MailBatch: self._authors_speak,
            GroupPage: self._authors_speak,
        }
        self._waiting: list[Authored] = []
        """Mail and pages of group logs that wait for the rows of their authors, in order."""
        self._known_by = 0
        """The number of the table request whose answer has the rows of all authors that wait."""
        for row in loaded.rows:
            self.contacts.take_row(_capped(row, loaded.version), is_checked=True)
        for row in loaded.blocked:
            self.contacts.block(_capped(row, loaded.version))
        for identity, key in loaded.former_names.items():
            self.contacts.also_called(identity, key)
        self.contacts.ignored.update(loaded.ignored)
        self.contacts.verified.update(loaded.verified)

    # --- for other subjects

    @property
    def version(self) -> int:
        """The version of our copy of the table."""
        return self._table.version

    @property
    def saved_at(self) -> float:
        """The Unix time up to which it is complete."""
        return self._table.saved_at

    @property
    def is_fresh(self) -> bool:
        """Whether we have all rows that the registry had when the present link came up."""
        return self._table.is_fresh

    # --- what the registry says

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        """Ask for rows on a new link; forget on what the old one was asked."""
        match change:
            case RegistryChange.LINK_UP:
                self._table.fetch_anew(now=now)
            case RegistryChange.LINK_LOST:
                self._table.link_lost()
                self._waiting.clear()
                self._known_by = 0
            case RegistryChange.RESTARTED:
                self.contacts.forget_sender_indices()
            case RegistryChange.RESTORED:
                self._table.begin_anew()

    def page_came(self, page: TablePage, *, now: float) -> list[tuple[Contact, Change]]:
        """Take a page of rows. Return whose rows have changed. Raises DecodeError."""
        return self._table.take_page(page, now=now, wall=self._ctx.wall(now))

    def batch_came(self, batch: TableBatch, *, now: float) -> list[tuple[Contact, Change]]:
        """Take a broadcast of rows. Return whose rows have changed. Raises DecodeError."""
        return self._table.take_batch(batch, wall=self._ctx.wall(now)) or []

    def _authors_speak(self, notice: Authored, *, now: float) -> None:
        """Take a notice, or hold it back while an author is unknown: the broadcast of a new
        author's row may be lost."""
        self._waiting.append(notice)
        if self._table.is_fresh and any(
            self.contacts.by_identity(author) is None for author in _authors(notice)
        ):
            self._table.fetch_anew(now=now)
            self._known_by = self._table.asked
        self.release(now=now)

    def release(self, *, now: float) -> None:
        """Hand out what waits for authors, if these are known."""
        if self._table.is_fresh and self._table.answered >= self._known_by:
            waiting, self._waiting = self._waiting, []
            self._hub.authors_known(waiting, now=now)


def _authors(notice: Authored) -> Iterator[bytes]:
    said = notice.letters if isinstance(notice, MailBatch) else notice.lines
    return (one.sender for one in said)


def _capped(row: Row, version: int) -> Row:
    """Return the row with version 0 if it is newer than the table: the registry was restored from a
    backup since, and any row that it sends now is newer than this one."""
    return row if row.version <= version else msgspec.structs.replace(row, version=0)
