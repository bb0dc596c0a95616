"""The desk pane: whom an operator serves, who waits and for how long, and keys for what operators
do most."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Hide, Show
from textual.message import Message
from textual.timer import Timer

from chatapp.peer.api import events
from chatapp.peer.api.events import ClientMove
from chatapp.peer.faces.full.overlays.overlay import Paragraph, key_line
from chatapp.peer.faces.full.signs import Signs
from chatapp.peer.view.board import DeskBoard, minutes
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name
from chatapp.wire.text import sanitize

REFRESH_AFTER: Final = 0.5
"""Seconds after a change until the line is asked for: what changes together is asked for once."""
FIGURES_EVERY: Final = 60.0
"""Seconds for which figures of the day count as fresh."""
_SPARE: Final = 0.05
"""Seconds after a minute at which it is certain to be shown as over."""

KEYS: Final = {
    "f5": ".on",
    "f6": ".next",
    "f7": ".end",
    "f8": ".hold",
    "f9": ".handover",
    "f10": ".transfer",
}
"""Each key of the desk, and the command that it stands for; on duty, F5 stands for `.off`."""


class DeskPane(VerticalScroll):
    """Shows the desk to one operator. It posts `Stale` when the line has to be asked for anew."""

    class Stale(Message):
        """The line has to be asked for (`ShowRoom`), and `with_figures`, the figures as well
        (`ShowFigures`)."""

        def __init__(self, *, with_figures: bool) -> None:
            super().__init__()
            self.with_figures: Final = with_figures

    DEFAULT_CSS = """
    DeskPane {
        background: $surface;
        padding: 0 1;
        height: auto;
        scrollbar-size-vertical: 1;
        & Static { height: auto; }
        & #desk-client { margin: 1 0; }
        & #desk-line { text-wrap: nowrap; text-overflow: ellipsis; }
        & #desk-figures { color: $chat-muted; margin-top: 1; }
        & #desk-keys { color: $chat-muted; margin-top: 1; }
    }
    """

    def __init__(
        self, board: DeskBoard, *, signs: Signs, wall: Callable[[], float] = time.time
    ) -> None:
        """`wall`: tells the Unix time."""
        super().__init__()
        self.board: Final = board
        self._signs: Final = signs
        self._wall: Final = wall
        self._head = Paragraph(id="desk-head")
        self._client = Paragraph(id="desk-client")
        self._line = Paragraph(id="desk-line")
        self._figures = Paragraph(id="desk-figures")
        self._keys = Paragraph(id="desk-keys")
        self._tick: Timer | None = None
        self._refresh: Timer | None = None
        self._figured_at = 0.0
        self.can_focus = False

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._client
        yield self._line
        yield self._figures
        yield self._keys

    def on_mount(self) -> None:
        """Show what is known."""
        self._draw()

    def on_show(self, event: Show) -> None:
        """Show what has changed meanwhile."""
        self.redraw()

    def on_hide(self, event: Hide) -> None:
        """Let no timer run for what nobody sees."""
        self._stop(self._tick)
        self._tick = None

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Show what happened, and ask for the line if it may be another one."""
        self.board.take(batch, now=self._wall())
        self.redraw()

    def redraw(self) -> None:
        """Show the board as it is now, and have the line asked for if it may be another one."""
        if self.board.is_stale and self.display:
            self._ask_soon()
        self._draw()

    def command_for(self, key: str) -> str:
        """Return what a key stands for now."""
        return ".off" if key == "f5" and self.board.is_on else KEYS[key]

    # --- when to ask and to draw

    def _ask_soon(self) -> None:
        if self._refresh is None and self.is_mounted:
            self._refresh = self.set_timer(REFRESH_AFTER, self._ask)

    def _ask(self) -> None:
        self._refresh = None
        if not (self.board.is_stale and self.board.is_on):
            return
        now = self._wall()
        with_figures = not 0.0 <= now - self._figured_at < FIGURES_EVERY
        if with_figures:
            self._figured_at = now
        self.board.is_stale = False
        self.post_message(self.Stale(with_figures=with_figures))

    def _tick_over(self) -> None:
        self._tick = None
        self._draw()

    @staticmethod
    def _stop(timer: Timer | None) -> None:
        if timer is not None:
            timer.stop()

    def _draw(self) -> None:
        """Show the state as it is now, and again when a minute is over that changes it."""
        if not (self.is_mounted and self.display):
            return
        now, board = self._wall(), self.board
        self._head.show(self._heading())
        self._client.show(client_card(board, now))
        self._line.show(waiting_lines(board, now, self._signs))
        figures = texts.desk_figures(board.figures) if board.figures is not None else ""
        self._figures.show(Content(figures))
        self._figures.display = bool(figures)
        self._keys.show(
            key_line(
                [(key.upper(), texts.DESK_KEYS[self.command_for(key)]) for key in KEYS], self._signs
            )
        )
        self._stop(self._tick)
        at = board.next_change(now=now)
        self._tick = None
        if at is not None:
            self._tick = self.set_timer(at - now + _SPARE, self._tick_over)

    def _heading(self) -> Content:
        board = self.board
        duty = ("on duty", "bold $success") if board.is_on else ("off duty", "bold $chat-muted")
        waiting = (
            texts.waiting(board.waiting),
            "bold $chat-new" if board.waiting else "$chat-muted",
        )
        pieces = [Content.assemble(duty)]
        if board.queue:
            pieces.insert(0, Content(name(board.queue)).stylize("bold $primary"))
        if board.is_on:
            pieces.append(Content.assemble(waiting))
        return Content(self._signs.between).join(pieces)


def client_card(board: DeskBoard, now: float) -> Content:
    """Return the visitor who is served, with form and notes."""
    client = board.client
    if client is None:
        return Content.assemble((texts.NO_CLIENT, "$chat-muted"))
    state = {ClientMove.AWAY: texts.IS_AWAY, ClientMove.SILENT: texts.IS_SILENT}.get(
        board.move or ClientMove.BACK, ""
    )
    head = Content.assemble(
        (name(client.name), "bold $accent"), (f"  {state}" if state else "", "bold $warning")
    )
    spans = texts.serving_spans(minutes(board.since, now) if board.since else None, client.waited)
    rows = [head, *([Content.assemble((spans, "$chat-muted"))] if spans else [])]
    fields = [
        (texts.NUMBER, name(client.number)),
        (texts.ISSUE, sanitize(client.issue)),
        *((texts.ABOUT, line) for line in map(sanitize, client.description.split("\n")) if line),
        (texts.NOTE, sanitize(board.note)),
        (texts.FROM, name(client.handed_over_by)),
    ]
    rows += [
        Content.assemble((f"{label} ", "$chat-muted"), value) for label, value in fields if value
    ]
    return Content("\n").join(rows)


def waiting_lines(board: DeskBoard, now: float, signs: Signs) -> Content:
    """Return the line with waiting times, and below it whom others serve."""
    rows: list[Content] = []
    place_width = len(str(len(board.line)))
    spans = [texts.span(minutes(one.since, now)) for one in board.line]
    width = max(map(len, spans), default=0)
    for place, (one, span) in enumerate(zip(board.line, spans, strict=True), 1):
        states = texts.visitor_states(one)
        rows.append(
            Content.assemble(
                (f"{place:>{place_width}} ", "$chat-muted"),
                (f"{span:>{width}} ", "$chat-new" if one.is_here else "$chat-muted"),
                (name(one.name), "bold" if one.is_here else "$chat-muted"),
                (f"  {sanitize(one.issue)}", "$chat-muted"),
                (f"{signs.between}{states}" if states else "", "$warning"),
            )
        )
    if board.waiting > len(board.line) > 0:
        rows.append(
            Content.assemble((texts.more_waiting(board.waiting - len(board.line)), "$chat-muted"))
        )
    if not rows and board.is_on:
        rows.append(
            Content.assemble(
                (texts.NOBODY_WAITS if not board.waiting else texts.ASKING, "$chat-muted")
            )
        )
    rows += [
        Content.assemble((f"{name(one.operator)} {texts.SERVES} ", "$chat-muted"), name(one.name))
        for one in board.served
    ]
    return Content("\n").join(rows)
