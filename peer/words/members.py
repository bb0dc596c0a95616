"""The words of a person's page in a browser that no other face has."""

from typing import Final

from chatapp.peer.words.formatting import counted, name, reason

PLACES: Final = "People and rooms"
FILES: Final = "Files"
NO_FILES: Final = "No files yet. The button beside the message offers one."
FILES_TO_OFFER: Final = "Offer to {who}:"
NO_RECIPIENT: Final = "Open the conversation with a person, or a room, to offer a file there."
TOO_MANY_UPLOADS: Final = "Other files are on their way; try again in a moment."
TOO_MUCH_UPLOADED: Final = "the files that you offer by the page take as much as they may already"
NO_SPACE: Final = "your disk has no space for it"
NO_SUCH_FILE: Final = "This file is not here."
NO_DESK: Final = "The help desk is not open in this window."
NO_PICTURE: Final = "This file is no picture that the page shows."
_GIB: Final = 1 << 30
VERIFY: Final = "Safety number"
YOUR_HALF: Final = "Your half"
EMOJIS: Final = ("👍", "❤️", "😂", "🎉", "👀", "✅")
"""What the page offers as a reaction."""

KEYS: Final = (
    ("Enter", "send; Shift+Enter begins a new line"),
    ("Up, Down", "in the messages: go from one to the next; Enter chooses it"),
    ("Alt+W", "write"),
    ("Alt+A", "go to the next conversation with news"),
    ("Alt+U", "go to the first new message"),
    ("Alt+K", "people and rooms"),
    ("Alt+S", "search"),
    ("Esc", "close what is open, let go of the chosen message"),
)
"""What keys do on the page; its elements name theirs (`aria-keyshortcuts`)."""

DESK_KEYS: Final = (
    ("Alt+R", "ready answers"),
    ("Alt+N", "next: end this talk, call the next visitor"),
    ("Alt+X", "end this talk"),
    ("Alt+Z", "undo that"),
    ("Alt+H", "hold"),
    ("Alt+P", "pass on"),
)
"""What keys do at the help desk besides."""

OVER: Final = (
    "Your program has ended. Start it again, open the address that it prints, and close this page."
)
CLOSED: Final = "This window is closed; your program goes on."
GONE: Final = "This window was closed, and nothing was done: reload the page, and do it again."
BUSY: Final = "Your program is busy with what you have said before."
AWAY_DESK: Final = "The web desk does not answer. What you send goes out when it is back."
AWAY: Final = (
    "Your program does not answer. If it has ended, start it again, "
    "and open the address that it prints."
)


def upload_too_large(most: int) -> str:
    """Say how large a file may be that the page takes. `most`: in bytes."""
    if most >= _GIB:
        return (
            f"A page takes files of up to {most // _GIB} GiB. "
            "/send_file <name> <path> offers larger ones."
        )
    return f"This page takes files of up to {most >> 20} MiB."


def welcome_lines(me: str) -> list[str]:
    """Return the text of the start page."""
    return [
        f"Welcome, {name(me)}. Whom do you want to talk to?",
        "Choose somebody from the list, or open People and rooms.",
    ]


def window_title(me: str, unread: int, conversation: str) -> str:
    """Return the title of the window. `conversation`: the name of the open one; empty for none."""
    place = f"{conversation} · " if conversation else ""
    return f"{f'({unread:,}) ' if unread else ''}{place}ChatApp {name(me)}"


def nobody(who: str) -> str:
    """Say that nobody bears a name."""
    return f"Nobody called {name(who)} is known here."


def half_of(who: str) -> str:
    """Name the half of a safety number that belongs to somebody's key."""
    return f"{name(who)}'s half"


def upload_failed(error: OSError) -> str:
    """Say why a file is not taken."""
    return f"The file was not taken: {reason(error.strerror or str(error))}."


def in_reply(who: str) -> str:
    """Say what is being typed."""
    return f"Replying to {who}"


EDITING: Final = "Changing your message"


def unread_of(count: int) -> str:
    """Say how many lines are unread, for those who cannot see it."""
    return counted(count, "unread message", "unread messages")
