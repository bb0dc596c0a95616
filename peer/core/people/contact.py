"""One person whom we know: their row, their card, where they are.

Only here (and in the registry's directory) does a key become an address. It knows rows.
"""

from typing import Final

from chatapp.peer.core.people.conversation import Conversation
from chatapp.wire.address import Address
from chatapp.wire.messages.table import Presence, Row

RELAY_STICKS_FOR: Final = 60.0
"""Seconds for which a peer that could not be reached straight is written to both ways at once."""


class Contact:
    """One person: who (identity), where (address), what is under way (conversation)."""

    __slots__ = (
        "address",
        "conversation",
        "identity",
        "is_blocked",
        "is_expected",
        "is_heard",
        "relay_until",
        "row",
    )

    def __init__(self, identity: bytes, row: Row) -> None:
        self.identity: Final = identity
        self.row = row
        self.address = Address(row.host, row.port)
        """Where they were last known to be: a row of somebody who has not been seen yet says no other place."""
        self.conversation: Conversation | None = None
        self.is_blocked = False
        """Whether somebody else's key is shown for their name: what we have for them waits until the user has decided."""
        self.is_heard = False
        """Whether a datagram of theirs has opened in this life of ours: they know then that we are here."""
        self.relay_until = 0.0
        self.is_expected = row.online
        """Whether they may answer although the registry does not say that they are here."""

    @property
    def name(self) -> str:
        """As its owner writes it."""
        return self.row.card.name

    @property
    def is_banned(self) -> bool:
        """Whether the registry keeps them out: nothing that they say counts."""
        return self.row.presence is Presence.BANNED

    @property
    def may_answer(self) -> bool:
        """Whether to try the straight way first."""
        return self.is_expected or self.row.online  # mostly the first says it

    def was_heard(self) -> None:
        """A datagram of theirs has opened: they are there, unless they have left since on purpose."""
        self.is_expected = not (self.row.presence is Presence.AWAY and self.row.is_placed)

    def take_row(self, row: Row) -> bool:
        """A newer row; true when it brings a newer card under the same name: their program was started anew.

        A registry that was started anew says of nobody where they are before they have come back to it: what was known
        of them holds until then."""
        is_restarted = row.card.counter > self.row.card.counter and row.card.name == self.row.card.name
        self.row = row
        if row.is_placed:
            self.address = Address(row.host, row.port)
        if row.is_placed or self.is_banned:
            self.is_expected = row.online
        return is_restarted
