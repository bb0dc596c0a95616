"""The `message` dialogue: its questions in order, and how to cancel it."""

import pytest

from chatapp.peer.api.requests import ReleaseName
from chatapp.peer.commands.meanings import Empty, Mistake
from chatapp.peer.commands.parser import Confirmation, Dialogue
from chatapp.wire.names import peer_name
from tests.peer.faces.line.typists import direct


def test_first_to_whom_then_what() -> None:
    dialogue = Dialogue()
    assert dialogue.question == "To: "
    assert dialogue.answer(" Bob \n") == Empty()
    assert dialogue.question == "Text: "
    assert not dialogue.is_over
    assert dialogue.answer("  as typed, send carol: x \r\n") == direct(
        peer_name("Bob"), "  as typed, send carol: x "
    )
    assert dialogue.is_over


@pytest.mark.parametrize("answers", [[""], ["  "], ["/quit"], ["bob", ""], ["bob", " /QUIT "]])
def test_an_empty_answer_or_quit_gives_up(answers: list[str]) -> None:
    dialogue = Dialogue()
    *before, last = answers
    for answer in before:
        dialogue.answer(answer)
    assert dialogue.answer(last) == Mistake("[Nothing was sent.]")
    assert dialogue.is_over


def test_an_invalid_name_is_asked_again() -> None:
    dialogue = Dialogue()
    refused = dialogue.answer("b@b\x1b")
    assert refused == Mistake(
        '["b@b\\x1b" is not a name: only letters, digits, _ and - are allowed.]'
    )
    assert (dialogue.question, dialogue.is_over) == ("To: ", False)


def test_broken_input_can_still_be_sent() -> None:
    dialogue = Dialogue()
    dialogue.answer("bob")
    assert dialogue.answer("\ud83dx") == direct(peer_name("bob"), "\ufffdx")


@pytest.mark.parametrize(
    ("answer", "is_yes"),
    [("y", True), (" YES \n", True), ("", False), ("n", False), ("yes please", False)],
)
def test_only_yes_confirms(answer: str, is_yes: bool) -> None:
    asked = Confirmation(ReleaseName(), "Really? ", otherwise="[No.]")
    assert asked.answer(answer) == (ReleaseName() if is_yes else Mistake("[No.]"))
    assert asked.is_over
