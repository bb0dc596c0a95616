"""Mail: letters for people who are away are stored, handed over, and dropped when they expire
(clause 7).

A letter is confirmed when the disk has it. Its bytes stay in the store until it is handed over.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from chatapp.registry.rules.context import Context
from chatapp.registry.rules.directory.connections import Connections
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import (
    Append,
    Caller,
    Drop,
    DropReason,
    Effect,
    Push,
    Reply,
    StoreLetter,
)
from chatapp.registry.rules.limits import Shares, remaining
from chatapp.registry.store.entries import MailStored, MailTaken
from chatapp.registry.store.protocol import Loaded, RecordLost
from chatapp.wire.errors import StoreError
from chatapp.wire.limits import LETTER_PLACE, MAIL_BATCH_MAX, MAIL_KEPT_FOR, MAILBOX_PLACES
from chatapp.wire.messages import mail
from chatapp.wire.messages.mail import (
    AskMail,
    DepositMail,
    MailBatch,
    MailExpired,
    MailRefusal,
    MailRefused,
    MailSaved,
    TakeMail,
)

_BATCH_LETTERS: Final = 256
"""How many letters a `MailBatch` may hold."""


class QueuedLetter:
    """A letter in a mailbox, without its bytes."""

    __slots__ = (
        "expires_at",
        "is_stored",
        "number",
        "places",
        "repeat",
        "sender",
        "serial",
        "size",
    )

    def __init__(
        self,
        *,
        serial: int,
        sender: bytes,
        number: int,
        size: int,
        expires_at: float,
        is_stored: bool,
    ) -> None:
        self.serial: Final = serial
        self.sender: Final = sender
        self.number: Final = number
        self.places: Final = places_of(size)
        """How many places of a mailbox it takes."""
        self.size: Final = size
        self.expires_at: Final = expires_at
        self.is_stored = is_stored
        """Whether the disk has it. Only then is it handed to its reader."""
        self.repeat: tuple[int, Caller] | None = None
        """The reference and caller of the latest repeat, while the letter is on its way to the
        disk."""


def places_of(size: int) -> int:
    """Return how many places a letter of `size` bytes takes."""
    return 1 + size // LETTER_PLACE


class LetterBatch(NamedTuple):
    """The oldest letters of a mailbox; `more` says that others wait behind them."""

    letters: list[QueuedLetter]
    more: bool


class Mailbox:
    """The letters of one reader, oldest first."""

    __slots__ = ("_by_id", "_by_serial", "outstanding", "shares")

    def __init__(self) -> None:
        self._by_serial: dict[int, QueuedLetter] = {}
        self._by_id: dict[tuple[bytes, int], QueuedLetter] = {}
        self.shares: Final = Shares(most=MAILBOX_PLACES)
        """The senders' shares of its places."""
        self.outstanding: set[int] = set()
        """Serials of letters that the reader was given and has not taken yet."""

    def __len__(self) -> int:
        return len(self._by_serial)

    def __iter__(self) -> Iterator[QueuedLetter]:
        return iter(self._by_serial.values())

    def find(self, sender: bytes, number: int) -> QueuedLetter | None:
        """Return the letter with this sender and number."""
        return self._by_id.get((sender, number))

    def get(self, serial: int) -> QueuedLetter | None:
        """Return the letter with this serial."""
        return self._by_serial.get(serial)

    def add(self, letter: QueuedLetter, network: str) -> None:
        """Add the newest letter."""
        self._by_serial[letter.serial] = letter
        self._by_id[letter.sender, letter.number] = letter
        self.shares.take(letter.sender, network, letter.places)

    def remove(self, serial: int) -> QueuedLetter | None:
        """Remove a letter that was taken, has expired or was not stored."""
        self.outstanding.discard(serial)
        letter = self._by_serial.pop(serial, None)
        if letter is not None:
            self._by_id.pop((letter.sender, letter.number), None)
            self.shares.give_back(letter.sender, letter.places)
        return letter

    def next_batch(self) -> LetterBatch:
        """Return the oldest stored letters, as many as one batch holds, and mark them as
        outstanding."""
        chosen: list[QueuedLetter] = []
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
        return LetterBatch(chosen, more=stored > len(chosen))


class Mailboxes:
    """All mailboxes; empty ones take no memory."""

    def __init__(self, *, places: int, next_serial: int, kept_for: float = MAIL_KEPT_FOR) -> None:
        """`places`: of all mailboxes together. `kept_for`: seconds that a letter waits."""
        self._kept_for: Final = kept_for
        self._boxes: dict[bytes, Mailbox] = {}
        self._shares = Shares(most=places)
        self._next_serial = next_serial
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def recipients(self) -> list[bytes]:
        """Return for whom letters wait."""
        return list(self._boxes)

    def find(self, recipient: bytes) -> Mailbox | None:
        """Return the mailbox of a recipient for whom letters wait."""
        return self._boxes.get(recipient)

    def refusal_of(
        self, recipient: bytes, sender: bytes, network: str, size: int
    ) -> MailRefusal | None:
        """Return why this sender cannot leave a letter of this size; None if they can."""
        places, box = places_of(size), self._boxes.get(recipient)
        for shares in (self._shares,) if box is None else (box.shares, self._shares):
            if not shares.has_capacity(sender, network, places):
                return (
                    MailRefusal.SHARE_USED_UP
                    if shares.has_left(places)
                    else MailRefusal.MAILBOX_FULL
                )
        return None

    def deposit(
        self, recipient: bytes, sender: bytes, network: str, number: int, size: int, *, now: float
    ) -> QueuedLetter:
        """Add a new letter, which is not on the disk yet."""
        letter = QueuedLetter(
            serial=self._next_serial,
            sender=sender,
            number=number,
            size=size,
            expires_at=now + self._kept_for,
            is_stored=False,
        )
        self.add(recipient, letter, network)
        return letter

    def add(self, recipient: bytes, letter: QueuedLetter, network: str) -> None:
        """Add a letter whose sender is counted with this network."""
        self._next_serial = max(self._next_serial, letter.serial + 1)
        box = self._boxes.get(recipient)
        if box is None:
            box = self._boxes[recipient] = Mailbox()
        box.add(letter, network)
        self._shares.take(letter.sender, network, letter.places)
        self._count += 1

    def remove(self, recipient: bytes, serials: list[int]) -> list[QueuedLetter]:
        """Remove letters. Return those that were there."""
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
        """Yield (recipient, serials) of letters that have expired, for the caller to remove.

        A letter that is on its way to the disk is left alone, and one that its reader is storing is
        left for the next sweep.
        """
        for recipient, box in list(self._boxes.items()):
            over = [
                letter.serial
                for letter in box
                if letter.expires_at <= now
                and letter.is_stored
                and letter.serial not in box.outstanding
            ]
            if over:
                yield recipient, over


class MailService:
    """Handles the requests about mail."""

    def __init__(
        self,
        directory: Directory,
        connections: Connections,
        context: Context,
    ) -> None:
        self._directory = directory
        self._connections = connections
        self._clock = context.clock
        self._store = context.store
        self._disk = context.disk
        self._grace = context.policy.restart_grace
        self._places = context.policy.mail_places
        self._kept_for = context.policy.mail_kept_for
        self._boxes = Mailboxes(places=self._places, next_serial=1, kept_for=self._kept_for)

    def __len__(self) -> int:
        return len(self._boxes)

    def load(self, loaded: Loaded, *, now: float) -> None:
        """Restore the letters of earlier runs."""
        next_serial = loaded.highest_serial + 1
        self._boxes = Mailboxes(
            places=self._places, next_serial=next_serial, kept_for=self._kept_for
        )
        wall = self._clock.seconds(now)
        for recipient, heads in loaded.letters.items():
            for head in heads:
                left = remaining(head.at, wall, kept_for=self._kept_for, at_least=self._grace)
                letter = QueuedLetter(
                    serial=head.serial,
                    sender=head.sender,
                    number=head.number,
                    size=head.size,
                    expires_at=now + left,
                    is_stored=True,
                )
                self._boxes.add(recipient, letter, self._directory.network_of(head.sender))

    def boxes(self, *, now: float) -> Iterator[tuple[bytes, int, int, float]]:
        """Yield for each mailbox its reader, the number of letters, their size, and the seconds
        that the oldest waits."""
        for recipient in self._boxes.recipients():
            box = self._boxes.find(recipient)
            assert box is not None
            oldest = next(iter(box))
            age = max(self._kept_for - (oldest.expires_at - now), 0.0)
            yield recipient, len(box), sum(letter.size for letter in box), age

    # --- in

    def deposit(self, request: DepositMail, caller: Caller, *, now: float) -> list[Effect]:
        """Store a letter. It is answered when the disk has it, or at once if it is refused or was
        stored before."""
        identity, recipient = caller.identity, request.recipient
        author = self._directory.person(identity)
        if author is None or self._directory.person(recipient) is None:
            return [_refused(request.reference, caller, MailRefusal.NAME_UNKNOWN)]
        box = self._boxes.find(recipient)
        known = None if box is None else box.find(identity, request.number)
        if known is not None and known.is_stored:
            return [Reply(to=caller, message=MailSaved(request.reference))]
        if known is not None:  # on its way to the disk; the newest repeat is answered too
            known.repeat = request.reference, caller
            return []
        network, size = author.network, len(request.letter)
        refusal = self._boxes.refusal_of(recipient, identity, network, size)
        if refusal is not None:
            return [_refused(request.reference, caller, refusal)]
        letter = self._boxes.deposit(recipient, identity, network, request.number, size, now=now)
        entry = MailStored(
            recipient=recipient,
            serial=letter.serial,
            sender=identity,
            sender_name=author.card.name,
            number=request.number,
            at=self._clock.millis(now),
            letter=request.letter,
        )
        return [StoreLetter(entry=entry, reference=request.reference, to=caller)]

    def settle(self, letters: Sequence[StoreLetter], *, is_stored: bool) -> list[Effect]:
        """Finish deposits, now that the disk has the letters or not: answer each sender, then hand
        letters over to the readers who are there and free."""
        effects: list[Effect] = []
        readers: dict[bytes, None] = {}
        for deposit in letters:
            recipient, serial = deposit.entry.recipient, deposit.entry.serial
            box = self._boxes.find(recipient)
            letter = None if box is None else box.get(serial)
            repeat = None if letter is None else letter.repeat
            first = deposit.reference, deposit.to
            asked = (first,) if repeat is None else (first, repeat)
            if not is_stored:
                self._boxes.remove(recipient, [serial])
                reason = MailRefusal.DISK_FULL if self._disk.is_full else MailRefusal.DISK_FAILED
                effects += [_refused(reference, to, reason) for reference, to in asked]
                continue
            effects += [Reply(to=to, message=MailSaved(reference)) for reference, to in asked]
            if box is not None and letter is not None:
                letter.is_stored, letter.repeat = True, None
                if not box.outstanding:
                    readers[recipient] = None
        for reader in readers:
            effects += self.hand_over(reader)
        return effects

    # --- out

    def reader_left(self, reader: bytes) -> None:
        """Forget which letters the reader was given, because their link has gone."""
        box = self._boxes.find(reader)
        if box is not None:
            box.outstanding.clear()

    def take(self, request: TakeMail, caller: Caller, *, now: float) -> list[Effect]:
        """Drop the letters that the reader has stored, and hand over the next."""
        box = self._boxes.find(caller.identity)
        if box is None:
            return []
        was_out = bool(box.outstanding)
        stored = [
            serial for serial in request.serials if (letter := box.get(serial)) and letter.is_stored
        ]
        removed = [letter.serial for letter in self._boxes.remove(caller.identity, stored)]
        if not removed:
            return []
        effects: list[Effect] = [Append((MailTaken(caller.identity, removed),))]
        if was_out and not box.outstanding and any(letter.is_stored for letter in box):
            effects += self.hand_over(caller.identity)
        return effects

    def hand_over(self, reader: bytes) -> list[Effect]:
        """Send a reader who has a link the oldest stored letters; an empty batch tells that there
        are none."""
        link = self._connections.link_of(reader)
        if link is None:
            return []
        box = self._boxes.find(reader)
        if box is None:
            return [Push(link=link, message=MailBatch([], more=False))]
        letters, more = box.next_batch()
        try:
            contents = self._store.read_letters(reader, [letter.serial for letter in letters])
        except RecordLost as loss:
            return self._give_up(reader, loss)
        except StoreError:
            box.outstanding.clear()
            return [
                Drop(reason=DropReason.MAIL_UNREADABLE),
                Push(link=link, message=MailBatch([], more=False)),
            ]
        handed = [
            mail.Letter(letter.serial, letter.sender, letter.number, content)
            for letter, content in zip(letters, contents, strict=True)
        ]
        return [Push(link=link, message=MailBatch(handed, more=more))]

    def _give_up(self, reader: bytes, loss: RecordLost) -> list[Effect]:
        """Report letters that the disk has lost to their senders as expired, and hand over the
        rest."""
        effects = self._drop(reader, loss.keys)
        if not any(isinstance(effect, Append) for effect in effects):
            return [
                Drop(reason=DropReason.MAIL_UNREADABLE)
            ]  # the store names letters that we did not ask for: a second try cannot help
        return [Drop(reason=DropReason.LETTERS_LOST_ON_DISK), *effects, *self.hand_over(reader)]

    # --- age

    def forget(self, recipient: bytes) -> list[Effect]:
        """Drop the letters for somebody who has no name any more. Those on their way to the disk go
        by the next sweep."""
        return self.purge(recipient)[1]

    def purge(self, recipient: bytes) -> tuple[int, list[Effect]]:
        """Drop the stored letters for somebody. Return how many, and the effects."""
        box = self._boxes.find(recipient)
        before = len(self)
        effects = (
            []
            if box is None
            else self._drop(recipient, [letter.serial for letter in box if letter.is_stored])
        )
        return before - len(self), effects

    def forget_author(self, sender: bytes) -> tuple[int, list[Effect]]:
        """Drop the stored letters that somebody left. Return how many, and the effects."""
        effects: list[Effect] = []
        before = len(self)
        for recipient in self._boxes.recipients():
            box = self._boxes.find(recipient)
            serials = [
                letter.serial
                for letter in box or ()
                if letter.sender == sender and letter.is_stored
            ]
            effects += self._drop(recipient, serials)
        return before - len(self), effects

    def waiting_for(self, recipient: bytes) -> tuple[int, int]:
        """Return how many letters wait for somebody, and their bytes."""
        box = self._boxes.find(recipient)
        return (0, 0) if box is None else (len(box), sum(letter.size for letter in box))

    def ask(self, request: AskMail, caller: Caller, *, now: float) -> list[Effect]:
        """Report which of these letters have gone. A sender without a link was not told when they
        were dropped."""
        box = self._boxes.find(request.recipient)
        return [
            Reply(to=caller, message=MailExpired(request.recipient, number))
            for number in request.numbers
            if box is None or box.find(caller.identity, number) is None
        ]

    def sweep(self, *, now: float) -> list[Effect]:
        """Drop the letters that have expired, and those for people who have no name any more."""
        effects: list[Effect] = []
        for recipient in self._boxes.recipients():
            if self._directory.person(recipient) is None:
                effects += self.forget(recipient)
        for recipient, serials in self._boxes.expired(now=now):
            effects += self._drop(recipient, serials)
        return effects

    def _drop(self, recipient: bytes, serials: list[int]) -> list[Effect]:
        removed = self._boxes.remove(recipient, serials)
        if not removed:
            return []
        taken = MailTaken(recipient, [letter.serial for letter in removed])
        effects: list[Effect] = [Append((taken,))]
        for letter in removed:
            link = self._connections.link_of(letter.sender)
            if link is not None:
                effects.append(Push(link=link, message=MailExpired(recipient, letter.number)))
        return effects


def _refused(reference: int, to: Caller, reason: MailRefusal) -> Reply:
    return Reply(to=to, message=MailRefused(reference, reason))
