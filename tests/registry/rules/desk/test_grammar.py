"""Parsing an operator's lines at the registry's own terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.desk.console import BadInput, ClientText, parse
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages import desk as wire


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (".room", wire.ShowRoom(0, "")),
        ("/room admissions", wire.ShowRoom(0, "admissions")),
        (". room", wire.ShowRoom(0, "")),
        ("/  room  admissions", wire.ShowRoom(0, "admissions")),
        (".next", wire.CallNext(0, "", 0)),
        ("/NEXT Admissions", wire.CallNext(0, "Admissions", 0)),
        (".end", wire.EndSession(0, 0)),
        (".drop 3", wire.DropVisitor(0, 0, 3)),
        (".move 3  1", wire.MoveVisitor(0, 0, 3, 1)),
        (".handover ann", wire.HandOver(0, 0, "ann")),
        (".note  be kind, é ✓", wire.NoteVisitor(0, 0, "be kind, é ✓")),
        (".on", wire.TakeDuty(0, "")),
        (".off", wire.EndDuty(0)),
        (".stats", wire.ShowFigures(0, "")),
        (".past", wire.ShowPast(0, "", 0)),
        (".past 12", wire.ShowPast(0, "", 12)),
        (".past  asha   rao", wire.ShowPast(0, "asha rao", 0)),
        ("hello", ClientText("hello")),
        ("  two blanks ", ClientText("  two blanks ")),
        ("..room", ClientText(".room")),
        ("//room", ClientText("/room")),
        ("é" * (TEXT_MAX // 2), ClientText("é" * (TEXT_MAX // 2))),
    ],
)
def test_lines(typed: str, meant: object) -> None:
    assert parse(typed + "\r\n") == meant


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (".drop", "[Usage: .drop <n>]"),
        (".drop -1", "[Usage: .drop <n>]"),
        (".drop ٣", "[Usage: .drop <n>]"),
        (".drop 99999999999999999999", "[Usage: .drop <n>]"),
        (".move 1", "[Usage: .move <n> <to>]"),
        (".end now", "[Usage: .end]"),
        (".handover", "[Usage: .handover <operator>]"),
        (".dorp 1", "[Unknown command .dorp. Did you mean .drop?]"),
        (".edit", "[Unknown command .edit. .help shows all commands.]"),
        (".enf", "[Unknown command .enf. Did you mean .end?]"),
        (".zzz", "[Unknown command .zzz. .help shows all commands.]"),
        (".\x1b[2J", "[Unknown command .\\x1b[2J. .help shows all commands.]"),
        (
            "x" * (TEXT_MAX + 1),
            "[Not sent: 65,537 bytes are too long; a message has at most 65,536.]",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(typed: str, answer: str) -> None:
    assert parse(typed) == BadInput((answer,))


def test_help_names_every_command() -> None:
    helped = parse(".help")
    assert isinstance(helped, BadInput)
    assert [line.split()[0] for line in helped.lines] == [
        ".room", ".next", ".end", ".drop", ".move", ".handover", ".hold", ".transfer", ".note", ".on", ".off",
        ".a", ".close", ".open", ".announce", ".table", ".stats", ".past",
    ]  # fmt: skip


@given(st.text())
def test_any_line_means_something_or_is_empty(line: str) -> None:
    assert (parse(line) is None) == (not line.rstrip("\r\n").strip())
