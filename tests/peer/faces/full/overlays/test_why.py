"""Why: the steps of a delivery, as they are known now and as they become known."""

import sqlite3
from functools import partial

import pytest
from textual.widgets import Static

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.api.requests import ExplainDelivery
from chatapp.peer.api.trace import TraceEvent, TraceStep
from chatapp.peer.faces.full.overlays.reports import WhyOverlay
from chatapp.peer.faces.full.theme import UNICODE
from tests.peer.faces.full.overlays.host import (
    HOSTILE,
    NOON,
    Host,
    asking,
    note,
    plain,
    said,
    until,
)


class Past:
    """A past with one message."""

    def __init__(self, trace: DeliveryTrace | None = None) -> None:
        self.trace = trace
        self.error: Exception | None = None
        self.asked: list[int | None] = []

    async def answer(self, request: ExplainDelivery) -> DeliveryTrace | None:
        self.asked.append(request.id)
        if self.error is not None:
            raise self.error
        return self.trace


def shown(host: Host[None]) -> list[str]:
    """Return the rows of the overlay."""
    pieces = [plain(one.content) for one in host.overlay.query(Static) if one.id != "note"]
    return "\n".join(pieces).splitlines()


def trace(*steps: TraceStep, text: str = "hi", sender: str = "alice") -> DeliveryTrace:
    """Return how a message of ours was delivered."""
    return DeliveryTrace(line=said(7, text, sender=sender, to="bob"), steps=steps)


SENT = TraceStep(at=NOON, what=TraceEvent.SENT, tries=1)


async def test_a_message_is_followed_while_it_is_under_way() -> None:
    past = Past(trace(SENT))
    host = Host(partial(WhyOverlay, 7, asking(past.answer), signs=UNICODE))
    async with host.run_test() as pilot:
        await until(pilot, lambda: len(shown(host)) == 3)
        assert shown(host)[0].startswith("alice to bob  ")
        assert shown(host)[1] == "hi"
        assert "try 1" in shown(host)[2]
        done = TraceStep(at=NOON + 1, what=TraceEvent.ACKNOWLEDGED, tries=1, span=0.02)
        past.trace = trace(SENT, done)
        host.overlay.take_events(
            [
                events.MessageChanged(
                    conversation=person("bob"), id=6, state=events.MessageState.DELIVERED
                )
            ]
        )
        await pilot.pause()
        assert past.asked == [7]  # that was another message
        host.overlay.take_events(
            [
                events.MessageChanged(
                    conversation=person("bob"), id=7, state=events.MessageState.DELIVERED
                )
            ]
        )
        await until(pilot, lambda: len(shown(host)) == 4)
        assert "acknowledged by bob after 1 try, 0.02 s" in shown(host)[3]
        await pilot.press("f5", "escape")
        await until(pilot, lambda: bool(host.results))
    assert past.asked == [7, 7, 7]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, "This message is not in the history."),
        (sqlite3.DatabaseError("malformed"), "The history cannot be read: malformed."),
        (NotOpen(), "This peer is not open."),
    ],
)
async def test_what_cannot_be_shown_is_one_line(error: Exception | None, line: str) -> None:
    past = Past()
    past.error = error
    host = Host(partial(WhyOverlay, 7, asking(past.answer), signs=UNICODE))
    async with host.run_test() as pilot:
        await until(pilot, lambda: note(host.overlay) == line)


async def test_hostile_text_is_shown_as_text() -> None:
    past = Past(trace(text=HOSTILE, sender="[b]eve"))
    host = Host(partial(WhyOverlay, 7, asking(past.answer), signs=UNICODE))
    async with host.run_test() as pilot:
        await until(pilot, lambda: len(shown(host)) == 3)
        assert shown(host)[0].startswith("[b]eve  ")
        assert shown(host)[1].startswith("[@click=app.quit]x[/] \\x1b[31m")
        assert "Only [b]eve knows how it was delivered." in shown(host)[2]
