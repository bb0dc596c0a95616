"""Our own identity: keys, name and card."""

from typing import Final

from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.messages.table import Card

_OPENINGS_BITS: Final = 9
"""How far a card's counter is shifted to get a number for openings: each counter leaves room for so
many bits of them. The counter follows the clock in milliseconds."""


COUNTER_MAX: Final = 2**62
"""A higher counter from a registry is ignored, so that there is always a counter left for a newer
card."""


class LocalIdentity:
    """Our name and keys."""

    def __init__(
        self,
        *,
        name: str,
        identity: Identity,
        mail_keys: list[AgreementKey],
        counter: int,
        other_name: str | None = None,
    ) -> None:
        """`counter`: above the counters of all earlier cards. `mail_keys`: newest first.
        `other_name`: the name by which the registry may know us instead, if a rename was cut
        short."""
        self.name = name
        self.other_name = other_name
        self.identity: Final = identity
        self.mail_keys: Final = mail_keys
        self._counter = counter
        self.card: Card = self._make_card(name)

    @property
    def first_opening(self) -> int:
        """A number above those of all session openings of earlier runs; it is derived from the
        card's counter."""
        return min(self._counter, 2**53) << _OPENINGS_BITS

    @property
    def life(self) -> int:
        """A number that differs from those of earlier runs."""
        return max(1, self._counter % 2**32)

    def card_as(self, name: str) -> Card:
        """Return a newer card under another name. It is not our card yet."""
        self._counter += 1
        return self._make_card(name)

    def outdo(self, counter: int) -> bool:
        """Make our card newer than this counter, which an earlier run or another program has used.
        Return False if our card is newer already, or no counter is left."""
        if not self._counter <= counter < COUNTER_MAX:
            return False
        self._counter = counter + 1
        self.card = self._make_card(self.name)
        return True

    def rename(self, name: str) -> None:
        """Take this name, with a card newer than all before."""
        self.name = name
        self._counter += 1
        self.card = self._make_card(name)

    def _make_card(self, name: str) -> Card:
        return make_card(
            self.identity,
            name=name,
            mail=self.mail_keys[0].public,
            counter=self._counter,
        )
