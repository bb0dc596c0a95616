"""The lines that users' scripts match, exactly as printed."""

import re
from collections.abc import Callable
from typing import Final

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
WORKING: Final = re.compile(rf"\[Server not responding\] Working with the table of {TIME}; still trying\.")


def is_met(line: str) -> bool:
    """Whether it tells the key of a server at the first contact."""
    return line.startswith("[First contact with this server; its key is ")


def received(name: str) -> str:
    """Delivered."""
    return f"[Message received by {name}.]"


def relayed(name: str) -> str:
    """Delivered by rung 2."""
    return f"[Message received by {name} through the server.]"


def arrived(name: str) -> Callable[[str], bool]:
    """Delivered, whichever way: a machine that has much else to do may let the straight one seem dead."""
    return beginning(received(name), relayed(name))


def no_ack(name: str) -> str:
    """Rung 3 begins."""
    return f"[No ACK from {name}, message sent to server.]"


def kept(name: str) -> str:
    """Rung 4."""
    return f"[Server not responding] Message to {name} kept; it goes out when the server is back."


def taken(name: str) -> str:
    """Somebody else's name."""
    return f"[Name {name} is taken.]"


def on_channel(sender: str, text: str) -> str:
    """A line for everybody."""
    return f"[Channel_Message {sender}: {text}]"


def mail(sender: str, text: str) -> re.Pattern[str]:
    """A letter on return."""
    return re.compile(rf"{re.escape(sender)}: {TIME} {re.escape(text)}")


def channel_mail(sender: str, text: str) -> re.Pattern[str]:
    """A line for everybody on return."""
    return re.compile(rf"\[Channel_Message {re.escape(sender)}: {TIME} {re.escape(text)}\]")


def beginning(*starts: str) -> Callable[[str], bool]:
    """Whether a line begins in one of these ways."""
    return lambda line: line.startswith(starts)


def unknown(word: str) -> Callable[[str], bool]:
    """What somebody reads who mistyped a command."""
    return beginning(f'[Unknown command "{word}": nothing was sent. ')
