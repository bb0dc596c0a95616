"""Lines about what the doctor found: what is wrong, and what to do about it."""

from collections.abc import Sequence
from typing import Final, NamedTuple, assert_never

from chatapp.peer.api.findings import Check, Finding, Trouble
from chatapp.peer.words.formatting import AnswerLine, counted, name, reason
from chatapp.wire.address import Address
from chatapp.wire.text import sanitize

_MIB: Final = 1_048_576
_GIB: Final = 1_073_741_824

_OF_SERVER: Final = {
    Trouble.NO_ROUTE: "this machine has no way to that address. Check the address, and the cable or Wi-Fi of this machine.",
    Trouble.REFUSED: "nothing runs on that port there. Start the server (ChatApp -s {port}), or ask for its right port.",
    Trouble.NO_REGISTRY: "another program answers there. Ask for the server's right address and port.",
}
_UDP: Final = _OF_SERVER | {
    Trouble.SILENT: "no answer. The server's machine is off or has another address, or a firewall drops UDP: "
    "let UDP port {port} through at the server, at this machine and at the router between.",
}
_TCP: Final = _OF_SERVER | {
    Trouble.SILENT: "no answer. The server's machine is off or has another address, or a firewall drops TCP: "
    "let TCP port {port} through at the server, at this machine and at the router between.",
}
_UDP_ONLY: Final = (
    "no answer, although TCP works: a firewall drops UDP. Let UDP port {port} through at the server, at this machine and at "
    "the router between."
)
_TCP_ONLY: Final = (
    "no answer, although UDP works: a firewall drops TCP. Let TCP port {port} through at the server and at the router "
    "between; until then rooms and mail wait."
)
_NAME: Final = {
    Trouble.NAME_TAKEN: "{subject} is taken: choose another name, or bring the key of yours to this machine.",
    Trouble.NOT_ADMITTED: "the server does not let {subject} in: it may need a join code (--code), or have banned you. "
    "Ask its owner.",
}
_PERSON: Final = {
    Trouble.UNKNOWN: "nobody called {subject} is known here. Is the name right? Type who to see the names.",
    Trouble.AWAY: "{subject} is away: messages are saved and delivered on return.",
    Trouble.KEY_CHANGED: "the key of {subject} has changed: nothing is sent until you compare it (/verify {subject}) and "
    "accept it (/trust {subject} <digits>).",
    Trouble.BANNED: "{subject} is banned from this server.",
}
_DIRECT_SILENT: Final = (
    "{subject} does not answer directly: a firewall or a router between you drops UDP. Messages go through the server; to "
    "speed them up, let UDP of ChatApp through on both machines."
)
_RELAY_SILENT: Final = (
    "{subject} does not answer through the server: that program may hang, or have lost its way to the server. Messages are "
    "saved there."
)
_PORT_TAKEN: Final = (
    "another program of this machine has {own}: files that you offer go by UDP, which is slower. End that program, or start "
    "with another port."
)
_NOT_REACHED: Final = (
    "{subject} has tried, and cannot connect to your port {own}: files that you offer go by UDP, which is slower. Let TCP "
    "port {own} through at the firewall of this machine."
)
_DISK: Final = {
    Trouble.FULL: "only {free} are free below {subject}: free some space, or choose another folder (--data).",
    Trouble.UNWRITABLE: "{subject} cannot be written: give yourself the right to, or choose another folder (--data).",
}


class FindingText(NamedTuple):
    """The words for one finding."""

    title: str
    """What was looked at."""
    said: str
    """What was found, and what to do about it."""
    is_fine: bool


def doctor_lines(findings: Sequence[Finding], server: Address) -> list[str]:
    """Return one line for each finding and one that sums them up. `server`: as the user named
    it."""
    lines = [AnswerLine(f"[{title}: {said}]") for title, said, _ in finding_texts(findings, server)]
    return [*lines, AnswerLine(f"[{summary_of(findings)}]")]


def finding_texts(findings: Sequence[Finding], server: Address) -> list[FindingText]:
    """Return the words for each finding, in order. `server`: as the user named it."""
    return [
        FindingText(_title(one, server), _said(one, findings, server), is_fine=one.is_fine)
        for one in findings
    ]


def summary_of(findings: Sequence[Finding]) -> str:
    """Sum the findings up in one sentence."""
    wrong = sum(not one.is_fine for one in findings)
    return f"{counted(wrong, 'problem', 'problems')} found." if wrong else "All is well."


def _title(finding: Finding, server: Address) -> str:
    match finding.check:
        case Check.ADDRESS:
            return f"Address of {sanitize(finding.server or server.host)}"
        case Check.UDP:
            return f"UDP to the server ({sanitize(finding.server or str(server))})"
        case Check.TCP:
            return f"TCP to the server ({sanitize(finding.server or str(server))})"
        case Check.PACKETS:
            return "Packets"
        case Check.KEY:
            return "Key of the server"
        case Check.OTHER_SERVER:
            return f"Other server {sanitize(finding.server)}"
        case Check.NAME:
            return "Your name"
        case Check.CLOCK:
            return "Clock"
        case Check.DISK:
            return "Disk"
        case Check.PRIVACY:
            return "Folder"
        case Check.PERSON:
            return "Person"
        case Check.DIRECT:
            return "Direct path"
        case Check.RELAY:
            return "Path through the server"
        case Check.OWN_PORT:
            return "TCP port for files"
        case Check.REACHED:
            return "TCP from them to you"
        case _:
            assert_never(finding.check)


def _said(finding: Finding, findings: Sequence[Finding], server: Address) -> str:
    fields = {
        "port": finding.server.rpartition(":")[2] or str(server.port),
        "subject": name(finding.subject) if finding.check in _OF_NAMES else reason(finding.subject),
        "free": _size(finding.amount or 0.0),
        "own": f"{finding.amount or 0:.0f}",
    }
    return _fine(finding) if finding.trouble is None else _wrong(finding, findings).format(**fields)


_OF_NAMES: Final = (Check.NAME, Check.PERSON, Check.DIRECT, Check.RELAY, Check.REACHED)


def _fine(finding: Finding) -> str:
    match finding.check:
        case Check.OTHER_SERVER if finding.amount is None:
            return "no answer now: it is down, or cut off."
        case Check.UDP | Check.TCP | Check.OTHER_SERVER | Check.DIRECT | Check.RELAY:
            return f"fine, {(finding.amount or 0.0) * 1_000:,.0f} ms."
        case Check.PACKETS:
            return f"fine, up to {finding.amount or 0:,.0f} bytes."
        case Check.KEY:
            return f"fine, {sanitize(finding.subject)}."
        case Check.NAME:
            return f"fine, {name(finding.subject)} is registered."
        case Check.PERSON:
            return f"fine, {name(finding.subject)} is online."
        case Check.OWN_PORT:
            return f"fine, {finding.amount or 0:.0f} is free; /doctor <name> tries it from there."
        case Check.REACHED:
            return f"fine, {name(finding.subject)} has connected to your port {finding.amount or 0:.0f}."
        case Check.DISK:
            return f"fine, {_size(finding.amount or 0.0)} free."
        case Check.CLOCK:
            return "fine."
        case _:
            return "fine."


def _wrong(finding: Finding, findings: Sequence[Finding]) -> str:
    """Return the sentence for a trouble, with fields for its facts in braces."""
    trouble = finding.trouble
    assert trouble is not None
    match finding.check:
        case Check.ADDRESS:
            return "no such host is known. Is it spelt right? Type the server's IP address instead."
        case Check.UDP:
            is_alone = trouble is Trouble.SILENT and _is_fine(Check.TCP, findings)
            return _UDP_ONLY if is_alone else _UDP[trouble]
        case Check.TCP:
            is_alone = trouble is Trouble.SILENT and _is_fine(Check.UDP, findings)
            return _TCP_ONLY if is_alone else _TCP[trouble]
        case Check.PACKETS:
            size = f"{finding.amount or 0:,.0f}"
            return f"the path carries only {size} bytes: set the MTU of the tunnel or interface to 1,280 or more."
        case Check.KEY:
            shown = sanitize(finding.subject)
            cure = "compare it with what its owner says, then type /trust server <key>"
            return f"it shows {shown}, not the key that you know. Somebody may sit between you: {cure}."
        case Check.OTHER_SERVER:
            return "it is another registry, with another key, and is not used: leave it out of the list of servers."
        case Check.CLOCK:
            word = "ahead of" if trouble is Trouble.AHEAD else "behind"
            amount = f"{abs(finding.amount or 0.0):,.0f} s"
            return f"yours is {amount} {word} the server's: set it, or turn on automatic time."
        case Check.PRIVACY:
            return "other users of this machine can read {subject}: type chmod 700 on it."
        case Check.NAME:
            return _NAME[trouble]
        case Check.PERSON:
            return _PERSON[trouble]
        case Check.DISK:
            return _DISK[trouble]
        case Check.DIRECT:
            return _DIRECT_SILENT
        case Check.RELAY:
            return _RELAY_SILENT
        case Check.OWN_PORT:
            return _PORT_TAKEN
        case Check.REACHED:
            return _NOT_REACHED
        case _:
            assert_never(finding.check)


def _is_fine(check: Check, findings: Sequence[Finding]) -> bool:
    return any(one.check is check and one.is_fine for one in findings)


def _size(count: float) -> str:
    return f"{count / _GIB:,.1f} GiB" if count >= _GIB else f"{count / _MIB:,.0f} MiB"
