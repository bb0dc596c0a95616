"""One end of a help-desk conversation: line numbers, answers, and a restart under another clock."""

from chatapp.peer.core.desk.operator import DeskConversation
from chatapp.wire.messages.desk import DeskLine

WALL = 1_800_000_000.0
HOUR = 3_600.0


def test_what_was_taken_is_not_said_again() -> None:
    conversation = DeskConversation(7)
    one, two = (conversation.say("x", wall=WALL, line=line) for line in (1, 2))
    assert conversation.taken(one.number) == ([1], [])
    assert conversation.unanswered() == [two]
    assert conversation.taken(two.number) == ([2], [])
    assert conversation.is_settled


def test_lines_under_a_clock_that_was_set_back_are_said_again_above_those_of_the_life_before() -> (
    None
):
    former = DeskConversation(7).say("before", wall=WALL)
    conversation = DeskConversation(7)
    conversation.say("one", wall=WALL - HOUR)
    conversation.say("two", wall=WALL - HOUR)
    assert conversation.taken(former.number) == ([], [])  # is that line of an earlier run?
    conversation.take(DeskLine(7, 1, "", 0, "before", former.number))
    _, again = conversation.settle()
    assert [line.text for line in again] == ["one", "two"]
    assert again[0].number > former.number
    assert conversation.say("three", wall=WALL - HOUR).number > again[1].number
    assert conversation.taken(again[1].number).again == []
    assert [line.text for line in conversation.unanswered()] == ["three"]


def test_a_line_that_an_earlier_run_has_said_is_not_said_again_under_its_number() -> None:
    number = int(WALL * 1_000_000)
    conversation = DeskConversation(7)
    for text, at in (("was taken", number), ("was not", number + 1)):
        assert conversation.say(text, wall=WALL + HOUR, number=at).number == at
    assert conversation.taken(number + 5) == ([], [])
    for position, at in ((1, number), (2, number + 5)):
        assert not conversation.settle().saved
        conversation.take(DeskLine(7, position, "", 0, "of an earlier run", at))
    assert conversation.was_said(number)
    saved, again = conversation.settle()
    assert saved == [number]
    assert [(line.text, line.number) for line in again] == [("was not", number + 6)]
