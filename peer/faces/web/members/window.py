"""One window of a browser on a person's node: the view of a screen, what the page shows of it, and
the streams that wait for news."""

import asyncio
import itertools
import logging
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatapp.peer.api.conversations import DESK, Conversation
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import FileChanged
from chatapp.peer.api.files import FileState
from chatapp.peer.api.requests import OfferFile
from chatapp.peer.faces.runner import ScreenRunner
from chatapp.peer.faces.web.limits import (
    CALLS_KEPT,
    KEYS_PER_SESSION,
    OFFERS_SHOWN,
    STREAMS_PER_SESSION,
)
from chatapp.peer.faces.web.members.pages import Drawn
from chatapp.peer.faces.web.members.panels import PANELS, Panel, SafetyNumber
from chatapp.peer.faces.web.members.sheet import Line, Sheet, TalkSheet
from chatapp.peer.faces.web.members.uploads import Uploads
from chatapp.peer.faces.web.operators.desk import DeskOfWindows, OperatorDesk
from chatapp.peer.faces.web.operators.forms import NotServing, is_command
from chatapp.peer.faces.web.streams import Windows
from chatapp.peer.node.local import line_id
from chatapp.peer.view.log import LogEntry
from chatapp.peer.view.panes import Pane
from chatapp.peer.view.screen import Attention, ScreenView
from chatapp.peer.view.transfers import FileAction
from chatapp.peer.view.view import Changes, Start
from chatapp.peer.words import members as words
from chatapp.peer.words.formatting import Candidate
from chatapp.peer.words.full import begun_about
from chatapp.wire.errors import quoted

if TYPE_CHECKING:
    from chatapp.peer.sdk.client import Peer

_log: Final = logging.getLogger("chatapp.peer")

CLOSES_WITHIN: Final = 0.3
"""Seconds that a window gets to detach."""
SAID_WITHIN: Final = 10.0
"""Seconds after which a page hears that a line is not carried out yet, and asks again."""
_TYPED_AHEAD: Final = frozenset("re")
"""What is done about a line with a text that is typed: a reply, another text."""


class Window:
    """One window. It is attached to the program that runs the node, as one in another program is."""

    def __init__(self, number: int, peer: "Peer", uploads: Uploads, desk: DeskOfWindows) -> None:
        """`peer`: attached to the node, and open; the window closes it. `uploads`: where files are
        that browsers have given to the program. `desk`: what an operator's windows share."""
        self.number: Final = number
        self._desk: Final = desk
        self.uploads: Final = uploads
        self._peer: Final = peer
        self._loop: Final = asyncio.get_running_loop()
        self.streams: Final = Windows(self._loop, most=STREAMS_PER_SESSION)
        self.seen_at = self._loop.time()
        """When a browser has last asked for something."""
        self.version = 1
        """Counts what changes."""
        self.panel: Panel | None = None
        """What is open beside the conversation."""
        self.question = ""
        self.about = ""
        """What becomes of the line that is typed next: `r12` answers line 12, `e12` is its new text;
        empty: it is said."""
        self.draft = ""
        """What is typed and not said, as far as the browser has told."""
        self.fill: tuple[int, str] = (0, "")
        """What the page is to put into its input, since a version."""
        self.taken_over: tuple[int, str, str] = (0, "", "")
        """What the page is to put into its input since a version, if that holds another text: that
        text, and this one."""
        self.reveal: tuple[int, int] = (0, 0)
        """The entry to scroll to, by its key, since a version."""
        self.calls: list[tuple[int, str, str]] = []
        """Who has called the user, and how, each with its version."""
        self.is_over = False
        """Whether the node, or this window of it, has ended."""
        self.last_word: str | None = None
        """What streams say when all windows are closed; empty if the pages are to look for us again.
        None while they are not."""
        self._is_looking = self._is_at_end = False
        """What the page has said last: whether the user looks, and has the newest line in view."""
        self._looked_until = float("-inf")
        self._keys: Final = itertools.count(1)
        self._shown: list[Line] = []
        """The lines that were drawn last."""
        self._shown_keys: set[int] = set()
        """Their keys."""
        self.drawn: Final = Drawn()
        self._sheets: Final[dict[Pane, Sheet]] = {}
        self._talk: Final = TalkSheet(lambda: next(self._keys))
        self._said: dict[int, asyncio.Future[None]] = {}
        """The last lines that were said, by their keys: each is done when all that it sends is
        stored."""
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._looking: asyncio.Task[None] | None = None
        node = peer.node
        self.view: Final = ScreenView(
            node.state,
            wall=time.time,
            draw_line=line_id,
            start=Start(is_over=True),
            welcome=words.welcome_lines,
        )
        self.view.attention = self._attention
        self.runner: Final = ScreenRunner(node, self.view, self)
        self._shown_pane = self.view.open_pane
        _ = self.start(self._run())

    async def close(self) -> None:
        """Detach, and let the browser go."""
        self._end()
        self.streams.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._peer.close(within=CLOSES_WITHIN)

    async def _run(self) -> None:
        try:
            await self.runner.run_all()
        finally:
            self._end()

    def _end(self) -> None:
        """Take nothing more. What is not carried out may be asked for again, in another window."""
        self.is_over = True
        for said in self._said.values():
            _ = said.cancel()
        self.streams.wake()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do something beside all else, until the window is closed."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("fault of a page: %s", quoted(repr(error)), exc_info=error)
            self._end()

    # --- what the runner tells (`Display`)

    def show(self, changes: Changes) -> None:
        """Note what has changed in the view, and have the streams tell it."""
        self.version += 1
        if changes.question is not None:
            self.question = changes.question
        if changes.opened is not None:
            self._opened(changes.opened)
        if changes.draft is not None:
            self.taken_over = (self.version, *changes.draft)
            if changes.draft[0] == self.draft:
                self.draft = changes.draft[1]
        self.calls += [(self.version, by, text) for by, text in changes.calls]
        del self.calls[:-CALLS_KEPT]
        if self.panel is not None and self.panel.is_stale(changes.batch):
            self.look()
        if changes.wants_table:
            self.put_panel("places")
        if changes.wants_files:
            self.put_panel("files")
        if self.view.state.desk.is_operator:
            self._desk.want()
        for key in changes.carried_out:
            if (said := self._said.get(key)) is not None and not said.done():
                said.set_result(None)
        if any(isinstance(event, FileChanged) and event.file.is_ours for event in changes.batch):
            _ = self.start(self.uploads.sweep(self.view.transfers))
        self.streams.wake()

    async def shown(self) -> None:
        """Lines count as seen when the page says so."""

    def changed(self) -> None:
        """Have the streams tell what has changed here."""
        self.version += 1
        self.streams.wake()

    def _attention(self) -> Attention:
        is_watched = bool(self.streams) or self._loop.time() < self._looked_until
        return Attention(
            is_looking=self._is_looking and is_watched,
            is_typing=bool(self.draft.strip()),
            is_at_end=self._is_at_end,
        )

    def _opened(self, pane: Pane) -> None:
        if pane is not self._shown_pane:
            if not self._is_editing:
                self._shown_pane.draft = self.draft
            self.runner.keep_draft(self._shown_pane, self._shown_pane.draft)
            self._shown_pane, self.about, self._is_at_end = pane, "", False
            self._put(pane.draft)
            pane.draft = ""
        elif pane.draft and not self.draft:
            self._put(pane.draft)
            pane.draft = ""
        if not pane.is_loaded:
            self.runner.begin(self.view.load(pane), pane)

    def _put(self, text: str) -> None:
        """Have the input of the page hold this text."""
        self.changed()
        self.draft = text
        self.fill = (self.version, text)

    def _replace(self, text: str, by: str) -> None:
        """Have the input hold another text, unless something else than this has been typed."""
        self.changed()
        self.draft = by
        self.taken_over = (self.version, text, by)

    # --- the help desk

    @property
    def is_at_desk(self) -> bool:
        """Whether the conversation with a visitor is open."""
        return self.view.open_pane.conversation == DESK

    @property
    def desk(self) -> OperatorDesk | None:
        """The help desk of an operator, if it is open in this window."""
        return self._desk.desk if self.is_at_desk else None

    async def sees_desk(self) -> None:
        """Wait for a moment until the help desk of an operator is open here."""
        if self.is_at_desk and self.view.state.desk.is_operator:
            await self._desk.wanted()

    def desk_changed(self) -> None:
        """Have the streams tell what has changed at the help desk."""
        if self.is_at_desk:
            self.changed()

    def say_at_desk(self, text: str, *, visit: int, key: str) -> bool:
        """Say a line to the visitor whom the page showed, if it is no command. Return whether it was
        said. `key`: as in `OperatorDesk.say`. Raises NotServing, TextTooLong, NotOpen."""
        desk = self.desk
        if desk is None or is_command(text):
            return False
        if not visit:
            raise NotServing
        desk.say(text, visit=visit, key=key)
        self.draft = ""
        self.changed()
        return True

    async def command_at_desk(self, text: str, *, key: int, is_again: bool) -> bool:
        """Carry out a command that was typed to the visitor, and show its answer. Returns as `say`.
        Raises NotOpen."""
        log = self.view.panes.pane(DESK).log
        before = set(map(id, log.entries))
        is_stored = await self.say(text, DESK, key=key, is_again=is_again)
        if (desk := self.desk) is not None:
            desk.answer([one.text for one in log.entries if id(one) not in before])
        return is_stored

    # --- the log

    @property
    def sheet(self) -> Sheet:
        """What is shown of the open conversation."""
        pane = self.view.open_pane
        if pane not in self._sheets:
            transfers = self.view.transfers
            self._sheets[pane] = Sheet(pane, lambda: next(self._keys), transfers)
        return self._sheets[pane]

    def lines(self) -> list[Line]:
        """Return the lines to show of the open conversation."""
        if (desk := self.desk) is None:
            lines = self.sheet.draw(self.version, has=self._shown_keys)
        else:
            lines = self._talk.draw(desk.view.lines, self.version, has=self._shown_keys)
        if lines is not self._shown:
            self._shown, self._shown_keys = lines, {line.key for line in lines}
        return lines

    def _reveal(self, entry: LogEntry) -> None:
        """Have the page show this entry, with its neighbours."""
        self.changed()
        self.sheet.around = entry
        _ = self.lines()
        self.reveal = (self.version, self.sheet.key(entry))

    @property
    def chosen(self) -> LogEntry | None:
        """The line that the user has chosen."""
        return self.view.open_pane.log.selected

    def choose_line(self, key: int) -> None:
        """Choose a line of the open conversation; 0: none."""
        entry = self.sheet.entry(key) if key else None
        self.view.open_pane.log.selected = entry if entry is not None and entry.id else None
        self._end_about()
        self.changed()

    def seen(self, key: int, *, is_looking: bool) -> None:
        """Note that the page shows the lines up to this one, and whether the user looks."""
        self._is_looking = is_looking
        pane, entry = self.view.open_pane, self.sheet.entry(key)
        if self.is_at_desk and pane.log.entries:
            entry = pane.log.entries[-1]  # what it says is among the lines of the desk
        self._is_at_end = not pane.log.entries or entry is pane.log.entries[-1]
        if pane.is_loaded:
            self.view.painted(pane, entry)
            self.runner.update()

    def seen_all(self, *, until: float) -> None:
        """Note that a page without script shows the open conversation, and will be asked for again
        until this time."""
        self._looked_until = until
        entries = self.view.open_pane.log.entries
        _ = self.lines()
        self.seen(self.sheet.key(entries[-1]) if entries else 0, is_looking=True)

    async def show_older(self) -> None:
        """Show more of what was said before."""
        pane, sheet = self.view.open_pane, self.sheet
        if not sheet.has_more_above and pane.has_older and pane.is_loaded:
            await self.runner.read(pane, self.view.load_older(pane))
        sheet.show_more()
        self.changed()

    def show_newest(self) -> None:
        """Go to the newest lines."""
        self.sheet.show_newest()
        self.changed()

    async def fill_gap(self, key: int) -> None:
        """Read lines that are left out before an entry."""
        pane, entry = self.view.open_pane, self.sheet.entry(key)
        if entry is not None and entry in pane.log.gaps:
            await self.runner.read(pane, self.view.fill_gap(pane, entry, is_above=True))

    async def jump(self, conversation: Conversation, id_: int) -> bool:
        """Open a conversation at the line with this id, and choose it. Return whether there is such
        a line."""
        entry = await self.runner.jump(conversation, id_)
        if entry is not None:
            self.view.open_pane.log.selected = entry
            self._reveal(entry)
        return entry is not None

    async def show_first_new(self) -> None:
        """Go to the first line that is new to the user."""
        pane = self.view.open_pane
        await self.runner.find_new(pane)
        if pane.log.unread is not None:
            self._reveal(pane.log.unread)

    async def change_file(self, id_: int, action: FileAction) -> None:
        """Do something about the file that the line with this id offers."""
        await self.runner.perform(self.view.change_file(id_, action))

    async def offer_file(self, conversation: Conversation, path: Path) -> None:
        """Offer a file that a browser has given."""
        request = OfferFile(conversation=conversation, path=str(path))
        is_offered = False
        try:
            is_offered = await self.runner.perform(self.view.offer_file(request))
        finally:
            await self.uploads.settle(path, is_offered=is_offered)

    def file_here(self, id_: int) -> Path | None:
        """Return where the file of somebody else is that the line with this id offers; None if it is
        not here, whole."""
        file = self.view.transfers.find(id_)
        is_here = file is not None and not file.is_ours and file.state is FileState.DONE
        return Path(file.path) if file is not None and is_here else None

    # --- what is typed

    async def say(
        self,
        text: str,
        conversation: Conversation,
        *,
        about: str = "",
        key: int = 0,
        is_again: bool = False,
    ) -> bool:
        """Take a line that was typed in a conversation. Return, at the latest in a moment, whether
        all that it sends is stored. `about`: as the attribute. `key`, `is_again`: as in `TypedLine`;
        a line that comes again under its key counts once. Raises NotOpen when the window is closed
        meanwhile."""
        key = key or line_id()
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = self._loop.create_future()
            if len(self._said) > KEYS_PER_SESSION:
                del self._said[next(iter(self._said))]
            self._enter(text, conversation, about, key, is_again=is_again)
        _ = await asyncio.wait([said], timeout=SAID_WITHIN)
        if said.cancelled():
            raise NotOpen
        return said.done()

    def _enter(
        self, text: str, conversation: Conversation, about: str, key: int, *, is_again: bool
    ) -> None:
        pane = self.view.panes.pane(conversation)
        pane.log.selected = None
        if pane is self._shown_pane:
            self.draft = ""
            self._end_about()
        if about[:1] in _TYPED_AHEAD and about[1:].isdecimal():
            text = begun_about(about[0], int(about[1:]), "", is_mine=True) + text
        self.sheet.show_newest()
        self.runner.enter(text, pane, key=key, is_again=is_again)
        self.runner.keep_draft(pane, self.draft if pane is self._shown_pane else "")

    def type(self, text: str) -> None:
        """Take what is being typed."""
        self.draft = text
        self.changed()
        if not self._is_editing:
            self.runner.typing(text)
            self.runner.keep_draft(self._shown_pane, text)

    def offers(self) -> list[Candidate]:
        """Return the ways to complete what is being typed, if it ends with a name behind `@` or is
        a command."""
        is_asked = self.draft.startswith("/") or self.draft.rpartition(" ")[2].startswith("@")
        found = self.view.completions.after(self.draft, is_in_room=True) if is_asked else []
        return found[:OFFERS_SHOWN]

    def begin_about(self, what: str) -> None:
        """Begin something about the chosen line: `r` a reply, `e` a new text; `d` takes it back,
        all else is an emoji for it."""
        entry = self.chosen
        if entry is None:
            return
        if what in _TYPED_AHEAD:
            if what == "e" and not entry.is_mine:
                return
            self._end_about()
            self.about = f"{what}{entry.id}"
            if what == "e":
                self._shown_pane.draft = self.draft
                self._replace(self.draft, entry.said)
            self.changed()
            return
        key = what if what == "d" else "+"
        command = begun_about(key, entry.id, entry.said, is_mine=entry.is_mine)
        self.choose_line(0)
        if command:
            self.runner.press(command + ("" if key == "d" else what))

    @property
    def _is_editing(self) -> bool:
        return self.about.startswith("e")

    def _end_about(self) -> None:
        """Do nothing more about a line. What was typed before its new text is typed again."""
        if self._is_editing:
            self._replace("", self._shown_pane.draft)
            self._shown_pane.draft = ""
        self.about = ""

    # --- beside the conversation

    def put_panel(self, name: str, about: str = "") -> None:
        """Open what is called so beside the conversation; empty: close it. `about`: the line, the
        person or the words that it is about."""
        if self._looking is not None:
            self._looking.cancel()
        kind = PANELS.get(name)
        self.panel = None if kind is None else kind(self.view, about)
        self.changed()
        self.look()

    def look(self) -> None:
        """Have the panel look again at what it shows."""
        if self.panel is not None:
            if self._looking is not None:
                self._looking.cancel()
            self._looking = self.start(self.runner.perform(self.panel.look()))

    async def trust(self, digits: str) -> None:
        """Trust the key that is shown, whose digits the user has compared."""
        if isinstance(self.panel, SafetyNumber):
            await self.runner.perform(self.panel.trust(digits))
