"""The operator's page: its parts as HTML. Everything that a visitor wrote is escaped."""

import datetime as dt
from typing import Final

from starlette.responses import HTMLResponse

from chatapp.peer.api import events
from chatapp.peer.faces.web.html import Child, Html, element, fragment, several_lines
from chatapp.peer.faces.web.operators import texts
from chatapp.peer.faces.web.page import document
from chatapp.peer.view.desk import LineMark, OperatorView, TalkLine
from chatapp.wire.limits import (
    DESK_CLOSING_MAX,
    DESK_DESCRIPTION_MAX,
    DESK_NOTE_MAX,
    DESK_QUEUE_NAME_MAX,
)

SCRIPT: Final = "operator.js"
STYLE: Final = "operator.css"

_MARKS: Final = {
    LineMark.SENDING: ("\u2026", "on its way"),
    LineMark.SAVED: ("\u2713", "saved"),
    LineMark.LOST: ("!", "not sent"),
}
_NAME_MAX: Final = 32


def home(view: OperatorView, *, proof_key: bytes) -> HTMLResponse:
    """Return the whole page. `proof_key`: by which it tells the program that it came from."""
    bar = element(
        "header",
        element(
            "h1", element("span", class_="dot", aria_hidden="true"), "Help desk", class_="brand"
        ),
        element("div", id="duty", class_="duty"),
        class_="bar",
    )
    body = fragment(
        bar,
        element("p", id="banner", class_="banner", role="alert", hidden=True),
        element("div", id="state", role="status"),
        element("noscript", element("p", "This page needs JavaScript.", class_="alert")),
        element(
            "main",
            element("section", id="line", class_="card pane", aria_label="The line"),
            element(
                "section",
                element("div", id="client"),
                element("div", id="notices", class_="notices", aria_live="polite"),
                element(
                    "div",
                    id="scroll",
                    class_="scroll",
                    role="log",
                    aria_label="The conversation",
                    tabindex=0,
                ),
                element("div", id="composing"),
                id="talk",
                class_="pane",
                aria_label="Your visitor",
            ),
            element("section", id="form", class_="card pane", aria_label="The form"),
            id="main",
            data_key=proof_key.hex(),
            data_over=texts.OVER.format(name=view.name),
        ),
        element(
            "aside",
            element(
                "details",
                element("summary", "Past sessions"),
                _search(),
                element("div", id="past"),
                class_="card",
            ),
            element(
                "details",
                element("summary", "Today"),
                element("div", _deed("figures", "Show the figures of today"), class_="row start"),
                element("div", id="figures"),
                class_="card",
            ),
            element("details", element("summary", "The desk"), _desk_forms(), class_="card"),
            class_="more",
        ),
    )
    return document(
        title=window_title(view),
        language="en",
        body=body,
        scripts=(SCRIPT,),
        styles=(STYLE,),
        kind="operator",
    )


def wrong_address() -> HTMLResponse:
    """Return the page for a browser that has not shown the token."""
    main = element(
        "main",
        element(
            "section",
            element("h1", "This page is locked"),
            element("p", texts.WRONG_ADDRESS, class_="lead"),
            class_="card quiet",
        ),
    )
    return document(title="Help desk", language="en", body=main, kind="told", status=403)


def window_title(view: OperatorView) -> str:
    """Return the title of the window."""
    waiting = view.room.total if view.room is not None else 0
    count = f"({waiting}) " if waiting and view.client is None else ""
    return f"{count}{view.client.name if view.client else 'Help desk'} \u00b7 {view.name}"


def parts(view: OperatorView) -> dict[str, Html]:
    """Return the parts of the page that change, by the ids of their elements."""
    return {
        "duty": _duty(view),
        "state": _state(view),
        "line": _line(view),
        "client": _client(view),
        "notices": _notices(view),
        "composing": _composing(view),
        "form": _form(view),
        "figures": _figures(view.figures),
        "past": _past(view.past),
    }


def log(view: OperatorView) -> Html:
    """Return the conversation."""
    if view.client is None:
        return _nobody(view)
    return fragment(map(talk_line, view.lines))


def talk_line(line: TalkLine) -> Html:
    """Return one line of the conversation."""
    mark = None
    if line.mark is not None:
        sign, word = _MARKS[line.mark]
        mark = element(
            "span",
            element("span", sign, aria_hidden="true"),
            element("span", word, class_="unseen"),
            class_=f"mark {line.mark.value}",
            title=word,
        )
    return element(
        "div",
        element("p", element("bdi", line.sender), class_="who"),
        element("p", several_lines(line.text), class_="text", dir="auto"),
        element("p", _clock(line.at), mark, class_="when"),
        id=line.id,
        class_="line mine" if line.is_ours else "line theirs",
    )


# --- the parts


def _state(view: OperatorView) -> Html:
    said: Child = None
    if view.is_over:
        said = texts.OVER.format(name=view.name)
    elif view.is_faulty:
        said = texts.FAULTY
    elif view.refusal is not None:
        said = texts.refusal(view.refusal)
    elif view.is_away:
        said = texts.AWAY
    elif not view.is_here:
        said = texts.ARRIVING
    elif not view.is_operator:
        said = texts.NOT_OPERATOR.format(name=view.name)
    alert = None if said is None else element("p", said, class_="alert calm")
    letters = None
    if view.letters:
        count = texts.counted(view.letters, "message", "messages")
        letters = element("p", texts.LETTERS.format(count=count, name=view.name), class_="hint")
    return fragment(alert, letters)


def _duty(view: OperatorView) -> Html:
    if not view.is_operator:
        return element("span", element("bdi", view.name), class_="hint")
    at = f" at {view.queue}" if view.queue else ""
    where = f"on duty{at}" if view.is_on_duty else "off duty"
    return fragment(
        element(
            "span",
            element("span", class_="lamp on" if view.is_on_duty else "lamp", aria_hidden="true"),
            element("bdi", view.name),
            f", {where}",
            class_="who",
        ),
        _deed("off", "Go off duty")
        if view.is_on_duty
        else _deed("on", "Go on duty", class_="primary"),
    )


def _line(view: OperatorView) -> Html:
    heading = element("h2", "The line")
    room = view.room
    if room is None:
        return fragment(heading, element("p", "Not known yet.", class_="hint"))
    rows = [_waiting(one, number) for number, one in enumerate(room.waiting, 1)]
    more = room.total - len(room.waiting)
    served = [
        element(
            "li",
            element("bdi", one.name),
            element(
                "span", f" with {one.operator or 'the desk'} for ", _since(one.since), class_="hint"
            ),
            element("span", " \u00b7 away", class_="hint") if not one.is_here else None,
        )
        for one in room.served
    ]
    return fragment(
        heading,
        element(
            "p",
            f"{texts.counted(room.total, 'visitor waits', 'visitors wait')} at ",
            element("bdi", room.queue),
            f"; {texts.counted(room.operators, 'operator', 'operators')} on duty",
            class_="hint",
        ),
        element("ol", *rows, class_="waiting")
        if rows
        else element("p", "Nobody waits.", class_="empty"),
        element("p", f"and {more:,} more", class_="hint") if more > 0 else None,
        fragment(element("h3", "Being served"), element("ul", *served, class_="served"))
        if served
        else None,
    )


def _waiting(one: events.ListedVisitor, number: int) -> Html:
    signs = [
        sign
        for sign, is_so in (
            ("away", not one.is_here),
            ("lets others go first", one.is_paused),
            (f"for {one.operator}", bool(one.operator)),
        )
        if is_so
    ]
    move: Child = None
    if number > 1:
        move = _deed("move", "To the head", visit=one.visit, position=number, to=1)
    drop = _deed("drop", "Take out", class_="danger", visit=one.visit, position=number)
    return element(
        "li",
        element("p", element("bdi", one.name), class_="name"),
        element("p", element("bdi", one.issue), class_="hint"),
        element(
            "p",
            "waiting for ",
            _since(one.since),
            *(element("span", f" \u00b7 {sign}") for sign in signs),
            class_="hint",
        ),
        element(
            "details",
            element(
                "summary", element("span", f"More about {one.name}", class_="unseen"), "\u22ef"
            ),
            element("div", move, drop, class_="menu"),
            data_key=one.visit,
        ),
    )


def _client(view: OperatorView) -> Html:
    client = view.client
    if client is None:
        next_ = None
        if view.is_operator:
            next_ = _deed("next", "Call the next visitor", class_="primary", visit=0)
        return element("div", element("h2", "No visitor"), next_, class_="head")
    signs: list[Child] = []
    if not view.is_client_here:
        signs.append(element("span", "away", class_="sign"))
    if view.is_client_silent:
        signs.append(element("span", "silent", class_="sign"))
    actions = element(
        "div",
        _deed("next", "Next", class_="primary", visit=client.visit),
        _deed("end", "End", visit=client.visit),
        _deed("hold", "Hold", visit=client.visit),
        element(
            "details",
            element("summary", "Pass on"),
            element(
                "div",
                _line_form(
                    "handover",
                    "To an operator",
                    "Hand over",
                    "operator",
                    client.visit,
                    list_="operators",
                ),
                _line_form("transfer", "To a queue", "Transfer", "queue", client.visit),
                _operators(view),
                class_="menu",
            ),
            data_key=f"pass-on {client.visit}",
        ),
        class_="actions",
    )
    return element(
        "div", element("h2", element("bdi", client.name), *signs), actions, class_="head"
    )


def _operators(view: OperatorView) -> Html:
    served = view.room.served if view.room is not None else ()
    names = sorted({one.operator for one in served if one.operator and one.operator != view.name})
    return element("datalist", *(element("option", value=name) for name in names), id="operators")


def _nobody(view: OperatorView) -> Html:
    if view.is_on_duty:
        text = "The next visitor comes by itself. You can leave this page open: it calls you."
    elif view.is_operator:
        text = "Go on duty, and visitors come to you in their order."
    else:
        text = ""
    return element("p", text, class_="empty")


def _notices(view: OperatorView) -> Html:
    told = [element("p", texts.notice(one.event), class_="note") for one in view.notices]
    return fragment(*told, _deed("dismiss", "Dismiss", class_="quiet-button") if told else None)


def _composing(view: OperatorView) -> Html:
    if view.client is None:
        return Html("")
    answers = [
        element("option", f"{word}: {text}", value=text) for word, text in view.answers.items()
    ]
    ready = element(
        "select",
        element("option", "Ready answers", value=""),
        *answers,
        id="ready",
        aria_label="Ready answers",
    )
    return element(
        "form",
        element("input", type="hidden", name="visit", value=view.visit),
        element("label", "Your answer", for_="text", class_="unseen"),
        element(
            "textarea",
            id="text",
            name="text",
            rows=1,
            required=True,
            autocomplete="off",
            placeholder="Your answer",
        ),
        ready if answers else None,
        element("button", "Send", type="submit", class_="primary"),
        action="do/say",
        method="post",
        id="composer",
        class_="composer",
    )


def _form(view: OperatorView) -> Html:
    heading = element("h2", "The form")
    client = view.client
    if client is None:
        return fragment(heading, element("p", "It is shown with your visitor.", class_="empty"))
    rows: list[Child] = [
        _row("Name", element("bdi", client.name)),
        _row("Number", element("bdi", client.number)),
        _row("Issue", element("bdi", client.issue)),
        _row("Queue", element("bdi", client.queue)),
        _row("Waited", texts.span(client.waited)),
        _row("Description", element("span", several_lines(client.description), class_="pre"))
        if client.description
        else None,
        _row("Handed over by", element("bdi", client.handed_over_by))
        if client.handed_over_by
        else None,
    ]
    note = element(
        "form",
        element("input", type="hidden", name="visit", value=client.visit),
        element("label", "Note, for operators only", for_="note"),
        element(
            "textarea",
            Html("\n" + several_lines(client.note)),
            id="note",
            name="text",
            rows=3,
            maxlength=DESK_NOTE_MAX,
        ),
        element("button", "Keep the note", type="submit"),
        action="do/note",
        method="post",
        class_="form",
    )
    return fragment(heading, element("dl", *rows), note)


def _row(word: str, value: Child) -> Html:
    return element("div", element("dt", word), element("dd", value))


def _figures(figures: events.Figures | None) -> Html:
    if figures is None:
        return Html("")
    rated = "none"
    if figures.rated:
        rated = f"{figures.mean_rating / 100:.1f} of 5 by {figures.rated:,}"
    return element(
        "dl",
        _row("Queue", element("bdi", figures.queue)),
        _row("Served today", f"{figures.served_today:,}"),
        _row("Median wait", texts.span(figures.median_wait)),
        _row("90th percentile", texts.span(figures.ninetieth_wait)),
        _row("Waiting now", f"{figures.waiting:,}"),
        _row("Longest wait now", texts.span(figures.longest_waiting)),
        _row("On duty", f"{figures.operators:,}"),
        _row("Ratings", rated),
        class_="figures",
    )


def _past(past: events.PastSessions | None) -> Html:
    if past is None:
        return Html("")
    if not past.sessions:
        return element("p", "No past sessions.", class_="hint")
    count = f"{len(past.sessions):,} of {past.total:,}, the newest first"
    return fragment(element("p", count, class_="hint"), *map(_session, reversed(past.sessions)))


def _session(one: events.PastSession) -> Html:
    at = dt.datetime.fromtimestamp(one.at).astimezone()
    lines = [
        element(
            "p",
            element(
                "span", f"{dt.datetime.fromtimestamp(line.at).astimezone():%H:%M} ", class_="hint"
            ),
            element("b", element("bdi", line.sender)),
            ": ",
            element("span", several_lines(line.text), class_="pre"),
        )
        for line in one.lines
    ]
    if not one.has_transcript:
        lines = [element("p", "What was said is not kept any more.", class_="hint")]
    elif one.left_out:
        left = texts.counted(one.left_out, "earlier line is", "earlier lines are")
        lines.insert(0, element("p", f"{left} left out.", class_="hint"))
    return element(
        "details",
        element(
            "summary",
            element("bdi", one.name),
            element(
                "span", f" \u00b7 {at:%Y-%m-%d %H:%M} \u00b7 {texts.span(one.took)}", class_="hint"
            ),
        ),
        element(
            "dl",
            _row("Number", element("bdi", one.number)),
            _row("Issue", element("bdi", one.issue)),
            _row("Operator", element("bdi", one.operator)) if one.operator else None,
            _row("Description", element("span", several_lines(one.description), class_="pre"))
            if one.description
            else None,
            _row("Note", element("span", several_lines(one.note), class_="pre"))
            if one.note
            else None,
        ),
        *lines,
        class_="session",
        data_key=f"{one.name} {one.at}",
    )


# --- forms


def _deed(verb: str, text: str, *, class_: str | None = None, **fields: int) -> Html:
    """Return a button that does something at once."""
    return element(
        "form",
        *(
            element("input", type="hidden", name=name, value=value)
            for name, value in fields.items()
        ),
        element("button", text, type="submit", class_=class_),
        action=f"do/{verb}",
        method="post",
    )


def _line_form(
    verb: str, label: str, button: str, field: str, visit: int, *, list_: str | None = None
) -> Html:
    return element(
        "form",
        element("input", type="hidden", name="visit", value=visit),
        element("label", label, for_=f"{verb}-{field}"),
        element(
            "input",
            type="text",
            id=f"{verb}-{field}",
            name=field,
            required=True,
            maxlength=_NAME_MAX,
            autocomplete="off",
            list=list_,
        ),
        element("button", button, type="submit"),
        action=f"do/{verb}",
        method="post",
        class_="one-line",
    )


def _search() -> Html:
    return element(
        "form",
        element("label", "Name of a visitor (leave empty for everyone)", for_="past-name"),
        element(
            "input", type="text", id="past-name", name="name", maxlength=256, autocomplete="off"
        ),
        element("button", "Show", type="submit"),
        action="do/past",
        method="post",
        class_="one-line",
    )


def _desk_forms() -> Html:
    return fragment(
        element(
            "form",
            element("label", "Tell all who wait", for_="announce"),
            element(
                "textarea",
                id="announce",
                name="text",
                rows=2,
                required=True,
                maxlength=DESK_DESCRIPTION_MAX,
            ),
            element("button", "Announce", type="submit"),
            action="do/announce",
            method="post",
            class_="form",
        ),
        element(
            "form",
            element("label", "Close the desk to newcomers; say why, or until when", for_="closing"),
            element("input", type="text", id="closing", name="text", maxlength=DESK_CLOSING_MAX),
            element("button", "Close", type="submit"),
            action="do/close",
            method="post",
            class_="one-line",
        ),
        element("div", _deed("open", "Open the desk"), class_="row start"),
        element(
            "form",
            element("label", "Serve another queue", for_="queue"),
            element(
                "input",
                type="text",
                id="queue",
                name="queue",
                required=True,
                maxlength=DESK_QUEUE_NAME_MAX,
            ),
            element("button", "Go on duty there", type="submit"),
            action="do/on",
            method="post",
            class_="one-line",
        ),
    )


def _clock(at: float) -> Html:
    when = dt.datetime.fromtimestamp(at).astimezone()
    return element("time", f"{when:%H:%M}", datetime=when.isoformat())


def _since(at: float) -> Html:
    """Return since when something lasts; the page's script shows how long that is."""
    when = dt.datetime.fromtimestamp(at).astimezone()
    return element("time", f"since {when:%H:%M}", datetime=when.isoformat(), class_="since")
