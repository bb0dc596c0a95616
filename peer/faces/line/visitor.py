"""A visitor at a terminal: ask the form, carry out what is typed, show what happens."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final, NamedTuple

from chatapp.peer.api import visit_events
from chatapp.peer.api.errors import DeskFileRefused, FileRefused
from chatapp.peer.api.form import TRIES, Interview, rating_of
from chatapp.peer.commands.arguments import path_typed
from chatapp.peer.faces.line.shell import LAST_WORDS_WITHIN, Terminal
from chatapp.peer.faces.program import (
    DONE,
    FAILED,
    Running,
    VisitOptions,
    resume_gc,
    run_until_signal,
)
from chatapp.peer.sdk.visitor import Visitor
from chatapp.peer.view.talk import text_after
from chatapp.peer.view.visit import VisitStage, VisitView
from chatapp.peer.words.catalog import ENGLISH, catalog_of, language_of
from chatapp.peer.words.files import not_done
from chatapp.peer.words.formatting import LINE_MAX, AnswerLine, Status
from chatapp.peer.words.visitor import VisitorCompletions, VisitorTexts
from chatapp.wire.errors import ChatAppError, TextTooLong
from chatapp.wire.text import sanitize


class Said(NamedTuple):
    """A line of the visit."""

    at: float
    """Unix time."""
    who: str
    text: str
    """As it reads now."""
    id: int = 0
    """0 for none."""


class Transcript:
    """What was said in a visit; also in a file, once it is asked for."""

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._file: IO[str] | None = None

    def note(self, who: str, text: str, *, at: float | None = None, id_: int = 0) -> None:
        """Add a line. `at`: Unix time; None for now. `id_`: by what `change` names it. Raises
        OSError if the file cannot be written; then it is closed."""
        self._said.append(Said(time.time() if at is None else at, who, text, id_))
        if self._file is not None:
            self._write(self._said[-1:])

    def change(self, id_: int, text: str) -> None:
        """Have a line read so from now on, in the file too. Raises OSError as `note` does."""
        self._said = [line._replace(text=text) if line.id == id_ else line for line in self._said]
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._write(self._said)

    def write_to(self, path: Path) -> int:
        """Write all that was said to a new file (mode 0600), and from now on each line. Return how
        many lines there are. Raises OSError, also if the file exists."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.close()
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._write(self._said)
        return len(self._said)

    def begin_anew(self) -> None:
        """Forget what was said: another visit begins. It needs a file of its own."""
        self.close()
        self._said.clear()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, lines: list[Said]) -> None:
        assert self._file is not None
        try:
            for line in lines:
                at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.at))
                self._file.write(f"{at} {line.who}: {line.text}\n")
            self._file.flush()
        except OSError:
            self._file = None
            raise


def default_path() -> Path:
    """Return a path in the present folder, named by the time."""
    return Path(time.strftime("transcript-%Y-%m-%d-%H%M%S.txt"))


TYPED_AHEAD: Final = 1_000
"""Typed lines that may wait to be carried out."""

_QUIT: Final = frozenset({"/quit", ".quit", "/exit", "server:exit"})
_HELP: Final = frozenset({"/help", ".help"})
_NEW: Final = frozenset({"/new", ".new"})
_QUEUE: Final = frozenset({".queue", "/queue"})
_PAUSE: Final = frozenset({".pause", "/pause"})
_RESUME: Final = frozenset({".resume", "/resume"})
_TRANSCRIPT: Final = frozenset({".transcript", "/transcript"})
_ABOUT: Final = frozenset({".about", "/about"})
_RATE: Final = frozenset({".rate", "/rate"})
_EDIT: Final = frozenset({"/edit", ".edit"})
_CHANGES: Final = _EDIT | {"/retract", ".retract"}
_FILE: Final = frozenset({".file", "/file", "/send_file"})
_GET: Final = frozenset({".get", "/get"})
_IN_LINE: Final = _CHANGES | _FILE | _GET | _TRANSCRIPT | _QUEUE | _PAUSE | _RESUME | _ABOUT | _RATE
_SIGNS: Final = ("/", ".")
_NTH_DIGITS: Final = 4
"""Digits of a number that counts lines from the end."""


class VisitorFace:
    """One visitor at one terminal."""

    def __init__(
        self,
        visitor: Visitor,
        terminal: Terminal,
        texts: VisitorTexts,
        *,
        stay: bool,
        is_screen: bool,
    ) -> None:
        """`is_screen`: whether a person looks, who is asked for a rating at the end; a script is
        not."""
        self._is_screen = is_screen
        self._asks_rating = False
        self._wrong_ratings = 0
        self._visitor = visitor
        self._terminal = terminal
        self._texts = texts
        self._stay = stay
        self._interview: Interview | None = None
        self._wants_new = self._wants_quit = self._is_input_over = False
        self._typed: asyncio.Queue[str | None] = asyncio.Queue(maxsize=TYPED_AHEAD)
        self._view = VisitView()
        self._is_first_line = False
        """Whether the operator who has called us has said nothing yet."""
        self._has_shown_earlier = False
        """Whether something was shown of what was said before this start."""
        self._written: list[visit_events.VisitEvent] = []
        """Events given to the terminal, which has not confirmed yet that they are on the screen."""
        self._transcript = Transcript()
        self._running = Running()
        self._transfers: Final[set[asyncio.Future[None]]] = set()
        """Files on their way."""
        self._changed = asyncio.Event()

    def stop(self, status: int) -> None:
        """End now with this exit status."""
        self._running.stop(status)

    async def run(self) -> int:
        """Run until the visit, the user, the input or `stop` ends it. Returns the exit status."""
        self._terminal.set_status(Status())
        try:
            return await self._running.until_over(
                self._show_events(), self._read_lines(), self._carry_out_lines()
            )
        finally:
            for transfer in self._transfers:
                transfer.cancel()
            self._transcript.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(LAST_WORDS_WITHIN):
                    await self._show(self._visitor.take_events())

    # --- what happens

    async def _show_events(self) -> None:
        while batch := await self._visitor.next_events():
            await self._show(batch)
            for event in batch:
                self._react(event)
            self._quit_if_lost()
            self._changed.set()

    async def _show(self, batch: Sequence[visit_events.VisitEvent]) -> None:
        """Show a batch of events with one write. Only what is on the screen counts as shown."""
        lines: list[str] = []
        for event in batch:
            if isinstance(event, visit_events.FormWanted):
                self._view = VisitView()
            lines += self._taken_in(event)
        self._terminal.set_status(Status(notes=self._notes(), is_server_away=self._visitor.is_lost))
        self._terminal.show(lines)
        self._written += batch
        await self._terminal.shown()
        shown, self._written = self._written, []
        self._visitor.events_shown(shown)

    def _lines(self, event: visit_events.VisitEvent) -> list[str]:
        """Return the lines for an event. The operator's first line calls the visitor."""
        match event:
            case visit_events.Served():
                self._is_first_line = True
            case visit_events.Said(sender=sender, at=at):
                who, text = sender or self._texts.line("transcript.you"), self._texts.said(event)
                self._note_said(who, text, at=at, id_=event.id)
                if event.is_late:
                    return self._earlier_lines(event)
                is_first, self._is_first_line = self._is_first_line, False
                return self._texts.lines_of(event, is_first=is_first)
            case _:
                pass
        return self._texts.lines_of(event)

    def _taken_in(self, event: visit_events.VisitEvent) -> list[str]:
        """Take an event into the view. Return the lines for it."""
        match event:
            case visit_events.Edited() | visit_events.Retracted():
                said, after = event.target.number, text_after(event)
                before = self._view.lines_of(said)
                was = "".join(line.text for line in before)
                self._view.handle(event)
                self._note_change(said)
                if not before or was == (after or "") or (event.is_late and not self._is_screen):
                    return []
                return [self._texts.changed(event.sender, was, after, at=before[0].at)]
            case visit_events.MessageChanged(id=id_):
                said = self._view.target_of(id_)
                self._view.handle(event)
                self._note_change(said)
                return []
            case _:
                self._view.handle(event)
                return self._lines(event)

    def _earlier_lines(self, event: visit_events.Said) -> list[str]:
        """Return the lines for what was said before this start. A person reads it again; a script
        has had it once."""
        if not self._is_screen:
            return []
        heading = [] if self._has_shown_earlier else [self._texts.line("line.earlier")]
        self._has_shown_earlier = True
        return [*heading, *self._texts.lines_of(event)]

    def _notes(self) -> tuple[str, ...]:
        """Return where the visitor is, for the status line."""
        view = self._view
        if view.stage is VisitStage.WAITING and view.position:
            return (self._texts.status(view.position),)
        return (self._texts.status(0),) if view.stage is VisitStage.TALKING else ()

    def _react(self, event: visit_events.VisitEvent) -> None:
        """Do what an event asks for, besides showing it."""
        match event:
            case visit_events.FormWanted(region=region, menu=menu):
                self._interview = Interview(region=region, menu=menu)
                self._ask()
            case visit_events.VisitEnded() if self._wants_new:
                self._wants_new = False
                self._visitor.begin_anew()
            case visit_events.VisitEnded(may_rate=True) if self._is_screen:
                self._asks_rating = True
                self._terminal.show([AnswerLine(self._texts.line("rating.ask"))])
            case visit_events.VisitEnded():
                self.stop(DONE)
            case (
                visit_events.VisitRefused()
                | visit_events.VisitorNotAdmitted()
                | visit_events.FolderFull()
                | visit_events.QueueUnknown()
                | visit_events.RegistryKeyChanged()
                | visit_events.DeskClosed(is_waiting=False)
            ):
                self.stop(FAILED)
            case _:
                pass

    # --- what is typed

    async def _read_lines(self) -> None:
        """Queue what is typed. Carrying it out may wait for the registry, and the user must be able
        to quit meanwhile."""
        async with contextlib.aclosing(self._terminal.typed()) as lines:
            async for line in lines:
                if line.strip().lower() in _QUIT:
                    self._wants_quit = True
                    self._quit_if_lost()
                await self._typed.put(line)
        await self._typed.put(None)
        self._is_input_over = not self._stay
        self._quit_if_lost()

    def _quit_if_lost(self) -> None:
        """End at once if the registry is away: what was typed before would wait for it, and
        quitting must not."""
        if self._wants_quit and self._visitor.is_lost:
            self.stop(DONE)
        elif self._is_input_over and self._visitor.is_lost:
            self.stop(FAILED)  # A script must not hang.

    async def _carry_out_lines(self) -> None:
        while (line := await self._typed.get()) is not None:
            if line.strip().lower() in _QUIT:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WORDS_WITHIN):
                        await self._lines_sent()
                self.stop(DONE)
                return
            await self._stage_known()
            if len(line) > LINE_MAX:
                self._terminal.show([self._texts.line_too_long()])
            elif self._asks_rating:
                await self._rate_at_end(line.strip())
            elif self._interview is not None:
                self._answer(self._interview, line)
            else:
                self._carry_out(line.rstrip("\r\n"))
            await asyncio.sleep(0)
        if self._stay:
            return
        await self._stage_known()
        if self._interview is None:
            await self._transferred()
            await self._visitor.settled()
        self.stop(DONE)

    async def _lines_sent(self) -> None:
        """Wait until the registry has our lines: leaving would overtake them."""
        if self._interview is None and not self._visitor.wants_form:
            await self._transferred()
            await self._visitor.settled()

    async def _transferred(self) -> None:
        """Wait until no file is on its way."""
        if self._transfers:
            await asyncio.wait(self._transfers)

    async def _stage_known(self) -> None:
        """Wait until it is known what a typed line answers: a question of the form, or the
        operator."""
        await self._visitor.stage_known()
        while self._visitor.wants_form and self._interview is None:
            self._changed.clear()
            await self._changed.wait()

    def _ask(self) -> None:
        interview = self._interview
        if interview is not None and interview.question is not None:
            self._terminal.show(
                map(AnswerLine, self._texts.question_lines(interview.question, interview.menu))
            )

    def _answer(self, interview: Interview, line: str) -> None:
        word = line.strip().lower()
        if word in _HELP:
            self._terminal.show(map(AnswerLine, self._texts.help))
        elif word.partition(" ")[0] in _IN_LINE:
            self._terminal.show([AnswerLine(self._texts.line("form.first"))])
        elif word in _NEW:
            interview.begin_anew()
        elif not interview.answer(line.rstrip("\r\n")) and interview.refusal is not None:
            self._terminal.show([self._texts.answer_refused(interview.refusal)])
        if interview.is_void:
            self._terminal.show([self._texts.line("form.void")])
            self.stop(FAILED)
        elif interview.form is not None:
            self._interview = None
            self._visitor.join(interview.form)
        else:
            self._ask()

    def _carry_out(self, line: str) -> None:
        word = line.strip().lower()
        if not word:
            return
        if word in _QUEUE:
            self._visitor.ask_position()
        elif word in _PAUSE or word in _RESUME:
            self._visitor.pause(is_paused=word in _PAUSE)
        elif word.partition(" ")[0] in _RATE:
            self._rate(word.partition(" ")[2])
        elif word.partition(" ")[0] in _TRANSCRIPT:
            self._write_transcript(line.strip().partition(" ")[2].strip())
        elif word.partition(" ")[0] in _CHANGES:
            self._change(line.strip())
        elif word.partition(" ")[0] in _FILE:
            self._begin(self._send_file(line.strip().partition(" ")[2].strip()))
        elif word.partition(" ")[0] in _GET:
            self._begin(self._get_file(line.strip().partition(" ")[2].strip()))
        elif word.partition(" ")[0] in _ABOUT:
            self._describe(line.strip().partition(" ")[2].strip())
        elif word in _HELP:
            self._terminal.show(map(AnswerLine, self._texts.help))
        elif word in _NEW:
            self._wants_new = True
            self._transcript.begin_anew()
            self._visitor.begin_anew()
        elif line.startswith("//"):
            self._say(line[1:])
        elif word.startswith(_SIGNS) and word.partition(" ")[0].strip("./"):
            self._terminal.show([self._texts.unknown_command(word.partition(" ")[0])])
        else:
            self._say(line)

    def _rate(self, typed: str) -> None:
        rating = rating_of(typed)
        if rating is None:
            self._terminal.show([AnswerLine(self._texts.line("rating.wrong"))])
        else:
            self._visitor.rate(rating)

    async def _rate_at_end(self, typed: str) -> None:
        """Rate the session that is over, or skip that; then end. Wrong answers are asked again, as
        those of the form are. What was said can still be written to a file."""
        word, _, rest = typed.partition(" ")
        if word.lower() in _TRANSCRIPT:
            self._write_transcript(rest.strip())
            return
        rating = rating_of(typed)
        if typed and rating is None:
            self._wrong_ratings += 1
            self._terminal.show([AnswerLine(self._texts.line("rating.wrong"))])
            if self._wrong_ratings < TRIES:
                return
        if rating is not None:
            self._visitor.rate(rating)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_WITHIN):
                    await self._visitor.settled()
        self.stop(DONE)

    def _describe(self, text: str) -> None:
        """Show the description, replace it, or (`-`) clear it."""
        if not text:
            self._terminal.show(
                map(AnswerLine, self._texts.description_lines(self._visitor.description))
            )
        elif self._visitor.is_waiting:
            self._visitor.describe("" if text == "-" else text.encode("utf-8", "replace").decode())
        else:
            self._terminal.show([AnswerLine(self._texts.line("description.too_late"))])

    def _write_transcript(self, typed: str) -> None:
        """Begin to write what is said to a file."""
        path = Path(typed).expanduser() if typed else default_path()
        try:
            count = self._transcript.write_to(path)
        except (OSError, ValueError, RuntimeError) as error:
            self._terminal.show([self._texts.transcript_failed(str(path), _reason(error))])
        else:
            self._terminal.show([self._texts.transcript_begun(str(path), count)])

    def _change(self, typed: str) -> None:
        """Change a line that the visitor has said, or take it back: the last one, or the one that
        a number counts from the end."""
        meant = _change_meant(typed)
        ours = list(dict.fromkeys(line.said for line in self._view.lines if line.can_change))
        said = ours[-meant.nth] if meant is not None and meant.nth <= len(ours) else 0
        before = self._view.text_of(said)
        if meant is None or before is None:
            self._terminal.show([AnswerLine(self._texts.line("change.nothing"))])
            return
        text = meant.text
        try:
            change = self._visitor.change(said, text)
        except TextTooLong as error:
            self._terminal.show([self._texts.message_too_long(error.size, error.limit)])
            return
        if change is None:
            self._terminal.show([AnswerLine(self._texts.line("change.nothing"))])
            return
        self._view.changing(change, said, text)
        self._terminal.show([AnswerLine(self._texts.changed("", before, text, at=0.0))])

    # --- files

    def _begin(self, transfer: Coroutine[None, None, None]) -> None:
        """Send or fetch a file while the visitor goes on typing."""
        task = asyncio.ensure_future(transfer)
        self._transfers.add(task)
        task.add_done_callback(self._transfers.discard)

    async def _send_file(self, typed: str) -> None:
        from chatapp.peer.node.files.desk import read_file  # deferred: rarely needed

        path = path_typed(typed)
        try:
            name, content = await asyncio.to_thread(read_file, path)
            line = await self._visitor.send_file(name, content)
        except (FileRefused, DeskFileRefused) as refused:
            self._show_refused(path, refused)
            return
        self._view.said(line.text, line.id, at=line.at, file=line.file)
        self._note_said(self._texts.line("transcript.you"), self._texts.said(line), id_=line.id)
        self._terminal.show([AnswerLine(self._texts.file_sent(line.text, len(content)))])

    async def _get_file(self, typed: str) -> None:
        from chatapp.peer.node.files.desk import save_file  # deferred: rarely needed

        nth, _, path = f"{typed} ".partition(" as ")
        line = self._view.file_at(nth.strip())
        if line is None or line.file is None:
            self._terminal.show([AnswerLine(self._texts.line("file.none"))])
            return
        name, file, visit = line.text, line.file, self._view.visit
        save = partial(save_file, name=name, wanted=path_typed(path), downloads=Path())
        try:
            content = await self._visitor.fetch_file(visit, file.number, file.size)
            saved = await asyncio.to_thread(save, content)
        except (FileRefused, DeskFileRefused) as refused:
            self._show_refused(name, refused)
            return
        self._terminal.show([AnswerLine(self._texts.file_here(name, str(saved)))])

    def _show_refused(self, name: str, refused: FileRefused | DeskFileRefused) -> None:
        if isinstance(refused, FileRefused):
            self._terminal.show([AnswerLine(not_done(refused))])
        else:
            self._terminal.show([AnswerLine(self._texts.file_refused(name, refused))])

    def _note_change(self, said: int) -> None:
        """Write a line of the transcript as it reads now."""
        lines = self._view.lines_of(said)
        if not lines:
            return
        text = "".join(line.text for line in lines)
        now = self._texts.shown_text(
            text, is_edited=lines[0].is_edited, is_retracted=lines[0].is_retracted
        )
        try:
            self._transcript.change(said, now)
        except OSError as error:
            self._terminal.show([self._texts.transcript_failed("", _reason(error))])

    def _note_said(self, who: str, text: str, *, at: float | None = None, id_: int = 0) -> None:
        try:
            self._transcript.note(sanitize(who), sanitize(text), at=at, id_=id_)
        except OSError as error:
            self._terminal.show([self._texts.transcript_failed("", _reason(error))])

    def _say(self, text: str) -> None:
        try:
            line = self._visitor.say(text.encode("utf-8", "replace").decode())
            if line is not None:
                self._view.said(text, line, at=time.time())
            if not self._visitor.is_waiting:
                self._note_said(self._texts.line("transcript.you"), text, id_=line or 0)
        except TextTooLong as error:
            self._terminal.show([self._texts.message_too_long(error.size, error.limit)])


class _ChangeMeant(NamedTuple):
    """Which of one's own lines is changed, counted from the end, and to what; None: taken back."""

    nth: int
    text: str | None


def _change_meant(typed: str) -> _ChangeMeant | None:
    """Return what `/edit [n] <text>` or `/retract [n]` means; None if it is neither."""
    command, _, rest = typed.partition(" ")
    first, _, behind = (rest := rest.strip()).partition(" ")
    is_number = first.isascii() and first.isdecimal() and len(first) <= _NTH_DIGITS
    nth = int(first) if is_number else 0
    if command.lower() in _EDIT:
        text = behind.strip() if nth and behind.strip() else rest
        return _ChangeMeant(nth if text is not rest else 1, text) if text else None
    if not rest:
        return _ChangeMeant(1, None)
    return _ChangeMeant(nth, None) if nth and not behind else None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


_LEAVES_WITHIN: Final = 0.5
"""Seconds that are given to the registry to answer that we leave."""


class VisitStart:
    """Begins a visit: the visitor, and the language of the lines."""

    def __init__(self, wanted: VisitOptions, *, is_screen: bool) -> None:
        """`is_screen`: whether a person looks."""
        self._wanted: Final = wanted
        self._is_screen: Final = is_screen
        self._visitor: Final = Visitor(
            wanted.servers,
            registry_key=wanted.registry_key,
            queue=wanted.queue,
            home=wanted.data,
        )
        spoken = wanted.language or (language_of(os.environ) if is_screen else ENGLISH)
        self._texts: Final = VisitorTexts(catalog_of(spoken))
        self.completions: Final = VisitorCompletions(self._texts)

    async def visit(self, terminal: Terminal) -> int:
        """Visit until the visit or the user ends it. Returns the exit status."""
        resume_gc()
        try:
            self._visitor.open()
        except OSError as error:
            return _refuse(f"{error.filename or ''}: {error.strerror or error}")
        except ChatAppError as error:
            return _refuse(str(error))
        try:
            face = VisitorFace(
                self._visitor,
                terminal,
                self._texts,
                stay=self._wanted.stay,
                is_screen=self._is_screen,
            )
            return await run_until_signal(face)
        finally:
            await self._visitor.close(within=_LEAVES_WITHIN)


def _refuse(why: str) -> int:
    """Say why the program cannot run. Returns the exit status."""
    print(f"ChatApp: {why}", file=sys.stderr)
    return FAILED
