"""An operator's input: commands with their arguments, and plain lines to the visitor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.requests import LeaveRoom
from chatapp.peer.commands.meanings import Context, Meaning, Mistake, SayToClient, ShowPeople
from chatapp.peer.commands.parser import parse
from chatapp.peer.words.formatting import Status, prompt_of
from chatapp.wire.limits import DESK_NOTE_MAX
from chatapp.wire.messages.desk import (
    AnnounceAtDesk,
    CallNext,
    DropVisitor,
    EndSession,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    ShowFigures,
    ShowPast,
    ShowRoom,
    TakeDuty,
)
from chatapp.wire.names import peer_name
from tests.peer.faces.line.typists import in_lab

ME = peer_name("bob")
IDLE = Context(me=ME)
ON_DUTY = Context(me=ME, on_duty=True)
SERVING = Context(me=ME, on_duty=True, serves=True)
SERVING_IN_ROOM = Context(me=ME, on_duty=True, serves=True, room="lab")


@pytest.mark.parametrize("context", [IDLE, ON_DUTY, SERVING, SERVING_IN_ROOM])
@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (".room", ShowRoom(0, "")),
        (".room exams", ShowRoom(0, "exams")),
        (".NEXT", CallNext(0, "", 0)),
        (".next exams", CallNext(0, "exams", 0)),
        (".on", TakeDuty(0, "")),
        (".end", EndSession(0, 0)),
        (".drop 12", DropVisitor(0, 0, 12)),
        (".move 3 1", MoveVisitor(0, 0, 3, 1)),
        (".handover Eve", HandOver(0, 0, "Eve")),
        (".note  wants \t a call ", NoteVisitor(0, 0, " wants \t a call ")),
        (".stats", ShowFigures(0, "")),
        (".past", ShowPast(0, "", 0)),
        (".past 40", ShowPast(0, "", 40)),
        (".past Asha Rao", ShowPast(0, "Asha Rao", 0)),
        (
            ".past 41",
            Mistake(
                '[Give a number of past sessions, 1 to 40, or a visitor\'s full name, not "41".]'
            ),
        ),
        (
            ".past a1",
            Mistake(
                '[Give a number of past sessions, 1 to 40, or a visitor\'s full name, not "a1".]'
            ),
        ),
        (".drop 0", Mistake('[Give a number of the waiting room, 1 or above, not "0".]')),
        (".move 1 x", Mistake('[Give a number of the waiting room, 1 or above, not "x".]')),
        (".move 1", Mistake("[Usage: .move <n> <to>]")),
        (".drop", Mistake("[Usage: .drop <n>]")),
        (
            ".drop 9999999999",
            Mistake('[Give a number of the waiting room, 1 or above, not "9999999999".]'),
        ),
        (".end now", Mistake("[Usage: .end]")),
    ],
)
def test_commands_mean_the_same_everywhere(line: str, context: Context, parsed: Meaning) -> None:
    assert parse(line, context) == parsed


@pytest.mark.parametrize("context", [SERVING, SERVING_IN_ROOM])
@pytest.mark.parametrize(
    "line", ["hello", "send eve hi", "leave", "quit", "eve: hi", " é ✓ ", "x" * 3_000]
)
def test_a_bare_line_of_one_who_serves_goes_to_the_visitor(line: str, context: Context) -> None:
    assert parse(line, context) == SayToClient(line)


def test_a_sign_keeps_its_meaning_and_two_of_them_are_text() -> None:
    assert parse("/who", SERVING) == ShowPeople()
    assert parse("/leave", SERVING_IN_ROOM) == LeaveRoom(room="lab")
    assert parse("/say hi", SERVING_IN_ROOM) == in_lab("hi")
    assert parse("//etc/hosts", SERVING) == SayToClient("/etc/hosts")


def test_on_duty_with_nobody_to_serve() -> None:
    assert parse("hello there", ON_DUTY) == Mistake("[No active client.]")
    assert parse("who", ON_DUTY) == ShowPeople()
    assert isinstance(parse("hello there", IDLE), Mistake)
    assert parse("hello there", IDLE) != Mistake("[No active client.]")
    assert parse(".say hi", IDLE) == Mistake("[No active client.]")
    assert parse("hi", Context(me=ME, on_duty=True, room="lab")) == in_lab("hi")


def test_a_note_or_an_announcement_that_is_too_long_is_answered_at_once() -> None:
    fits = "é" * (DESK_NOTE_MAX // 2)
    assert parse(f".note {fits}", SERVING) == NoteVisitor(0, 0, fits)
    assert parse(f".announce {fits}", ON_DUTY) == AnnounceAtDesk(0, "", fits)
    too_long = Mistake("[The text is too long: at most 4,096 bytes.]")
    assert parse(f".note {fits}x", SERVING) == too_long
    assert parse(f".announce {fits}x", ON_DUTY) == too_long


@given(st.text(), st.sampled_from([IDLE, ON_DUTY, SERVING, SERVING_IN_ROOM]))
def test_any_line_means_something(line: str, context: Context) -> None:
    parse(line, context)


def test_the_prompt_names_the_visitor() -> None:
    assert prompt_of(Status(me="bob", room="lab", client="Asha Rao")) == "[desk: Asha Rao] >>> "
    assert prompt_of(Status(me="bob", client="A\x1b[2J")) == "[desk: A\\x1b[2J] >>> "
    assert prompt_of(Status(me="bob")) == ">>> "
