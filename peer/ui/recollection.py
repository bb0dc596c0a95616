"""This file is about shown lines of one's own past: history, search, and how a message travelled.

It knows words. It must not know where the past lies, nor print anything.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from peer.core.trail import Step, What
from peer.past import Kind, PastLine, Trail
from peer.ui.words import Answer, Spoken, counted, name, reason, shown_instant, shown_time
from wire.text import clean

NEVER_IN_TABLE: Final = "(never in the table)"
"""Behind a name that nobody but its bearer has ever said."""

NOTHING_FOUND: Final = "[Nothing was found.]"
NOTHING_YET: Final = "[There is no message yet.]"
NO_SUCH_MESSAGE: Final = "[There is no such message: /history shows each with its id.]"


def history_lines(lines: Sequence[PastLine]) -> list[str]:
    """Messages as `<id>  <time>  <who> to <whom>: <text>`, ids below one another."""
    width = max((len(line.id) for line in lines), default=0)
    return [_past(line, width) for line in lines]


def trail_lines(trail: Trail | None) -> list[str]:
    """The message, and below it each step that it took."""
    if trail is None:
        return [NO_SUCH_MESSAGE]
    lines: list[str] = [_past(trail.line, 0)]
    if not trail.line.outgoing:
        return [*lines, f"[How it came here only {name(trail.line.sender)} can know.]"]
    whom = name(trail.line.to) if trail.line.to is not None else "the server"
    sent = [step.at for step in trail.steps if step.what in (What.SENT, What.RELAYED)]
    steps = [
        Answer(f"[{_step(step, whom, was_sent=min(sent, default=step.at) < step.at)}]")
        for step in trail.steps
    ]
    return [*lines, *(steps or [Answer("[No step of it is on record.]")])]


def _past(line: PastLine, width: int) -> Spoken:
    sender = name(line.sender)
    match line.kind:
        case Kind.DIRECT:
            whom = name(line.to or "")
        case Kind.CHANNEL:
            whom = "everybody"
        case Kind.ROOM:
            whom = name(line.room or "")
        case _:
            assert_never(line.kind)
    before = f"{clean(line.id):>{width}}  {shown_time(line.at)}  "
    claim = f" {NEVER_IN_TABLE}" if line.is_claimed else ""
    return Spoken(sender, f"{claim} to {whom}: ", clean(line.text), before=before)


def _step(step: Step, whom: str, *, was_sent: bool) -> str:
    at = shown_instant(step.at)
    match step.what:
        case What.SENT:
            return f"sent {at} try {step.tries}"
        case What.RELAYED:
            return f"sent {at} through the server as well"
        case What.MAILED:
            why = "no answer on the straight way" if was_sent else f"{whom} is away"
            return f"{why}: sealed as a letter for the registry ({at})"
        case _:
            return f"{_outcome(step, whom)} ({at})"


def _outcome(step: Step, whom: str) -> str:
    match step.what:
        case What.KEPT if step.reason:
            return f"kept: {reason(step.reason)}"
        case What.KEPT:
            return "kept: registry silent" + ("" if step.when is None else f" since {shown_time(step.when)}")
        case What.SAVED:
            return "saved at the registry" + ("" if step.when is None else f" until {shown_time(step.when)}")
        case What.ACKNOWLEDGED:
            way = " through the server" if step.through_server else ""
            if step.is_late:
                return f"delivered late: acknowledged by {whom}{way}"
            return (
                f"acknowledged by {whom}{way} after {counted(step.tries, 'try', 'tries')}, {step.span:.2f} s"
            )
        case What.ACCEPTED:
            return f"received by the server after {step.span:.2f} s"
        case What.REFUSED:
            return f"refused: {reason(step.reason)}"
        case What.EXPIRED:
            return f"gone: {reason(step.reason)}"
        case What.REDIRECTED:
            return f"goes on to the key of {whom} that is trusted now"
        case What.SENT | What.RELAYED | What.MAILED:
            return "on its way"
        case _:
            assert_never(step.what)
