"""This file is about telling the commands: help as lines, and the list in the guide, both from the one table."""

from typing import Final

from peer.ui.commands import BY_SPELLING, COMMANDS
from peer.ui.intentions import SayInRoom
from peer.ui.rows import usage
from peer.ui.spelling import as_typed

GUIDE_BEGINS: Final = (
    "<!-- The list of commands is made from peer/ui/commands.py by `python -m examples.guide`. -->"
)
GUIDE_ENDS: Final = "<!-- End of the list of commands. -->"


def help_lines(command: str | None = None) -> list[str]:
    """Every command, one line each; or for one spelling its summary, all its spellings and an example."""
    if command is not None:
        row = BY_SPELLING[command]
        return [
            f"{usage(command, row.shape)} - {row.summary}",
            f"Spellings: {' · '.join(row.usages)}",
            f"Example: {as_typed(row.example, in_room=isinstance(row.example, SayInRoom))}",
        ]
    width = max(len(usage(row.spellings[0], row.shape)) for row in COMMANDS)
    return [f"{usage(row.spellings[0], row.shape):<{width}}  {row.summary}" for row in COMMANDS]


def guide_table() -> str:
    """The list of commands as Markdown, with the marks between which it stands in the guide."""
    lines = ["| you type | or | what happens |", "|---|---|---|"]
    for row in COMMANDS:
        others = [f"`{one}`" for one in (*row.spellings[1:], row.bare) if one]
        typed = usage(row.spellings[0], row.shape)
        lines.append(f"| `{typed}` | {', '.join(others)} | {row.summary} |")
    return "\n".join((GUIDE_BEGINS, "", *lines, "", GUIDE_ENDS))
