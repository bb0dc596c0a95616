"""This file is about one person of the directory: their row of the table, and what is known beside it.

It must not know who else there is, or when a row changes.
"""

from typing import Final

import msgspec

from wire.address import Address
from wire.codec import encode
from wire.messages.table import Card, Presence, Row

_NOWHERE: Final = Address("", 0)


class Person:
    """One row of the table, and what the directory knows beside it."""

    __slots__ = (
        "address",
        "card",
        "channel_since",
        "encoded",
        "is_banned",
        "name_key",
        "network",
        "place",
        "presence",
        "since",
        "size",
        "station",
        "told_at",
        "version",
    )

    def __init__(self, card: Card, *, key: str, channel_since: int, since: int, network: str = "") -> None:
        self.card = card
        self.name_key = key
        self.channel_since: Final = channel_since
        """The channel's newest position when their first name was bound: nothing before it is theirs to read."""
        self.network: Final = network
        """From where it was bound. Quotas count by it, as identities cost nothing and programs move."""
        self.address = _NOWHERE
        self.presence = Presence.AWAY
        self.is_banned = False
        """Whether they are kept out, whatever else the row could say of their presence."""
        self.since = since
        self.station = 0
        self.version = 0
        self.told_at = float("-inf")
        """When the row was last told at once for a change of this life."""
        self.place = -1
        self.encoded: msgspec.Raw | None = None
        self.size = 0

    @property
    def online(self) -> bool:
        """Whether they are here."""
        return self.presence is Presence.ONLINE

    def row(self) -> msgspec.Raw:
        """The row's bytes, made once a change and shared by everybody who reads them."""
        if self.encoded is None:
            host, port = self.address
            presence = Presence.BANNED if self.is_banned else self.presence
            row = encode(Row(self.card, host, port, presence, self.since, self.station, self.version))
            self.encoded, self.size = msgspec.Raw(row), len(row)
        return self.encoded
