"""What a decision of the registry leads to: effects as values. Whoever decides sends nothing.

It also names who asks (`Caller`) and what the registry says to itself when the disk has answered (`StoreOutcome`), so
that a rule can go on where it had to wait. It knows no bytes, sockets or files.
"""

from typing import Annotated, TypeAlias

import msgspec

from chatapp.registry.store.entries import Entry
from chatapp.wire.address import Address
from chatapp.wire.limits import INVITES_MAX
from chatapp.wire.messages.desk import DeskNotice
from chatapp.wire.messages.link import PeerRequest, RegistryNotice
from chatapp.wire.messages.registration import RefusalReason, Register
from chatapp.wire.messages.table import Card, Name


class PeerRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody registered."""

    name: str
    address: Address

    def __str__(self) -> str:
        return f"{self.name} came in from {self.address}"


class NameChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has another name."""

    before: str
    name: str

    def __str__(self) -> str:
        return f"{self.before} is now {self.name}"


class RegistrationRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was refused."""

    name: str
    address: Address
    reason: RefusalReason

    def __str__(self) -> str:
        return f"{self.name} was turned away from {self.address}: {self.reason.name}"


class LinkEnded(msgspec.Struct, frozen=True, kw_only=True):
    """We ended a link."""

    address: Address
    reason: str

    def __str__(self) -> str:
        return f"link of {self.address} ended: {self.reason}"


class StoreFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The disk did not take what it was given."""

    reason: str

    def __str__(self) -> str:
        return f"not stored: {self.reason}"


class NamesSkipped(msgspec.Struct, frozen=True, kw_only=True):
    """At the start some names on the disk could not be read: whoever comes first may have them now."""

    count: int

    def __str__(self) -> str:
        return f"{self.count} names on the disk have cards of an unknown shape and were passed over"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An effect could not be carried out, by a fault of the registry's own."""

    reason: str
    places: tuple[str, ...]
    """Files and lines, the innermost last."""

    def __str__(self) -> str:
        return f"fault while serving: {self.reason} at {', '.join(self.places)}"


Event: TypeAlias = (
    PeerRegistered | NameChanged | RegistrationRefused | LinkEnded | StoreFailed | NamesSkipped | Fault
)


Code: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class MakeInvites(msgspec.Struct, frozen=True, tag="invite"):
    """The public halves of new join codes. The same ones again change nothing."""

    codes: Annotated[list[Code], msgspec.Meta(max_length=INVITES_MAX)]


class ListNames(msgspec.Struct, frozen=True, tag="names"):
    """Which names there are."""


class ReleaseName(msgspec.Struct, frozen=True, tag="release"):
    """This name is to be anybody's again."""

    name: str


AdminRequest: TypeAlias = MakeInvites | ListNames | ReleaseName


class NameShown(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One name: whose it is, whether they are here, and since when that holds (Unix seconds)."""

    name: str
    identity: bytes
    state: str
    since: int


class AdminAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `error` is empty when it is done, and on the disk."""

    error: str = ""
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
Request: TypeAlias = PeerRequest | Register | StoreOutcome
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


class Renamed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """This card, which bears another name, is in the table."""

    card: Card
    before: Name


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
    reason: str


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

    reason: str


Effect: TypeAlias = (
    Reply
    | Push
    | SendDatagram
    | CheckAlive
    | Offer
    | Relay
    | RelayTo
    | Admit
    | Renamed
    | Refuse
    | Disconnect
    | Resume
    | Persist
    | ShowOnConsole
    | AnswerAdmin
    | Drop
)
"""All that can follow from a decision."""
