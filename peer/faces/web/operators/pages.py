"""The page of an operator: what its templates show, and what it says. Operators read English."""

from typing import Final

from markupsafe import Markup
from starlette.responses import HTMLResponse

from chatapp.peer.api import events
from chatapp.peer.api.events import ClientMove
from chatapp.peer.faces.web.page import ENVIRONMENT, LineWords, macro, page
from chatapp.peer.view.desk import DeskView
from chatapp.peer.view.talk import Mark, TalkLine
from chatapp.peer.words.desk import duty_lines
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import counted
from chatapp.wire.limits import (
    DESK_CLOSING_MAX,
    DESK_DESCRIPTION_MAX,
    DESK_NOTE_MAX,
)

TITLE: Final = "Help desk"
_MOVES: Final = {
    ClientMove.AWAY: "{name} lost the connection; the place is kept for a while.",
    ClientMove.BACK: "{name} is back.",
    ClientMove.LEFT: "{name} has left.",
    ClientMove.LOST: "{name} did not come back.",
    ClientMove.ENDED: "The session with {name} has ended.",
    ClientMove.GIVEN: "{name} was handed over.",
    ClientMove.TAKEN_BACK: "{name} is at the head of the line again: your connection was lost for too long.",
    ClientMove.UNANSWERED: "{name} does not answer and keeps the place in the line for a while.",
    ClientMove.SILENT: "{name} has said nothing for a while.",
    ClientMove.HELD: "{name} is on hold, at the head of the line.",
    ClientMove.TRANSFERRED: "{name} was sent to another queue.",
}

AWAY: Final = "The server does not answer. The page goes on as soon as it does; what you say waits until then."
FAULTY: Final = "A fault of the program has stopped a part of this page; its log tells more. Start ChatApp web again."
OVER: Final = (
    "The program that this page belongs to has ended. "
    "Start ChatApp web --as {name} again, open the address that it prints, and close this page."
)
ARRIVING: Final = "Connecting to the server \u2026"
NOT_OPERATOR: Final = "You are not an operator of this help desk. Whoever runs the server adds you by --operator {name}."
MAIL: Final = "{count} to you: read with ChatApp -c {name}."


def alert(view: DeskView) -> str:
    """Return what keeps the page from working as usual; empty for nothing."""
    if view.is_over:
        return OVER.format(name=view.name)
    if view.is_faulty:
        return FAULTY
    if view.refusal is not None:
        return plain(lines_of(view.refusal))
    if view.is_away:
        return AWAY
    if not view.is_here:
        return ARRIVING
    return "" if view.is_operator else NOT_OPERATOR.format(name=view.name)


def mail(view: DeskView) -> str:
    """Return that messages of other people have come; empty for none."""
    count = counted(view.mail, "message", "messages")
    return MAIL.format(count=count, name=view.name) if view.mail else ""


def nobody(view: DeskView) -> str:
    """Return what is shown in place of a conversation."""
    if view.is_on_duty:
        return "The next visitor comes by itself. You can leave this page open: it calls you."
    return "Go on duty, and visitors come to you in their order." if view.is_operator else ""


def span(seconds: float) -> str:
    """Return a span of time in words, as people say it."""
    minutes = int(seconds) // 60
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min"


def notice(event: events.Event) -> str:
    """Return the sentence for a notice."""
    match event:
        case events.ClientMoved(name=name, move=move):
            return _MOVES[move].format(name=name)
        case events.NothingSaid(name=name):
            return f"{name} has said nothing yet. Press Next once more to end the session, or Hold to keep the place."
        case events.NumberMoved(was=was, is_now=is_now):
            return (
                f"Nothing was done: the line has changed, {is_now} has the number that {was} had."
            )
        case events.CommandFailed(reason=events.CommandFailure.NOT_ON_DUTY):
            return "Only operators on duty can do that: go on duty first."
        case events.CommandFailed() | events.CommandSucceeded() | events.HeldBack():
            return plain(duty_lines(event))
        case _:
            return plain(lines_of(event))


def plain(lines: list[str]) -> str:
    """Return lines of the terminal as sentences, without brackets."""
    return " ".join(f"{line.removeprefix('[').removesuffix(']')}" for line in lines)


KEYS: Final = {
    "Alt+W": "write to your visitor",
    "Alt+A": "ready answers",
    "Alt+N": "next: end this talk, call the next visitor",
    "Alt+X": "end this talk",
    "Alt+U": "undo that",
    "Alt+K": "hold",
    "Alt+P": "pass on",
    "Esc": "close what is open",
}
"""What keys do, as the page lists them; its elements name theirs (`aria-keyshortcuts`)."""

WORDS: Final = LineWords(
    edited="(edited)",
    taken_back="[taken back]",
    change="Change",
    heading="Change your message",
    save="Save",
    retract="Take back",
    cancel="Cancel",
    save_at="do/change",
    retract_at="do/retract",
    show="Show the picture",
)
"""What stands at the lines of a conversation."""

_PARTS: Final = "operators/parts.html"
_MARKS: Final = {
    Mark.SENDING: ("sending", "\u2026", "on its way"),
    Mark.SAVED: ("saved", "\u2713", "saved"),
    Mark.LOST: ("lost", "!", "not sent"),
    None: None,
}

ENVIRONMENT.filters |= {"counted": counted, "span": span}


def home(view: DeskView, desk: str, *, proof_key: bytes) -> HTMLResponse:
    """Return the whole page. `desk`: the name of the desk. `proof_key`: by which it tells the
    program that it came from."""
    return page(
        "operators/home.html",
        title=window_title(view, desk),
        kind="operator",
        desk=desk,
        name=view.name,
        keys=KEYS,
        proof_key=proof_key.hex(),
        over=OVER.format(name=view.name),
        announcement_max=DESK_DESCRIPTION_MAX,
        closing_max=DESK_CLOSING_MAX,
    )


def window_title(view: DeskView, desk: str) -> str:
    """Return the title of the window. `desk`: the name of the desk."""
    waiting = view.room.total if view.room is not None else 0
    count = f"({waiting}) " if waiting and view.client is None else ""
    whom = f"{view.client.name} \u00b7 " if view.client else ""
    return f"{count}{whom}{desk} \u00b7 {view.name}"


def parts(view: DeskView) -> dict[str, Markup]:
    """Return the parts of the page that change, by the ids of their elements."""
    return {
        "duty": macro(_PARTS, "duty", view),
        "state": macro(_PARTS, "state", alert(view), mail(view)),
        "line": macro(_PARTS, "line", view.room),
        "client": macro(_PARTS, "client", view),
        "ending": macro(_PARTS, "ending", view),
        "notices": macro(_PARTS, "notices", list(map(notice, view.notices))),
        "composing": macro(_PARTS, "composing", view),
        "form": macro(_PARTS, "form", view.client, DESK_NOTE_MAX),
        "earlier": macro(_PARTS, "earlier", view.earlier, WORDS),
        "figures": macro(_PARTS, "figures", view.figures),
        "past": macro(_PARTS, "past", view.past, WORDS),
        "serve": macro(_PARTS, "serve", view.other_queues),
    }


def log(view: DeskView) -> Markup:
    """Return the conversation."""
    if view.client is None:
        return macro(_PARTS, "nobody", nobody(view))
    return Markup().join(map(talk_line, view.lines))


def talk_line(line: TalkLine) -> Markup:
    """Return one line of the conversation."""
    return macro("talk.html", "line", line, line.who, _MARKS[line.mark], WORDS)


def change_form(text: str, *, said: int, visit: int, is_file: bool) -> Markup:
    """Return what changes a line of the operator's own, inside the page."""
    return macro("talk.html", "change", text, said, visit, WORDS, is_file)
