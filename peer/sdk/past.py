"""The past of a peer: pages of its history, searches, conversations, and how a line was
delivered."""

from typing import TYPE_CHECKING, Final

from chatapp.peer.api import requests
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Said, Target
from chatapp.peer.api.past import ConversationState, DeliveryTrace, FoundLine
from chatapp.peer.api.requests import PAGE

if TYPE_CHECKING:
    from chatapp.peer.sdk.client import Peer


class Past:
    """What was said, by us and to us, as far as it is kept: the newest 1,000,000 lines. Lines of
    people whom we ignore are left out. Every method raises NotOpen, and sqlite3.Error when the
    history cannot be read."""

    def __init__(self, peer: "Peer") -> None:
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
        """Return the newest `limit` lines (1,000 at most) of a conversation, or of all, oldest
        first. `before`: only lines older than the one with this id. `after`: the lines that follow
        the one with this id, the oldest of them first. `only_shown`: without the lines that were
        not shown yet, which events give again."""
        asked = requests.ReadPage(
            conversation=conversation,
            before=before,
            after=after,
            limit=limit,
            only_shown=only_shown,
        )
        return list((await self._peer.node.request(asked)).lines)

    async def around(self, id_: int, *, limit: int = PAGE) -> list[Said]:
        """Return lines of the same conversation around the one with this id, which is among them:
        half of them older, half newer, oldest first. Empty when there is no such line. Of long
        lines of a peer that another program runs, fewer."""
        asked = requests.ReadAround(id=id_, limit=limit)
        return list((await self._peer.node.request(asked)).lines)

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
        asked = requests.SearchPast(
            words=words, conversation=conversation, before=before, limit=limit
        )
        return list((await self._peer.node.request(asked)).lines)

    async def why(self, id_: int | None = None) -> DeliveryTrace | None:
        """Return how the line with this id was delivered; without an id, our own newest line. None
        if there is no such line."""
        return await self._peer.node.request(requests.ExplainDelivery(id=id_))

    async def find(self, target: Target, conversation: Conversation) -> FoundLine | None:
        """Return the line that an event such as `Edited` names, as it is now, with its versions;
        None if it is not here."""
        wanted = requests.LineName(conversation=conversation, target=target)
        answer = await self._peer.node.request(requests.FindLines(wanted=(wanted,)))
        return answer.lines[0]

    async def conversations(self) -> list[ConversationState]:
        """Return every conversation in which something was said, the one with the newest line
        first: those with people, and those with the groups of our registry. On duty, the help desk
        is the first."""
        answer = await self._peer.node.request(requests.ListConversations())
        return list(answer.conversations)

    async def mark_read(self, conversation: Conversation, id_: int) -> None:
        """Note that the user has read this conversation up to the line with this id, or up to its
        newest line if the id is higher, and `ConversationRead` follows. It is kept over restarts;
        what was read once stays so. Nothing happens for a conversation in which nothing was
        said."""
        await self._peer.node.request(requests.MarkRead(conversation=conversation, id=id_))
