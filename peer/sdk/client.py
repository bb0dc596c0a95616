"""The SDK: a peer as a program uses it. The faces use it, too.

    async with Peer("alice", ("192.0.2.1", 5000)) as me:
        receipt = await me.send("bob", "hi")
        print(await receipt.settled())
        async for event in me.events(): ...

A method that needs an open peer raises NotOpen on one that is closed. Each asks the open node
(`peer.node`) for what it says by a request; what comes of it is told by events (`peer.api.events`).
"""

from asyncio import get_running_loop
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

import msgspec

from chatapp.peer.api import events, requests
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person
from chatapp.peer.api.conversations import room as in_room
from chatapp.peer.api.errors import AlreadyOpen, NotOpen, ServerUnreachable
from chatapp.peer.api.events import Event, LineEvent, Said
from chatapp.peer.api.files import AutoAccept, FileTransfer
from chatapp.peer.api.findings import Finding
from chatapp.peer.api.past import DeskTalk
from chatapp.peer.api.requests import Edit, Moment, Node, React, Retract, Send, Sending, Wait
from chatapp.peer.api.state import PeerState, RoomState, State
from chatapp.peer.node.bounds import FolderBounds
from chatapp.peer.node.driver import resolved
from chatapp.peer.node.feed import EventFeed, Subscription
from chatapp.peer.node.local import NodeSettings, PeerNode, line_id
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.node.starts import folder_of
from chatapp.peer.sdk.past import Past
from chatapp.peer.sdk.transfer import Transfer
from chatapp.wire.address import Address, ServerSpec, server_name, servers_of
from chatapp.wire.admission import JoinCode
from chatapp.wire.aio.machine import THIS_MACHINE, Machine
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import AddressRefused, PortInUse
from chatapp.wire.folders import default_home
from chatapp.wire.identity import require_fingerprint
from chatapp.wire.limits import FOUND_MAX
from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.names import PeerName, peer_name, person_name

if TYPE_CHECKING:
    from chatapp.peer.node.sharedfeed import SharedFeed


class OpenedNode(Node, Protocol):
    """What the SDK stands on: a node of either kind, from its opening to its closing."""

    @property
    def name(self) -> PeerName:
        """The name in `state`."""

    @property
    def feed(self) -> EventFeed[Event]:
        """All that happens."""

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen, before any reader gets them, until the peer
        is closed or the function that this returns is called. What a listener gets does not count
        as shown, and it delays nobody: it must return at once."""

    async def send(self, request: Sending) -> Receipt:
        """As the request, but with a receipt that follows what becomes of the message; `wait` does
        nothing here."""

    async def close(self, *, within: float) -> None:
        """Let go of everything, waiting at most `within` seconds for whoever is told of it. A
        second call does nothing."""


class OperatorDesk:
    """The help desk, as one of its operators uses it. Every method raises NotOpen.

    A request about a visitor names the visit (`visit`, as ClientCame gave it) or the time at which
    the operator typed it (`entered_at`, by the clock of the event loop; without either, now). A
    request with a time is for the visitor whom the operator saw on the screen then. Where that is
    not clear, the request is held back, and HeldBack says so."""

    def __init__(self, peer: "Peer") -> None:
        self._peer: Final = peer

    @property
    def client(self) -> str | None:
        """The name of the visitor whom we serve."""
        return self._peer.node.state.desk.client

    @property
    def visit(self) -> int:
        """The number of the visit of the visitor whom we serve; 0 for nobody."""
        return self._peer.node.state.desk.visit

    @property
    def is_operator(self) -> bool:
        """Whether the registry counts us among its operators."""
        return self._peer.node.state.desk.is_operator

    @property
    def is_on_duty(self) -> bool:
        """Whether visitors may be given to us."""
        return self._peer.node.state.desk.is_on_duty

    @property
    def waiting(self) -> int:
        """How many wait in our queue, while we are on duty."""
        return self._peer.node.state.desk.waiting

    @property
    def answers(self) -> Mapping[str, str]:
        """The ready answers of the desk, by their short word."""
        return self._peer.node.state.desk.answers

    @property
    def files_largest(self) -> int:
        """Bytes of the largest file that the desk takes; 0: none, as far as is known."""
        return self._peer.node.state.desk.files_largest

    async def talk(self) -> DeskTalk | None:
        """Return the form of the visitor whom we serve, and what was said so far, the newest 1,000
        lines; None for nobody."""
        return (await self._peer.node.request(requests.ReadTalk())).talk

    async def takes_lines(self, *, entered_at: float) -> bool:
        """Whether text typed at this time (by the clock of the event loop) is for a visitor, even
        one who has just left."""
        return await self._peer.node.request(requests.IsLineForDesk(entered_at=entered_at))

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
        line = line_id() if line is None else line
        at = get_running_loop().time() if entered_at is None else entered_at
        self._peer.node.post(
            requests.SayAtDesk(text=text, line=line, visit=visit, entered_at=at, is_maybe=is_maybe)
        )
        return line

    async def change(self, id_: int, text: str | None, *, line: int | None = None) -> int:
        """Change a line that we have said to our visitor, by its id, or take it back (None). Return
        the id of the change: `MessageChanged` says that the registry has it, `CommandFailed` or
        `HeldBack` that it came to nothing. `line`: as in `say`. Raises ChangeRefused, TextTooLong,
        UnicodeEncodeError."""
        line = line_id() if line is None else line
        await self._peer.node.request(requests.ChangeAtDesk(id=id_, text=text, line=line))
        return line

    async def send_file(
        self, path: str | Path, *, visit: int | None = None, entered_at: float | None = None
    ) -> Said:
        """Send a file of ours to our visitor. Return the line that brings it, once the registry has
        the file. Raises FileRefused, DeskFileRefused."""
        at = get_running_loop().time() if entered_at is None else entered_at
        sent = requests.SendDeskFile(path=str(path), line=line_id(), visit=visit, entered_at=at)
        return await self._peer.node.request(sent)

    async def fetch_file(
        self, visit: int, position: int, name: str, size: int, *, path: str | Path = ""
    ) -> Path:
        """Fetch the file of a line, of the present visit or a past session. Return where it is.
        `path`: what to call it, or the folder where to put it. Raises FileRefused,
        DeskFileRefused."""
        wanted = requests.FetchDeskFile(
            position=position, path=str(path), visit=visit, name=name, size=size
        )
        return Path((await self._peer.node.request(wanted)).path)

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
        at = get_running_loop().time() if entered_at is None else entered_at
        self._peer.node.post(
            requests.AskDesk(
                request=request,
                visit=visit,
                entered_at=at,
                asks_first=asks_first,
                is_quiet=is_quiet,
            )
        )

    async def answered(self) -> None:
        """Wait until every request is answered, and the events that follow from it have been
        told."""
        await self._peer.node.request(Wait(until=Moment.DESK_ANSWERED))

    async def said(self) -> None:
        """Wait until our lines to the visitor are under way: a request to end the session would
        overtake them."""
        await self._peer.node.request(Wait(until=Moment.DESK_SAID))


class PeerTrust:
    """Keys and whom to ignore: what the user decides about others. Every method raises NotOpen. A
    name that nobody bears here is answered with `NobodyKnown`."""

    def __init__(self, peer: "Peer") -> None:
        self._peer: Final = peer

    async def number(self, name: str) -> events.SafetyNumber | events.NobodyKnown:
        """Return the 60 digits to compare with theirs, side by side or over another medium."""
        return await self._peer.node.request(requests.ShowSafetyNumber(name=name))

    async def accept(
        self, name: str, digits: str | None
    ) -> events.Trusted | events.NotTrusted | events.NobodyKnown:
        """Trust the key of this name, if it is still the one whose safety number has these 60
        digits. What was on its way to the earlier key is sent to this one."""
        return await self._peer.node.request(requests.AcceptKey(name=name, digits=digits))

    async def registry_key(self) -> events.RegistryKey:
        """Return the fingerprint of the registry's key, and of one that answers in its place."""
        return await self._peer.node.request(requests.ShowRegistryKey())

    async def accept_registry(self, digits: str | None) -> events.Trusted | events.NotTrusted:
        """Trust the registry whose key has this fingerprint: the one that we know, or one that
        answers in its place."""
        return await self._peer.node.request(requests.AcceptRegistryKey(digits=digits))

    async def ignore(self, name: str) -> events.Ignored | events.NobodyKnown:
        """Show none of their messages from now on. They are acknowledged and stored as before."""
        return await self._peer.node.request(requests.Ignore(name=name))

    async def unignore(self, name: str) -> events.Ignored | events.NobodyKnown:
        """Show their messages again."""
        return await self._peer.node.request(requests.Unignore(name=name))

    async def mute(
        self, conversation: Conversation, seconds: int | None = None
    ) -> events.Muted | events.NobodyKnown | events.NotInRoom:
        """Have a conversation ring no more in the user's windows, but in a room for lines with `@`
        and our name in them. `seconds`: for how long; None: for good; 0: have it ring again."""
        return await self._peer.node.request(
            requests.Mute(conversation=conversation, seconds=seconds)
        )


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
        rooms: str | Sequence[str] = (),
        code: str | None = None,
        registry_key: str | None = None,
        announced_key: str | None = None,
        slow_link: bool = False,
        downloads: Path | None = None,
        auto_accept: AutoAccept | None = None,
        gives_marks: bool = False,
        bounds: FolderBounds | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """`server`: the registry's host (an IP address or a name) and port; its key is remembered
        under what is given here. A registry with several servers: a list of them, or a text
        (`"a:5000,b:5001"`); the peer goes to whichever answers. `port`: our UDP port, 0 for any.
        `rooms`: the room to enter at the start, or several. `code`: a join code, where newcomers need one.
        `registry_key`: the fingerprint that the registry's key must have. `announced_key`: the one
        that a stranger has announced for it, which must be proved at a first contact; it replaces
        no known key. `slow_link`: spare the link to the registry, whatever is measured.
        `downloads`: where to put files that others give us, by default where the platform puts
        such. `auto_accept`: whose files are fetched without a question. `gives_marks`: exchange seen
        marks (`Seen`) with people who do so, too. `bounds`: for somebody whose machine this is not,
        the folder beyond which no file is read or written. `machine`: where the peer runs.

        Raises
        ------
        NameRefused, AddressRefused, CodeRefused, KeyRefused."""
        servers = servers_of(server)
        settings = NodeSettings(
            servers=servers,
            port=port,
            home=home or default_home(),
            policy=policy or Policy(),
            machine=machine,
            registry_key=None if registry_key is None else require_fingerprint(registry_key),
            announced_key=None if announced_key is None else require_fingerprint(announced_key),
            slow_link=slow_link,
            downloads=downloads,
            auto_accept=auto_accept,
            gives_marks=gives_marks,
            bounds=bounds,
        )
        opening = _LocalOpening(
            settings,
            rooms=(rooms,) if isinstance(rooms, str) else tuple(rooms),
            code=JoinCode(code) if code else None,
        )
        self._begin(person_name(name), opening, home, servers)

    def _begin(
        self,
        name: PeerName,
        opening: "_LocalOpening | _Attaching",
        home: Path | None,
        servers: tuple[Address, ...],
    ) -> None:
        self._name = name
        """Our name while the peer is not open; while it is, the node knows it."""
        self._opening = opening
        self._home = home or default_home()
        self._servers = servers
        """As they were given; none for a peer that another program runs."""
        self._is_opening = False
        self._node: OpenedNode | None = None
        """The open node; None while the peer is closed."""
        self._feed: EventFeed[Event] | None = None
        """The events of the present opening, else of the last one."""
        self.desk = OperatorDesk(self)
        """What an operator of the help desk asks for."""
        self.trust = PeerTrust(self)
        """Keys, and whom to ignore."""
        self.past = Past(self)
        """What was said."""

    @classmethod
    def attach(cls, name: str, *, home: Path | None = None, shows: bool = True) -> "Peer":
        """Return a peer that stands for the one of this name that another program of this user runs
        and offers. `open` it, or enter it, as any peer; its end leaves the other program alone.
        `shows`: whether what this program has dealt with counts as shown, as with `events` and
        `events_shown` of any peer. Raises NameRefused."""
        return cls._attached(_Attaching(peer_name(name), home=home, shows=shows, heir=None))

    def beside(self, *, shows: bool = True, is_service: bool = False) -> "Peer":
        """Return a peer as `attach` does, of the name and in the folder of this one, which is not
        open. When the other program ends, the returned peer goes on: with the program that runs the
        name then, or as one that this program runs, with the settings of this one.
        `is_service`: whether this program is started again when it ends."""
        assert isinstance(self._opening, _LocalOpening)
        attaching = _Attaching(self._name, home=self._home, shows=shows, heir=self._opening)
        attaching.is_service = is_service
        return self._attached(attaching)

    @classmethod
    def _attached(cls, attaching: "_Attaching") -> "Peer":
        peer = cls.__new__(cls)
        peer._begin(attaching.name, attaching, attaching.home, ())  # noqa: SLF001 - its own class
        return peer

    def __repr__(self) -> str:
        where = server_name(*self.server) if self._node or self._servers else "this machine"
        return f"<Peer {self.name!r} at {where}: {self.state.name}>"

    @property
    def node(self) -> OpenedNode:
        """The open node, which carries requests out: what faces stand on. Raises NotOpen."""
        if self._node is None:
            raise NotOpen
        return self._node

    @property
    def _state(self) -> State:
        return self.node.state

    @property
    def name(self) -> PeerName:
        """Our name; another one after a change of it."""
        return self._name if self._node is None else self._node.name

    @property
    def server(self) -> Address:
        """The host and port of the registry's server in use, as they were given; of the first one
        while the peer is not open. Raises NotOpen for a peer of another program that was never
        open."""
        if self._node is None and self._servers:
            return self._servers[0]
        return self._state.server

    @property
    def servers(self) -> tuple[Address, ...]:
        """The hosts and ports of the registry's servers, as they were given. Raises NotOpen as
        `server`."""
        return self._servers or self._state.servers

    @property
    def address(self) -> Address:
        """The registry's IP address and port. Raises NotOpen."""
        return self._state.address

    @property
    def port(self) -> int:
        """Our UDP port. Raises NotOpen."""
        return self._state.port

    @property
    def process(self) -> int:
        """The number of the process that runs the peer. Raises NotOpen."""
        return self._state.process

    @property
    def server_key(self) -> str:
        """The digits of the fingerprint of the registry's key that we hold; empty without one.
        Raises NotOpen."""
        return self._state.server_key

    @property
    def folder(self) -> Path:
        """The folder with our keys and messages."""
        if self._node is None:
            return folder_of(self._home, self._name)
        return Path(self._node.state.folder)

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
        then nothing is left open. A peer that another program runs is attached to; raises
        AlreadyOpen, NotRunning, NotResponding, NotOpen if it ends meanwhile, OSError."""
        if self._node is not None or self._is_opening:
            raise AlreadyOpen
        self._is_opening = True
        try:
            node = await self._opening.open(self._name)
        finally:
            self._is_opening = False
        # The feed is a new one: what an earlier opening left unshown is in the history and is given
        # again from there.
        self._node, self._feed = node, node.feed

    async def ready(self) -> None:
        """Wait until all that the registry had for us is here and we are in the rooms that we asked
        for, or until the registry is known not to answer. After that, a registry that is being
        looked for again delays nobody. Raises NotOpen, NameTaken, NotAdmitted, OtherRegistry."""
        await self.node.request(Wait(until=Moment.READY))

    async def close(self, *, within: float = 1.0) -> None:
        """Leave, waiting at most `within` seconds for the registry's answer, and let go of
        everything. A peer that another program runs goes on."""
        if (node := self._node) is None:
            return
        try:
            await node.close(within=within)
        finally:
            if self._node is node:
                self._name, self._node = self._opening.closed(node), None

    # --- messages

    async def send(self, to: str, text: str) -> Receipt:
        """Send a message to one person. A name that nobody bears is refused in the receipt once the
        registry says so; while it is away, the message is kept. Raises TextTooLong,
        UnicodeEncodeError, NotOpen."""
        conversation = person(to)
        return await self.node.send(Send(conversation=conversation, text=text))

    async def reply(self, line: Said, text: str) -> Receipt:
        """Answer a line, where it was said. Raises as `send`, and ChangeRefused, sqlite3.Error."""
        answer = Send(conversation=line.conversation, text=text, reply_to=line.id)
        return await self.node.send(answer)

    async def edit(self, line: Said | Receipt, text: str) -> Receipt:
        """Change the text of a line of ours, for everybody who has it. Raises as `reply`."""
        return await self.node.send(Edit(id=line.id, text=text))

    async def retract(self, line: Said | Receipt) -> Receipt:
        """Take a line of ours back, for everybody who has it. Raises as `reply`."""
        return await self.node.send(Retract(id=line.id))

    async def cancel(self, line: Said | Receipt) -> Receipt:
        """Take a line of ours back that is not settled yet: it is never sent if nobody else can
        have it, else as `retract` does. Raises ChangeRefused, NotOpen, sqlite3.Error."""
        return await self.node.send(requests.Cancel(id=line.id))

    async def react(self, line: Said | Receipt, emoji: str, *, is_on: bool = True) -> Receipt:
        """Put an emoji to a line, or take it away again. Raises as `reply`."""
        return await self.node.send(React(id=line.id, emoji=emoji, is_on=is_on))

    # --- files

    async def send_file(self, to: str | Conversation, path: str | Path) -> Transfer:
        """Offer a file to one person, or to those in a room, which `room("lab")` names. It stays
        where it is, and is read when they fetch it. Raises FileRefused, sqlite3.Error, NotOpen."""
        where = person(to) if isinstance(to, str) else to
        offer = requests.OfferFile(conversation=where, path=str(path))
        receipt = await self.node.send(offer)
        return Transfer(self.node, receipt.id, receipt)

    async def accept_file(self, line: Said | FileTransfer, path: str | Path = "") -> Transfer:
        """Fetch a file that is offered, or go on with one. `path`: what to call it, or the folder
        where to put it. Raises FileRefused, sqlite3.Error, NotOpen."""
        node = self.node
        await node.request(requests.AcceptFile(id=line.id, path=str(path)))
        return Transfer(node, line.id)

    async def pause_file(self, line: Said | FileTransfer) -> FileTransfer:
        """Stop fetching a file until it is accepted again. Raises FileRefused, NotOpen."""
        return await self.node.request(requests.PauseFile(id=line.id))

    async def cancel_file(self, line: Said | FileTransfer) -> FileTransfer:
        """Give up a file that is on its way, and remove what of it is here; it is offered as before.
        One of ours is offered no more. Raises FileRefused, sqlite3.Error, NotOpen."""
        return await self.node.request(requests.CancelFile(id=line.id))

    async def refuse_file(self, line: Said | FileTransfer) -> FileTransfer:
        """Say that we do not want a file, and remove what of it is here. Raises FileRefused,
        sqlite3.Error, NotOpen."""
        return await self.node.request(requests.RefuseFile(id=line.id))

    async def files(self) -> tuple[FileTransfer, ...]:
        """Return the files that we offer and that are offered to us, the oldest first. Raises
        NotOpen."""
        return await self.node.request(requests.ListFiles())

    def typing(self, to: str) -> None:
        """Tell a person that a message to them is being written. Call it whenever the text changes:
        it is sent at most every 3 seconds, only to a person with whom we share a session, and
        nothing is stored. Raises NotOpen."""
        self.node.post(requests.TellTyping(to=to))

    async def send_all(self, text: str) -> Receipt:
        """Send a line to the channel. Raises TextTooLong, UnicodeEncodeError, NotOpen."""
        return await self.node.send(Send(conversation=EVERYBODY, text=text))

    async def say(self, room: str, text: str) -> Receipt:
        """Send a line to a room where we are; any other room refuses it. Raises as `send_all`."""
        return await self.node.send(Send(conversation=in_room(room), text=text))

    async def set_status(
        self, status: str | None = None, *, away: str | None = None
    ) -> events.StatusSet:
        """Say something of ourselves, which others read in `people`, and whether we are away though
        our program runs. At most 80 characters each; more are cut. `status`: None leaves it as it
        is, an empty one ends it. `away`: why we do not answer; None: we do."""
        return await self.node.request(requests.SetStatus(status=status, away=away))

    async def settled(self) -> None:
        """Wait until every message of ours is delivered, saved, kept or refused. Raises NotOpen."""
        await self.node.request(Wait(until=Moment.SETTLED))

    @property
    def is_sending(self) -> bool:
        """Whether a message of ours is under way. When that changes, there is an event. Raises
        NotOpen."""
        return self._state.is_sending

    @property
    def sending_try(self) -> tuple[int, int]:
        """How often the direct message that is under way longest was sent (0: none is), and how
        often one is sent at most before it takes another way. No event tells of a further try.
        Raises NotOpen."""
        return self._state.sending_try

    # --- rooms

    @property
    def muted(self) -> tuple[Conversation, ...]:
        """The conversations that do not ring."""
        return self.node.state.muted

    @property
    def rooms(self) -> tuple[RoomState, ...]:
        """The rooms where we are, with everybody there, the one that we entered first first. Raises
        NotOpen."""
        return self._state.rooms

    def enter_room(self, room: str) -> None:
        """Ask to be in this room too; `EnteredRoom` or `RoomEntryDenied` follows. Raises
        NotOpen."""
        self.node.post(requests.EnterRoom(room=room))

    def leave_room(self, room: str) -> None:
        """Leave this room; `LeftRoom` follows, or `NotInRoom`. Raises NotOpen."""
        self.node.post(requests.LeaveRoom(room=room))

    def set_topic(self, room: str, text: str) -> None:
        """Set the topic of a room where we are; an empty text clears it. `TopicKnown` follows, or
        `TopicNotSet`, or `NotInRoom`. Raises NotOpen."""
        self.node.post(requests.SetTopic(room=room, text=text))

    def show_topic(self, room: str) -> None:
        """Have the topic of a room where we are told; `TopicKnown` follows, or `TopicUnknown`, or
        `NotInRoom`. Raises NotOpen."""
        self.node.post(requests.ShowTopic(room=room))

    async def rooms_settled(self) -> None:
        """Wait until it is known and told in which rooms we are: the registry has answered, or is
        not waited for any more. Raises NotOpen."""
        await self.node.request(Wait(until=Moment.IN_ROOM))

    def show_rooms(self) -> None:
        """Ask which rooms there are; `RoomsKnown` follows, at the latest when the registry is found
        or known to be away. Raises NotOpen."""
        self.node.post(requests.ShowRooms())

    async def list_rooms(self) -> tuple[events.Room, ...]:
        """Return the rooms that somebody is in, by name. Waits while the registry is being looked
        for. Raises NotOpen, and NotAnswered when the registry is away or silent."""
        return await self.node.request(requests.ListRooms())

    def members(self, room: str) -> tuple[events.Person, ...]:
        """Return everybody in a room where we are, ourselves included, by name; nobody for another
        room. Raises NotOpen."""
        entered = self._state.room(room)
        return () if entered is None else entered.members

    # --- people and the registry

    def people(self) -> tuple[events.Person, ...]:
        """Return everybody of whom the registry tells us, by name: all people, or with very many
        online (`broadcast_up_to` of the registry) those with whom we talk and who are in our rooms.
        `online_count` says how many there are, `find` who. Raises NotOpen."""
        return self.node.people()

    async def online_count(self) -> int:
        """Return how many people are online, also those whom `people` does not have. Raises
        NotOpen."""
        return await self.node.request(requests.CountOnline())

    async def find(
        self, first: str = "", *, after: str = "", limit: int = FOUND_MAX, only_online: bool = False
    ) -> events.PeopleFound:
        """Return the people whose names begin with `first`, in any case, by name, behind the name
        `after`: at most `limit`, 50 or fewer. Asks the registry for those whom `people` does not
        have. Raises NotOpen, and NotAnswered when the registry is away."""
        return await self.node.request(
            requests.FindPeople(first=first, after=after, limit=limit, only_online=only_online)
        )

    def rename(self, new: str) -> None:
        """Ask for another name; `Renamed`, `NameUnavailable` or `RenameFailed` follows. Raises
        NotOpen."""
        self.node.post(requests.Rename(new=new))

    def release(self) -> None:
        """Give up our name, so that anybody may take it; our mail at the registry is deleted.
        `NameReleased` follows, and we are offline then, or `ReleaseFailed`. Raises NotOpen."""
        self.node.post(requests.ReleaseName())

    async def released(self) -> None:
        """Wait until an event has told what came of `release`. Raises NotOpen."""
        await self.node.request(Wait(until=Moment.RELEASED))

    def leave(self) -> None:
        """Go offline but stay open; `SignedOff` or `LeaveUnanswered` follows. Raises NotOpen."""
        self.node.post(requests.Leave())

    async def left(self) -> None:
        """Wait until an event has told whether the registry answered our leave. Raises NotOpen."""
        await self.node.request(Wait(until=Moment.LEFT))

    def come_back(self) -> None:
        """Register again after `leave`. Raises NotOpen."""
        self.node.post(requests.ComeBack())

    @property
    def state(self) -> PeerState:
        """Whether we are with the registry."""
        return PeerState.CLOSED if self._node is None else self._node.state.state

    async def examine(self, name: str | None = None) -> list[Finding]:
        """Find out what keeps us from the registry, or from the person of this name: takes up to 3
        seconds. Raises NotOpen."""
        findings = await self.node.request(requests.Examine(name=name))
        return list(findings)

    @property
    def is_offline(self) -> bool:
        """Whether we have left and not come back, or were refused. Raises NotOpen."""
        return self._state.is_offline

    @property
    def is_server_away(self) -> bool:
        """Whether the registry is known not to answer. Raises NotOpen."""
        return self._state.is_server_away

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
        if self._node is not None:
            self._node.shown(batch)

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen, before any reader gets them, until the peer
        is closed or the function that this returns is called. What a listener gets does not count
        as shown, and it delays nobody: it must return at once. Raises NotOpen."""
        return self.node.listen(listener)

    async def unshown(self, after: int = 0, limit: int = 100) -> list[LineEvent]:
        """Return the first `limit` lines to us with higher ids than `after` that were not shown
        yet, as `events_shown` tells. At an opening they are told by an event; whoever comes to a
        peer that is open finds them here. Raises NotOpen, sqlite3.Error."""
        asked = requests.ListUnshown(after=after, limit=limit)
        return list((await self.node.request(asked)).lines)

    def _any_feed(self) -> EventFeed[Event]:
        if self._feed is None:
            raise NotOpen
        return self._feed


class _LocalOpening:
    """Opens nodes of this program. What one learns of the registry's key holds for the next."""

    def __init__(
        self, settings: NodeSettings, *, rooms: tuple[str, ...], code: JoinCode | None
    ) -> None:
        self._settings = settings
        self._rooms: Final = rooms
        self._code: Final = code

    async def open(self, name: PeerName) -> OpenedNode:
        """Raises as `Peer.open`."""
        node = PeerNode(name, self._settings, await self._addresses())
        if self._code is not None:
            # It is not too late: REGISTER is sent after the first answer, which nobody has read
            # yet.
            node.core.registry.use_code(self._code)
        for room in self._rooms:
            node.post(requests.EnterRoom(room=room))
        return node

    async def take_over(self, name: PeerName, former: State, feed: "SharedFeed") -> PeerNode:
        """Open the node that another program ran, at its port if that is free. Raises as
        `Peer.open`."""
        addresses = await self._addresses()
        for port in (former.port, 0):
            settings = msgspec.structs.replace(self._settings, port=port)
            try:
                return PeerNode(name, settings, addresses, feed=feed, is_offline=former.is_offline)
            except PortInUse:
                if not port:
                    raise
        raise AssertionError

    async def _addresses(self) -> Mapping[Address, Address]:
        try:
            return await resolved(self._settings.servers)
        except AddressRefused as error:
            raise ServerUnreachable(str(error)) from error

    def closed(self, node: OpenedNode) -> PeerName:
        """Learn from a node that is closed now; return the name for the next one."""
        assert isinstance(node, PeerNode)
        self._settings = msgspec.structs.replace(self._settings, registry_key=node.registry.key)
        return node.name


class _Attaching:
    """Attaches to the program that runs under a name."""

    def __init__(
        self, name: PeerName, *, home: Path | None, shows: bool, heir: "_LocalOpening | None"
    ) -> None:
        self.name: Final = name
        self.home: Final = home or default_home()
        self._shows: Final = shows
        self._heir: Final = heir
        self.is_service = False

    async def open(self, name: PeerName) -> OpenedNode:
        """Raises as `Peer.open`."""
        from chatapp.peer.node.window import WindowNode  # deferred: most programs need it not

        node = WindowNode(
            name,
            home=self.home,
            shows=self._shows,
            heir=self._heir,
            is_service=self.is_service,
        )
        await node.open()
        return node

    def closed(self, _: OpenedNode) -> PeerName:
        """Return the name for the next opening."""
        return self.name
