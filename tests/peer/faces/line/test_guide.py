"""The guide's list of commands is generated from the command table."""

import pytest

from chatapp.peer.commands.commands import BY_SPELLING, COMMANDS, DESK_COMMANDS, help_lines
from examples.guide import GUIDE, with_commands


def test_the_list_of_commands_is_the_one_of_the_program() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert with_commands(text) == text, "run python -m examples.guide"
    for row in COMMANDS:
        assert all(f"`{spelling}" in text for spelling in row.spellings)


def test_a_guide_without_the_list_is_not_taken_for_one() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_commands("no list here")


def test_help_has_one_line_a_command() -> None:
    lines = help_lines(is_operator=True)
    assert len(lines) == len(COMMANDS)
    assert lines[0].startswith("send <name> <text>  ")
    assert [line for line in lines if line.lstrip().startswith(".")]
    others = help_lines()
    assert len(others) == len(COMMANDS) - len(DESK_COMMANDS)
    assert not [line for line in others if line.startswith(".")]


def test_no_line_of_help_is_broken_by_a_usual_terminal() -> None:
    lines = [*help_lines(is_operator=True), *(help_lines(word)[0] for word in BY_SPELLING)]
    assert [line for line in lines if len(line) > 80] == []
