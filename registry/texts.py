"""The registry's lines for people: what its log says of events, and why an admin request was refused."""

from collections.abc import Sequence
from typing import Final, assert_never

from chatapp.registry.effects import (
    AdminAnswer,
    AdminRefusal,
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
from chatapp.wire.errors import NameRefused, quoted
from chatapp.wire.limits import INVITES_MAX
from chatapp.wire.names import peer_name

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
}


_LOOPBACK: Final = "127.0.0.1"


def address_lines(addresses: Sequence[str], port: int) -> list[str]:
    """Return the lines that say what others type to reach a registry, and what a firewall must let through.
    `addresses`: this machine's; without any, only people on this machine can come."""
    return [
        *(
            f"[Others type: ChatApp -c <name> {host} {port} <client-port>]"
            for host in addresses or [_LOOPBACK]
        ),
        f"[A firewall must let UDP and TCP port {port} through.]",
    ]


def admin_refusal_text(answer: AdminAnswer) -> str:
    """Return why an admin request was not done; empty if it was."""
    name = quoted(answer.name)
    match answer.refusal:
        case None:
            return ""
        case AdminRefusal.TOO_MANY_CODES:
            return f"at most {INVITES_MAX:,} join codes may be unused; there is room for {answer.room:,} more"
        case AdminRefusal.BAD_NAME:
            return _flaw_of_name(answer.name)
        case AdminRefusal.NAME_UNKNOWN:
            return f'nobody has the name "{name}"'
        case AdminRefusal.OPERATOR_NAME:
            return f'"{name}" is a help-desk operator: take the name off that list first'
        case AdminRefusal.NAME_PENDING:
            return f'"{name}" is just being taken; try again'
        case AdminRefusal.NAME_ONLINE:
            return f'"{name}" is online: a name can be released only while its owner is away'
        case AdminRefusal.NOT_STORED:
            return "the registry's disk is full or read-only"
    assert_never(answer.refusal)


def _flaw_of_name(name: str) -> str:
    try:
        peer_name(name)
    except NameRefused as refusal:
        return str(refusal)
    raise AssertionError("a name that is valid was refused")


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
