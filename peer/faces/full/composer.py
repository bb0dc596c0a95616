"""The input of the full screen: what is being typed, its history, completion, and pasted text."""

from collections.abc import Callable
from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from chatapp.peer.commands.completion import Completing
from chatapp.peer.view.panes import Pane
from chatapp.peer.words.answers import paste_question
from chatapp.peer.words.formatting import Candidate

REMEMBERED_MAX: Final = 500
"""Lines of the history of what was typed."""


class Composer(TextArea):
    """The line that is being typed. It grows with what is typed, to a few rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+w", "delete_word_left", show=False),
        Binding("alt+enter,ctrl+j", "newline", show=False),
    ]
    DEFAULT_CSS = """
    Composer {
        height: auto;
        max-height: 6;
        border: none;
        padding: 0 1;
        background: $chat-input;
        color: $foreground;
        scrollbar-size-vertical: 1;
        &:focus { border: none; }
        & .text-area--cursor-line { background: $chat-input; }
        & .text-area--placeholder { color: $chat-muted; }
        & .text-area--cursor { background: $input-cursor-background; color: $input-cursor-foreground; }
        &:nocolor .text-area--cursor { text-style: reverse; }
    }
    """

    class Entered(Message):
        """A line was entered in this conversation."""

        def __init__(self, text: str, pane: Pane | None) -> None:
            super().__init__()
            self.text, self.pane = text, pane

    class Drafted(Message):
        """What is typed has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Offered(Message):
        """These ways to complete the line are offered; none: the offer is over."""

        def __init__(self, candidates: list[Candidate], chosen: int | None) -> None:
            super().__init__()
            self.candidates, self.chosen = candidates, chosen

    class Asked(Message):
        """A question is asked about what was pasted; empty: it is answered."""

        def __init__(self, question: str) -> None:
            super().__init__()
            self.question = question

    def __init__(
        self,
        *,
        offered: Callable[[str], list[Candidate]],
        begun: Callable[[str], str],
        id: str | None = None,  # noqa: A002
    ) -> None:
        """`offered`: returns the ways to complete a text. `begun`: returns what a key stands for
        while nothing is typed; empty: for itself."""
        super().__init__(
            id=id, compact=True, soft_wrap=True, show_line_numbers=False, tab_behavior="focus"
        )
        self.cursor_blink = False
        self.highlight_cursor_line = False
        self._completing: Final = Completing(offered)
        self._begun: Final = begun
        self._unmatched = ""
        """What stood before the cursor when Tab found nothing for it."""
        self._typed: list[str] = []
        """What was typed before, the oldest first."""
        self._at: int | None = None
        """Which of them stands in the input."""
        self._draft = ""
        self._pasted: str | None = None
        self.pane: Pane | None = None
        """The conversation in which the user types; None until one is open."""

    @property
    def is_asking(self) -> bool:
        """Whether it is asked whether to send what was pasted."""
        return self._pasted is not None

    def put(self, text: str) -> None:
        """Have the input hold this text, with the cursor at its end."""
        self.load_text(text)
        self.move_cursor(self.document.end)

    def take(self) -> str:
        """Take what is typed."""
        text = self.text
        self.put("")
        return text

    def give_up_question(self) -> None:
        """Send nothing of what was pasted."""
        self._pasted = None
        self.post_message(self.Asked(""))

    def action_newline(self) -> None:
        """Begin a new row."""
        self.insert("\n")

    def action_cursor_up(self, select: bool = False) -> None:  # noqa: FBT001, FBT002 - Textual's signature
        """Go up a row, and from the first one to what was typed before."""
        if not select and self.navigator.is_first_wrapped_line(self.cursor_location):
            self._recall(-1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:  # noqa: FBT001, FBT002 - Textual's signature
        """Go down a row, and from the last one to what was typed after."""
        if not select and self.navigator.is_last_wrapped_line(self.cursor_location):
            self._recall(1)
        else:
            super().action_cursor_down(select)

    async def _on_key(self, event: events.Key) -> None:
        if self._pasted is not None:
            self._answer_paste(event)
            return
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self._enter()
            return
        if event.key in ("tab", "shift+tab"):
            event.stop()
            event.prevent_default()
            self._complete(-1 if event.key == "shift+tab" else 1)
            return
        if not self.text and event.character and (begun := self._begun(event.character)):
            event.stop()
            event.prevent_default()
            self.put(begun)
            return
        if self._completing.is_on and event.key != "escape":
            self._completing.end()
            self.post_message(self.Offered([], None))
        await super()._on_key(event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        text = event.text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        if "\n" in text:
            self._pasted = text
            self.post_message(self.Asked(paste_question(text.count("\n") + 1)))
        elif text:
            self.replace(text, *self.selection)

    def _answer_paste(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        pasted, self._pasted = self._pasted, None
        self.post_message(self.Asked(""))
        if pasted is not None and event.key.lower() == "y":
            self.replace(pasted, *self.selection)
            self._enter()

    def _enter(self) -> None:
        text = self.take()
        self._at, self._draft = None, ""
        self._end_offer()
        if text.strip() and (not self._typed or self._typed[-1] != text):
            self._typed.append(text)
            del self._typed[:-REMEMBERED_MAX]
        self.post_message(self.Entered(text, self.pane))

    def _recall(self, step: int) -> None:
        """Show what was typed before or after. What is being typed is kept below the newest."""
        if self._at is None:
            self._draft = self.text
        at = (len(self._typed) if self._at is None else self._at) + step
        if not 0 <= at <= len(self._typed) or not self._typed:
            return
        self._at = None if at == len(self._typed) else at
        self.put(self._draft if self._at is None else self._typed[at])

    def _complete(self, step: int) -> None:
        """Insert what all candidates share; with Tab again, each of them in turn."""
        row, column = self.cursor_location
        before = self.document.get_text_range((0, 0), (row, column))
        found = self._completing.step(before, step)
        self._unmatched = before if found is None else ""
        if found is None:
            return
        start = max(column - found.replaces, 0)
        self.replace(found.text, (row, start), (row, column))
        self.post_message(self.Offered(self._completing.candidates, self._completing.chosen))

    def complete_again(self) -> None:
        """Complete what Tab found nothing for, if nothing else was typed since: more is known."""
        before = self.document.get_text_range((0, 0), self.cursor_location)
        if self._unmatched and self._unmatched == before:
            self._complete(1)

    def _end_offer(self) -> None:
        if self._completing.is_on:
            self._completing.end()
            self.post_message(self.Offered([], None))

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Tell what is typed."""
        event.stop()
        self.post_message(self.Drafted(self.text))
