"""This file is about what one peer says to another: the body of a message; how it travels is `delivery`'s."""

from typing import Annotated

import msgspec

from wire.limits import TEXT_MAX
from wire.messages.table import Count


class DirectBody(msgspec.Struct, frozen=True, array_like=True):
    """The inside of a direct message (clause 6.1). `at` is the sender's Unix time in milliseconds."""

    at: Count
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class RelayDatagram(msgspec.Struct, frozen=True, array_like=True, tag=30):
    """Peer to registry: pass this sealed datagram to `recipient` over its link (rung 2)."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    datagram: bytes


class DatagramRelayed(msgspec.Struct, frozen=True, array_like=True, tag=31):
    """Registry to peer: `sender` asked me to pass this on."""

    sender: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    datagram: bytes


class RelayFailed(msgspec.Struct, frozen=True, array_like=True, tag=32):
    """Registry to peer: `recipient` has no link; do not wait for an answer."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
