"""The view of a window that shows everything in one flow of lines: a prompt, or a pipe.

A prompt shows a mark beside each message of ours once it is settled, and lines that name the message
they are about. One that is under way stands above the prompt: its first outcome moves it up, with
the mark; a later outcome, of a message that was kept or saved, is a line that quotes it.

Of the coming and going of others it shows one line for all, and only for people whom the user knows:
those with whom the user has talked, and those in their room. That the table has changed is no line:
the status line counts the people online.
"""

import contextlib
import enum
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, person, room
from chatapp.peer.api.events import MessageState, Said, Target
from chatapp.peer.api.files import FileTransfer
from chatapp.peer.api.requests import (
    EnterRoom,
    IsLineForDesk,
    KeepDraft,
    ListPeople,
    Send,
)
from chatapp.peer.api.state import State
from chatapp.peer.commands import meanings, parser
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.commands.meanings import Meaning, Mistake
from chatapp.peer.view.view import USUAL_START, CatchUp, Start, Step, Steps, View
from chatapp.peer.words import answers, history
from chatapp.peer.words.changes import NOTHING_KNOWN, Change, Known, own_line, reaction_lines
from chatapp.peer.words.formatting import LINE_MAX, Mark, OwnLine, SettledLine, TypedLine, mark_of
from chatapp.peer.words.people import (
    came_line,
    here_lines,
    joined_line,
    left_line,
    left_room_line,
    lost_line,
)
from chatapp.wire.errors import ChatAppError
from chatapp.wire.names import PeerName, is_same_name, name_key, peer_name
from chatapp.wire.text import sanitize

QUOTED: Final = 40
"""Characters of a message that a line about it quotes."""

REMEMBERED_MAX: Final = 1_000
"""Messages without a final outcome whose texts are remembered."""


class UnderWay:
    """The messages of one screen that have no final outcome."""

    def __init__(self) -> None:
        self._typed: dict[int, TypedLine] = {}
        """By id: the lines above the prompt."""
        self._texts: dict[int, str] = {}
        self._elsewhere: dict[int, str] = {}
        """By id: lines that were said in another window, which are shown with their marks."""
        self._refused: deque[TypedLine] = deque()
        """Lines that were refused at once, before they had an id."""
        self._changes: dict[int, None] = {}
        """Changes of lines of which nothing more is said once they have arrived."""

    def __bool__(self) -> bool:
        return bool(self._typed)

    def begin(self, typed: TypedLine, message: int, text: str) -> None:
        """Note a message of ours; `message`: its id, 0 if it was refused at once."""
        if not message:
            self._refused.append(typed)
            return
        self._typed[message], self._texts[message] = typed, text
        if len(self._texts) > REMEMBERED_MAX:
            self._texts.pop(next(iter(self._texts)))

    def changed(self, message: int) -> None:
        """Note a change of a line, which has been shown."""
        self._changes[message] = None
        if len(self._changes) > REMEMBERED_MAX:
            self._changes.pop(next(iter(self._changes)))

    def end(self) -> list[str]:
        """Settle all lines that still stand above the prompt: the program ends."""
        left = [*self._typed.values(), *self._refused]
        elsewhere = list(self._elsewhere.values())
        self._typed.clear()
        self._refused.clear()
        self._elsewhere.clear()
        return [*map(SettledLine, left), *elsewhere]

    def lines(self, event: events.Event, lines: list[str]) -> list[str]:
        """Return what a screen shows for an event. `lines`: what a pipe shows."""
        match event:
            case events.MessageChanged(id=message, state=state) if message in self._changes:
                is_there = state in (MessageState.DELIVERED, MessageState.SAVED)
                return [] if is_there else lines
            case events.MessageChanged():
                return self._changed(event, lines)
            case events.SaidByUs(line=events.Said() as line):
                return self._said_elsewhere(line, lines)
            case events.SaidByUs(line=change):
                if change.id:  # 0: of a line that nobody has yet
                    self.changed(change.id)
                return lines
            case events.HeldBack(line=id_) | events.CommandFailed(line=id_) if (
                said := self._elsewhere.pop(id_, None)
            ) is not None:
                return [OwnLine(said, Mark.REFUSED), *lines]
            case events.Unacknowledged(id=id_) if id_ in self._typed or id_ in self._elsewhere:
                return []  # the status line tells the tries, and a mark what becomes of it
            case _:
                return lines

    def _said_elsewhere(self, line: events.Said, lines: list[str]) -> list[str]:
        self._elsewhere[line.id] = "".join(lines)
        if len(self._elsewhere) <= REMEMBERED_MAX:
            return []
        return [OwnLine(self._elsewhere.pop(next(iter(self._elsewhere))))]

    def _changed(self, event: events.MessageChanged, lines: list[str]) -> list[str]:
        mark = mark_of(event.state, is_direct=event.conversation.is_person)
        elsewhere = self._elsewhere.pop(event.id, None)
        if elsewhere is not None:
            return [OwnLine(elsewhere, mark), *(() if mark is Mark.RECEIVED else lines)]
        typed = self._typed.pop(event.id, None)
        if not event.id and self._refused:
            typed = self._refused.popleft()
        is_one_of_several = len(self._texts) > 1
        text = self._texts.get(event.id)
        if not (
            event.state is MessageState.KEPT
            or (event.state is MessageState.SAVED and event.conversation.is_person)
        ):
            self._texts.pop(event.id, None)
        if typed is None:
            return [_naming(line, text) for line in lines] if text is not None else lines
        if mark is Mark.RECEIVED:
            return [SettledLine(typed, mark)]
        named = (
            [_naming(line, text) for line in lines]
            if is_one_of_several and text is not None
            else lines
        )
        return [SettledLine(typed, mark), *named]


def _naming(line: str, text: str) -> str:
    """Return a line about a message with the beginning of its text."""
    quoted = sanitize(text, limit=QUOTED)
    if line.endswith("]"):
        return f"{line[:-1].rstrip('.')}: {quoted}]"
    return f"{line} ({quoted})"


class Move(enum.Enum):
    """How somebody comes or goes."""

    CAME = enum.auto()
    LEFT = enum.auto()
    LOST = enum.auto()
    JOINED = enum.auto()
    LEFT_ROOM = enum.auto()


class _Moves(msgspec.Struct):
    """The people who came and who went since the last other line."""

    people: dict[tuple[Move, str], dict[str, None]] = {}
    """By move and room; no room for those who came or went altogether."""

    def add(self, move: Move, name: str, room: str = "") -> None:
        """Note a person. Whoever came or went altogether is not also named as coming to a room or
        leaving it, and whoever went and is back, or came and is gone, is named once, by the
        last."""
        others = {
            other: names
            for other, names in self.people.items()
            if name in names and (not room or other[1] in ("", room))
        }
        if move in (Move.CAME, Move.LEFT_ROOM) and any(
            other in (Move.JOINED, Move.LEFT, Move.LOST) for other, _ in others
        ):
            return
        for names in others.values():
            names.pop(name, None)
        self.people.setdefault((move, room), {})[name] = None

    def line(self) -> list[str]:
        """Return one line about all of them; none for nobody."""
        several = {move: list(names) for move, names in self.people.items() if names}
        worded = [_worded(move, names, room) for (move, room), names in several.items()]
        return [" ".join(worded)] if worded else []


def _worded(move: Move, names: list[str], room: str) -> str:
    match move:
        case Move.CAME:
            return came_line(names)
        case Move.LEFT:
            return left_line(names)
        case Move.LOST:
            return lost_line(names)
        case Move.JOINED:
            return joined_line(names, room)
        case Move.LEFT_ROOM:
            return left_room_line(names, room)


class _Reactions:
    """The reactions since the last other line: the last one of each person, emoji and line."""

    def __init__(self) -> None:
        self._last: dict[tuple[Conversation, Target, str, str], events.Reacted] = {}

    def add(self, event: events.Reacted) -> None:
        """Note a reaction."""
        self._last[event.conversation, event.target, event.text, event.sender] = event

    def lines(self, known: Known) -> list[str]:
        """Return a line for each line and emoji, and forget them."""
        alike: dict[tuple[Conversation, Target, str, bool], list[events.Reacted]] = {}
        for (where, target, emoji, _), event in self._last.items():
            alike.setdefault((where, target, emoji, event.is_on), []).append(event)
        self._last.clear()
        return [line for several in alike.values() for line in reaction_lines(several, known)]


class Folding:
    """The people whom the user has talked with."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def talked_with(self, name: str) -> None:
        """Note that the user and somebody talked."""
        self._known.add(name_key(name))

    def lines(
        self,
        batch: Sequence[events.Event],
        lines_of: Callable[[events.Event], list[str]],
        known: Known = NOTHING_KNOWN,
    ) -> list[str]:
        """Return the lines for a batch of events. `known`: the lines that they are about."""
        lines: list[str] = []
        moves, reactions = _Moves(people={}), _Reactions()
        near = {
            name_key(event.name)
            for event in batch
            if isinstance(event, events.MemberLeft | events.MemberJoined)
        }
        for event in batch:
            match event:
                case events.TableChanged():
                    pass
                case events.PersonCame(name=name, is_quiet=is_quiet):
                    if not is_quiet and name_key(name) in self._known:
                        moves.add(Move.CAME, name)
                case events.PersonAway(
                    name=name, how=events.Absence.LEFT | events.Absence.LOST, is_quiet=is_quiet
                ):
                    if not is_quiet and self._is_near(name, near):
                        is_left = event.how is events.Absence.LEFT
                        moves.add(Move.LEFT if is_left else Move.LOST, name)
                case events.MemberJoined(name=name, room=room):
                    moves.add(Move.JOINED, name, room)
                case events.MemberLeft(name=name, room=room):
                    moves.add(Move.LEFT_ROOM, name, room)
                case events.Reacted():
                    reactions.add(event)
                case events.Renamed(old=old, is_me=False) if not self._is_near(old, near):
                    pass
                case _:
                    self._note(event)
                    if found := lines_of(event):
                        lines += [*moves.line(), *reactions.lines(known), *found]
                        moves = _Moves(people={})
        return [*lines, *moves.line(), *reactions.lines(known)]

    def _is_near(self, name: str, near: set[str]) -> bool:
        return name_key(name) in self._known or name_key(name) in near

    def _note(self, event: events.Event) -> None:
        """Learn from an event whom the user talks with."""
        match event:
            case events.Said(conversation=what, sender=name) if what.is_person:
                self.talked_with(name)
            case events.SaidByUs(line=line) if line.conversation.is_person:
                self.talked_with(line.conversation.name)
            case events.Unacknowledged(conversation=what):
                self.talked_with(what.name)
            case events.MailReturned(lines=lines):
                for one in lines:
                    self._note(one)
            case events.MessageChanged(conversation=what) if what.is_person:
                self.talked_with(what.name)
            case events.Renamed(new=name, is_me=False):
                self.talked_with(name)
            case _:
                pass


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
        self._told_room: str | None = None
        """The current room when the last line was made."""
        self._unsettled: TypedLine | None = None
        """The line that is being carried out, while a screen shows it above the prompt."""
        self._talked_in: Conversation | None = None
        """Where the last line was said."""
        self._seen: dict[Conversation, int] = {}
        """The newest line of others that was shown of each conversation, since the user last
        typed."""
        self._place: Conversation | None = None
        """Where bare lines went when the prompt was last filled."""
        self._drafts: dict[Conversation, str] = {}
        """What all windows know to be typed and not sent."""
        self._drafted_in: Conversation | None = None
        """The conversation for which such a text stands at our prompt."""

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
        yield from self._learn_drafts()

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
            others = yield from self._others_than(people)
            self._show_here([*here_lines(people, state.name, others), *hint])

    def _lines(self, event: events.Event) -> list[str]:
        """Say also where bare lines go when the user has left the current room for another one."""
        lines, here = super()._lines(event), self.room
        if isinstance(event, events.LeftRoom) and here is not None and here != self._told_room:
            lines.append(answers.query_line(None, room=here))
        self._told_room = here
        return lines

    def _take(self, batch: Sequence[events.Event]) -> list[str]:
        for event in batch:
            match event:
                case events.ConversationRead():
                    self._read(event)
                case events.DraftKept():
                    self._draft_kept(event)
                case events.ProgramChanged():
                    self._drafts.clear()  # the program that knew them has ended
                case events.EnteredRoom() | events.LeftRoom():
                    self._fill()
                case _:
                    pass
            for line in event.lines if isinstance(event, events.MailReturned) else (event,):
                if isinstance(line, events.Said) and not line.visit:
                    self._talked_in = line.conversation
                    seen = self._seen.get(line.conversation, 0)
                    self._seen[line.conversation] = max(line.id, seen)
        if self.is_screen:
            lines = self._folding.lines(
                batch,
                lambda event: self._under_way.lines(event, self._lines(event)),
                known=self.known,
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

    # --- what is typed and not sent

    def _learn_drafts(self) -> Steps:
        """Learn what was typed in other windows, and before the last end."""
        with contextlib.suppress(ChatAppError):  # then nobody knows
            states = yield from self._conversations()
            self._drafts = {state.conversation: state.draft for state in states if state.draft}
        self._fill()

    def _fill(self) -> None:
        """Put what was typed in another window into an empty prompt, if bare lines go there now and
        did not before."""
        before, self._place = self._place, self._bare_to()
        if self._place is not None and self._place != before and self._place in self._drafts:
            self._changes.draft = ("", self._drafts[self._place])

    def _draft_kept(self, event: events.DraftKept) -> None:
        """Take over what was typed in another window, unless the user types here as well."""
        where, text = event.conversation, event.text
        former = self._drafts.pop(where, "")
        if text:
            self._drafts[where] = text
        if event.window != self._window and text != former and where == self._bare_to():
            self._changes.draft = (former, text)

    def is_known(self, text: str) -> bool:
        """Whether this stands at the prompts of the user's other windows as well, or is nothing."""
        where = self._bare_to()
        return not text or (where is not None and self._drafts.get(where) == text)

    def keep_draft(self, text: str) -> list[KeepDraft]:
        """Return what keeps what stands at the prompt, if it is for the place where bare lines
        go."""
        meaning = self._meaning_of(text)
        is_bare = isinstance(meaning, Send) and meaning.text == parser.whole(text)
        place = self._bare_to() if is_bare and len(text) <= LINE_MAX else None
        drafts: list[KeepDraft] = []
        former, self._drafted_in = self._drafted_in, place
        if former is not None and former != place and self._drafts.pop(former, ""):
            drafts.append(KeepDraft(conversation=former, text="", window=self._window))
        if place is not None and self._drafts.get(place) != text:
            self._drafts[place] = text
            drafts.append(KeepDraft(conversation=place, text=text, window=self._window))
        return drafts

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
        serves = False
        if self.state.desk.is_operator:
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
        meaning = self._placed(meaning)
        if not isinstance(meaning, Send | meanings.ReplyTo):
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
        self._talked_in = message.conversation
        sent = yield from self._send(message)
        if sent is not None and self.is_screen:
            self._unsettled = None
            self._under_way.begin(line, sent.id, message.text)

    def _send_beside(self, message: Send) -> Steps:
        yield from self._send(message)

    def _here(self) -> Conversation | None:
        if self.room is not None:
            return room(self.room)
        return person(self.query) if self.query is not None else self._talked_in

    def _bare_to(self) -> Conversation | None:
        """Return the conversation where bare lines go; None: to nobody, or to a visitor."""
        is_open = self.room is not None or self.query is not None
        return self._here() if is_open and self.state.desk.client is None else None

    def _show_change(self, before: Said, request: Change, sent: int) -> Steps:
        self._answer([own_line(before, request)])
        if self.is_screen and sent != before.id:
            self._under_way.changed(sent)
        yield from ()

    def _is_at_desk(self, typed: TypedLine) -> Generator[Step, Any, bool]:
        if not self.state.desk.is_operator:
            return False
        is_for_desk: bool = yield IsLineForDesk(entered_at=typed.at)
        return is_for_desk

    def _show_desk_change(self, before: Said, request: Change, sent: int) -> None:
        self._answer([own_line(before, request)])
        if self.is_screen:
            self._under_way.changed(sent)

    def _show_offered(self, file: FileTransfer) -> None:
        super()._show_offered(file)
        if self.is_screen:
            self._under_way.changed(file.id)

    def _open_query(self, to: PeerName | None) -> Steps:
        """Send bare lines to this person from now on, or go into the room of this name; None: send
        them to nobody."""
        if to is not None:
            people = yield ListPeople()
            names = (somebody.name for somebody in people if is_same_name(somebody.name, to))
            if (name := next(names, None)) is None:
                yield from self._open_room(to)
                return
            to = peer_name(name)  # as the table spells it, and other windows do
        if to is not None and self.is_screen:
            past = yield from self._latest(person(to), PAST_SHOWN)
            self._answer(history.past_lines(past))
        self.query = to
        self._answer([answers.query_line(to, room=self.room)])
        self._fill()

    def _go_to_room(self, room: str) -> None:
        self.visit(room)
        self._told_room = room
        self._answer([answers.query_line(self.query, room=room)])
        self._fill()

    def _open_room(self, name: PeerName) -> Steps:
        """Go into a room that we have seen, after its last lines were shown."""
        past = yield from self._latest(room(name), PAST_SHOWN)
        here = self.state.room(name)
        if here is not None:
            self._go_to_room(here.name)
        elif past or self._has_seen_room(name):
            if self.is_screen:
                self._answer(history.past_lines(past))
            yield from self._request(EnterRoom(room=name))
        else:
            self._answer([answers.nobody_and_no_room(name)])
