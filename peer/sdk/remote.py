"""A peer that another program runs, with the interface of `Peer`.

What a property says is the state that the other program told last: it is told before the answers
and events that follow from it. What a method asks goes through the socket.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.codec import decode, encode
from chatapp.peer.api.errors import AlreadyOpen, NotOpen, NotResponding, NotRunning
from chatapp.peer.api.events import Event, MessageState, Said
from chatapp.peer.api.past import DeskTalk
from chatapp.peer.api.state import PeerState
from chatapp.peer.history.unshown import in_senders_order
from chatapp.peer.node.feed import EventFeed, Subscription
from chatapp.peer.node.folders import folder_of
from chatapp.peer.node.keystore import holder_of
from chatapp.peer.node.local import line_id
from chatapp.peer.node.receipts import Receipt, Receipts
from chatapp.peer.rpc.link import RpcLink
from chatapp.peer.rpc.place import connected_socket
from chatapp.peer.rpc.protocol import UNSHOWN_MAX, VERSION, Farewell, RpcError
from chatapp.peer.rpc.shared import Greeting, PeerSnapshot, Sent, Subscribed, TalkPage, Unshown
from chatapp.peer.sdk.remotepast import RemotePast
from chatapp.wire.address import Address
from chatapp.wire.errors import ChatAppError, DecodeError, TextTooLong
from chatapp.wire.folders import default_home
from chatapp.wire.limits import EVENTS_WAITING_MAX, TEXT_MAX
from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.names import PeerName, peer_name

if TYPE_CHECKING:
    from chatapp.peer.api.findings import Finding

ANSWERS_WITHIN: Final = 5.0
"""Seconds after which a program to which we attach counts as one that does not answer. A stopped
one never does."""

_TOLD_MAX: Final = UNSHOWN_MAX + EVENTS_WAITING_MAX
"""Lines told by events that we remember: as many as may wait for their reader, and as many as it
may be busy with."""


class RemoteDesk:
    """As `OperatorDesk`. A time of entry is read from the clock that all programs of this machine
    share."""

    def __init__(self, peer: "RemotePeer") -> None:
        self._peer: Final = peer

    @property
    def client(self) -> str | None:
        """As `OperatorDesk.client`."""
        return self._peer.snapshot.client

    @property
    def visit(self) -> int:
        """As `OperatorDesk.visit`."""
        return self._peer.snapshot.visit

    @property
    def answers(self) -> Mapping[str, str]:
        """As `OperatorDesk.answers`."""
        return self._peer.snapshot.answers

    @property
    def waiting(self) -> int:
        """As `OperatorDesk.waiting`."""
        return self._peer.snapshot.waiting

    @property
    def is_on_duty(self) -> bool:
        """As `OperatorDesk.is_on_duty`."""
        return self._peer.snapshot.is_on_duty

    @property
    def is_operator(self) -> bool:
        """As `OperatorDesk.is_operator`."""
        return self._peer.snapshot.is_operator

    async def talk(self) -> DeskTalk | None:
        """As `OperatorDesk.talk`."""
        found: TalkPage = await self._peer.ask("desk.talk", TalkPage)
        whole = found.talk
        while whole is not None and found.more:
            found = await self._peer.ask("desk.talk", TalkPage, start=len(whole.lines))
            if found.talk is None or found.talk.client.visit != whole.client.visit:
                return await self.talk()  # another visitor came while it was read
            whole = replace(found.talk, lines=(*whole.lines, *found.talk.lines))
        return whole

    async def takes_lines(self, *, entered_at: float) -> bool:
        """As `OperatorDesk.takes_lines`."""
        return bool(await self._peer.ask("desk.takes_lines", bool, entered_at=entered_at))

    def say(
        self,
        text: str,
        *,
        visit: int | None = None,
        entered_at: float | None = None,
        is_maybe: bool = False,
        line: int | None = None,
    ) -> int:
        """As `OperatorDesk.say`."""
        _check_text(text)
        at = _now() if entered_at is None else entered_at
        line = line_id() if line is None else line
        self._peer.post(
            "desk.say", text=text, visit=visit, entered_at=at, is_maybe=is_maybe, line=line
        )
        return line

    def ask(
        self,
        request: OperatorRequest,
        *,
        visit: int | None = None,
        entered_at: float | None = None,
        asks_first: bool = False,
        is_quiet: bool = False,
    ) -> None:
        """As `OperatorDesk.ask`."""
        at = _now() if entered_at is None else entered_at
        told = encode(request, OperatorRequest)
        self._peer.post(
            "desk.ask",
            request=told,
            visit=visit,
            entered_at=at,
            asks_first=asks_first,
            is_quiet=is_quiet,
        )

    async def answered(self) -> None:
        """As `OperatorDesk.answered`."""
        await self._peer.ask("desk.answered", None)

    async def said(self) -> None:
        """As `OperatorDesk.said`."""
        await self._peer.ask("desk.said", None)


class RemoteTrust:
    """As `PeerTrust`."""

    def __init__(self, peer: "RemotePeer") -> None:
        self._peer: Final = peer

    async def number(self, name: str) -> events.SafetyNumber | events.NobodyKnown:
        """As `PeerTrust.number`."""
        answer = events.SafetyNumber | events.NobodyKnown
        found: events.SafetyNumber | events.NobodyKnown = await self._peer.ask(
            "trust.number", answer, name=name
        )
        return found

    async def accept(
        self, name: str, digits: str | None
    ) -> events.Trusted | events.NotTrusted | events.NobodyKnown:
        """As `PeerTrust.accept`."""
        answer = events.Trusted | events.NotTrusted | events.NobodyKnown
        found: events.Trusted | events.NotTrusted | events.NobodyKnown
        found = await self._peer.ask("trust.accept", answer, name=name, digits=digits)
        return found

    async def registry_key(self) -> events.RegistryKey:
        """As `PeerTrust.registry_key`."""
        found: events.RegistryKey = await self._peer.ask("trust.registry_key", events.RegistryKey)
        return found

    async def accept_registry(self, digits: str | None) -> events.Trusted | events.NotTrusted:
        """As `PeerTrust.accept_registry`."""
        answer = events.Trusted | events.NotTrusted
        found: events.Trusted | events.NotTrusted
        found = await self._peer.ask("trust.accept_registry", answer, digits=digits)
        return found

    async def ignore(self, name: str) -> events.Ignored | events.NobodyKnown:
        """As `PeerTrust.ignore`."""
        return await self._ignore("trust.ignore", name)

    async def unignore(self, name: str) -> events.Ignored | events.NobodyKnown:
        """As `PeerTrust.unignore`."""
        return await self._ignore("trust.unignore", name)

    async def _ignore(self, method: str, name: str) -> events.Ignored | events.NobodyKnown:
        answer = events.Ignored | events.NobodyKnown
        found: events.Ignored | events.NobodyKnown = await self._peer.ask(method, answer, name=name)
        return found


class RemotePeer:
    """A peer that another program of this user runs. Made by `Peer.attach`."""

    def __init__(self, name: str, *, home: Path | None = None, shows: bool = True) -> None:
        """As `Peer.attach`."""
        self._name: Final = peer_name(name)
        self._home: Final = home or default_home()
        self._shows: Final = shows
        self._is_opening = False
        self._is_leaving = False
        self._link: RpcLink | None = None
        self._greeting: Greeting | None = None
        self._snapshot: PeerSnapshot | None = None
        self._people: dict[str, events.Person] = {}
        self._feed: EventFeed[Event] | None = None
        self._receipts = Receipts()
        self._last = 0
        """The number of the last event that we have."""
        self._mail: list[Said] = []
        """The beginning of a `MailReturned` of which more is to come."""
        self._given: set[int] = set()
        """Ids of lines that were told as unshown ones, and may be told by an event once more."""
        self._told: dict[int, None] = {}
        """Ids of the lines that events told last, which may be among the unshown ones once more."""
        self._shown: list[dict[str, Any]] = []
        """What was shown while we were cut off: the program learns of it when we come back."""
        self._farewell = ""
        """Why the program closed the last connection, if it said so."""
        self._is_behind = False
        """Whether we take no events now: their reader has to catch up first."""
        self._coming_back: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self.past: Final = RemotePast(self)
        """What was said."""
        self.desk: Final = RemoteDesk(self)
        """What an operator of the help desk asks for."""
        self.trust: Final = RemoteTrust(self)
        """Keys, and whom to ignore."""

    # --- what the other program has told

    @property
    def snapshot(self) -> PeerSnapshot:
        """The state that the other program told last. Raises NotOpen for a peer that was never
        open."""
        if self._snapshot is None:
            raise NotOpen
        return self._snapshot

    @property
    def greeting(self) -> Greeting:
        """What the other program said of itself. Raises NotOpen for a peer that was never open."""
        if self._greeting is None:
            raise NotOpen
        return self._greeting

    @property
    def name(self) -> PeerName:
        """As `Peer.name`."""
        return self._name if self._snapshot is None else PeerName(self._snapshot.name)

    @property
    def server(self) -> Address:
        """As `Peer.server`. Raises NotOpen for a peer that was never open."""
        return self.greeting.server

    @property
    def servers(self) -> tuple[Address, ...]:
        """As `Peer.servers`. Raises NotOpen for a peer that was never open."""
        return self.greeting.servers

    @property
    def address(self) -> Address:
        """As `Peer.address`. Raises NotOpen for a peer that was never open."""
        return self.greeting.address

    @property
    def port(self) -> int:
        """As `Peer.port`. Raises NotOpen for a peer that was never open."""
        return self.greeting.port

    @property
    def process(self) -> int:
        """The number of the process that runs the peer. Raises NotOpen for a peer that was never
        open."""
        return self.greeting.process

    @property
    def server_key(self) -> str:
        """As `Peer.server_key`. Raises NotOpen for a peer that was never open."""
        return self.snapshot.server_key

    @property
    def folder(self) -> Path:
        """As `Peer.folder`."""
        return (
            folder_of(self._home, self._name) if self._greeting is None else self._greeting.folder
        )

    @property
    def room(self) -> str | None:
        """As `Peer.room`."""
        return self.snapshot.room

    @property
    def state(self) -> PeerState:
        """As `Peer.state`."""
        return PeerState.CLOSED if self._link is None else self.snapshot.state

    @property
    def is_sending(self) -> bool:
        """As `Peer.is_sending`."""
        return self.snapshot.is_sending

    @property
    def sending_try(self) -> tuple[int, int]:
        """As `Peer.sending_try`, up to half a second ago."""
        return self.snapshot.sending_try

    @property
    def is_offline(self) -> bool:
        """As `Peer.is_offline`."""
        return self.snapshot.is_offline

    @property
    def is_server_away(self) -> bool:
        """As `Peer.is_server_away`."""
        return self.snapshot.is_server_away

    @property
    def in_reach(self) -> int:
        """As `Peer.in_reach`."""
        return self.snapshot.in_reach

    def members(self) -> tuple[events.Person, ...]:
        """As `Peer.members`."""
        return self.snapshot.members

    def people(self) -> tuple[events.Person, ...]:
        """As `Peer.people`."""
        if self._snapshot is None:
            raise NotOpen
        return tuple(sorted(self._people.values(), key=lambda person: person.name))

    # --- life

    async def __aenter__(self) -> Self:
        """As `Peer`."""
        await self.open()
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Detach."""
        await self.close()

    async def open(self) -> None:
        """Attach to the running program. Raises AlreadyOpen, NotRunning, NotResponding, NotOpen if
        it ends meanwhile, OSError."""
        if self._link is not None or self._is_opening:
            raise AlreadyOpen
        self._is_opening = True
        self._feed = EventFeed(asyncio.get_running_loop(), has_room=self._catch_up)
        self._receipts = Receipts()
        self._people, self._mail, self._given, self._last = {}, [], set(), 0
        self._told, self._shown = {}, []
        self._is_leaving = self._is_behind = False
        try:
            await self._attach(resume=None)
        finally:
            self._is_opening = False

    async def ready(self) -> None:
        """As `Peer.ready`."""
        await self.ask("ready", None)

    async def close(self, *, within: float = 1.0) -> None:
        """Detach; the other program goes on. `within`: seconds to wait until what was asked last is
        on its way."""
        self._is_leaving = True
        for task in (self._coming_back, self._catching_up):
            if task is not None:
                task.cancel()
        if (link := self._link) is not None:
            with contextlib.suppress(TimeoutError, NotOpen):
                async with asyncio.timeout(within):
                    await link.call("state", {})
            link.close()
        self._end()

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
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                raw = await link.call("hello", {"protocol": VERSION})
            greeting: Greeting = decode(raw, Greeting, "hello")
            self._greeting, self._link = greeting, link
            if self._snapshot is None or resume is None:
                self._snapshot = greeting.state
            self._is_behind = self._any_feed().is_full
            self._report_shown()
            async with asyncio.timeout(ANSWERS_WITHIN):
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

    async def _subscribe(self, resume: tuple[str, int] | None) -> bool:
        """Have events told from now on, or from the last one that we have. Returns whether others
        are lost."""
        params: dict[str, Any] = {} if resume is None else {"run": resume[0], "after": resume[1]}
        if self._link is None:
            raise NotOpen
        raw = await self._link.call("subscribe", params, answered=self._begin_after)
        subscribed: Subscribed = decode(raw, Subscribed, "subscribe")
        return subscribed.missed

    def _begin_after(self, raw: Any) -> None:
        """Take the number after which events are told, before any other line is taken."""
        with contextlib.suppress(DecodeError):
            subscribed: Subscribed = decode(raw, Subscribed, "subscribe")
            if not subscribed.missed:
                self._last = max(self._last, subscribed.after)
                return
            self._last = subscribed.after
            self._mail = []
            self._receipts.close(is_kept=True)
            self._receipts = Receipts()
            self._put([events.EventsMissed()])

    async def unshown(self, after: int = 0, limit: int = 100) -> list[Said]:
        """As `Peer.unshown`."""
        lines: list[Said] = []
        has_more = True
        while has_more and len(lines) < limit:
            found: Unshown = await self.ask(
                "unshown", Unshown, after=lines[-1].id if lines else after
            )
            lines += found.lines
            has_more = found.more
        return lines[:limit]

    async def _take_unshown(self) -> None:
        """Tell what nobody has shown, except lines that events have told: their reader may not be
        done with them."""
        if not self._shows:
            return
        found = await self.unshown(limit=UNSHOWN_MAX)
        lines = [line for line in self._new(found) if line.id not in self._told]
        if lines:
            self._given.update(line.id for line in lines)
            self._put([events.MailReturned(lines=tuple(in_senders_order(lines)))])

    def _link_lost(self, link: RpcLink) -> None:
        """Come back once: the program may have cut us because we were slow."""
        if link is not self._link:
            return
        self._link = None
        if self._is_leaving or self._is_opening or self._greeting is None:
            return
        self._coming_back = asyncio.get_running_loop().create_task(
            self._come_back_to(self._greeting.run)
        )

    async def _come_back_to(self, run: str) -> None:
        try:
            await self._attach(resume=(run, self._last))
        except (ChatAppError, OSError):
            self._put([events.ProgramEnded(name=self.name)])
            self._end()

    def _end(self) -> None:
        self._link = None
        self._receipts.close(is_kept=True)
        if self._feed is not None:
            self._feed.close()

    # --- requests

    async def ask(self, method: str, answer: Any, **params: Any) -> Any:
        """Call a method of the protocol; return its result, a value of the type `answer`. Raises
        NotOpen, and what the method raises."""
        if self._link is None:
            raise NotOpen
        return decode(await self._link.call(method, params), answer or type(None), method)

    def post(self, method: str, **params: Any) -> None:
        """Call a method that has no result. Raises NotOpen."""
        if self._link is None:
            raise NotOpen
        self._link.post(method, params)

    async def send(self, to: str, text: str) -> Receipt:
        """As `Peer.send`."""
        _check_text(text)
        return await self._sent("send", to=to, text=text)

    async def send_all(self, text: str) -> Receipt:
        """As `Peer.send_all`."""
        _check_text(text)
        return await self._sent("send_all", text=text)

    async def say(self, text: str) -> Receipt:
        """As `Peer.say`."""
        _check_text(text)
        return await self._sent("say", text=text)

    async def _sent(self, method: str, **params: str) -> Receipt:
        """Call a method that sends. The receipt is there before the next event is taken, which may
        be about it."""
        receipts: list[Receipt] = []
        if self._link is None:
            raise NotOpen
        await self._link.call(
            method,
            params,
            answered=lambda raw: receipts.append(self._receipt(decode(raw, Sent, method))),
        )
        return receipts[0]

    def _receipt(self, sent: Sent) -> Receipt:
        if not sent.id:
            receipt = Receipt(sent.conversation, sent.id)
            receipt.settle(sent.state, sent.reason, through_server=sent.through_server)
            return receipt
        receipt = self._receipts.open(sent.conversation, sent.id)
        if sent.state is not MessageState.UNSETTLED:
            changed = events.MessageChanged(
                conversation=sent.conversation,
                id=sent.id,
                state=sent.state,
                reason=sent.reason,
                through_server=sent.through_server,
            )
            self._receipts.note(changed)
        return receipt

    def typing(self, to: str) -> None:
        """As `Peer.typing`."""
        self.post("typing", to=to)

    async def settled(self) -> None:
        """As `Peer.settled`."""
        await self.ask("settled", None)

    def enter_room(self, room: str) -> None:
        """As `Peer.enter_room`."""
        self.post("enter_room", room=room)

    def leave_room(self) -> None:
        """As `Peer.leave_room`."""
        self.post("leave_room")

    def set_topic(self, text: str) -> None:
        """As `Peer.set_topic`."""
        self.post("set_topic", text=text)

    def show_topic(self) -> None:
        """As `Peer.show_topic`."""
        self.post("show_topic")

    async def room_settled(self) -> None:
        """As `Peer.room_settled`."""
        await self.ask("room_settled", None)

    def list_rooms(self) -> None:
        """As `Peer.list_rooms`."""
        self.post("list_rooms")

    async def rooms(self) -> tuple[events.Room, ...]:
        """As `Peer.rooms`."""
        found: tuple[events.Room, ...] = await self.ask("rooms", tuple[events.Room, ...])
        return found

    def rename(self, new: str) -> None:
        """As `Peer.rename`."""
        self.post("rename", new=new)

    def leave(self) -> None:
        """As `Peer.leave`: the other program goes offline."""
        self.post("leave")

    async def left(self) -> None:
        """As `Peer.left`."""
        await self.ask("left", None)

    def release(self) -> None:
        """As `Peer.release`."""
        self.post("release")

    async def released(self) -> None:
        """As `Peer.released`."""
        await self.ask("released", None)

    def come_back(self) -> None:
        """As `Peer.come_back`."""
        self.post("come_back")

    async def examine(self, name: str | None = None) -> "list[Finding]":
        """As `Peer.examine`."""
        from chatapp.peer.api.findings import Finding

        found: list[Finding] = await self.ask("examine", list[Finding], name=name)
        return found

    # --- events

    def events(self) -> AsyncGenerator[Event, None]:
        """As `Peer.events`."""
        return self._any_feed().read(self.events_shown)

    def subscribe(self) -> Subscription[Event]:
        """As `Peer.subscribe`."""
        return self._any_feed().subscribe()

    async def next_events(self) -> list[Event]:
        """As `Peer.next_events`."""
        return await self._any_feed().next_batch()

    def take_events(self) -> list[Event]:
        """As `Peer.take_events`."""
        return self._any_feed().take()

    def events_shown(self, batch: Sequence[Event]) -> None:
        """As `Peer.events_shown`, if we are to decide what was shown."""
        if not self._shows:
            return
        ids: list[int] = []
        for event in batch:
            match event:
                case events.Said():
                    ids.append(event.id)
                case events.MailReturned(lines=lines):
                    ids += [line.id for line in lines]
                case events.ClientSaid(visit=visit, position=position):
                    self._shown.append({"visit": visit, "position": position})
                case _:
                    pass
        if ids:
            self._shown.append({"ids": ids})
        self._report_shown()

    def _report_shown(self) -> None:
        """Tell the program what was shown; keep it for later while we are cut off."""
        try:
            while self._shown:
                self.post("shown", **self._shown[0])
                del self._shown[0]
        except NotOpen:
            if self._is_leaving or self._feed is None or self._feed.is_closed:
                self._shown = []  # we do not come back

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """As `Peer.listen`."""
        return self._any_feed().listen(listener)

    def _any_feed(self) -> EventFeed[Event]:
        if self._feed is None:
            raise NotOpen
        return self._feed

    # --- what comes in

    def _noticed(self, method: str, params: dict[str, Any]) -> None:
        """Take a notification. One that a later version of the program may send is left out."""
        with contextlib.suppress(DecodeError):
            match method:
                case "event":
                    self._take_event(params)
                case "state":
                    self._snapshot = decode(params, PeerSnapshot, "state")
                case "people":
                    self._take_people(params)
                case "bye":
                    self._farewell = str(params.get("reason"))
                case _:
                    pass

    def _take_event(self, params: dict[str, Any]) -> None:
        number = decode(params.get("number"), int, "number")
        is_next = number == self._last + 1 and not self._is_behind
        if is_next:
            self._last = number  # even if we do not know this kind of event: others follow it
        event: Event = decode(params.get("event"), Event, "event")
        self._receipts.note_all([event])
        if not is_next:
            return  # what we do not take now is told again when we subscribe again
        if isinstance(event, events.MailReturned):
            self._mail += event.lines
            if params.get("more") is True:
                return
            event, self._mail = events.MailReturned(lines=self._new(self._mail)), []
            if not event.lines:
                return
            self._note_told(event.lines)
        elif isinstance(event, Said):
            if not self._new([event]):
                return
            self._note_told([event])
        self._put([event])

    def _note_told(self, lines: Iterable[Said]) -> None:
        self._told.update((line.id, None) for line in lines)
        while len(self._told) > _TOLD_MAX:
            del self._told[next(iter(self._told))]

    def _new(self, lines: Iterable[Said]) -> tuple[Said, ...]:
        """Return the lines that were not told yet."""
        return tuple(line for line in lines if line.id not in self._given)

    def _take_people(self, params: dict[str, Any]) -> None:
        people: list[events.Person] = decode(params.get("people"), list[events.Person], "people")
        gone: list[str] = decode(params.get("gone"), list[str], "gone")
        if params.get("is_all") is True:
            self._people = {}
        for person in people:
            self._people[person.name] = person
        for name in gone:
            self._people.pop(name, None)

    def _put(self, events: Sequence[Event]) -> None:
        feed = self._any_feed()
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
            if await self._subscribe((self.greeting.run, self._last)):
                await self._take_unshown()
        except NotOpen:
            pass  # whoever comes back asks again
        except (ChatAppError, sqlite3.Error):
            if link is not None:
                link.close()


def _check_text(text: str) -> None:
    """Raises TextTooLong, UnicodeEncodeError."""
    size = len(text.encode())
    if size > TEXT_MAX:
        raise TextTooLong(size, TEXT_MAX)


def _now() -> float:
    return asyncio.get_running_loop().time()
