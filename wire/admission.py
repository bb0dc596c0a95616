"""This file is about what is signed while a peer comes in: REGISTER by the peer, WELCOME and REFUSED by the registry.

Each signature covers all other fields and the other side's identity or nonce (clauses 4.3 to 4.5), so that none of
these datagrams is of use a second time or to somebody else. It knows keys; it must not know who is let in.
"""

from typing import Final

from wire.codec import encode
from wire.identity import Identity, is_signed_by
from wire.invitations import JoinCode
from wire.messages.registration import RefusalReason, Refused, Register, Welcome
from wire.messages.table import Card

_REGISTER: Final = b"chatapp register 1\0"
_WELCOME: Final = b"chatapp welcome 1\0"
_REFUSED: Final = b"chatapp refused 1\0"
_TABLE: Final = b"chatapp table 1\0"


def make_register(
    author: Identity,
    *,
    registry: bytes,
    nonce: bytes,
    cookie: bytes,
    card: Card,
    code: JoinCode | None = None,
) -> Register:
    """A REGISTER for the registry with that identity key."""
    shown = b"" if code is None else code.shown_to(registry=registry, nonce=nonce, identity=card.identity)
    signature = author.sign(_REGISTER, _asked(registry, nonce, cookie, card, shown))
    return Register(nonce, cookie, card, signature, shown)


def is_register_authentic(message: Register, *, registry: bytes) -> bool:
    """Whether the holder of the card's identity key sent this to this registry."""
    shown = message.invitation
    said = _asked(registry, message.nonce, message.cookie, message.card, shown)
    return is_signed_by(message.card.identity, _REGISTER, said, message.signature)


def make_welcome(
    registry: Identity,
    *,
    card: Card,
    nonce: bytes,
    host: str,
    port: int,
    table_version: int,
    lease: int,
    link_port: int,
    clock: int = 0,
) -> Welcome:
    """A WELCOME for the peer with that card, seen at that address."""
    said = _welcomed(card.identity, nonce, host, port, table_version, lease, link_port, clock)
    return Welcome(
        nonce=nonce,
        host=host,
        port=port,
        table_version=table_version,
        lease=lease,
        link_port=link_port,
        clock=clock,
        signature=registry.sign(_WELCOME, said),
    )


def is_welcome_authentic(message: Welcome, *, registry: bytes, identity: bytes) -> bool:
    """Whether this registry sent it to the peer with this identity."""
    said = _welcomed(
        identity,
        message.nonce,
        message.host,
        message.port,
        message.table_version,
        message.lease,
        message.link_port,
        message.clock,
    )
    return is_signed_by(registry, _WELCOME, said, message.signature)


def make_refused(
    registry: Identity, *, nonce: bytes, reason: RefusalReason, name: str, counter: int = 0
) -> Refused:
    """A REFUSED for whoever sent this nonce."""
    signature = registry.sign(_REFUSED, encode([nonce, reason, name, counter]))
    return Refused(nonce=nonce, reason=reason, name=name, counter=counter, signature=signature)


def is_refused_authentic(message: Refused, *, registry: bytes) -> bool:
    """Whether this registry sent it."""
    said = encode([message.nonce, message.reason, message.name, message.counter])
    return is_signed_by(registry, _REFUSED, said, message.signature)


def sign_table(registry: Identity, batch: bytes) -> bytes:
    """The payload of a TABLE: 64 bytes of signature, then the encoded `TableBatch` (clause 3.3)."""
    return registry.sign(_TABLE, batch) + batch


def signed_table(payload: bytes, *, registry: bytes) -> bytes | None:
    """The encoded `TableBatch`, or None when this registry did not sign it: every member holds the group's key."""
    signature, batch = payload[:64], payload[64:]
    return batch if is_signed_by(registry, _TABLE, batch, signature) else None


def _asked(registry: bytes, nonce: bytes, cookie: bytes, card: Card, shown: bytes) -> bytes:
    """An invitation is signed too: else somebody on the path could take it away, and its author would be turned down."""
    asked = [registry, nonce, cookie, card]
    return encode([*asked, shown] if shown else asked)


def _welcomed(
    identity: bytes,
    nonce: bytes,
    host: str,
    port: int,
    table_version: int,
    lease: int,
    link_port: int,
    clock: int,
) -> bytes:
    return encode([identity, nonce, host, port, table_version, lease, link_port, clock])
