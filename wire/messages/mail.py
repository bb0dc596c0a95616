"""Mail: letters sealed to a recipient who is away, kept by the registry (clause 7)."""

import enum
from typing import Annotated

import msgspec

from chatapp.wire.limits import LETTER_MAX, TEXT_MAX, Count, Key, Name, Reference, Signature
from chatapp.wire.messages.direct import Relation


class LetterBody(msgspec.Struct, frozen=True, array_like=True):
    """The body of a letter, signed by its sender and bound to the recipient's mail key (clause
    7.1)."""

    number: Count
    floor: Count
    since: Count
    """Every number from this one up to `number` is settled: nothing waits for it (clause 6.3)."""
    sender: Key
    sender_name: Name
    recipient: Key
    recipient_name: Name
    at: Count
    """The sender's Unix time in milliseconds."""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
    relation: Relation = None


class SignedLetter(msgspec.Struct, frozen=True, array_like=True):
    """What HPKE seals: the encoded `LetterBody` and the sender's signature over it and the
    recipient's mail key."""

    body: bytes
    signature: Signature


class MailRefusal(enum.IntEnum):
    """Why a letter was not accepted (clause 7.3)."""

    MAILBOX_FULL = 1
    SHARE_USED_UP = 2
    NAME_UNKNOWN = 3
    DISK_FULL = 4
    DISK_FAILED = 5


class DepositMail(msgspec.Struct, frozen=True, array_like=True, tag=40):
    """Peer to registry: keep this letter for `recipient`."""

    reference: Reference
    recipient: Key
    number: Count
    letter: Annotated[bytes, msgspec.Meta(max_length=LETTER_MAX)]


class MailSaved(msgspec.Struct, frozen=True, array_like=True, tag=41):
    """Registry to peer: the letter is on disk (after `fdatasync`)."""

    reference: Reference


class MailRefused(msgspec.Struct, frozen=True, array_like=True, tag=42):
    """Registry to peer: the letter was not kept."""

    reference: Reference
    reason: MailRefusal


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """One letter as the registry passes it to its reader."""

    serial: Count
    sender: Key
    number: Count
    letter: Annotated[bytes, msgspec.Meta(max_length=LETTER_MAX)]


class MailBatch(msgspec.Struct, frozen=True, array_like=True, tag=43):
    """Registry to peer: the oldest letters. `more` means that others wait behind them."""

    letters: Annotated[list[Letter], msgspec.Meta(max_length=256)]
    more: bool


class TakeMail(msgspec.Struct, frozen=True, array_like=True, tag=44):
    """Peer to registry: these letters are in my own store; you may drop them."""

    serials: Annotated[list[Count], msgspec.Meta(max_length=256)]


class MailExpired(msgspec.Struct, frozen=True, array_like=True, tag=45):
    """Registry to peer: your letter `number` to `recipient` was never fetched and is dropped."""

    recipient: Key
    number: Count


class AskMail(msgspec.Struct, frozen=True, array_like=True, tag=46):
    """Peer to registry: tell me by MailExpired which of these letters of mine to `recipient` you do
    not hold."""

    recipient: Key
    numbers: Annotated[list[Count], msgspec.Meta(max_length=256)]
