"""The past of a peer that another program runs."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from chatapp.peer.api.codec import encode
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import ConversationState, DeliveryTrace
from chatapp.peer.rpc.shared import Conversations, Page
from chatapp.peer.sdk.past import PAGE, PAGE_MAX

if TYPE_CHECKING:
    from chatapp.peer.sdk.remote import RemotePeer


class RemotePast:
    """As `Past`."""

    def __init__(self, peer: "RemotePeer") -> None:
        self._peer: Final = peer

    async def page(
        self,
        conversation: Conversation | None = None,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = PAGE,
        only_shown: bool = False,
    ) -> list[Said]:
        """As `Past.page`."""
        told = encode(conversation, Conversation | None)

        async def ask(before: int | None, after: int | None, limit: int) -> Page:
            found: Page = await self._peer.ask(
                "past.page",
                Page,
                conversation=told,
                before=before,
                after=after,
                limit=limit,
                only_shown=only_shown,
            )
            return found

        if after is None:
            return await _backwards(lambda older, count: ask(older, None, count), before, limit)
        lines: list[Said] = []
        has_more = True
        while has_more and len(lines) < min(limit, PAGE_MAX):
            found = await ask(before, lines[-1].id if lines else after, limit - len(lines))
            lines += found.lines
            has_more = found.more
        return lines

    async def around(self, id_: int, *, limit: int = PAGE) -> list[Said]:
        """As `Past.around`; of long lines, fewer."""
        found: Page = await self._peer.ask("past.around", Page, id=id_, limit=limit)
        return list(found.lines)

    async def search(
        self,
        words: str,
        *,
        conversation: Conversation | None = None,
        before: int | None = None,
        limit: int = PAGE,
    ) -> list[Said]:
        """As `Past.search`."""
        told = encode(conversation, Conversation | None)

        async def ask(older: int | None, count: int) -> Page:
            found: Page = await self._peer.ask(
                "past.search", Page, words=words, conversation=told, before=older, limit=count
            )
            return found

        return await _backwards(ask, before, limit)

    async def why(self, id_: int | None = None) -> DeliveryTrace | None:
        """As `Past.why`."""
        found: DeliveryTrace | None = await self._peer.ask("past.why", DeliveryTrace | None, id=id_)
        return found

    async def conversations(self) -> list[ConversationState]:
        """As `Past.conversations`."""
        states: list[ConversationState] = []
        has_more = True
        while has_more:
            found: Conversations = await self._peer.ask(
                "past.conversations", Conversations, start=len(states)
            )
            states += found.conversations
            has_more = found.more
        return states

    async def mark_read(self, conversation: Conversation, id_: int) -> None:
        """As `Past.mark_read`."""
        await self._peer.ask(
            "past.mark_read", None, conversation=encode(conversation, Conversation), id=id_
        )


async def _backwards(
    ask: Callable[[int | None, int], Awaitable[Page]], before: int | None, limit: int
) -> list[Said]:
    """Ask for the newest lines before `before`, then for those before them, until there are
    `limit`."""
    lines: list[Said] = []
    has_more = True
    while has_more and len(lines) < min(limit, PAGE_MAX):
        found = await ask(lines[0].id if lines else before, limit - len(lines))
        lines = [*found.lines, *lines]
        has_more = found.more and bool(found.lines)
    return lines
