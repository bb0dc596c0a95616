"""The past in answers that fit a line: whoever asks for the next page until none follows has
everything, once."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from chatapp.peer.api.conversations import Conversation, ConversationKind
from chatapp.peer.api.events import EMOJIS_SHOWN, NAMES_SHOWN, ClientCame, Reaction, Said
from chatapp.peer.api.past import (
    VERSION_SHOWN,
    VERSIONS_SHOWN,
    ConversationState,
    DeskTalk,
    FoundLine,
    FoundLines,
    Lines,
    Version,
)
from chatapp.peer.api.requests import (
    Conversations,
    FindLines,
    ListConversations,
    Node,
    ReadAround,
    ReadPage,
    ReadTalk,
    Request,
    Talk,
)
from chatapp.peer.rpc.hub import answered
from chatapp.peer.rpc.protocol import LINE_MAX, LINES_TOGETHER, TEXT_TOGETHER
from chatapp.wire.limits import TEXT_MAX
from tests.support.visits import line_of

MANY = 2 * LINES_TOGETHER + 1
VERSIONS = (Version(number=1, at=0.0, text="\0" * VERSION_SHOWN),) * VERSIONS_SHOWN


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


ROOM = Conversation(ConversationKind.ROOM, "lab")
REACTIONS = tuple(
    Reaction(emoji="\U0001f600" * 8, count=20, names=("\U0001f600" * 8,) * NAMES_SHOWN)
    for _ in range(EMOJIS_SHOWN)
)
WORST = Said(
    conversation=ROOM,
    id=1,
    sender="x" * 32,
    number=1,
    text="\0" * TEXT_MAX,
    at=0.0,
    reactions=REACTIONS,
)
LONG = replace(WORST, text="\0" * (TEXT_TOGETHER // LINES_TOGETHER))


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (ReadPage(limit=100), Lines(lines=(WORST,) * 9)),
        (ReadPage(limit=100), Lines(lines=(LONG,) * 100)),
        (ReadAround(id=1, limit=100), Lines(lines=(LONG,) * 100)),
        (
            FindLines(wanted=()),
            FoundLines(lines=(FoundLine(line=WORST, versions=VERSIONS),) * 9),
        ),
        (
            FindLines(wanted=()),
            FoundLines(
                lines=(FoundLine(line=replace(WORST, text="", reactions=()), versions=VERSIONS),)
                * 9
            ),
        ),
        (
            ListConversations(),
            Conversations(
                conversations=(
                    ConversationState(
                        conversation=ROOM, unread=0, read=0, last=None, draft="\0" * TEXT_MAX
                    ),
                )
                * 9
            ),
        ),
    ],
)
async def test_an_answer_fits_a_line_whatever_strangers_do(
    request_: Request[Any], answer: object
) -> None:
    page = await answered(answering(lambda _: answer), request_)
    assert len(msgspec.json.encode(page)) < LINE_MAX - 1_000


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
