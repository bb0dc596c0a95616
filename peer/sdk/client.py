"""The SDK: a peer as a program uses it. The faces use it, too.

    async with Peer("alice", ("192.0.2.1", 5000)) as me:
        receipt = await me.send("bob", "hi")
        print(await receipt.settled())
        async for event in me.events(): ...

A method that needs an open peer raises NotOpen on one that is closed. Requests go to the core of
the open node (`peer.node.local`); what comes of them is told by events (`peer.api.events`).
"""

import contextlib
from asyncio import timeout
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, assert_never

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.errors import (
    AlreadyOpen,
    NameTaken,
    NotAdmitted,
    NotAnswered,
    NotLetIn,
    NotOpen,
    OtherRegistry,
    ServerUnreachable,
)
from chatapp.peer.api.events import Event, Said
from chatapp.peer.api.past import DeskTalk
from chatapp.peer.api.state import PeerState
from chatapp.peer.core.context import LookUp, RegistryReach
from chatapp.peer.core.desk.operator import VisitTarget
from chatapp.peer.core.registry.session import State
from chatapp.peer.node.driver import resolved
from chatapp.peer.node.feed import EventFeed, Subscription
from chatapp.peer.node.folders import folder_of
from chatapp.peer.node.keystore import NameHasKeys
from chatapp.peer.node.local import PeerNode, line_id
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.sdk.past import Past
from chatapp.wire.address import Address, ServerSpec, server_name, servers_of
from chatapp.wire.admission import JoinCode
from chatapp.wire.aio.machine import THIS_MACHINE, Machine
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import AddressRefused
from chatapp.wire.folders import default_home
from chatapp.wire.identity import require_fingerprint
from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.names import PeerName, is_same_name, person_name

if TYPE_CHECKING:
    from chatapp.peer.api.findings import Finding
    from chatapp.peer.sdk.remote import RemotePeer


class OperatorDesk:
    """The help desk, as one of its operators uses it. Every method raises NotOpen.

    A request about a visitor names the visit (`visit`, as ClientCame gave it) or the time at which
    the operator typed it (`entered_at`, by the clock of the event loop; without either, now). A
    request with a time is for the visitor whom the operator saw on the screen then. Where that is
    not clear, the request is held back, and HeldBack says so."""

    def __init__(self, open_node: Callable[[], PeerNode]) -> None:
        """`open_node` raises NotOpen while there is none."""
        self._open_node: Final = open_node

    @property
    def client(self) -> str | None:
        """The name of the visitor whom we serve."""
        return self._open_node().core.desk.client

    @property
    def visit(self) -> int:
        """The number of the visit of the visitor whom we serve; 0 for nobody."""
        return self._open_node().core.desk.visit

    @property
    def is_operator(self) -> bool:
        """Whether the registry counts us among its operators."""
        return self._open_node().core.desk.is_listed

    @property
    def is_on_duty(self) -> bool:
        """Whether visitors may be given to us."""
        return self._open_node().core.desk.is_on

    @property
    def waiting(self) -> int:
        """How many wait in our queue, while we are on duty."""
        return self._open_node().core.desk.waiting

    @property
    def answers(self) -> Mapping[str, str]:
        """The ready answers of the desk, by their short word."""
        return self._open_node().core.desk.answers

    async def talk(self) -> DeskTalk | None:
        """Return the form of the visitor whom we serve, and what was said so far, the newest 1,000
        lines; None for nobody."""
        node = self._open_node()
        return node.core.desk.talk(node.name)

    async def takes_lines(self, *, entered_at: float) -> bool:
        """Whether text typed at this time (by the clock of the event loop) is for a visitor, even
        one who has just left."""
        return self._open_node().core.desk.takes_lines(entered_at=entered_at)

    def say(
        self,
        text: str,
        *,
        visit: int | None = None,
        entered_at: float | None = None,
        is_maybe: bool = False,
        line: int | None = None,
    ) -> int:
        """Say a line to our visitor, and return the id by which `CommandFailed` or `HeldBack` names
        it if it reaches nobody: `line`, if the caller has drawn one by `line_id`. `is_maybe`: the
        line would mean something else if we served nobody. Raises TextTooLong,
        UnicodeEncodeError."""
        node = self._open_node()
        now = node.driver.now()
        target = self._target(node, visit, entered_at)._replace(is_maybe=is_maybe)
        line = line_id() if line is None else line
        node.core.desk.say(text, target, now=now, line=line)
        node.driver.schedule()
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
        """Ask for something, such as `TakeDuty(0, "")`; events tell what comes of it. The reference
        and the visit of the request are filled in here. A `DropVisitor` or `MoveVisitor` without a
        visit means the visitor who had its number when the waiting room was last shown.
        `asks_first`: a CallNext that would end a session in which the visitor has said nothing is
        answered by NothingSaid, once. `is_quiet`: the answer to a ShowRoom, ShowFigures or ShowPast
        is for this program alone; other programs of the peer do not show it."""
        node = self._open_node()
        target = self._target(node, visit, entered_at)._replace(
            asks_first=asks_first, is_quiet=is_quiet
        )
        node.core.desk.ask(request, target)
        node.driver.schedule()

    async def answered(self) -> None:
        """Wait until every request is answered, and the events that follow from it have been
        told."""
        await self._open_node().until(lambda core: core.desk.commands.is_answered)

    async def said(self) -> None:
        """Wait until our lines to the visitor are under way: a request to end the session would
        overtake them."""
        await self._open_node().until(lambda core: core.desk.is_said)

    @staticmethod
    def _target(node: PeerNode, visit: int | None, entered_at: float | None) -> VisitTarget:
        return VisitTarget(visit, node.driver.now() if entered_at is None else entered_at)


class PeerTrust:
    """Keys and whom to ignore: what the user decides about others. Every method raises NotOpen. A
    name that nobody bears here is answered with `NobodyKnown`."""

    def __init__(self, open_node: Callable[[], PeerNode]) -> None:
        """`open_node` raises NotOpen while there is none."""
        self._open_node: Final = open_node

    async def number(self, name: str) -> events.SafetyNumber | events.NobodyKnown:
        """Return the 60 digits to compare with theirs, side by side or over another medium."""
        return self._open_node().core.roster.trust.number(name)

    async def accept(
        self, name: str, digits: str | None
    ) -> events.Trusted | events.NotTrusted | events.NobodyKnown:
        """Trust the key of this name, if it is still the one whose safety number has these 60
        digits. What was on its way to the earlier key is sent to this one."""
        node = self._open_node()
        answer = node.core.roster.trust.accept(name, digits, now=node.driver.now())
        node.driver.schedule()
        return answer

    async def registry_key(self) -> events.RegistryKey:
        """Return the fingerprint of the registry's key, and of one that answers in its place."""
        return self._open_node().core.registry.trust.key()

    async def accept_registry(self, digits: str | None) -> events.Trusted | events.NotTrusted:
        """Trust the registry whose key has this fingerprint: the one that we know, or one that
        answers in its place."""
        node = self._open_node()
        answer = node.core.registry.trust.accept(digits, now=node.driver.now())
        node.driver.schedule()
        return answer

    async def ignore(self, name: str) -> events.Ignored | events.NobodyKnown:
        """Show none of their messages from now on. They are acknowledged and stored as before."""
        return self._ignore(name, is_ignored=True)

    async def unignore(self, name: str) -> events.Ignored | events.NobodyKnown:
        """Show their messages again."""
        return self._ignore(name, is_ignored=False)

    def _ignore(self, name: str, *, is_ignored: bool) -> events.Ignored | events.NobodyKnown:
        node = self._open_node()
        answer = node.core.roster.trust.ignore(name, is_ignored=is_ignored)
        node.driver.schedule()
        return answer


class Peer:
    """One peer. It may be opened again after it was closed."""

    def __init__(
        self,
        name: str,
        server: ServerSpec,
        *,
        port: int = 0,
        home: Path | None = None,
        policy: Policy | None = None,
        room: str | None = None,
        code: str | None = None,
        registry_key: str | None = None,
        announced_key: str | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """`server`: the registry's host (an IP address or a name) and port; its key is remembered
        under what is given here. A registry with several servers: a list of them, or a text
        (`"a:5000,b:5001"`); the peer goes to whichever answers. `port`: our UDP port, 0 for any.
        `room`: the room to enter at the start. `code`: a join code, where newcomers need one.
        `registry_key`: the fingerprint that the registry's key must have. `announced_key`: the one
        that a stranger has announced for it, which must be proved at a first contact; it replaces
        no known key. `machine`: where the peer runs.

        Raises
        ------
        NameRefused, AddressRefused, CodeRefused, KeyRefused."""
        self._name = person_name(name)
        """Our name while the peer is not open; while it is, the node knows it."""
        self._servers: Final = servers_of(server)
        self._registry_key = None if registry_key is None else require_fingerprint(registry_key)
        self._announced_key: Final = (
            None if announced_key is None else require_fingerprint(announced_key)
        )
        self._port: Final = port
        self._home: Final = home or default_home()
        self._policy: Final = policy or Policy()
        self._room: Final = room
        self._code: Final = JoinCode(code) if code else None
        self._machine: Final = machine
        self._is_opening = False
        self._node: PeerNode | None = None
        """The open node; None while the peer is closed."""
        self._feed: EventFeed[Event] | None = None
        """The events of the present opening, else of the last one."""
        self._shown_listeners: list[Callable[[Sequence[Said]], None]] = []
        self._has_been_ready = False
        """Whether we were with the registry, or found it away, since the start or the last
        return."""
        self.desk: Final = OperatorDesk(self._open_node)
        """What an operator of the help desk asks for."""
        self.trust: Final = PeerTrust(self._open_node)
        """Keys, and whom to ignore."""
        self.past: Final = Past(self._open_node)
        """What was said."""

    def __repr__(self) -> str:
        return f"<Peer {self.name!r} at {server_name(*self.server)}: {self.state.name}>"

    def _open_node(self) -> PeerNode:
        if self._node is None:
            raise NotOpen
        return self._node

    @property
    def name(self) -> PeerName:
        """Our name; another one after a change of it."""
        return self._name if self._node is None else self._node.name

    @property
    def server(self) -> Address:
        """The host and port of the registry's server in use, as they were given; of the first one
        while the peer is not open."""
        return self._servers[0] if self._node is None else self._node.server

    @property
    def servers(self) -> tuple[Address, ...]:
        """The hosts and ports of the registry's servers, as they were given."""
        return self._servers

    @property
    def address(self) -> Address:
        """The registry's IP address and port. Raises NotOpen."""
        return self._open_node().address

    @property
    def port(self) -> int:
        """Our UDP port. Raises NotOpen."""
        return self._open_node().driver.port

    @property
    def server_key(self) -> str:
        """The digits of the fingerprint of the registry's key that we hold; empty without one.
        Raises NotOpen."""
        return self._open_node().core.registry.trust.digits

    @property
    def folder(self) -> Path:
        """The folder with our keys and messages."""
        return folder_of(self._home, self._name) if self._node is None else self._node.keys.folder

    # --- life

    async def __aenter__(self) -> Self:
        """Open, and wait as `ready` does. Raises what `open` and `ready` raise, after closing the
        peer again."""
        await self.open()
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave and close."""
        await self.close()

    async def open(self) -> None:
        """Find the server, bind, lock, load and begin to register. Raises AlreadyOpen,
        ServerUnreachable, PortInUse, FolderInUse, BrokenKeyFile, OtherKey, sqlite3.Error, OSError;
        then nothing is left open."""
        if self._node is not None or self._is_opening:
            raise AlreadyOpen
        self._is_opening = True
        try:
            addresses = await resolved(self._servers)
            node = PeerNode(
                self._name,
                self._servers,
                addresses,
                registry_key=self._registry_key,
                announced_key=self._announced_key,
                port=self._port,
                home=self._home,
                policy=self._policy,
                machine=self._machine,
            )
        except AddressRefused as error:
            raise ServerUnreachable(str(error)) from error
        finally:
            self._is_opening = False
        # The feed is a new one: what an earlier opening left unshown is in the history and is given
        # again from there.
        self._node, self._feed = node, node.feed
        self._has_been_ready = False
        if self._code is not None:
            # It is not too late: REGISTER is sent after the first answer, which nobody has read
            # yet.
            node.core.registry.use_code(self._code)
        if self._room is not None:
            self.enter_room(self._room)

    async def ready(self) -> None:
        """Wait until all that the registry had for us is here and we are in the room that we asked
        for, or until the registry is known not to answer. After that, a registry that is being
        looked for again delays nobody. Raises NotOpen, NameTaken, NotAdmitted, OtherRegistry."""
        node = self._open_node()
        if not self._has_been_ready:
            await node.until(lambda core: core.is_ready or core.not_let_in is not None)
        core = node.core
        if core.not_let_in is not None and not (
            self._has_been_ready and core.state is not State.REFUSED
        ):
            raise _refusal(core.not_let_in)
        self._has_been_ready = True
        await self.room_settled()

    async def close(self, *, within: float = 1.0) -> None:
        """Leave, waiting at most `within` seconds for the registry's answer, and let go of
        everything."""
        if (node := self._node) is None:
            return
        try:
            if node.core.state is State.REGISTERED:
                self.leave()
                with contextlib.suppress(
                    TimeoutError, NotOpen
                ):  # another task may close it meanwhile
                    async with timeout(within):
                        await self.left()
        finally:
            node.core.rooms.forget()  # only now is it known which lines have been told there
            node.close()
            if self._node is node:
                self._name, self._registry_key, self._node = node.name, node.registry_key, None
        await node.driver.closed()

    # --- messages

    async def send(self, to: str, text: str) -> Receipt:
        """Send a message to one person. A name that nobody bears is refused in the receipt once the
        registry says so; while it is away, the message is kept. Raises TextTooLong,
        UnicodeEncodeError, NotOpen."""
        node = self._node
        if node is None:
            raise NotOpen
        driver, receipts = node.driver, node.receipts
        if node.commits.is_full:
            return self._refuse(person(to), events.MessageReason.OWN_DISK)
        begun, asked_at = node.core.direct.send_to_known(to, text, now=driver.now()), None
        while begun is None:
            now = driver.now()
            found = node.core.direct.look_up(to, now=now)
            if found is LookUp.ASKING:
                # The question goes out now, or once the registry is found.
                if node.core.reach is not asked_at:
                    asked_at = node.core.reach
                    driver.schedule()
                await node.turn()
            elif found is LookUp.KNOWN:
                begun = node.core.direct.send(to, text, now=now)
            elif found is LookUp.UNANSWERED:
                begun = node.core.direct.keep(to, text, now=now)
            else:
                return self._refuse(person(to), _WHY_NOT[found])
        receipt = receipts.open(begun.conversation, begun.id)
        if receipts.is_alone:
            driver.hasten()
        elif not driver.is_turn_due:
            driver.schedule()  # shares its datagram with what is said right after it
        return receipt

    def typing(self, to: str) -> None:
        """Tell a person that a message to them is being written. Call it whenever the text changes:
        it is sent at most every 3 seconds, only to a person with whom we share a session, and
        nothing is stored. Raises NotOpen."""
        node = self._open_node()
        node.core.direct.send_typing(to, now=node.driver.now())
        node.driver.schedule()

    async def send_all(self, text: str) -> Receipt:
        """Send a line to the channel. Raises TextTooLong, UnicodeEncodeError, NotOpen."""
        node = self._open_node()
        if node.commits.is_full:
            return self._refuse(EVERYBODY, events.MessageReason.OWN_DISK)
        begun = node.core.rooms.say_to_all(text, now=node.driver.now())
        node.driver.schedule()
        return node.receipts.open(begun.conversation, begun.id)

    async def say(self, text: str) -> Receipt:
        """Send a line to the room where we are; outside any room it is refused. Raises as
        `send_all`."""
        node = self._open_node()
        if node.commits.is_full:
            return self._refuse(
                room(self.room) if self.room else EVERYBODY, events.MessageReason.OWN_DISK
            )
        begun = node.core.rooms.say(text, now=node.driver.now())
        node.driver.schedule()
        if begun is not None:
            return node.receipts.open(begun.conversation, begun.id)
        receipt = Receipt(EVERYBODY, 0)
        receipt.settle(events.MessageState.REFUSED, events.MessageReason.NOT_IN_ROOM)
        return receipt

    async def settled(self) -> None:
        """Wait until every message of ours is delivered, saved, kept or refused. Raises NotOpen."""
        await self._open_node().until(lambda core: core.is_settled)

    @property
    def is_sending(self) -> bool:
        """Whether a message of ours is under way. When that changes, there is an event. Raises
        NotOpen."""
        return self._open_node().core.is_sending

    @property
    def sending_try(self) -> tuple[int, int]:
        """How often the direct message that is under way longest was sent (0: none is), and how
        often one is sent at most before it takes another way. No event tells of a further try.
        Raises NotOpen."""
        return self._open_node().core.direct.sending_try, self._policy.tries

    def _refuse(self, conversation: Conversation, reason: events.MessageReason) -> Receipt:
        receipt = Receipt(conversation, 0)
        receipt.settle(events.MessageState.REFUSED, reason)
        refused = events.MessageChanged(
            conversation=conversation, id=0, state=events.MessageState.REFUSED, reason=reason
        )
        self._open_node().tell([refused])
        return receipt

    # --- rooms

    @property
    def room(self) -> str | None:
        """The room where we are, as its creator spelled it. Raises NotOpen."""
        room = self._open_node().core.rooms.room
        return room.room if room is not None else None

    def enter_room(self, room: str) -> None:
        """Ask to be in this room and in no other; `EnteredRoom` or `RoomEntryDenied` follows.
        Raises NotOpen."""
        node = self._open_node()
        node.core.rooms.enter(room, now=node.driver.now())
        node.driver.schedule()

    def leave_room(self) -> None:
        """Leave the room; `LeftRoom` follows, or `NotInRoom`. Raises NotOpen."""
        node = self._open_node()
        node.core.rooms.leave(now=node.driver.now())
        node.driver.schedule()

    def set_topic(self, text: str) -> None:
        """Set the topic of the room where we are; an empty text clears it. `TopicKnown` follows, or
        `TopicNotSet`, or `NotInRoom`. Raises NotOpen."""
        node = self._open_node()
        node.core.rooms.topic.ask(text, now=node.driver.now())
        node.driver.schedule()

    def show_topic(self) -> None:
        """Have the topic of the room told; `TopicKnown` follows, or `TopicUnknown`, or `NotInRoom`.
        Raises NotOpen."""
        node = self._open_node()
        node.core.rooms.topic.show()
        node.driver.schedule()

    async def room_settled(self) -> None:
        """Wait until it is known and told in which room we are: the registry has answered, or is
        not waited for any more. Raises NotOpen."""
        await self._open_node().until(
            lambda core: core.rooms.is_settled or core.state is State.REFUSED
        )

    def list_rooms(self) -> None:
        """Ask which rooms there are; `RoomsKnown` follows, at the latest when the registry is found
        or known to be away. Raises NotOpen."""
        node = self._open_node()
        node.core.rooms.room_list.ask(now=node.driver.now())
        node.driver.schedule()

    async def rooms(self) -> tuple[events.Room, ...]:
        """Return the rooms that somebody is in, by name. Waits while the registry is being looked
        for. Raises NotOpen, and NotAnswered when the registry is away or silent."""
        node = self._open_node()
        self.list_rooms()
        await node.until(lambda core: core.rooms.room_list.pending is None)
        answer = node.core.rooms.room_list.answer
        if isinstance(answer, tuple):
            return answer
        raise NotAnswered(answer or events.NoAnswer.UNANSWERED)

    def members(self) -> tuple[events.Person, ...]:
        """Return everybody in the room where we are, ourselves included, by name. Raises
        NotOpen."""
        return self._open_node().core.rooms.recipients.people()

    @property
    def in_reach(self) -> int:
        """How many other members of the room a line of ours would reach now. Raises NotOpen."""
        return self._open_node().core.rooms.recipients.in_reach

    # --- people and the registry

    def people(self) -> tuple[events.Person, ...]:
        """Return everybody in the table, by name. Raises NotOpen."""
        return self._open_node().core.people()

    def rename(self, new: str) -> None:
        """Ask for another name; `Renamed`, `NameUnavailable` or `RenameFailed` follows. Raises
        NotOpen."""
        node = self._open_node()
        refused = (
            self._mark(node, new) if node.core.registry.renaming.refusal_of(new) is None else None
        )
        if refused is not None:
            node.tell([refused])
            return
        node.core.registry.renaming.request(new, now=node.driver.now())
        node.driver.schedule()

    @staticmethod
    def _mark(node: PeerNode, new: str) -> events.NameUnavailable | events.RenameFailed | None:
        """Note on disk that we are about to ask for this name. Return why we cannot, if so."""
        try:
            node.keys.mark(new)
        except NameHasKeys:
            # Several people may share a machine. That a name is taken tells the user more than
            # where its keys are.
            if any(is_same_name(person.name, new) for person in node.core.people()):
                return events.NameUnavailable(name=new)
            return events.RenameFailed(
                name=new, reason=events.RenameRefusal.KEYS_EXIST, detail=str(node.keys.folder)
            )
        except OSError as error:
            detail = f"{error.filename or node.keys.folder}: {error.strerror or error}"
            return events.RenameFailed(
                name=new, reason=events.RenameRefusal.OWN_DISK, detail=detail
            )
        return None

    def release(self) -> None:
        """Give up our name, so that anybody may take it; our mail at the registry is deleted.
        `NameReleased` follows, and we are offline then, or `ReleaseFailed`. Raises NotOpen."""
        node = self._open_node()
        node.core.registry.releasing.request(now=node.driver.now())
        node.driver.schedule()

    async def released(self) -> None:
        """Wait until an event has told what came of `release`. Raises NotOpen."""
        node = self._open_node()
        await node.until(
            lambda core: not core.registry.releasing.is_pending and not node.driver.is_turn_due
        )

    def leave(self) -> None:
        """Go offline but stay open; `SignedOff` or `LeaveUnanswered` follows. Raises NotOpen."""
        node = self._open_node()
        node.leave()

    async def left(self) -> None:
        """Wait until an event has told whether the registry answered our leave. Raises NotOpen."""
        node = self._open_node()
        await node.until(
            lambda core: core.state is not State.LEAVING and not node.driver.is_turn_due
        )

    def come_back(self) -> None:
        """Register again after `leave`. Raises NotOpen."""
        node = self._open_node()
        self._has_been_ready = False
        node.core.start(now=node.driver.now())
        node.driver.schedule()

    @property
    def state(self) -> PeerState:
        """Whether we are with the registry."""
        if self._node is None:
            return PeerState.CLOSED
        match self._node.core.state, self._node.core.reach:
            case State.REFUSED, _:
                return PeerState.REFUSED
            case ((State.OFFLINE | State.LEAVING), _):
                return PeerState.OFFLINE
            case _, RegistryReach.UP:
                return PeerState.ONLINE
            case _, RegistryReach.LOST:
                return PeerState.ALONE
            case _:
                return PeerState.SEEKING

    async def examine(self, name: str | None = None) -> "list[Finding]":
        """Find out what keeps us from the registry, or from the person of this name: takes up to 3
        seconds. Raises NotOpen."""
        from chatapp.peer.doctor.examination import (  # deferred: rarely needed
            examine,
            examine_person,
        )

        node = self._open_node()
        if name is None:
            return await examine(node)
        return await examine_person(node, name)

    @property
    def is_offline(self) -> bool:
        """Whether we have left and not come back, or were refused. Raises NotOpen."""
        return self._open_node().core.is_offline

    @property
    def is_server_away(self) -> bool:
        """Whether the registry is known not to answer. Raises NotOpen."""
        return self._open_node().core.reach is RegistryReach.LOST

    # --- events

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield every event since the peer was opened, until it is closed. Raises NotOpen for a
        peer that was never open, AlreadyRead while another loop runs.

        This loop decides what has been shown: asking for the next event means that the last one is
        dealt with. A message that it never asked beyond is given again after a restart. It also
        sets the pace: once `EVENTS_WAITING_MAX` events wait for it, no more messages are taken from
        others. Programs that only look on `subscribe`."""
        return self._any_feed().read(self.events_shown)

    def subscribe(self) -> Subscription[Event]:
        """Return a subscription to every event from now on: any number of programs may look on.
        They decide nothing about what has been shown, and nobody waits for them: one that is too
        slow gets FellBehind. Raises NotOpen for a peer that was never open."""
        return self._any_feed().subscribe()

    async def next_events(self) -> list[Event]:
        """Return all that happened since the last call, waiting for something; empty once the peer
        is closed. For a program that is the only reader and shows many events at a time; it calls
        `events_shown` afterwards. Raises NotOpen for a peer that was never open."""
        return await self._any_feed().next_batch()

    def take_events(self) -> list[Event]:
        """Return the same as `next_events`, without waiting."""
        return self._any_feed().take()

    def events_shown(self, batch: Sequence[Event]) -> None:
        """Report that the user has seen these; their messages are not given again after a
        restart."""
        if (node := self._node) is None or not batch:
            return
        shown: list[Said] = [event for event in batch if type(event) is Said]
        if not _MORE_LINES.isdisjoint(map(type, batch)):  # mostly there is none
            shown = self._lines_in(batch, node)
        if shown:
            node.core.lines_shown(shown)
            node.store()
            for listener in self._shown_listeners:
                listener(shown)

    @staticmethod
    def _lines_in(batch: Sequence[Event], node: PeerNode) -> list[Said]:
        """Return the lines that these events show, in order. Lines of a visitor count as shown at
        once."""
        shown: list[Said] = []
        for event in batch:
            match event:
                case Said():
                    shown.append(event)
                case events.MailReturned(lines=lines):
                    shown += lines
                case events.ClientSaid(visit=visit, position=position):
                    node.core.desk.lines_shown(visit, position)
                    node.driver.schedule()
                case _:
                    pass
        return shown

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen, before any reader gets them, until the peer
        is closed or the function that this returns is called. What a listener gets does not count
        as shown, and it delays nobody: it must return at once. Raises NotOpen."""
        return self._open_node().feed.listen(listener)

    def listen_shown(self, listener: Callable[[Sequence[Said]], None]) -> Callable[[], None]:
        """Call `listener` with lines when they are reported as shown, until the function that this
        returns is called."""
        self._shown_listeners = [*self._shown_listeners, listener]

        def end() -> None:
            self._shown_listeners = [one for one in self._shown_listeners if one is not listener]

        return end

    async def unshown(self, after: int = 0, limit: int = 100) -> list[Said]:
        """Return the first `limit` lines to us with higher ids than `after` that were not shown
        yet, as `events_shown` tells. At an opening they are told by an event; whoever comes to a
        peer that is open finds them here. Raises NotOpen, sqlite3.Error."""
        return self._open_node().unshown(after=after, count=limit)

    @staticmethod
    def attach(name: str, *, home: Path | None = None, shows: bool = True) -> "RemotePeer":
        """Return a peer that stands for the one of this name that another program of this user runs
        and offers. `open` it, or enter it, as any peer; its end leaves the other program alone.
        `shows`: whether what this program has dealt with counts as shown, as with `events` and
        `events_shown` of any peer. Raises NameRefused."""
        from chatapp.peer.sdk.remote import RemotePeer

        return RemotePeer(name, home=home, shows=shows)

    def _any_feed(self) -> EventFeed[Event]:
        if self._feed is None:
            raise NotOpen
        return self._feed


_MORE_LINES: Final = frozenset({events.MailReturned, events.ClientSaid})
"""The other kinds of events in which there are lines."""

_WHY_NOT: Final = {
    LookUp.UNKNOWN: events.MessageReason.NOBODY,
    LookUp.BLOCKED: events.MessageReason.KEY_CHANGED,
}


def _refusal(why: events.NotLetIn) -> NotLetIn:
    match why:
        case events.NameUnavailable(name=name):
            return NameTaken(name)
        case events.AdmissionRefused(reason=reason, key=key):
            return NotAdmitted(reason, key)
        case events.RegistryKeyChanged(expected=expected, got=got):
            return OtherRegistry(expected, got)
        case _:
            assert_never(why)
