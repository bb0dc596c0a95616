"""Conversations: a line of a visitor or an operator, or a change of one of theirs, is accepted once,
stored, and passed on when the disk has it."""

from chatapp.registry.rules.desk.queue.visit import CONSOLE, Visit, VisitState, digest
from chatapp.registry.rules.desk.state import DeskState
from chatapp.registry.rules.desk.talk.transcript import VISITOR, Party, Transcript, TranscriptLine
from chatapp.registry.rules.effects import (
    Append,
    Caller,
    Drop,
    DropReason,
    Effect,
    Handle,
    Reply,
    Rule,
    Store,
)
from chatapp.registry.store.entries import DeskFilesDropped, DeskLineKept, Entry
from chatapp.wire.buckets import Buckets
from chatapp.wire.limits import (
    BUCKETS_MAX,
    DESK_LINES_BURST,
    DESK_LINES_PER_SECOND,
    DESK_PIECE_SIZE,
)
from chatapp.wire.messages.desk import (
    AckDeskLines,
    DeskPieceAnswered,
    DeskPieceShown,
    FetchDeskLines,
    FetchDeskPiece,
    LineMark,
    LineRefusal,
    LineRefused,
    LinesSaved,
    PieceResult,
    SendDeskLine,
    SendDeskPiece,
)


class ConversationRules:
    """Handles lines and acknowledgements."""

    def __init__(self, state: DeskState) -> None:
        self._queue = state.queue
        self._visits = state.visits
        self._guests = state.guests
        self._operators = state.operators
        self._sender = state.sender
        self._clock = state.clock
        self._silences = state.silences
        self._files = state.files
        self._past = state.past
        self._throttle: Buckets[bytes] = Buckets(
            rate=DESK_LINES_PER_SECOND, burst=DESK_LINES_BURST, most=BUCKETS_MAX
        )

    def say(self, request: SendDeskLine, caller: Caller, *, now: float) -> list[Effect]:
        """Accept a line, or answer the same line sent again."""
        visit, author = self._visit_of(caller)
        refusal = self._misplaced(visit, author, request)
        if visit is None or refusal is not None:
            return self._refused(request, refusal or LineRefusal.NO_CLIENT, caller)
        transcript = self._visits.transcript(visit)
        if request.number <= transcript.taken(author):
            return self._repeated(request, transcript, author, caller)
        at, target = self._clock.millis(now), 0
        if request.mark is not LineMark.SAID:
            found = transcript.to_change(author, request.target, at=at)
            is_edited_file = request.mark is LineMark.EDITED and found and found.file_size
            if found is None or is_edited_file:
                return self._refused(request, LineRefusal.NO_SUCH_LINE, caller)
            target = found.position
        text, file = "" if request.mark is LineMark.RETRACTED else request.text, None
        if request.upload:
            file = self._files.whole(visit.number, author, request.upload)
            if file is None or target:
                return self._refused(request, LineRefusal.NO_UPLOAD, caller)
            text = file.name
        if not transcript.has_capacity(text, target=target):
            return self._refused(request, LineRefusal.FULL, caller)
        if author != CONSOLE and not self._throttle.take(caller.identity, now=now):
            return self._refused(request, LineRefusal.TOO_FAST, caller)
        name = "" if author == VISITOR else self._operators.name_of(author)
        visit.is_fresh = visit.is_fresh and author == VISITOR
        if author == VISITOR:
            self._silences.heard(visit, now=now)
        line = transcript.take(
            author,
            name=name,
            number=request.number,
            at=at,
            text=text,
            mark=request.mark,
            target=target,
            file_size=0 if file is None else file.size,
        )
        pieces = [] if file is None else self._files.keep(visit.number, line.position, author, file)
        return [self._keep(visit, line, request, caller, pieces)]

    def _repeated(
        self, request: SendDeskLine, transcript: Transcript, author: Party, caller: Caller
    ) -> list[Effect]:
        if transcript.is_discarded(author, request.number):
            return self._refused(request, LineRefusal.NOT_SERVING, caller)
        if request.number <= transcript.saved(author):
            return [Reply(to=caller, message=LinesSaved(request.visit, transcript.saved(author)))]
        # It is on its way to the disk, which may still refuse it.
        return [_again(request, caller)]

    def acknowledge(self, request: AckDeskLines, caller: Caller) -> list[Effect]:
        """Note the lines that a reader has shown, and send further ones."""
        visit, reader = self._visit_of(caller)
        if (
            visit is None
            or visit.number != request.visit
            or visit.number not in self._visits.transcripts
        ):
            return [Drop(reason=DropReason.OTHER_VISIT)]
        self._visits.transcripts[visit.number].confirm(reader, request.position)
        return self._sender.deliver(visit, reader)

    def read(self, request: FetchDeskLines, caller: Caller) -> list[Effect]:
        """Send an operator's program the lines that it does not know."""
        visit, reader = self._visit_of(caller)
        if visit is None or visit.number != request.visit or reader == VISITOR:
            return [Drop(reason=DropReason.OTHER_VISIT)]
        self._visits.transcript(visit).resume(
            reader, shown=request.shown, with_own=request.with_own
        )
        return self._sender.deliver(visit, reader)

    def upload(self, request: SendDeskPiece, caller: Caller, *, now: float) -> list[Effect]:
        """Take a piece of a file."""
        visit, author = self._visit_of(caller)
        if visit is None or visit.number != request.visit or self._waits(visit, author):
            result = PieceResult.NOT_SERVED
            answer = DeskPieceAnswered(request.visit, request.upload, request.index, result)
            return self._sender.answer(caller, answer)
        answer, dropped = self._files.take(visit, author, request, now=now)
        effects = self._sender.answer(caller, answer)
        return [Append(tuple(dropped)), *effects] if dropped else effects

    def give(self, request: FetchDeskPiece, caller: Caller) -> list[Effect]:
        """Give a piece of a file to somebody who may see its line."""
        data = b""
        if self._may_see(request, caller):
            data = self._files.piece(request.visit, request.position, request.index)
        return self._sender.answer(caller, DeskPieceShown(request.reference, data))

    def _may_see(self, request: FetchDeskPiece, caller: Caller) -> bool:
        visit, reader = self._visit_of(caller)
        if visit is not None and visit.number == request.visit:
            return True
        if reader == VISITOR:
            over = self._visits.ends.get(digest(request.ticket))
            return over is not None and over.visit == request.visit
        operator = self._queue.operators.get(caller.identity)
        return operator is not None and self._past.is_of(request.visit, queue=operator.queue)

    @staticmethod
    def _waits(visit: Visit, author: Party) -> bool:
        return author == VISITOR and visit.state is not VisitState.SERVED

    def _visit_of(self, caller: Caller) -> tuple[Visit | None, Party]:
        if caller.identity in self._guests:
            return self._visits.by_guest.get(caller.identity), VISITOR
        operator = self._queue.operators.get(caller.identity)
        return None if operator is None else operator.visit, caller.identity

    def _misplaced(
        self, visit: Visit | None, author: Party, request: SendDeskLine
    ) -> LineRefusal | None:
        if visit is None or visit.number != request.visit:
            return LineRefusal.NO_CLIENT
        if self._waits(visit, author):
            return LineRefusal.NOT_YOUR_TURN
        return None

    def _keep(
        self,
        visit: Visit,
        line: TranscriptLine,
        request: SendDeskLine,
        caller: Caller,
        pieces: list[Entry],
    ) -> Rule:
        transcript = self._visits.transcript(visit)
        kept = [line]
        if (changed := transcript.changed(line)) is not None:
            kept = [changed, line._replace(text="")]
        gone = self._files.before(visit.number, transcript.first)
        if line.mark is LineMark.RETRACTED and self._files.has(visit.number, line.target):
            gone.append(line.target)
        entries = [*pieces, *(_entry_of(visit, one, first=transcript.first) for one in kept)]
        if gone:
            entries.append(DeskFilesDropped(visit.number, gone))
        is_stored, _ = yield Store(tuple(entries), held=DESK_PIECE_SIZE * len(pieces))
        if is_stored:
            self._files.drop(visit.number, gone)
        else:
            self._files.drop(visit.number, [line.position])
        if is_stored and caller.identity != CONSOLE:
            position = line.position if line.file_size else 0
            yield Reply(to=caller, message=LinesSaved(visit.number, line.number, position))
        yield from self._pass_on(visit, line.position, is_stored=is_stored)
        if not is_stored:
            yield from self._refused(request, LineRefusal.NOT_SERVING, caller)

    def _pass_on(self, visit: Visit, position: int, *, is_stored: bool) -> list[Effect]:
        """Pass a line on to the other side, now that the disk has it, or discard it."""
        transcript = self._visits.transcripts.get(visit.number)
        if visit.number not in self._queue.visits or transcript is None:
            return []
        if not is_stored:
            transcript.discard(position)
            return []
        transcript.stored(position)
        return self._sender.deliver(visit, VISITOR) + self._sender.deliver(visit, visit.operator)

    def _refused(self, request: SendDeskLine, reason: LineRefusal, caller: Caller) -> list[Effect]:
        return self._sender.answer(caller, LineRefused(request.visit, request.number, reason))


def _entry_of(visit: Visit, line: TranscriptLine, *, first: int) -> DeskLineKept:
    return DeskLineKept(
        visit=visit.number,
        position=line.position,
        author=line.author,
        author_name=line.author_name,
        number=line.number,
        at=line.at,
        text=line.text,
        first=first,
        mark=line.mark,
        target=line.target,
        file_size=line.file_size,
    )


def _again(request: SendDeskLine, caller: Caller) -> Rule:
    """Handle a line again when the disk has answered."""
    yield Store(())
    yield Handle(request=request, to=caller)
