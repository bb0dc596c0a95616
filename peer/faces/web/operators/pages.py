"""The operator's page: what its templates show."""

from typing import Final

from markupsafe import Markup
from starlette.responses import HTMLResponse

from chatapp.peer.faces.web.operators import texts
from chatapp.peer.faces.web.page import ENVIRONMENT, macro, page
from chatapp.peer.view.desk import DeskView
from chatapp.peer.view.talk import Mark, TalkLine
from chatapp.peer.words.formatting import counted
from chatapp.wire.limits import (
    DESK_CLOSING_MAX,
    DESK_DESCRIPTION_MAX,
    DESK_NOTE_MAX,
)

TITLE: Final = "Help desk"
_PARTS: Final = "operators/parts.html"
_MARKS: Final = {
    Mark.SENDING: ("sending", "\u2026", "on its way"),
    Mark.SAVED: ("saved", "\u2713", "saved"),
    Mark.LOST: ("lost", "!", "not sent"),
    None: None,
}

ENVIRONMENT.filters |= {"counted": counted, "span": texts.span}


def home(view: DeskView, desk: str, *, proof_key: bytes) -> HTMLResponse:
    """Return the whole page. `desk`: the name of the desk. `proof_key`: by which it tells the
    program that it came from."""
    return page(
        "operators/home.html",
        title=window_title(view, desk),
        kind="operator",
        desk=desk,
        name=view.name,
        keys=texts.KEYS,
        proof_key=proof_key.hex(),
        over=texts.OVER.format(name=view.name),
        announcement_max=DESK_DESCRIPTION_MAX,
        closing_max=DESK_CLOSING_MAX,
    )


def wrong_address() -> HTMLResponse:
    """Return the page for a browser that has not shown the token."""
    why = texts.WRONG_ADDRESS
    return page("operators/locked.html", title=TITLE, kind="told", status=403, why=why)


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
        "state": macro(_PARTS, "state", texts.alert(view), texts.mail(view)),
        "line": macro(_PARTS, "line", view.room),
        "client": macro(_PARTS, "client", view),
        "ending": macro(_PARTS, "ending", view),
        "notices": macro(_PARTS, "notices", list(map(texts.notice, view.notices))),
        "composing": macro(_PARTS, "composing", view),
        "form": macro(_PARTS, "form", view.client, DESK_NOTE_MAX),
        "earlier": macro(_PARTS, "earlier", view.earlier),
        "figures": macro(_PARTS, "figures", view.figures),
        "past": macro(_PARTS, "past", view.past),
        "serve": macro(_PARTS, "serve", view.other_queues),
    }


def log(view: DeskView) -> Markup:
    """Return the conversation."""
    if view.client is None:
        return macro(_PARTS, "nobody", texts.nobody(view))
    return Markup().join(map(talk_line, view.lines))


def talk_line(line: TalkLine) -> Markup:
    """Return one line of the conversation."""
    return macro("talk.html", "line", line, line.who, _MARKS[line.mark])
