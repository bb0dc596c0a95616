"""What the forms of the operator's page ask for, as requests to the registry."""

from typing import Final, NamedTuple

from chatapp.peer.faces.web.forms import Fields
from chatapp.wire.errors import ChatAppError
from chatapp.wire.limits import DESK_CLOSING_MAX, DESK_FORM_NAME_MAX, DESK_NOTE_MAX
from chatapp.wire.messages.desk import (
    AnnounceAtDesk,
    CallNext,
    CloseQueue,
    DropVisitor,
    EndDuty,
    EndSession,
    HandOver,
    HoldVisitor,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorRequest,
    ShowFigures,
    ShowPast,
    TakeDuty,
    TransferVisitor,
)
from chatapp.wire.names import peer_name

PAST_COUNT: Final = 20
"""Past sessions that are asked for."""

_DIGITS_MAX: Final = 9
"""Digits of the numbers in forms."""

_OUT_OF_DATE: Final = "This page is out of date: reload it."


class Unclear(ChatAppError):
    """A form cannot be carried out; the text says why."""


class Deed(NamedTuple):
    """What a form asks for."""

    request: OperatorRequest
    visit: int | None = None
    """The visit that the page showed when the button was pressed; None if the request concerns
    none."""
    asks_first: bool = False


def deed_of(verb: str, fields: Fields, *, queue: str) -> Deed:
    """Return what a form asks for. `queue`: where the operator is on duty. Raises Unclear,
    NameRefused."""
    if verb in _OF_CLIENT:
        return _of_client(verb, fields, queue)
    match verb:
        case "on":
            return Deed(
                TakeDuty(0, str(peer_name(fields["queue"].strip())) if "queue" in fields else queue)
            )
        case "off":
            return Deed(EndDuty(0))
        case "drop":
            return Deed(DropVisitor(0, _waiting_visit(fields), number_in(fields, "position")))
        case "move":
            visit, position = _waiting_visit(fields), number_in(fields, "position")
            return Deed(MoveVisitor(0, visit, position, number_in(fields, "to")))
        case "close":
            text = text_in(fields)
            if len(text) > DESK_CLOSING_MAX:
                raise Unclear(f"A closing has at most {DESK_CLOSING_MAX} characters.")
            return Deed(CloseQueue(0, queue, text))
        case "open":
            return Deed(OpenQueue(0, queue))
        case "announce":
            return Deed(AnnounceAtDesk(0, queue, _checked("An announcement", text_in(fields))))
        case "figures":
            return Deed(ShowFigures(0, queue))
        case "past":
            name = " ".join(fields.get("name", "").split())
            if len(name) > DESK_FORM_NAME_MAX:
                raise Unclear(f"A name has at most {DESK_FORM_NAME_MAX} characters.")
            return Deed(ShowPast(0, name, PAST_COUNT))
        case _:
            raise Unclear("This page cannot do that.")


_OF_CLIENT: Final = frozenset({"next", "end", "hold", "handover", "transfer", "note"})


def _of_client(verb: str, fields: Fields, queue: str) -> Deed:
    """Return what a form about the visitor who is served asks for."""
    visit = number_in(fields, "visit")
    match verb:
        case "next":
            return Deed(CallNext(0, queue, visit), visit, asks_first=True)
        case "end":
            return Deed(EndSession(0, visit), visit)
        case "hold":
            return Deed(HoldVisitor(0, visit), visit)
        case "handover":
            return Deed(
                HandOver(0, visit, str(peer_name(fields.get("operator", "").strip()))), visit
            )
        case "transfer":
            return Deed(
                TransferVisitor(0, visit, str(peer_name(fields.get("queue", "").strip()))), visit
            )
        case _:
            text = text_in(fields)
            if len(text.encode()) > DESK_NOTE_MAX:
                raise Unclear(f"A note has at most {DESK_NOTE_MAX:,} bytes.")
            return Deed(NoteVisitor(0, visit, text), visit)


def _waiting_visit(fields: Fields) -> int:
    """Return the visit that the page listed: without it, the registry would take whoever has the
    position by now."""
    visit = number_in(fields, "visit")
    if not visit:
        raise Unclear(_OUT_OF_DATE)
    return visit


def text_in(fields: Fields) -> str:
    """Return the text of a form, with plain line ends."""
    return fields.get("text", "").replace("\r\n", "\n").strip()


def number_in(fields: Fields, name: str) -> int:
    """Return a number that the page has put into a form. Raises Unclear."""
    text = fields.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise Unclear(_OUT_OF_DATE)
    return int(text)


def _checked(what: str, text: str) -> str:
    if not text:
        raise Unclear("Type something first.")
    if len(text.encode()) > DESK_NOTE_MAX:
        raise Unclear(f"{what} has at most {DESK_NOTE_MAX:,} bytes.")
    return text
