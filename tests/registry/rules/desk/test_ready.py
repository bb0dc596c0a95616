"""Ready answers: their entries, what operators are told of them, and `.a` at the console."""

import pytest

from chatapp.registry.rules.desk.settings import DeskSettings, ready_answers
from chatapp.wire.messages.desk import ReadyAnswer, ReadyAnswersShown
from tests.registry.rules.desk.help_desk import HelpDesk

ENTRIES = ("greet: Hello: how can I help?", "Bye:Good-bye")


def test_an_entry_is_a_word_a_colon_and_a_text() -> None:
    assert ready_answers(ENTRIES) == {
        "greet": ReadyAnswer("greet", "Hello: how can I help?"),
        "bye": ReadyAnswer("Bye", "Good-bye"),
    }


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (["greet"], "is no entry"),
        ([": text"], "is no entry"),
        (["two words: text"], "is no entry"),
        (["a: x", "A: y"], "listed twice"),
        ([f"{'a' * 33}: x"], "too long"),
        ([f"a: {'x' * 1_001}"], "too long"),
        ([f"a{number}: {'x' * 900}" for number in range(40)], "all together"),
    ],
)
def test_what_is_wrong_is_named(entries: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ready_answers(entries)


def test_an_operator_is_told_the_answers_on_each_link() -> None:
    help_desk = HelpDesk(DeskSettings(operators=("Ann",), answers=ENTRIES))
    ann = help_desk.operator("ann")
    shown = ReadyAnswersShown(
        [ReadyAnswer("greet", "Hello: how can I help?"), ReadyAnswer("Bye", "Good-bye")]
    )
    assert ann.last(ReadyAnswersShown) == shown
    ann.drop()
    ann.come_back()
    assert ann.last(ReadyAnswersShown) == shown


def test_the_console_says_them() -> None:
    help_desk = HelpDesk(DeskSettings(answers=ENTRIES))
    help_desk.open()
    assert help_desk.type(".a greet") == ["[No active client.]"]
    asha = help_desk.joined()
    help_desk.shown()
    assert help_desk.type(".a GREET") == []
    assert asha.texts == ["Hello: how can I help?"]
    assert help_desk.type(".a") == ["[Ready answers: greet, Bye.]"]
    assert help_desk.type(".a nothing") == [
        '[There is no ready answer "nothing"; there are greet, Bye.]'
    ]


def test_a_desk_without_any_says_so(help_desk: HelpDesk) -> None:
    for typed in (".a", ".a greet"):
        assert help_desk.type(typed) == [
            "[There are no ready answers: the configuration has none.]"
        ]
