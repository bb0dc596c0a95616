"""The past in answers that fit a line: whoever asks for the next page until none follows has
everything, once."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from chatapp.peer.api.conversations import Conversation, ConversationKind
from chatapp.peer.api.events import ClientCame
from chatapp.peer.api.past import ConversationState, DeskTalk
from chatapp.peer.api.requests import Conversations, ListConversations, Node, ReadTalk, Talk
from chatapp.peer.rpc.hub import answered
from chatapp.peer.rpc.protocol import LINES_TOGETHER
from tests.support.visits import line_of

MANY = 2 * LINES_TOGETHER + 1


def answering(answer: Callable[[Any], object]) -> Node:
    """Return a node that gives these answers."""

    async def request(asked: object) -> object:
        return answer(asked)

    return cast(Node, SimpleNamespace(request=request))


async def test_the_pages_of_conversations_end_and_have_each_once() -> None:
    states = [
        ConversationState(
            conversation=Conversation(ConversationKind.PERSON, f"p{n}"), unread=0, read=0, last=None
        )
        for n in range(MANY)
    ]

    node = answering(lambda asked: Conversations(conversations=tuple(states[asked.start :])))
    pages = [
        await answered(node, ListConversations(start=start))
        for start in (0, LINES_TOGETHER, 2 * LINES_TOGETHER)
    ]
    assert [page.more for page in pages] == [True, True, False]
    assert [state for page in pages for state in page.conversations] == states
    nothing = await answered(node, ListConversations(start=MANY))
    assert nothing == Conversations(conversations=(), more=False)


async def test_so_do_those_of_a_talk() -> None:
    lines = tuple(line_of("asha", str(n), n) for n in range(MANY))
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

    node = answering(lambda asked: Talk(talk=DeskTalk(client=client, lines=lines[asked.start :])))
    pages = [
        await answered(node, ReadTalk(start=start))
        for start in (0, LINES_TOGETHER, 2 * LINES_TOGETHER)
    ]
    assert [page.more for page in pages] == [True, True, False]
    assert tuple(line for page in pages if page.talk for line in page.talk.lines) == lines
