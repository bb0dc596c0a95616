"""Lines about past sessions of the help desk, for an operator."""

from chatapp.peer.api.events import PastSession, PastSessions
from chatapp.peer.words.formatting import counted, name, shown_time
from chatapp.wire.text import sanitize

_TEXT_SHOWN = 200


def past_lines(past: PastSessions) -> list[str]:
    """Return the lines for the answer to `.past`."""
    if not past.sessions:
        return ["[No past sessions.]"]
    lines = [f"[Past sessions: {len(past.sessions):,} of {past.total:,}.]"]
    for session in past.sessions:
        lines += _session(session)
    return lines


def _session(one: PastSession) -> list[str]:
    operator = f", with {name(one.operator)}" if one.operator else ""
    took = f"waited {_span(one.waited)}, took {_span(one.took)}{operator}"
    lines = [f"[{name(one.name)}, {shown_time(one.at)}: {took}.]", f"Number: {name(one.number)}"]
    lines.append(f"Issue: {sanitize(one.issue, limit=_TEXT_SHOWN)}")
    lines += [f"Says: {line}" for line in map(sanitize, one.description.split("\n")) if line]
    if one.note:
        lines.append(f"Note: {sanitize(one.note)}")
    if not one.has_transcript:
        lines.append("[What was said is not kept any more.]")
    elif one.left_out:
        lines.append(f"[{counted(one.left_out, 'earlier line is', 'earlier lines are')} left out.]")
    return lines + [
        f"{shown_time(line.at)[11:]} {name(line.sender)}: {sanitize(line.text)}"
        for line in one.lines
    ]


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
