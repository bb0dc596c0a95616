"""Lines about the past: stored messages, and how each was delivered."""

import math
from collections.abc import Sequence
from typing import Final, assert_never

from chatapp.peer.api.conversations import EVERYBODY
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.api.trace import TraceEvent, TraceStep
from chatapp.peer.words.changes import NOTHING_KNOWN, STAR, answered, is_action, shown_text, text_of
from chatapp.peer.words.files import way_steps
from chatapp.peer.words.formatting import (
    AnswerLine,
    Audience,
    Mark,
    MessageLine,
    counted,
    mark_of,
    name,
    reason,
    shown_instant,
    shown_time,
)
from chatapp.peer.words.reasons import UNSENT, kept
from chatapp.wire.text import sanitize

NOTHING_FOUND: Final = "[No messages were found.]"
NOTHING_YET: Final = "[There are no messages yet.]"
NO_SUCH_MESSAGE: Final = "[No such message: /history shows each message with its id.]"


def no_conversation(named: str) -> str:
    """Answer a name that no person and no room that the user knows has."""
    return f'[No person or room called "{name(named)}".]'


def history_unreadable(error: Exception) -> str:
    """Say why the history cannot be shown. `error`: as SQLite words it."""
    return f"[The history cannot be read: {reason(str(error))}.]"


def history_lines(lines: Sequence[Said], me: str) -> list[str]:
    """Return messages as `<id>  <time>  <sender> to <target>: <text>`, with the ids aligned. `me`:
    our name, to whom others write."""
    width = max((len(str(line.id)) for line in lines), default=0)
    return [_past(line, width, me) for line in lines]


def past_lines(lines: Sequence[Said]) -> list[str]:
    """Return messages of the past as a terminal shows them again: as new ones, and own lines with
    their recipient, and with their mark if they were not received."""
    return [_shown_again(line) for line in lines]


def _shown_again(line: Said) -> MessageLine:
    mark = _mark(line)
    before, end, where, audience = "", "", "", Audience.PERSON
    star, colon = (STAR, "") if is_action(line) else ("", ":")
    what, to = line.conversation, answered(line, NOTHING_KNOWN)
    if what == EVERYBODY:
        before, end, audience = "[Channel_Message ", "]", Audience.EVERYBODY
    elif what.is_room:
        where, audience = f" (in {name(what.name)})", Audience.ROOM
    elif line.is_ours:
        where = f" to {name(what.name)}"
    where += f" ({to})" if to else ""
    text = f"{shown_text(line)}{end}"
    return MessageLine(
        name(line.sender),
        f"{where}{colon} ",
        text,
        before=f"{before}{star}",
        at=line.at,
        audience=audience,
        doubt=line.doubt,
    ).with_mark(None if mark is Mark.RECEIVED else mark)


def trace_lines(trace: DeliveryTrace | None, me: str) -> list[str]:
    """Return the message, and below it each step of its delivery. `me`: our name."""
    if trace is None:
        return [NO_SUCH_MESSAGE]
    said = [f"said {shown_instant(one.at)}: {sanitize(one.text)}" for one in trace.versions]
    return [
        _past(trace.line, 0, me),
        *(AnswerLine(f"[{step}]") for step in (*said, *trace_steps(trace))),
    ]


def trace_steps(trace: DeliveryTrace) -> list[str]:
    """Return the steps of a message's delivery, or the one reason why there are none."""
    what = trace.line.conversation
    file = [] if trace.file is None else way_steps(trace.file)
    if not trace.line.is_ours:
        return [f"Only {name(trace.line.sender)} knows how it was delivered.", *file]
    target = name(what.name) if what.is_person else "the server"
    shown: list[str] = []
    began, sends = math.inf, 0
    for step in trace.steps:
        if step.what in (TraceEvent.SENT, TraceEvent.RELAYED):
            began, sends = min(began, step.at), sends + 1
        else:
            if step.what is TraceEvent.ACKNOWLEDGED and step.tries > sends > 0:
                shown.append(_more_sends(step.tries - sends))
            sends = 0
        shown.append(_step(step, target, was_sent=began < step.at))
    return [*(shown or ["None of its steps is on record."]), *file]


def _more_sends(count: int) -> str:
    """Say how often a message was sent besides the steps on record: repeats ahead of their time,
    and probes, are none."""
    return f"and {counted(count, 'more send', 'more sends')} of the same message"


def _past(line: Said, width: int, me: str) -> MessageLine:
    sender = name(line.sender)
    what = line.conversation
    target = "everybody" if what == EVERYBODY else name(what.name)
    if what.is_person and not line.is_ours:
        target = name(me)
    star = STAR if is_action(line) else ""
    before = f"{line.id:>{width}}  {shown_time(line.at)}  {star}"
    return MessageLine(
        sender,
        f" to {target}: ",
        text_of(line, NOTHING_KNOWN),
        before=before,
        doubt=line.doubt,
    ).with_mark(_mark(line))


def _mark(line: Said) -> Mark | None:
    return mark_of(line.state, is_direct=line.conversation.is_person, is_seen=line.is_seen)


def _step(step: TraceStep, target: str, *, was_sent: bool) -> str:
    at = shown_instant(step.at)
    match step.what:
        case TraceEvent.SENT:
            return f"sent {at} try {step.tries}"
        case TraceEvent.RELAYED:
            return f"sent {at} through the server as well"
        case TraceEvent.MAILED:
            why = "no direct answer" if was_sent else f"{target} is away"
            return f"{why}: sealed as a letter for the registry ({at})"
        case _:
            return f"{_outcome(step, target)} ({at})"


def _outcome(step: TraceStep, target: str) -> str:
    match step.what:
        case TraceEvent.KEPT if step.reason is not None:
            return f"kept: {kept(step.reason)}"
        case TraceEvent.KEPT:
            return "kept: registry silent" + (
                "" if step.when is None else f" since {shown_time(step.when)}"
            )
        case TraceEvent.SAVED:
            return "saved at the registry" + (
                "" if step.when is None else f" until {shown_time(step.when)}"
            )
        case TraceEvent.ACKNOWLEDGED:
            way = " through the server" if step.through_server else ""
            if step.is_late:
                return f"delivered late: acknowledged by {target}{way}"
            return f"acknowledged by {target}{way} after {counted(step.tries, 'try', 'tries')}, {step.span:.2f} s"
        case TraceEvent.ACCEPTED:
            return f"received by the server after {step.span:.2f} s"
        case TraceEvent.REFUSED:
            return "refused" if step.reason is None else f"refused: {UNSENT[step.reason]}"
        case TraceEvent.EXPIRED:
            return "gone" if step.reason is None else f"gone: {UNSENT[step.reason]}"
        case TraceEvent.REDIRECTED:
            return f"sent on to the key of {target} that you trust now"
        case TraceEvent.SENT | TraceEvent.RELAYED | TraceEvent.MAILED:
            return "on its way"
        case _:
            assert_never(step.what)
