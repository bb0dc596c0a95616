"""The help desk on an operator's page: what its templates show, and what they say. Operators read
English."""

from collections.abc import Sequence
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
from chatapp.wire.limits import DESK_NOTE_MAX

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

FAULTY: Final = "A fault of the program has stopped a part of this page; its log tells more. Start ChatApp again."
NOT_OPERATOR: Final = "You are not an operator of this help desk. Whoever runs the server adds you by --operator {name}."


def nobody(view: DeskView) -> str:
    """Return what is shown in place of a conversation."""
    if view.is_on_duty:
        return "The next visitor comes by itself. You can leave this page open: it calls you."
    return "Go on duty, and visitors come to you in their order."


def alert(view: DeskView | None, name: str) -> str:
    """Return what keeps the desk from working as usual; empty for nothing. `view`: None for somebody
    whom the registry does not count among its operators. `name`: theirs."""
    if view is None:
        return NOT_OPERATOR.format(name=name)
    return FAULTY if view.is_faulty else ""


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


WORDS: Final = LineWords(
    edited="(edited)",
    taken_back="[taken back]",
    change="Change",
    heading="Change your message",
    save="Save",
    retract="Take back",
    cancel="Cancel",
    address="desk/change",
    save_at="desk/change",
    retract_at="desk/retract",
    files_at="desk/file/",
    show="Show the picture",
)
"""What stands at the lines of a conversation."""

_ALONE: Final = WORDS._replace(save_at="change", retract_at="retract", back="../?with=desk")
"""The same on a page that a browser without JavaScript changes a line on."""

_PARTS: Final = "operators/parts.html"
_MARKS: Final = {
    Mark.SENDING: ("sending", "\u2026", "on its way"),
    Mark.SAVED: ("saved", "\u2713", "saved"),
    Mark.LOST: ("lost", "!", "not sent"),
    None: None,
}

ENVIRONMENT.filters |= {"counted": counted, "span": span}


def parts(view: DeskView, answers: Sequence[str] = ()) -> dict[str, Markup]:
    """Return the parts of the desk that change, by the ids of their elements. `answers`: to what was
    typed last."""
    notices = dict.fromkeys([*answers, *map(notice, view.notices)])
    return {
        "duty": _part("duty", view),
        "client": _part("client", view, nobody(view)),
        "ending": _part("ending", view),
        "notices": _part("notices", list(notices)),
        "ready": _part("ready", view),
        "form": _part("form", view.client, DESK_NOTE_MAX),
        "line": _part("line", view.room),
        "earlier": _part("earlier", view.earlier, WORDS),
        "past": _part("past", view.past, WORDS),
        "figures": _part("figures", view.figures),
        "serve": _part("serve", view.other_queues),
    }


def _part(name: str, *values: object) -> Markup:
    return macro(_PARTS, name, *values)


NO_PARTS: Final = dict.fromkeys(parts(DeskView("")), Markup())
"""What stands there while the desk is not open."""


def talk_line(line: TalkLine) -> Markup:
    """Return one line of the conversation."""
    return macro("talk.html", "line", line, line.who, _MARKS[line.mark], WORDS)


def change_form(text: str, *, said: int, visit: int, is_file: bool, is_part: bool) -> HTMLResponse:
    """Return what changes a line of the operator's own. `is_part`: inside the page; else a page of
    its own."""
    if is_part:
        return HTMLResponse(macro("talk.html", "change", text, said, visit, WORDS, is_file))
    return page(
        "operators/change.html",
        title=WORDS.heading,
        kind="told",
        text=text,
        said=said,
        visit=visit,
        words=_ALONE,
        is_file=is_file,
    )
