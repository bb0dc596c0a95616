"""What travels on the bus between the edges of a cluster and its engine.

The engine announces itself on the subject `NEWS`. Each edge has two subjects of its own: on one it
writes to the engine, on the other the engine writes to it. Bundles carry items: what an edge asks
of the engine goes up, what the engine tells it goes down.
"""

from typing import Annotated, Any, Final

import msgspec

from chatapp.registry.rules.admin_requests import AdminAnswer, CoreRequest
from chatapp.registry.rules.directory.table import GAPS_MAX
from chatapp.registry.rules.effects import NODE_SHIFT, LinkEndReason
from chatapp.wire.address import Address, addresses_via
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import Count, Name
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.registration import Leave, Nonce, Ping, RefusalReason, Register
from chatapp.wire.messages.table import Card

NEWS: Final = "news"
"""The subject on which an engine announces itself."""
TO_ENGINE: Final = "engine.*"
"""The subjects on which edges write to the engine."""
ID_SIZE: Final = 8


def engine_subject(edge: bytes) -> str:
    """Return the subject on which one edge writes to the engine: what is too much there costs no
    other edge a message."""
    return f"engine.{edge.hex()}"


def edge_subject(edge: bytes) -> str:
    """Return the subject on which the engine writes to one edge."""
    return f"edge.{edge.hex()}"


ProcessId = Annotated[bytes, msgspec.Meta(min_length=ID_SIZE, max_length=ID_SIZE)]
"""Names an engine or an edge, drawn at random, or a session between them, counted by the edge."""
NodeNumber = Annotated[int, msgspec.Meta(ge=1, lt=1 << 63 - NODE_SHIFT)]
LinkNumber = Annotated[int, msgspec.Meta(ge=0, lt=1 << NODE_SHIFT)]
"""The number that the edge gave the link; 0 for a link of another node."""
Lease = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Seed = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
WireAddress = tuple[str, int, str]
"""Host, port, and the address of the edge's machine by which it is answered (`Address.via`)."""

_kinds: dict[str, type[Address]] = {"": Address}
_KINDS_MAX: Final = 1_024


def pack_address(address: Address) -> WireAddress:
    """Return an address as it travels."""
    return address.host, address.port, address.via


def unpack_address(packed: WireAddress) -> Address:
    """Return an address that has travelled."""
    host, port, via = packed
    kind = _kinds.get(via)
    if kind is None:
        if len(_kinds) >= _KINDS_MAX:
            return Address(host, port)
        kind = _kinds[via] = addresses_via(via)
    return kind(host, port)


# --- sessions


class EngineNews(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Engine to all: it is here. Edges follow the engine with the highest term."""

    engine: ProcessId
    term: Count
    name: str
    """Of its node, for people."""


class EnterEngine(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Edge to engine: the request for a session, which is called `run`."""

    engine: ProcessId
    edge: ProcessId
    run: ProcessId
    """Above that of any earlier session of this edge: a request that is played back is told apart
    by it."""
    name: str


class EngineEntered(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Engine to edge: the session stands once the first bundle comes up."""

    engine: ProcessId
    run: ProcessId
    node: NodeNumber
    identity: Seed
    """Of the registry's key."""
    lease: Lease
    """Seconds without a sign of life after which the engine counts a peer as away."""
    gaps: Annotated[list[tuple[Count, Count]], msgspec.Meta(max_length=GAPS_MAX)]
    """Versions of the table about which only the engine may be asked."""


class UpBundle(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Edge to engine: the items of one turn, and a sign of life. The first bundle has number 1."""

    engine: ProcessId
    edge: ProcessId
    run: ProcessId
    number: Count
    items: list[msgspec.Raw]


class DownBundle(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Engine to edge: the items of one turn, and a sign of life."""

    engine: ProcessId
    run: ProcessId
    number: Count
    handled: Count
    """The edge's newest bundle that the engine has handled."""
    items: list[msgspec.Raw]


class EdgeLeft(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Edge to engine: this session is over."""

    engine: ProcessId
    edge: ProcessId
    run: ProcessId


class EdgeDismissed(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Engine to edge: this session is over, or never was."""

    engine: ProcessId
    run: ProcessId


class EngineLeft(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Engine to all: it serves nobody any more. Another engine may follow soon, so the edges' links
    stay for now."""

    engine: ProcessId


BusMessage = (
    EngineNews
    | EnterEngine
    | EngineEntered
    | UpBundle
    | DownBundle
    | EdgeLeft
    | EdgeDismissed
    | EngineLeft
)


# --- items that go up


class RegisterCame(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """A REGISTER whose signatures the edge has checked."""

    register: Register
    address: WireAddress


class LinkRequestCame(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """A request on an attached link, whose Attach comes first. It is a sign of life."""

    link: LinkNumber
    identity: bytes
    request: PeerRequest


class DatagramRequestCame(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """A request in a sealed datagram."""

    identity: bytes
    address: WireAddress
    session: bytes
    is_newest: bool
    request: Ping | Leave


class GroupFrameCame(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """A line for a group. It is a sign of life."""

    link: LinkNumber
    identity: bytes
    frame: bytes


class LinkGone(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """An attached link is over."""

    link: LinkNumber
    identity: bytes


class LifeSeen(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """Something came on an attached link, of which no request or line says so."""

    identity: bytes


class AdminAsked(msgspec.Struct, frozen=True, array_like=True, tag=26):
    """A request of the administrator of the edge's node."""

    ticket: str
    request: CoreRequest


class OrphanedLinks(msgspec.Struct, frozen=True, array_like=True, tag=27):
    """Links of members that have outlived another engine. Their peers are about to attach again."""

    links: list[tuple[LinkNumber, bytes, Nonce, WireAddress]]
    """Of each: the link, the identity, the nonce of the last REGISTER, and where the peer is."""


UpItem = (
    LinkRequestCame
    | GroupFrameCame
    | DatagramRequestCame
    | RegisterCame
    | LinkGone
    | LifeSeen
    | AdminAsked
    | OrphanedLinks
)


# --- items that go down


class AnswerOnLink(msgspec.Struct, frozen=True, array_like=True, tag=40):
    """Answer a request on its link. Answers count against the link's rate."""

    link: LinkNumber
    payload: bytes


class SendOnLink(msgspec.Struct, frozen=True, array_like=True, tag=41):
    """Send on a link."""

    link: LinkNumber
    payload: bytes


class OfferOnLink(msgspec.Struct, frozen=True, array_like=True, tag=42):
    """Send on a link, unless its reader is behind; `is_idle`: or more than a little waits for it."""

    link: LinkNumber
    payload: bytes
    is_idle: bool


class AnswerDatagram(msgspec.Struct, frozen=True, array_like=True, tag=43):
    """Answer a datagram in its session."""

    address: WireAddress
    session: bytes
    payload: bytes


class SendSealed(msgspec.Struct, frozen=True, array_like=True, tag=44):
    """Send in a sealed datagram."""

    identity: bytes
    address: WireAddress
    payload: bytes


class AdmitPeer(msgspec.Struct, frozen=True, array_like=True, tag=45):
    """Answer a REGISTER with a WELCOME."""

    address: WireAddress
    card: Card
    nonce: Nonce
    is_new: bool
    is_guest: bool
    table_version: Count
    clock: Count


class RefusePeer(msgspec.Struct, frozen=True, array_like=True, tag=46):
    """Answer a REGISTER with a REFUSED."""

    address: WireAddress
    nonce: Nonce
    name: Name
    reason: RefusalReason
    counter: Count
    seconds: Count
    text: str


class EndLink(msgspec.Struct, frozen=True, array_like=True, tag=47):
    """End a link after what is queued for it."""

    link: LinkNumber
    reason: LinkEndReason


class RelayToAll(msgspec.Struct, frozen=True, array_like=True, tag=48):
    """Send the same bytes on all links of members but the sender's."""

    frame: bytes
    sender: LinkNumber


class RelayToSome(msgspec.Struct, frozen=True, array_like=True, tag=49):
    """Send the same bytes on these links but the sender's."""

    frame: bytes
    links: list[LinkNumber]
    sender: LinkNumber


class SendToEverybody(msgspec.Struct, frozen=True, array_like=True, tag=50):
    """Send on every link, of members and of guests."""

    payload: bytes


class AudienceChanged(msgspec.Struct, frozen=True, array_like=True, tag=51):
    """These addresses come to or leave those to which the table is broadcast."""

    added: list[WireAddress]
    removed: list[WireAddress]


class BroadcastTable(msgspec.Struct, frozen=True, array_like=True, tag=52):
    """Send one datagram to the whole audience."""

    frame: bytes


class TableChanged(msgspec.Struct, frozen=True, array_like=True, tag=54):
    """Rows of the table, encoded, that have changed since the last such item, or ever. `more`:
    whether the next item follows at once."""

    version: Count
    more: bool
    rows: list[msgspec.Raw]


class AdminAnswerPart(msgspec.Struct, frozen=True, array_like=True, tag=53):
    """A part of an encoded answer to an admin request, which may be too long for one message."""

    ticket: str
    part: bytes
    is_last: bool


DownItem = (
    AnswerOnLink
    | SendOnLink
    | OfferOnLink
    | RelayToAll
    | RelayToSome
    | AnswerDatagram
    | SendSealed
    | AdmitPeer
    | RefusePeer
    | EndLink
    | SendToEverybody
    | AudienceChanged
    | BroadcastTable
    | TableChanged
    | AdminAnswerPart
)


# --- bytes

_encoder: Final = msgspec.msgpack.Encoder()
_messages: Final = msgspec.msgpack.Decoder(BusMessage)
_up_items: Final = msgspec.msgpack.Decoder(UpItem)
_down_items: Final = msgspec.msgpack.Decoder(DownItem)
_admin_answers: Final = msgspec.msgpack.Decoder(AdminAnswer)

encode: Final = _encoder.encode


def _decoded(decoder: msgspec.msgpack.Decoder[Any], data: bytes | msgspec.Raw, subject: str) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DecodeError(subject, str(error)) from None


def decode_message(content: bytes) -> BusMessage:
    """Decode the content of a message. Raises DecodeError."""
    return _decoded(_messages, content, "bus message")  # type: ignore[no-any-return]


def decode_up(item: msgspec.Raw) -> UpItem:
    """Decode an item of an UpBundle. Raises DecodeError."""
    return _decoded(_up_items, item, "bus item")  # type: ignore[no-any-return]


def decode_down(item: msgspec.Raw) -> DownItem:
    """Decode an item of a DownBundle. Raises DecodeError."""
    return _decoded(_down_items, item, "bus item")  # type: ignore[no-any-return]


def decode_admin_answer(encoded: bytes) -> AdminAnswer:
    """Decode a whole answer to an admin request. Raises DecodeError."""
    return _decoded(_admin_answers, encoded, "admin answer")  # type: ignore[no-any-return]
