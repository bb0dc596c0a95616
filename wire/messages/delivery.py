"""This file is about the frames of reliable delivery: parts of messages, what is stored of them, and the floor.

It knows their shape and the bounds that a decoder checks before any work; it must not know when they are sent.
Runs are alternating lengths, run first: `first=7, runs=[3, 2, 1]` says 7, 8, 9 and 12. Elements that a later
version appends to a frame are ignored, and other files add their kinds to the union with tags from 10 on.
"""

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

LAST_NUMBER: Final = 2**63 - 1
"""The highest message number: what every msgpack library and SQLite hold as a signed integer."""

RUNS_LIMIT: Final = 32
"""Runs in one acknowledgement: with the widest gaps still under 600 bytes, so it always fits a datagram."""

PARTS_LIMIT: Final = 1024
"""Parts of one message, so that a stranger cannot make us keep a table for a million of them."""

Number: TypeAlias = Annotated[int, Meta(ge=0, le=LAST_NUMBER)]
Length: TypeAlias = Annotated[int, Meta(ge=1, le=LAST_NUMBER)]
Lengths: TypeAlias = Annotated[list[Length], Meta(min_length=1, max_length=2 * RUNS_LIMIT - 1)]
PartIndex: TypeAlias = Annotated[int, Meta(ge=0, le=PARTS_LIMIT - 1)]
PartCount: TypeAlias = Annotated[int, Meta(ge=1, le=PARTS_LIMIT)]


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Part `index` of the `count` parts of message `number`; `count == 1` is a whole message."""

    number: Number
    index: PartIndex
    count: PartCount
    body: bytes


class Ack(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Numbers of messages that are stored at whoever says it."""

    first: Number
    runs: Lengths


class PartAck(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """Parts of message `number` that are held in memory, which a restart forgets."""

    number: Number
    first: PartIndex
    runs: Lengths


class Floor(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """The lowest number of the sender's stream that is not settled for ever: nothing below it comes again."""

    number: Number


class Void(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """The `count` numbers from `first` on, all at or above the floor, never come: they were skipped or refused."""

    first: Number
    count: Length


DeliveryFrame: TypeAlias = Part | Ack | PartAck | Floor | Void

encode_frame: Final = msgspec.msgpack.Encoder().encode
"""Turns one frame into msgpack bytes; a datagram's plaintext is one msgpack array of such frames."""
