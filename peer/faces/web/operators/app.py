"""The operator's page as a web application: who may open it, what each form does, and the stream of
news."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from chatapp.peer.api.errors import ChangeRefused, NotOpen
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.deskfiles import FilesUnderWay, GivenFile, file_in
from chatapp.peer.faces.web.entrance import Access, Entrance, locked_stream
from chatapp.peer.faces.web.forms import Fields, fields_of, text_of, wants_json
from chatapp.peer.faces.web.guard import Guard, Refusal, RequestRefused
from chatapp.peer.faces.web.limits import STREAM_SIGN_OF_LIFE
from chatapp.peer.faces.web.operators import pages
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.faces.web.page import ASSETS
from chatapp.peer.faces.web.streams import SIGN_OF_LIFE, StreamResponse, server_event
from chatapp.peer.node.deskfiles import LARGEST
from chatapp.peer.words import changes
from chatapp.peer.words.files import size_shown
from chatapp.wire.desk.commands import DESK_COMMANDS, CommandMisread
from chatapp.wire.errors import ChatAppError, TextTooLong
from chatapp.wire.limits import DESK_CLOSING_MAX, DESK_FORM_NAME_MAX, DESK_NOTE_MAX
from chatapp.wire.messages.desk import (
    AboutQueue,
    AboutVisit,
    CallNext,
    DropVisitor,
    EndSession,
    MoveVisitor,
    OperatorRequest,
    ShowPast,
)
from chatapp.wire.names import peer_name

PAST_COUNT: Final = 20
"""Past sessions that are asked for."""

_DIGITS_MAX: Final = 9
"""Digits of the numbers in forms."""
_ID_DIGITS: Final = 18
"""Digits of the id of a line."""

_OUT_OF_DATE: Final = "This page is out of date: reload it."
_TOO_LONG: Final = {
    "close": f"A closing has at most {DESK_CLOSING_MAX} characters.",
    "note": f"A note has at most {DESK_NOTE_MAX:,} bytes.",
    "announce": f"An announcement has at most {DESK_NOTE_MAX:,} bytes.",
}


class Unclear(ChatAppError):
    """A form cannot be carried out; the text says why."""


class Action(NamedTuple):
    """What a form asks for."""

    request: OperatorRequest
    visit: int | None = None
    """The visit that the page showed when the button was pressed; None if the request concerns
    none."""


def action_of(verb: str, fields: Fields, *, queue: str) -> Action:
    """Return what a form asks for. `verb`: a command of operators, or `figures`. `queue`: where
    the operator is on duty. Raises Unclear, NameRefused."""
    if verb == "past":
        return Action(ShowPast(0, _past_name(fields), PAST_COUNT))
    command = DESK_COMMANDS.get("stats" if verb == "figures" else verb)
    if command is None:
        raise Unclear("This page cannot do that.")
    try:
        request = command.read(_typed(verb, fields))
    except CommandMisread:
        raise Unclear(_TOO_LONG.get(verb, _OUT_OF_DATE)) from None
    if isinstance(request, AboutQueue) and not request.queue:
        request = replace(request, queue=queue)
    if not isinstance(request, AboutVisit | CallNext):
        return Action(request)
    visit = number_in(fields, "visit")
    if not isinstance(request, DropVisitor | MoveVisitor):
        return Action(replace(request, visit=visit), visit)
    if not visit:  # the registry would take whoever has the position by now
        raise Unclear(_OUT_OF_DATE)
    return Action(replace(request, visit=visit))


def _typed(verb: str, fields: Fields) -> str:
    """Return what would be typed behind the command. Raises Unclear, NameRefused."""
    match verb:
        case "on" if "queue" in fields:
            return str(peer_name(fields["queue"].strip()))
        case "handover":
            return fields.get("operator", "").strip()
        case "transfer":
            return fields.get("queue", "").strip()
        case "drop":
            return str(number_in(fields, "position"))
        case "move":
            return f"{number_in(fields, 'position')} {number_in(fields, 'to')}"
        case "announce":
            return text_in(fields)
        case "close" | "note":
            return text_in(fields, may_be_empty=True)
        case _:
            return ""


def _past_name(fields: Fields) -> str:
    name = " ".join(fields.get("name", "").split())
    if len(name) > DESK_FORM_NAME_MAX:
        raise Unclear(f"A name has at most {DESK_FORM_NAME_MAX} characters.")
    return name


def text_in(fields: Fields, *, may_be_empty: bool = False) -> str:
    """Return the text of a form, with plain line ends. Raises Unclear."""
    text = text_of(fields, "text")
    if not (text or may_be_empty):
        raise Unclear("Type something first.")
    return text


def number_in(fields: Fields, name: str) -> int:
    """Return a number that the page has put into a form. Raises Unclear."""
    text = fields.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise Unclear(_OUT_OF_DATE)
    return int(text)


def id_in(text: str) -> int:
    """Return the id of a line; 0 for none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS else 0


def _sentence(error: ChatAppError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


class OperatorApp:
    """The page of one operator."""

    def __init__(
        self,
        desk: OperatorDesk,
        access: Access,
        *,
        entered: Callable[[], None],
        title: str = "",
        hosts: Sequence[str] = (),
        budget: WebBudget | None = None,
    ) -> None:
        """`hosts`, `budget`: as in `Guard`. `entered`: as in `Entrance`. `title`: the name of the
        desk; empty for the usual one."""
        self._title: Final = title or pages.TITLE
        self._desk: Final = desk
        self._files: Final = FilesUnderWay()
        self._access: Final = access
        self._entrance: Final = Entrance(access, title=pages.TITLE, entered=entered)
        routes = [
            *self._entrance.routes,
            Route("/assets/{name}", ASSETS.serve),
            Route("/{page}/", self._home),
            Route("/{page}/events", self._events),
            Route("/{page}/change", self._change_form),
            Route("/{page}/do/{verb}", self._do, methods=["POST"]),
            Route("/{page}/upload", self._upload, methods=["POST"]),
            Route("/{page}/file/{said:int}", self._file),
            Route("/{page}/file/{visit:int}/{number:int}", self._file),
            Route("/{page}/assets/{name}", ASSETS.serve),
        ]
        self.asgi: Final = Guard(Router(routes), hosts=hosts, budget=budget, uploads="/upload")
        """The application, behind its guard."""

    async def _home(self, request: Request) -> Response:
        if not self._entrance.admits(request):
            return self._entrance.locked()
        return pages.home(self._desk.view, self._title, proof_key=self._access.proof_key)

    # --- what the operator does

    async def _do(self, request: Request) -> Response:
        if not self._entrance.admits(request):
            return self._entrance.locked()
        fields = await fields_of(request)
        verb = request.path_params["verb"]
        try:
            match verb:
                case "say":
                    self._say(fields)
                case "change" | "retract":
                    text = text_in(fields) if verb == "change" else None
                    said, shown = id_in(fields.get("line", "")), number_in(fields, "visit")
                    await self._desk.change(said, text, visit=shown)
                case "dismiss":
                    self._desk.dismiss()
                case "undo":
                    self._desk.undo()
                case _:
                    wanted, visit = action_of(verb, fields, queue=self._desk.view.queue)
                    if isinstance(wanted, CallNext | EndSession):
                        self._desk.end(wanted, visit=visit or 0)
                    else:
                        self._desk.ask(wanted, visit=visit)
                    await self._desk.answered()
        except TextTooLong as error:
            return PlainTextResponse(
                f"That is too long: {error.size:,} bytes, at most {error.limit:,}.", 413
            )
        except ChangeRefused as error:
            return PlainTextResponse(pages.plain([changes.refused(error.reason)]), 409)
        except NotOpen:
            return PlainTextResponse("The program that this page belongs to has ended.", 410)
        except ChatAppError as error:
            return PlainTextResponse(str(error), 422)
        if wants_json(request):
            return Response(status_code=204)
        return RedirectResponse("../", 303)

    async def _change_form(self, request: Request) -> Response:
        """Return what changes a line of the operator's own, inside the page."""
        if not self._entrance.admits(request):
            return self._entrance.locked()
        said, view = id_in(request.query_params.get("line", "")), self._desk.view
        text = view.text_of(said)
        if text is None:
            return PlainTextResponse(_OUT_OF_DATE, 409)
        return HTMLResponse(
            pages.change_form(
                text, said=said, visit=view.visit, is_file=view.file_of(said) is not None
            )
        )

    def _say(self, fields: Fields) -> None:
        visit, key = number_in(fields, "visit"), fields.get("key", "")
        self._desk.say(text_in(fields), visit=visit, key=key)

    # --- files

    async def _upload(self, request: Request) -> Response:
        """Take a file that the browser gives, and send it to the visitor whom the page showed."""
        if not self._entrance.admits(request):
            response = self._entrance.locked()
            response.headers["connection"] = "close"
            return response
        try:
            visit = number_in(dict(request.query_params), "visit")
        except Unclear as error:
            raise RequestRefused(Refusal(422, str(error), {"connection": "close"})) from None
        with self._files.one("upload"):
            most = self._desk.view.files_largest or LARGEST
            too_large = f"A file has at most {size_shown(most)}."
            name, content = await file_in(request, most=most, too_large=too_large)
            try:
                await self._desk.send_file(name, content, visit=visit)
            except ChatAppError as error:
                return PlainTextResponse(f"{_sentence(error)}", 422)
        return Response(status_code=204) if wants_json(request) else RedirectResponse("./", 303)

    async def _file(self, request: Request) -> Response:
        """Give the browser a file of the talk or of a past one."""
        if not self._entrance.admits(request):
            return self._entrance.locked()
        wanted = request.path_params
        self._files.begin(request.url.path)
        try:
            if "visit" in wanted:
                found = self._desk.view.past_file(wanted["visit"], wanted["number"])
            else:
                found = self._desk.view.file_here(wanted["said"])
            content = b"" if found is None else await self._desk.fetch_file(found)
        except ChatAppError as error:
            self._files.end(request.url.path)
            return PlainTextResponse(_sentence(error), 404)
        except BaseException:
            self._files.end(request.url.path)
            raise
        if found is None:
            self._files.end(request.url.path)
            return PlainTextResponse(_OUT_OF_DATE, 404)
        return GivenFile(
            found.name,
            content,
            is_shown="show" in request.query_params,
            under_way=self._files,
            whose=request.url.path,
        )

    # --- the stream of news

    async def _events(self, request: Request) -> Response:
        is_let_in = self._entrance.admits(request)
        return StreamResponse(self._news()) if is_let_in else locked_stream()

    async def _news(self) -> AsyncGenerator[bytes, None]:
        """Yield what has changed, beginning with everything, and a goodbye when the program ends.
        Each piece is made when the one before it was taken."""
        view = self._desk.view
        window = self._desk.windows.enter()
        sent: dict[str, str] = {}
        talk, version = -1, -1
        try:
            while self._desk.windows.is_served(window):
                if view.version == version:
                    if not await self._desk.windows.news(within=STREAM_SIGN_OF_LIFE):
                        yield SIGN_OF_LIFE
                    continue
                changed = {
                    id_: html for id_, html in pages.parts(view).items() if sent.get(id_) != html
                }
                sent |= changed
                title = pages.window_title(view, self._title)
                told: dict[str, object] = {"title": title, "parts": changed}
                told["visit"] = view.visit
                if view.talk != talk:
                    told["log"] = pages.log(view)
                elif changed or view.lines:
                    told["lines"] = [
                        [line.id, pages.talk_line(line)]
                        for line in view.lines
                        if line.changed > version
                    ]
                    if view.client is None:
                        told["log"] = pages.log(view)
                talk, version = view.talk, view.version
                yield server_event(json.dumps(told), number=str(version))
            yield server_event(json.dumps({"bye": True}), number="")
        finally:
            self._desk.windows.exit(window)
