"""The help desk behind the windows of an operator, beside a program that serves a visitor already."""

import asyncio

import pytest

from chatapp.peer.api import events
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.faces.web.operators.pages import alert
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.peer.view.desk import DeskView
from chatapp.peer.view.talk import Mark
from chatapp.testing import Town
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
        attached = Peer.attach("bob", home=village.folder, shows=False)
        await attached.open()
        desk = OperatorDesk(attached)
        view = desk.view
        while not view.lines:
            await desk.news()
        assert view.client is not None
        assert (view.client.name, view.client.number) == ("Asha Rao", "+919876543210")
        assert view.client.note == "laptop"
        assert [(line.who, line.text, line.mark) for line in view.lines] == [
            ("bob", "how can I help?", Mark.SAVED),
            ("Asha Rao", "my screen is black", None),
        ]
        visitor.say("and it is loud")
        while len(view.lines) < 3:
            await desk.news()
        assert view.lines[-1].text == "and it is loud"
        await desk.close()
        offer.close()
    await visitor.close(within=1.0)


async def test_a_fault_behind_the_page_is_logged_and_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(view: DeskView, event: events.Event, *, at: float) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(DeskView, "handle", handle)
    async with Town() as town:
        bob = await town.peer("bob")
        desk = OperatorDesk(bob)
        bob.enter_room("lab")
        while not desk.view.is_faulty:
            await desk.news()
        assert "A fault of the program" in alert(desk.view, "bob")
        await desk.close()
    assert "fault of a help desk on pages: ZeroDivisionError()" in caplog.text
