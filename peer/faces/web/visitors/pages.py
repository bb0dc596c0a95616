"""The visitors' pages: what their templates show at each stage of a visit."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from markupsafe import Markup
from starlette.responses import HTMLResponse

from chatapp.peer.api import visit_events
from chatapp.peer.faces.web.limits import LINES_PER_PAGE
from chatapp.peer.faces.web.page import LineWords, local, macro, page
from chatapp.peer.faces.web.visitors.texts import TEXTS, WebTexts
from chatapp.peer.view.talk import Mark, TalkLine
from chatapp.peer.view.visit import VisitStage, VisitView
from chatapp.wire.limits import DESK_DESCRIPTION_MAX, DESK_FORM_NAME_MAX
from chatapp.wire.text import sanitize

REFRESH_AFTER: Final = 5
"""Seconds after which a browser without JavaScript loads a page again."""

RADIOS_MAX: Final = 8
"""Issues that are shown all at once; more of them are a list that opens."""

_PARTS: Final = "visitors/parts.html"
_MARKS: Final = {Mark.SENDING: "\u2026", Mark.SAVED: "\u2713", Mark.LOST: "!"}


class FormShown:
    """What is in the form, and what is wrong with it."""

    def __init__(
        self,
        texts: WebTexts,
        wanted: visit_events.FormWanted,
        *,
        number_example: str,
        values: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
        refusal: str = "",
    ) -> None:
        """`values`, `errors`: by the fields' names. `refusal`: why the whole form is not taken."""
        self.values: Final = {"issue": "", **(values or {})}
        self.errors: Final = {"issue": "", **(errors or {})}
        self.first_error: Final = next(iter(errors or ()), "")
        self.alert: Final = refusal or (texts("form.summary") if errors else "")
        self.number_hint: Final = (
            texts("form.number_hint", number=number_example)
            if number_example
            else texts("form.number_hint_abroad")
        )
        self.issues: Final = texts.issues(wanted.menu)
        self.has_radios: Final = len(self.issues) <= RADIOS_MAX
        self.privacy: Final = texts.privacy(wanted)


class Pages:
    """The pages of one desk."""

    def __init__(self, title: str, *, has_members: bool = False) -> None:
        """`title`: the name of the desk; empty for the usual one. `has_members`: whether one can
        sign in there."""
        self._title: Final = title
        self._has_members: Final = has_members

    def title(self, texts: WebTexts) -> str:
        """Return the name of the desk."""
        return self._title or texts("page.title")

    # --- without a visit

    def form(self, texts: WebTexts, form: FormShown, *, status: int = 200) -> HTMLResponse:
        """Return the page with the form."""
        return self._page("form", texts, status=status, form=form, name_max=4 * DESK_FORM_NAME_MAX)

    def closed(self, texts: WebTexts, closed: visit_events.DeskClosed) -> HTMLResponse:
        """Return the page of a desk that takes no newcomers."""
        opening = texts.opening(closed.opens_at)
        refresh = 4 * REFRESH_AFTER
        return self._page("closed", texts, why=closed.text, opening=opening, refresh=refresh)

    def away(self, texts: WebTexts) -> HTMLResponse:
        """Return the page of a desk whose registry does not answer."""
        return self._page("away", texts, refresh=REFRESH_AFTER)

    # --- with a visit

    def visit(
        self,
        texts: WebTexts,
        view: VisitView,
        *,
        number: str,
        session: str,
        description: str,
        has_files: bool,
    ) -> HTMLResponse:
        """Return the page of a visit, whatever its stage. `number`: as in `WebSession`. `session`: its
        id, a part of which tells pages of two visits apart."""
        is_live = view.stage is not VisitStage.OVER
        has_log = view.stage is VisitStage.TALKING
        return self._page(
            "visit",
            texts,
            kind=view.stage.value,
            title=self.window_title(texts, view),
            main=self.main(texts, view, description=description, has_files=has_files),
            actions=self.leave(texts, view) if is_live else "",
            live=number if is_live else "",
            visit=session[:16],
            now=int(time.time() * 1_000),
            refresh=REFRESH_AFTER if is_live and not has_log else 0,
        )

    def window_title(self, texts: WebTexts, view: VisitView) -> str:
        """Return the title of the window."""
        match view.stage:
            case VisitStage.WAITING if view.position:
                return f"({view.position}) {self.title(texts)}"
            case VisitStage.TALKING:
                return f"{texts('talk.heading')} \u00b7 {self.title(texts)}"
            case _:
                return self.title(texts)

    def main(
        self, texts: WebTexts, view: VisitView, *, description: str, has_files: bool
    ) -> Markup:
        """Return the content of the page's main part. `has_files`: whether the desk takes files."""
        if view.stage is VisitStage.OVER:
            return _over(texts, view)
        news = status(texts, view), notes(texts, view)
        match view.stage:
            case VisitStage.ARRIVING:
                return macro(_PARTS, "arriving", texts, *news)
            case VisitStage.WAITING:
                more = description, DESK_DESCRIPTION_MAX
                return macro(_PARTS, "waiting", texts, *news, *more)
            case VisitStage.TALKING:
                with_whom = texts("talk.heading_with", operator=view.operator)
                heading = with_whom if view.operator else texts("talk.heading")
                conversation = log(texts, view), _frame(0), has_files
                return macro(_PARTS, "talking", texts, heading, *news, *conversation)

    def leave(self, texts: WebTexts, view: VisitView) -> Markup:
        """Return what leaves the desk, after a question."""
        is_talking = view.stage is VisitStage.TALKING
        question = texts("leave.sure_talking" if is_talking else "leave.sure_waiting")
        return macro(_PARTS, "leave", texts, question)

    def log_page(self, texts: WebTexts, view: VisitView, *, turn: int) -> HTMLResponse:
        """Return the conversation as a page of its own, which a browser without JavaScript shows
        inside the page and loads again and again. `turn`: how often it was loaded before."""
        is_talking = view.stage is VisitStage.TALKING
        return self._page(
            "log",
            texts,
            title=texts("talk.log"),
            log=log(texts, view),
            told=status(texts, view) if is_talking else "",
            notes=notes(texts, view),
            again=_frame(turn + 1) if is_talking else "",
            refresh=REFRESH_AFTER,
        )

    def log_gone(self, texts: WebTexts) -> HTMLResponse:
        """Return what is shown inside the page when there is no visit any more."""
        return self._page("log", texts, title=texts("talk.log"), log="", again="")

    def earlier(self, texts: WebTexts, view: VisitView, *, before: int) -> HTMLResponse:
        """Return a page with the lines before one of the conversation, named by its number."""
        title = f"{texts('talk.earlier')} \u00b7 {self.title(texts)}"
        return self._page("earlier", texts, title=title, log=log(texts, view, before=before))

    def about(self, texts: WebTexts, description: str) -> HTMLResponse:
        """Return the page on which a browser without JavaScript describes the issue: the page of
        the line is loaded again and again, and would lose what is typed there."""
        most = DESK_DESCRIPTION_MAX
        title = f"{texts('wait.about')} \u00b7 {self.title(texts)}"
        return self._page(
            "about",
            texts,
            title=title,
            kind="waiting",
            description=description,
            description_max=most,
        )

    def change(self, texts: WebTexts, view: VisitView, *, said: int, text: str) -> HTMLResponse:
        """Return the page on which a browser without JavaScript changes a line of its own."""
        title = f"{texts('change.heading')} \u00b7 {self.title(texts)}"
        words = words_of(texts, view)
        return self._page(
            "change",
            texts,
            title=title,
            kind="waiting",
            said=said,
            text=text,
            words=words,
            is_file=view.file_of(said) is not None,
        )

    def told(self, texts: WebTexts, text: str, *, status: int) -> HTMLResponse:
        """Return a page that says why something was not done."""
        return self._page("told", texts, status=status, text=text)

    def transcript(self, texts: WebTexts, view: VisitView) -> Iterator[str]:
        """Yield the conversation as a text file, line by line."""
        yield texts("transcript.heading", title=self.title(texts)) + "\n\n"
        for line in tuple(view.lines):
            at = local(line.at, "%Y-%m-%d %H:%M:%S")
            who = sanitize(line.who) or texts("talk.you")
            said = "\n    ".join(map(sanitize, line.text.split("\n")))
            if line.is_retracted:
                said = texts("change.taken_back")
            elif line.is_edited:
                said = f"{said} {texts('change.edited')}"
            yield texts("transcript.line", at=at, who=who, text=said) + "\n"

    def _page(
        self,
        name: str,
        texts: WebTexts,
        *,
        title: str = "",
        kind: str = "",
        status: int = 200,
        **values: object,
    ) -> HTMLResponse:
        """Return the page that a template of the visitors makes. `kind`: if it is another one than
        the template's name."""
        return page(
            f"visitors/{name}.html",
            title=title or self.title(texts),
            language=texts.language,
            direction=texts.direction,
            kind=kind or name,
            status=status,
            desk=self.title(texts),
            has_members=self._has_members,
            texts=texts,
            all_texts=TEXTS,
            **values,
        )


def opened_again(language: str) -> HTMLResponse:
    """Return a page that opens the first page again, in the same language if that is one of ours:
    coming from here, the browser shows its cookie."""
    address = f"./?lang={language}" if language in TEXTS else "./"
    return page("visitors/again.html", title="", kind="", address=address)


# --- parts of a visit's page


def status(texts: WebTexts, view: VisitView) -> Markup:
    """Return where the visitor is in the line, how long it may take, and whether the registry
    answers."""
    is_waiting = view.stage is VisitStage.WAITING
    alert = ""
    if view.is_leaving and view.stage is not VisitStage.OVER:
        alert = texts("leave.waits")
    elif view.is_away:
        alert = texts.away(has_place=is_waiting)
    has_place = is_waiting and bool(view.position)
    place = (texts.ahead(view.position), texts.outlook(view)) if has_place else ("", "")
    return macro(_PARTS, "status", texts, view, has_place, *place, alert)


def notes(texts: WebTexts, view: VisitView) -> Markup:
    """Return what the visitor is told."""
    sentences = map(texts.note, view.notes)
    return macro(_PARTS, "notes", list(filter(None, sentences)))


def log(texts: WebTexts, view: VisitView, *, before: int | None = None) -> Markup:
    """Return the end of the conversation, as much of it as a page holds, with a link to what is
    earlier. `before`: the number of the line before which it ends; None for the last one."""
    newest_first = (line for line in reversed(view.lines) if before is None or line.number < before)
    return macro(_PARTS, "log", texts, *_latest(texts, view, newest_first))


def _latest(
    texts: WebTexts, view: VisitView, newest_first: Iterable[TalkLine]
) -> tuple[list[Markup], int]:
    """Return lines, oldest first, as many as a page holds; and the number of the first of them if
    there are more, else 0."""
    shown: list[Markup] = []
    words = words_of(texts, view)
    size = first = 0
    for line in newest_first:
        made = shown_line(texts, words, line)
        size += len(made.encode())
        if size > LINES_PER_PAGE:
            return shown[::-1], first
        shown.append(made)
        first = line.number
    return shown[::-1], 0


def changes(texts: WebTexts, view: VisitView, *, since: int) -> list[list[str]] | None:
    """Return the lines that have changed since a version, with their ids; None if a page does not
    hold them."""
    changed, size, words = [], 0, words_of(texts, view)
    for line in view.lines:
        if line.changed > since:
            made = shown_line(texts, words, line)
            size += len(made.encode())
            if size > LINES_PER_PAGE:
                return None
            changed.append([line.id, str(made)])
    return changed


def _frame(turn: int) -> str:
    """Return the address of the conversation inside the page. Each time it is another one: a
    browser takes the same address with its fragment for a jump inside what it has."""
    return f"log?turn={turn}#end"


def words_of(texts: WebTexts, view: VisitView) -> LineWords:
    """Return what stands at the lines of a conversation."""
    names = "edited", "taken_back", "change", "heading", "save", "retract", "cancel"
    words = LineWords(*(texts(f"change.{name}") for name in names))
    words = words._replace(show=texts("file.show"))
    return words if view.stage is VisitStage.TALKING else words._replace(change="")


def shown_line(texts: WebTexts, words: LineWords, line: TalkLine) -> Markup:
    """Return one line of the conversation."""
    mark = None
    if line.mark is not None:
        mark = line.mark.value, _MARKS[line.mark], texts(f"mark.{line.mark.value}")
    return macro("talk.html", "line", line, line.who or texts("talk.you"), mark, words)


def _over(texts: WebTexts, view: VisitView) -> Markup:
    match view.end:
        case visit_events.VisitEnded() if view.was_served:
            heading = "over.heading"
        case visit_events.VisitEnded() | visit_events.EndedUnseen() | visit_events.PositionGone():
            heading = "over.heading_gone"
        case _:
            heading = "over.heading_refused"
    again = "over.again_refused" if heading == "over.heading_refused" else "over.again"
    conversation = log(texts, view) if view.lines else ""
    rating = _rating(texts, view)
    return macro(_PARTS, "over", texts, heading, texts.end(view.end), rating, conversation, again)


def _rating(texts: WebTexts, view: VisitView) -> str:
    if not view.may_rate:
        return ""
    if not view.rating:
        return macro(_PARTS, "rating", texts)
    keys = {
        None: "over.rating_waits",
        True: "over.rating_kept",
        False: "over.rating_not_kept",
    }
    return macro(_PARTS, "rated", texts(keys[view.is_rating_kept]))


def change_form(texts: WebTexts, view: VisitView, *, said: int, text: str) -> Markup:
    """Return what changes a line of the visitor's own, inside the page."""
    is_file = view.file_of(said) is not None
    return macro("talk.html", "change", text, said, 0, words_of(texts, view), is_file)
