"""The table of people (`/table`): everybody's name, address, port and presence."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, person
from chatapp.peer.faces.full.overlays.overlay import Picker
from chatapp.peer.faces.full.signs import Signs
from chatapp.peer.view.layout import cells_of
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name
from chatapp.wire.text import sanitize


class PeopleOverlay(Picker[Conversation]):
    """Shows the table, and finds rows by a part of them. Its result is the conversation with the
    person who was chosen."""

    def __init__(self, people: Sequence[events.Person], *, signs: Signs) -> None:
        """`people`: `Peer.people()`."""
        super().__init__(texts.TABLE, signs=signs, keys=(texts.TALKS,))
        self._people: Final = people

    def look_for(self, typed: str) -> None:
        """Show the rows that have these letters."""
        wanted = typed.casefold().strip()
        shown = [
            (somebody, row)
            for somebody in self._people
            if wanted in " ".join(row := self._row(somebody)).casefold()
        ]
        widths = [
            max(map(_cells, column))
            for column in zip(texts.TABLE_HEAD, *(row for _, row in shown), strict=True)
        ]
        self.show_head(Content.assemble(("  " + _joined(texts.TABLE_HEAD, widths), "$chat-muted")))
        self.show_rows(
            [
                (person(somebody.name), self._content(somebody, _joined(row, widths)))
                for somebody, row in shown
            ]
        )
        online = sum(somebody.online for somebody, _ in shown)
        self.note(texts.table_sum(len(shown), online) if self._people else texts.NO_TABLE)

    def _row(self, one: events.Person) -> tuple[str, str, str, str]:
        presence = texts.presence(is_online=one.online, since=one.since)
        return name(one.name), sanitize(one.host) or "-", str(one.port or "-"), presence

    def _content(self, one: events.Person, row: str) -> Content:
        sign = (
            (f"{self._signs.online} ", "$success")
            if one.online
            else (f"{self._signs.away} ", "$chat-muted")
        )
        return Content.assemble(sign, (row, "" if one.online else "$chat-muted"))


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        text + " " * (width - _cells(text)) for text, width in zip(row, widths, strict=True)
    ).rstrip()


def _cells(text: str) -> int:
    return sum(map(cells_of, text))
