"""The visitor's pages as a web application: which request gets which page, and what each form
does."""

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Route, Router

from chatapp.peer.api import visit_events
from chatapp.peer.api.errors import DeskFileRefused
from chatapp.peer.api.form import Form, issue_number
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.cookies import SessionCookie
from chatapp.peer.faces.web.deskfiles import FilesUnderWay, GivenFile, file_in
from chatapp.peer.faces.web.forms import Fields, fields_of, text_of, wants_json
from chatapp.peer.faces.web.guard import (
    TOO_MANY,
    Guard,
    Refusal,
    RequestRefused,
    client_of,
    is_gone,
)
from chatapp.peer.faces.web.limits import PAGE_MAX, STREAM_SIGN_OF_LIFE
from chatapp.peer.faces.web.page import ASSETS
from chatapp.peer.faces.web.streams import SIGN_OF_LIFE, StreamResponse, server_event
from chatapp.peer.faces.web.visitors import pages as parts
from chatapp.peer.faces.web.visitors.gateway import Crowded, Gateway
from chatapp.peer.faces.web.visitors.pages import FormShown, Pages, opened_again
from chatapp.peer.faces.web.visitors.session import Outcome, WebSession
from chatapp.peer.faces.web.visitors.texts import TEXTS, WebTexts, language_of
from chatapp.peer.view.visit import VisitStage
from chatapp.peer.words.files import size_shown
from chatapp.wire.desk.form import example_number, full_name, mobile_number
from chatapp.wire.errors import FormRefused, TextTooLong
from chatapp.wire.files import clean_name
from chatapp.wire.limits import DESK_DESCRIPTION_MAX

COOKIE_LASTS_FOR: Final = 24 * 3_600
"""Seconds; no visit lasts longer."""


_DIGITS_MAX: Final = 9
"""Digits of a number in a query."""
_ID_DIGITS: Final = 18
"""Digits of the id of a line."""

_CROWDED: Final = frozenset(
    {
        visit_events.DeskRefusal.LINE_FULL,
        visit_events.DeskRefusal.ADDRESS_FULL,
        visit_events.DeskRefusal.GATEWAY_FULL,
        visit_events.DeskRefusal.TOO_FAST,
    }
)
"""Why the registry refuses a visit that may be taken a little later: the form is shown again."""


class SentForm(NamedTuple):
    """A form of a visit that a browser has sent."""

    request: Request
    session: WebSession
    texts: WebTexts
    fields: Fields


class VisitorApp:
    """The pages of one gateway."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        title: str,
        hosts: Sequence[str] = (),
        forwarded: Callable[[], None] | None = None,
        budget: WebBudget | None = None,
        beside: Sequence[BaseRoute] = (),
    ) -> None:
        """`title`: the name of the desk; empty for the usual one. `beside`: what is served to
        members. All else is as in `Guard`."""
        self._turns: Final = (budget := budget or WebBudget()).turns
        self._gateway: Final = gateway
        self._files: Final = FilesUnderWay()
        self._pages: Final = Pages(title, has_members=bool(beside))
        self._cookie: Final = SessionCookie("chatapp-desk", lasts_for=COOKIE_LASTS_FOR)
        routes = [
            Route("/", self._home),
            Route("/join", self._join, methods=["POST"]),
            Route("/join", _home_again),  # what is loaded again after a form that was not taken
            Route("/events", self._events),
            Route("/log", self._log),
            Route("/earlier", self._earlier),
            Route("/about", self._about_page),
            Route("/change", self._change_page),
            Route("/transcript", self._transcript),
            Route("/upload", self._upload, methods=["POST"]),
            Route("/file/{id}", self._file),
            Route("/assets/{name}", ASSETS.serve),
            Route("/healthz", _healthz),
            *(
                Route(f"/{name}", self._action(action), methods=["POST"])
                for name, action in {
                    "say": self._say,
                    "change": self._change,
                    "retract": self._retract,
                    "about": self._about,
                    "pause": self._pause,
                    "rate": self._rate,
                    "leave": self._leave,
                    "new": self._new,
                }.items()
            ),
            *beside,
        ]
        self.asgi: Final = Guard(
            Router(routes),
            hosts=hosts,
            forwarded=forwarded,
            uploads="/upload",
            read_clock=gateway.read_clock,
            budget=budget,
        )
        """The application, behind its guard."""

    # --- pages

    async def _home(self, request: Request) -> Response:
        session = self._session(request)
        if session is None and _came_from_elsewhere(request):
            return opened_again(request.query_params.get("lang", ""))
        if session is not None:
            if session.touch():
                await session.settled()
            async with self._look(request, session):
                return self._pages.visit(
                    TEXTS[session.language],
                    session.view,
                    number=session.number,
                    session=session.id,
                    description=session.description,
                    has_files=session.files_largest > 0,
                )
        texts = self._texts(request)
        front = self._gateway.front
        self._gateway.look_again()
        await self._gateway.front_known()
        if front.is_away or front.trouble or not (front.form or front.closed):
            return self._pages.away(texts)
        if front.closed is not None:
            return self._pages.closed(texts, front.closed)
        return self._form(texts)

    def _form(
        self,
        texts: WebTexts,
        values: Fields | None = None,
        *,
        errors: Fields | None = None,
        refusal: str = "",
        status: int = 200,
    ) -> Response:
        wanted = self._gateway.front.form
        assert wanted is not None
        shown = FormShown(
            texts,
            wanted,
            number_example=example_number(wanted.region),
            values=values,
            errors=errors,
            refusal=refusal,
        )
        return self._pages.form(texts, shown, status=status)

    async def _log(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return self._pages.log_gone(self._texts(request))
        session.touch()
        async with self._look(request, session):
            turn = _number_in(request, "turn")
            return self._pages.log_page(TEXTS[session.language], session.view, turn=turn)

    async def _earlier(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return RedirectResponse("./", 303)
        session.touch()
        async with self._look(request, session):
            before = _number_in(request, "before")
            return self._pages.earlier(TEXTS[session.language], session.view, before=before)

    @contextlib.asynccontextmanager
    async def _look(self, request: Request, session: WebSession) -> AsyncIterator[None]:
        """Wait for the turn to make a page of a visit. Raises RequestRefused, ClientDisconnect."""
        if not session.may_look():
            raise RequestRefused(TOO_MANY)
        async with self._turns.turn(client_of(request.scope)):
            if is_gone(request.scope):
                raise ClientDisconnect
            yield

    async def _about_page(self, request: Request) -> Response:
        session = self._session(request)
        if session is None or session.view.stage is not VisitStage.WAITING:
            return RedirectResponse("./", 303)
        return self._pages.about(TEXTS[session.language], session.description)

    async def _change_page(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return RedirectResponse("./", 303)
        session.touch()
        async with self._look(request, session):
            texts, said = TEXTS[session.language], _id_in(request.query_params.get("line", ""))
            text = session.view.text_of(said)
            if text is None or session.view.stage is not VisitStage.TALKING:
                return self._answer(request, 409, texts("change.gone"))
            if wants_json(request):
                return HTMLResponse(parts.change_form(texts, session.view, said=said, text=text))
            return self._pages.change(texts, session.view, said=said, text=text)

    async def _transcript(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return RedirectResponse("./", 303)
        name = f"{TEXTS[session.language]('transcript.file')}.txt"
        async with self._look(request, session):
            return StreamingResponse(
                self._transcript_of(request, session),
                media_type="text/plain",
                headers={"content-disposition": f'attachment; filename="{name}"'},
            )

    async def _transcript_of(self, request: Request, session: WebSession) -> AsyncIterator[str]:
        piece = ""
        for line in self._pages.transcript(TEXTS[session.language], session.view):
            piece += line
            if len(piece) > PAGE_MAX // 4:
                yield piece
                piece = ""
                async with self._turns.turn(client_of(request.scope)):
                    pass
        yield piece

    # --- files

    async def _upload(self, request: Request) -> Response:
        """Take a file that the browser gives, and send it to the operator."""
        session = self._session(request)
        texts = self._texts(request) if session is None else TEXTS[session.language]
        is_served = session is not None and session.view.stage is VisitStage.TALKING
        if session is None or not is_served or not session.may_act():
            raise RequestRefused(Refusal(409, texts("file.not_served"), {"connection": "close"}))
        session.touch()
        most = session.files_largest
        with self._files.one(session.id):
            too_large = texts("file.too_large", most=size_shown(most))
            name, content = await file_in(request, most=most, too_large=too_large)
            try:
                outcome = await session.send_file(clean_name(name), content)
            except DeskFileRefused as refused:
                return self._answer(request, 422, texts.file_refused(refused))
        sent = SentForm(request, session, texts, {})
        away = self._unless_taken(sent, outcome, away=texts("talk.away"))
        return away or self._answer(request, 204, "")

    async def _file(self, request: Request) -> Response:
        """Give the browser a file of the conversation: to be stored, or to be shown as a picture."""
        session = self._session(request)
        if session is None or not session.may_look():
            raise RequestRefused(Refusal(404, self._texts(request)("file.not_here")))
        session.touch()
        texts, said = TEXTS[session.language], _id_in(request.path_params["id"])
        self._files.give(session.id, session.network)
        try:
            name, content = await session.fetch_file(said)
        except DeskFileRefused as refused:
            self._files.end(session.id)
            return self._answer(request, 404, texts.file_refused(refused))
        except BaseException:
            self._files.end(session.id)
            raise
        return GivenFile(
            name,
            content,
            is_shown="show" in request.query_params,
            under_way=self._files,
            whose=session.id,
        )

    # --- joining

    async def _join(self, request: Request) -> Response:
        fields = await fields_of(request)
        texts = TEXTS.get(fields.get("lang", "")) or self._texts(request)
        if self._session(request) is not None:
            return RedirectResponse("./", 303)  # the form was sent twice
        await self._gateway.front_known()
        front = self._gateway.front
        if front.form is None or front.is_away or front.closed or front.trouble:
            return RedirectResponse("./", 303)
        form, errors = _checked(fields, front.form, texts)
        if form is None:
            return self._form(texts, fields, errors=errors, status=422)
        try:
            secret, session = self._gateway.join(
                form, language=texts.language, network=client_of(request.scope)
            )
        except Crowded as crowded:
            refusal = texts(f"refusal.{crowded.why}")
            return self._form(texts, fields, refusal=refusal, status=429)
        await session.arrived()
        response = RedirectResponse("./", 303)
        if isinstance(session.view.end, visit_events.DeskClosed):
            front.handle(session.view.end)  # it has closed since the form was shown
            await self._gateway.drop(session)
            return response
        if (
            isinstance(session.view.end, visit_events.VisitRefused)
            and session.view.end.reason in _CROWDED
        ):
            refusal = texts.end(session.view.end)
            await self._gateway.drop(session)
            return self._form(texts, fields, refusal=refusal, status=429)
        self._cookie.give(request, response, secret)
        return response

    # --- what a visitor does

    def _action(
        self, action: Callable[[SentForm], Awaitable[Response | None]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler of a form of a visit. `action` returns an answer, or None for the usual
        one."""

        async def handle(request: Request) -> Response:
            session = self._session(request)
            fields = await fields_of(request)
            if session is None:
                return self._answer(request, 410, self._texts(request)("refusal.gone"))
            session.touch()
            texts = TEXTS[session.language]
            if not session.may_act():
                return self._answer(request, 429, texts("talk.too_fast"))
            sent = SentForm(request, session, texts, fields)
            return await action(sent) or self._answer(request, 204, "")

        return handle

    async def _say(self, sent: SentForm) -> Response | None:
        text = text_of(sent.fields, "text")
        if not text:
            return self._answer(sent.request, 422, sent.texts("talk.empty"))
        try:
            outcome = await sent.session.say(text, key=sent.fields.get("key", ""))
        except TextTooLong as error:
            return self._too_long(sent, error)
        return self._unless_taken(sent, outcome, away=sent.texts("talk.away"))

    async def _change(self, sent: SentForm) -> Response | None:
        text = text_of(sent.fields, "text")
        if not text:
            return self._answer(sent.request, 422, sent.texts("talk.empty"))
        return await self._changed(sent, text)

    async def _retract(self, sent: SentForm) -> Response | None:
        return await self._changed(sent, None)

    async def _changed(self, sent: SentForm, text: str | None) -> Response | None:
        """Change a line, or take it back (None)."""
        try:
            outcome = await sent.session.change(_id_in(sent.fields.get("line", "")), text)
        except TextTooLong as error:
            return self._too_long(sent, error)
        return self._unless_taken(sent, outcome, away=sent.texts("talk.away"))

    def _too_long(self, sent: SentForm, error: TextTooLong) -> Response:
        why = sent.texts("talk.too_long", size=error.size, most=error.limit)
        return self._answer(sent.request, 413, why)

    def _unless_taken(self, sent: SentForm, outcome: Outcome, *, away: str) -> Response | None:
        """Answer why a text was not taken; None if it was. `away`: what to say while the registry
        does not answer."""
        match outcome:
            case Outcome.TAKEN:
                return None
            case Outcome.AWAY:
                return self._answer(sent.request, 503, away)
            case Outcome.MUCH:
                return self._answer(sent.request, 429, sent.texts("talk.much"))
            case Outcome.GONE:
                return self._answer(sent.request, 409, sent.texts("change.gone"))
            case Outcome.OVER:
                return self._answer(sent.request, 410, sent.texts("refusal.gone"))

    async def _about(self, sent: SentForm) -> Response | None:
        text = text_of(sent.fields, "about")
        if len(text.encode()) > DESK_DESCRIPTION_MAX:
            return self._answer(
                sent.request, 413, sent.texts("wait.about_long", most=DESK_DESCRIPTION_MAX)
            )
        outcome = await sent.session.describe(text)
        return self._unless_taken(sent, outcome, away=sent.texts("wait.about_away"))

    async def _pause(self, sent: SentForm) -> Response | None:
        await sent.session.pause(is_paused=sent.fields.get("pause") == "1")
        return None

    async def _rate(self, sent: SentForm) -> Response | None:
        rating = sent.fields.get("rating", "")
        if rating in {"1", "2", "3", "4", "5"}:
            await sent.session.rate(int(rating))
        return RedirectResponse("./", 303)

    async def _leave(self, sent: SentForm) -> Response | None:
        await sent.session.leave()
        return RedirectResponse("./", 303)

    async def _new(self, sent: SentForm) -> Response | None:
        response = RedirectResponse("./", 303)
        if sent.session.view.stage is VisitStage.OVER:
            await self._gateway.drop(sent.session)
            self._cookie.take_back(sent.request, response)
        return response

    def _answer(self, request: Request, status: int, text: str) -> Response:
        """Answer a script with a status, and a browser without JavaScript with a page."""
        if wants_json(request):
            return Response(status_code=204) if status == 204 else PlainTextResponse(text, status)
        if status == 204 or status == 410:
            return RedirectResponse("./", 303)
        return self._pages.told(self._texts(request), text, status=status)

    # --- the stream of news

    async def _events(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return StreamResponse(_gone())
        if not session.may_look():
            raise RequestRefused(TOO_MANY)
        since = request.headers.get("last-event-id") or request.query_params.get("since", "")
        return StreamResponse(self._news(session, since, client_of(request.scope)))

    async def _news(
        self, session: WebSession, since: str, network: str
    ) -> AsyncGenerator[bytes, None]:
        version = session.version_of(since)
        window = session.enter()
        yield b"retry: 2000\n\n"
        try:
            while not self._gateway.is_ending:
                if not session.windows.is_served(window):
                    yield server_event(json.dumps({"elsewhere": True}), number=session.number)
                    return
                if session.view.version > version:
                    async with self._turns.turn(network):
                        piece, version = self._piece(session, version)
                    yield piece
                elif not await session.windows.news(within=STREAM_SIGN_OF_LIFE):
                    yield SIGN_OF_LIFE
        finally:
            session.exit(window)

    def _piece(self, session: WebSession, version: int) -> tuple[bytes, int]:
        """Return what has changed since a version, and the present version."""
        texts, view = TEXTS[session.language], session.view
        told: dict[str, object] = {
            "title": self._pages.window_title(texts, view),
            "stage": view.stage.value,
        }
        lines = None if view.stage_version > version else parts.changes(texts, view, since=version)
        if lines is None:
            told["main"] = self._pages.main(
                texts, view, description=session.description, has_files=session.files_largest > 0
            )
            told["actions"] = (
                "" if view.stage is VisitStage.OVER else self._pages.leave(texts, view)
            )
        else:
            told["status"] = parts.status(texts, view)
            told["notes"] = parts.notes(texts, view)
            told["lines"] = lines
        return server_event(json.dumps(told), number=session.number), view.version

    # --- who asks

    def _session(self, request: Request) -> WebSession | None:
        id_ = self._cookie.read(request)
        return None if id_ is None else self._gateway.sessions.get(id_)

    def _texts(self, request: Request) -> WebTexts:
        """Return the texts in the language that the address names, else in the one that the browser
        prefers."""
        named = request.query_params.get("lang", "")
        if named in TEXTS:
            return TEXTS[named]
        accepted = request.headers.get("accept-language", "")
        return TEXTS[language_of(accepted, otherwise=self._gateway.language)]


async def _gone() -> AsyncGenerator[bytes, None]:
    yield server_event(json.dumps({"gone": True}), number="")


def _number_in(request: Request, name: str) -> int:
    """Return a number of the query; 0 if it is none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else 0


def _id_in(text: str) -> int:
    """Return the id of a line; 0 for none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS else 0


async def _home_again(_: Request) -> Response:
    return RedirectResponse("./", 303)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _checked(
    fields: Fields, wanted: visit_events.FormWanted, texts: WebTexts
) -> tuple[Form | None, dict[str, str]]:
    """Return the form that was filled in, or what is wrong with each field."""
    errors: dict[str, str] = {}
    name = number = ""
    issue = 0
    try:
        name = full_name(fields.get("name", ""))
    except FormRefused as refused:
        errors["name"] = texts.wrong(refused)
    try:
        number = mobile_number(fields.get("number", ""), wanted.region)
    except FormRefused as refused:
        errors["number"] = texts.wrong(refused)
    try:
        issue = issue_number(fields.get("issue", ""), wanted.menu)
    except FormRefused:
        errors["issue"] = texts("form.issue_missing")
    return (None, errors) if errors else (Form(name=name, number=number, issue=issue), {})


def _came_from_elsewhere(request: Request) -> bool:
    """Whether a link of another site has brought the browser here. Then it does not show its
    cookie, which is `Strict`."""
    return request.headers.get("sec-fetch-site") == "cross-site"
