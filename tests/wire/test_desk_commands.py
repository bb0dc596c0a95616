"""The table of the commands of operators: whatever is typed is a request or told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.desk.commands import DESK_COMMANDS, CommandMisread, NoSuchPosition, usage
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages.desk import OperatorRequest


@pytest.mark.parametrize("word", DESK_COMMANDS)
@given(typed=st.text() | st.integers().map(str))
def test_what_is_typed_is_a_request_or_told(word: str, typed: str) -> None:
    command = DESK_COMMANDS[word]
    try:
        request = command.read(typed)
    except CommandMisread as misread:
        assert str(misread).startswith("[Give a number of ") or "[The text is too long" in str(
            misread
        )
    except NameRefused:
        assert command.arguments.strip("[<>]") in {"queue", "operator"}
    else:
        assert isinstance(request, OperatorRequest)
        assert type(request) is type(command.example)


def test_a_number_that_nobody_can_have_is_known() -> None:
    for word, typed in (("drop", "0"), ("move", "1 0"), ("move", "0 1")):
        with pytest.raises(NoSuchPosition):
            DESK_COMMANDS[word].read(typed)


def test_usages() -> None:
    assert [usage(word) for word in ("end", "move", "past")] == [
        ".end",
        ".move <n> <to>",
        ".past [n or name]",
    ]
