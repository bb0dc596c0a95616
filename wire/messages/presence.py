"""Signs of life and leaving, between a peer and its registry: in sealed datagrams and on the link (clause 5.4)."""

from typing import Annotated

import msgspec

from wire.messages.table import Count

Reference = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""Chosen by the asker, repeated in the answer."""


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """I am here. Keeps the lease."""

    reference: Reference


class Pong(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """And I. `table_version` tells the asker of changes that it missed."""

    reference: Reference
    table_version: Count


class Probe(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Registry to peer: somebody cannot reach you; show a sign of life, by the way on which this came."""


class Leave(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """I go offline on purpose."""

    reference: Reference


class Left(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """You are offline now. Repeated for each repeated Leave."""

    reference: Reference
