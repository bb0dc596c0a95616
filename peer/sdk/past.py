"""The past of a peer: pages of its history, searches, conversations, and how a line was delivered.

Everything is read from the disk, beside the event loop: however long the history is, nothing else
waits for it.
"""

from collections.abc import Callable
from typing import Final

from chatapp.peer.api.conversations import DESK, Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import ConversationState, DeliveryTrace
from chatapp.peer.api.trace import Raw, readable, unpacked
from chatapp.peer.core.records import FINAL
from chatapp.peer.history.conversations import UNREAD_MAX, identity_of
from chatapp.peer.history.query import MessageQueries, StoredLine, shown
from chatapp.peer.node.local import PeerNode

PAGE: Final = 50
"""Lines of a page, if nothing else is asked for."""

PAGE_MAX: Final = 1_000
"""Lines of a page at most."""


class Past:
    """What was said, by us and to us, as far as it is kept: the newest 1,000,000 lines. Lines of
    people whom we ignore are left out. Every method raises NotOpen, and sqlite3.Error when the
    history cannot be read."""

    def __init__(self, open_node: Callable[[], PeerNode]) -> None:
        """`open_node` raises NotOpen while there is none."""
        self._open_node: Final = open_node

    async def page(
        self,
        conversation: Conversation | None = None,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = PAGE,
        only_shown: bool = False,
    ) -> list[Said]:
        """Return the newest `limit` lines (1,000 at most) of a conversation, or of all, oldest
        first. `before`: only lines older than the one with this id. `after`: the lines that follow
        the one with this id, the oldest of them first. `only_shown`: without the lines that were
        not shown yet, which events give again."""
        node = self._open_node()
        registry, me = node.registry, node.name

        def read(lines: MessageQueries) -> list[Said]:
            among = _ids(lines, conversation, registry)
            if among is None:
                return []
            found = lines.page(
                among, limit=_bounded(limit), before=before, after=after, only_shown=only_shown
            )
            return [shown(line, me) for line in found]

        return await node.read(read, by_index=conversation is not None)

    async def around(self, id_: int, *, limit: int = PAGE) -> list[Said]:
        """Return lines of the same conversation around the one with this id, which is among them:
        half of them older, half newer, oldest first. Empty when there is no such line."""
        node = self._open_node()
        registry, me = node.registry, node.name

        def read(lines: MessageQueries) -> list[Said]:
            line = lines.by_id(id_)
            if line is None:
                return []
            among = _ids(lines, shown(line, me).conversation, registry)
            if among is None:
                return [shown(line, me)]  # a line of a group at another registry
            half = _bounded(limit) // 2
            older = lines.page(among, limit=half, before=id_ + 1) or [line]
            newer = lines.page(among, limit=_bounded(limit) - len(older), after=id_)
            return [shown(one, me) for one in (*older, *newer)]

        return await node.read(read, by_index=True)

    async def search(
        self,
        words: str,
        *,
        conversation: Conversation | None = None,
        before: int | None = None,
        limit: int = PAGE,
    ) -> list[Said]:
        """Return the newest `limit` lines (1,000 at most) that have all the words, oldest first.
        The last word may be the beginning of one. Case, diacritics and punctuation do not matter.
        Without a word, nothing is found. `conversation`: only its lines. `before`: only lines older
        than the one with this id."""
        node = self._open_node()
        registry, me = node.registry, node.name

        def read(lines: MessageQueries) -> list[Said]:
            among = _ids(lines, conversation, registry)
            if among is None:
                return []
            found = lines.search(words, _bounded(limit), among=among or None, before=before)
            return [shown(line, me) for line in found]

        return await node.read(read, by_index=True)

    async def why(self, id_: int | None = None) -> DeliveryTrace | None:
        """Return how the line with this id was delivered; without an id, our own newest line. None
        if there is no such line."""
        node = self._open_node()

        def read(lines: MessageQueries) -> StoredLine | None:
            return lines.last_own() if id_ is None else lines.by_id(id_)

        line = await node.read(read, by_index=False)
        if line is None:
            return None
        steps: tuple[Raw, ...] = ()
        if line.outgoing and line.state not in FINAL:
            steps = node.core.steps_under_way(line.stream, line.number)
            if not steps:  # it was settled, or got another number, while it was read
                id_ = line.id
                line = await node.read(read, by_index=False) or line
        steps = steps or unpacked(line.trace, line.at_ms)
        return DeliveryTrace(line=shown(line, node.name), steps=readable(steps, line.at_ms))

    async def conversations(self) -> list[ConversationState]:
        """Return every conversation in which something was said, the one with the newest line
        first: those with people, and those with the groups of our registry. On duty, the help desk
        is the first."""
        node = self._open_node()
        registry, me = node.registry, node.name
        states = await node.read(lambda lines: _states(lines, registry, me), by_index=True)
        if node.core.desk.is_on or node.core.desk.client is not None:
            states.insert(0, ConversationState(conversation=DESK, unread=0, read=0, last=None))
        return states

    async def mark_read(self, conversation: Conversation, id_: int) -> None:
        """Note that the user has read this conversation up to the line with this id, or up to its
        newest line if the id is higher, and `ConversationRead` follows. It is kept over restarts;
        what was read once stays so. Nothing happens for a conversation in which nothing was
        said."""
        node = self._open_node()
        registry = node.registry
        rows = await node.read(
            lambda lines: lines.conversations.rows_of(conversation, registry), by_index=True
        )
        id_ = min(id_, max((row.newest for row in rows), default=0))
        if any(row.read < id_ for row in rows):
            node.core.mark_read(rows[0].what, [(row.key, row.is_group) for row in rows], id_)
            node.driver.schedule()


def _bounded(limit: int) -> int:
    return max(0, min(limit, PAGE_MAX))


def _ids(
    lines: MessageQueries, conversation: Conversation | None, registry: int
) -> list[int] | None:
    """Return the rows of a conversation; an empty list stands for all conversations, and None means
    that there is no such conversation."""
    if conversation is None:
        return []
    return [row.id for row in lines.conversations.rows_of(conversation, registry)] or None


def _states(lines: MessageQueries, registry: int, me: str) -> list[ConversationState]:
    states: dict[object, ConversationState] = {}
    for row in sorted(lines.conversations.all(registry), key=lambda row: -row.newest):
        if not (newest := lines.page((row.id,), limit=1)):
            continue
        unread, one = lines.conversations.unread(row), states.get(identity_of(row.what))
        if one is None:
            last = shown(newest[0], me)
            one = ConversationState(conversation=row.what, unread=unread, read=row.read, last=last)
        else:  # the same person with another key
            one = ConversationState(
                conversation=one.conversation,
                unread=min(one.unread + unread, UNREAD_MAX),
                read=max(one.read, row.read),
                last=one.last,
            )
        states[identity_of(row.what)] = one
    return list(states.values())
