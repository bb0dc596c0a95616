"""This file is about the lines that an operator of the help desk reads, to the letter, as scripts match them.

It knows words. It must not know why an event came, nor print anything.
"""

from typing import Final, assert_never

from peer.core.dutyevents import (
    ClientCame,
    ClientChanged,
    ClientMove,
    ClientSaid,
    CommandDone,
    CommandFailed,
    DutyChanged,
    DutyEvent,
    Figures,
    RoomVisitor,
    WaitingRoom,
)
from peer.ui.words import Answer, Spoken, counted, name, reason, shown_time
from wire.text import clean

_MOVES: Final = {
    ClientMove.AWAY: "[{name} lost the connection; their place is kept for a while.]",
    ClientMove.BACK: "[{name} is back.]",
    ClientMove.LEFT: "[{name} has left.]",
    ClientMove.LOST: "[{name} did not come back.]",
    ClientMove.ENDED: "[The session with {name} has ended.]",
    ClientMove.GIVEN: "[{name} was handed over.]",
    ClientMove.TAKEN_BACK: "[You were away for too long: {name} is next in line again.]",
}
_TEXT_SHOWN: Final = 200


def duty_lines(event: DutyEvent) -> list[str]:
    """The lines to show for `event`, without the prompt."""
    match event:
        case DutyChanged(is_on=is_on, queue=queue):
            return [f"[You are on duty for {name(queue)}.]" if is_on else "[You are off duty.]"]
        case ClientCame():
            return _form(event)
        case ClientChanged(name=who, move=move):
            return [_MOVES[move].format(name=name(who))]
        case ClientSaid(sender=sender, text=text):
            return [Spoken(name(sender), ": ", clean(text))]
        case CommandDone(text=why) | CommandFailed(reason=why):
            return [f"[{reason(why)}.]"]
        case WaitingRoom():
            return list(map(Answer, _room(event)))
        case Figures():
            return list(map(Answer, _figures(event)))
        case _:
            assert_never(event)


def _form(came: ClientCame) -> list[str]:
    whom = f"{name(came.name)}, {name(came.number)}: {clean(came.issue, limit=_TEXT_SHOWN)}"
    lines = [f"[Active: {whom}]"]
    if came.handed_over_by:
        lines.append(f"[Handed over by {name(came.handed_over_by)}.]")
    if came.note:
        lines.append(f"[Note: {clean(came.note)}]")
    if not came.is_here:
        lines.append(_MOVES[ClientMove.AWAY].format(name=name(came.name)))
    return lines


def _room(room: WaitingRoom) -> list[str]:
    lines = [f"[Active: {_visitor(one)}]" for one in room.served] or ["[No active client.]"]
    if not room.total:
        return [*lines, "[Waiting room: empty.]"]
    lines.append(f"[Waiting room: {room.total:,}.]")
    lines += [f"[{place} {_visitor(one)}]" for place, one in enumerate(room.waiting, 1)]
    if room.total > len(room.waiting):
        lines.append(f"[and {counted(room.total - len(room.waiting), 'other', 'others')}]")
    return lines


def _visitor(one: RoomVisitor) -> str:
    away = "" if one.is_here else ", away"
    operator = f", {name(one.operator)}" if one.operator else ""
    return f"{name(one.name)}: {clean(one.issue, limit=_TEXT_SHOWN)}, since {shown_time(one.since)}{operator}{away}"


def _figures(figures: Figures) -> list[str]:
    return [
        f"[Served today: {figures.served_today:,}. "
        f"Wait: median {_span(figures.median_wait)}, 90 % within {_span(figures.ninetieth_wait)}.]",
        f"[Waiting now: {figures.waiting:,}, longest {_span(figures.longest_waiting)}. "
        f"On duty: {figures.operators:,}.]",
    ]


def _span(seconds: int) -> str:
    """`4:07`, or `1:04:07`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
