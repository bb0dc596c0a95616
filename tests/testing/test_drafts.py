"""What was begun to be typed, over the ends of a program."""

from chatapp import Peer, person, room
from chatapp.peer.api.conversations import EVERYBODY, Conversation
from chatapp.peer.api.requests import KeepDraft, ListConversations
from chatapp.peer.node.answers import DRAFTS_MAX
from chatapp.testing import Town


async def drafts(peer: Peer) -> dict[Conversation, str]:
    page = await peer.node.request(ListConversations())
    return {state.conversation: state.draft for state in page.conversations if state.draft}


async def keeps(peer: Peer, where: Conversation, text: str) -> None:
    await peer.node.request(KeepDraft(conversation=where, text=text))
    await peer.node.turn()  # type: ignore[attr-defined]


async def test_what_was_begun_outlives_the_program() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        begun = {person("bob"): "see you", room("lab"): "who has", EVERYBODY: "é\n"}
        for where, text in begun.items():
            await keeps(alice, where, text + "?")
            await keeps(alice, where, text)
        await town.kill(alice)
        await town.restart(alice)
        assert await drafts(alice) == begun
        for where in begun:
            await keeps(alice, where, "")
        await town.kill(alice)
        await town.restart(alice)
        assert await drafts(alice) == {}


async def test_the_oldest_of_too_many_are_forgotten() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        for number in range(DRAFTS_MAX + 3):
            await keeps(alice, person(f"p{number}"), "hi")
        kept = {person(f"p{number}"): "hi" for number in range(3, DRAFTS_MAX + 3)}
        assert await drafts(alice) == kept
        await town.restart(alice)
        assert await drafts(alice) == kept
