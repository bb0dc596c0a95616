"""The state of a peer at one moment: what its properties say."""

import enum
from collections.abc import Mapping

import msgspec

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Person
from chatapp.wire.address import Address
from chatapp.wire.names import is_same_name


class PeerState(enum.Enum):
    """Whether a peer is with the registry."""

    CLOSED = "closed"
    """The peer is not open."""
    SEEKING = "seeking"
    """It is looking for the registry."""
    ONLINE = "online"
    """It is registered and has a link to the registry."""
    ALONE = "alone"
    """The registry does not answer; direct chat goes on."""
    OFFLINE = "offline"
    """It has left, as the user asked."""
    REFUSED = "refused"
    """The registry does not let it in."""


class RoomState(msgspec.Struct, frozen=True, kw_only=True):
    """A room that we are in."""

    name: str
    """As its creator spelled it."""
    members: tuple[Person, ...] = ()
    """Everybody in the room, ourselves included, by name."""
    in_reach: int = 0
    """How many other members a line of ours would reach now."""


class DeskState(msgspec.Struct, frozen=True, kw_only=True):
    """Where we stand at the help desk."""

    client: str | None = None
    """The name of the visitor whom we serve."""
    visit: int = 0
    """The number of the visit of the visitor whom we serve; 0 for nobody."""
    is_operator: bool = False
    """Whether the registry counts us among its operators."""
    is_on_duty: bool = False
    """Whether visitors may be given to us."""
    waiting: int = 0
    """How many wait in our queue, while we are on duty."""
    answers: Mapping[str, str] = {}
    """The ready answers of the desk, by their short word."""
    files_largest: int = 0
    """Bytes of the largest file that the desk takes; 0: none, as far as is known."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an open peer; the people in the table are asked for by themselves."""

    name: str
    """Our name; another one after a change of it."""
    state: PeerState
    server: Address
    """The host and port of the registry's server in use, as they were given."""
    servers: tuple[Address, ...] = ()
    """The hosts and ports of all its servers, as they were given."""
    address: Address
    """The IP address and port of the server in use."""
    server_key: str = ""
    """The digits of the fingerprint of the registry's key that we hold; empty without one."""
    folder: str
    """The path of the folder with our keys and messages."""
    port: int = 0
    """Our UDP port."""
    process: int = 0
    """The number of the process that runs the peer."""
    is_offline: bool = False
    """Whether we have left and not come back, or were refused."""
    is_server_away: bool = False
    """Whether the registry is known not to answer."""
    is_sending: bool = False
    """Whether a message of ours is under way. When that changes, there is an event."""
    sending_try: tuple[int, int] = (0, 0)
    """How often the direct message that is under way longest was sent (0: none is), and how often
    one is sent at most before it takes another way. No event tells of a further try."""
    rooms: tuple[RoomState, ...] = ()
    """The rooms that we are in, the one that we entered first first."""
    desk: DeskState = DeskState()
    status: str = ""
    """What we say of ourselves in our row."""
    away: str | None = None
    """Why we do not answer though our program runs; None: we do."""
    knows_everybody: bool = True
    """Whether the registry tells us of everybody; else `FindPeople` finds the others."""
    online: int = 0
    """How many people were online when the registry said so last; 0 where it tells us of everybody.
    No event tells of another number."""
    muted: tuple[Conversation, ...] = ()
    """The conversations that do not ring. No event tells that their time is over."""

    def room(self, name: str) -> RoomState | None:
        """Return the room of this name, if we are in it."""
        return next((room for room in self.rooms if is_same_name(room.name, name)), None)
