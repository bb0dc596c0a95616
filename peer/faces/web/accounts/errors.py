"""What keeps somebody from signing in, or from an account."""

from pathlib import Path

from chatapp.wire.errors import ChatAppError


class WrongPassphrase(ChatAppError):
    """There is no such account, or it has another passphrase: nobody is told which."""

    def __str__(self) -> str:
        return "the name or the passphrase is wrong"


class TooManyTries(Exception):
    """No further passphrase is looked at now."""


class AccountsFull(ChatAppError):
    """The gateway keeps no further account."""

    def __str__(self) -> str:
        return "this web desk takes no more members"


class AccountGone(ChatAppError):
    """The account has been removed."""

    def __str__(self) -> str:
        return "this account has been removed"


class NotReleased(ChatAppError):
    """The registry keeps the name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the name is not given up: {self.reason}"


class FolderDamaged(ChatAppError):
    """A sealed folder cannot be opened, though the key is right."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged; restore it from a copy")
        self.path = path
