"""A node that another program of this user runs, for as long as that program runs.

Its state is what the other program told last: it is told before the answers and events that follow
from it. What is asked goes through the socket, as the same values in JSON.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen, NotResponding, NotRunning
from chatapp.peer.api.events import Event, LineEvent, Said
from chatapp.peer.api.past import ConversationState, FoundLine, FoundLines, Lines, Unshown
from chatapp.peer.api.requests import (
    PAGE_MAX,
    AcceptFile,
    ChangeAtDesk,
    Command,
    Conversations,
    Edit,
    FindLines,
    KeepDraft,
    ListConversations,
    ListUnshown,
    OfferFile,
    ReadPage,
    ReadState,
    ReadTalk,
    Request,
    SayAtDesk,
    SearchPast,
    Send,
    Sending,
    Sent,
    Talk,
    answer_type,
)
from chatapp.peer.api.state import PeerState, State
from chatapp.peer.history.unshown import in_senders_order
from chatapp.peer.node.keystore import holder_of
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.node.sharedfeed import SharedFeed
from chatapp.peer.node.starts import folder_of
from chatapp.peer.rpc.link import RpcLink
from chatapp.peer.rpc.place import connected_socket
from chatapp.peer.rpc.protocol import (
    UNSHOWN_MAX,
    VERSION,
    Farewell,
    Greeting,
    Hello,
    ReportShown,
    RpcError,
    Subscribe,
    Subscribed,
)
from chatapp.wire.errors import ChatAppError, DecodeError, TextTooLong
from chatapp.wire.folders import whole_path
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.names import PeerName

Answer = TypeVar("Answer")
Asked = TypeVar("Asked", bound=Request[Any])

ANSWERS_WITHIN: Final = 5.0
"""Seconds after which a program to which we attach counts as one that does not answer. A stopped
one never does."""


class AttachedNode:
    """A node of another program."""

    def __init__(
        self,
        name: PeerName,
        *,
        home: Path,
        shows: bool,
        is_heir: bool,
        feed: SharedFeed,
        ended: "Callable[[AttachedNode], None]",
    ) -> None:
        """`shows`: as in `Peer.attach`. `is_heir`: as in `Hello`. `feed`: gets the events. `ended`:
        called when the other program is gone."""
        self._name: Final = name
        self._home: Final = home
        self._shows: Final = shows
        self._is_heir: Final = is_heir
        self._ended: Final = ended
        self.is_service = False
        """Whether the other program is one that is started again when it ends."""
        self._is_opening = True
        self._is_leaving = False
        self._link: RpcLink | None = None
        self._run = ""
        """The run of the other program."""
        self._state: State | None = None
        self._people: dict[str, events.Person] = {}
        self._sorted: tuple[events.Person, ...] | None = None
        """The people by name, once somebody has asked for them."""
        self.feed: Final[SharedFeed] = feed
        feed.has_room = self._catch_up
        self._last = 0
        """The number of the last event that we have."""
        self._mail: list[LineEvent] = []
        """The beginning of a `MailReturned` of which more is to come."""
        self._shown: list[ReportShown] = []
        """What was shown while we were cut off: the program learns of it when we come back."""
        self._farewell = ""
        """Why the program closed the last connection, if it said so."""
        self._is_behind = False
        """Whether we take no events now: their reader has to catch up first."""
        self._coming_back: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None

    # --- what the other program has told

    @property
    def last_state(self) -> State:
        """The state that the other program told last. Raises NotOpen before there is one."""
        if self._state is None:
            raise NotOpen
        return self._state

    @property
    def state(self) -> State:
        """The same; without a connection, the peer is CLOSED."""
        if self._link is None:
            return replace(self.last_state, state=PeerState.CLOSED)
        return self.last_state

    @property
    def name(self) -> PeerName:
        """The person's name."""
        return self._name if self._state is None else PeerName(self._state.name)

    def people(self) -> tuple[events.Person, ...]:
        """Return everybody in the table, by name: the same tuple until somebody changes."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._people.values(), key=lambda person: person.name))
        return self._sorted

    # --- life

    async def open(self) -> None:
        """Attach to the running program. Raises NotRunning, NotResponding, NotOpen if it ends
        meanwhile, OSError."""
        try:
            await self._attach(resume=None)
        finally:
            self._is_opening = False

    async def close(self, *, within: float) -> None:
        """Detach; the other program goes on. `within`: seconds to wait until what was asked last is
        on its way."""
        self._is_leaving = True
        for task in (self._coming_back, self._catching_up):
            if task is not None:
                task.cancel()
        if (link := self._link) is not None:
            with contextlib.suppress(TimeoutError, NotOpen):
                async with asyncio.timeout(within):
                    await link.call(ReadState.__name__, ReadState())
            link.close()
        self._link = None

    async def comes_back(self) -> bool:
        """Wait for the connection that was lost, if it is being made again. Return whether there is
        one; one that was not lost is of no use: the program has closed its node."""
        coming_back = self._coming_back
        if coming_back is None or (self._link is not None and coming_back.done()):
            self._is_leaving = True
            if self._link is not None:
                self._link.close()
            return False
        await asyncio.wait([coming_back])
        return self._link is not None

    async def _attach(self, *, resume: tuple[str, int] | None) -> None:
        """Connect and subscribe. `resume`: the run of the program, and the last event that we have.
        Raises as `open`."""
        folder = folder_of(self._home, self.name)
        try:
            connected = connected_socket(folder)
        except BlockingIOError:  # many have connected before us, and it has taken none
            raise NotResponding(self.name, holder_of(folder)[0]) from None
        if connected is None:
            raise NotRunning(self.name)
        self._farewell = ""
        link = await RpcLink.over(connected, self._noticed, lambda: self._link_lost(link))
        # A program that waits for itself, however busy it is, is not one that is stopped.
        within = None if holder_of(folder)[0] == os.getpid() else ANSWERS_WITHIN
        try:
            async with asyncio.timeout(within):
                raw = await link.call(
                    Hello.__name__, Hello(protocol=VERSION, is_heir=self._is_heir)
                )
            greeting: Greeting = _converted(raw, Greeting)
            if resume is not None:
                self._require_same(greeting.run, resume[0])
            self._run, self._link = greeting.run, link
            self.is_service = greeting.is_service
            if self._state is None or resume is None:
                self._state = greeting.state
            self._is_behind = self.feed.is_full
            self._report_shown()
            async with asyncio.timeout(within):
                has_missed = await self._subscribe(resume)
            if resume is None or has_missed:
                await self._take_unshown()
        except BaseException as error:
            link.close()
            self._link = None
            if isinstance(error, TimeoutError):
                raise NotResponding(self.name, holder_of(folder)[0]) from None
            if isinstance(error, DecodeError | RpcError | sqlite3.Error):
                raise NotRunning(self.name, str(error)) from None
            if isinstance(error, NotOpen) and self._farewell == Farewell.TOO_MANY.name.lower():
                raise NotRunning(self.name, Farewell.TOO_MANY.value) from None
            raise

    def _require_same(self, run: str, former: str) -> None:
        """Raises NotRunning for another program, which runs in the place of ours."""
        if run != former:
            raise NotRunning(self.name)

    async def _subscribe(self, resume: tuple[str, int] | None) -> bool:
        """Have events told from now on, or from the last one that we have. Returns whether others
        are lost."""
        run, after = resume or (None, None)
        if self._link is None:
            raise NotOpen
        asked = Subscribe(run=run, after=after)
        raw = await self._link.call(Subscribe.__name__, asked, answered=self._begin_after)
        subscribed: Subscribed = _converted(raw, Subscribed)
        return subscribed.missed

    def _begin_after(self, raw: Any) -> None:
        """Take the number after which events are told, before any other line is taken."""
        with contextlib.suppress(DecodeError):
            subscribed: Subscribed = _converted(raw, Subscribed)
            if not subscribed.missed:
                self._last = max(self._last, subscribed.after)
                return
            self._last = subscribed.after
            self._mail = []
            self._put([events.EventsMissed()])

    async def _take_unshown(self) -> None:
        """Tell what nobody has shown, but for lines that were told here: their reader may not be
        done with them."""
        if self._shows:
            found = await self.request(ListUnshown(limit=UNSHOWN_MAX))
            self._put([events.MailReturned(lines=tuple(in_senders_order(found.lines)))])

    def _link_lost(self, link: RpcLink) -> None:
        """Come back once: the program may have cut us because we were slow."""
        if link is not self._link:
            return
        self._link = None
        if self._is_leaving or self._is_opening:
            return
        self._coming_back = asyncio.get_running_loop().create_task(self._come_back_to(self._run))

    async def _come_back_to(self, run: str) -> None:
        try:
            await self._attach(resume=(run, self._last))
        except (ChatAppError, OSError):
            self._link = None
            self._ended(self)

    # --- requests

    async def request(self, request: Request[Answer]) -> Answer:
        """Carry out a request and return its answer, all of it. Raises what the request says,
        TextTooLong before anything is sent, and NotOpen."""
        request = _prepared(request)
        match request:
            case ReadPage(after=None) | SearchPast():
                return cast("Answer", await self._backwards(request))
            case ReadPage() | ListUnshown():
                return cast("Answer", await self._forwards(request))
            case FindLines():
                return cast("Answer", await self._found(request))
            case ListConversations():
                return cast("Answer", await self._conversations())
            case ReadTalk():
                return cast("Answer", await self._talk())
            case _:
                return await self._ask(request)

    async def _ask(self, request: Request[Answer]) -> Answer:
        """Ask for an answer that fits a line, or the part of one that does."""
        if self._link is None:
            raise NotOpen
        kind = type(request)
        raw = await self._link.call(kind.__name__, request)
        answer: Answer = _converted(raw, answer_type(kind))
        return answer

    async def _backwards(self, request: ReadPage | SearchPast) -> Lines:
        """Ask for the newest lines, then for those before them, until there are enough."""
        lines: tuple[Said, ...] = ()
        most, has_more = min(request.limit, PAGE_MAX), True
        while has_more and len(lines) < most:
            before = lines[0].id if lines else request.before
            asked = replace(request, before=before, limit=request.limit - len(lines))
            page = await self._ask(asked)
            lines = (*page.lines, *lines)
            has_more = page.more and bool(page.lines)
        return Lines(lines=lines)

    async def _found(self, request: FindLines) -> FoundLines:
        """Ask for these lines, then for those that were left out."""
        lines: tuple[FoundLine | None, ...] = ()
        while len(lines) < len(request.wanted):
            page = await self._ask(FindLines(wanted=request.wanted[len(lines) :]))
            lines = (*lines, *page.lines)
            if not page.more:
                break
        return FoundLines(lines=lines)

    async def _forwards(self, request: ReadPage | ListUnshown) -> Lines | Unshown:
        """Ask for the first lines, then for those after them, until there are enough."""
        lines: tuple[Any, ...] = ()
        most, has_more = request.limit, True
        if isinstance(request, ReadPage):
            most = min(most, PAGE_MAX)
        while has_more and len(lines) < most:
            after = lines[-1].id if lines else request.after
            asked = replace(request, after=after, limit=request.limit - len(lines))
            page: Any = await self._ask(cast("Request[Any]", asked))
            lines = (*lines, *page.lines)
            has_more = page.more
        kind = Lines if isinstance(request, ReadPage) else Unshown
        return kind(lines=lines)

    async def _conversations(self) -> Conversations:
        states: tuple[ConversationState, ...] = ()
        has_more = True
        while has_more:
            page = await self._ask(ListConversations(start=len(states)))
            states = (*states, *page.conversations)
            has_more = page.more
        return Conversations(conversations=states)

    async def _talk(self) -> Talk:
        page = await self._ask(ReadTalk())
        whole = page.talk
        while whole is not None and page.more:
            page = await self._ask(ReadTalk(start=len(whole.lines)))
            if page.talk is None or page.talk.client.visit != whole.client.visit:
                return await self._talk()  # another visitor came while it was read
            whole = replace(page.talk, lines=(*whole.lines, *page.talk.lines))
        return Talk(talk=whole)

    def post(self, command: Command) -> None:
        """Begin a command. Raises NotOpen, TextTooLong, UnicodeEncodeError."""
        command = _prepared(command)
        if self._link is None:
            raise NotOpen
        self._link.post(type(command).__name__, command)

    async def send(self, request: Sending) -> Receipt:
        """Send something; return its receipt, which is there before the next event is taken: that may be
        about it. Raises as the request."""
        request = _prepared(request)
        receipts: list[Receipt] = []
        if self._link is None:
            raise NotOpen
        await self._link.call(
            type(request).__name__,
            request,
            answered=lambda raw: receipts.append(self.feed.receipt(_converted(raw, Sent))),
        )
        return receipts[0]

    # --- events

    def shown(self, batch: Sequence[Event]) -> None:
        """Note that the user has seen these events, if we are to decide that."""
        if not self._shows:
            return
        ids: list[int] = []
        for event in batch:
            match event:
                case events.Line():
                    ids.append(event.id)
                case events.MailReturned(lines=lines):
                    ids += [line.id for line in lines]
                case _:
                    pass
        if ids:
            self._shown.append(ReportShown(ids=tuple(ids)))
        self._report_shown()

    def _report_shown(self) -> None:
        """Tell the program what was shown; keep it for later while we are cut off."""
        try:
            while self._shown:
                self.post(self._shown[0])
                del self._shown[0]
        except NotOpen:
            if self._is_leaving:
                self._shown = []  # we do not come back

    # --- what comes in

    def _noticed(self, method: str, params: dict[str, Any]) -> None:
        """Take a notification. One that a later version of the program may send is left out."""
        with contextlib.suppress(DecodeError):
            match method:
                case "event":
                    self._take_event(params)
                case "state":
                    self._state = _converted(params, State)
                case "people":
                    self._take_people(params)
                case "bye":
                    self._farewell = str(params.get("reason"))
                case _:
                    pass

    def _take_event(self, params: dict[str, Any]) -> None:
        number = _converted(params.get("number"), int)
        is_next = number == self._last + 1 and not self._is_behind
        if is_next:
            self._last = number  # even if we do not know this kind of event: others follow it
        event: Event = _converted(params, _ToldEvent).event
        self.feed.receipts.note_all([event])
        if not is_next:
            return  # what we do not take now is told again when we subscribe again
        if isinstance(event, events.MailReturned):
            self._mail += event.lines
            if params.get("more") is True:
                return
            event, self._mail = events.MailReturned(lines=tuple(self._mail)), []
        self._put([event])

    def _take_people(self, params: dict[str, Any]) -> None:
        people: list[events.Person] = _converted(params.get("people"), list[events.Person])
        gone: list[str] = _converted(params.get("gone"), list[str])
        if params.get("is_all") is True:
            self._people = {}
        for person in people:
            self._people[person.name] = person
        for name in gone:
            self._people.pop(name, None)
        self._sorted = None

    def _put(self, events: Sequence[Event]) -> None:
        feed = self.feed
        feed.put(events)
        if feed.is_full and self._link is not None and not self._is_behind:
            # The program keeps what we cannot take now. Not to read at all would keep answers and
            # outcomes from us, too.
            self._is_behind = True

    def _catch_up(self) -> None:
        """Get what we could not take: the reader of our events has room again."""
        if self._is_behind and self._link is not None:
            self._catching_up = asyncio.get_running_loop().create_task(self._subscribe_again())

    async def _subscribe_again(self) -> None:
        self._is_behind = False
        link = self._link
        try:
            if await self._subscribe((self._run, self._last)):
                await self._take_unshown()
        except NotOpen:
            pass  # whoever comes back asks again
        except (ChatAppError, sqlite3.Error):
            if link is not None:
                link.close()


class _ToldEvent(msgspec.Struct):
    """The part of a notification that has the event: a class, since msgspec takes 100 us to look at
    the bare union each time."""

    event: Event


def _converted(raw: Any, kind: Any) -> Any:
    """Return the value of this type that JSON values stand for. Raises DecodeError."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise DecodeError("what the program says", str(error)) from None


def _prepared(request: Asked) -> Asked:
    """Return the request as the other program understands it: paths do not depend on where we run.
    Raises TextTooLong, UnicodeEncodeError: a line of the protocol may not hold the text."""
    if isinstance(request, Send | Edit | SayAtDesk | ChangeAtDesk | KeepDraft):
        size = len((request.text or "").encode())
        if size > TEXT_MAX:
            raise TextTooLong(size, TEXT_MAX)
    if isinstance(request, OfferFile | AcceptFile):
        return replace(request, path=whole_path(request.path))
    return request
