"""Search (F3): find messages in one conversation or in all of them, and go to the place where one
was said."""

import time
from typing import ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.faces.full.overlays.overlay import Perform, Picker
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.finding import pattern_of, snippet
from chatapp.peer.view.lookups import Search
from chatapp.peer.view.view import Steps
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name, shown_clock

AFTER: Final = 0.15
"""Seconds after the last key until a search begins."""
NEAR_END: Final = 5
"""Rows before the last one at which older messages are looked up."""


class SearchOverlay(Picker[Said]):
    """Finds messages while the user types, the newest ones first. Its result is the message that
    was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "switch", show=False, priority=True)]

    def __init__(
        self,
        perform: Perform,
        *,
        signs: Signs,
        conversation: Conversation | None = None,
        is_here: bool = False,
        typed: str = "",
        after: float = AFTER,
    ) -> None:
        """`conversation`: the open one; None if there is none. `is_here`: whether to search only
        there at first. `after`: seconds after the last key until a search begins."""
        keys = (texts.FINDS, texts.SWITCH_SCOPE) if conversation is not None else (texts.FINDS,)
        super().__init__(texts.SEARCH, signs=signs, typed=typed, keys=keys)
        self._perform: Final = perform
        self._search = Search()
        self._after: Final = after
        self._conversation: Final = conversation
        self._is_here = is_here and conversation is not None
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        """Say where is searched. Textual calls the method of `Picker` as well."""
        self._show_scope()

    def look_for(self, typed: str) -> None:
        """Begin a search soon, unless more is typed before."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if not typed.strip():
            self.workers.cancel_group(self, "search")
            self._search = Search()
            self._show_found()
            return
        self._timer = self.set_timer(self._after, lambda: self._begin(typed))

    def take(self, value: Said | None) -> None:
        """Close with this line. While a search is due, begin it instead: the lines shown are those
        of other words."""
        if self._timer is not None:
            self._timer.stop()
            self._begin(self._input.value)
        else:
            super().take(value)

    def moved_to(self, place: int) -> None:
        """Look up older messages when the last ones are near."""
        search = self._search
        if search.has_more and place >= len(search.lines) - NEAR_END:
            search.has_more = False  # until the answer is here
            self._look(search.look_further(), keep=True)

    def action_switch(self) -> None:
        """Search in the open conversation, or in all of them."""
        if self._conversation is not None:
            self._is_here = not self._is_here
            self._show_scope()
            self.look_for(self._input.value)

    def _show_scope(self) -> None:
        where = texts.EVERYWHERE
        if self._is_here and self._conversation is not None:
            where = texts.conversation_name(self._conversation)
        self._prompt.show(Content.assemble((where, "$primary"), ("> ", "$chat-muted")))

    def _begin(self, typed: str) -> None:
        self._timer = None
        within = self._conversation if self._is_here else None
        self._look(self._search.look(typed, within), keep=False)

    def _look(self, steps: Steps, *, keep: bool) -> None:
        """Look up a page. `keep`: it follows the messages that were found before."""
        self.run_worker(self._look_up(steps, keep=keep), group="search", exclusive=True)

    async def _look_up(self, steps: Steps, *, keep: bool) -> None:
        await self._perform(steps)
        self._show_found(keep=keep)

    def _show_found(self, *, keep: bool = False) -> None:
        search = self._search
        wanted, today = pattern_of(search.words), shown_clock(time.time())[0]
        width = max((len(texts.short_time(line.at, today)) for line in search.lines), default=0)
        rows = []
        for line in search.lines:
            text, marks = snippet(line.text, wanted, cut=self._signs.cut)
            body = Content(text)
            for start, end in marks:
                body = body.stylize("bold $warning", start, end)
            at = texts.short_time(line.at, today).ljust(width)
            head = Content.assemble(
                (at, "$chat-muted"),
                "  ",
                (name(line.sender), "bold"),
                (f" {texts.addressed_to(line)}", "$chat-muted"),
            )
            rows.append((line, Content.assemble(head, "\n  ", body)))
        self.show_rows(rows, keep=keep)
        self.note(search.note)
