"""The lines that a visitor reads, to the letter, as scripts match them.

It knows words.
"""

from typing import Final, assert_never

from chatapp.peer.ui.completion import Candidate
from chatapp.peer.ui.formatting import (
    MessageLine,
    counted,
    key_accepted,
    key_changed,
    key_met,
    link_trouble,
    name,
    names,
    reason,
)
from chatapp.peer.visitor import events as happened
from chatapp.wire.text import sanitize

SILENT: Final = "[Server not responding]"
WAIT: Final = "[Please wait for your turn.]"
ACTIVE: Final = "[You are active.]"
FORM_FIRST: Final = "[You are not in the waiting room yet: fill in the form first.]"
VOID: Final = "[Three wrong answers: the request is void. Bye.]"

COMMANDS: Final = {
    ".queue": "where you are in the waiting room, and how long it may take",
    "/new": "give your place up and begin a new request",
    "/help": "these lines",
    "/quit": "leave the help desk",
}
"""What a visitor may type beside text, and what it does."""

HELP: Final = (
    *(f"{spelling:<6}  {about}" for spelling, about in COMMANDS.items()),
    "Anything else is said to the operator when it is your turn; //text says /text.",
)

_TURNS: Final = {
    happened.Turn.AT_ONCE: "[You are connected.]",
    happened.Turn.CALLED: "[It's your turn.]",
    happened.Turn.HANDED_OVER: "[{operator} serves you now.]",
}
_BACK: Final = {
    happened.WhyBack.HANDED_OVER: "[You are being handed over: you are next in line.]",
    happened.WhyBack.OPERATOR_LOST: "[The operator has lost the connection: you are next in line.]",
    happened.WhyBack.CALL_MISSED: "[You were called while you were away: your place was kept.]",
}
_MINUTE: Final = 60


def lines_of(event: happened.VisitEvent) -> list[str]:
    """The lines to show for `event`, without the prompt."""
    match event:
        case happened.FormWanted():
            return []  # the form asks for itself
        case happened.LineCame(operator=operator, text=text):
            return [MessageLine(name(operator), ": ", sanitize(text))]
        case happened.NotYourTurn():
            return [WAIT]
        case happened.LineRefused(reason=why):
            return [f"[Message refused: {reason(why)}.]"]
        case (
            happened.ServerLost()
            | happened.ServerBack()
            | happened.NoServer()
            | happened.ServerMet()
            | happened.ServerKeyAccepted()
            | happened.ServerKeyChanged()
            | happened.LinkTroubled()
            | happened.Trouble()
        ):
            return _reach(event)
        case _:
            return _place(event)


def _place(
    event: happened.QueueUnknown
    | happened.Resumed
    | happened.PlaceGone
    | happened.EndedUnseen
    | happened.Placed
    | happened.PlaceAnswered
    | happened.ServedAnswered
    | happened.SentBack
    | happened.Served
    | happened.Over
    | happened.Refused,
) -> list[str]:
    """Where one stands."""
    match event:
        case happened.Placed(position=position, operators=operators):
            nobody = [] if operators else ["[Nobody is serving just now; your place is kept.]"]
            return [f"[Waiting room, position {position}.]", *nobody]
        case happened.PlaceAnswered(position=position, estimate=estimate):
            ahead = f"{position - 1} ahead, {_span(estimate)}"
            return [f"[You are number {position} in the waiting room: {ahead}.]"]
        case happened.ServedAnswered():
            return [ACTIVE]
        case happened.Served(turn=turn, operator=operator):
            return [_TURNS[turn].format(operator=name(operator))]
        case happened.SentBack(why=why):
            return [_BACK[why]]
        case happened.Resumed():
            return ["[Going on with your earlier request; /new gives it up and begins another.]"]
        case happened.PlaceGone(is_joining=is_joining):
            what = "you are joining the line anew" if is_joining else "please begin anew"
            return [f"[Your place was given up while you were away: {what}.]"]
        case happened.EndedUnseen(reason=why):
            return [f"[{reason(why)}. Please begin anew.]"]
        case happened.QueueUnknown(name=wanted, queues=queues):
            there = f"{'there is' if len(queues) == 1 else 'there are'} {names(queues)}"
            return [f'[There is no queue "{name(wanted)}" here; {there}.]']
        case happened.Over(reason=why):
            return [f"[{reason(why)}. Bye.]"]
        case happened.Refused(reason=why):
            return [f"[Request refused: {reason(why)}.]"]
        case _:
            assert_never(event)


def _span(estimate: happened.Estimate | None) -> str:
    if estimate is None:
        return "no estimate yet"
    return f"about {estimate.least // _MINUTE}-{-(-estimate.most // _MINUTE)} min"


def _reach(
    event: happened.ServerLost
    | happened.ServerBack
    | happened.NoServer
    | happened.ServerMet
    | happened.ServerKeyAccepted
    | happened.ServerKeyChanged
    | happened.LinkTroubled
    | happened.Trouble,
) -> list[str]:
    """Between the visitor and the registry."""
    match event:
        case happened.ServerLost(keep_place=None) | happened.NoServer():
            return [f"{SILENT} Still trying."]
        case happened.ServerLost(keep_place=keep_place):
            seconds = counted(keep_place or 0, "second", "seconds")
            return [f"{SILENT} Still trying; your place is kept for {seconds}."]
        case happened.ServerBack():
            return ["[Server is back.]"]
        case happened.ServerMet(key=key, is_verified=is_verified):
            return [key_met(key, is_verified=is_verified)]
        case happened.ServerKeyAccepted(key=key):
            return [key_accepted(key)]
        case happened.ServerKeyChanged(expected=expected, got=got):
            return [key_changed(expected, got)]
        case happened.LinkTroubled(port=port, trouble=trouble):
            return [link_trouble(port, trouble)]
        case happened.Trouble(text=text):
            return [f"[{reason(text)}]"]
        case _:
            assert_never(event)


class VisitorOffers:
    """Ways to go on at the help desk."""

    def after(self, typed: str, *, is_in_room: bool) -> list[Candidate]:
        """How to go on after `typed`; a visitor is never in a room."""
        begun = typed.lstrip().lower()
        return [
            Candidate(spelling, len(begun), about)
            for spelling, about in COMMANDS.items()
            if spelling.startswith(begun)
        ]
