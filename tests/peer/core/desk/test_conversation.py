"""One end of a help-desk conversation: line numbers, answers, and a restart under another clock."""

from chatapp.peer.core.desk.operator import DeskConversation

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
    _, again = conversation.taken(former.number)
    assert [line.text for line in again] == ["one", "two"]
    assert again[0].number > former.number
    assert conversation.say("three", wall=WALL - HOUR).number > again[1].number
    assert conversation.taken(again[1].number).again == []
    assert [line.text for line in conversation.unanswered()] == ["three"]
