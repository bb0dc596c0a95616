"""The help desk on an operator's page: what its forms do, and its files."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chatapp.peer.api.errors import ChangeRefused, NotOpen
from chatapp.peer.faces.web.deskfiles import FilesUnderWay, GivenFile, file_in
from chatapp.peer.faces.web.forms import Fields, fields_of, wants_json
from chatapp.peer.faces.web.guard import Refusal, RequestRefused
from chatapp.peer.faces.web.operators import pages
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.faces.web.operators.forms import (
    OUT_OF_DATE,
    Unclear,
    action_of,
    id_in,
    number_in,
    text_in,
)
from chatapp.peer.node.files.desk import LARGEST
from chatapp.peer.words import changes
from chatapp.peer.words.files import size_shown
from chatapp.wire.errors import ChatAppError, TextTooLong
from chatapp.wire.messages.desk import CallNext, EndSession

HERE: Final = "?with=desk"
"""The part of an address that names the conversation with the visitor."""

FindDesk = Callable[[Request], Awaitable[OperatorDesk | Response]]
"""Returns the desk of whoever asks, or the answer if there is none."""


def _sentence(error: ChatAppError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


async def carry_out(desk: OperatorDesk, verb: str, fields: Fields) -> None:
    """Do what a form asks for. Raises Unclear, NameRefused, ChangeRefused, TextTooLong, NotOpen."""
    match verb:
        case "change" | "retract":
            text = text_in(fields) if verb == "change" else None
            said, shown = id_in(fields.get("line", "")), number_in(fields, "visit")
            await desk.change(said, text, visit=shown)
        case "dismiss":
            desk.dismiss()
        case "undo":
            desk.undo()
        case _:
            wanted, visit = action_of(verb, fields, queue=desk.view.queue)
            if isinstance(wanted, CallNext | EndSession):
                desk.end(wanted, visit=visit or 0)
            else:
                desk.ask(wanted, visit=visit)
            await desk.answered()


class DeskPages:
    """What is served of the help desk below the address of a window."""

    def __init__(self, find: FindDesk) -> None:
        self._find: Final = find
        self._files: Final = FilesUnderWay()
        self.routes: Final[list[BaseRoute]] = [
            Route("/{page}/{window:int}/desk/change", self._change_form),
            Route("/{page}/{window:int}/desk/upload", self._upload, methods=["POST"]),
            Route("/{page}/{window:int}/desk/file/{said:int}", self._file),
            Route("/{page}/{window:int}/desk/file/{visit:int}/{number:int}", self._file),
            Route("/{page}/{window:int}/desk/{verb}", self._do, methods=["POST"]),
        ]

    async def _do(self, request: Request) -> Response:
        desk = await self._find(request)
        if isinstance(desk, Response):
            return desk
        fields = await fields_of(request)
        try:
            await carry_out(desk, request.path_params["verb"], fields)
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
        return _done(request)

    async def _change_form(self, request: Request) -> Response:
        """Return what changes a line of the operator's own: for the script what stands inside the
        page, else a page."""
        desk = await self._find(request)
        if isinstance(desk, Response):
            return desk
        said, view = id_in(request.query_params.get("line", "")), desk.view
        text = view.text_of(said)
        if text is None:
            return PlainTextResponse(OUT_OF_DATE, 409)
        return pages.change_form(
            text,
            said=said,
            visit=view.visit,
            is_file=view.file_of(said) is not None,
            is_part=wants_json(request),
        )

    # --- files

    async def _upload(self, request: Request) -> Response:
        """Take a file that the browser gives, and send it to the visitor whom the page showed."""
        desk = await self._find(request)
        if isinstance(desk, Response):
            desk.headers["connection"] = "close"  # what is sent is not read
            return desk
        try:
            visit = number_in(dict(request.query_params), "visit")
        except Unclear as error:
            raise RequestRefused(Refusal(422, str(error), {"connection": "close"})) from None
        with self._files.one(desk):
            most = desk.view.files_largest or LARGEST
            too_large = f"A file has at most {size_shown(most)}."
            name, content = await file_in(request, most=most, too_large=too_large)
            try:
                await desk.send_file(name, content, visit=visit)
            except ChatAppError as error:
                return PlainTextResponse(_sentence(error), 422)
        return _done(request)

    async def _file(self, request: Request) -> Response:
        """Give the browser a file of the talk or of a past one."""
        desk = await self._find(request)
        if isinstance(desk, Response):
            return desk
        wanted = request.path_params
        self._files.begin(request.url.path)
        try:
            if "visit" in wanted:
                found = desk.view.past_file(wanted["visit"], wanted["number"])
            else:
                found = desk.view.file_here(wanted["said"])
            content = b"" if found is None else await desk.fetch_file(found)
        except ChatAppError as error:
            self._files.end(request.url.path)
            return PlainTextResponse(_sentence(error), 404)
        except BaseException:
            self._files.end(request.url.path)
            raise
        if found is None:
            self._files.end(request.url.path)
            return PlainTextResponse(OUT_OF_DATE, 404)
        return GivenFile(
            found.name,
            content,
            is_shown="show" in request.query_params,
            under_way=self._files,
            whose=request.url.path,
        )


def _done(request: Request) -> Response:
    """Return the answer to a form that was carried out."""
    if wants_json(request):
        return Response(status_code=204)
    return RedirectResponse(f"../{HERE}", 303)
