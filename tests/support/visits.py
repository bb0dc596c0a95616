"""What is said in a visit to the help desk, as events."""

from typing import Any, Final

from chatapp.peer.api.conversations import DESK
from chatapp.peer.api.events import ClientCame, MessageChanged, MessageState, Said

CAME: Final = ClientCame(
    visit=7,
    name="Asha Rao",
    number="+919876543210",
    issue="Other",
    queue="desk",
    waited=90,
    is_here=True,
    note="",
    handed_over_by="",
    is_back=False,
)
"""The next client of an operator, just come."""


def line_of(sender: str, text: str, number: int, *, visit: int = 7, **more: Any) -> Said:
    """Return a line of a visit, whose place in it is `number`."""
    told = {"id": number, "at": 0.0, **more}
    return Said(conversation=DESK, sender=sender, text=text, number=number, visit=visit, **told)


def own_line(sender: str, text: str, number: int, *, visit: int = 7, **more: Any) -> Said:
    """Return a line that the registry has from the one who is told it."""
    told = {"is_ours": True, "state": MessageState.SAVED, **more}
    return line_of(sender, text, number, visit=visit, **told)


def settled(line: int, *, is_saved: bool) -> MessageChanged:
    """Return what became of a line of a visit."""
    state = MessageState.SAVED if is_saved else MessageState.REFUSED
    return MessageChanged(conversation=DESK, id=line, state=state)
