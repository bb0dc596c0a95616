"""This file is about mailboxes as an index: which letters wait for whom, how many, and which are out with their reader.

The letters' bytes lie in the store. It knows quotas, order and age (clause 7.3); it must not know links, files or
clocks.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from wire.limits import (
    MAIL_BATCH_MAX,
    MAIL_KEPT_FOR,
    MAILBOX_BYTES_MAX,
    MAILBOX_LETTERS_MAX,
    MAILBOX_LETTERS_PER_SENDER,
)
from wire.messages.mail import MailRefusal

_BATCH_LETTERS: Final = 256
"""As many as a `MailBatch` may hold."""


class Letter:
    """What is known of a letter without reading it."""

    __slots__ = ("expires_at", "is_repeated", "is_stored", "number", "sender", "serial", "size")

    def __init__(
        self, *, serial: int, sender: bytes, number: int, size: int, expires_at: float, is_stored: bool
    ) -> None:
        self.serial: Final = serial
        self.sender: Final = sender
        self.number: Final = number
        self.size: Final = size
        self.expires_at: Final = expires_at
        self.is_stored = is_stored
        """Whether the disk has it: only then is it shown to its reader."""
        self.is_repeated = False
        """Whether a repeat of it waits for the disk too, which holds the whole letter: one does, and no more."""


class Batch(NamedTuple):
    """The oldest letters that go together; `more` says that others wait behind them."""

    letters: list[Letter]
    more: bool


class Mailbox:
    """The letters of one reader, oldest first."""

    __slots__ = ("_by_id", "_by_serial", "_of_sender", "bytes", "outstanding")

    def __init__(self) -> None:
        self._by_serial: dict[int, Letter] = {}
        self._by_id: dict[tuple[bytes, int], Letter] = {}
        self._of_sender: defaultdict[bytes, int] = defaultdict(int)
        self.bytes = 0
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

    def refusal_of(self, sender: bytes, size: int) -> MailRefusal | None:
        """Which quota forbids one more letter; None for none."""
        if size > MAILBOX_BYTES_MAX:
            return MailRefusal.TOO_LARGE
        if len(self._by_serial) >= MAILBOX_LETTERS_MAX or self.bytes + size > MAILBOX_BYTES_MAX:
            return MailRefusal.MAILBOX_FULL
        is_over = self._of_sender.get(sender, 0) >= MAILBOX_LETTERS_PER_SENDER
        return MailRefusal.SENDER_QUOTA if is_over else None

    def add(self, letter: Letter) -> None:
        """The newest letter."""
        self._by_serial[letter.serial] = letter
        self._by_id[letter.sender, letter.number] = letter
        self._of_sender[letter.sender] += 1
        self.bytes += letter.size

    def remove(self, serial: int) -> Letter | None:
        """Taken, expired or not kept after all."""
        self.outstanding.discard(serial)
        letter = self._by_serial.pop(serial, None)
        if letter is not None:
            self._by_id.pop((letter.sender, letter.number), None)
            self._of_sender[letter.sender] -= 1
            self.bytes -= letter.size
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

    def __init__(self, *, letters_max: int, next_serial: int) -> None:
        self._boxes: dict[bytes, Mailbox] = {}
        self.letters_max: Final = letters_max
        self._next_serial = next_serial
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, recipient: bytes) -> Mailbox | None:
        """The mailbox of somebody for whom letters wait."""
        return self._boxes.get(recipient)

    def refusal_of(self, recipient: bytes, sender: bytes, size: int) -> MailRefusal | None:
        """Why no letter of this size can be added; None when it can."""
        if self._count >= self.letters_max:
            return MailRefusal.MAILBOX_FULL
        box = self._boxes.get(recipient)
        return (Mailbox() if box is None else box).refusal_of(sender, size)

    def deposit(self, recipient: bytes, sender: bytes, number: int, size: int, *, now: float) -> Letter:
        """A new letter, not on the disk yet."""
        letter = Letter(
            serial=self._next_serial,
            sender=sender,
            number=number,
            size=size,
            expires_at=now + MAIL_KEPT_FOR,
            is_stored=False,
        )
        self.add(recipient, letter)
        return letter

    def add(self, recipient: bytes, letter: Letter) -> None:
        """A letter, new or loaded."""
        self._next_serial = max(self._next_serial, letter.serial + 1)
        box = self._boxes.get(recipient)
        if box is None:
            box = self._boxes[recipient] = Mailbox()
        box.add(letter)
        self._count += 1

    def remove(self, recipient: bytes, serials: list[int]) -> list[Letter]:
        """Those that were there."""
        box = self._boxes.get(recipient)
        if box is None:
            return []
        removed = [letter for serial in serials if (letter := box.remove(serial)) is not None]
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
