"""What the forms of the operator's page ask for, and what is wrong with others."""

import pytest

from chatapp.peer.faces.web.operators.forms import Action, Unclear, action_of
from chatapp.wire.errors import ChatAppError, NameRefused
from chatapp.wire.messages.desk import (
    CallNext,
    CloseQueue,
    DropVisitor,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    ShowPast,
    TakeDuty,
)


@pytest.mark.parametrize(
    ("verb", "fields", "action"),
    [
        ("on", {}, Action(TakeDuty(0, "desk"))),
        ("on", {"queue": "exams"}, Action(TakeDuty(0, "exams"))),
        ("next", {"visit": "7"}, Action(CallNext(0, "desk", 7), 7)),
        ("handover", {"visit": "7", "operator": " eva "}, Action(HandOver(0, 7, "eva"), 7)),
        ("note", {"visit": "7", "text": "a\r\nb "}, Action(NoteVisitor(0, 7, "a\nb"), 7)),
        ("note", {"visit": "7"}, Action(NoteVisitor(0, 7, ""), 7)),
        ("drop", {"visit": "31", "position": "2"}, Action(DropVisitor(0, 31, 2))),
        ("move", {"visit": "31", "position": "2", "to": "1"}, Action(MoveVisitor(0, 31, 2, 1))),
        ("close", {"text": "lunch"}, Action(CloseQueue(0, "desk", "lunch"))),
        ("past", {"name": "  Asha   Rao "}, Action(ShowPast(0, "Asha Rao", 20))),
    ],
)
def test_a_form_becomes_a_request(verb: str, fields: dict[str, str], action: Action) -> None:
    assert action_of(verb, fields, queue="desk") == action


@pytest.mark.parametrize(
    ("verb", "fields", "error"),
    [
        ("fly", {}, Unclear),
        ("end", {}, Unclear),
        ("end", {"visit": "-1"}, Unclear),
        ("end", {"visit": "٣"}, Unclear),
        ("drop", {"visit": "31", "position": "1" * 20}, Unclear),
        ("drop", {"position": "2"}, Unclear),
        ("drop", {"visit": "0", "position": "2"}, Unclear),
        ("move", {"position": "2", "to": "1"}, Unclear),
        ("handover", {"visit": "7", "operator": "e va"}, NameRefused),
        ("on", {"queue": ""}, NameRefused),
        ("note", {"visit": "7", "text": "x" * 4_097}, Unclear),
        ("announce", {"text": " "}, Unclear),
        ("announce", {"text": "x" * 4_097}, Unclear),
        ("close", {"text": "x" * 201}, Unclear),
        ("past", {"name": "x" * 65}, Unclear),
    ],
)
def test_what_is_wrong_is_one_line(
    verb: str, fields: dict[str, str], error: type[ChatAppError]
) -> None:
    with pytest.raises(error) as refused:
        action_of(verb, fields, queue="desk")
    assert len(str(refused.value).splitlines()) == 1
