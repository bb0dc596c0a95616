"""What the forms of the help desk on a page ask for."""

from typing import Final, NamedTuple

from msgspec.structs import replace

from chatapp.peer.faces.web.forms import Fields, text_of
from chatapp.wire.desk.commands import DESK_COMMANDS, CommandMisread
from chatapp.wire.errors import ChatAppError
from chatapp.wire.limits import DESK_CLOSING_MAX, DESK_FORM_NAME_MAX, DESK_NOTE_MAX
from chatapp.wire.messages.desk import (
    AboutQueue,
    AboutVisit,
    CallNext,
    DropVisitor,
    MoveVisitor,
    OperatorRequest,
    ShowPast,
)
from chatapp.wire.names import peer_name

PAST_COUNT: Final = 20
"""Past sessions that are asked for."""

_DIGITS_MAX: Final = 9
"""Digits of the numbers in forms."""
_ID_DIGITS: Final = 18
"""Digits of the id of a line."""

OUT_OF_DATE: Final = "This page is out of date: reload it."
"""What is said of a form that another page than ours has sent, or one of long ago."""
_TOO_LONG: Final = {
    "close": f"A closing has at most {DESK_CLOSING_MAX} characters.",
    "note": f"A note has at most {DESK_NOTE_MAX:,} bytes.",
    "announce": f"An announcement has at most {DESK_NOTE_MAX:,} bytes.",
}


class Unclear(ChatAppError):
    """A form cannot be carried out; the text says why."""


class NotServing(ChatAppError):
    """There is no visitor to whom a line could go."""

    def __init__(self) -> None:
        super().__init__("You serve nobody: call the next visitor first.")


def is_command(text: str) -> bool:
    """Whether a line that was typed to a visitor is a command, as at a terminal."""
    word = text[1:].split(maxsplit=1)[:1]
    return text.startswith("/") or (
        text.startswith(".") and bool(word) and word[0] in DESK_COMMANDS
    )


class Action(NamedTuple):
    """What a form asks for."""

    request: OperatorRequest
    visit: int | None = None
    """The visit that the page showed when the button was pressed; None if the request concerns
    none."""


def action_of(verb: str, fields: Fields, *, queue: str) -> Action:
    """Return what a form asks for. `verb`: a command of operators, or `figures`. `queue`: where
    the operator is on duty. Raises Unclear, NameRefused."""
    if verb == "past":
        return Action(ShowPast(0, _past_name(fields), PAST_COUNT))
    command = DESK_COMMANDS.get("stats" if verb == "figures" else verb)
    if command is None:
        raise Unclear("This page cannot do that.")
    try:
        request = command.read(_typed(verb, fields))
    except CommandMisread:
        raise Unclear(_TOO_LONG.get(verb, OUT_OF_DATE)) from None
    if isinstance(request, AboutQueue) and not request.queue:
        request = replace(request, queue=queue)
    if not isinstance(request, AboutVisit | CallNext):
        return Action(request)
    visit = number_in(fields, "visit")
    if not isinstance(request, DropVisitor | MoveVisitor):
        return Action(replace(request, visit=visit), visit)
    if not visit:  # the registry would take whoever has the position by now
        raise Unclear(OUT_OF_DATE)
    return Action(replace(request, visit=visit))


def _typed(verb: str, fields: Fields) -> str:
    """Return what would be typed behind the command. Raises Unclear, NameRefused."""
    match verb:
        case "on" if "queue" in fields:
            return str(peer_name(fields["queue"].strip()))
        case "handover":
            return fields.get("operator", "").strip()
        case "transfer":
            return fields.get("queue", "").strip()
        case "drop":
            return str(number_in(fields, "position"))
        case "move":
            return f"{number_in(fields, 'position')} {number_in(fields, 'to')}"
        case "announce":
            return text_in(fields)
        case "close" | "note":
            return text_in(fields, may_be_empty=True)
        case _:
            return ""


def _past_name(fields: Fields) -> str:
    name = " ".join(fields.get("name", "").split())
    if len(name) > DESK_FORM_NAME_MAX:
        raise Unclear(f"A name has at most {DESK_FORM_NAME_MAX} characters.")
    return name


def text_in(fields: Fields, *, may_be_empty: bool = False) -> str:
    """Return the text of a form, with plain line ends. Raises Unclear."""
    text = text_of(fields, "text")
    if not (text or may_be_empty):
        raise Unclear("Type something first.")
    return text


def number_in(fields: Fields, name: str) -> int:
    """Return a number that the page has put into a form. Raises Unclear."""
    text = fields.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise Unclear(OUT_OF_DATE)
    return int(text)


def id_in(text: str) -> int:
    """Return the id of a line; 0 for none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS else 0
