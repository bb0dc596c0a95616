"""The past of an open peer: pages of its history, searches, conversations, and how a line was
delivered.

Everything is read from the disk, beside the event loop: however long the history is, nothing else
waits for it.
"""

from typing import TYPE_CHECKING

from chatapp.peer.api import requests
from chatapp.peer.api.conversations import DESK, Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import ConversationState, DeliveryTrace, Lines
from chatapp.peer.api.requests import PAGE_MAX
from chatapp.peer.api.trace import Raw, readable, unpacked
from chatapp.peer.core.records import FINAL
from chatapp.peer.history.conversations import UNREAD_MAX, identity_of
from chatapp.peer.history.query import MessageQueries, StoredLine, shown
from chatapp.peer.node.sharedfeed import sent_of

if TYPE_CHECKING:
    from chatapp.peer.node.local import PeerNode


async def page(node: "PeerNode", request: requests.ReadPage) -> Lines:
    """Return a page of a conversation, or of all."""
    registry, me = node.storage.registry, node.name

    def read(lines: MessageQueries) -> list[Said]:
        among = _ids(lines, request.conversation, registry)
        if among is None:
            return []
        page = lines.page(
            among,
            limit=_bounded(request.limit),
            before=request.before,
            after=request.after,
            only_shown=request.only_shown,
        )
        return [shown(line, me) for line in page]

    by_index = request.conversation is not None
    return Lines(lines=tuple(await node.storage.read(read, by_index=by_index)))


async def around(node: "PeerNode", request: requests.ReadAround) -> Lines:
    """Return lines around one."""
    registry, me, limit = node.storage.registry, node.name, _bounded(request.limit)

    def read(lines: MessageQueries) -> list[Said]:
        line = lines.by_id(request.id)
        if line is None:
            return []
        among = _ids(lines, shown(line, me).conversation, registry)
        if among is None:
            return [shown(line, me)]  # a line of a group at another registry
        older = lines.page(among, limit=limit // 2, before=request.id + 1) or [line]
        newer = lines.page(among, limit=limit - len(older), after=request.id)
        return [shown(line, me) for line in (*older, *newer)]

    return Lines(lines=tuple(await node.storage.read(read, by_index=True)))


async def search(node: "PeerNode", request: requests.SearchPast) -> Lines:
    """Return the newest lines that have all the words."""
    registry, me = node.storage.registry, node.name

    def read(lines: MessageQueries) -> list[Said]:
        among = _ids(lines, request.conversation, registry)
        if among is None:
            return []
        matching = lines.search(
            request.words, _bounded(request.limit), among=among or None, before=request.before
        )
        return [shown(line, me) for line in matching]

    return Lines(lines=tuple(await node.storage.read(read, by_index=True)))


async def why(node: "PeerNode", request: requests.ExplainDelivery) -> DeliveryTrace | None:
    """Return how a line was delivered."""
    id_ = request.id

    def read(lines: MessageQueries) -> StoredLine | None:
        return lines.last_own() if id_ is None else lines.by_id(id_)

    line = await node.storage.read(read, by_index=False)
    if line is None:
        return None
    steps: tuple[Raw, ...] = ()
    if line.outgoing and line.state not in FINAL:
        steps = node.core.steps_under_way(line.stream, line.number)
        if not steps:  # it was settled, or got another number, while it was read
            id_ = line.id
            line = await node.storage.read(read, by_index=False) or line
    steps = steps or unpacked(line.trace, line.at_ms)
    return DeliveryTrace(line=shown(line, node.name), steps=readable(steps, line.at_ms))


async def sent_by(node: "PeerNode", key: int) -> requests.Sent | None:
    """Return the line of ours that another program asked for by this key, in any run; None if there
    is none. Raises sqlite3.Error."""
    line = await node.storage.read(lambda lines: lines.by_key(key), by_index=False)
    if line is None:
        return None
    return sent_of(shown(line, node.name))


async def conversations(
    node: "PeerNode", request: requests.ListConversations
) -> requests.Conversations:
    """Return the conversations after the first `start` ones."""
    registry, me = node.storage.registry, node.name
    states = await node.storage.read(lambda lines: _states(lines, registry, me), by_index=True)
    if node.core.desk.is_on or node.core.desk.client is not None:
        states.insert(0, ConversationState(conversation=DESK, unread=0, read=0, last=None))
    return requests.Conversations(conversations=tuple(states[max(request.start, 0) :]))


async def mark_read(node: "PeerNode", request: requests.MarkRead) -> None:
    """Note how far a conversation is read."""
    registry = node.storage.registry
    rows = await node.storage.read(
        lambda lines: lines.conversations.rows_of(request.conversation, registry), by_index=True
    )
    id_ = min(request.id, max((row.newest for row in rows), default=0))
    if any(row.read < id_ for row in rows):
        node.core.mark_read(rows[0].what, [(row.key, row.is_group) for row in rows], id_)
        node.schedule()


def unshown(node: "PeerNode", request: requests.ListUnshown) -> Lines:
    """Return lines to us that were not shown. Raises sqlite3.Error."""
    return Lines(lines=tuple(node.storage.unshown(after=request.after, count=request.limit)))


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
