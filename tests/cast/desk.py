"""The lines of the help desk, exactly as printed."""

import re
from typing import Final

CONNECTED: Final = "[You are connected.]"
TURN: Final = "[It's your turn.]"
ACTIVE: Final = "[You are active.]"
NO_CLIENT: Final = "[No active client.]"
EMPTY: Final = "[Waiting room: empty.]"
NAME: Final = "[Your full name:]"
ENDED: Final = "[The operator has ended the session. Bye.]"
RESUMED: Final = "[Going on with your earlier request; /new gives it up and begins another.]"
TRYING: Final = "[Server not responding] Still trying."
LOST: Final = "[Server not responding] Still trying; your place is kept for 60 seconds."
ON_DUTY: Final = "[You are on duty at desk.]"


def position(number: int) -> str:
    return f"[Waiting room, position {number}.]"


def waiting(number: int, name: str) -> re.Pattern[str]:
    """Match a line of `.room`."""
    return re.compile(rf"{number}\. {name}, Other, waiting since .*")
