"""Lists to choose from: help (F1), with the keys of the screen and every command; conversations, rooms
and people to go to (Ctrl-K); the table of people (`/table`); and the question for a name."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, person
from chatapp.peer.commands.arguments import Command, usage
from chatapp.peer.commands.commands import commands_for, spelling_on_screen
from chatapp.peer.faces.full.overlays.overlay import Perform, Picker
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.layout import cells_of
from chatapp.peer.view.lookups import PeopleTable, Place, Places
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name
from chatapp.wire.text import sanitize


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
        self._commands: Final = commands_for(is_operator=is_operator)

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
            (spelling_on_screen(row), _row(_usage(row), row.summary, width, "bold $primary"))
            for row in commands
        ]
        self.show_rows(rows)
        self.note(texts.listed(len(keys), len(commands)) if rows else texts.NO_SUCH_COMMAND)

    def take(self, value: str | None) -> None:
        """Close with the spelling of a command. A key has none."""
        super().take(value or None)


def _usage(row: Command) -> str:
    return usage(spelling_on_screen(row), row.shape)


def _has(words: Sequence[str], *texts_: str) -> bool:
    whole = " ".join(texts_).casefold()
    return all(word in whole for word in words)


def _row(what: str, does: str, width: int, style: str) -> Content:
    return Content.assemble((what.ljust(width), style), "  ", does)


class PlaceOverlay(Picker[Conversation]):
    """Lists places, those with unread lines first, and finds them by letters in their order. Its
    result is the conversation that was chosen, which may be a room that does not exist yet."""

    def __init__(self, places: Places, perform: Perform, *, signs: Signs) -> None:
        super().__init__(texts.GO_TO, signs=signs, keys=(texts.GOES,))
        self._places: Final = places
        self._perform: Final = perform

    def on_mount(self) -> None:
        """Ask which rooms there are. Textual calls the method of `Picker` as well, which shows what
        is known."""
        self.run_worker(self._look())

    def look_for(self, typed: str) -> None:
        """Show the places that fit, the best one first."""
        fits = self._places.fitting(typed)
        width = max((len(name(place.title)) for place, _ in fits), default=0)
        self.show_rows(
            [(place.conversation, self._row(place, letters, width)) for place, letters in fits]
        )
        self.note(self._places.note(is_empty=not fits))

    def _row(self, place: Place, letters: Sequence[int], width: int) -> Content:
        shown = name(place.title)
        label = Content(shown.ljust(width))
        if place.is_news:
            label = label.stylize("bold")
        for at in letters if len(shown) == len(place.title) else ():
            label = label.stylize("bold $accent", at, at + 1)
        about = (place.about, "$chat-new" if place.is_news else "$chat-muted")
        return Content.assemble(self._sign(place), label, "  ", about)

    def _sign(self, place: Place) -> tuple[str, str]:
        if place.is_online:
            return f"{self._signs.online} ", "$success"
        what = place.conversation
        sign = self._signs.away if what.is_person else "#" if what.is_room else "*"
        return f"{sign} ", "$chat-muted"

    async def _look(self) -> None:
        await self._perform(self._places.look())
        chosen = self.chosen
        self.look_for(self._input.value)
        self.choose(chosen)


class PeopleOverlay(Picker[Conversation]):
    """Shows the table, and finds rows by a part of them. Its result is the conversation with the
    person who was chosen."""

    def __init__(self, table: PeopleTable, perform: Perform, *, signs: Signs) -> None:
        super().__init__(texts.TABLE, signs=signs, keys=(texts.TALKS,))
        self._table: Final = table
        self._perform: Final = perform

    def on_mount(self) -> None:
        """Ask for addresses. Textual calls the method of `Picker` as well, which shows what is
        known."""
        self.run_worker(self._look())

    def look_for(self, typed: str) -> None:
        """Show the rows that have these letters."""
        wanted = typed.casefold().strip()
        shown = [
            (somebody, row)
            for somebody in self._table.people
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
        self.note(texts.table_sum(len(shown), online) if self._table.people else texts.NO_TABLE)

    async def _look(self) -> None:
        await self._perform(self._table.look())
        chosen = self.chosen
        self.look_for(self._input.value)
        self.choose(chosen)

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


class NameOverlay(Picker[str]):
    """Asks for a name, and offers those that are known. Its result is the name, which need not be
    one of them."""

    def __init__(self, title: str, known: Sequence[str], *, signs: Signs) -> None:
        super().__init__(title, signs=signs, keys=(texts.TAKES,))
        self._known: Final = known

    def look_for(self, typed: str) -> None:
        """Show the names that begin so, and the one that was typed."""
        begun = typed.strip()
        names = [one for one in self._known if one.casefold().startswith(begun.casefold())]
        if begun and begun not in names:
            names.append(begun)
        self.show_rows([(one, Content(name(one))) for one in names])
        self.note("" if names else texts.TYPE_NAME)
