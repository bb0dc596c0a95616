"""The exceptions of ChatApp as one tree; each carries its facts as fields.

    ChatAppError
        +-- WireError             what another program sent
        |   +-- DecodeError       bytes that are not a valid message    subject, reason
        |   +-- SealError         a seal that does not open             reason
        |   +-- TextTooLong       text over the limit of the protocol   size, limit
        +-- NameRefused           text that is not a name               name, reason
        +-- FormRefused           an invalid entry in a visitor's form  what, text, reason
        +-- AddressRefused        text that is not an address or port   what, text, reason
        +-- PortInUse             a port that another program holds     port
        +-- StoreError            files that cannot be used             where, reason
            +-- StoreFull         there is no space left
            +-- StoreBroken       another call to the system failed
            +-- StoreReadOnly     nothing can be written for now
                +-- StoreLost     nor ever: another process has the store

`str()` of each is one clear line that is safe to print.
"""

import errno

from chatapp.wire.text import sanitize

_QUOTED_MAX = 100
"""Characters of a foreign text quoted in an error: enough to recognise it."""


class ChatAppError(Exception):
    """The base of all exceptions that ChatApp raises on purpose."""


class WireError(ChatAppError):
    """Input from another program that breaks the protocol: it is dropped and counted, never
    answered."""


class DecodeError(WireError):
    """Bytes that do not decode as the expected message."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(subject, reason)
        self.subject = subject
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.subject} does not decode: {quoted(self.reason)}"


class SealError(WireError):
    """Sealed bytes that were altered, replayed, or sealed by or for another key."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"seal refused: {quoted(self.reason)}"


class UnknownAuthor(SealError):
    """The author of a datagram is nobody whom we know."""

    def __init__(self, author: bytes) -> None:
        super().__init__("of somebody whom we do not know")
        self.author = author
        """The identity key that it names, which nothing has proved; empty if it names none."""


class TextTooLong(WireError):
    """Text of more bytes (UTF-8) than one message may have."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.size:,} bytes are too long; a message has at most {self.limit:,}"


class NameRefused(ChatAppError):
    """Text that is not a valid name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f'"{quoted(self.name)}" is not a name: {self.reason}'


class EntryRefused(ChatAppError):
    """An invalid entry; `what` says which one, `reason` what is allowed."""

    def __init__(self, what: str, text: str, reason: str) -> None:
        super().__init__(what, text, reason)
        self.what = what
        self.text = text
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.what}: "{quoted(self.text)}" {self.reason}'


class FormRefused(EntryRefused):
    """An invalid entry in the help desk's form; `what` is the field.

    `fault` names what is wrong, and `values` has what the reason says, for those who say it in
    another language.
    """

    def __init__(
        self, what: str, text: str, reason: str, *, fault: str = "", **values: object
    ) -> None:
        super().__init__(what, text, reason)
        self.fault = fault
        self.values = values


class AddressRefused(EntryRefused):
    """Text that is not a port, address or host; `what` is the argument for which it was given."""


class PortInUse(ChatAppError):
    """A port that another program holds."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.port = port

    def __str__(self) -> str:
        return f"Port {self.port} is already in use"

    @classmethod
    def when_taken(cls, port: int, error: OSError) -> Exception:
        """Return what to raise for a bind that failed: PortInUse if the port is taken, else the
        error itself."""
        return cls(port) if error.errno == errno.EADDRINUSE else error


class StoreError(ChatAppError):
    """Files that cannot be used. `where` names the file or folder, `reason` says why in words for a
    person."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class StoreFull(StoreError):
    """There is no space left. Nothing of what was being written counts; old records can be read."""


class StoreBroken(StoreError):
    """A call to the operating system failed for a reason other than missing space."""


class StoreReadOnly(StoreError):
    """A sync failed, or a write could not be undone: reading goes on, writing when the store has
    recovered."""


class StoreLost(StoreReadOnly):
    """The store belongs to another process now. Nothing is written here any more, and what was
    being written may be stored or not."""


_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""EFBIG: the process may not make files that large (RLIMIT_FSIZE), which is like a full disk."""


def store_error(where: str, error: OSError) -> StoreFull | StoreBroken:
    """Return the store's error for an error of the operating system."""
    kind = StoreFull if error.errno in _NO_SPACE else StoreBroken
    return kind(where, error.strerror or str(error))


def quoted(text: str) -> str:
    """Return a foreign text short and safe enough to print inside a line of ours."""
    return sanitize(text, limit=_QUOTED_MAX)


def needs_extra(extra: str) -> str:
    """Say that an extra of the package is needed, for a command or an option that the caller names,
    and how to install it: from a checkout, since no index of packages has ChatApp. `lan` is named
    as well, because the command replaces what was installed before."""
    return f"needs the extra {extra}: in a checkout of ChatApp, run pipx install --force '.[lan,{extra}]'"
