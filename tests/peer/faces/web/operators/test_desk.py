"""The operator's page beside a program that runs the peer and serves a visitor already."""

import asyncio

from chatapp.peer.api import events
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.peer.view.talk import Mark
from chatapp.wire.messages.desk import NoteVisitor, TakeDuty
from tests.peer.village import WITHIN, Village, next_of, village

__all__ = ["village"]


async def test_a_page_that_comes_later_shows_the_form_and_what_was_said(village: Village) -> None:
    visitor, _ = await village.open_desk("bob")
    async with asyncio.timeout(WITHIN), village.peer("bob") as bob:
        offer = Offer(bob)
        await bob.ready()
        bob.desk.ask(TakeDuty(0, ""))
        await next_of(bob, events.ClientCame)
        bob.desk.say("how can I help?")
        await bob.desk.said()
        visitor.say("my screen is black")
        await next_of(bob, events.Said)
        bob.desk.ask(NoteVisitor(0, 0, "laptop"))
        await bob.desk.answered()
        async with Peer.attach("bob", home=village.folder, shows=False) as attached:
            desk = OperatorDesk(attached, is_shared=True)
            view = desk.view
            while not view.lines:
                assert await desk.windows.news(within=WITHIN)
            assert view.client is not None
            assert (view.client.name, view.client.number) == ("Asha Rao", "+919876543210")
            assert view.client.note == "laptop"
            assert [(line.who, line.text, line.mark) for line in view.lines] == [
                ("bob", "how can I help?", Mark.SAVED),
                ("Asha Rao", "my screen is black", None),
            ]
            visitor.say("and it is loud")
            while len(view.lines) < 3:
                assert await desk.windows.news(within=WITHIN)
            assert view.lines[-1].text == "and it is loud"
            await desk.close()
        offer.close()
    await visitor.close(within=1.0)
