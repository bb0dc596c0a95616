"""What is typed in a conversation and is more than a text: actions, one line to several people, mentions; what comes
twice; and what rings."""

import contextlib
from collections.abc import Sequence
from typing import Final

import pytest
from msgspec.structs import replace

from chatapp.peer.api import events, requests
from chatapp.peer.api.conversations import EVERYBODY, NOBODY, person, room
from chatapp.peer.api.events import MessageState, Said
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.view.flow import FlowView
from chatapp.peer.view.view import Start
from chatapp.peer.words.formatting import TypedLine
from tests.peer.view.test_view import STATE, History, Window, said

DELIVERED, SAVED, KEPT = MessageState.DELIVERED, MessageState.SAVED, MessageState.KEPT
UNSETTLED, REFUSED = MessageState.UNSETTLED, MessageState.REFUSED
BACK: Final = "[You are not away any more.]"
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
    window.view.enter(TypedLine("/dm bob,carol hi", 0.0))
    window.history.perform(window.view.carry_out_next())
    assert window.view.open_pane.conversation == room("lab")
    assert [one.text for one in window.view.open_pane.log.entries] == [TO_EACH.strip("[]")]
    for to in ("bob", "carol"):
        (entry,) = window.view.panes.pane(person(to)).log.entries
        assert (entry.text, entry.is_mine, bool(entry.id)) == ("hi", True, True)


@pytest.mark.parametrize(
    ("line", "to"),
    [
        ("hi", ["bob"]),
        ("//hi", ["bob"]),
        ("/me nods", ["bob"]),
        ("/send carol hi", ["carol"]),
        ("/dm bob,carol hi", ["bob", "carol"]),
        ("/hi", []),
    ],
)
@pytest.mark.parametrize("answered", range(6))
def test_a_line_that_is_given_again_sends_what_was_not_sent(
    line: str, to: Sequence[str], answered: int
) -> None:
    """The program is killed after so many answers, and the page gives the line to the next one."""
    history = History()
    first, second = Window(history), Window(history)
    first.view.choose(person("bob"))
    first.view.enter(TypedLine(line, 0.0, key=70))
    steps = first.view.carry_out_next()
    with contextlib.suppress(StopIteration):
        step = next(steps)
        for _ in range(answered):
            step = steps.send(history.answer(step))
    second.view.choose(person("bob"))
    second.view.enter(TypedLine(line, 0.0, key=70, is_again=True))
    history.perform(second.view.carry_out_next())
    assert second.view.take_changes().carried_out == [70]
    assert [one.conversation for one in sends(history)] == [person(name) for name in to]
    assert [one.key for one in sends(history)] == [70 + place for place in range(len(to))]
    assert all(one.id for one in second.view.open_pane.log.entries if one.is_mine)


def test_an_action_goes_where_the_user_is() -> None:
    history, view = History(), flow(is_screen=True)
    typed(view, history, "/me waves")
    window = Window(history)
    window.view.choose(person("bob"))
    window.view.enter(TypedLine("/me nods", 0.0))
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


def heard(text: str, number: int = 1) -> Said:
    return replace(said(number, room("lab")), text=text)


@pytest.mark.parametrize(
    ("text", "is_muted", "calls", "is_addressed"),
    [
        ("alice?", False, True, False),
        ("@alice?", False, True, True),
        ("alice?", True, False, False),
        ("@alice?", True, True, True),
        ("hello", True, False, False),
    ],
)
def test_a_muted_room_calls_for_a_mention_alone(
    text: str, is_muted: bool, calls: bool, is_addressed: bool
) -> None:
    window = Window(History(), is_looking=False)
    state = replace(STATE, muted=(room("lab"),) if is_muted else ())
    window.view.handle([heard(text)], state, (), now=0.0)
    (row,) = (one for one in window.view.rows() if one.conversation == room("lab"))
    assert (row.calls, row.is_addressed, row.unread) == (calls, is_addressed, 1)
    assert bool(window.view.take_changes().calls) == calls
    window.paint(room("lab"))
    window.view.handle([], state, (), now=0.0)
    window.view.handle(
        [events.ConversationRead(conversation=room("lab"), id=1)], state, (), now=0.0
    )
    assert not any(one.is_addressed or one.unread for one in window.view.rows())


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("/mute", requests.Mute(conversation=room("lab"))),
        ("/mute 2h", requests.Mute(conversation=room("lab"), seconds=7_200)),
        ("/mute #den", requests.Mute(conversation=room("den"))),
        ("/unmute everybody", requests.Mute(conversation=EVERYBODY, seconds=0)),
        ("/mute box", '[No person or room called "box".]'),
    ],
)
def test_a_conversation_is_muted_by_its_name_or_where_one_is(
    line: str, asked: requests.Mute | str
) -> None:
    history, view = History(), flow(is_screen=False)
    assert asked in history.asked or asked in [*typed(view, history, line), *history.asked]


def test_unread_lines_of_a_muted_conversation_are_not_counted_at_a_prompt() -> None:
    index = CompletionIndex()
    view = FlowView(STATE, is_screen=True, completions=index, draw_line=lambda: 7)
    muted = replace(STATE, muted=(room("lab"),))
    for number, (text, state, unread) in enumerate(
        [("hi", STATE, 1), ("hi", muted, 1), ("alice?", muted, 1), ("@alice?", muted, 2)], 1
    ):
        view.handle([heard(text, number)], state, (), now=0.0)
        assert view.status(now=0.0).unread == unread


def test_away_twice_is_back_and_so_is_a_message_but_no_command() -> None:
    history, view = History(), flow(is_screen=False)
    assert typed(view, history, "/away at lunch") == ["[Others see that you are away: at lunch.]"]
    assert BACK not in typed(view, history, "/status exam", "/who")
    assert typed(view, history, "hello") == [BACK]
    assert BACK not in typed(view, history, "hello")
    typed(view, history, "/away")
    assert typed(view, history, "/away") == [BACK]
    asked = [step for step in history.asked if isinstance(step, requests.SetStatus)]
    assert [(one.status, one.away) for one in asked] == [
        (None, "at lunch"),
        ("exam", "at lunch"),
        (None, None),
        (None, ""),
        (None, None),
    ]


def test_who_writes_to_somebody_away_is_told_once() -> None:
    history, view = History(), flow(is_screen=True)
    for away, told in (("at lunch", 1), (None, 0), ("", 1)):
        bob = events.Person(name="bob", online=True, since=0.0, away=away)
        view.handle([], STATE, (bob,), now=0.0)
        lines = typed(view, history, "/dm bob hi", "/dm bob are you there?")
        assert sum(line.startswith("[bob is away") for line in lines) == told


@pytest.mark.parametrize(
    ("line", "asked", "shown"),
    [
        ("/cancel", 5, []),
        ("/cancel 2", 4, ['[You took back "line 4".]']),
        ("/cancel 3", None, ["[Nothing of yours waits.]"]),
    ],
)
def test_cancel_counts_what_waits(line: str, asked: int | None, shown: list[str]) -> None:
    """An odd line is never sent, as an event tells; an even one is taken back."""
    history, view = History(), flow(is_screen=False)
    states = (None, DELIVERED, SAVED, KEPT, UNSETTLED, REFUSED, DELIVERED)
    history.lines += [
        replace(said(number, room("lab")), is_ours=state is not None, state=state)
        for number, state in enumerate(states, 1)
    ]
    assert typed(view, history, line) == shown
    cancels = [one.id for one in history.asked if isinstance(one, requests.Cancel)]
    assert cancels == ([] if asked is None else [asked])
    history.lines.pop()
    typed(view, history, "/retract")
    assert requests.Retract(id=5) in history.asked, "what was refused is not counted"
