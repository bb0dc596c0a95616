"""How far the user has read each conversation, as requests say it."""

from typing import TYPE_CHECKING, Final, NamedTuple

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.requests import MarkRead
from chatapp.peer.history.query import MessageQueries, StoredConversation

if TYPE_CHECKING:
    from chatapp.peer.node.local import PeerNode


class _Group(NamedTuple):
    registry: int
    """The row of its registry in the history."""
    key: bytes
    read: int
    """The id of the line up to which it is read."""


class ReadMarks:
    """Takes note of what is read. A group is looked up in the history once in a run: each window of
    each member marks each line of a room, and a look files the journal first."""

    def __init__(self, node: "PeerNode") -> None:
        self._node: Final = node
        self._groups: Final[dict[Conversation, _Group]] = {}

    async def mark(self, request: MarkRead) -> None:
        """Carry out the request. Raises sqlite3.Error, NotOpen."""
        node, what = self._node, request.conversation
        registry = node.storage.registry
        known = self._groups.get(what)
        if known is not None and known.registry == registry and request.id <= node.core.newest_line:
            if request.id > known.read:
                self._groups[what] = known._replace(read=request.id)
                node.core.mark_read(what, [(known.key, True)], request.id)
                node.schedule()
            return

        def read(lines: MessageQueries) -> list[tuple[StoredConversation, int]]:
            talks = lines.conversations
            rows = talks.rows_of(what, registry)
            return [
                (row, 0 if row.is_group else talks.newest_read(row, request.id)) for row in rows
            ]

        found = await node.storage.read(read, by_index=True)
        rows = [row for row, _ in found]
        id_ = min(request.id, max((row.newest for row in rows), default=0))
        if any(row.read < id_ for row in rows):
            node.core.mark_read(rows[0].what, [(row.key, row.is_group) for row in rows], id_)
            numbers = {row.key: number for row, number in found if number}
            node.core.direct.user_saw(numbers, now=node.now())
            node.schedule()
        if len(rows) == 1 and rows[0].is_group and rows[0].what == what:
            self._groups[what] = _Group(registry, rows[0].key, max(id_, rows[0].read))
