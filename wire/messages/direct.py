"""This file is about what one peer says to another: the body of a message; how it travels is `delivery`'s."""

from typing import Annotated

import msgspec

from wire.limits import TEXT_MAX
from wire.messages.group import GroupName
from wire.messages.table import Count


class DirectBody(msgspec.Struct, frozen=True, array_like=True):
    """The inside of a direct message (clause 6.1). `at` is the sender's Unix time in milliseconds."""

    at: Count
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class StraightLine(msgspec.Struct, frozen=True, array_like=True):
    """The other inside of a direct message (clause 6.9): a line of a group, said straight to one member while the
    registry is away. Its first field is a text, a `DirectBody`'s a number: so they are told apart."""

    group: GroupName
    number: Count
    """In the sender's stream to the group, as the line bears it in the group's log later."""
    since: Count
    """Every number from this one up to `number` was never given."""
    floor: Count
    """Every number below it is settled: it has its place in the group's log, or never comes."""
    position: Count
    """Where in the log the newest of those stands; 0 for none. Who has the log up to there need not wait for any."""
    at: Count
    """The sender's Unix time in milliseconds."""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class RelayDatagram(msgspec.Struct, frozen=True, array_like=True, tag=30):
    """Peer to registry: pass this sealed datagram to `recipient` over its link (rung 2)."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    datagram: bytes


class DatagramRelayed(msgspec.Struct, frozen=True, array_like=True, tag=31):
    """Registry to peer: `sender` asked me to pass this on."""

    sender: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    datagram: bytes


class ReportSilence(msgspec.Struct, frozen=True, array_like=True, tag=33):
    """Peer to registry: `recipient` answered none of my tries, although the table says that they are online."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class RelayFailed(msgspec.Struct, frozen=True, array_like=True, tag=32):
    """Registry to peer: `recipient` has no link; do not wait for an answer."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
