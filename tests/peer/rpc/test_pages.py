"""The past in answers that fit a line: whoever asks for the next page until none follows has
everything, once."""

from types import SimpleNamespace
from typing import cast

from chatapp.peer.api.conversations import Conversation, ConversationKind
from chatapp.peer.api.events import ClientCame
from chatapp.peer.api.past import ConversationState, DeskTalk, DeskTalkLine
from chatapp.peer.rpc import pages
from chatapp.peer.rpc.protocol import LINES_TOGETHER
from chatapp.peer.rpc.shared import Conversations
from chatapp.peer.sdk.client import Peer

MANY = 2 * LINES_TOGETHER + 1


async def test_the_pages_of_conversations_end_and_have_each_once() -> None:
    states = [
        ConversationState(
            conversation=Conversation(ConversationKind.PERSON, f"p{n}"), unread=0, read=0, last=None
        )
        for n in range(MANY)
    ]

    async def all_of_them() -> list[ConversationState]:
        return states

    peer = cast(Peer, SimpleNamespace(past=SimpleNamespace(conversations=all_of_them)))
    found = [
        (await pages.conversations(peer, start))
        for start in (0, LINES_TOGETHER, 2 * LINES_TOGETHER)
    ]
    assert [one.more for one in found] == [True, True, False]
    assert [state for one in found for state in one.conversations] == states
    assert await pages.conversations(peer, -1) == found[0]
    assert await pages.conversations(peer, MANY) == Conversations(conversations=(), more=False)


async def test_so_do_those_of_a_talk() -> None:
    lines = tuple(
        DeskTalkLine(sender="asha", text=str(n), at=0.0, is_ours=False) for n in range(MANY)
    )
    client = ClientCame(
        visit=1,
        name="Asha",
        number="98765",
        issue="3",
        queue="",
        waited=0,
        is_here=True,
        note="",
        handed_over_by="",
        is_back=False,
    )

    async def whole() -> DeskTalk:
        return DeskTalk(client=client, lines=lines)

    peer = cast(Peer, SimpleNamespace(desk=SimpleNamespace(talk=whole)))
    found = [(await pages.talk(peer, start)) for start in (0, LINES_TOGETHER, 2 * LINES_TOGETHER)]
    assert [one.more for one in found] == [True, True, False]
    assert tuple(line for one in found if one.talk is not None for line in one.talk.lines) == lines
