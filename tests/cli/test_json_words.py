"""The words of JSON that the guide lists are those that programs read."""

import enum
import re
from pathlib import Path

import pytest

from chatapp.peer.api.events import MessageReason, MessageState
from chatapp.peer.api.trace import TraceEvent
from chatapp.peer.faces.export import KINDS

GUIDE = Path(__file__).parents[2] / "docs/reference/commands.md"


def listed(start: str, end: str) -> set[str]:
    _, found, rest = GUIDE.read_text("utf-8").partition(start)
    assert found, f"no {start!r} in the guide"
    return set(re.findall(r"`(\w+)`", rest.partition(end)[0]))


def words(kind: type[enum.Enum]) -> set[str]:
    return {member.name.lower() for member in kind}


@pytest.mark.parametrize(
    ("known", "start", "end"),
    [
        (set(KINDS.values()), "| `kind` |", "\n"),
        (words(MessageState), "| `state` |", ";"),
        (words(TraceEvent), "`event` (", ")"),
    ],
)
def test_the_guide_lists_each_word_once(known: set[str], start: str, end: str) -> None:
    assert listed(start, end) == known


def test_the_guide_explains_each_reason() -> None:
    _, _, rest = GUIDE.read_text("utf-8").partition("| `reason` | meaning |")
    first_cells = re.findall(r"^\| (`[^|]*) \|", rest.partition("\n\n")[0], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells))) == words(MessageReason)
