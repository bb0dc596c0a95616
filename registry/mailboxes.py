"""This file is about mailboxes as an index: which letters wait for whom, how many, and which are out with their reader.

The letters' bytes lie in the store. It knows quotas, order and age (clause 7.3); it must not know links, files or
clocks.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from registry.effects import Caller
from registry.shares import Shares
from wire.limits import LETTER_PLACE, MAIL_BATCH_MAX, MAIL_KEPT_FOR, MAILBOX_PLACES
from wire.messages.mail import MailRefusal

_BATCH_LETTERS: Final = 256
"""As many as a `MailBatch` may hold."""


class Letter:
    """What is known of a letter without reading it."""

    __slots__ = ("expires_at", "is_stored", "number", "places", "repeat", "sender", "serial", "size")

    def __init__(
        self, *, serial: int, sender: bytes, number: int, size: int, expires_at: float, is_stored: bool
    ) -> None:
        self.serial: Final = serial
        self.sender: Final = sender
        self.number: Final = number
        self.places: Final = places_of(size)
        """How much of a mailbox it takes."""
        self.size: Final = size
        self.expires_at: Final = expires_at
        self.is_stored = is_stored
        """Whether the disk has it: only then is it shown to its reader."""
        self.repeat: tuple[int, Caller] | None = None
        """Who asked again for a letter that is on its way to the disk, and by which reference: the last one."""


def places_of(size: int) -> int:
    """How many places a letter of so many bytes takes."""
    return 1 + size // LETTER_PLACE


class Batch(NamedTuple):
    """The oldest letters that go together; `more` says that others wait behind them."""

    letters: list[Letter]
    more: bool


class Mailbox:
    """The letters of one reader, oldest first."""

    __slots__ = ("_by_id", "_by_serial", "outstanding", "shares")

    def __init__(self) -> None:
        self._by_serial: dict[int, Letter] = {}
        self._by_id: dict[tuple[bytes, int], Letter] = {}
        self.shares: Final = Shares(most=MAILBOX_PLACES)
        """Who holds how many places in it."""
        self.outstanding: set[int] = set()
        """Serials that the reader was given and has not taken yet."""

    def __len__(self) -> int:
        return len(self._by_serial)

    def __iter__(self) -> Iterator[Letter]:
        return iter(self._by_serial.values())

    def find(self, sender: bytes, number: int) -> Letter | None:
        """The letter with this id."""
        return self._by_id.get((sender, number))

    def get(self, serial: int) -> Letter | None:
        """The letter with this serial."""
        return self._by_serial.get(serial)

    def add(self, letter: Letter, network: str) -> None:
        """The newest letter."""
        self._by_serial[letter.serial] = letter
        self._by_id[letter.sender, letter.number] = letter
        self.shares.take(letter.sender, network, letter.places)

    def remove(self, serial: int) -> Letter | None:
        """Taken, expired or not kept after all."""
        self.outstanding.discard(serial)
        letter = self._by_serial.pop(serial, None)
        if letter is not None:
            self._by_id.pop((letter.sender, letter.number), None)
            self.shares.give_back(letter.sender, letter.places)
        return letter

    def next_batch(self) -> Batch:
        """The oldest stored letters, as many as go together; they are outstanding now."""
        chosen: list[Letter] = []
        size = 0
        for letter in self:
            if not letter.is_stored:
                continue
            size += letter.size
            if chosen and (size > MAIL_BATCH_MAX or len(chosen) == _BATCH_LETTERS):
                break
            chosen.append(letter)
        self.outstanding = {letter.serial for letter in chosen}
        stored = sum(letter.is_stored for letter in self)
        return Batch(chosen, more=stored > len(chosen))


class Mailboxes:
    """Everybody's mailbox; empty ones cost nothing."""

    def __init__(self, *, places: int, next_serial: int) -> None:
        """`places`: of all mailboxes together."""
        self._boxes: dict[bytes, Mailbox] = {}
        self._shares = Shares(most=places)
        self._next_serial = next_serial
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, recipient: bytes) -> Mailbox | None:
        """The mailbox of somebody for whom letters wait."""
        return self._boxes.get(recipient)

    def refusal_of(self, recipient: bytes, sender: bytes, network: str, size: int) -> MailRefusal | None:
        """Why this sender cannot leave a letter of this size; None when they can."""
        places, box = places_of(size), self._boxes.get(recipient)
        for shares in (self._shares,) if box is None else (box.shares, self._shares):
            if not shares.has_room(sender, network, places):
                return MailRefusal.SHARE_USED_UP if shares.has_left(places) else MailRefusal.MAILBOX_FULL
        return None

    def deposit(
        self, recipient: bytes, sender: bytes, network: str, number: int, size: int, *, now: float
    ) -> Letter:
        """A new letter, not on the disk yet."""
        letter = Letter(
            serial=self._next_serial,
            sender=sender,
            number=number,
            size=size,
            expires_at=now + MAIL_KEPT_FOR,
            is_stored=False,
        )
        self.add(recipient, letter, network)
        return letter

    def add(self, recipient: bytes, letter: Letter, network: str) -> None:
        """A letter, new or loaded, whose sender is counted with this network."""
        self._next_serial = max(self._next_serial, letter.serial + 1)
        box = self._boxes.get(recipient)
        if box is None:
            box = self._boxes[recipient] = Mailbox()
        box.add(letter, network)
        self._shares.take(letter.sender, network, letter.places)
        self._count += 1

    def remove(self, recipient: bytes, serials: list[int]) -> list[Letter]:
        """Those that were there."""
        box = self._boxes.get(recipient)
        if box is None:
            return []
        removed = [letter for serial in serials if (letter := box.remove(serial)) is not None]
        for letter in removed:
            self._shares.give_back(letter.sender, letter.places)
        self._count -= len(removed)
        if not box:
            del self._boxes[recipient]
        return removed

    def expired(self, *, now: float) -> Iterator[tuple[bytes, list[int]]]:
        """(recipient, serials) of letters that nobody fetched in time, for the caller to remove.

        A letter that is just being written to the disk is left alone, and one out with its reader for the next sweep.
        """
        for recipient, box in list(self._boxes.items()):
            over = [
                letter.serial
                for letter in box
                if letter.expires_at <= now and letter.is_stored and letter.serial not in box.outstanding
            ]
            if over:
                yield recipient, over
