"""This file is about what a decision of the registry leads to: effects as values. Whoever decides sends nothing.

It also names who asks (`Caller`) and what the registry says to itself when the disk has answered (`Afterthought`), so
that a rule can go on where it had to wait. It knows no bytes, sockets or files.
"""

from typing import TypeAlias

import msgspec

from registry.errands import Answer
from registry.store.entries import Entry
from wire.address import Address
from wire.messages.desk import DeskNotice
from wire.messages.link import PeerRequest, RegistryNotice
from wire.messages.registration import RefusalReason, Register
from wire.messages.table import Card, Name


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


class NameKept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new name is on the disk, or will not be."""

    card: Card
    name_key: str
    nonce: bytes
    channel_since: int
    is_kept: bool
    network: str = ""
    """From where a newcomer asked."""
    code: bytes = b""
    """The join code that is used up with it."""


class RenameKept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Another name of somebody is on the disk, or will not be."""

    card: Card
    name_key: str
    reference: int
    is_kept: bool


class LetterKept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A letter is on the disk, or will not be."""

    recipient: bytes
    serial: int
    reference: int
    is_kept: bool


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


class RoomEntryKept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """That somebody is a new member of a room is on the disk, or will not be."""

    group: str
    reference: int
    since: int
    is_kept: bool


class EpochKept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new group key is on the disk, or will not be."""

    group: str
    epoch: int
    key: bytes
    is_kept: bool


class VisitKept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new visit of the help desk is on the disk, or will not be."""

    visit: int
    is_kept: bool


class DeskLineStored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was said in a visit is on the disk, or will not be."""

    visit: int
    position: int
    is_kept: bool


class ConsoleTold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The operator at the registry's own terminal is told this now: the disk has all that it rests on."""

    notice: DeskNotice


DeskAfterthought: TypeAlias = VisitKept | DeskLineStored | ConsoleTold
Afterthought: TypeAlias = (
    NameKept | LetterKept | LineStored | LineLost | EpochKept | RoomEntryKept | RenameKept | DeskAfterthought
)
Request: TypeAlias = PeerRequest | Register | Afterthought
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


class Tell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """To somebody's address, in a sealed datagram, unasked. Lost when we share no session."""

    identity: bytes
    address: Address
    message: RegistryNotice


class Doubt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Welcomed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Denied(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Store(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Keep `entries`; when they (and all before them) are on the disk do `then`, when they cannot be, `otherwise`."""

    entries: tuple[Entry, ...]
    then: tuple["Effect", ...] = ()
    otherwise: tuple["Effect", ...] = ()
    held: int = 0
    """Bytes that `then` keeps in memory meanwhile, when they are many."""


class Show(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Lines for the registry's own terminal. Strangers' text in them is clean already."""

    lines: tuple[str, ...]


class Answered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """To whoever runs the registry, who asked with this ticket."""

    ticket: str
    answer: Answer


class Drop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Nothing is done; it is counted under this reason."""

    reason: str


Effect: TypeAlias = (
    Reply
    | Push
    | Tell
    | Doubt
    | Offer
    | Relay
    | RelayTo
    | Welcomed
    | Renamed
    | Denied
    | Disconnect
    | Resume
    | Store
    | Show
    | Answered
    | Drop
)
"""All that can follow from a decision."""
