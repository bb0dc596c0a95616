"""The log on the screen: a `LogBook`, drawn row by row as far as it is in view."""

import os
from typing import ClassVar, Final

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from chatapp.peer.faces.full.logbook import CLAIMED, LogBook, Row
from chatapp.peer.faces.full.theme import Signs, name_colour
from chatapp.peer.view.layout import LINK, shows_links
from chatapp.peer.view.log import Log, LogEntry
from chatapp.peer.view.transfers import Transfers

_STYLES: Final = (
    "time",
    "me",
    CLAIMED,
    "text",
    "calls",
    "notice",
    "alert",
    "date",
    "new",
    "rule",
    "sending",
    "seen",
    "received",
    "saved",
    "kept",
    "refused",
    "file",
)
_NAME: Final = "name "
_OLDER_WITHIN: Final = 30
"""Rows from the top, or from lines that are left out, at which lines of the past are asked for."""


class LogView(ScrollView, can_focus=False):
    """The log of the conversation that is open."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"log--{style}" for style in (*_STYLES, "selected")}
    DEFAULT_CSS = """
    LogView {
        height: 1fr;
        padding: 0 0 0 1;
        background: $background;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        & .log--time { color: $chat-muted; }
        & .log--me { color: $chat-me; text-style: bold; }
        & .log--claimed { color: $warning; }
        & .log--text { color: $foreground; }
        & .log--calls { color: $chat-calls; }
        & .log--notice { color: $chat-muted; }
        & .log--alert { color: $error; text-style: bold; }
        & .log--date { color: $chat-rule; }
        & .log--new { color: $chat-new; text-style: bold; }
        & .log--rule { color: $warning; }
        & .log--sending { color: $chat-muted; }
        & .log--seen { color: $success; text-style: bold; }
        & .log--received { color: $success; }
        & .log--saved { color: $secondary; }
        & .log--kept { color: $warning; }
        & .log--refused { color: $error; text-style: bold; }
        & .log--file { color: $secondary; }
        & .log--selected { background: $chat-selected; }
        &:ansi .log--selected { text-style: reverse; }
        &:nocolor .log--selected { text-style: reverse; }
        &:ansi .log--time { text-style: dim; }
        &:ansi .log--notice { text-style: dim; }
    }
    """

    class Painted(Message):
        """The log was painted, as far as its entry `last`; None: it has no entries."""

        def __init__(self, log: Log, last: LogEntry | None) -> None:
            super().__init__()
            self.log, self.last = log, last

    class OlderWanted(Message):
        """The top of the log is near: older lines are wanted."""

    class GapSeen(Message):
        """Lines that are left out before this entry are near, and wanted. `is_above`: they belong
        above the rows in view, which are to stay where they are."""

        def __init__(self, gap: LogEntry, *, is_above: bool) -> None:
            super().__init__()
            self.gap, self.is_above = gap, is_above

    class Chosen(Message):
        """The user has clicked on this entry."""

        def __init__(self, entry: LogEntry) -> None:
            super().__init__()
            self.entry = entry

    def __init__(
        self,
        log: Log,
        signs: Signs,
        transfers: Transfers,
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        """`transfers`: the files that lines offer."""
        super().__init__(id=id)
        self._signs: Final = signs
        self._transfers: Final = transfers
        self._books: Final[dict[Log, LogBook]] = {}
        """The rows of every log that was shown."""
        self.book = self._book_of(log)
        self._follows = True
        """Whether the end of the log stays in view when lines are added."""
        self._is_placing = False
        """Whether the log scrolls because it changes, and not because the user wants it to."""
        self._styles_known: dict[str, Style] = {}
        self._is_report_due = False
        self._has_links: Final = shows_links(os.environ)
        self._drawn: LogEntry | None = None
        """The last entry that was drawn since the last report."""

    # --- what changes

    def _book_of(self, log: Log) -> LogBook:
        if log not in self._books:
            self._books[log] = LogBook(log, self._signs, file_of=self._transfers.shown)
        return self._books[log]

    @property
    def shown_log(self) -> Log:
        """The log that is shown."""
        return self.book.log

    def show_log(self, log: Log, *, entry: LogEntry | None = None) -> None:
        """Show this log from now on, from its end, or so that this entry is in view."""
        self.book = self._book_of(log)
        self._drawn = None
        self._follows = entry is None
        self._update()
        if entry is not None:
            self.reveal(entry)

    def update_rows(self, *, keeps: bool) -> None:
        """Draw the log anew. Its end stays in view if it was; else, if it `keeps` them, the rows in
        view do, above which lines were added."""
        top = self.scroll_offset.y
        grown = self._update()
        if keeps and not self._follows:
            self._place(top + grown)

    def reveal(self, entry: LogEntry) -> None:
        """Bring an entry into view."""
        first, after = self.book.rows_of(entry)
        top, height = self.scroll_offset.y, self.size.height
        if first < top or after > top + height:
            where = first - height // 3 if after - first < height else first
            self._go(max(where, 0))

    def go_to_new(self) -> None:
        """Go to the rule before the first line that is new to the user."""
        if self.shown_log.unread is not None:
            self._go(self._bounded(self.book.rows_of(self.shown_log.unread)[0]))

    def follow(self) -> None:
        """Go to the end, and stay there."""
        self._follows = True
        self._update()

    @property
    def messages_below(self) -> tuple[int, bool]:
        """How many messages begin below the rows in view, and whether more are left out there."""
        below = self.size.height + self.scroll_offset.y
        has_more = self.book.gap_in(below, self.book.height) is not None
        return self.book.messages_from(below), has_more

    def _update(self) -> int:
        """Show the log as it is now. Returns how many rows it got."""
        width = self.scrollable_content_region.width
        if width <= 0:
            return 0
        grown = self.book.fit(width)
        self.virtual_size = Size(width, self.book.height)
        if self._follows:
            self._place(max(self.book.height - self.size.height, 0))
        self.refresh()
        return grown

    def _place(self, y: float) -> None:
        self._is_placing = True
        self.scroll_to(y=y, animate=False, force=True)
        self._is_placing = False

    def _go(self, y: float) -> None:
        self._place(y)
        self._follows = y >= self.book.height - self.size.height
        self.refresh()

    # --- keys and mouse

    def page(self, direction: int) -> None:
        """Go up (-1) or down (1) by a page, less two rows."""
        self._go(self._bounded(self.scroll_offset.y + direction * max(self.size.height - 2, 1)))

    def go_home(self) -> None:
        """Go to the first line that is here."""
        self._go(0)

    def _bounded(self, y: int) -> int:
        return max(0, min(y, self.book.height - self.size.height))

    def on_click(self, event: events.Click) -> None:
        """Select the line that is clicked."""
        entry = self.book.entry_at(event.y + self.scroll_offset.y)
        if entry is not None:
            self.post_message(self.Chosen(entry))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up by three rows."""
        event.stop()
        event.prevent_default()
        self._go(self._bounded(self.scroll_offset.y - 3))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down by three rows."""
        event.stop()
        event.prevent_default()
        self._go(self._bounded(self.scroll_offset.y + 3))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for older lines when the top is near, and for those that are left out near the rows
        in view."""
        super().watch_scroll_y(old_value, new_value)
        is_upwards = new_value < old_value
        if new_value < _OLDER_WITHIN and is_upwards:
            self.post_message(self.OlderWanted())
        top = round(new_value)
        gap = self.book.gap_in(top - _OLDER_WITHIN, top + self.size.height + _OLDER_WITHIN)
        if gap is not None:
            row = self.book.rows_of(gap)[0]
            is_above = row < top or (is_upwards and row < top + self.size.height)
            self.post_message(self.GapSeen(gap, is_above=is_above))
        if round(new_value) != round(old_value) and not self._is_placing:
            self._follows = new_value >= self.book.height - self.size.height

    def on_resize(self) -> None:
        """Cut the rows for the new size, and keep the same line in view."""
        entry = None if self._follows else self.book.entry_at(self.scroll_offset.y)
        follows = self._follows
        self._update()
        if entry is not None:
            self._place(self.book.rows_of(entry)[0])
        self._follows = follows

    def notify_style_update(self) -> None:
        """Look the colours up again: the theme has changed."""
        super().notify_style_update()
        self._styles_known.clear()

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """Draw one row of the screen."""
        width = self.size.width
        ground = self.rich_style
        found = self.book.row(self.scroll_offset.y + y)
        self._report_soon()
        if found is None:
            return Strip.blank(width, ground)
        entry, row = found
        self._note_drawn(entry)
        if entry is self.shown_log.selected:
            ground += self._style("selected")
        return self._strip(row).extend_cell_length(width).crop(0, width).apply_style(ground)

    def _strip(self, row: Row) -> Strip:
        return Strip([Segment(text, self._style(style) if style else None) for style, text in row])

    def _style(self, named: str) -> Style:
        style = self._styles_known.get(named)
        if style is None:
            text, is_link, address = named.partition(LINK)
            if is_link:
                shown = address if self._has_links else None
                style = self._style(text) + Style(underline=True, link=shown)
            elif named.startswith(_NAME):
                colour = name_colour(named.removeprefix(_NAME), self.app.theme)
                style = Style(color=Color.parse(colour), bold=True)
            else:
                style = self.get_component_rich_style(f"log--{named}", partial=True)
            if len(self._styles_known) > 1_000:
                self._styles_known.clear()
            self._styles_known[named] = style
        return style

    def _note_drawn(self, entry: LogEntry) -> None:
        """Note which entry was drawn: lines that come before the report are not on the screen
        yet."""
        if self._drawn is None or (self.shown_log.place_of(entry) or 0) > (
            self.shown_log.place_of(self._drawn) or 0
        ):
            self._drawn = entry

    def _report_soon(self) -> None:
        """Report what was painted, once the refresh that paints it is done."""
        if not self._is_report_due:
            self._is_report_due = self.call_after_refresh(self._report)

    def _report(self) -> None:
        self._is_report_due = False
        last, self._drawn = self._drawn, None
        if last is not None or not len(self.shown_log):
            # The refresh runs this for the screen, and a message goes no further up than the one
            # that sends it.
            self.post_message(self.Painted(self.shown_log, last).set_sender(self))
