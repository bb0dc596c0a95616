"""One person whom we know: identity, row of the table, and present address."""

from typing import Final

from chatapp.peer.core.people.conversation import Conversation
from chatapp.wire.address import Address
from chatapp.wire.messages.table import Presence, Row

RELAY_STICKS_FOR: Final = 60.0
"""Seconds for which messages to a peer that could not be reached directly go both ways at once."""


class Contact:
    """One person: identity, address, and the conversation with them."""

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
        """The last known address. Rows of people whom a restarted registry has not seen yet do not
        change it."""
        self.conversation: Conversation | None = None
        self.is_blocked = False
        """Whether the registry shows another key for their name. Messages to them wait until the
        user decides."""
        self.is_heard = False
        """Whether a datagram of theirs has opened since our start; then they know that we are
        here."""
        self.relay_until = 0.0
        self.is_expected = row.online
        """Whether they may answer although the registry does not show them online."""

    @property
    def name(self) -> str:
        """The name as its owner writes it."""
        return self.row.card.name

    @property
    def is_banned(self) -> bool:
        """Whether the registry has banned them; then everything from them is dropped."""
        return self.row.presence is Presence.BANNED

    @property
    def is_released(self) -> bool:
        """Whether they gave up their name. Their key stays pinned to it, so that whoever takes it
        is not taken for them."""
        return self.row.presence is Presence.RELEASED

    @property
    def may_answer(self) -> bool:
        """Whether to try the direct way first."""
        return self.is_expected or self.row.online  # mostly the first says it

    def was_heard(self) -> None:
        """Note that a datagram of theirs has opened: expect answers, unless they have signed off on
        purpose since."""
        self.is_expected = not (self.row.presence is Presence.AWAY and self.row.is_placed)

    def take_row(self, row: Row) -> bool:
        """Take a newer row. Return whether it has a newer card under the same name: their program
        was restarted.

        A restarted registry knows nobody's address until they register again; until then the old
        address holds."""
        is_restarted = (
            row.card.counter > self.row.card.counter and row.card.name == self.row.card.name
        )
        self.row = row
        if row.is_placed and (row.port != self.address.port or row.host != self.address.host):
            self.address = Address(row.host, row.port)
        if row.is_placed or self.is_banned or self.is_released:
            self.is_expected = row.online
        return is_restarted
