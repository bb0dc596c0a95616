"""Overlays: framed screens above the conversation. Each shows a title, a body, and a line with its
keys."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from chatapp.peer.api import events
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.view import Steps
from chatapp.wire.text import sanitize

Perform = Callable[[Steps], Awaitable[Any]]
"""Carries out steps of the view: `Runner.perform`."""

_NOTHING: Final = Content("")


class Paragraph(Static):
    """Text that is shown as it is: as `Content`, and never as markup."""

    def __init__(self, content: Content = _NOTHING, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(Content.assemble(content), id=id, markup=False)

    def show(self, content: Content) -> None:
        """Show this text."""
        self.update(Content.assemble(content))


def key_line(keys: Sequence[tuple[str, str]], signs: Signs) -> Content:
    """Return keys and what they do in one line, as `Enter go there · Esc close`."""
    pieces = [Content.assemble((key, "bold"), f" {sanitize(does)}") for key, does in keys]
    return Content(signs.between).join(pieces)


Result = TypeVar("Result")

NARROW: Final = 80
"""Columns below which an overlay takes the whole width."""
_CORNERS: Final = 6
"""Cells of a frame's bottom that hold no text: the corners, and a line and a blank beside each."""


class Overlay(ModalScreen[Result], Generic[Result]):
    """A framed screen above the others. Esc closes it without a result."""

    DEFAULT_CSS = """
    Overlay {
        align: center middle;
        & > #frame {
            width: 86%;
            max-width: 104;
            height: 86%;
            max-height: 44;
            background: $surface;
            color: $foreground;
            border: round $primary;
            border-title-color: $primary;
            border-title-style: bold;
            border-subtitle-color: $chat-muted;
            padding: 0 1;
        }
        &.-ascii > #frame { border: ascii $primary; }
        &.-ascii VerticalScroll { scrollbar-size-vertical: 0 !important; }
        &.-narrow > #frame { width: 100%; height: 100%; max-height: 100%; padding: 0; }
        #note { height: auto; max-height: 3; color: $chat-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
    ]

    def __init__(self, title: str, *, signs: Signs, keys: Sequence[tuple[str, str]] = ()) -> None:
        """`keys`: each key, and what it does, for the line at the bottom."""
        super().__init__(classes=None if signs.is_utf8 else "-ascii")
        self._signs: Final = signs
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]
        self._frame = Vertical(id="frame")
        self._frame.border_title = Content(sanitize(title))
        self._shown_keys: Final = (*keys, ("Esc", "close"))
        self._note = Paragraph(id="note")

    def compose(self) -> ComposeResult:
        with self._frame:
            yield from self.body()
            yield self._note

    def on_resize(self) -> None:
        """Show the keys that the frame has room for."""
        self.call_after_refresh(self._show_keys)

    def _show_keys(self) -> None:
        """Show the keys at the frame's bottom; where it is too narrow, the last ones of them."""
        keys = self._shown_keys
        room = self._frame.outer_size.width - _CORNERS
        while len(keys) > 1 and key_line(keys, self._signs).cell_length > room:
            keys = keys[1:]
        self._frame.border_subtitle = key_line(keys, self._signs)

    def body(self) -> ComposeResult:
        """Yield the widgets between the title and the note."""
        yield from ()

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Take what happened while the overlay is open. The app calls this with every batch of
        events."""

    def note(self, text: str) -> None:
        """Show one line below the body: how much there is, or why there is nothing."""
        self._note.show(Content(sanitize(text)))

    def action_close(self) -> None:
        """Close without a result."""
        _ = self.dismiss(None)


class Picker(Overlay[Result], Generic[Result]):
    """An overlay with a field to type into and a list to choose from. The keys that move in the
    list work in the field."""

    DEFAULT_CSS = """
    Picker {
        Input { border: none; height: 1; padding: 0; background: $surface; background-tint: $foreground 0%; }
        Input:focus { border: none; background-tint: $foreground 0%; }
        #typed { height: 1; margin-bottom: 1; }
        #picker-prompt { width: auto; color: $primary; }
        #head { height: 1; display: none; }
        &.-ascii OptionList { text-overflow: clip; scrollbar-size-vertical: 0; }
        OptionList {
            height: 1fr;
            border: none;
            padding: 0;
            background: $surface;
            text-wrap: nowrap;
            text-overflow: ellipsis;
            scrollbar-size-vertical: 1;
            &:focus { border: none; background-tint: $foreground 0%; }
            & > .option-list--option-highlighted { color: $foreground; background: $chat-open; text-style: none; }
            &:ansi .option-list--option-highlighted {
                color: $block-cursor-foreground;
                background: $block-cursor-background;
            }
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move('cursor_up')", show=False, priority=True),
        Binding("down", "move('cursor_down')", show=False, priority=True),
        Binding("pageup", "move('page_up')", show=False, priority=True),
        Binding("pagedown", "move('page_down')", show=False, priority=True),
        Binding("ctrl+p", "move('cursor_up')", show=False, priority=True),
        Binding("ctrl+n", "move('cursor_down')", show=False, priority=True),
        Binding("ctrl+home", "move('first')", show=False, priority=True),
        Binding("ctrl+end", "move('last')", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        *,
        signs: Signs,
        prompt: str = "> ",
        typed: str = "",
        keys: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`typed`: what the field holds at first."""
        super().__init__(title, signs=signs, keys=((signs.up_down, "choose"), *keys))
        self._prompt = Paragraph(Content(prompt), id="picker-prompt")
        self._input = Input(typed, select_on_focus=False)
        self._input.cursor_blink = False  # a timer would run
        self._list = OptionList(compact=True, markup=False)
        self._list.can_focus = False
        self._head = Paragraph(id="head")
        self._values: list[Result] = []

    def body(self) -> ComposeResult:
        with Horizontal(id="typed"):
            yield self._prompt
            yield self._input
        yield self._head
        yield self._list

    def on_mount(self) -> None:
        """Begin with what the field holds."""
        self._input.focus()
        self.look_for(self._input.value)

    def look_for(self, typed: str) -> None:
        """Show what fits to the text in the field. Called at the start and at each change."""

    def show_rows(self, rows: Sequence[tuple[Result, Content]], *, keep: bool = False) -> None:
        """Show these rows and choose the first one; `keep`: the chosen place stays, as rows were
        added at the end."""
        place = self._list.highlighted if keep else None
        self._values = [value for value, _ in rows]
        self._list.set_options([content for _, content in rows])
        self._list.highlighted = place if place is not None else 0 if rows else None

    def show_head(self, head: Content) -> None:
        """Show a line above the list."""
        self._head.display = True
        self._head.show(head)

    def choose(self, value: Result | None) -> None:
        """Choose the row with this value, if there is one."""
        if value in self._values:
            self._list.highlighted = self._values.index(value)

    @property
    def chosen(self) -> Result | None:
        """The value of the row that is marked."""
        place = self._list.highlighted
        return None if place is None or place >= len(self._values) else self._values[place]

    def action_move(self, how: str) -> None:
        """Move the choice in the list."""
        getattr(self._list, f"action_{how}")()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for the new text."""
        event.stop()
        self.look_for(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the row that is chosen."""
        event.stop()
        self.take(self.chosen)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the row that was clicked."""
        event.stop()
        self.take(self._values[event.option_index])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """See whether the end of the list is near."""
        event.stop()
        self.moved_to(event.option_index)

    def moved_to(self, place: int) -> None:
        """Note that this row is marked now."""

    def take(self, value: Result | None) -> None:
        """Close with this value; without one, stay."""
        if value is not None:
            _ = self.dismiss(value)

    def on_resize(self) -> None:
        """Keep the chosen row in sight. Textual calls the method of `Overlay` as well."""
        self.call_after_refresh(self._list.scroll_to_highlight)
