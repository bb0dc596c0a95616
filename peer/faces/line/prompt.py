"""The rows that a terminal draws anew all the time: held lines, the line being typed, the menu, the
status line."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VerticalAlign,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput, HighlightIncrementalSearchProcessor
from prompt_toolkit.widgets import SearchToolbar

from chatapp.peer.commands.completion import CandidateSource, common_start
from chatapp.peer.words.answers import ASK_TO, paste_question
from chatapp.peer.words.formatting import (
    Candidate,
    Fragments,
    Status,
    prompt_of,
    status_pieces,
)

OFFERED_AT_ONCE: Final = 8
"""Lines of the completion menu; in a small window it gets what is left."""

TWICE_WITHIN: Final = 1.0
"""Seconds within which Ctrl-C must be pressed twice to leave while a message is under way."""


class PromptApp:
    """The prompt, the line being typed, the completion menu and the status line, and the keys that
    work there."""

    def __init__(
        self,
        offering: CandidateSource,
        *,
        entered: Callable[[str], None],
        drafted: Callable[[str], None],
        ended: Callable[[BaseException], None],
        warned: Callable[[], None],
        suspend: Callable[[], None],
        held: Callable[[], list[Fragments]],
    ) -> None:
        """`entered` takes each whole line, and `drafted` what is typed so far whenever that
        changes. `ended` takes EOFError for Ctrl-D and KeyboardInterrupt for Ctrl-C. `warned` is
        called when Ctrl-C must be pressed again to leave. `held`: returns the rows above the
        prompt."""
        self.status = Status()
        self.question = ""
        """Shown instead of the prompt, if not empty."""
        self._offering = offering
        self._entered = entered
        self._drafted = drafted
        self._ended = ended
        self._warned = warned
        self._held = held
        self._interrupted_at = float("-inf")
        """When Ctrl-C was last pressed at an empty line, by the loop's clock."""
        self._suspend = suspend
        self._pasted: str | None = None
        self._unmatched = ""
        """What stood before the cursor when Tab found nothing for it."""
        self._buffer = Buffer(
            completer=_Offers(self),
            history=InMemoryHistory(),
            multiline=False,
            accept_handler=self._accept,
            on_text_changed=lambda buffer: drafted("" if self.question else buffer.text),
        )
        self.layout: Final = self._layout()
        self.keys: Final = self._keys()

    @property
    def prompt(self) -> str:
        """The text before the line being typed."""
        return self.question or prompt_of(self.status)

    def fill(self, before: str, now: str) -> None:
        """Put a text in the place of the one that is typed, if that is `before` and nothing is
        asked."""
        if self._buffer.text == before and not self.question:
            self._buffer.document = Document(now)

    def offered(self) -> list[Candidate]:
        """Return the ways to complete what is typed."""
        typed = self._buffer.document.text_before_cursor
        if self.question:
            return (
                self._offering.after(f"/dm {typed}", is_in_room=False)
                if self.question == ASK_TO
                else []
            )
        return self._offering.after(typed, is_in_room=self.status.room is not None)

    # --- what is drawn

    def _layout(self) -> Layout:
        search = SearchToolbar(ignore_case=True)
        typing = BufferControl(
            self._buffer,
            search_buffer_control=search.control,
            preview_search=True,
            input_processors=[
                HighlightIncrementalSearchProcessor(),
                BeforeInput(lambda: [(self._prompt_style(), self.prompt)]),
            ],
        )
        asking = ConditionalContainer(
            Window(FormattedTextControl(self._paste_question), height=1), Condition(self._is_asking)
        )
        held = ConditionalContainer(
            Window(FormattedTextControl(self._held_text), dont_extend_height=True),
            Condition(lambda: bool(self._held())),
        )
        body = HSplit(
            [
                held,
                Window(typing, wrap_lines=True, dont_extend_height=True, height=Dimension(min=1)),
                asking,
                ConditionalContainer(
                    CompletionsMenu(max_height=OFFERED_AT_ONCE, scroll_offset=1),
                    filter=has_completions,
                ),
                search,
                Window(FormattedTextControl(self._status_line), height=1),
            ],
            # rows that a closed menu frees stay blank below the status line
            align=VerticalAlign.TOP,
        )
        return Layout(body, focused_element=typing)

    def _held_text(self) -> StyleAndTextTuples:
        text: StyleAndTextTuples = []
        for row in self._held():
            text += [*([("", "\n")] if text else []), *row]
        return text

    def _prompt_style(self) -> str:
        if self.question:
            return "class:question"
        return "class:room" if self.status.room is not None else ""

    def _status_line(self) -> StyleAndTextTuples:
        pieces: StyleAndTextTuples = []
        for style, text in status_pieces(self.status):
            pieces += [("class:status", " · " if pieces else ""), (style, text)]
        return pieces

    def _paste_question(self) -> StyleAndTextTuples:
        count = (self._pasted or "").count("\n") + 1
        return [("class:question", paste_question(count))]

    # --- keys

    def _is_asking(self) -> bool:
        return self._pasted is not None

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        asking = Condition(self._is_asking)
        typing = has_focus(self._buffer)
        self._is_typing = typing
        keys.add("enter", filter=typing & ~asking)(lambda _: self._buffer.validate_and_handle())
        keys.add("tab", filter=typing & ~asking & ~has_completions)(self._complete)
        keys.add("escape", "enter", filter=typing & ~asking)(
            lambda _: self._buffer.insert_text("\n")
        )
        keys.add("c-c", eager=True)(self._interrupt)
        at_the_start = Condition(lambda: not self._buffer.text)
        keys.add("c-d", filter=at_the_start & typing & ~asking)(lambda _: self._ended(EOFError()))
        keys.add("c-z")(lambda _: self._suspend())
        keys.add(Keys.BracketedPaste, filter=typing & ~asking)(self._paste)
        keys.add(Keys.Any, filter=asking, eager=True)(self._answer_paste)
        keys.add("enter", filter=asking, eager=True)(self._answer_paste)
        return keys

    def _interrupt(self, event: KeyPressEvent) -> None:
        """Clear what is half typed, or give up the question; with neither, leave. While a message
        is under way, Ctrl-C must be pressed twice to leave."""
        if self._pasted is not None:
            self._pasted = None
        elif self._buffer.text or not self._is_typing():
            event.app.layout.focus(self._buffer)
            self._buffer.reset()
            self._drafted("")  # a reset is no change to the buffer
        elif self.question:
            self._entered("")
        else:
            now = asyncio.get_running_loop().time()
            is_second = now - self._interrupted_at <= TWICE_WITHIN
            self._interrupted_at = now
            if is_second or not self.status.is_sending:
                self._ended(KeyboardInterrupt())
            else:
                self._warned()

    def _accept(self, buffer: Buffer) -> bool:
        self._entered(buffer.text)
        self._drafted("")  # it is reset next, which is no change to it
        return False

    def _complete(self, _: KeyPressEvent) -> None:
        """Insert what all candidates share at once, before the next key is read; the menu may
        appear later."""
        self.complete()

    def complete_again(self) -> None:
        """Complete what Tab found nothing for, if nothing else was typed since: more is known."""
        if self._unmatched and self._unmatched == self._buffer.document.text_before_cursor:
            self.complete()

    def complete(self) -> None:
        """Insert what all candidates share, and show them if there are several."""
        found = self.offered()
        self._unmatched = "" if found else self._buffer.document.text_before_cursor
        if not found:
            return
        self._buffer.delete_before_cursor(found[0].replaces)
        self._buffer.insert_text(common_start([offer.text for offer in found]))
        if len(found) > 1:
            self._buffer.start_completion()

    def _paste(self, event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        if "\n" in text:
            self._pasted = text
        else:
            self._buffer.insert_text(text)

    def _answer_paste(self, event: KeyPressEvent) -> None:
        pasted, self._pasted = self._pasted, None
        if pasted is not None and event.data in ("y", "Y"):
            self._buffer.insert_text(pasted)
            self._buffer.validate_and_handle()


class _Offers(Completer):
    """Our candidates, for the menu of prompt_toolkit."""

    def __init__(self, prompt_app: PromptApp) -> None:
        self._prompt_app = prompt_app

    def get_completions(self, _document: Document, _event: CompleteEvent) -> Iterable[Completion]:
        for offer in self._prompt_app.offered():
            yield Completion(offer.text, start_position=-offer.replaces, display_meta=offer.about)
