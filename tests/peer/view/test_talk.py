"""What is typed in a conversation and is more than a text: actions, and one line to several people."""

from collections.abc import Sequence
from typing import Final

import pytest

from chatapp.peer.api import requests
from chatapp.peer.api.conversations import NOBODY, person, room
from chatapp.peer.view.flow import FlowView
from chatapp.peer.view.view import Start
from chatapp.peer.words.formatting import TypedLine
from tests.peer.view.test_view import STATE, History, Window

TO_EACH: Final = "[One message to each of bob and carol.]"


def flow(*, is_screen: bool) -> FlowView:
    return FlowView(
        STATE,
        is_screen=is_screen,
        completions=None,
        draw_line=lambda: 7,
        start=Start(is_over=True),
    )


def typed(view: FlowView, history: History, *lines: str) -> list[str]:
    """Enter lines at a prompt or in a pipe. Return what is shown."""
    for line in lines:
        history.perform(view.enter(TypedLine(line, 0.0)))
    return view.take_changes().lines


def sends(history: History) -> Sequence[requests.Send]:
    return [step for step in history.asked if isinstance(step, requests.Send)]


@pytest.mark.parametrize("is_screen", [True, False])
def test_one_line_sends_a_message_to_each(is_screen: bool) -> None:
    history = History()
    assert TO_EACH in typed(flow(is_screen=is_screen), history, "/dm bob,carol hi")
    assert sends(history) == [
        requests.Send(conversation=person(to), text="hi") for to in ("bob", "carol")
    ]


def test_a_screen_shows_each_message_in_its_conversation_and_stays_where_it_is() -> None:
    window = Window(History())
    window.view.choose(room("lab"))
    window.view.enter("/dm bob,carol hi", at=0.0)
    window.history.perform(window.view.carry_out_next())
    assert window.view.open_pane.conversation == room("lab")
    assert [one.text for one in window.view.open_pane.log.entries] == [TO_EACH.strip("[]")]
    for to in ("bob", "carol"):
        (entry,) = window.view.panes.pane(person(to)).log.entries
        assert (entry.text, entry.is_mine, bool(entry.id)) == ("hi", True, True)


def test_an_action_goes_where_the_user_is() -> None:
    history, view = History(), flow(is_screen=True)
    typed(view, history, "/me waves")
    window = Window(history)
    window.view.choose(person("bob"))
    window.view.enter("/me nods", at=0.0)
    history.perform(window.view.carry_out_next())
    assert [(one.conversation, one.text) for one in sends(history)] == [
        (room("lab"), "/me waves"),
        (person("bob"), "/me nods"),
    ]
    (entry,) = window.view.open_pane.log.entries
    assert (entry.sender, entry.text, entry.said) == ("* alice", "nods", "/me nods")


def test_an_action_for_nobody_is_not_sent() -> None:
    window = Window(History())
    window.view.choose(NOBODY)
    window.view.press("/me waves", at=0.0)
    window.history.perform(window.view.carry_out_next())
    assert not sends(window.history)
