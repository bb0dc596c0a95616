"""The desk, beside the log or on a screen of its own: whom an operator serves, who waits and for how
long, and keys for what operators do most."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.timer import Timer

from chatapp.peer.api import events
from chatapp.peer.faces.full.overlays.overlay import Overlay, Paragraph, key_line
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.desk import DeskView, minutes
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
        self, desk: DeskView, *, signs: Signs, wall: Callable[[], float] = time.time
    ) -> None:
        """`wall`: tells the Unix time."""
        super().__init__()
        self.desk: Final = desk
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

    def on_show(self) -> None:
        """Show what has changed meanwhile."""
        self.redraw()

    def on_hide(self) -> None:
        """Let no timer run for what nobody sees."""
        self._stop(self._tick)
        self._tick = None

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Show what happened, and ask for the line if it may be another one."""
        for event in batch:
            self.desk.handle(event, at=self._wall())
        self.redraw()

    def redraw(self) -> None:
        """Show the desk as it is now, and have the line asked for if it may be another one."""
        if self._is_stale and self.display:
            self._ask_soon()
        self._draw()

    def command_for(self, key: str) -> str:
        """Return what a key stands for now."""
        return ".off" if key == "f5" and self.desk.is_on_duty else KEYS[key]

    # --- when to ask and to draw

    @property
    def _is_stale(self) -> bool:
        return self.desk.wants_room and self.desk.is_on_duty

    def _ask_soon(self) -> None:
        if self._refresh is None and self.is_mounted:
            self._refresh = self.set_timer(REFRESH_AFTER, self._ask)

    def _ask(self) -> None:
        self._refresh = None
        if not self._is_stale:
            return
        now = self._wall()
        with_figures = not 0.0 <= now - self._figured_at < FIGURES_EVERY
        if with_figures:
            self._figured_at = now
        self.desk.wants_room = False
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
        now, desk = self._wall(), self.desk
        self._head.show(self._heading())
        self._client.show(client_card(desk, now))
        self._line.show(waiting_lines(desk, now, self._signs))
        figures = texts.desk_figures(desk.figures) if desk.figures is not None else ""
        self._figures.show(Content(figures))
        self._figures.display = bool(figures)
        self._keys.show(
            key_line(
                [(key.upper(), texts.DESK_KEYS[self.command_for(key)]) for key in KEYS], self._signs
            )
        )
        self._stop(self._tick)
        at = desk.next_change(now=now)
        self._tick = None
        if at is not None:
            self._tick = self.set_timer(at - now + _SPARE, self._tick_over)

    def _heading(self) -> Content:
        desk = self.desk
        duty = ("on duty", "bold $success") if desk.is_on_duty else ("off duty", "bold $chat-muted")
        waiting = (
            texts.waiting(desk.waiting),
            "bold $chat-new" if desk.waiting else "$chat-muted",
        )
        pieces = [Content.assemble(duty)]
        if desk.queue_shown:
            pieces.insert(0, Content(name(desk.queue_shown)).stylize("bold $primary"))
        if desk.is_on_duty:
            pieces.append(Content.assemble(waiting))
        return Content(self._signs.between).join(pieces)


def client_card(desk: DeskView, now: float) -> Content:
    """Return the visitor who is served, with form and notes."""
    client = desk.client
    if client is None:
        return Content.assemble((texts.NO_CLIENT, "$chat-muted"))
    silent = texts.IS_SILENT if desk.is_client_silent else ""
    state = silent if desk.is_client_here else texts.IS_AWAY
    head = Content.assemble(
        (name(client.name), "bold $accent"), (f"  {state}" if state else "", "bold $warning")
    )
    spans = texts.serving_spans(
        minutes(desk.client_since, now) if desk.client_since else None, client.waited
    )
    rows = [head, *([Content.assemble((spans, "$chat-muted"))] if spans else [])]
    fields = [
        (texts.NUMBER, name(client.number)),
        (texts.ISSUE, sanitize(client.issue)),
        *((texts.ABOUT, line) for line in map(sanitize, client.description.split("\n")) if line),
        (texts.NOTE, sanitize(client.note)),
        (texts.FROM, name(client.handed_over_by)),
    ]
    rows += [
        Content.assemble((f"{label} ", "$chat-muted"), value) for label, value in fields if value
    ]
    return Content("\n").join(rows)


def waiting_lines(desk: DeskView, now: float, signs: Signs) -> Content:
    """Return the line with waiting times, and below it whom others serve."""
    rows: list[Content] = []
    place_width = len(str(len(desk.line)))
    spans = [texts.span(minutes(visitor.since, now)) for visitor in desk.line]
    width = max(map(len, spans), default=0)
    for place, (visitor, span) in enumerate(zip(desk.line, spans, strict=True), 1):
        states = texts.visitor_states(visitor)
        rows.append(
            Content.assemble(
                (f"{place:>{place_width}} ", "$chat-muted"),
                (f"{span:>{width}} ", "$chat-new" if visitor.is_here else "$chat-muted"),
                (name(visitor.name), "bold" if visitor.is_here else "$chat-muted"),
                (f"  {sanitize(visitor.issue)}", "$chat-muted"),
                (f"{signs.between}{states}" if states else "", "$warning"),
            )
        )
    if desk.waiting > len(desk.line) > 0:
        rows.append(
            Content.assemble((texts.more_waiting(desk.waiting - len(desk.line)), "$chat-muted"))
        )
    if not rows and desk.is_on_duty:
        rows.append(
            Content.assemble(
                (texts.NOBODY_WAITS if not desk.waiting else texts.ASKING, "$chat-muted")
            )
        )
    rows += [
        Content.assemble((f"{name(one.operator)} {texts.SERVES} ", "$chat-muted"), name(one.name))
        for one in desk.served_by_others
    ]
    return Content("\n").join(rows)


class DeskOverlay(Overlay[None]):
    """The desk on a screen of its own, where there is no room beside the log."""

    DEFAULT_CSS = """
    DeskOverlay DeskPane { height: 1fr; padding: 0; }
    """

    def __init__(self, pane: DeskPane, *, signs: Signs) -> None:
        """`pane`: shows the desk; it is removed with the overlay."""
        super().__init__(texts.DESK, signs=signs)
        self._pane: Final = pane

    def body(self) -> ComposeResult:
        yield self._pane

    def take_events(self, _: Sequence[events.Event]) -> None:
        """Show what has changed."""
        self._pane.redraw()
