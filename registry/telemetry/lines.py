"""What the log of a registry says of events."""

from typing import Final, assert_never

from chatapp.registry.rules.effects import (
    Event,
    Fault,
    LinkEnded,
    LinkEndReason,
    LinkRenewed,
    NameChanged,
    NameGivenUp,
    NamesSkipped,
    PeerRegistered,
    RegistrationRefused,
    StoreFailed,
)

LINK_ENDS: Final = {
    LinkEndReason.TOO_MANY_LINKS: "too many links",
    LinkEndReason.TOO_MANY_PENDING: "too many connections without a first frame",
    LinkEndReason.FIRST_FRAME_LATE: "no first frame",
    LinkEndReason.NO_SESSION: "the first frame opens no session",
    LinkEndReason.NO_ATTACH: "the first frame is not an Attach",
    LinkEndReason.SEAL_BROKEN: "a frame does not open",
    LinkEndReason.OUTPUT_UNREAD: "asks for more than it reads",
    LinkEndReason.REPLACED: "replaced by a newer link",
    LinkEndReason.LEFT: "left",
    LinkEndReason.SILENT: "silent",
    LinkEndReason.BANNED: "banned",
    LinkEndReason.KICKED: "disconnected by the administrator",
    LinkEndReason.NO_SENDER_INDEX: "the disk takes no more sender indices",
    LinkEndReason.NO_ENGINE: "no node keeps the state",
    LinkEndReason.OTHER_ENGINE: "another node keeps the state now",
    LinkEndReason.ENGINE_SESSION_LOST: "messages to or from the node that keeps the state were lost",
    LinkEndReason.NODE_STOPS: "this node stops",
}


def event_line(event: Event) -> str:
    """Return the log's line for an event."""
    match event:
        case PeerRegistered():
            return f"{event.name or 'a guest'} came in from {event.address}"
        case NameChanged():
            return f"{event.before} is now {event.name}"
        case NameGivenUp():
            return f"{event.name} has given up that name"
        case RegistrationRefused():
            return f"{event.name} was turned away from {event.address}: {event.reason.name}"
        case LinkEnded():
            whose = f"{event.name} at {event.address}" if event.name else str(event.address)
            return f"link of {whose} ended: {LINK_ENDS[event.reason]}"
        case LinkRenewed():
            return f"link of {event.address} has new keys"
        case StoreFailed():
            return f"not stored: {event.reason}"
        case NamesSkipped():
            return (
                f"{event.count} names on the disk have cards of an unknown shape and were skipped"
            )
        case Fault():
            return f"fault while serving: {event.reason} at {', '.join(event.places)}"
    assert_never(event)
