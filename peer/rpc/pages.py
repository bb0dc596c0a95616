"""The past, cut into answers that fit a line of the protocol (clause 5.4)."""

from collections.abc import Iterable, Sequence

import msgspec

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.rpc.protocol import LINES_TOGETHER, TEXT_TOGETHER
from chatapp.peer.rpc.shared import Conversations, Page, TalkPage
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.past import PAGE


def _first(texts: Iterable[str]) -> int:
    """Return how many of these texts, from the first one on, fit together; at least one."""
    count = size = 0
    for text in texts:
        size += len(text.encode("utf-8", "surrogatepass"))
        if count and (count == LINES_TOGETHER or size > TEXT_TOGETHER):
            break
        count += 1
    return count


def _newest(lines: Sequence[Said]) -> Page:
    kept = _first(line.text for line in reversed(lines))
    return Page(lines=tuple(lines[len(lines) - kept :]), more=kept < len(lines))


def _oldest(lines: Sequence[Said]) -> Page:
    kept = _first(line.text for line in lines)
    return Page(lines=tuple(lines[:kept]), more=kept < len(lines))


async def page(
    peer: Peer,
    conversation: Conversation | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE,
    only_shown: bool = False,
) -> Page:
    """Return a page, or the end of it, from which one goes on backwards; with `after`, the
    beginning of it."""
    lines = await peer.past.page(
        conversation,
        before=before,
        after=after,
        limit=min(limit, LINES_TOGETHER + 1),
        only_shown=only_shown,
    )
    return _newest(lines) if after is None else _oldest(lines)


async def around(peer: Peer, id_: int, limit: int = PAGE) -> Page:
    """Return the lines around one, or those next to it."""
    lines = await peer.past.around(id_, limit=limit)
    place = next((at for at, line in enumerate(lines) if line.id == id_), 0)
    newer = _oldest(lines[place:])
    older = _newest(lines[:place])
    both = (*older.lines, *newer.lines)
    kept = both if _first(line.text for line in both) == len(both) else newer.lines
    return Page(lines=kept, more=len(kept) < len(lines))


async def search(
    peer: Peer,
    words: str,
    conversation: Conversation | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> Page:
    """Return the newest lines that are found, from which one goes on backwards."""
    most = min(limit, LINES_TOGETHER + 1)
    return _newest(
        await peer.past.search(words, conversation=conversation, before=before, limit=most)
    )


async def why(peer: Peer, id_: int | None = None) -> DeliveryTrace | None:
    """Return how a line was delivered."""
    return await peer.past.why(id_)


async def conversations(peer: Peer, start: int = 0) -> Conversations:
    """Return the conversations after the first `start` ones."""
    states = (await peer.past.conversations())[max(start, 0) :]
    kept = _first("" if one.last is None else one.last.text for one in states)
    return Conversations(conversations=tuple(states[:kept]), more=kept < len(states))


async def talk(peer: Peer, start: int = 0) -> TalkPage:
    """Return the conversation with the visitor whom the operator serves, after its first `start`
    lines."""
    found = await peer.desk.talk()
    if found is None:
        return TalkPage(talk=None, more=False)
    lines = found.lines[max(start, 0) :]
    kept = lines[: _first(line.text for line in lines)]
    return TalkPage(talk=msgspec.structs.replace(found, lines=kept), more=len(kept) < len(lines))


async def mark_read(peer: Peer, conversation: Conversation, id_: int) -> None:
    """Note how far a conversation is read."""
    await peer.past.mark_read(conversation, id_)
