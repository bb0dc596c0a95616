"""The registry's lines for people: what its log says of events, and why an admin request was refused."""

from typing import Final, assert_never

from chatapp.registry.effects import (
    Event,
    Fault,
    LinkEnded,
    LinkEndReason,
    NameChanged,
    NamesSkipped,
    PeerRegistered,
    RegistrationRefused,
    StoreFailed,
)

LINK_ENDS: Final = {
    LinkEndReason.TOO_MANY_LINKS: "too many links",
    LinkEndReason.TOO_MANY_PENDING: "too many connections without a first frame",
    LinkEndReason.FIRST_FRAME_LATE: "no first frame",
    LinkEndReason.NO_SESSION: "first frame opens no session",
    LinkEndReason.NO_ATTACH: "first frame is no attach",
    LinkEndReason.SEAL_BROKEN: "a frame does not open",
    LinkEndReason.OUTPUT_UNREAD: "asks for more than it reads",
    LinkEndReason.REPLACED: "replaced by a newer link",
    LinkEndReason.LEFT: "left",
    LinkEndReason.SILENT: "silent",
    LinkEndReason.BANNED: "banned",
}


def event_line(event: Event) -> str:
    """Return the log's line for an event."""
    match event:
        case PeerRegistered():
            return f"{event.name or 'a guest'} came in from {event.address}"
        case NameChanged():
            return f"{event.before} is now {event.name}"
        case RegistrationRefused():
            return f"{event.name} was turned away from {event.address}: {event.reason.name}"
        case LinkEnded():
            return f"link of {event.address} ended: {LINK_ENDS[event.reason]}"
        case StoreFailed():
            return f"not stored: {event.reason}"
        case NamesSkipped():
            return f"{event.count} names on the disk have cards of an unknown shape and were skipped"
        case Fault():
            return f"fault while serving: {event.reason} at {', '.join(event.places)}"
    assert_never(event)
