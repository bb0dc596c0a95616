"""The lines that a visitor reads, from the catalogue of a language."""

from collections.abc import Sequence
from typing import Final, assert_never

from chatapp.peer.api import visit_events
from chatapp.peer.api.errors import DeskFileRefused
from chatapp.peer.api.form import FormQuestion
from chatapp.peer.words.catalog import ENGLISH, Catalog
from chatapp.peer.words.files import size_shown
from chatapp.peer.words.formatting import (
    CallingLine,
    CallingMessage,
    Candidate,
    MessageLine,
    name,
    names,
    shown_clock,
    shown_day,
)
from chatapp.wire.errors import FormRefused, quoted
from chatapp.wire.limits import EXCLUSION_TEXT_MAX, GUESTS_PER_ADDRESS, TEXT_MAX
from chatapp.wire.text import QUOTED_MAX, sanitize

COMMANDS: Final = {
    ".queue": "queue",
    ".about": "about",
    ".pause": "pause",
    ".resume": "resume",
    ".rate": "rate",
    "/edit": "edit",
    "/retract": "retract",
    ".file": "file",
    ".get": "get",
    ".transcript": "transcript",
    "/new": "new",
    "/help": "help",
    "/quit": "quit",
}
"""What a visitor may type besides text, and the key under which the catalogue says what it does."""

_MINUTE: Final = 60
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (_MINUTE, "minute"), (1, "second"))


class VisitorTexts:
    """The lines of one language."""

    def __init__(self, catalog: Catalog) -> None:
        self._text: Final = catalog.text
        self._is_english: Final = catalog.language == ENGLISH
        self._menu: Final = catalog.translations("menu")

    # --- what the program says by itself

    def line(self, key: str) -> str:
        """Return a line without values, such as `form.void`."""
        return self._text(key)

    @property
    def commands(self) -> dict[str, str]:
        """Each command, and what it does."""
        return {spelling: self._text(f"command.{key}") for spelling, key in COMMANDS.items()}

    @property
    def help(self) -> list[str]:
        """The lines of `/help`."""
        lines = [f"{spelling:<11}  {about}" for spelling, about in self.commands.items()]
        return [*lines, self._text("command.text")]

    def status(self, position: int) -> str:
        """Return where the visitor is, for the status line; 0: being served."""
        return (
            self._text("status.waiting", position=position)
            if position
            else self._text("status.active")
        )

    def question_lines(self, question: FormQuestion, menu: Sequence[str]) -> list[str]:
        """Return the lines that ask a question of the form. `menu`: the issues to choose from."""
        lines = [self._text(f"form.{question.name.lower()}")]
        if question is FormQuestion.ISSUE:
            issues = [sanitize(self._menu.get(issue, issue)) for issue in menu]
            lines += [
                self._text("form.choice", number=number, issue=issue)
                for number, issue in enumerate(issues, 1)
            ]
        return lines

    def answer_refused(self, refused: FormRefused) -> str:
        """Answer a wrong answer to a question of the form."""
        what, why = self._text(f"field.{refused.what}"), self.fault(refused)
        return sanitize(self._text("form.wrong", what=what, text=quoted(refused.text), why=why))

    def fault(self, refused: FormRefused) -> str:
        """Return what is wrong with an answer, to follow its name."""
        values = {"example": self._example(refused), **refused.values}
        return self._text(f"fault.{refused.fault}", **values)

    def not_admitted(self, event: visit_events.VisitorNotAdmitted) -> str:
        """Return why the registry does not let the visitor in, for how long, and what its owner
        says, within a sentence."""
        # The other reasons concern names and join codes, which a visitor does not have.
        key = _NOT_ADMITTED.get(event.reason, "other")
        if key == "banned" and event.seconds:
            why = self._text("not_admitted.banned_for", span=self._rounded_span(event.seconds))
        else:
            why = self._text(f"not_admitted.{key}")
        return f"{why}: {sanitize(event.text, EXCLUSION_TEXT_MAX)}" if event.text else why

    def _example(self, refused: FormRefused) -> str:
        key = "number_example" if "digits" in refused.values else "number_abroad"
        return self._text(f"fault.{key}", **refused.values) if refused.what == "number" else ""

    def kept(self, form: visit_events.FormWanted) -> str:
        """Return for how long it is kept what the visitor answers and says, within a sentence."""
        if not form.keep_form:
            return self._text("kept.nothing")
        answers, talk = self._exact_span(form.keep_form), self._exact_span(form.keep_talk)
        if form.keep_form == form.keep_talk:
            return self._text("kept.all", answers=answers)
        key = "kept.answers_and_talk" if form.keep_talk else "kept.answers"
        return self._text(key, answers=answers, talk=talk)

    def _exact_span(self, seconds: int) -> str:
        """Return a span in the largest unit that it is a whole number of."""
        size, unit = next(unit for unit in _UNITS if seconds % unit[0] == 0)
        return self._counted(seconds // size, unit)

    def _rounded_span(self, seconds: int) -> str:
        """Return a span in its largest unit, rounded up."""
        size, unit = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
        return self._counted(-(-seconds // size), unit)

    def unknown_command(self, word: str) -> str:
        """Answer a command that does not exist."""
        return self._text("command.unknown", word=quoted(word))

    def line_too_long(self) -> str:
        """Answer a line that is longer than the program takes."""
        return self._text("line.too_long", most=TEXT_MAX)

    def message_too_long(self, size: int, limit: int) -> str:
        """Answer a line that is longer than a message may be, in bytes."""
        return self._text("line.message_too_long", size=size, most=limit)

    def description_lines(self, text: str) -> list[str]:
        """Show what the visitor wrote about the issue."""
        lines = [
            self._text("description.shown", line=line)
            for line in map(sanitize, text.split("\n"))
            if line
        ]
        return lines or [self._text("description.none")]

    def transcript_begun(self, path: str, count: int) -> str:
        """Say where the transcript is. `count`: the lines that are there already."""
        return self._text("transcript.begun", path=sanitize(path), count=count)

    def transcript_failed(self, path: str, error: str) -> str:
        """Say why there is no transcript."""
        return self._text("transcript.failed", path=sanitize(path), error=sanitize(error))

    def folder_full(self, folder: str) -> str:
        """Return why one more visitor cannot use a folder."""
        return self._text("refused.folder_full", folder=folder, most=GUESTS_PER_ADDRESS)

    def file_sent(self, name: str, size: int) -> str:
        """Say that a file is sent."""
        return self._text("file.sent", name=sanitize(name), size=size_shown(size))

    def file_here(self, name: str, path: str) -> str:
        """Say where a file is that was fetched."""
        return self._text("file.here", name=sanitize(name), path=sanitize(path))

    def file_refused(self, name: str, refused: DeskFileRefused) -> str:
        """Say why a file is not sent or fetched."""
        key, kinds = f"file.{refused.reason.name.lower()}", ", ".join(refused.kinds)
        why = self._text(key, most=refused.limit, kinds=kinds)
        return self._text("file.refused", name=sanitize(name), why=why)

    # --- what has happened

    def lines_of(self, event: visit_events.VisitEvent, *, is_first: bool = False) -> list[str]:
        """Return the lines to show for an event, without the prompt. `is_first`: it is the
        operator's first line."""
        match event:
            case visit_events.FormWanted():  # the form asks its own questions
                return [self._text("form.warning"), self._text("form.kept", what=self.kept(event))]
            case visit_events.MessageChanged():
                # a terminal shows what it was typed; why a line is refused is told by itself
                return []
            case visit_events.Said(sender=sender):
                kind = CallingMessage if is_first else MessageLine
                return [kind(self._who(sender), ": ", self.said(event))]
            case visit_events.Edited() | visit_events.Retracted():
                return []  # the face knows the line that is changed
            case visit_events.NotYourTurn():
                return [self._text("line.wait")]
            case (
                visit_events.VisitorLineRefused()
                | visit_events.VisitRefused()
                | visit_events.VisitorNotAdmitted()
                | visit_events.FolderFull()
            ):
                return [self._refusal(event)]
            case (
                visit_events.VisitorServerLost()
                | visit_events.ServerBack()
                | visit_events.ServerAnnounced()
                | visit_events.ServerStopPlanned()
                | visit_events.ServerStopCancelled()
                | visit_events.ServerStopping()
                | visit_events.NoServer()
                | visit_events.QuestionUnanswered()
            ):
                return [self._of_server(event)]
            case (
                visit_events.RegistryMet()
                | visit_events.RegistryKeyAccepted()
                | visit_events.RegistryKeyChanged()
                | visit_events.SearchingServers()
                | visit_events.ServerOfAnotherRegistry()
                | visit_events.LinkTroubled()
            ):
                return [self._of_way(event)]
            case (
                visit_events.TicketNotStored()
                | visit_events.RegistryKeyUnreadable()
                | visit_events.TicketDamaged()
            ):
                return [sanitize(self._of_files(event))]
            case (
                visit_events.QueueUnknown()
                | visit_events.DeskClosed()
                | visit_events.GatewayUnknown()
                | visit_events.Announced()
                | visit_events.Rated()
                | visit_events.Described()
                | visit_events.DescriptionRefused()
            ):
                return [self._of_desk(event)]
            case _:
                return self._of_position(event)

    def _who(self, sender: str) -> str:
        return name(sender) or self._text("transcript.you")

    def said(self, line: visit_events.Said) -> str:
        """Return how a line reads now, behind its author."""
        if line.file is not None and not line.is_retracted:
            key = "file.line" if line.file.number else "file.own"
            size = size_shown(line.file.size)
            return self._text(key, name=sanitize(line.text), size=size, nth=line.file.number)
        return self.shown_text(line.text, is_edited=line.is_edited, is_retracted=line.is_retracted)

    def shown_text(self, text: str, *, is_edited: bool, is_retracted: bool) -> str:
        """Return how a text reads that may have been changed."""
        if is_retracted:
            return self._text("change.taken_back")
        return self._text("change.mark", text=sanitize(text)) if is_edited else sanitize(text)

    def changed(self, sender: str, before: str, after: str | None, *, at: float) -> str:
        """Say that somebody has changed a line of theirs, or taken it back (None). `sender`: empty
        for the visitor. `at`: when the line was said."""
        who, was = self._who(sender), sanitize(before, limit=QUOTED_MAX)
        if after is not None:
            now = sanitize(after, limit=QUOTED_MAX)
            return self._text("change.edited", who=who, before=was, after=now)
        if not sender:
            return self._text("change.you_retracted", before=was)
        return self._text("change.retracted", who=who, clock=shown_clock(at)[1])

    def line_refused(self, event: visit_events.VisitorLineRefused) -> str:
        """Return why a line reached nobody, as a part of a sentence."""
        reason = "over" if event.reason is None else event.reason.name.lower()
        return self._text(f"line_refused.{reason}")

    def _refusal(
        self,
        event: visit_events.VisitorLineRefused
        | visit_events.VisitRefused
        | visit_events.VisitorNotAdmitted
        | visit_events.FolderFull,
    ) -> str:
        """Return why something is refused."""
        match event:
            case visit_events.VisitorLineRefused(text=text):
                why = self.line_refused(event)
                quoted = sanitize(text, limit=QUOTED_MAX)
                if text:  # what takes a line back has none
                    return self._text("refused.message", why=why, text=quoted)
            case visit_events.VisitRefused(reason=refusal):
                why = self._text(f"refused.{refusal.name.lower()}")
            case visit_events.VisitorNotAdmitted():
                why = self.not_admitted(event)
            case visit_events.FolderFull(folder=folder):
                why = sanitize(self.folder_full(folder))
            case _:
                assert_never(event)
        return self._text("refused.request", why=why)

    def _of_desk(
        self,
        event: visit_events.QueueUnknown
        | visit_events.DeskClosed
        | visit_events.GatewayUnknown
        | visit_events.Announced
        | visit_events.Rated
        | visit_events.Described
        | visit_events.DescriptionRefused,
    ) -> str:
        """Return the line about the desk, or about what it keeps of the visitor's issue."""
        match event:
            case visit_events.QueueUnknown(name=wanted, queues=queues):
                key = "desk.queue_unknown_one" if len(queues) == 1 else "desk.queue_unknown"
                there = names(queues) if self._is_english else ", ".join(map(name, queues))
                return self._text(key, queue=name(wanted), queues=there)
            case visit_events.DeskClosed():
                return self._closed(event)
            case visit_events.GatewayUnknown():
                return self._text("desk.gateway_unknown")
            case visit_events.Announced(operator=operator, text=text):
                return self._text("desk.announced", operator=name(operator), text=sanitize(text))
            case visit_events.Rated(is_kept=is_kept):
                return self._text("rating.kept" if is_kept else "rating.nothing")
            case visit_events.Described():
                return self._text("description.kept")
            case visit_events.DescriptionRefused(size=size, limit=limit, is_line=is_line):
                key = "description.line_too_long" if is_line else "description.too_long"
                return self._text(key, size=size, most=limit)
            case _:
                assert_never(event)

    def _closed(self, event: visit_events.DeskClosed) -> str:
        """Say that the desk is closed, why, and until when."""
        about = f": {sanitize(event.text).rstrip('.')}" if event.text else ""
        if event.is_waiting:
            return self._text("desk.closed_waiting", about=about)
        day, clock = shown_clock(event.opens_at)
        shown = shown_day(day) if self._is_english else day.isoformat()
        opens = self._text("desk.closed_opens", day=shown, clock=clock) if event.opens_at else ""
        return self._text("desk.closed", about=about, opens=opens)

    def _of_position(
        self,
        event: visit_events.Resumed
        | visit_events.PositionGone
        | visit_events.EndedUnseen
        | visit_events.PositionKnown
        | visit_events.PositionAnswered
        | visit_events.ServedAnswered
        | visit_events.SentBack
        | visit_events.PauseChanged
        | visit_events.Served
        | visit_events.VisitEnded,
    ) -> list[str]:
        """Return the lines about the visitor's position and turn."""
        match event:
            case visit_events.PositionKnown(position=position, operators=operators):
                nobody = [] if operators else [self._text("line.nobody_serves")]
                return [self._text("line.position", position=position), *nobody]
            case visit_events.PositionAnswered(position=position, estimate=estimate):
                span = self._span(estimate)
                return [self._text("line.asked", position=position, ahead=position - 1, span=span)]
            case visit_events.ServedAnswered():
                return [self._text("line.active")]
            case visit_events.Served(turn=turn, operator=operator):
                line = self._text(f"turn.{turn.name.lower()}", operator=name(operator))
                return [CallingLine(line, by=name(operator))]
            case visit_events.SentBack(why=why, queue=queue):
                return [self._text(f"back.{why.name.lower()}", queue=name(queue))]
            case visit_events.PauseChanged(is_paused=is_paused):
                return [self._text("line.paused" if is_paused else "line.pause_over")]
            case visit_events.Resumed():
                return [self._text("line.resumed")]
            case visit_events.PositionGone(is_joining=is_joining):
                return [self._text("line.gone_joining" if is_joining else "line.gone")]
            case visit_events.EndedUnseen(cause=cause):
                return [self._text("line.ended_unseen", why=self._over(cause))]
            case visit_events.VisitEnded(cause=ended_by):
                return [self._text("line.ended", why=self._over(ended_by))]
            case _:
                assert_never(event)

    def _over(self, cause: visit_events.OverCause | None) -> str:
        return self._text("over.unseen" if cause is None else f"over.{cause.name.lower()}")

    def _span(self, estimate: visit_events.Estimate | None) -> str:
        if estimate is None:
            return self._text("line.no_span")
        return self._text(
            "line.span", least=estimate.least // _MINUTE, most=-(-estimate.most // _MINUTE)
        )

    def _of_server(
        self,
        event: visit_events.VisitorServerLost
        | visit_events.ServerBack
        | visit_events.ServerAnnounced
        | visit_events.ServerStopPlanned
        | visit_events.ServerStopCancelled
        | visit_events.ServerStopping
        | visit_events.NoServer
        | visit_events.QuestionUnanswered,
    ) -> str:
        """Return the line about the registry."""
        match event:
            case visit_events.VisitorServerLost(keep_place=None) | visit_events.NoServer():
                return self._text("server.trying")
            case visit_events.VisitorServerLost(keep_place=keep_place, is_stopped=is_stopped):
                key = "server.trying_stopped" if is_stopped else "server.trying_kept"
                return self._text(key, seconds=self._counted(keep_place or 0, "second"))
            case visit_events.QuestionUnanswered():
                return self._text("server.silent")
            case visit_events.ServerBack():
                return self._text("server.back")
            case visit_events.ServerAnnounced(text=text):
                return self._text("server.says", text=sanitize(text))
            case visit_events.ServerStopPlanned(seconds=seconds, reason=why):
                size, unit = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
                because = f": {sanitize(why)}" if why else ""
                return self._text(
                    "server.stops", when=self._counted(round(seconds / size), unit), why=because
                )
            case visit_events.ServerStopCancelled():
                return self._text("server.stop_cancelled")
            case visit_events.ServerStopping():
                return self._text("server.stopping")
            case _:
                assert_never(event)

    def _counted(self, count: int, unit: str) -> str:
        return self._text(f"server.{unit}" if count == 1 else f"server.{unit}s", count=count)

    def _of_way(
        self,
        event: visit_events.RegistryMet
        | visit_events.RegistryKeyAccepted
        | visit_events.RegistryKeyChanged
        | visit_events.SearchingServers
        | visit_events.ServerOfAnotherRegistry
        | visit_events.LinkTroubled,
    ) -> str:
        """Return the line about the registry's key, or about the way to it."""
        match event:
            case visit_events.RegistryMet(key=key, is_verified=is_verified):
                return self._text(
                    "server.key_expected" if is_verified else "server.key_met", key=name(key)
                )
            case visit_events.RegistryKeyAccepted(key=key):
                return self._text("server.key_accepted", key=name(key))
            case visit_events.RegistryKeyChanged(expected=expected, got=got):
                return self._text("server.key_changed", expected=name(expected), got=name(got))
            case visit_events.SearchingServers(servers=servers, seconds=seconds):
                shown = ", ".join(sanitize(str(server)) for server in servers)
                return self._text("server.searching", servers=shown, seconds=seconds)
            case visit_events.ServerOfAnotherRegistry(server=server, key=key):
                return self._text("server.another", server=sanitize(str(server)), key=name(key))
            case visit_events.LinkTroubled(port=port, trouble=trouble):
                return self._text(f"server.link_{trouble.name.lower()}", port=port)
            case _:
                assert_never(event)

    def _of_files(
        self,
        event: visit_events.TicketNotStored
        | visit_events.RegistryKeyUnreadable
        | visit_events.TicketDamaged,
    ) -> str:
        """Return what is wrong with the visitor's files."""
        match event:
            case visit_events.TicketNotStored(path=path, error=error):
                return self._text("files.ticket_not_stored", path=path, error=error)
            case visit_events.RegistryKeyUnreadable(path=path):
                return self._text("files.key_unreadable", path=path)
            case visit_events.TicketDamaged(path=path, kept_as=kept_as):
                return self._text("files.ticket_damaged", path=path, kept_as=kept_as)
            case _:
                assert_never(event)


_NOT_ADMITTED: Final = {
    visit_events.RefusalReason.VERSION: "version",
    visit_events.RefusalReason.NOT_SERVING: "not_serving",
    visit_events.RefusalReason.BANNED: "banned",
    visit_events.RefusalReason.VISITORS_FULL: "full",
    visit_events.RefusalReason.ADDRESS_FULL: "address_full",
    visit_events.RefusalReason.GATEWAY_BANNED: "gateway_banned",
}


class VisitorCompletions:
    """Completes the commands of a visitor."""

    def __init__(self, texts: VisitorTexts) -> None:
        self._commands: Final = texts.commands

    def after(self, typed: str, **_: bool) -> list[Candidate]:
        """Return the commands that begin with `typed`. A visitor is never in a room."""
        begun = typed.lstrip().lower()
        return [
            Candidate(spelling, len(begun), about)
            for spelling, about in self._commands.items()
            if spelling.startswith(begun)
        ]
