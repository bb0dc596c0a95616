"""A peer as many clients see it: its events with their numbers, its state, its people, what they ask of
it, and answers of many lines, cut so that they fit a line of the protocol (clause 5.4).

Nothing here knows a socket. A request may take as long as the peer takes to answer it.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import ConversationState, FoundLine, FoundLines, Lines, Unshown
from chatapp.peer.api.requests import (
    ChangeAtDesk,
    Command,
    Conversations,
    Edit,
    FindLines,
    ListConversations,
    ListUnshown,
    Node,
    React,
    ReadAround,
    ReadPage,
    ReadTalk,
    Request,
    Retract,
    SayAtDesk,
    SearchPast,
    Send,
    Talk,
)
from chatapp.peer.api.state import State
from chatapp.peer.rpc.protocol import (
    LINES_TOGETHER,
    METHODS,
    PEOPLE_TOGETHER,
    TEXT_TOGETHER,
    UNSHOWN_MAX,
    Code,
    Greeting,
    Hello,
    ReportShown,
    RpcError,
    Subscribe,
    Subscribed,
    drawn_key,
    refusal_of,
)
from chatapp.peer.rpc.ring import EventRing, bytes_of, notice, text_size
from chatapp.peer.rpc.session import Call, RpcSession
from chatapp.wire.errors import ChatAppError, quoted


async def answered(node: Node, request: Request[Any]) -> Any:
    """Carry out a request. What does not fit is left out, and `more` says so: a client asks for
    the rest from there."""
    if isinstance(request, ReadPage | SearchPast | ListUnshown):
        request = replace(request, limit=min(request.limit, LINES_TOGETHER + 1))
    answer = await node.request(request)
    match request:
        case ReadPage(after=None) | SearchPast():
            return _newest(answer.lines)
        case ReadPage():
            return _oldest(answer.lines)
        case ListUnshown():
            kept = _first(map(text_size, answer.lines))
            return Unshown(lines=answer.lines[:kept], more=kept < len(answer.lines))
        case FindLines():
            kept = _first(map(_found_size, answer.lines))
            return FoundLines(lines=answer.lines[:kept], more=kept < len(answer.lines))
        case ReadAround(id=id_):
            return _around(answer.lines, id_)
        case ListConversations():
            return _conversations(answer)
        case ReadTalk():
            return _talk(answer)
        case _:
            return answer


def _found_size(found: FoundLine | None) -> int:
    if found is None:
        return 0
    return text_size(found.line) + sum(map(text_size, found.versions))


def _state_size(state: ConversationState) -> int:
    return bytes_of(state.draft) + (0 if state.last is None else text_size(state.last))


def _first(sizes: Iterable[int]) -> int:
    """Return how many texts of these sizes, from the first one on, fit together; at least one."""
    count = size = 0
    for own in sizes:
        size += own
        if count and (count == LINES_TOGETHER or size > TEXT_TOGETHER):
            break
        count += 1
    return count


def _newest(lines: Sequence[Said]) -> Lines:
    kept = _first(map(text_size, reversed(lines)))
    return Lines(lines=tuple(lines[len(lines) - kept :]), more=kept < len(lines))


def _oldest(lines: Sequence[Said]) -> Lines:
    kept = _first(map(text_size, lines))
    return Lines(lines=tuple(lines[:kept]), more=kept < len(lines))


def _around(lines: Sequence[Said], id_: int) -> Lines:
    """Keep the line with this id, those next to it, and as many of the others as fit."""
    place = next((at for at, line in enumerate(lines) if line.id == id_), 0)
    newer, older = _oldest(lines[place:]), _newest(lines[:place])
    both = (*older.lines, *newer.lines)
    kept = both if _first(map(text_size, both)) == len(both) else newer.lines
    return Lines(lines=kept, more=len(kept) < len(lines))


def _conversations(answer: Conversations) -> Conversations:
    states = answer.conversations
    kept = _first(map(_state_size, states))
    return Conversations(conversations=states[:kept], more=kept < len(states))


def _talk(answer: Talk) -> Talk:
    if answer.talk is None:
        return answer
    lines = answer.talk.lines
    kept = lines[: _first(map(text_size, lines))]
    return Talk(talk=replace(answer.talk, lines=kept), more=len(kept) < len(lines))


_log = logging.getLogger("chatapp.peer")

_CHANGES_KEPT: Final = 20_000
"""Changes of people that are remembered. A client that is further behind is told everybody
again."""


class ServedNode(Node, Protocol):
    """A node that serves clients."""

    def listen(self, listener: Callable[[Sequence[events.Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen, until the function that this returns is
        called."""

    def listen_shown(
        self, listener: Callable[[Sequence[events.LineEvent]], None]
    ) -> Callable[[], None]:
        """Call `listener` with lines when they are reported as shown, until the function that this
        returns is called."""

    def listen_ours(self, listener: Callable[[Sequence[events.Event]], None]) -> Callable[[], None]:
        """Call `listener` with what the program says itself, until the function that this returns
        is called."""


class PeopleLog:
    """The people in the table, and in which order their rows have changed."""

    def __init__(self) -> None:
        self._people: Sequence[events.Person] = ()
        self._rows: dict[str, events.Person] = {}
        self._changed: list[str] = []
        self._forgotten = 0

    def update(self, people: Sequence[events.Person]) -> None:
        """Take the people as they are now. The same object again: nobody has changed."""
        if people is self._people:
            return
        self._people = people
        rows = {person.name: person for person in people}
        self._changed += [name for name, row in rows.items() if self._rows.get(name) != row]
        self._changed += [name for name in self._rows if name not in rows]
        self._rows = rows
        if len(self._changed) > _CHANGES_KEPT:
            self._forgotten += len(self._changed)
            self._changed.clear()

    @property
    def newest(self) -> int:
        """How many changes there were."""
        return self._forgotten + len(self._changed)

    def lines_after(self, told: int | None) -> list[bytes]:
        """Return lines that tell somebody who was told so many changes of the others."""
        is_all = told is None or told < self._forgotten
        changed = (
            self._rows if is_all else dict.fromkeys(self._changed[(told or 0) - self._forgotten :])
        )
        people = [self._rows[name] for name in changed if name in self._rows]
        gone = [name for name in changed if name not in self._rows]
        lines = []
        for at in range(0, max(len(people), len(gone), 1), PEOPLE_TOGETHER):
            until = at + PEOPLE_TOGETHER
            params = {
                "is_all": is_all and at == 0,
                "people": people[at:until],
                "gone": gone[at:until],
            }
            lines.append(notice("people", params))
        return lines


class Hub:
    """One peer and its clients."""

    def __init__(self, node: ServedNode, *, run: str, is_service: bool = False) -> None:
        """`run`: a word that no other run of the program has. `is_service`: as in `Greeting`."""
        self._is_service: Final = is_service
        self._node: Final = node
        self._run: Final = run
        self._ring: Final = EventRing()
        self._people: Final = PeopleLog()
        self._state: State | None = None
        self._state_line = b""
        self._state_version = 0
        self._unshown: dict[int, events.LineEvent] = {}
        """Lines that clients have, by id, and that nobody has reported as shown; without their
        texts."""

    def note(self, batch: Sequence[events.Event]) -> None:
        """Number events and keep them. `tell` passes them on."""
        self._ring.add(batch)
        for event in batch:
            if isinstance(event, events.LineEvent):
                self._note_unshown([event])
            elif isinstance(event, events.MailReturned):
                self._note_unshown(event.lines)

    def _note_unshown(self, lines: Sequence[events.LineEvent]) -> None:
        for line in lines:
            self._unshown[line.id] = msgspec.structs.replace(line, text="")
        while len(self._unshown) > UNSHOWN_MAX:
            del self._unshown[next(iter(self._unshown))]

    def forget_shown(self, lines: Sequence[events.LineEvent]) -> None:
        """Forget lines that were reported as shown, by the program itself or by a client."""
        for line in lines:
            self._unshown.pop(line.id, None)

    @property
    def is_sending(self) -> bool:
        """Whether a message was under way when we looked."""
        return self._state is not None and self._state.is_sending

    # --- what clients are told

    def look(self) -> None:
        """Look at the state of the peer: `tell` tells it if it has changed. A closed peer changes
        no more."""
        try:
            state, people = self._node.state, self._node.people()
        except NotOpen:
            return
        self._people.update(people)
        if state != self._state:
            self._state = state
            self._state_line = notice("state", state)
            self._state_version += 1

    def tell(self, session: RpcSession, *, room: int) -> None:
        """Tell a subscriber what has changed, and as many of the next events as `room` bytes
        hold."""
        if session.after is None or session.is_over:
            return
        if room > 0:
            self._tell_state(session)
        session.tell_events(self._ring, room=room)

    def _tell_state(self, session: RpcSession) -> None:
        if session.state_told != self._state_version:
            session.state_told = self._state_version
            session.tell(self._state_line)
        if session.people_told != self._people.newest:
            for line in self._people.lines_after(session.people_told):
                session.tell(line)
            session.people_told = self._people.newest

    # --- what clients ask

    async def carry_out(self, session: RpcSession, call: Call) -> tuple[Any, RpcError | None]:
        """Carry out a request. Returns its answer, or the error to answer with."""
        kind = METHODS.get(call.method)
        if kind is None:
            known = ", ".join(sorted(METHODS))
            return None, RpcError(
                Code.NO_SUCH_METHOD, f"there is no such method; there are: {known}"
            )
        try:
            return await self._answer(session, msgspec.convert(call.params, kind)), None
        except msgspec.ValidationError as error:
            return None, RpcError(Code.WRONG_PARAMETERS, str(error))
        except (ChatAppError, sqlite3.Error) as error:
            return None, refusal_of(error)
        except Exception as error:  # noqa: BLE001 - any bug at all
            _log.error("fault in %s: %s", call.method, quoted(repr(error)), exc_info=True)
            return None, RpcError(Code.FAULT, "this is a fault of the program; its log tells more")

    async def _answer(self, session: RpcSession, request: Request[Any]) -> Any:
        match request:
            case Hello():
                session.is_heir = request.is_heir
                return self._greeting(request.protocol)
            case Subscribe():
                return self.subscribe(session, request)
            case ReportShown():
                return self._report_shown(request)
            case SayAtDesk(line=line):
                return self._node.post(msgspec.structs.replace(request, key=line))
            case Command():
                return self._node.post(request)
            case ChangeAtDesk(line=line):
                request = msgspec.structs.replace(request, key=line)
            case Send(key=0) | Edit(key=0) | Retract(key=0) | React(key=0):
                request = msgspec.structs.replace(request, key=drawn_key())
        answer = await answered(self._node, request)
        if isinstance(request, ListUnshown):
            self._note_unshown(answer.lines)
        return answer

    def _greeting(self, protocol: int) -> Greeting:
        """Greet a client. The session has checked `protocol`."""
        return Greeting(
            protocol=protocol,
            program="ChatApp",
            run=self._run,
            last=self._ring.last,
            state=self._node.state,
            is_service=self._is_service,
        )

    def subscribe(self, session: RpcSession, request: Subscribe) -> Subscribed:
        """Tell a client of events from now on, or from the last one that it has."""
        run, after = request.run, request.after
        is_first = run is None and after is None
        is_whole = run == self._run and after is not None and self._ring.has_all_after(after)
        session.after = begin = after if is_whole and after is not None else self._ring.last
        session.people_told, session.state_told = None, 0
        return Subscribed(after=begin, missed=not (is_first or is_whole))

    def _report_shown(self, request: ReportShown) -> None:
        self._node.shown([self._unshown[id_] for id_ in request.ids if id_ in self._unshown])
