"""Help: the lines that `help` shows and the list in the guide, both made from the table of commands."""

from collections.abc import Mapping
from typing import Final

import msgspec

from chatapp.peer.ui.grammar.arguments import SIGNS, Command, usage
from chatapp.peer.ui.grammar.commands import BY_SPELLING, COMMANDS, DESK_COMMANDS
from chatapp.peer.ui.grammar.intents import Intent, SayInRoom

_BY_MEANING: Final[Mapping[type[Intent], Command]] = {type(row.example): row for row in COMMANDS}


_NOT_TYPED: Final = frozenset({"reference", "visit"})
"""Fields of an operator's request that the core fills in."""


def as_typed(intent: Intent, *, in_room: bool = False) -> str:
    """Spell a line that means `intent`, as it is typed in a room or outside. Empty for the intent `Empty`."""
    row = _BY_MEANING.get(type(intent))
    if row is None:
        return ""
    faithful = (one for one in row.spellings if one not in row.unquoted)
    spelling = next(one for one in faithful if not in_room or one.startswith(SIGNS))
    fields = msgspec.structs.asdict(intent).items()
    arguments = [
        str(value) for field, value in fields if value not in (None, "", 0) and field not in _NOT_TYPED
    ]
    return " ".join((spelling, *arguments))


GUIDE_BEGINS: Final = (
    "<!-- The list of commands is made from peer/ui/grammar/commands.py by `python -m examples.guide`. -->"
)
GUIDE_ENDS: Final = "<!-- End of the list of commands. -->"


def help_lines(command: str | None = None, *, is_operator: bool = False) -> list[str]:
    """List every command, one line each, those of the help desk for operators only; or for one spelling its summary, all
    its spellings and an example."""
    if command is not None:
        row = BY_SPELLING[command]
        return [
            f"{usage(command, row.shape)} - {row.summary}",
            f"Spellings: {' · '.join(row.usages)}",
            f"Example: {as_typed(row.example, in_room=isinstance(row.example, SayInRoom))}",
        ]
    offered = [row for row in COMMANDS if is_operator or row not in DESK_COMMANDS]
    width = max(len(usage(row.spellings[0], row.shape)) for row in offered)
    return [f"{usage(row.spellings[0], row.shape):<{width}}  {row.summary}" for row in offered]


def guide_table() -> str:
    """Return the list of commands as Markdown, between the marks that the guide has for it."""
    lines = ["| you type | or | what happens |", "|---|---|---|"]
    for row in COMMANDS:
        others = [f"`{one}`" for one in (*row.spellings[1:], row.bare) if one]
        typed = usage(row.spellings[0], row.shape)
        lines.append(f"| `{typed}` | {', '.join(others)} | {row.summary} |")
    return "\n".join((GUIDE_BEGINS, "", *lines, "", GUIDE_ENDS))
