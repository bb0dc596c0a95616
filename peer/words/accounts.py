"""The words of the pages with which a member signs in at a web desk, and of the account."""

from typing import Final

from chatapp.peer.api.errors import NameTaken, NotAdmitted, NotLetIn
from chatapp.peer.words.files import size_shown
from chatapp.peer.words.formatting import name as shown_name
from chatapp.wire.names import PeerName

WHO_READS: Final = (
    "Whoever runs this web desk can read what you write and receive here. "
    "Use it only if you trust them. With ChatApp on your own machine nobody else can."
)
NO_TLS: Final = "Members sign in over https only: this page came without it."
WRONG: Final = "The name or the passphrase is wrong."
TOO_MANY: Final = "Too many tries. Wait a minute, and try again."
FULL: Final = "This web desk takes no more members."
NOT_TWICE: Final = "The two passphrases are not the same."
NOT_KEPT: Final = "The web desk cannot keep your folder now. Tell whoever runs it."
SIGNED_OUT: Final = "You are signed out."
GONE: Final = "Your account and its folder are removed."
CHANGED: Final = "Your passphrase is changed. Sign in with the new one."
DAMAGED: Final = "Your folder at this web desk is damaged. Tell whoever runs it."
NOT_HERE: Final = "You are signed out: sign in again."


def members_line(count: int, most: int) -> str:
    """Say on the terminal that members are served."""
    return f"[Members can sign in: {count:,} of {most:,} accounts are made.]"


def too_short(least: int, most: int) -> str:
    """Say how long a passphrase is."""
    return f"A passphrase has {least} to {most} characters. Four words are easy to remember."


def not_let_in(error: NotLetIn) -> str:
    """Say why the registry does not take a new member."""
    match error:
        case NameTaken(name=name):
            return f'Somebody else has the name "{shown_name(PeerName(name))}". Choose another one.'
        case NotAdmitted():
            return f"The registry did not let you in: {error.reason.meaning}."
        case _:
            return f"The registry did not let you in: {error}."


def folder_line(size: int, most: int) -> str:
    """Say how large a folder is."""
    return f"Your folder here has {size_shown(size)} of {size_shown(most)}."


def renamed_line(account: str, person: str) -> str:
    """Say with which name one signs in, if it is not that by which others know the person."""
    if account == person:
        return ""
    return f"Others know you as {shown_name(person)}; you still sign in as {shown_name(account)}."


def browsers_line(count: int) -> str:
    """Say in how many browsers somebody is signed in."""
    return "No other browser is signed in." if count == 1 else f"{count} browsers are signed in."
