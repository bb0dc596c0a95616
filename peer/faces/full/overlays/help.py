"""Help (F1): the keys of the screen and every command, found by typing."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content

from chatapp.peer.commands.arguments import SIGNS, Command, usage
from chatapp.peer.commands.commands import COMMANDS, DESK_COMMANDS
from chatapp.peer.faces.full.overlays.overlay import Picker
from chatapp.peer.faces.full.signs import Signs
from chatapp.peer.words import overlays as texts


class HelpOverlay(Picker[str]):
    """Lists keys and commands. Its result is the spelling of the command that was chosen, to be put
    into the line."""

    def __init__(
        self, keys: Sequence[tuple[str, str]], *, signs: Signs, is_operator: bool = False
    ) -> None:
        """`keys`: each key of the screen, and what it does. `is_operator`: whether the commands of
        the help desk are listed."""
        super().__init__(texts.HELP, signs=signs, keys=(texts.TYPES,))
        self._keys: Final = keys
        self._commands: Final = [row for row in COMMANDS if is_operator or row not in DESK_COMMANDS]

    def look_for(self, typed: str) -> None:
        """Show the keys and commands that have all these words."""
        words = typed.casefold().split()
        keys = [(key, does) for key, does in self._keys if _has(words, key, does)]
        commands = [row for row in self._commands if _has(words, *row.usages, row.summary)]
        width = max(
            (len(one) for one in (*(key for key, _ in keys), *map(_usage, commands))), default=0
        )
        rows = [("", _row(key, does, width, "bold $accent")) for key, does in keys]
        rows += [
            (_spelling(row), _row(_usage(row), row.summary, width, "bold $primary"))
            for row in commands
        ]
        self.show_rows(rows)
        self.note(texts.listed(len(keys), len(commands)) if rows else texts.NO_SUCH_COMMAND)

    def take(self, value: str | None) -> None:
        """Close with the spelling of a command. A key has none."""
        super().take(value or None)


def _spelling(row: Command) -> str:
    """Return the first spelling that works in every conversation."""
    return next(one for one in row.spellings if one.startswith(SIGNS) and one not in row.unquoted)


def _usage(row: Command) -> str:
    return usage(_spelling(row), row.shape)


def _has(words: Sequence[str], *texts_: str) -> bool:
    whole = " ".join(texts_).casefold()
    return all(word in whole for word in words)


def _row(what: str, does: str, width: int, style: str) -> Content:
    return Content.assemble((what.ljust(width), style), "  ", does)
