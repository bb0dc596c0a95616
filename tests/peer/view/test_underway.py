"""Our messages on a screen: marks beside settled lines, and lines that name their message."""

from typing import Final

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.events import MessageReason, MessageState
from chatapp.peer.view.flow import REMEMBERED_MAX, UnderWay
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import Mark, SettledLine, TypedLine

BOB: Final = person("bob")


def changed(
    state: MessageState, message: int = 1, to: Conversation = BOB, **more: object
) -> events.MessageChanged:
    return events.MessageChanged(conversation=to, id=message, state=state, **more)  # type: ignore[arg-type]


def begun(*texts: str) -> tuple[UnderWay, list[TypedLine]]:
    """Messages with the ids 1, 2 ... under way, and the lines that were typed for them."""
    under_way, typed = UnderWay(), [TypedLine(f"send bob {text}", 0.0) for text in texts]
    for at, (line, text) in enumerate(zip(typed, texts, strict=True), 1):
        under_way.begin(line, at, text)
    return under_way, typed


def shown(under_way: UnderWay, event: events.Event) -> list[object]:
    """What the screen shows: a settled line with its mark, and lines."""
    lines = under_way.lines(event, lines_of(event))
    return [(line.typed, line.mark) if isinstance(line, SettledLine) else line for line in lines]


SAVED = "[Messages received by the server and saved]"


@pytest.mark.parametrize(
    ("event", "mark", "line"),
    [
        (changed(MessageState.DELIVERED), Mark.RECEIVED, None),
        (changed(MessageState.SAVED), Mark.SAVED, SAVED),
        (
            changed(MessageState.KEPT),
            Mark.KEPT,
            "[Server not responding] Message to bob kept; it goes out when the server is back.",
        ),
        (
            changed(MessageState.REFUSED, reason=MessageReason.NOBODY),
            Mark.REFUSED,
            "[Message to bob refused: nobody of that name is known here.]",
        ),
        (changed(MessageState.SAVED, to=room("lab")), Mark.RECEIVED, None),
        (changed(MessageState.SAVED, to=EVERYBODY), Mark.RECEIVED, None),
    ],
)
def test_the_first_outcome_is_a_mark_and_a_line_where_there_is_more_to_say(
    event: events.MessageChanged, mark: Mark, line: str | None
) -> None:
    under_way, (typed,) = begun("hi")
    assert shown(under_way, event) == [(typed, mark), *([line] if line else [])]
    assert not under_way


def test_lines_name_their_message_when_several_are_open() -> None:
    under_way, typed = begun("one", "two")
    assert shown(under_way, changed(MessageState.SAVED, 2)) == [
        (typed[1], Mark.SAVED),
        "[Messages received by the server and saved: two]",
    ]
    kept = "[Server not responding] Message to bob kept; it goes out when the server is back. (one)"
    assert shown(under_way, changed(MessageState.KEPT, 1)) == [(typed[0], Mark.KEPT), kept]


def test_a_later_outcome_names_the_message_whose_line_has_moved_up() -> None:
    under_way, _ = begun("a long text that goes on and on and does not end so soon")
    shown(under_way, changed(MessageState.KEPT))
    (line,) = shown(under_way, changed(MessageState.DELIVERED))
    assert str(line).startswith("[Message received by bob: a long text that goes on and on")
    assert len(str(line)) < 80
    assert shown(under_way, changed(MessageState.DELIVERED, 7)) == ["[Message received by bob.]"], (
        "unknown"
    )


def test_that_nobody_acknowledged_it_is_no_line_while_it_stands_above_the_prompt() -> None:
    under_way, _ = begun("hi")
    away = events.Unacknowledged(conversation=person("bob"), id=1)
    assert shown(under_way, away) == []
    assert shown(under_way, events.Unacknowledged(conversation=person("bob"), id=2)) == lines_of(
        events.Unacknowledged(conversation=person("bob"), id=2)
    )


def test_what_is_refused_at_once_has_no_id() -> None:
    under_way = UnderWay()
    typed = TypedLine("send nobody hi", 0.0)
    under_way.begin(typed, 0, "hi")
    refused = changed(MessageState.REFUSED, 0, to=person("nobody"), reason=MessageReason.NOBODY)
    assert shown(under_way, refused)[0] == (typed, Mark.REFUSED)


def test_at_the_end_every_line_moves_up_without_a_mark() -> None:
    under_way, typed = begun("one", "two")
    assert [
        (line.typed, line.mark) for line in under_way.end() if isinstance(line, SettledLine)
    ] == [(one, None) for one in typed]
    assert not under_way


def test_texts_of_old_messages_are_forgotten() -> None:
    under_way, _ = begun(*map(str, range(REMEMBERED_MAX + 5)))
    assert len(under_way._texts) == REMEMBERED_MAX
