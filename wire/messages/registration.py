"""Registration: the datagrams that are not sealed, because no key is shared yet (clause 4).

HELLO -> COOKIE -> REGISTER -> WELCOME or REFUSED. All carry the nonce of the HELLO, so that a
recorded answer fits no later attempt.
"""

import enum
from typing import Annotated

import msgspec

from chatapp.wire.limits import (
    EXCLUSION_TEXT_MAX,
    SERVERS_MAX,
    Count,
    Host,
    Name,
    Port,
    Reference,
    Signature,
)
from chatapp.wire.messages.table import Card

PROTOCOL_VERSION = 1

Lease = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Nonce = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Invitation = Annotated[bytes, msgspec.Meta(max_length=96)]
Voucher = Annotated[bytes, msgspec.Meta(max_length=96)]
CookieBytes = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class RefusalReason(enum.IntEnum):
    """Why a registry refuses a registration or a rename (clause 4.5)."""

    NAME_TAKEN = 1
    BAD_NAME = 2
    OLD_CARD = 3
    VERSION = 4
    FULL = 5
    NOT_SERVING = 6
    NOT_INVITED = 7
    BAD_CODE = 8
    BANNED = 9
    KEPT_FOR_OPERATOR = 10
    KICKED = 11
    VISITORS_FULL = 12
    ADDRESS_FULL = 13
    GATEWAY_BANNED = 14


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """Peer to registry: padded to `limits.HELLO_SIZE` bytes by `wire.codec`. It makes the registry
    store nothing."""

    version: Annotated[int, msgspec.Meta(ge=0, le=65_535)]
    nonce: Nonce


class Cookie(msgspec.Struct, frozen=True, array_like=True):
    """Registry to peer: proof that the peer receives at its address, and the registry's card."""

    nonce: Nonce
    cookie: CookieBytes
    card: Card


class Register(msgspec.Struct, frozen=True, array_like=True):
    """Peer to registry: the request to register. The signature covers all other fields and the
    registry's identity, so a card copied from the table is of no use to anybody else."""

    nonce: Nonce
    cookie: CookieBytes
    card: Card
    signature: Signature
    invitation: Invitation = b""
    """The join code's proof (`wire.admission`), for a newcomer who has one; it has a signature of
    its own."""
    voucher: Voucher = b""
    """A gateway's proof (`wire.admission`) that this visitor of the help desk comes through it."""


class ServerPlace(msgspec.Struct, frozen=True, array_like=True):
    """Another server of a registry: an IP address or a host name, and a port."""

    host: Host
    port: Port


class Welcome(msgspec.Struct, frozen=True, array_like=True):
    """Registry to peer, signed: registered."""

    nonce: Nonce
    host: Host
    port: Port
    table_version: Count
    lease: Lease
    """Seconds without a sign of life after which the peer counts as away."""
    link_port: Port
    clock: Count
    """The registry's clock, in milliseconds."""
    servers: Annotated[list[ServerPlace], msgspec.Meta(max_length=SERVERS_MAX)]
    """Where else this registry may answer."""
    signature: Signature


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """Registry to peer, signed: not registered, and why."""

    nonce: Nonce
    reason: RefusalReason
    name: Name
    counter: Count
    """With OLD_CARD the counter of the card that the registry knows, with VERSION its version of the
    protocol, else 0."""
    seconds: Count
    """With BANNED, GATEWAY_BANNED and KICKED how long that still holds; 0 for no end, and with
    other reasons."""
    text: Annotated[str, msgspec.Meta(max_length=EXCLUSION_TEXT_MAX)]
    """What the registry's owner says of it; mostly empty."""
    signature: Signature


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """A sign of life: keeps the lease."""

    reference: Reference


class Pong(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """The answer to a Ping. `table_version` shows whether the other side missed changes."""

    reference: Reference
    table_version: Count


class Probe(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Registry to peer: somebody cannot reach you; send a sign of life by the path on which this
    came."""


class AskLease(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """Peer to registry, on its link: give me the lease of a slow link, or the usual one again."""

    is_slow: bool


class LeaseNamed(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """Registry to peer: your lease from now on, until this link ends."""

    seconds: Lease


class Leave(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Peer to registry: I go offline on purpose."""

    reference: Reference


class Left(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Registry to peer: you are offline now. Sent for every repeated Leave."""

    reference: Reference


class Rename(msgspec.Struct, frozen=True, array_like=True, tag=80):
    """Peer to registry, on its link: use this card from now on. It has another name and a higher
    counter."""

    reference: Reference
    card: Card


class RenameAccepted(msgspec.Struct, frozen=True, array_like=True, tag=81):
    """Registry to peer: the new card is on disk and in the table."""

    reference: Reference


class RenameRefused(msgspec.Struct, frozen=True, array_like=True, tag=82):
    """Registry to peer: the rename is refused; you keep your name."""

    reference: Reference
    reason: RefusalReason


class Release(msgspec.Struct, frozen=True, array_like=True, tag=84):
    """Peer to registry, on its link: I give up my name. Anybody may have it, and my mail is to be
    deleted."""

    reference: Reference


class Released(msgspec.Struct, frozen=True, array_like=True, tag=85):
    """Registry to peer: you have no name here any more, and that is on disk. The link ends."""

    reference: Reference


class ReleaseRefused(msgspec.Struct, frozen=True, array_like=True, tag=86):
    """Registry to peer: you keep your name."""

    reference: Reference
    reason: RefusalReason
