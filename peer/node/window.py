"""A node as a window uses it that came to a program which runs already: it outlives that program.

When the program is gone, the window attaches to the one that runs the node then, or runs it itself
and offers it in turn. What is asked meanwhile waits, and no line is said twice: each has a key.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast

from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen, NotResponding, NotRunning
from chatapp.peer.api.events import Event, Line, MessageState, Said
from chatapp.peer.api.requests import (
    PAGE_MAX,
    AskDesk,
    ChangeAtDesk,
    Command,
    EnterRoom,
    FindSent,
    ListConversations,
    ListUnshown,
    ReadAround,
    ReadPage,
    ReadTalk,
    Request,
    SayAtDesk,
    Send,
    Sending,
    Sent,
    TellTyping,
)
from chatapp.peer.api.state import PeerState, State
from chatapp.peer.history.unshown import in_senders_order
from chatapp.peer.node.attached import AttachedNode
from chatapp.peer.node.feed import Waiters
from chatapp.peer.node.keystore import FolderInUse
from chatapp.peer.node.local import PeerNode
from chatapp.peer.node.receipts import Receipt, changed, sent_of
from chatapp.peer.node.sharedfeed import TOLD_MAX, SharedFeed
from chatapp.peer.rpc.place import Offer
from chatapp.peer.rpc.protocol import UNSHOWN_MAX, drawn_key
from chatapp.wire.errors import ChatAppError, PortInUse
from chatapp.wire.names import PeerName

Answer = TypeVar("Answer")

_log = logging.getLogger("chatapp.peer")

FOUND_WITHIN: Final = 10.0
"""Seconds to look for a program that runs the node, or to run it here, before a window ends."""

LOOK_SPAN: Final = 0.05

SERVICE_BACK_WITHIN: Final = 1.5
"""Seconds that a daemon gets to be started again before a window runs the node in its place."""


class Heir(Protocol):
    """What can run the node in this program."""

    async def take_over(self, name: PeerName, former: State, feed: SharedFeed) -> PeerNode:
        """Open the node. `former`: how it stood in the last program. Raises as `Peer.open`."""


class _Held:
    """A node of this program, as it is offered to others."""

    def __init__(self, node: PeerNode) -> None:
        self.node: Final = node

    @property
    def folder(self) -> Path:
        """The person's folder."""
        return self.node.folder


class WindowNode:
    """A node that one program after another runs (`OpenedNode`)."""

    def __init__(
        self,
        name: PeerName,
        *,
        home: Path,
        shows: bool,
        heir: Heir | None,
        is_service: bool = False,
    ) -> None:
        """`shows`: as in `Peer.attach`. `heir`: opens the node here; None for a program that only
        attaches. `is_service`: whether this program is started again when it ends."""
        self._is_service: Final = is_service
        self._home: Final = home
        self._shows: Final = shows
        self._heir: Final = heir
        self._loop: Final = asyncio.get_running_loop()
        self.feed: Final = SharedFeed(self._loop)
        self._waiters: Final = Waiters(self._loop)
        self._inner: AttachedNode | PeerNode = self._new_attached(name)
        self._offer: Offer | None = None
        self._is_between = False
        """Whether no program is known that runs the node."""
        self._is_over = False
        self._finding: asyncio.Task[None] | None = None
        self._asked: dict[int, Sent | None] = {}
        """Lines that were asked for and not answered yet, by their keys; what became of those that
        the last program had taken."""
        self._posting: set[asyncio.Task[None]] = set()
        """Commands that wait for a program."""
        self._shown: dict[int, None] = {}
        """The last lines that the user has seen here, by their ids."""

    def _new_attached(self, name: PeerName) -> AttachedNode:
        return AttachedNode(
            name,
            home=self._home,
            shows=self._shows,
            is_heir=self._heir is not None,
            feed=self.feed,
            ended=self._ended,
        )

    @property
    def inner(self) -> AttachedNode | PeerNode:
        """The node of the program that runs it now, or ran it last."""
        return self._inner

    @property
    def runs_as_service(self) -> bool:
        """Whether the program that runs the node is one that is started again when it ends."""
        inner = self._inner
        return inner.is_service if isinstance(inner, AttachedNode) else self._is_service

    # --- what is known

    @property
    def state(self) -> State:
        """The state now, or the last one while a program is looked for. Raises NotOpen before there
        is one."""
        if isinstance(self._inner, PeerNode) and not self._is_over:
            return self._inner.state
        if isinstance(self._inner, PeerNode):
            raise NotOpen
        if self._is_between and not self._is_over:
            return replace(self._inner.last_state, state=PeerState.SEEKING)
        return self._inner.state

    @property
    def name(self) -> PeerName:
        """The person's name."""
        return self._inner.name

    def people(self) -> tuple[events.Person, ...]:
        """Return everybody in the table, by name."""
        return self._inner.people()

    # --- life

    async def open(self) -> None:
        """Attach to the running program. Raises as `AttachedNode.open`."""
        inner = self._inner
        assert isinstance(inner, AttachedNode)
        try:
            await inner.open()
            page = await inner.request(ReadPage(limit=1))
        except BaseException:
            await self.close(within=0.0)
            raise
        self.feed.newest = max([self.feed.newest, *(line.id for line in page.lines)])

    async def close(self, *, within: float) -> None:
        """Detach, or close the node if this program runs it. `within`: as in `OpenedNode`."""
        self._is_over = True
        if self._finding is not None:
            self._finding.cancel()
        if self._offer is not None:
            await self._offer.end(within=within)
        await self._inner.close(within=within)
        self._end()

    def _end(self) -> None:
        self._is_over = True
        self.feed.receipts.close(is_kept=True)
        self.feed.close()
        self._waiters.wake()

    # --- from one program to the next

    def _ended(self, node: AttachedNode) -> None:
        """Look for the next program: the one that ran this node is gone."""
        if node is self._inner and not (self._is_over or self._is_between):
            self._is_between = True
            self._finding = self._loop.create_task(self._find(node))

    async def _find(self, former: AttachedNode) -> None:
        self.feed.begin_anew(former.last_state)
        until = self._loop.time() + FOUND_WITHIN
        opens_at = self._loop.time() + (SERVICE_BACK_WITHIN if former.is_service else 0.0)
        while self._loop.time() < until:
            try:
                await self._look(former, opens=self._loop.time() >= opens_at)
            except (NotRunning, NotResponding, NotOpen, FolderInUse, PortInUse):
                await asyncio.sleep(LOOK_SPAN)  # nothing tells when another window is ready
            except (ChatAppError, sqlite3.Error, OSError) as error:
                _log.warning("this window cannot go on: %s", error)
                break
            else:
                return
        self.feed.put([events.ProgramEnded(name=self.name)])
        self._end()

    async def _look(self, former: AttachedNode, *, opens: bool) -> None:
        """Attach to the program that runs the node now; if none does, and `opens`, run it here.
        Raises as both."""
        after, state = self.feed.newest, former.last_state
        attached = self._new_attached(self.name)
        try:
            await attached.open()
        except NotRunning as error:
            if self._heir is None or error.reason or not opens:
                raise
            own = await self._opened_here(self._heir, state)
            try:
                await self._catch_up(own, after=after)
            except (ChatAppError, sqlite3.Error) as problem:
                _log.warning("what was said before cannot be read: %s", problem)
            self._go_on(own, state)
            return
        try:
            await self._catch_up(attached, after=after)
        except BaseException:
            await attached.close(within=0.0)
            raise
        self._go_on(attached, state)

    def _go_on(self, node: AttachedNode | PeerNode, former: State) -> None:
        """Use this node from now on. `former`: how the last one stood."""
        self._inner, self._is_between = node, False
        state = node.state
        for room in () if state.is_offline else former.rooms:
            if state.room(room.name) is None:
                node.post(EnterRoom(room=room.name))
        if state.state is not PeerState.SEEKING:
            self.feed.settle(is_away=state.is_server_away)
        self.feed.put([events.ProgramChanged(process=state.process)])
        self._waiters.wake()

    async def _opened_here(self, heir: Heir, former: State) -> PeerNode:
        self._inner = node = await heir.take_over(self.name, former, self.feed)
        if self._shows:
            # not inside of the turn that tells it
            self.feed.repeated = lambda line: self._loop.call_soon(node.shown, [line])
        try:
            self._offer = Offer(_Held(node), is_service=self._is_service)
        except OSError as error:
            _log.warning("other programs cannot attach to this one: %s", error)
        return node

    async def _catch_up(self, node: AttachedNode | PeerNode, *, after: int) -> None:
        """Tell what was said and done since the line with the id `after`, which was told last."""
        for key in list(self._asked):  # what is asked meanwhile waits for the node
            sent = await node.request(FindSent(key=key))
            if sent is not None and key in self._asked:
                self._asked[key] = sent
                self.feed.note_ours(sent)
        await self._tell_new_lines(node, after)
        await self._tell_unshown(node)
        await self._tell_outcomes(node)
        await self._tell_talk(node)
        for talk in (await node.request(ListConversations())).conversations:
            if talk.read:
                read = events.ConversationRead(conversation=talk.conversation, id=talk.read)
                self.feed.put([read])

    async def _tell_new_lines(self, node: AttachedNode | PeerNode, after: int) -> None:
        while lines := (await node.request(ReadPage(after=after, limit=PAGE_MAX))).lines:
            for line in lines:
                self.feed.put(_told(line))
            after = lines[-1].id

    async def _tell_unshown(self, node: AttachedNode | PeerNode) -> None:
        """Tell lines that nobody has shown, and report those that were shown here."""
        if not self._shows:
            return
        lines = (await node.request(ListUnshown(limit=UNSHOWN_MAX))).lines
        self.feed.put([events.MailReturned(lines=tuple(in_senders_order(lines)))])
        node.shown([line for line in lines if line.id in self._shown])

    async def _tell_outcomes(self, node: AttachedNode | PeerNode) -> None:
        for id_, state in self.feed.open_lines():
            for line in (await node.request(ReadAround(id=id_, limit=1))).lines:
                sent = sent_of(line)
                if line.id == id_ and sent.state not in (MessageState.UNSETTLED, state):
                    self.feed.put([changed(sent)])

    async def _tell_talk(self, node: AttachedNode | PeerNode) -> None:
        """Tell what the registry has told the program of our visitor already."""
        talk = (await node.request(ReadTalk())).talk
        if talk is not None:
            self.feed.put([talk.client])
            for line in talk.lines:
                self.feed.put(_told(line))

    async def _present(self) -> AttachedNode | PeerNode:
        """Return the node once a program runs it. Raises NotOpen if none does."""
        while self._is_between and not self._is_over:
            await self._waiters.wait()
        if self._is_over:
            raise NotOpen
        return self._inner

    async def _lost(self, node: AttachedNode | PeerNode) -> None:
        """Take note that a node has not answered; it may be cut off for a moment. Raises NotOpen if
        it is that of this program."""
        if isinstance(node, PeerNode):
            raise NotOpen
        if not await node.comes_back():
            self._ended(node)

    # --- requests

    async def request(self, request: Request[Answer]) -> Answer:
        """Carry out a request and return its answer. One that a program has not answered before its
        end is asked again, unless it may have been carried out and must not be twice: an event says
        so."""
        if isinstance(request, Send):
            return cast("Answer", (await self.send(request)).sent())
        self._note_at_desk(request)
        while True:
            node = await self._present()
            try:
                if isinstance(request, ChangeAtDesk):
                    now = replace(request, id=self.feed.present_id(request.id))
                    return cast("Answer", await node.request(now))
                return await node.request(request)
            except NotOpen:
                await self._lost(node)
                if isinstance(request, AskDesk | SayAtDesk | ChangeAtDesk):
                    line = 0 if isinstance(request, AskDesk) else request.line
                    reason = events.CommandFailure.UNREACHABLE
                    self.feed.put([events.CommandFailed(reason=reason, line=line)])
                    return cast("Answer", None)

    def post(self, command: Command) -> None:
        """Begin a command; between two programs it waits. Raises NotOpen, TextTooLong,
        UnicodeEncodeError."""
        if self._is_over:
            raise NotOpen
        self._note_at_desk(command)
        if not self._is_between:
            with contextlib.suppress(NotOpen):
                self._inner.post(command)
                return
        if not isinstance(command, TellTyping):
            later = self._loop.create_task(self._post_later(command))
            self._posting.add(later)
            later.add_done_callback(self._posting.discard)

    def _note_at_desk(self, request: Request[Any]) -> None:
        """Note that this window shows the line by itself that it asks for."""
        if isinstance(request, SayAtDesk):
            self.feed.note_at_desk(request.line, request.text)
        if isinstance(request, ChangeAtDesk):
            self.feed.note_key(request.line)
            self.feed.note_change(request.id, request.text or "")

    async def _post_later(self, command: Command) -> None:
        with contextlib.suppress(ChatAppError):
            await self.request(command)

    async def send(self, request: Sending) -> Receipt:
        """Send something; return its receipt. Raises as the request."""
        key = request.key or drawn_key()
        self.feed.note_key(key)
        request = replace(request, key=key)
        self._asked[key] = None
        try:
            while True:
                node = await self._present()
                if (sent := self._asked[key]) is not None:
                    return self.feed.receipt(sent)
                try:
                    if isinstance(node, PeerNode):  # our other windows are told of it
                        return await node.send(replace(request, key=0))
                    return await node.send(request)
                except NotOpen:
                    await self._lost(node)
        finally:
            del self._asked[key]

    # --- events

    async def next_events(self) -> list[Event]:
        """Return all that happened since the last call, waiting for something."""
        return await self.feed.next_batch()

    def take_events(self) -> list[Event]:
        """Return the same, without waiting."""
        return self.feed.take()

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they come."""
        return self.feed.listen(listener)

    def shown(self, batch: Sequence[Event]) -> None:
        """Note that the user has seen these events, if we are to decide that."""
        if not self._shows:
            return
        for event in batch:
            lines: Sequence[Any] = ()
            if isinstance(event, Line):
                lines = () if event.visit else (event,)
            elif isinstance(event, events.MailReturned):
                lines = event.lines
            self._shown.update(dict.fromkeys(line.id for line in lines))
        while len(self._shown) > TOLD_MAX:
            del self._shown[next(iter(self._shown))]
        self._inner.shown(batch)


def _told(line: Said) -> list[Event]:
    """Return the events that tell of a line of the history."""
    if not line.is_ours:
        return [line]
    told: list[Event] = [events.SaidByUs(line=replace(line, state=MessageState.UNSETTLED))]
    if line.state is not MessageState.UNSETTLED:
        told.append(changed(sent_of(line)))
    return told
