"""Past sessions: what operators can look up, and when it is erased.

Each session that is over is kept with its form, note and length, and its transcript, for as long as
the settings say. Times are milliseconds of the wall clock.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from chatapp.registry.rules.desk.queue.visit import Visit
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.desk.talk.files import DeskFiles
from chatapp.registry.rules.desk.talk.transcript import TranscriptLine
from chatapp.registry.rules.limits import WallClock
from chatapp.registry.store.entries import (
    DeskPastDropped,
    DeskSessionKept,
    DeskTranscriptKept,
    Entry,
    PastLineKept,
)
from chatapp.wire.desk.form import folded_name
from chatapp.wire.limits import (
    DESK_LINES_MAX,
    DESK_PAST_BYTES_MAX,
    DESK_PAST_BYTES_SHOWN,
    DESK_PAST_LINE_SHOWN,
    DESK_SESSIONS_MAX,
    DESK_WINDOW,
)
from chatapp.wire.messages.desk import (
    DeskLine,
    PastLine,
    PastSession,
    PastShown,
    ReturnToDesk,
    ShowPast,
)

LOOK_SPAN: Final = 60.0
"""Seconds between two looks for what was kept long enough."""

_SHOWN: Final = 5
"""Sessions that are shown if no number is given."""
_LINES_SHOWN: Final = 20
"""The last lines of each that are shown if no visitor is named."""
_ERASED: Final = "operator"
"""Stands for an operator of whom nothing is kept."""
_COSTS: Final = 64
"""Bytes that a session or a line counts beside its texts."""


class Past:
    """The sessions that are over and still kept, of all queues."""

    def __init__(self, settings: DeskSettings, clock: WallClock, files: DeskFiles) -> None:
        self._clock = clock
        self._files = files
        self._due: float | None = None
        """When to look for what was kept long enough."""
        self._settings = settings
        self._sessions_for = 1_000 * settings.forms_kept_for
        self._transcripts_for = 1_000 * settings.talks_kept_for
        self._sessions: dict[int, DeskSessionKept] = {}
        """By the number of the visit, in the order of their ends."""
        self._transcripts: dict[int, DeskTranscriptKept] = {}
        self._size = 0
        """Bytes of all transcripts."""

    def load(
        self,
        sessions: Iterable[DeskSessionKept],
        transcripts: Iterable[DeskTranscriptKept],
        *,
        now: float,
    ) -> None:
        """Restore what earlier runs stored."""
        self._sessions = {session.visit: session for session in sessions}
        self._transcripts = {transcript.visit: transcript for transcript in transcripts}
        self._size = sum(map(_size_of, self._transcripts.values()))
        if self._sessions or self._transcripts:
            self._due = now

    # --- keeping

    def keep(
        self,
        visit: Visit,
        lines: Iterable[TranscriptLine],
        *,
        operator: str,
        cause: int,
        now: float,
    ) -> list[Entry]:
        """Keep a session that ends now. Return what to store. `operator`: the name of the last
        one."""
        files = self._files.over(visit.number, is_kept=bool(self._transcripts_for))
        if not self._sessions_for:
            return files
        form = visit.form
        session = DeskSessionKept(
            visit=visit.number,
            queue=visit.queue,
            name=form.name,
            number=form.number,
            issue=form.issue,
            note=visit.note,
            operator=operator,
            joined_at=visit.joined_at,
            called_at=visit.called_at,
            ended_at=self._clock.millis(now),
            served_for=visit.served_for,
            cause=cause,
            description=visit.description,
        )
        self._sessions[visit.number] = session
        entries: list[Entry] = [session, *files]
        if self._transcripts_for:
            entries.append(self._keep_transcript(visit.number, list(lines)))
        self._due = now + LOOK_SPAN if self._due is None else self._due
        return entries + self._make_room()

    def _keep_transcript(self, number: int, lines: list[TranscriptLine]) -> DeskTranscriptKept:
        said = [
            PastLineKept(
                line.position,
                line.author_name if line.author else "",
                line.at,
                line.text,
                0 if line.author else line.number,
                line.mark,
                line.target,
                line.file_size,
            )
            for line in lines
        ]
        dropped = lines[0].position - 1 if lines else 0
        transcript = self._transcripts[number] = DeskTranscriptKept(number, said, dropped)
        self._size += _size_of(transcript)
        return transcript

    def _make_room(self) -> list[Entry]:
        """Drop the oldest sessions and transcripts that are too many."""
        too_many = len(self._sessions) - DESK_SESSIONS_MAX
        gone = [visit for visit, _ in zip(self._sessions, range(too_many), strict=False)]
        spare, silent = self._size - DESK_PAST_BYTES_MAX, []
        for visit, transcript in self._transcripts.items():
            if spare <= 0:
                break
            spare -= _size_of(transcript)
            silent.append(visit)
        return self._drop(gone, silent)

    # --- erasing

    def handle_timer(self, *, now: float) -> list[Entry]:
        """Drop what was kept long enough. Return what to store."""
        if self._due is None or now < self._due:
            return []
        at = self._clock.millis(now)
        dropped = self._drop(
            [
                visit
                for visit, session in self._sessions.items()
                if at - session.ended_at >= self._sessions_for
            ],
            [
                visit
                for visit in self._transcripts
                if visit not in self._sessions
                or at - self._sessions[visit].ended_at >= self._transcripts_for
            ],
        )
        self._due = now + LOOK_SPAN if self._sessions else None
        return dropped

    def next_timer(self) -> float | None:
        """Return when to look again."""
        return self._due

    def _drop(self, sessions: list[int], transcripts: list[int]) -> list[Entry]:
        transcripts += [
            visit for visit in sessions if visit in self._transcripts and visit not in transcripts
        ]
        for visit in sessions:
            del self._sessions[visit]
        files: list[Entry] = []
        for visit in transcripts:
            self._size -= _size_of(self._transcripts.pop(visit))
            files += self._files.drop_visit(visit)
        if not sessions and not transcripts:
            return []
        return [DeskPastDropped(sessions, transcripts), *files]

    def forget_operator(self, name: str) -> list[Entry]:
        """Take an operator's name out of all sessions and transcripts. Return what to store."""
        key, entries = name.casefold(), list[Entry]()
        for visit, session in self._sessions.items():
            if session.operator.casefold() == key:
                self._sessions[visit] = msgspec.structs.replace(session, operator=_ERASED)
                entries.append(self._sessions[visit])
        for visit, transcript in self._transcripts.items():
            lines = [
                msgspec.structs.replace(line, operator=_ERASED)
                if line.operator.casefold() == key
                else line
                for line in transcript.lines
            ]
            if lines != transcript.lines:
                self._transcripts[visit] = DeskTranscriptKept(visit, lines, transcript.dropped)
                entries.append(self._transcripts[visit])
        return entries

    # --- looking up

    def is_of(self, visit: int, *, queue: str) -> bool:
        """Return whether an operator on duty for this queue may look this session up."""
        session = self._sessions.get(visit)
        return session is not None and self._settings.queue_kept(session.queue) == queue

    def unread(self, request: ReturnToDesk, visit: int) -> list[DeskLine]:
        """Return the last lines of a session that its visitor has not shown, as many as are sent to
        a reader at once."""
        transcript = self._transcripts.get(visit)
        lines: list[DeskLine] = []
        if transcript is None:
            return lines
        said, room = {line.position: line for line in transcript.lines}, DESK_WINDOW
        for line in reversed(transcript.lines):
            now = said.get(line.target) if line.target else line
            if now is None:  # what the line changes is gone
                continue
            room -= _COSTS + len(now.text.encode())
            if line.position <= request.shown or room < 0:
                break
            if line.operator or request.with_own:
                lines.append(
                    DeskLine(
                        visit,
                        line.position,
                        line.operator,
                        line.at,
                        now.text,
                        line.number,
                        now.mark,
                        line.target,
                        now.file_size,
                    )
                )
        return lines[::-1]

    def show(self, request: ShowPast, *, queue: str) -> PastShown:
        """Answer an operator on duty for this queue: its newest sessions, of a name or of all, as
        far as one notice holds."""
        name = folded_name(request.name)
        sessions = [
            session
            for session in self._sessions.values()
            if self._settings.queue_kept(session.queue) == queue
            and (not name or folded_name(session.name) == name)
        ]
        room = DESK_PAST_BYTES_SHOWN
        chosen: list[DeskSessionKept] = []
        for session in reversed(sessions[-(request.count or _SHOWN) :]):
            form = session.name + session.issue + session.note + session.description
            cost = _COSTS + len(form.encode())
            if cost > room and chosen:
                break
            room -= cost
            chosen.append(session)
        shown: list[PastSession] = []
        for session in chosen:
            lines, left_out, room = self._lines(
                session.visit, DESK_LINES_MAX if name else _LINES_SHOWN, room
            )
            shown.append(self._shown(session, lines, left_out))
        return PastShown(request.reference, shown[::-1], len(sessions))

    def _lines(self, visit: int, count: int, room: int) -> tuple[list[PastLine], int, int]:
        """Return the last lines of a session that fit into so many bytes, how many before them do
        not, and the bytes that are left."""
        transcript = self._transcripts.get(visit)
        if transcript is None:
            return [], 0, room
        lines: list[PastLine] = []
        said = [line for line in transcript.lines if not line.target]
        for line in reversed(said[-count:]):
            text = line.text
            if len(text) > DESK_PAST_LINE_SHOWN:
                text = text[: DESK_PAST_LINE_SHOWN - 3] + "..."
            room -= _COSTS + len(text.encode())
            if room < 0:
                break
            size = line.file_size if self._files.has(visit, line.position) else 0
            lines.append(PastLine(line.operator, line.at, text, line.mark, line.position, size))
        return lines[::-1], transcript.dropped + len(said) - len(lines), room

    def _shown(self, session: DeskSessionKept, lines: list[PastLine], left_out: int) -> PastSession:
        return PastSession(
            visit=session.visit,
            queue=session.queue,
            name=session.name,
            number=session.number,
            issue=session.issue,
            note=session.note,
            description=session.description,
            operator=session.operator,
            at=session.called_at // 1_000,
            waited=max(session.called_at - session.joined_at, 0) // 1_000,
            took=session.served_for // 1_000,
            lines=lines,
            left_out=left_out,
            has_transcript=session.visit in self._transcripts,
        )


def _size_of(transcript: DeskTranscriptKept) -> int:
    return sum(_COSTS + len(line.text.encode()) for line in transcript.lines)
