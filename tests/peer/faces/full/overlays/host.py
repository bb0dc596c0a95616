"""A small app that shows one overlay, with lines and people to put into it."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from textual.app import App
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.conversations import room as in_room
from chatapp.peer.api.events import MessageState, Said
from chatapp.peer.faces.full.overlays.overlay import Overlay, Perform
from chatapp.peer.faces.full.theme import DARK, THEMES
from tests.peer.faces.test_runner import screen_runner

Result = TypeVar("Result")

NOON: Final = 1_700_000_000.0
HOSTILE: Final = "[@click=app.quit]x[/] \x1b[31m\u202e[/] {}"
"""Text that would end the app, break its markup or paint the terminal if a widget took it for
markup."""


class Host(App[None], Generic[Result]):
    """Shows an overlay and keeps what it gave back."""

    overlay: Overlay[Result]

    def __init__(self, make: Callable[[], Overlay[Result]]) -> None:
        """`make`: makes the pane, once the app runs."""
        super().__init__()
        self._make = make
        self.results: list[Result | None] = []
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK

    @property
    def is_current_overlay(self) -> bool:
        """Whether the overlay is open."""
        return self.screen is self.overlay

    async def on_mount(self) -> None:
        self.overlay = self._make()
        await self.push_screen(self.overlay, self.results.append)


def asking(answer: Callable[[Any], Coroutine[Any, Any, Any]]) -> Perform:
    """Return what carries out steps of the view; this answers their requests."""
    node, runner = screen_runner()
    node.request = answer  # type: ignore[method-assign, assignment]
    return runner.perform


def plain(content: object) -> str:
    """Return the text of something that a widget shows, which must not be a bare string."""
    assert isinstance(content, Content)
    return content.plain


def rows(overlay: Overlay[Result]) -> list[str]:
    """Return the rows of an overlay's list."""
    return [plain(option.prompt) for option in overlay.query_one(OptionList).options]


def note(overlay: Overlay[Result]) -> str:
    """Return the line below an overlay's body."""
    return plain(overlay.query_one("#note", Static).content)


async def until(pilot: Pilot[None], happened: Callable[[], bool]) -> None:
    """Let the app run until this is so."""
    while not happened():
        await pilot.pause()


def said(
    id_: int, text: str, *, sender: str = "bob", to: str | None = None, room: str | None = "lab"
) -> Said:
    """Return a line of the past: in a room, or with `to` to one person."""
    is_ours = sender == "alice"
    return Said(
        conversation=in_room(room or "") if to is None else person(to if is_ours else sender),
        id=id_,
        sender=sender,
        identity=b"",
        number=id_,
        text=text,
        at=NOON + id_,
        is_ours=is_ours,
        state=MessageState.DELIVERED if is_ours else None,
    )


def somebody(name: str, *, online: bool = True) -> events.Person:
    """Return a person of the table."""
    return events.Person(name=name, online=online, since=NOON, host="192.0.2.7", port=4_000)
