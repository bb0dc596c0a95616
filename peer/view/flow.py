"""The view of a window that shows everything in one flow of lines: a prompt, or a pipe."""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, person, room
from chatapp.peer.api.requests import (
    EnterRoom,
    IsLineForDesk,
    ListPeople,
    Send,
)
from chatapp.peer.api.state import State
from chatapp.peer.commands import meanings, parser
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.commands.meanings import Meaning, Mistake
from chatapp.peer.view.folding import Folding
from chatapp.peer.view.underway import UnderWay
from chatapp.peer.view.view import USUAL_START, CatchUp, Start, Step, Steps, View
from chatapp.peer.words import answers, history
from chatapp.peer.words.formatting import LINE_MAX, SettledLine, TypedLine
from chatapp.peer.words.people import here_line
from chatapp.wire.names import PeerName, is_same_name

PAST_SHOWN: Final = 20
"""Lines of the past that are shown at the start."""
PAST_READ: Final = 200
"""Lines of the past that tell with whom the user has talked lately."""


class FlowView(View):
    """What a prompt or a pipe knows of its peer."""

    def __init__(
        self,
        state: State,
        *,
        is_screen: bool,
        completions: CompletionIndex | None,
        draw_line: Callable[[], int],
        start: Start = USUAL_START,
    ) -> None:
        """`is_screen`: whether people look at the terminal: the past and who is here are shown at
        the start, and little is said of who comes and goes. The others are those of `View`."""
        super().__init__(
            state,
            is_screen=is_screen,
            completions=completions,
            draw_line=draw_line,
            start=start,
        )
        self._folding: Final = Folding()
        self._under_way: Final = UnderWay()
        """The user's messages on a screen; none elsewhere."""
        self._is_first: Final = start.is_first
        self._may_offer = completions is not None
        """Whether to say, once, how to find out why the server does not answer. In a pipe the lines
        stay as they are."""
        self._unsettled: TypedLine | None = None
        """The line that is being carried out, while a screen shows it above the prompt."""
        self._seen: dict[Conversation, int] = {}
        """The newest line of others that was shown of each conversation, since the user last
        typed."""

    @property
    def has_under_way(self) -> bool:
        return bool(self._under_way)

    # --- what happens

    def begin(self) -> Steps:
        """Show the last lines of the past again, as far as they have been shown before."""
        if self._has_started:
            self._count_people()  # no event tells of those who are here already
        if not self.is_screen:
            return
        past = yield from self._latest(None, PAST_READ)
        self._changes.lines += history.past_lines(past[-PAST_SHOWN:])
        for line in past:
            where = line.conversation
            if where.name and where == person(where.name):
                self._folding.talked_with(where.name)
                if self._completions is not None:
                    self._completions.add_recent(where.name)

    def greet(self) -> Steps:
        """Say who is online once the registry has told us; at the first start, also how to get
        help."""
        if not self.is_screen:
            return
        yield from self._ready()
        yield CatchUp()
        state = self.state
        if not (self.is_over or state.is_offline or state.is_server_away):
            hint = [answers.TYPE_HELP] if self._is_first else []
            people = yield ListPeople()
            self._show_here([here_line(people, state.name), *hint])

    def _take(self, batch: Sequence[events.Event]) -> list[str]:
        for event in batch:
            if isinstance(event, events.ConversationRead):
                self._read(event)
            for line in event.lines if isinstance(event, events.MailReturned) else (event,):
                if isinstance(line, events.Said):
                    seen = self._seen.get(line.conversation, 0)
                    self._seen[line.conversation] = max(line.id, seen)
        if self.is_screen:
            lines = self._folding.lines(
                batch, lambda event: self._under_way.lines(event, self._lines(event))
            )
        else:
            lines = [line for event in batch for line in self._lines(event)]
        self._changes.lines += lines
        self._changes.written += batch
        return lines

    def _read(self, event: events.ConversationRead) -> None:
        """Take note of what the user has read, here or in another window."""
        if self._seen.get(event.conversation, 0) <= event.id:
            self._seen.pop(event.conversation, None)
        if not self._seen:
            self._unread = 0

    def _show_here(self, lines: Iterable[str]) -> None:
        self._changes.lines += lines

    def _offer(self, line: str) -> list[str]:
        may_offer, self._may_offer = self._may_offer, False
        return [line] if may_offer else []

    def settle_all(self) -> None:
        """Have the screen show all lines among the others that still stand above the prompt: the
        program ends."""
        self._settle()
        self._changes.lines += self._under_way.end()

    # --- what is typed

    def enter(self, line: TypedLine) -> Steps:
        """Carry out a line. It waits until the peer is ready: lines typed during registration are
        kept."""
        self.current_line = line
        self._unsettled = line if self.is_screen else None
        yield from self._ready()
        if not (yield from self._may_continue()):
            return
        yield from self._mark_seen()
        if len(line) > LINE_MAX:
            self._answer([answers.LINE_TOO_LONG])
        else:
            yield from self._carry_out((yield from self._parse(line)), line)
        self.current_line = ""

    def _mark_seen(self) -> Steps:
        """Note that the user has read what was shown so far. In a pipe nobody knows."""
        self._unread = 0
        seen, self._seen = self._seen, {}
        for conversation, id_ in seen.items() if self.is_screen else ():
            yield from self._mark_read(conversation, id_)

    def _parse(self, line: TypedLine) -> Generator[Step, Any, Meaning]:
        self._was_asked = self._dialogue is not None
        if self._was_asked:
            return self._answer_question(line)
        serves = yield IsLineForDesk(entered_at=line.at)
        return parser.parse(line, self._context(serves=serves))

    def _meaning_of(self, draft: str) -> Meaning:
        return parser.parse(draft, self._context(serves=self.state.desk.client is not None))

    def _asks_for_something(self, line: str) -> bool:
        is_answer = self._dialogue is not None
        return bool(line.strip()) if is_answer else super()._asks_for_something(line)

    def _answer(self, lines: Iterable[str]) -> None:
        """Show the answer to the line that is being carried out, below that line."""
        self._settle()
        self._changes.lines += lines

    def _settle(self) -> None:
        """Have the screen show the line that is being carried out among the others: it is no
        message under way."""
        typed, self._unsettled = self._unsettled, None
        if typed is not None:
            self._changes.lines.append(SettledLine(typed))

    def _carry_out(self, meaning: Meaning, line: TypedLine) -> Steps:
        if not isinstance(meaning, Send):
            self._settle()
        match meaning:
            case Send():
                yield from self._say(meaning, line)
            case meanings.OpenConversation(to):
                yield from self._open_query(to)
            case meanings.SayToClient(text):
                is_maybe = not isinstance(parser.parse(line, self._context()), Mistake)
                yield from self._say_to_client(text, line, is_maybe=is_maybe)
            case _:
                yield from super()._carry_out(meaning, line)

    def _say(self, message: Send, line: TypedLine) -> Steps:
        """Send a message. On a screen it stands above the prompt until it is settled."""
        if self._doubts(message, line):
            self._settle()
            return
        sent = yield from self._send(message)
        if sent is not None and self.is_screen:
            self._unsettled = None
            self._under_way.begin(line, sent.id, message.text)

    def _open_query(self, to: PeerName | None) -> Steps:
        """Send bare lines to this person from now on, or go into the room of this name; None: send
        them to nobody."""
        people = (yield ListPeople()) if to is not None else ()
        if to is not None and not any(is_same_name(somebody.name, to) for somebody in people):
            yield from self._open_room(to)
            return
        if to is not None and self.is_screen:
            past = yield from self._latest(person(to), PAST_SHOWN)
            self._answer(history.past_lines(past))
        self.query = to
        self._answer([answers.query_line(to, room=self.state.room)])

    def _open_room(self, name: PeerName) -> Steps:
        """Go into a room that we have seen, after its last lines were shown."""
        past = yield from self._latest(room(name), PAST_SHOWN)
        here = self.state.room
        if here is not None and is_same_name(here, name):
            self._answer([answers.query_line(self.query, room=here)])
        elif past or self._has_seen_room(name):
            if self.is_screen:
                self._answer(history.past_lines(past))
            yield from self._request(EnterRoom(room=name))
        else:
            self._answer([answers.nobody_and_no_room(name)])
