"""Effects: what a decision of the registry leads to, as values. The rule that decides sends nothing
itself.

A rule that needs no answer of the disk is a function that returns a list of effects. A rule that
does is a generator of effects: it goes on with `Settled` when what it yielded to `Store` is on the
disk, or is not. Here too: who asks (`Caller`), and what the log is told (events).
"""

import enum
from collections.abc import Generator
from typing import Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from chatapp.registry.rules.admin_requests import AdminAnswer
from chatapp.registry.store.entries import Entry, MailStored
from chatapp.wire.address import Address
from chatapp.wire.limits import Name
from chatapp.wire.messages.desk import DeskNotice
from chatapp.wire.messages.link import PeerRequest, RegistryNotice
from chatapp.wire.messages.registration import RefusalReason
from chatapp.wire.messages.table import Card


class DropReason(enum.Enum):
    """Why something that came in was not served. Nobody is told; it is counted."""

    # datagrams
    UNKNOWN_DATAGRAM_KIND = enum.auto()
    MALFORMED_DATAGRAM = enum.auto()
    OTHER_VERSION = enum.auto()
    NO_SESSION = enum.auto()
    SEAL_BROKEN = enum.auto()
    NOTHING_FOR_REGISTRY = enum.auto()
    OLD_DATAGRAM_FROM_ELSEWHERE = enum.auto()
    # registration
    BAD_COOKIE = enum.auto()
    REGISTER_RATE = enum.auto()
    REGISTER_QUEUE_FULL = enum.auto()
    BAD_REGISTER_SIGNATURE = enum.auto()
    BAD_CARD_SIGNATURE = enum.auto()
    BAD_INVITATION = enum.auto()
    BAD_VOUCHER = enum.auto()
    REPEATED_REGISTER_AFTER_LEAVE = enum.auto()
    REGISTER_OF_EARLIER_SESSION = enum.auto()
    """It was admitted at this node in an earlier session with an engine. Its peer registers anew;
    somebody plays it back."""
    ENGINE_BEHIND = enum.auto()
    """A datagram was dropped because too many are still unhandled by the engine."""
    RENAME_OF_ANOTHER = enum.auto()
    RELEASE_FROM_OLD_LINK = enum.auto()
    NAME_BEING_GIVEN_UP = enum.auto()
    # signs of life
    PING_FROM_STRANGER = enum.auto()
    LEAVE_FROM_STRANGER = enum.auto()
    SILENCE_REPORT_RATE = enum.auto()
    # presence by interest
    WATCHES_TOO_MANY = enum.auto()
    FIND_RATE = enum.auto()
    # links
    MALFORMED_FRAME = enum.auto()
    MISPLACED_ATTACH = enum.auto()
    ASKED_BEFORE_ATTACH = enum.auto()
    """It came on a link that outlived its engine, before the peer attached again."""
    BANNED = enum.auto()
    KICKED = enum.auto()
    RELAY_RATE_OF_SENDER = enum.auto()
    RELAY_RATE_OF_NETWORK = enum.auto()
    RELAY_RATE_OF_FILES = enum.auto()
    FILE_RELAY_USED_UP = enum.auto()
    RECIPIENT_LINK_BUSY = enum.auto()
    REQUEST_QUEUE_FULL = enum.auto()
    LINK_HAS_ENDED = enum.auto()
    """The engine has ended the link, which its node did not know yet."""
    # groups
    UNKNOWN_GROUP = enum.auto()
    FOREIGN_GROUP_FRAME = enum.auto()
    GROUP_FRAME_FROM_OLD_LINK = enum.auto()
    GROUP_FRAME_FROM_NON_MEMBER = enum.auto()
    PAGE_FOR_NON_MEMBER = enum.auto()
    ROOM_REQUEST_FROM_OLD_LINK = enum.auto()
    # mail
    MAIL_UNREADABLE = enum.auto()
    LETTERS_LOST_ON_DISK = enum.auto()
    # the help desk
    NOT_FOR_GUESTS = enum.auto()
    MEMBER_AT_DESK = enum.auto()
    OTHER_VISIT = enum.auto()
    # the bus of a cluster
    NO_ENGINE = enum.auto()
    """This node's edge has no engine that could answer."""
    BUS_SEAL_BROKEN = enum.auto()
    BUS_OTHER_VERSION = enum.auto()
    BUS_MALFORMED = enum.auto()
    BUS_OTHER_SESSION = enum.auto()
    """It belongs to a session that is over, or to another engine."""
    BUS_GAP = enum.auto()
    """Messages of its session before it were lost, so the session ends."""
    # anywhere
    FAULT = enum.auto()


class LinkEndReason(enum.Enum):
    """Why the registry ended a link."""

    TOO_MANY_LINKS = enum.auto()
    TOO_MANY_PENDING = enum.auto()
    """Too many connections have not sent their first frame."""
    FIRST_FRAME_LATE = enum.auto()
    NO_SESSION = enum.auto()
    """The first frame opened no session."""
    NO_ATTACH = enum.auto()
    SEAL_BROKEN = enum.auto()
    OUTPUT_UNREAD = enum.auto()
    """The peer asked for more than it read."""
    REPLACED = enum.auto()
    LEFT = enum.auto()
    SILENT = enum.auto()
    BANNED = enum.auto()
    KICKED = enum.auto()
    """The administrator has disconnected the peer."""
    NO_SENDER_INDEX = enum.auto()
    """The store has reserved no more sender indices yet."""
    NO_ENGINE = enum.auto()
    """No node of the cluster keeps the state just now, or this one cannot see it."""
    OTHER_ENGINE = enum.auto()
    """Another node of the cluster keeps the state now."""
    ENGINE_SESSION_LOST = enum.auto()
    """Messages between this node and the one that keeps the state were lost."""
    NODE_STOPS = enum.auto()


class PeerRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """A peer or a guest has registered."""

    name: str
    address: Address


class NameChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A person has changed their name."""

    before: str
    name: str


class NameGivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """A person has given up their name."""

    name: str


class RegistrationRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A REGISTER was refused."""

    name: str
    address: Address
    reason: RefusalReason


class LinkEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The registry ended a link. `name`: empty for a visitor, and for somebody who proved
    nothing."""

    name: str
    address: Address
    reason: LinkEndReason


class LinkRenewed(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a link were renewed, on both sides."""

    address: Address


class StoreFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The disk refused entries."""

    reason: str


class NamesSkipped(msgspec.Struct, frozen=True, kw_only=True):
    """Some names on the disk could not be read at the start. They are free now."""

    count: int


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An effect could not be carried out, by a fault of the registry itself."""

    reason: str
    places: tuple[str, ...]
    """Files and lines, the innermost last."""


Event: TypeAlias = (
    PeerRegistered
    | NameChanged
    | NameGivenUp
    | RegistrationRefused
    | LinkEnded
    | LinkRenewed
    | StoreFailed
    | NamesSkipped
    | Fault
)


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The authenticated author of a request, and the way it came: a link, else a datagram from
    `address`."""

    identity: bytes
    link: int | None = None
    """The link's number, which says at which node it is (`registry.edge.ports`)."""
    address: Address | None = None
    node: int = 0
    """The node at which a datagram came."""
    session: bytes = b""
    """The session of a datagram, in which it is answered."""
    is_newest: bool = True
    """Whether no later datagram of the caller was opened before. Only the newest says how things
    are now."""


# --- effects


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Answer the caller, on the way the request came. The answer is lost if that way is gone."""

    to: Caller
    message: RegistryNotice | msgspec.Raw
    """Raw: encoded already."""


class Push(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send a notice on a link. It is lost if the link is gone."""

    link: int
    message: RegistryNotice | msgspec.Raw


class SendDatagram(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send a notice in a sealed datagram. It is lost if there is no session."""

    node: int
    """The node that has the session."""
    identity: bytes
    address: Address
    message: RegistryNotice


class CheckAlive(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Probe somebody whom another peer cannot reach, unless they show a sign of life soon."""

    identity: bytes


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send a notice on a link, unless much waits there already: what others send must not fill
    it."""

    link: int
    message: RegistryNotice
    is_idle: bool = False
    """Whether hardly anything may wait there: words come before files."""


class Relay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send the same bytes to all attached links but the sender's."""

    frame: bytes
    sender: int


class RelayTo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send the same bytes to these links but the sender's."""

    frame: bytes
    links: tuple[int, ...]
    sender: int


class Admit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Answer a REGISTER with a WELCOME."""

    to: Caller
    card: Card
    nonce: bytes
    is_new: bool
    """Whether this is the first answer, and not one to a repeated datagram."""
    is_guest: bool = False
    """Whether it is a visitor without a name."""


class Note(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Write this event into the log."""

    event: Event


class Refuse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Answer a REGISTER with a REFUSED."""

    to: Caller
    nonce: bytes
    name: Name
    reason: RefusalReason
    counter: int = 0
    """The counter of the known card, if this card is older."""
    seconds: int = 0
    """How long a ban or a kick still holds; 0 for no end."""
    text: str = ""
    """What the administrator says of it."""


class Disconnect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Close a link after what is queued for it."""

    link: int
    reason: LinkEndReason


class Handle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Handle a request that has waited behind another one of its author."""

    request: PeerRequest
    to: Caller


class TellConsole(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Show the operator at the console a notice, and carry out the lines that waited for it."""

    notice: DeskNotice


class Append(msgspec.Struct, frozen=True, gc=False):
    """Store entries. Nothing waits for them."""

    entries: tuple[Entry, ...]


class Store(msgspec.Struct, frozen=True, gc=False):
    """Store entries, if there are any. The rule that yields this goes on when these and all earlier
    entries are on the disk, or cannot be stored."""

    entries: tuple[Entry, ...]
    held: int = 0
    """Bytes that the rule keeps in memory meanwhile, if many."""
    is_reserved: bool = False
    """Whether it may wait where too many wait for others already: the state has changed, and what
    is told of it must not overtake what was told before."""


class Settled(NamedTuple):
    """The answer to a `Store`."""

    is_stored: bool
    now: float
    """The time of the answer, at which anything may have changed since the request."""


class StoreLetter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Store a letter. It is settled together with the letters around it (`MailService.settle`), and
    after all earlier entries too: letters are the most frequent entries, and their reader gets many
    at once."""

    entry: MailStored
    reference: int
    to: Caller


class ShowOnConsole(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Show lines on the console. Strangers' text in them is sanitized already."""

    lines: tuple[str, ...]


class AnswerAdmin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Answer the admin request with this ticket."""

    ticket: str
    answer: AdminAnswer


class TellEverybody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send a notice on every link, of members and of guests."""

    message: RegistryNotice


class Drop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Do nothing, and count it under this reason."""

    reason: DropReason


Returned = TypeVar("Returned")
Steps: TypeAlias = Generator["Effect | Store", Settled, Returned]
"""Effects, and stores for whose answer the generator waits."""
Rule: TypeAlias = Steps[None]
"""A rule that may wait for the disk. As an effect it is begun in its place; what stands behind it
does not wait for it."""
Effect: TypeAlias = (
    Reply
    | Push
    | SendDatagram
    | CheckAlive
    | Offer
    | Relay
    | RelayTo
    | Admit
    | Note
    | Refuse
    | Disconnect
    | Handle
    | TellConsole
    | Append
    | StoreLetter
    | ShowOnConsole
    | AnswerAdmin
    | TellEverybody
    | Drop
    | Rule
)
"""Everything that can follow from a decision."""
Effects: TypeAlias = list[Effect] | Rule


NODE_SHIFT: Final = 40
"""Where the number of the node begins in the number of a link."""


LOCAL: Final = 0
"""The node of the edge in the engine's own process."""


def node_of(link: int) -> int:
    """Return the node that holds a link."""
    return link >> NODE_SHIFT


def origin_of(caller: Caller) -> int:
    """Return the node at which a request came."""
    return caller.node if caller.link is None else node_of(caller.link)


def link_at(node: int, number: int) -> int:
    """Return the name of the link with an edge's own number on this node."""
    return node << NODE_SHIFT | number


def number_at_edge(link: int) -> int:
    """Return the number that the edge gave the link."""
    return link & ((1 << NODE_SHIFT) - 1)
