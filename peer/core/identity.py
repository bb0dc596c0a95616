"""Ourselves: our keys, the card that shows them, and messages that we write to ourselves."""

from typing import Final

from chatapp.peer.core.context import Outputs
from chatapp.peer.core.events import Delivered, DirectReceived
from chatapp.peer.core.people.conversation import Message, OutgoingStream
from chatapp.peer.core.records import MessageState, Named, OutgoingAdded, OutgoingChanged, StoredStream
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.messages.table import Card

_OPENINGS_BITS: Final = 9
"""Bits of an opening's number below the counter of a card, which grows by a thousand a second of the clock."""


COUNTER_MAX: Final = 2**62
"""A registry that names a higher counter is not believed: cards must be able to rise for ever."""


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
        """`counter`: above every counter of an earlier card. `mail_keys`: newest first.
        `other_name`: under which the registry may know us instead: a change of our name was cut short."""
        self.name = name
        self.other_name = other_name
        self.identity: Final = identity
        self.mail_keys: Final = mail_keys
        self._counter = counter
        self.card: Card = self._make_card(name)

    @property
    def first_opening(self) -> int:
        """A number above those of all openings of earlier lives, as the counter of our card is."""
        return min(self._counter, 2**53) << _OPENINGS_BITS

    def card_as(self, name: str) -> Card:
        """A newer card, under another name; not ours yet."""
        self._counter += 1
        return self._make_card(name)

    def outdo(self, counter: int) -> bool:
        """A card that is newer than one of ours that an earlier life or another program has made. False: there is none."""
        if not self._counter <= counter < COUNTER_MAX:
            return False
        self._counter = counter + 1
        self.card = self._make_card(self.name)
        return True

    def rename(self, name: str) -> None:
        """We go by this name; the card that says so is newer than all before."""
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


class NotesToSelf:
    """Messages to oneself: nothing travels, but they are stored, delivered and shown like all others."""

    def __init__(self, me: LocalIdentity, stored: StoredStream, outputs: Outputs) -> None:
        self._me = me
        self._outgoing = OutgoingStream(stored)
        self._outgoing.messages.clear()
        self._out = outputs
        self._numbered = False
        self.written: list[Message] = []

    def write(self, text: str, *, wall: float) -> Message:
        """Note something; it is delivered when it is stored."""
        message = self._outgoing.add(text, wall=wall)
        key = self._me.identity.public
        if not self._numbered:
            self._out.records.append(Named(key, self._me.name))
        self._numbered = True
        self._out.records += [
            OutgoingAdded(key, message.number, message.at_ms, text),
            OutgoingChanged(key, message.number, MessageState.DELIVERED, message.at_ms),
        ]
        self.written.append(message)
        return message

    def stored(self) -> None:
        """What was written is on disk."""
        written, self.written = self.written, []
        for message in written:
            name, key, at = self._me.name, self._me.identity.public, message.at_ms / 1_000
            self._outgoing.settle(message, MessageState.DELIVERED)
            self._out.events += [
                DirectReceived(
                    sender=name, identity=key, number=message.number, text=message.text, at=at, late=None
                ),
                Delivered(to=name, number=message.number, through_server=False),
            ]
