"""One end of a help-desk conversation: line numbers, answers, and a restart under another clock."""

from chatapp.peer.core.desk.operator import DeskConversation, SaidLine
from chatapp.wire.messages.desk import DeskLine, LineMark

WALL = 1_800_000_000.0
HOUR = 3_600.0


def test_what_was_taken_is_not_said_again() -> None:
    conversation = DeskConversation(7)
    one, two = (conversation.say("x", wall=WALL, line=line) for line in (1, 2))
    assert conversation.taken(one.number) == ([SaidLine("x", 1)], [])
    assert conversation.unanswered() == [two]
    assert conversation.taken(two.number) == ([SaidLine("x", 2)], [])
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
    assert [said.line for said in saved] == [number]
    assert [(line.text, line.number) for line in again] == [("was not", number + 6)]


def test_a_change_names_its_line_by_the_number_under_which_it_was_said_last() -> None:
    former = DeskConversation(7).say("before", wall=WALL)
    conversation = DeskConversation(7)
    said = conversation.say("helo", wall=WALL - HOUR, line=1)
    edit = conversation.say("hello", wall=WALL - HOUR, line=2, mark=LineMark.EDITED, target=1)
    assert edit.target == said.number
    conversation.taken(former.number)
    conversation.take(DeskLine(7, 1, "", 0, "before", former.number))
    _, again = conversation.settle()
    assert [line.target for line in again] == [0, again[0].number]
    assert again == conversation.unanswered()


def test_a_line_that_was_told_can_be_changed_too() -> None:
    conversation = DeskConversation(7)
    assert not conversation.may_change(5)
    conversation.told(DeskLine(7, 3, "", 0, "of an earlier run", 77), 5)
    conversation.told(DeskLine(7, 4, "bob", 0, "not ours"), 6)
    assert conversation.may_change(5)
    assert not conversation.may_change(6)
    edit = conversation.say("x", wall=WALL, line=9, mark=LineMark.EDITED, target=5)
    assert edit.target == 77
    change = DeskLine(7, 5, "bob", 0, "now", mark=LineMark.EDITED, target=4)
    assert conversation.target_of(change) == 6
