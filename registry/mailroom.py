"""This file is about what is done with mail: taken in, promised when the disk has it, handed over, dropped when old.

The rules of clause 7. It decides and sends nothing; letters' bytes are read from the store when they are handed over.
"""

from collections.abc import Callable, Sequence

from registry.clock import WallClock, remaining
from registry.directory import Directory
from registry.effects import Caller, Drop, Effect, LetterKept, Push, Reply, Resume, Store
from registry.mailboxes import Letter, Mailboxes
from registry.policy import Policy
from registry.promises import DiskState
from registry.roster import Roster
from registry.store.entries import MailStored, MailTaken
from registry.store.errors import RecordLost, StoreError
from registry.store.protocol import Loaded
from wire.limits import MAIL_KEPT_FOR
from wire.messages import mail
from wire.messages.mail import (
    AskMail,
    DepositMail,
    MailBatch,
    MailExpired,
    MailRefusal,
    MailRefused,
    MailSaved,
    TakeMail,
)

ReadLetters = Callable[[bytes, Sequence[int]], list[bytes]]


class Mailroom:
    """All mail."""

    def __init__(
        self,
        directory: Directory,
        roster: Roster,
        clock: WallClock,
        read: ReadLetters,
        disk: DiskState,
        policy: Policy,
    ) -> None:
        self._directory = directory
        self._roster = roster
        self._clock = clock
        self._read = read
        self._disk = disk
        self._grace = policy.restart_grace
        self._places = policy.mail_places
        self._boxes = Mailboxes(places=policy.mail_places, next_serial=1)

    def __len__(self) -> int:
        return len(self._boxes)

    def load(self, loaded: Loaded, *, now: float) -> None:
        """Letters of earlier lives."""
        self._boxes = Mailboxes(places=self._places, next_serial=loaded.highest_serial + 1)
        wall = self._clock.seconds(now)
        for recipient, heads in loaded.letters.items():
            for head in heads:
                left = remaining(head.at, wall, kept_for=MAIL_KEPT_FOR, at_least=self._grace)
                letter = Letter(
                    serial=head.serial,
                    sender=head.sender,
                    number=head.number,
                    size=head.size,
                    expires_at=now + left,
                    is_stored=True,
                )
                self._boxes.add(recipient, letter, self._directory.network_of(head.sender))

    # --- in

    def deposit(self, request: DepositMail, caller: Caller, *, now: float) -> list[Effect]:
        """Keep a letter: answered when the disk has it, and at once where it is refused or was kept before."""
        identity, recipient = caller.identity, request.recipient
        author = self._directory.person(identity)
        if author is None or self._directory.person(recipient) is None:
            return [_refused(request.reference, caller, MailRefusal.NAME_UNKNOWN)]
        box = self._boxes.find(recipient)
        known = None if box is None else box.find(identity, request.number)
        if known is not None and known.is_stored:
            return [Reply(to=caller, message=MailSaved(request.reference))]
        if known is not None:  # on its way to the disk, whose answer is that to the newest repeat too
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
        return [_promise(entry, request.reference, caller)]

    def kept(self, note: LetterKept, caller: Caller) -> list[Effect]:
        """The disk has answered: tell the sender, and the reader if they are there and free."""
        box = self._boxes.find(note.recipient)
        letter = None if box is None else box.get(note.serial)
        asked = [(note.reference, caller)]
        if letter is not None and letter.repeat is not None:
            asked.append(letter.repeat)
            letter.repeat = None
        if not note.is_kept:
            self._boxes.remove(note.recipient, [note.serial])
            reason = MailRefusal.DISK_FULL if self._disk.is_full else MailRefusal.DISK_FAILED
            return [_refused(reference, to, reason) for reference, to in asked]
        effects: list[Effect] = [Reply(to=to, message=MailSaved(reference)) for reference, to in asked]
        if box is not None and letter is not None:
            letter.is_stored = True
            if not box.outstanding:
                effects += self._hand_over(note.recipient)
        return effects

    # --- out

    def welcome(self, reader: bytes) -> list[Effect]:
        """A reader has a new link: the oldest letters, or an empty batch, so that they know that there are none."""
        return self._hand_over(reader)

    def reader_left(self, reader: bytes) -> None:
        """What was out with them is so no more."""
        box = self._boxes.find(reader)
        if box is not None:
            box.outstanding.clear()

    def take_or_ask(self, request: TakeMail | AskMail, caller: Caller) -> list[Effect]:
        """A reader takes letters, or an author asks for some."""
        return self._take(request, caller) if isinstance(request, TakeMail) else self._ask(request, caller)

    def _take(self, request: TakeMail, caller: Caller) -> list[Effect]:
        """The reader has stored these: drop them, and hand over the next."""
        box = self._boxes.find(caller.identity)
        if box is None:
            return []
        was_out = bool(box.outstanding)
        stored = [serial for serial in request.serials if (letter := box.get(serial)) and letter.is_stored]
        removed = [letter.serial for letter in self._boxes.remove(caller.identity, stored)]
        if not removed:
            return []
        effects: list[Effect] = [Store(entries=(MailTaken(caller.identity, removed),))]
        if was_out and not box.outstanding and any(letter.is_stored for letter in box):
            effects += self._hand_over(caller.identity)
        return effects

    def _hand_over(self, reader: bytes) -> list[Effect]:
        link = self._roster.link_of(reader)
        if link is None:
            return []
        box = self._boxes.find(reader)
        if box is None:
            return [Push(link=link, message=MailBatch([], more=False))]
        letters, more = box.next_batch()
        try:
            contents = self._read(reader, [letter.serial for letter in letters])
        except RecordLost as loss:
            return self._give_up(reader, loss)
        except StoreError:
            box.outstanding.clear()
            return [Drop(reason="mail unreadable"), Push(link=link, message=MailBatch([], more=False))]
        handed = [
            mail.Letter(letter.serial, letter.sender, letter.number, content)
            for letter, content in zip(letters, contents, strict=True)
        ]
        return [Push(link=link, message=MailBatch(handed, more=more))]

    def _give_up(self, reader: bytes, loss: RecordLost) -> list[Effect]:
        """Letters that the disk has lost: their senders are told, as of expired ones, and the rest is handed over."""
        effects = self._drop(reader, loss.keys)
        if not any(isinstance(effect, Store) for effect in effects):
            return [Drop(reason="mail unreadable")]  # it lost what we did not ask for: no second try can help
        return [Drop(reason="letters lost on disk"), *effects, *self._hand_over(reader)]

    # --- age

    def _ask(self, request: AskMail, caller: Caller) -> list[Effect]:
        """Which of these letters are not here any more. An author who had no link when they were dropped was not told."""
        box = self._boxes.find(request.recipient)
        return [
            Reply(to=caller, message=MailExpired(request.recipient, number))
            for number in request.numbers
            if box is None or box.find(caller.identity, number) is None
        ]

    def sweep(self, *, now: float) -> list[Effect]:
        """Drop what nobody fetched in time."""
        effects: list[Effect] = []
        for recipient, serials in self._boxes.expired(now=now):
            effects += self._drop(recipient, serials)
        return effects

    def _drop(self, recipient: bytes, serials: list[int]) -> list[Effect]:
        removed = self._boxes.remove(recipient, serials)
        if not removed:
            return []
        effects: list[Effect] = [
            Store(entries=(MailTaken(recipient, [letter.serial for letter in removed]),))
        ]
        for letter in removed:
            link = self._roster.link_of(letter.sender)
            if link is not None:
                effects.append(Push(link=link, message=MailExpired(recipient, letter.number)))
        return effects


def _promise(entry: MailStored, reference: int, caller: Caller) -> Store:
    recipient, serial = entry.recipient, entry.serial
    kept = LetterKept(recipient=recipient, serial=serial, reference=reference, is_kept=True)
    lost = LetterKept(recipient=recipient, serial=serial, reference=reference, is_kept=False)
    return Store(
        entries=(entry,),
        then=(Resume(request=kept, to=caller),),
        otherwise=(Resume(request=lost, to=caller),),
    )


def _refused(reference: int, to: Caller, reason: MailRefusal) -> Reply:
    return Reply(to=to, message=MailRefused(reference, reason))
