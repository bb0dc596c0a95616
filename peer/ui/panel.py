"""This file is about the lowest lines of a terminal: the line being typed, what Tab offers, the state of things.

It knows how prompt_toolkit draws and which keys do what; it must not know what a line means.
"""

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
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar

from peer.ui.completion import Offer, Offering, common_start
from peer.ui.dialogue import TO
from peer.ui.view import View, prompt_of, standing_of

OFFERED_AT_ONCE: Final = 8
"""Lines of the menu; on a small window it is what is left."""

STYLE: Final = Style.from_dict(
    {
        "notice": "dim",
        "standing": "dim",
        "standing.me": "nodim bold",
        "standing.alarm": "nodim bold ansired",
        "standing.news": "nodim bold",
        "question": "bold",
        "completion-menu": "noreverse bg:default fg:default",
        "completion-menu.completion": "noreverse bg:default fg:default",
        "completion-menu.completion.current": "reverse bg:default fg:default",
        "completion-menu.meta.completion": "noreverse bg:default fg:default dim",
        "completion-menu.meta.completion.current": "noreverse bg:default fg:default",
        "scrollbar.background": "bg:default",
        "scrollbar.button": "reverse",
    }
)
GREY: Final = Style.from_dict({})


class Panel:
    """What is drawn below the last line, and the keys that work there."""

    def __init__(
        self,
        offering: Offering,
        *,
        entered: Callable[[str], None],
        ended: Callable[[BaseException], None],
        suspend: Callable[[], None],
    ) -> None:
        """`entered`: takes a whole line. `ended`: takes EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C."""
        self.view = View()
        self.question = ""
        """Asked instead of the prompt."""
        self._offering = offering
        self._entered = entered
        self._ended = ended
        self._suspend = suspend
        self._pasted: str | None = None
        self._buffer = Buffer(
            completer=_Offers(self),
            history=InMemoryHistory(),
            multiline=False,
            accept_handler=self._accept,
        )
        self.layout: Final = self._layout()
        self.keys: Final = self._keys()

    @property
    def prompt(self) -> str:
        """What stands before what is typed."""
        return self.question or prompt_of(self.view)

    def offered(self) -> list[Offer]:
        """How to go on after what is typed."""
        typed = self._buffer.document.text_before_cursor
        if self.question:
            return self._offering.after(f"/dm {typed}", is_in_room=False) if self.question == TO else []
        return self._offering.after(typed, is_in_room=self.view.room is not None)

    # --- what is drawn

    def _layout(self) -> Layout:
        search = SearchToolbar(ignore_case=True)
        typing = BufferControl(
            self._buffer,
            search_buffer_control=search.control,
            preview_search=True,
            input_processors=[
                HighlightIncrementalSearchProcessor(),
                BeforeInput(lambda: [("class:question" if self.question else "", self.prompt)]),
            ],
        )
        asking = ConditionalContainer(
            Window(FormattedTextControl(self._paste_question), height=1), Condition(self._is_asking)
        )
        body = HSplit(
            [
                Window(typing, wrap_lines=True, dont_extend_height=True, height=Dimension(min=1)),
                asking,
                ConditionalContainer(
                    CompletionsMenu(max_height=OFFERED_AT_ONCE, scroll_offset=1), filter=has_completions
                ),
                search,
                Window(FormattedTextControl(self._standing), height=1),
            ],
            align=VerticalAlign.TOP,  # lines that are free again after a menu are left below, unseen
        )
        return Layout(body, focused_element=typing)

    def _standing(self) -> StyleAndTextTuples:
        pieces: StyleAndTextTuples = []
        for number, piece in enumerate(standing_of(self.view)):
            style = "class:standing.me" if number == 0 else "class:standing"
            if piece in ("server away", "offline"):
                style = "class:standing.alarm"
            elif piece.endswith((" new line", " new lines")):
                style = "class:standing.news"
            pieces += [("class:standing", " · " if number else ""), (style, piece)]
        return pieces

    def _paste_question(self) -> StyleAndTextTuples:
        count = (self._pasted or "").count("\n") + 1
        return [("class:question", f"Send {count} lines as one message? (y/n)")]

    # --- keys

    def _is_asking(self) -> bool:
        return self._pasted is not None

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        asking = Condition(self._is_asking)
        typing = has_focus(self._buffer)
        keys.add("enter", filter=typing & ~asking)(lambda event: self._buffer.validate_and_handle())
        keys.add("tab", filter=typing & ~asking & ~has_completions)(self._complete)
        keys.add("c-c")(lambda event: self._ended(KeyboardInterrupt()))
        at_the_start = Condition(lambda: not self._buffer.text)
        keys.add("c-d", filter=at_the_start & typing & ~asking)(lambda event: self._ended(EOFError()))
        keys.add("c-z")(lambda event: self._suspend())
        keys.add(Keys.BracketedPaste, filter=typing & ~asking)(self._paste)
        keys.add(Keys.Any, filter=asking, eager=True)(self._answer_paste)
        keys.add("enter", filter=asking, eager=True)(self._answer_paste)
        return keys

    def _accept(self, buffer: Buffer) -> bool:
        self._entered(buffer.text)
        return False

    def _complete(self, event: KeyPressEvent) -> None:
        """What all offers have in common is there at once, before the next key; the menu may come later."""
        found = self.offered()
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
    """What Tab offers, for the menu of prompt_toolkit."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        for offer in self._panel.offered():
            yield Completion(offer.text, start_position=-offer.replaces, display_meta=offer.about)
