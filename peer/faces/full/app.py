"""The full screen as an application of Textual: its widgets, its keys, and what they do with the
view."""

import asyncio
import os
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.driver import Driver
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Static

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK, NOBODY, Conversation
from chatapp.peer.api.requests import Node
from chatapp.peer.faces.full.bars import Bar
from chatapp.peer.faces.full.composer import Composer
from chatapp.peer.faces.full.listview import ListView
from chatapp.peer.faces.full.logview import LogView
from chatapp.peer.faces.full.opener import Opener
from chatapp.peer.faces.full.theme import DARK, OTHER, THEMES, Signs
from chatapp.peer.faces.paths import list_paths
from chatapp.peer.faces.program import INTERRUPTED
from chatapp.peer.faces.runner import ScreenRunner
from chatapp.peer.node.local import line_id
from chatapp.peer.view.layout import notice, title, titled
from chatapp.peer.view.log import LogEntry
from chatapp.peer.view.panes import ListRow, Pane, next_with_news
from chatapp.peer.view.screen import Attention, ScreenView
from chatapp.peer.view.view import KEPT_AFTER, USUAL_START, Changes, Start
from chatapp.peer.words import full as words
from chatapp.peer.words.answers import LEAVE_AGAIN
from chatapp.peer.words.formatting import Candidate, Fragments, status_pieces
from chatapp.wire.text import sanitize

if TYPE_CHECKING:
    from chatapp.peer.faces.full.overlays.desk import DeskPane

LEAST: Final = (40, 12)
"""Columns and rows of the smallest screen."""
NARROW: Final = 80
"""Below so many columns, the list takes the place of the log while it is shown."""
LOW: Final = 20
"""Below so many rows, the help desk is shown on a screen of its own only."""
ROOMY: Final = 110
"""From so many columns on, the list is wider."""
WIDE: Final = 140
"""From so many columns on, the members of the room are shown at the right."""
TWICE_WITHIN: Final = 1.0
"""Seconds within which Ctrl-C must be pressed twice to leave while a message is under way."""
RINGS_EVERY: Final = 3.0
"""Seconds between two bells at least."""
_ALWAYS: Final = ("interrupt", "leave", "suspend_process", "other_theme")
"""Actions of the app that work while an overlay is open."""
OFFERED_SHOWN: Final = 8
"""Candidates that are shown at a time."""


class ScreenFailed(Exception):
    """The screen ended because of a mistake in this program. It is shown without the values of
    variables, which may be what people have said."""

    def __rich__(self) -> Text:
        return Text("".join(traceback.format_exception(self.__cause__)))


class FullApp(App[None]):
    """The full screen of one peer."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    INLINE_PADDING = 0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", show=False, priority=True, system=True),
        Binding("ctrl+q", "leave", show=False, priority=True),
        Binding("ctrl+d", "leave_if_empty", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
        Binding("ctrl+n", "step(1)", show=False, priority=True),
        Binding("ctrl+p", "step(-1)", show=False, priority=True),
        Binding("alt+a", "next_news", show=False, priority=True),
        Binding("alt+u", "first_new", show=False, priority=True),
        *(
            Binding(f"alt+{number}", f"number({number})", show=False, priority=True)
            for number in range(1, 10)
        ),
        Binding("alt+0", "number(10)", show=False, priority=True),
        Binding("f1", "open('help')", show=False, priority=True),
        Binding("f2", "open('doctor')", show=False, priority=True),
        Binding("f3", "open('search')", show=False, priority=True),
        Binding("ctrl+k", "open('go_to')", show=False, priority=True),
        Binding("f4", "list", show=False, priority=True),
        *(
            Binding(f"f{number}", f"at_desk('f{number}')", show=False, priority=True)
            for number in range(5, 11)
        ),
        Binding("alt+t", "open('files')", show=False, priority=True),
        Binding("alt+d", "desk", show=False, priority=True),
        Binding("ctrl+t", "other_theme", show=False, priority=True),
        Binding("pageup", "page(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
        Binding("ctrl+home", "log_home", show=False, priority=True),
        Binding("ctrl+end", "log_end", show=False, priority=True),
        Binding("shift+up,alt+up", "select(-1)", show=False, priority=True),
        Binding("shift+down,alt+down", "select(1)", show=False, priority=True),
        Binding("ctrl+y", "copy", show=False, priority=True),
        Binding("escape", "log_end", show=False),
    ]
    CSS = """
    Screen { background: $background; layers: base over; }
    #body { height: 1fr; }
    #main { width: 1fr; }
    #input { height: auto; max-height: 6; background: $chat-input; }
    #side { width: 22; }
    #beside { display: none; width: 22; }
    .-wide.-in-room #beside { display: block; }
    #prompt { width: 2; padding: 0 0 0 1; color: $primary; background: $chat-input; text-style: bold; }
    #prompt:ansi { background: ansi_default; }
    Composer:ansi { background: ansi_default; }
    #question { color: $chat-calls; display: none; height: auto; }
    #question.-shown { display: block; }
    #small { display: none; width: 1fr; height: 1fr; content-align: center middle; }
    .-ascii ListView { scrollbar-size-vertical: 0; }
    .-ascii ListView:ansi { border-right: ascii $border-blurred; }
    .-ascii LogView { scrollbar-size-vertical: 0; }
    .-ascii DeskPane { scrollbar-size-vertical: 0; }
    .-ascii #desk-line { text-overflow: clip; }
    .-too-small #small { display: block; }
    .-too-small #body { display: none; }
    .-too-small #status { display: none; }
    .-roomy #side { width: 28; }
    .-narrow #side { display: none; width: 1fr; }
    .-narrow.-listing #side { display: block; }
    #main DeskPane { display: none; max-height: 45%; background: $panel; }
    .-at-desk #main DeskPane { display: block; }
    #main #desk-head { display: none; }
    #main #desk-client { margin: 0 0 1 0; }
    .-roomy #main #desk-head { display: block; }
    .-roomy #main #desk-client { margin: 1 0; }
    .-at-desk.-roomy #main DeskPane { dock: right; width: 44; height: 100%; max-height: 100%; }
    .-at-desk.-low #main DeskPane { display: none; }
    Overlay { background: $background 60%; }
    Overlay:ansi { background: transparent; }
    .-narrow.-listing #main { display: none; }
    """

    def __init__(
        self,
        node: Node,
        signs: Signs,
        *,
        theme: str = DARK,
        is_quiet: bool = False,
        note: Callable[[Sequence[events.Event]], None] = lambda _: None,
        start: Start = USUAL_START,
        driver_class: type[Driver] | None = None,
    ) -> None:
        """`theme`: one of those in `theme`. `is_quiet`: draw no attention: no bell, no title, no
        notices. `note`: as in `Runner`. `start`: as in `View`."""
        super().__init__(driver_class=driver_class)
        for one in THEMES:
            self.register_theme(one)
        self.theme = theme
        self.view: Final = ScreenView(
            node.state,
            wall=time.time,
            draw_line=line_id,
            start=start,
        )
        self.view.completions.list_paths = list_paths
        self.runner: Final = ScreenRunner(node, self.view, self, note=note)
        self._signs: Final = signs
        self._is_quiet: Final = is_quiet
        self._shown_pane: Pane = self.view.open_pane
        """The conversation whose draft stands in the input."""
        self._keeps: asyncio.TimerHandle | None = None
        """When what stands there is kept; None: it is."""
        self._rows: list[ListRow] = []
        self._interrupted_at = float("-inf")
        self._rang_at = float("-inf")
        self._called = 0
        self._caller = ""
        self._title_shown = ""
        self._is_update_due = False
        self._question = ""
        """What the view asks; empty for nothing."""
        self._paste_question = ""
        """What the input asks about a paste; empty for nothing."""
        self._is_shown = False
        """Whether the widgets are there."""
        self._opener: Final = Opener(self, signs)
        self._desk: DeskPane | None = None
        """The desk pane, once there is something to show in it."""

    # --- widgets

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        signs = self._signs
        pane = self.view.open_pane
        with Horizontal(id="body"):
            with Vertical(id="side"):
                yield Bar(cut=signs.cut, between=signs.between, id="heading")
                yield ListView(signs, id="list")
            with Vertical(id="main"):
                yield Bar(cut=signs.cut, between=signs.between, id="title")
                yield LogView(pane.log, signs, self.view.transfers, id="log")
                yield Bar(cut=signs.cut, between="  ", id="question")
                with Horizontal(id="input"):
                    yield Static(Content(">"), id="prompt", markup=False)
                    yield Composer(offered=self._offered, begun=self._begun, id="composer")
            with Vertical(id="beside"):
                yield Bar(cut=signs.cut, between=signs.between, id="members-heading")
                yield ListView(signs, id="members")
        yield Bar(cut=signs.cut, between=signs.between, id="status")
        yield Static(Content(""), id="small", markup=False)

    def on_mount(self) -> None:
        """Begin to show the view."""
        self._is_shown = True
        self.list_of_members.can_focus = False
        self.screen.set_class(not self._signs.is_utf8, "-ascii")
        self.view.attention = self._attention
        self.view.completions.came = self.composer.complete_again
        self.composer.focus()
        self._opened(self.view.open_pane)
        self._update_soon()

    @property
    def base(self) -> Screen[None]:
        """The screen with the conversations, whatever is open above it."""
        return self.screen_stack[0]

    @property
    def log_view(self) -> LogView:
        """The log."""
        return self.base.query_one("#log", LogView)

    @property
    def composer(self) -> Composer:
        """The input."""
        return self.base.query_one("#composer", Composer)

    @property
    def list_view(self) -> ListView:
        """The list of conversations."""
        return self.base.query_one("#list", ListView)

    @property
    def list_of_members(self) -> ListView:
        """Who is in the room that is open."""
        return self.base.query_one("#members", ListView)

    def on_resize(self, event: Resize) -> None:
        """Lay the screen out for its size."""
        columns, rows = event.size
        is_small = columns < LEAST[0] or rows < LEAST[1]
        screen = self.base
        screen.set_class(is_small, "-too-small")
        screen.set_class(columns < NARROW, "-narrow")
        screen.set_class(columns >= ROOMY, "-roomy")
        screen.set_class(columns >= WIDE, "-wide")
        screen.set_class(rows < LOW, "-low")
        if is_small:
            said = words.terminal_too_small(columns, rows, least=LEAST)
            self.base.query_one("#small", Static).update(Content(said))
        # A window that shrank and grew again in no time has its old size, and has lost rows all the
        # same.
        self.call_after_refresh(self.refresh)
        self._update_soon()

    # --- what the runner tells (`Display`)

    def show(self, changes: Changes) -> None:
        """Show what has changed in the view."""
        if changes.question is not None:
            self._question = changes.question
        if not self._is_shown or self.view.is_over:
            return
        if changes.opened is not None:
            self._opened(changes.opened)
        if changes.draft is not None and changes.draft[0] == self.composer.text:
            self.composer.put(changes.draft[1])
        if changes.question is not None:
            self._show_question()
        if self.view.open_pane in changes.logs:
            self.log_view.update_rows(keeps=changes.logs[self.view.open_pane])
        for by, text in changes.calls:
            self._called_by(by, text)
        if changes.batch:
            # Not at once: widgets that the runner's tasks make, and timers that they set, know of no
            # app.
            self.call_later(self._take_events, changes.batch)
        if changes.wants_table:
            self.call_later(self._opener.table)
        if changes.wants_files:
            self.call_later(self._opener.files)
        self._update_soon()

    async def shown(self) -> None:
        """Lines count as seen when they were painted, which the view is told by itself."""

    def _attention(self) -> Attention:
        """Return what the user looks at: the log, if the terminal has the focus and nothing stands
        before it, and who waits at the desk, if that is in view."""
        desk = self._desk
        is_desk_in_view = desk is not None and (desk.display or self._opener.is_desk_open)
        return Attention(
            is_looking=self.app_focus and not self._opener.is_open,
            is_typing=bool(self.composer.text.strip()),
            listed=desk.desk.line if desk is not None and is_desk_in_view else (),
        )

    def _update_soon(self) -> None:
        """Draw the list, the title and the status line anew."""
        if not self._is_update_due:
            self._is_update_due = True
            self.call_later(self._update)

    def _opened(self, pane: Pane) -> None:
        """Show this conversation from now on."""
        composer = self.composer
        composer.placeholder = Content(words.placeholder(pane.conversation))
        composer.pane = pane
        if pane is not self._shown_pane:
            self._shown_pane.draft = composer.text
            self.keep_draft()
            self._shown_pane = pane
            composer.put(pane.draft)
        elif pane.draft and not composer.text:
            composer.put(pane.draft)
        pane.draft = ""
        self.log_view.show_log(pane.log)
        if pane.conversation == DESK:
            self.call_later(self._desk_pane)
        self.base.set_class(pane.conversation == DESK, "-at-desk")
        if not pane.is_loaded:
            self.runner.begin(self.view.load(pane), pane)

    def _show_question(self) -> None:
        """Show what is asked: about a paste first, which takes the next key."""
        question = self._paste_question or self._question
        bar = self.base.query_one("#question", Bar)
        bar.set_class(bool(question), "-shown")
        bar.show_pieces([("alarm", sanitize(question))] if question else [])

    def _take_events(self, batch: Sequence[events.Event]) -> None:
        if self._desk is None and any(isinstance(event, events.DutyEvent) for event in batch):
            self._desk_pane()
        if self._desk is not None:
            self._desk.take_events(batch)
        self._opener.take_events(batch)

    def _desk_pane(self) -> "DeskPane":
        """Return the desk pane, which is made when it is first needed."""
        if self._desk is None:
            from chatapp.peer.faces.full.overlays.desk import DeskPane
            from chatapp.peer.view.desk import DeskView

            state = self.view.state
            desk = DeskView(state.name)
            desk.found(state.desk)
            if state.desk.client is not None:
                desk.found_client(state.desk.client, state.desk.visit)
            self._desk = DeskPane(desk, signs=self._signs)
            _ = self.base.query_one("#main").mount(self._desk, after="#title")
        return self._desk

    def _called_by(self, by: str, text: str) -> None:
        """Ring, and say in the title of the window who calls; not where the user looks already."""
        if self._is_quiet:
            return
        self._called, self._caller = self._called + 1, by
        now = asyncio.get_running_loop().time()
        if now - self._rang_at >= RINGS_EVERY:
            self._rang_at = now
            self._write(notice(f"{by}: {text}", os.environ))
            self.bell()
        self._retitle()

    def _retitle(self) -> None:
        if not self._is_quiet:
            wanted = title(self.view.state.name, self._called, self._caller)
            if wanted != self._title_shown:
                self._title_shown = wanted
                self._write(titled(wanted, os.environ))

    def _write(self, sequence: str) -> None:
        if sequence and self._driver is not None:
            self._driver.write(sequence)

    def _update(self) -> None:
        """Draw the list, the title and the status line."""
        self._is_update_due = False
        view = self.view
        if view.is_over or not self._is_shown:
            return
        self._rows = view.rows()
        left_out = view.panes.left_out
        self.list_view.show_rows(self._rows, left_out=left_out, now=time.time())
        members = view.members()
        self.base.set_class(bool(members), "-in-room")
        self.list_of_members.show_rows(members, now=time.time())
        self.base.query_one("#heading", Bar).show_pieces([("about", words.LIST_TITLE)])
        self.base.query_one("#members-heading", Bar).show_pieces([("about", words.MEMBERS_TITLE)])
        self.base.query_one("#title", Bar).show_pieces(self._title_pieces())
        status = view.status(now=asyncio.get_running_loop().time())
        right: Fragments = [("key", words.HELP_KEY)]
        self.base.query_one("#status", Bar).show_pieces(
            [*status_pieces(status), *self._news()], right
        )

    def _title_pieces(self) -> Fragments:
        what = self.view.open_pane.conversation
        pieces: Fragments = [("title", words.title_of(what)), ("about", self.view.about_open())]
        below, has_more = self.log_view.messages_below
        newer = [("alarm", words.newer_messages(below, has_more=has_more))] if below else []
        return [*pieces, *newer]

    def _news(self) -> Fragments:
        """Return how many lines are unread elsewhere, where the list is not in view."""
        unread = sum(row.unread for row in self._rows if not row.is_open)
        if not unread or not self.base.has_class("-narrow"):
            return []
        return [("class:status.news", f"{unread:,} new"), ("key", words.LIST_KEY)]

    # --- what widgets tell

    def on_composer_entered(self, event: Composer.Entered) -> None:
        """Carry out a line."""
        if not event.text.strip() and self.log_view.shown_log.selected is not None:
            self.action_why()
            return
        self._called = 0
        self._retitle()
        self._deselect()
        self.runner.enter(event.text, event.pane)
        self.keep_draft()
        self.log_view.follow()

    def on_composer_drafted(self, event: Composer.Drafted) -> None:
        """Note what is typed, which is kept at the next pause."""
        self._stop_keeping()
        self._keeps = asyncio.get_running_loop().call_later(KEPT_AFTER, self.keep_draft)
        if event.text:
            self._deselect()
            self.runner.typing(event.text)

    def on_composer_offered(self, event: Composer.Offered) -> None:
        """Show the ways to complete the line."""
        if self._question or self._paste_question:
            return
        bar = self.base.query_one("#question", Bar)
        bar.set_class(bool(event.candidates), "-shown")
        bar.show_pieces(_offer_pieces(event.candidates, event.chosen))

    def on_composer_asked(self, event: Composer.Asked) -> None:
        """Ask whether to send what was pasted."""
        self._paste_question = event.question
        self._show_question()

    def on_list_view_opened(self, event: ListView.Opened) -> None:
        """Open a conversation."""
        self.open_conversation(event.conversation)

    def on_list_view_more_wanted(self) -> None:
        """Offer everybody."""
        self._opener.go_to()

    def on_list_view_left(self) -> None:
        """Go back to the input."""
        self._leave_list()

    def on_log_view_painted(self, event: LogView.Painted) -> None:
        """Have the view note what was painted."""
        pane = self.view.open_pane
        if pane.log is event.log and pane.is_loaded:
            self.view.painted(pane, event.last)
        self.runner.update()

    def on_log_view_older_wanted(self) -> None:
        """Read older lines."""
        pane = self.view.open_pane
        if pane.is_loaded and pane.has_older and not pane.is_loading:
            self.runner.begin(self.view.load_older(pane), pane)

    def on_log_view_gap_seen(self, event: LogView.GapSeen) -> None:
        """Read lines that are left out."""
        pane = self.view.open_pane
        if event.gap in pane.log.gaps and not pane.is_loading:
            filling = self.view.fill_gap(pane, event.gap, is_above=event.is_above)
            self.runner.begin(filling, pane)

    def on_log_view_chosen(self, event: LogView.Chosen) -> None:
        """Select the line that was clicked."""
        self._select(event.entry)

    def on_app_focus(self) -> None:
        """The user looks again: what is in view is read now."""
        self._called = 0
        self._retitle()
        self.log_view.refresh()

    def on_app_blur(self) -> None:
        """The user turns to another window, which may be one of ours."""
        self.keep_draft()

    def on_unmount(self) -> None:
        """The input is gone; what stood there is kept."""
        self._stop_keeping()

    def _stop_keeping(self) -> None:
        if self._keeps is not None:
            self._keeps.cancel()
            self._keeps = None

    def keep_draft(self) -> None:
        """Keep what is typed."""
        self._stop_keeping()
        self.runner.keep_draft(self._shown_pane, self.composer.text)

    # --- keys

    def open_conversation(self, conversation: Conversation) -> None:
        """Open a conversation, and go to the input."""
        self.runner.choose(conversation)
        self._leave_list()

    async def jump_to(self, conversation: Conversation, id_: int) -> bool:
        """Open a conversation at the line with this id, and select it. Returns whether there is
        such a line."""
        entry = await self.runner.jump(conversation, id_)
        if entry is not None:
            self._leave_list()
            self.log_view.show_log(self.view.open_pane.log, entry=entry)
            self._select(entry)
        return entry is not None

    @property
    def selected_entry(self) -> LogEntry | None:
        """The line that is selected in the log."""
        return self.log_view.shown_log.selected

    def _begun(self, key: str) -> str:
        """Return the command that a key begins about the selected line; empty for none."""
        entry = self.selected_entry
        if entry is None or not entry.id:
            return ""
        return words.begun_about(key, entry.id, entry.said, is_mine=entry.is_mine)

    def action_why(self) -> None:
        """Show how the selected line was delivered."""
        entry = self.selected_entry
        if entry is not None and entry.id:
            self._opener.why(entry.id)

    def check_action(self, action: str, _: tuple[object, ...]) -> bool | None:
        """Let the keys of an overlay that is open be its own."""
        if not self._opener.is_open or action in _ALWAYS:
            return True
        return action == "at_desk" and self._opener.is_desk_open

    def action_open(self, what: str) -> None:
        """Open an overlay."""
        match what:
            case "help":
                self._opener.help()
            case "doctor":
                self._opener.doctor()
            case "search":
                self._opener.search()
            case "files":
                self._opener.files()
            case _:
                self._opener.go_to()

    def action_desk(self) -> None:
        """Show the help desk on a screen of its own."""
        if self.view.state.desk.is_operator:
            self._opener.desk(self._desk_pane().desk)

    def action_at_desk(self, key: str) -> None:
        """Do what a key of the help desk stands for."""
        if not self.view.state.desk.is_operator:
            return
        desk = self._desk_pane()
        command = desk.command_for(key)
        if command in (".handover", ".transfer"):
            if self._opener.is_desk_open:
                _ = self.pop_screen()
            self._opener.ask_name(command, desk.desk)
        else:
            self.runner.press(command)

    def on_desk_pane_stale(self, event: "DeskPane.Stale") -> None:
        """Ask who waits."""
        self.runner.begin(self.view.refresh_desk(with_figures=event.with_figures))

    def action_interrupt(self) -> None:
        """Clear what is typed, or give up the question; with neither, leave. While a message is
        under way, Ctrl-C must be pressed twice to leave."""
        composer = self.composer
        if self._opener.is_open:
            _ = self.pop_screen()
        elif composer.is_asking:
            composer.give_up_question()
        elif composer.text:
            composer.put("")
        elif self._question:
            self.runner.enter("")
        else:
            now = asyncio.get_running_loop().time()
            is_second = now - self._interrupted_at <= TWICE_WITHIN
            self._interrupted_at = now
            if is_second or not self.view.state.is_sending:
                self.runner.stop(INTERRUPTED)
            else:
                self.runner.show_here([LEAVE_AGAIN])

    def action_leave(self) -> None:
        """Leave, as `/quit` does."""
        self.runner.press("/quit")

    def action_leave_if_empty(self) -> None:
        """Leave if nothing is typed; else delete the character at the cursor."""
        if self.composer.text:
            self.composer.action_delete_right()
        else:
            self.action_leave()

    def action_step(self, step: int) -> None:
        """Open the next conversation of the list, or the one before."""
        rows = self.view.rows()
        before = -1 if step > 0 else 0
        at = next((place for place, row in enumerate(rows) if row.is_open), before)
        if rows:
            self.open_conversation(rows[(at + step) % len(rows)].conversation)

    def action_number(self, number: int) -> None:
        """Open the conversation with this number in the list."""
        rows = self.view.rows()
        if number <= len(rows):
            self.open_conversation(rows[number - 1].conversation)

    def action_next_news(self) -> None:
        """Open the next conversation with unread lines, those that call the user first."""
        conversation = next_with_news(self.view.rows())
        if conversation is not None:
            self.open_conversation(conversation)

    def action_first_new(self) -> None:
        """Go to the first line that is new to the user."""
        self.run_worker(self._go_to_new())

    async def _go_to_new(self) -> None:
        await self.runner.find_new(self.view.open_pane)
        self.log_view.update_rows(keeps=True)
        self.log_view.go_to_new()

    def action_list(self) -> None:
        """Go to the list of conversations, and back."""
        if self.list_view.has_focus:
            self._leave_list()
        else:
            self.base.add_class("-listing")
            self.list_view.focus()

    def _leave_list(self) -> None:
        self.base.remove_class("-listing")
        self.composer.focus()

    def action_other_theme(self) -> None:
        """Change between dark and light."""
        self.theme = OTHER.get(self.theme, self.theme)

    def action_page(self, direction: int) -> None:
        """Scroll the log by a page."""
        self.log_view.page(direction)

    def action_log_home(self) -> None:
        """Go to the oldest line that is here."""
        self.log_view.go_home()

    def action_log_end(self) -> None:
        """Give up the selection, and go to the newest line."""
        self._deselect()
        self.log_view.follow()

    def action_select(self, step: int) -> None:
        """Select the message above or below."""
        view = self.log_view
        if step > 0 and view.shown_log.selected is None:
            return
        entry = view.book.neighbour(step, from_row=view.scroll_offset.y + view.size.height - 1)
        if entry is not None:
            self._select(entry)
        elif step > 0:
            self._deselect()

    def _select(self, entry: LogEntry) -> None:
        view = self.log_view
        view.shown_log.selected = entry
        view.reveal(entry)
        view.refresh()

    def _deselect(self) -> None:
        view = self.log_view
        if view.shown_log.selected is not None:
            view.shown_log.selected = None
            view.refresh()

    def action_copy(self) -> None:
        """Copy the text of the selected line, where the terminal allows it (OSC 52)."""
        entry = self.selected_entry
        if entry is not None:
            self.copy_to_clipboard(entry.text)

    def _offered(self, typed: str) -> list[Candidate]:
        """Return the ways to complete what is typed: commands behind their sign, else names; on the
        start page commands without one."""
        is_talk = self.view.open_pane.conversation != NOBODY
        return self.view.completions.after(typed, is_in_room=is_talk)

    # --- the end

    def _handle_exception(self, error: Exception) -> None:
        failed = ScreenFailed()
        failed.__cause__ = error
        super()._handle_exception(failed)


def _offer_pieces(candidates: list[Candidate], chosen: int | None) -> Fragments:
    """Return the candidates around the chosen one."""
    first = max((chosen or 0) - OFFERED_SHOWN // 2, 0)
    pieces: Fragments = []
    for place, one in list(enumerate(candidates))[first : first + OFFERED_SHOWN]:
        pieces.append(("title" if place == chosen else "about", sanitize(one.text, limit=40)))
    return pieces
