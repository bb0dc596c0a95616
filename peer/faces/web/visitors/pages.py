"""The visitor's pages: the parts of each stage as HTML. Everything that a stranger wrote is
escaped."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from starlette.responses import HTMLResponse

from chatapp.peer.api import visit_events
from chatapp.peer.faces.web.html import Child, Html, element, fragment, several_lines
from chatapp.peer.faces.web.limits import LINES_PER_PAGE
from chatapp.peer.faces.web.page import document
from chatapp.peer.faces.web.visitors.texts import TEXTS, WebTexts
from chatapp.peer.view.visit import Mark, ShownLine, VisitView, WebStage
from chatapp.wire.limits import DESK_DESCRIPTION_MAX, DESK_FORM_NAME_MAX
from chatapp.wire.text import sanitize

SCRIPT: Final = "visitor.js"
REFRESH_AFTER: Final = 5
"""Seconds after which a browser without JavaScript loads a page again."""

RADIOS_MAX: Final = 8
"""Issues that are shown all at once; more of them are a list that opens."""

_MARKS: Final = {Mark.SENDING: "\u2026", Mark.SAVED: "\u2713", Mark.LOST: "!"}


class FormShown:
    """What is in the form, and what is wrong with it."""

    def __init__(
        self,
        *,
        wanted: visit_events.FormWanted,
        number_example: str,
        values: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
        refusal: str = "",
    ) -> None:
        """`values`, `errors`: by the fields' names. `refusal`: why the whole form is not taken."""
        self.wanted: Final = wanted
        self.number_example: Final = number_example
        self.values: Final = values or {}
        self.errors: Final = errors or {}
        self.refusal: Final = refusal


class Pages:
    """The pages of one desk."""

    def __init__(self, title: str) -> None:
        """`title`: the name of the desk; empty for the usual one."""
        self._title: Final = title

    def title(self, texts: WebTexts) -> str:
        """Return the name of the desk."""
        return self._title or texts("page.title")

    # --- without a visit

    def form(self, texts: WebTexts, form: FormShown, *, status: int = 200) -> HTMLResponse:
        """Return the page with the form."""
        has_errors = bool(form.errors or form.refusal)
        summary = form.refusal or texts("form.summary")
        main = fragment(
            element("h1", texts("form.heading")),
            element("p", texts("form.lead"), class_="lead"),
            element("p", summary, class_="alert", role="alert") if has_errors else None,
            element(
                "form",
                element("input", type="hidden", name="lang", value=texts.language),
                _field(
                    texts("form.name"),
                    texts("form.name_hint"),
                    form,
                    name="name",
                    autocomplete="name",
                    maxlength=4 * DESK_FORM_NAME_MAX,
                ),
                _field(
                    texts("form.number"),
                    texts("form.number_hint", number=form.number_example)
                    if form.number_example
                    else texts("form.number_hint_abroad"),
                    form,
                    name="number",
                    type="tel",
                    autocomplete="tel",
                    inputmode="tel",
                    maxlength=64,
                ),
                _issues(texts, form),
                element("p", texts.privacy(form.wanted), class_="hint"),
                element("button", texts("form.send"), type="submit", class_="primary"),
                action="join",
                method="post",
                novalidate=True,
                class_="card form",
            ),
            _languages(texts),
        )
        return self._page(texts, main, kind="form", status=status)

    def closed(self, texts: WebTexts, closed: visit_events.DeskClosed) -> HTMLResponse:
        """Return the page of a desk that takes no newcomers."""
        main = element(
            "section",
            element("h1", texts("closed.heading")),
            element("p", closed.text, class_="lead") if closed.text else None,
            element("p", texts.opening(closed.opens_at), class_="lead")
            if closed.opens_at
            else None,
            element("p", texts("closed.watch"), class_="hint"),
            class_="card quiet",
        )
        return self._page(
            texts, fragment(main, _languages(texts)), kind="closed", refresh=4 * REFRESH_AFTER
        )

    def away(self, texts: WebTexts) -> HTMLResponse:
        """Return the page of a desk whose registry does not answer."""
        main = element(
            "section",
            _dots(),
            element("h1", texts("away.heading")),
            element("p", texts("away.lead"), class_="lead"),
            class_="card quiet",
            role="status",
        )
        return self._page(
            texts, fragment(main, _languages(texts)), kind="away", refresh=REFRESH_AFTER
        )

    # --- with a visit

    def visit(
        self, texts: WebTexts, view: VisitView, *, number: str, description: str
    ) -> HTMLResponse:
        """Return the page of a visit, whatever its stage. `number`: as in `WebSession`."""
        is_live = view.stage is not WebStage.OVER
        has_log = view.stage is WebStage.TALKING
        return self._page(
            texts,
            self.main(texts, view, description=description),
            kind=view.stage.value,
            scripts=(SCRIPT,),
            refresh=REFRESH_AFTER if is_live and not has_log else None,
            title=self.window_title(texts, view),
            live=number if is_live else "",
            actions=_leave(texts, view) if is_live else None,
        )

    def window_title(self, texts: WebTexts, view: VisitView) -> str:
        """Return the title of the window."""
        match view.stage:
            case WebStage.WAITING if view.position:
                return f"({view.position}) {self.title(texts)}"
            case WebStage.TALKING:
                return f"{texts('talk.heading')} \u00b7 {self.title(texts)}"
            case _:
                return self.title(texts)

    def main(self, texts: WebTexts, view: VisitView, *, description: str) -> Html:
        """Return the content of the page's main part."""
        match view.stage:
            case WebStage.ARRIVING:
                return _arriving(texts, view)
            case WebStage.WAITING:
                return _waiting(texts, view, description)
            case WebStage.TALKING:
                return _talking(texts, view)
            case WebStage.OVER:
                return _over(texts, view)

    def leave(self, texts: WebTexts, view: VisitView) -> Html:
        """Return what leaves the desk, after a question."""
        return _leave(texts, view)

    def log_page(self, texts: WebTexts, view: VisitView, *, turn: int) -> HTMLResponse:
        """Return the conversation as a page of its own, which a browser without JavaScript shows
        inside the page and loads again and again. `turn`: how often it was loaded before."""
        is_talking = view.stage is WebStage.TALKING
        body = element(
            "main",
            log(texts, view),
            element(
                "div",
                status(texts, view) if is_talking else None,
                notes(texts, view),
                role="status",
            ),
            None if is_talking else _elsewhere(texts),
            class_="frame",
        )
        return self._frame_page(texts, body, again=_frame(turn + 1) if is_talking else "")

    def _frame_page(self, texts: WebTexts, body: Html, *, again: str = "") -> HTMLResponse:
        return document(
            title=texts("talk.log"),
            language=texts.language,
            direction=texts.direction,
            body=fragment(body, element("a", "", id="end")),
            refresh=REFRESH_AFTER if again else None,
            again=again,
            kind="log",
        )

    def log_gone(self, texts: WebTexts) -> HTMLResponse:
        """Return what is shown inside the page when there is no visit any more."""
        return self._frame_page(texts, element("main", _elsewhere(texts), class_="frame"))

    def earlier(self, texts: WebTexts, view: VisitView, *, before: int) -> HTMLResponse:
        """Return a page with the lines before one of the conversation, named by its number."""
        main = fragment(element("h1", texts("talk.earlier")), log(texts, view, before=before))
        return self._page(texts, main, kind="earlier")

    def about(self, texts: WebTexts, description: str) -> HTMLResponse:
        """Return the page on which a browser without JavaScript describes the issue: the page of
        the line is loaded again and again, and would lose what is typed there."""
        return self._page(texts, _about(texts, description), kind="waiting")

    def told(self, texts: WebTexts, text: str, *, status: int) -> HTMLResponse:
        """Return a page that says why something was not done."""
        main = element(
            "section",
            element("h1", texts("over.heading_refused")),
            element("p", text, class_="lead", role="alert"),
            element("p", element("a", texts("page.back"), href="./", class_="button")),
            class_="card quiet",
        )
        return self._page(texts, main, kind="told", status=status)

    def transcript(self, texts: WebTexts, view: VisitView) -> Iterator[str]:
        """Yield the conversation as a text file, line by line."""
        yield texts("transcript.heading", title=self.title(texts)) + "\n\n"
        for one in tuple(view.lines):
            at = dt.datetime.fromtimestamp(one.at).astimezone()
            who = sanitize(one.who) or texts("talk.you")
            said = "\n    ".join(map(sanitize, one.text.split("\n")))
            yield texts("transcript.line", at=f"{at:%Y-%m-%d %H:%M:%S}", who=who, text=said) + "\n"

    def _page(
        self,
        texts: WebTexts,
        main: Html,
        *,
        kind: str,
        scripts: tuple[str, ...] = (),
        refresh: int | None = None,
        title: str = "",
        live: str = "",
        actions: Html | None = None,
        status: int = 200,
    ) -> HTMLResponse:
        bar = element(
            "header",
            element(
                "p",
                element("span", class_="dot", aria_hidden="true"),
                self.title(texts),
                class_="brand",
            ),
            element("div", actions, id="actions"),
            class_="bar",
        )
        told = {
            "data_live": live or None,
            "data_offline": texts("page.offline"),
            "data_elsewhere": texts("page.elsewhere"),
            "data_failed": texts("page.failed"),
            "data_turn": texts("talk.turn"),
            "data_news": texts("talk.news", operator="{operator}"),
        }
        body = fragment(
            bar,
            element("p", id="banner", class_="banner", role="alert", hidden=True),
            element("main", main, id="main", **(told if scripts else {})),
        )
        return document(
            title=title or self.title(texts),
            language=texts.language,
            direction=texts.direction,
            body=body,
            scripts=scripts,
            refresh=refresh,
            kind=kind,
            status=status,
        )


# --- parts of a visit's page


def _arriving(texts: WebTexts, view: VisitView) -> Html:
    return element(
        "section",
        _dots(),
        element("h1", texts("arriving.heading")),
        element("p", texts("arriving.lead"), class_="lead"),
        element("div", status(texts, view), id="status", role="status"),
        element("div", notes(texts, view), id="notes", aria_live="polite"),
        class_="card quiet",
    )


def _waiting(texts: WebTexts, view: VisitView, description: str) -> Html:
    card = element(
        "section",
        element("h1", texts("wait.heading")),
        element("div", status(texts, view), id="status", role="status"),
        element("div", notes(texts, view), id="notes", aria_live="polite"),
        element("p", texts("wait.stay"), class_="hint script"),
        element("noscript", element("p", texts("wait.refresh"), class_="hint")),
        element(
            "p",
            element("button", texts("wait.alert"), type="button", id="alert"),
            class_="script",
            hidden=True,
        ),
        element("p", texts("wait.alert_on"), id="alert-on", class_="hint", hidden=True),
        class_="card quiet",
    )
    more = element(
        "noscript",
        element(
            "p", element("a", texts("wait.about"), href="about", class_="button"), class_="row"
        ),
    )
    return fragment(card, element("div", _about(texts, description), class_="script"), more)


def _about(texts: WebTexts, description: str) -> Html:
    return element(
        "form",
        element("label", texts("wait.about"), for_="about"),
        element("p", texts("wait.about_hint"), class_="hint", id="about-hint"),
        element(
            "textarea",
            Html("\n" + several_lines(description)),
            id="about",
            name="about",
            rows=3,
            maxlength=DESK_DESCRIPTION_MAX,
            aria_describedby="about-hint",
        ),
        element("button", texts("wait.about_save"), type="submit"),
        element(
            "p",
            element("span", texts("wait.about_saved"), id="about-saved", hidden=not description),
            class_="hint",
            role="status",
        ),
        action="about",
        method="post",
        id="describe",
        class_="card form",
    )


def _talking(texts: WebTexts, view: VisitView) -> Html:
    heading = (
        texts("talk.heading_with", operator=view.operator)
        if view.operator
        else texts("talk.heading")
    )
    return fragment(
        element("h1", heading, id="heading"),
        element("div", status(texts, view), id="status", role="status"),
        element("div", log(texts, view), class_="scroll script", id="scroll"),
        element(
            "noscript",
            element("iframe", src=_frame(0), title=texts("talk.log"), class_="scroll"),
            element("p", texts("talk.refresh"), class_="hint"),
        ),
        element("div", notes(texts, view), id="notes", aria_live="polite"),
        element(
            "form",
            element("label", texts("talk.text"), for_="text", class_="unseen"),
            element(
                "textarea",
                id="text",
                name="text",
                rows=1,
                required=True,
                autocomplete="off",
                placeholder=texts("talk.text"),
                autofocus=True,
            ),
            element("button", texts("talk.send"), type="submit", class_="primary"),
            action="say",
            method="post",
            id="composer",
            class_="composer",
        ),
    )


def status(texts: WebTexts, view: VisitView) -> Html:
    """Return where the visitor is in the line, how long it may take, and whether the registry
    answers."""
    parts: list[Child] = []
    if view.stage is WebStage.WAITING and view.position:
        parts = [
            element(
                "p",
                element("span", texts("wait.place"), class_="label"),
                " ",
                element("span", str(view.position), class_="number"),
                class_="place",
            ),
            element("p", texts.ahead(view.position), class_="ahead"),
            _outlook(texts, view),
            element("p", texts("wait.paused"), class_="alert calm") if view.is_paused else None,
            element(
                "form",
                element("input", type="hidden", name="pause", value=0 if view.is_paused else 1),
                element(
                    "button",
                    texts("wait.resume" if view.is_paused else "wait.pause"),
                    type="submit",
                ),
                action="pause",
                method="post",
            ),
        ]
    if view.is_leaving and view.stage is not WebStage.OVER:
        parts.append(element("p", texts("leave.waits"), class_="alert calm"))
    elif view.is_away:
        parts.append(
            element("p", texts.away(has_place=view.stage is WebStage.WAITING), class_="alert calm")
        )
    return fragment(*parts)


def _outlook(texts: WebTexts, view: VisitView) -> Html | None:
    if not view.operators and view.estimate is None:
        return element("p", texts("wait.nobody"))
    return element("p", texts.estimate(view.estimate)) if view.estimate_known else None


def notes(texts: WebTexts, view: VisitView) -> Html:
    """Return what the visitor is told."""
    told = [texts.note(note.event) for note in view.notes]
    return fragment(element("p", one, class_="note") for one in told if one)


def log(texts: WebTexts, view: VisitView, *, before: int | None = None) -> Html:
    """Return the end of the conversation, as much of it as a page holds, with a link to what is
    earlier. `before`: the number of the line before which it ends; None for the last one."""
    shown, first = _latest(
        texts, (one for one in reversed(view.lines) if before is None or one.number < before)
    )
    link = element(
        "a", texts("talk.earlier"), href=f"earlier?before={first}", target="_blank", rel="noopener"
    )
    return element(
        "div",
        element("p", link if first else texts("talk.connected"), class_="hint first"),
        *shown,
        id="log",
        class_="log",
        role="log",
        aria_label=texts("talk.log"),
        tabindex=0,
    )


def _latest(texts: WebTexts, newest_first: Iterable[ShownLine]) -> tuple[list[Html], int]:
    """Return lines, oldest first, as many as a page holds; and the number of the first of them if
    there are more, else 0."""
    shown: list[Html] = []
    size = first = 0
    for one in newest_first:
        made = line(texts, one)
        size += len(made.encode())
        if size > LINES_PER_PAGE:
            return shown[::-1], first
        shown.append(made)
        first = one.number
    return shown[::-1], 0


def changes(texts: WebTexts, view: VisitView, *, since: int) -> list[list[str]] | None:
    """Return the lines that have changed since a version, with their ids; None if a page does not
    hold them."""
    found, size = [], 0
    for one in view.lines:
        if one.changed > since:
            made = line(texts, one)
            size += len(made.encode())
            if size > LINES_PER_PAGE:
                return None
            found.append([one.id, str(made)])
    return found


def _frame(turn: int) -> str:
    """Return the address of the conversation inside the page. Each time it is another one: a
    browser takes the same address with its fragment for a jump inside what it has."""
    return f"log?turn={turn}#end"


def _elsewhere(texts: WebTexts) -> Html:
    on = element("a", texts("page.go_on"), href="./", target="_top", class_="button")
    return element("p", texts("talk.moved"), " ", on, class_="alert calm")


def line(texts: WebTexts, shown: ShownLine) -> Html:
    """Return one line of the conversation."""
    at = dt.datetime.fromtimestamp(shown.at).astimezone()
    mark = None
    if shown.mark is not None:
        word = texts(f"mark.{shown.mark.value}")
        mark = element(
            "span",
            element("span", _MARKS[shown.mark], aria_hidden="true"),
            element("span", word, class_="unseen"),
            class_=f"mark {shown.mark.value}",
            title=word,
        )
    return element(
        "div",
        element("p", element("bdi", shown.who or texts("talk.you")), class_="who"),
        element("p", several_lines(shown.text), class_="text", dir="auto"),
        element("p", element("time", f"{at:%H:%M}", datetime=at.isoformat()), mark, class_="when"),
        id=shown.id,
        class_="line theirs" if shown.who else "line mine",
    )


def _over(texts: WebTexts, view: VisitView) -> Html:
    is_ended = isinstance(view.end, visit_events.VisitEnded)
    heading = (
        "heading"
        if is_ended and view.was_served
        else "heading_gone"
        if is_ended
        else "heading_refused"
    )
    if isinstance(view.end, visit_events.EndedUnseen | visit_events.PositionGone):
        heading = "heading_gone"
    card = element(
        "section",
        element("h1", texts(f"over.{heading}")),
        element("p", texts.end(view.end), class_="lead"),
        _rating(texts, view),
        element(
            "div",
            element(
                "a", texts("over.transcript"), href="transcript", class_="button", download=True
            )
            if view.lines
            else None,
            element(
                "form",
                element(
                    "button",
                    texts("over.again" if heading != "heading_refused" else "over.again_refused"),
                    type="submit",
                    class_="primary",
                ),
                action="new",
                method="post",
            ),
            class_="row",
        ),
        class_="card quiet",
    )
    return fragment(card, element("div", log(texts, view), class_="past") if view.lines else None)


def _rating(texts: WebTexts, view: VisitView) -> Html | None:
    if not view.may_rate:
        return None
    if view.rating:
        match view.is_rating_kept:
            case None:
                key = "over.rating_waits"
            case True:
                key = "over.rating_kept"
            case False:
                key = "over.rating_not_kept"
        return element("p", texts(key), class_="alert calm", role="status")
    choices = [
        element(
            "label",
            element("input", type="radio", name="rating", value=number, required=True),
            element("span", str(number), class_="number"),
            element("span", texts(f"over.rating_{number}"), class_="hint"),
        )
        for number in range(1, 6)
    ]
    return element(
        "form",
        element(
            "fieldset",
            element("legend", texts("over.rate")),
            element("div", *choices, class_="stars"),
        ),
        element("button", texts("over.rating_send"), type="submit"),
        action="rate",
        method="post",
        class_="rating",
    )


def _leave(texts: WebTexts, view: VisitView) -> Html:
    sure = "leave.sure_talking" if view.stage is WebStage.TALKING else "leave.sure_waiting"
    return element(
        "details",
        element("summary", texts("leave.leave")),
        element(
            "form",
            element("p", texts(sure)),
            element("button", texts("leave.yes"), type="submit", class_="danger"),
            action="leave",
            method="post",
        ),
        class_="leave",
    )


# --- parts of the form


def _field(label: str, hint: str, form: FormShown, *, name: str, **attributes: str | int) -> Html:
    error = form.errors.get(name)
    described = f"{name}-error {name}-hint" if error else f"{name}-hint"
    is_first_error = error is not None and name == next(iter(form.errors))
    kind = {"type": "text", **attributes}
    return element(
        "div",
        element("label", label, for_=name),
        element(
            "input",
            id=name,
            name=name,
            value=form.values.get(name, ""),
            required=True,
            aria_describedby=described,
            aria_invalid="true" if error else None,
            autofocus=is_first_error,
            **kind,
        ),
        element("p", error, class_="error", id=f"{name}-error") if error else None,
        element("p", hint, class_="hint", id=f"{name}-hint"),
        class_="field",
    )


def _issues(texts: WebTexts, form: FormShown) -> Html:
    error = form.errors.get("issue")
    chosen = form.values.get("issue", "")
    is_first_error = error is not None and next(iter(form.errors)) == "issue"
    issues = list(enumerate(texts.issues(form.wanted.menu), 1))
    told = element("p", error, class_="error", id="issue-error") if error else None
    if len(issues) <= RADIOS_MAX:
        radios = [
            element(
                "label",
                element(
                    "input",
                    type="radio",
                    name="issue",
                    value=number,
                    checked=chosen == str(number),
                    required=True,
                    autofocus=is_first_error and number == 1,
                ),
                element("span", issue),
            )
            for number, issue in issues
        ]
        return element(
            "fieldset",
            element("legend", texts("form.issue")),
            told,
            element("div", *radios, class_="choices"),
            aria_describedby="issue-error" if error else None,
            class_="field",
        )
    return element(
        "div",
        element("label", texts("form.issue"), for_="issue"),
        element(
            "select",
            element("option", texts("form.issue_choose"), value=""),
            [
                element("option", issue, value=number, selected=chosen == str(number))
                for number, issue in issues
            ],
            id="issue",
            name="issue",
            required=True,
            aria_describedby="issue-error" if error else None,
            autofocus=is_first_error,
        ),
        told,
        class_="field",
    )


def _languages(texts: WebTexts) -> Html:
    links = [
        element("span", one("language.name"), aria_current="true")
        if language == texts.language
        else element(
            "a", one("language.name"), href=f"./?lang={language}", lang=language, hreflang=language
        )
        for language, one in TEXTS.items()
    ]
    return element("nav", *links, class_="languages", aria_label=texts("page.language"))


def _dots() -> Html:
    return element("p", *[element("span") for _ in range(3)], class_="dots", aria_hidden="true")
