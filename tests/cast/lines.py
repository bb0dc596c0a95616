"""The lines that users' scripts match, exactly as printed."""

import re
from collections.abc import Callable
from typing import Final

RECEIVED: Final = "  ✓"
"""The mark behind one's own line on a terminal."""

WELCOME: Final = "[Welcome, You are registered.]"
UPDATED: Final = "[Client table updated.]"
SAVED: Final = "[Messages received by the server and saved]"
MAIL: Final = "[You have messages]"
BYE: Final = "[You are Offline. Bye.]"
OFFLINE: Final = "[You are offline.]"
LOST: Final = "[Server not responding] Direct chat goes on."
BACK: Final = "[Server is back.]"
SILENT: Final = "[Server not responding]"
EXITING: Final = "[Exiting]"
CHANNEL_TAKEN: Final = "[Message received by Server.]"
CHANNEL_SILENT: Final = "[Server not responding.]"

TIME: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
WORKING: Final = re.compile(
    rf"\[Server not responding\] Working with the table of {TIME}; still trying\."
)


def is_met(line: str) -> bool:
    """Match the line that shows a server's key at first contact."""
    return line.startswith("[First contact with this server; its key is ")


def received(name: str) -> str:
    """The line for a delivered message."""
    return f"[Message received by {name}.]"


def relayed(name: str) -> str:
    """The line for a message delivered by rung 2."""
    return f"[Message received by {name} through the server.]"


def arrived(name: str) -> Callable[[str], bool]:
    """Match a delivered message by any path: on a busy machine the direct path may seem dead."""
    return beginning(received(name), relayed(name))


def no_ack(name: str) -> str:
    """The line at the start of rung 3."""
    return f"[No ACK from {name}, message sent to server.]"


def kept(name: str) -> str:
    """The line for rung 4."""
    return f"[Server not responding] Message to {name} kept; it goes out when the server is back."


def taken(name: str) -> str:
    """The line for a name that is taken."""
    return f"[Name {name} is taken.]"


def on_channel(sender: str, text: str) -> str:
    """A channel line."""
    return f"[Channel_Message {sender}: {text}]"


def mail(sender: str, text: str) -> re.Pattern[str]:
    """A letter shown on return."""
    return re.compile(rf"{re.escape(sender)}: {TIME} {re.escape(text)}")


def channel_mail(sender: str, text: str) -> re.Pattern[str]:
    """A channel line shown on return."""
    return re.compile(rf"\[Channel_Message {re.escape(sender)}: {TIME} {re.escape(text)}\]")


def beginning(*starts: str) -> Callable[[str], bool]:
    """Match a line that begins in one of these ways."""
    return lambda line: line.startswith(starts)


def unknown(word: str) -> Callable[[str], bool]:
    """The line for an unknown command."""
    return beginning(f'[Unknown command "{word}": nothing was sent. ')
