"""A window between one program that runs its node and the next."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.past import Lines
from chatapp.peer.api.requests import (
    Conversations,
    FindSent,
    ListConversations,
    ReadPage,
    ReadTalk,
    Sent,
    Talk,
)
from chatapp.peer.node.local import PeerNode
from chatapp.peer.node.window import WindowNode
from chatapp.wire.names import PeerName


async def test_what_is_said_or_given_up_meanwhile_does_not_stop_the_search(tmp_path: Path) -> None:
    window = WindowNode(PeerName("alice"), home=tmp_path, shows=False, heir=None)
    sent = Sent(conversation=person("bob"), id=1, state=MessageState.DELIVERED)

    async def request(asked: object) -> Any:
        match asked:
            case FindSent(key=1):
                window._asked[3] = None
                return sent
            case FindSent(key=2):
                del window._asked[2]
                return sent
            case ReadPage():
                return Lines(lines=())
            case ReadTalk():
                return Talk(talk=None)
            case ListConversations():
                return Conversations(conversations=())
            case _:
                raise AssertionError(asked)

    window._asked |= {1: None, 2: None}
    await window._catch_up(cast(PeerNode, SimpleNamespace(request=request)), after=0)
    assert window._asked == {1: sent, 3: None}
