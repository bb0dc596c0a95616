"""This file is about letters on their way to the registry: queued, given to the link, and not confirmed yet.

It must not know why a message became a letter, nor what a letter says.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from peer.core.contact import Contact
from peer.core.conversation import Message, Outgoing, Rung
from peer.core.outputs import Outputs
from peer.core.settling import Settling
from wire.errors import SealError
from wire.messages.mail import DepositMail

LETTERS_IN_FLIGHT: Final = 16
BYTES_IN_FLIGHT: Final = 64 * 1024
"""Letters given to the link and not yet confirmed: enough to share one commit, too few to fill a queue."""

WriteLetter = Callable[[Contact, Message], bytes]
"""Seals a message as a letter. Raises SealError."""


class Letters:
    """Those of all our contacts, in the order in which they became letters."""

    def __init__(self, outputs: Outputs, settling: Settling, write_letter: WriteLetter) -> None:
        self._out = outputs
        self._settling = settling
        self._write_letter = write_letter
        self._queue: deque[tuple[Contact, Message]] = deque()
        self._posted: dict[int, tuple[Contact, Message, int]] = {}
        """By reference, with the letter's size."""
        self._bytes_posted = 0
        self._reference = 0

    def add(self, contact: Contact, message: Message) -> None:
        """It goes with the next `post` that has room, if it is still on its rung then."""
        self._queue.append((contact, message))

    def post(self, *, now: float) -> None:
        """Give letters to the link, as many as may be unconfirmed at once."""
        while self._queue and len(self._posted) < LETTERS_IN_FLIGHT:
            if self._bytes_posted >= BYTES_IN_FLIGHT:
                return
            contact, message = self._queue.popleft()
            if message.rung is Rung.MAIL:
                self._post_one(contact, message, now)

    def saved(self, reference: int, *, now: float) -> None:
        """The registry has a letter on its disk."""
        posted = self._answered(reference)
        if posted is not None:
            self._settling.saved(*posted, now=now)
        self.post(now=now)

    def refused(self, reference: int, reason: str, *, now: float) -> None:
        """The registry did not take a letter."""
        posted = self._answered(reference)
        if posted is not None:
            self._settling.refused(*posted, reason, now=now)
        self.post(now=now)

    def recall(self) -> None:
        """The link is gone: letters without an answer wait again; the registry knows a repeat by its number."""
        posted = [(contact, message) for contact, message, _ in self._posted.values()]
        for contact, message in [*posted, *self._queue]:
            if message.rung is Rung.MAIL:
                message.reference = None
                _outgoing(contact).move(message, Rung.WAITING)
        self._posted.clear()
        self._queue.clear()
        self._bytes_posted = 0

    def _post_one(self, contact: Contact, message: Message, now: float) -> None:
        try:
            letter = self._write_letter(contact, message)
        except SealError as error:
            self._settling.refused(contact, message, str(error), now=now)
            return
        self._reference = self._reference % (2**32 - 1) + 1
        message.reference = self._reference
        self._posted[self._reference] = (contact, message, len(letter))
        self._bytes_posted += len(letter)
        self._out.requests.append(
            DepositMail(
                reference=self._reference, recipient=contact.identity, number=message.number, letter=letter
            )
        )

    def _answered(self, reference: int) -> tuple[Contact, Message] | None:
        """Which letter that was; none when it was acknowledged on its way: delivered is not also saved, or refused."""
        posted = self._posted.pop(reference, None)
        if posted is None:
            return None
        contact, message, size = posted
        self._bytes_posted -= size
        message.reference = None
        outgoing = _outgoing(contact)
        if message.number not in outgoing.messages:
            return None
        outgoing.move(message, Rung.WAITING)
        return contact, message


def _outgoing(contact: Contact) -> Outgoing:
    assert contact.conversation is not None
    return contact.conversation.outgoing
