"""The conversations of a history: which there are, how far each is read, and which rows of the
tables belong to one."""

import sqlite3
from typing import Final, NamedTuple

import msgspec

from chatapp.peer.api.conversations import EVERYBODY, Conversation, ConversationKind, person, room
from chatapp.peer.api.events import SOMEBODY
from chatapp.peer.core.records import CHANNEL_MARK, KEY_SIZE, parties_of
from chatapp.peer.history import schema
from chatapp.peer.history.schema import damage_named
from chatapp.wire.errors import NameRefused
from chatapp.wire.names import name_key

UNREAD_MAX: Final = 1_000
"""Unread lines of one conversation that are counted; it stands for more as well."""

_ROWS: Final = """
SELECT conversations.id, key, conversations.registry, read, name, coalesce(doubt, 0),
    (SELECT coalesce(max(line), 0) FROM conversation_lines WHERE conversation = conversations.id)
    FROM conversations LEFT JOIN names ON names.identity = key AND conversations.registry = ?
    WHERE conversations.registry IN (?, ?)"""
_UNREAD: Final = f"""
SELECT count(*) FROM (SELECT 1 FROM conversation_lines
    JOIN lines ON lines.id = line JOIN streams ON streams.id = stream
    WHERE conversation_lines.conversation = ? AND line > ? AND NOT ours
        AND NOT EXISTS (SELECT 1 FROM ignored WHERE identity = substr(streams.key, -{KEY_SIZE}))
    LIMIT {UNREAD_MAX})"""


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A row of `_ROWS`."""

    id: int
    key: bytes
    registry: int
    read: int
    name: str | None
    doubt: int
    newest: int


class StoredConversation(NamedTuple):
    """One row of `conversations`. Several rows are one conversation if a person has had several
    keys."""

    id: int
    key: bytes
    is_group: bool
    what: Conversation
    read: int
    newest: int
    """The id of its newest line; 0 if none is indexed."""


class ConversationQueries:
    """Queries for the conversations of one history."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @damage_named()
    def all(self, registry: int) -> list[StoredConversation]:
        """Return the conversations with people, and those of the groups of this registry (its row
        in `registries`)."""
        everywhere = schema.EVERYWHERE
        found = self._db.execute(_ROWS, (everywhere, everywhere, registry)).fetchall()
        return [_stored(msgspec.convert(row, _Row)) for row in found]

    def rows_of(self, conversation: Conversation, registry: int) -> list[StoredConversation]:
        """Return the rows of one conversation; none if nothing was ever said in it."""
        rows = self.all(registry)
        exact = [row for row in rows if row.what == conversation]
        if exact or not conversation.name:
            return exact
        wanted = identity_of(conversation)
        return [row for row in rows if identity_of(row.what) == wanted]

    @damage_named()
    def unread(self, row: StoredConversation) -> int:
        """Return how many lines of others are newer than what the user has read, `UNREAD_MAX` at
        most."""
        if row.newest <= row.read:
            return 0
        return int(self._db.execute(_UNREAD, (row.id, row.read)).fetchone()[0])


def identity_of(conversation: Conversation) -> tuple[ConversationKind, str, bool]:
    """Return what two values of the same conversation have in common, in whatever case the name is
    written."""
    try:
        name = name_key(conversation.name)
    except NameRefused:
        name = conversation.name
    return conversation.kind, name, conversation.is_claimed


def _stored(row: _Row) -> StoredConversation:
    is_group = row.registry != schema.EVERYWHERE
    if not is_group:
        what = person(row.name or SOMEBODY, is_claimed=row.doubt != 0)
    elif row.key == CHANNEL_MARK:
        what = EVERYBODY
    else:
        what = room(parties_of(row.key, is_ours=True).room or "")
    return StoredConversation(row.id, row.key, is_group, what, row.read, row.newest)
