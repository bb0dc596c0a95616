"""The list of conversations on the screen."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from chatapp.peer.api.conversations import Conversation, ConversationKind
from chatapp.peer.faces.full.logbook import clipped
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.layout import cells_of
from chatapp.peer.view.panes import ListRow
from chatapp.peer.words import full as words

_PARTS: Final = ("online", "away", "room", "name", "hot", "calls", "since")


class ListView(ScrollView, can_focus=True):
    """The list of conversations. It can be walked through with the keys while it has the focus."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"list--{part}" for part in (*_PARTS, "open", "cursor")
    }
    DEFAULT_CSS = """
    ListView {
        height: 1fr;
        background: $surface;
        padding: 0;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & .list--online { color: $success; }
        & .list--away { color: $chat-muted; }
        & .list--room { color: $primary; }
        & .list--name { color: $foreground; }
        & .list--hot { color: $foreground; text-style: bold; }
        & .list--calls { color: $chat-calls; text-style: bold; }
        & .list--since { color: $chat-muted; }
        & .list--open { background: $chat-open; text-style: bold; }
        & .list--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
        &:ansi { border-right: vkey $border-blurred; }
        &:ansi .list--open { text-style: bold reverse; }
        &:ansi .list--cursor { text-style: reverse; }
        &:nocolor .list--open { text-style: bold reverse; }
        &:nocolor .list--cursor { text-style: reverse underline; }
    }
    """

    class Opened(Message):
        """The user has chosen this conversation."""

        def __init__(self, conversation: Conversation) -> None:
            super().__init__()
            self.conversation = conversation

    class MoreWanted(Message):
        """The user wants to see the people who are left out."""

    class Left(Message):
        """The user goes back to the input."""

    def __init__(self, signs: Signs, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._signs: Final = signs
        self._rows: Sequence[ListRow] = ()
        self._now = 0.0
        self._left_out = 0
        self._cursor = 0

    @property
    def _count(self) -> int:
        """How many rows are drawn: one more where people are left out."""
        return len(self._rows) + bool(self._left_out)

    def show_rows(self, rows: Sequence[ListRow], *, left_out: int = 0, now: float) -> None:
        """Show these conversations. `left_out`: how many people are not among them. `now`: the Unix
        time, which says how a time of the past is written."""
        self._now = now
        if rows != self._rows or left_out != self._left_out:
            self._rows, self._left_out = rows, left_out
            self._cursor = min(self._cursor, max(self._count - 1, 0))
            self.virtual_size = Size(self.size.width, self._count)
            self.refresh()

    def on_focus(self) -> None:
        """Begin at the conversation that is open."""
        self._cursor = next((place for place, row in enumerate(self._rows) if row.is_open), 0)
        self._reveal()

    def on_blur(self) -> None:
        """Draw no cursor any more."""
        self.refresh()

    def on_key(self, event: events.Key) -> None:
        """Walk through the list, open a conversation, or go back."""
        page = max(self.size.height - 1, 1)
        steps = {
            "up": -1,
            "down": 1,
            "pageup": -page,
            "pagedown": page,
            "home": -self._count,
            "end": self._count,
        }
        if event.key in steps:
            self._cursor = max(0, min(self._cursor + steps[event.key], self._count - 1))
            self._reveal()
        elif event.key == "enter":
            self._choose(self._cursor)
        elif event.key == "escape":
            self.post_message(self.Left())
        else:
            return
        event.stop()
        event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        """Open the conversation that is clicked."""
        self._choose(event.y + self.scroll_offset.y)

    def _choose(self, place: int) -> None:
        if 0 <= place < self._count:
            self._cursor = place
            is_more = place == len(self._rows)
            opened = self.MoreWanted() if is_more else self.Opened(self._rows[place].conversation)
            self.post_message(opened)

    def _reveal(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if not top <= self._cursor < top + height:
            self.scroll_to(y=max(self._cursor - height // 2, 0), animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one row of the screen."""
        place = y + self.scroll_offset.y
        width, ground = self.size.width, self.rich_style
        if not 0 <= place < self._count:
            return Strip.blank(width, ground)
        row = self._rows[place] if place < len(self._rows) else None
        segments = self._more() if row is None else self._segments(row, width)
        strip = Strip(segments).extend_cell_length(width).crop(0, width)
        if self.has_focus and place == self._cursor:
            cursor = self.get_component_rich_style("list--cursor", partial=True)
            return Strip([Segment(segment.text, ground + cursor) for segment in strip])
        if row is not None and row.is_open:
            ground += self.get_component_rich_style("list--open", partial=True)
        return strip.apply_style(ground)

    def _more(self) -> list[Segment]:
        return [Segment(f"   {words.left_out(self._left_out)}", self._style("since"))]

    def _segments(self, row: ListRow, width: int) -> list[Segment]:
        sign, sign_part = self._sign(row)
        count = words.unread_count(row.unread) if row.unread else ""
        if row.is_addressed:
            count = f"@{count}"
        if row.conversation.kind is ConversationKind.DESK:
            count = str(row.waiting) if row.waiting else count
        right, right_part = count, "calls" if row.calls else "hot"
        if not count and row.since:
            right, right_part = words.since(row.since, now=self._now), "since"
        part = "calls" if row.calls else "hot" if row.unread else "name"
        if row.is_muted and not row.calls:
            right_part = part = "since"
        elif part == "name" and row.is_online is False:
            part = "away"
        name = words.title_of(row.conversation)
        name = (
            name[2:]
            if row.conversation.kind in (ConversationKind.ROOM, ConversationKind.EVERYBODY)
            else name
        )
        room = max(width - 4 - (len(right) + 1 if right else 0), 1)
        name = clipped(name, room, self._signs.cut)
        blanks = max(width - 4 - sum(map(cells_of, name)) - len(right), 0)
        return [
            Segment(" "),
            Segment(f"{sign} ", self._style(sign_part)),
            Segment(name, self._style(part)),
            Segment(" " * blanks),
            Segment(right, self._style(right_part)),
            Segment(" "),
        ]

    def _sign(self, row: ListRow) -> tuple[str, str]:
        match row.conversation.kind:
            case ConversationKind.PERSON:
                return (
                    (self._signs.online, "online") if row.is_online else (self._signs.away, "away")
                )
            case ConversationKind.ROOM:
                return "#", "room" if row.is_entered else "away"
            case ConversationKind.EVERYBODY:
                return "*", "room"
            case ConversationKind.DESK:
                return "?", "calls" if row.waiting else "room"

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"list--{part}", partial=True)
