"""What a decision of the registry leads to: effects as values. Whoever decides sends nothing.

It also names who asks (`Caller`) and what the registry says to itself when the disk has answered (`StoreOutcome`), so
that a rule can go on where it had to wait. It knows no bytes, sockets or files.
"""

import enum
from typing import Annotated, TypeAlias

import msgspec

from chatapp.registry.store.entries import Entry
from chatapp.wire.address import Address
from chatapp.wire.limits import INVITES_MAX
from chatapp.wire.messages.desk import DeskNotice
from chatapp.wire.messages.link import PeerRequest, RegistryNotice
from chatapp.wire.messages.registration import RefusalReason
from chatapp.wire.messages.table import Card, Name


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
    REPEATED_REGISTER_AFTER_LEAVE = enum.auto()
    RENAME_OF_ANOTHER = enum.auto()
    # signs of life
    PING_FROM_STRANGER = enum.auto()
    LEAVE_FROM_STRANGER = enum.auto()
    SILENCE_REPORT_RATE = enum.auto()
    # links
    MALFORMED_FRAME = enum.auto()
    MISPLACED_ATTACH = enum.auto()
    BANNED = enum.auto()
    RELAY_RATE_OF_SENDER = enum.auto()
    RELAY_RATE_OF_NETWORK = enum.auto()
    RECIPIENT_LINK_BUSY = enum.auto()
    REQUEST_QUEUE_FULL = enum.auto()
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


class PeerRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody registered."""

    name: str
    address: Address


class NameChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has another name."""

    before: str
    name: str


class RegistrationRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was refused."""

    name: str
    address: Address
    reason: RefusalReason


class LinkEnded(msgspec.Struct, frozen=True, kw_only=True):
    """We ended a link."""

    address: Address
    reason: LinkEndReason


class StoreFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The disk did not take what it was given."""

    reason: str


class NamesSkipped(msgspec.Struct, frozen=True, kw_only=True):
    """At the start some names on the disk could not be read: whoever comes first may have them now."""

    count: int


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An effect could not be carried out, by a fault of the registry's own."""

    reason: str
    places: tuple[str, ...]
    """Files and lines, the innermost last."""


Event: TypeAlias = (
    PeerRegistered | NameChanged | RegistrationRefused | LinkEnded | StoreFailed | NamesSkipped | Fault
)


JoinCodeKey: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class MakeInvites(msgspec.Struct, frozen=True, tag="invite"):
    """Make join codes with these public halves valid. Codes that are valid already stay as they are."""

    codes: Annotated[list[JoinCodeKey], msgspec.Meta(max_length=INVITES_MAX)]


class ListNames(msgspec.Struct, frozen=True, tag="names"):
    """List all names."""


class ReleaseName(msgspec.Struct, frozen=True, tag="release"):
    """Make a name free for anybody."""

    name: str


AdminRequest: TypeAlias = MakeInvites | ListNames | ReleaseName


class NameShown(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A listed name: whose it is, whether its owner is online, and since when (Unix seconds)."""

    name: str
    identity: bytes
    state: str
    since: int


class AdminRefusal(enum.Enum):
    """Why an admin request was not done."""

    TOO_MANY_CODES = "too many codes"
    BAD_NAME = "bad name"
    NAME_UNKNOWN = "name unknown"
    OPERATOR_NAME = "operator name"
    NAME_PENDING = "name pending"
    """The name is on its way to the disk."""
    NAME_ONLINE = "name online"
    NOT_STORED = "not stored"


class AdminAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an admin request. Without a refusal it is done, and on the disk."""

    refusal: AdminRefusal | None = None
    name: str = ""
    """The name that the refusal is about, as it was typed."""
    room: int = 0
    """How many more codes there may be."""
    names: list[NameShown] = []


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who asks, proved by their seal or signature, and by which way: a link, else a datagram from `address`."""

    identity: bytes
    link: int | None = None
    address: Address | None = None
    session: bytes = b""
    """That of a datagram, under which it is answered."""
    is_newest: bool = True
    """Whether no later datagram of theirs was opened before: only then does it say how things are now."""


# --- what the registry says to itself


class NameOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new name is on the disk, or will not be."""

    card: Card
    name_key: str
    nonce: bytes
    channel_since: int
    is_stored: bool
    network: str = ""
    """From where a newcomer asked."""
    code: bytes = b""
    """The join code that is used up with it."""


class RenameOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Another name of somebody is on the disk, or will not be."""

    card: Card
    name_key: str
    reference: int
    is_stored: bool


class LetterOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A letter is on the disk, or will not be."""

    recipient: bytes
    serial: int
    reference: int
    is_stored: bool


class LineStored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of a group is on the disk: now the others may be shown it."""

    group: str
    epoch: int
    counter: int
    position: int
    frame: bytes


class LineLost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of a group will not be on the disk."""

    group: str
    epoch: int
    counter: int
    position: int


class RoomEntryOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """That somebody is a new member of a room is on the disk, or will not be."""

    group: str
    reference: int
    since: int
    is_stored: bool


class GroupKeyOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new group key is on the disk, or will not be."""

    group: str
    epoch: int
    key: bytes
    is_stored: bool


class VisitOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new visit of the help desk is on the disk, or will not be."""

    visit: int
    is_stored: bool


class DeskLineOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was said in a visit is on the disk, or will not be."""

    visit: int
    position: int
    is_stored: bool


class ConsoleNotice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The operator at the registry's own terminal is told this now: the disk has all that it rests on."""

    notice: DeskNotice


DeskStoreOutcome: TypeAlias = VisitOutcome | DeskLineOutcome | ConsoleNotice
StoreOutcome: TypeAlias = (
    NameOutcome
    | LetterOutcome
    | LineStored
    | LineLost
    | GroupKeyOutcome
    | RoomEntryOutcome
    | RenameOutcome
    | DeskStoreOutcome
)
Request: TypeAlias = PeerRequest | StoreOutcome
"""All that the service is asked to handle."""


# --- effects


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """To the caller, by the way they asked. Lost when that way is gone."""

    to: Caller
    message: RegistryNotice | msgspec.Raw
    """Raw: one that is encoded already."""


class Push(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """To somebody's link, unasked. Lost when there is none."""

    link: int
    message: RegistryNotice | msgspec.Raw


class SendDatagram(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """To somebody's address, in a sealed datagram, unasked. Lost when we share no session."""

    identity: bytes
    address: Address
    message: RegistryNotice


class CheckAlive(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody waits for them: unless they show a sign of life by themselves soon, they are asked for one."""

    identity: bytes


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """To somebody's link, unasked, unless much waits there already. What others send must not fill it."""

    link: int
    message: RegistryNotice


class Relay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The same bytes to all attached links but the sender's."""

    frame: bytes
    sender: int


class RelayTo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The same bytes to these links but the sender's."""

    frame: bytes
    links: tuple[int, ...]
    sender: int


class Admit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """This card is let in; answer its REGISTER, signed."""

    to: Caller
    card: Card
    nonce: bytes
    is_new: bool
    """Whether this is a first coming in and no repeated datagram."""


class Note(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Write this event into the log."""

    event: Event


class Refuse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It is not."""

    to: Caller
    nonce: bytes
    name: Name
    reason: RefusalReason
    counter: int = 0
    """That of the card that is known, where this one is older."""


class Disconnect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Close this link after what is queued for it."""

    link: int
    reason: LinkEndReason


class Resume(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Hand this back to the service."""

    request: Request
    to: Caller


class Persist(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Keep `entries`; when they (and all before them) are on the disk do `then`, when they cannot be, `otherwise`."""

    entries: tuple[Entry, ...]
    then: tuple["Effect", ...] = ()
    otherwise: tuple["Effect", ...] = ()
    held: int = 0
    """Bytes that `then` keeps in memory meanwhile, when they are many."""


class ShowOnConsole(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Lines for the registry's own terminal. Strangers' text in them is clean already."""

    lines: tuple[str, ...]


class AnswerAdmin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """To whoever runs the registry, who asked with this ticket."""

    ticket: str
    answer: AdminAnswer


class Drop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Nothing is done; it is counted under this reason."""

    reason: DropReason


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
    | Resume
    | Persist
    | ShowOnConsole
    | AnswerAdmin
    | Drop
)
"""All that can follow from a decision."""
