"""The pages with which members sign in and look after their accounts, and the door to their
windows."""

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Route

from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.faces.opening import NotOpened
from chatapp.peer.faces.web.accounts.errors import (
    AccountGone,
    AccountsFull,
    FolderDamaged,
    NotReleased,
    TooManyTries,
    WrongPassphrase,
)
from chatapp.peer.faces.web.accounts.sessions import Session
from chatapp.peer.faces.web.accounts.tries import in_thread
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.cookies import SessionCookie
from chatapp.peer.faces.web.forms import Fields, fields_of, query_asked, text_of
from chatapp.peer.faces.web.guard import TOO_MANY, RequestRefused, client_of
from chatapp.peer.faces.web.limits import (
    FOLDER_MAX,
    PASSPHRASE_MAX,
    PASSPHRASE_MIN,
    STAYING_LASTS_FOR,
)
from chatapp.peer.faces.web.members.app import MemberPages
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.faces.web.page import ASSETS, page
from chatapp.peer.words import accounts as words
from chatapp.wire.address import ip_literal
from chatapp.wire.errors import ChatAppError

if TYPE_CHECKING:
    from chatapp.peer.faces.web.accounts.account import Account
    from chatapp.peer.faces.web.accounts.accounts import Accounts

SIGN_IN: Final = "/members/"
_TAG_SIZE: Final = 16
_FORGET: Final = {"clear-site-data": '"cache", "storage"'}
"""Has a browser forget what it keeps of our pages; their cookie is taken back by itself."""


class Doors:
    """Lets browsers to the windows of whoever is signed in in them."""

    proof_key: Final = b""
    account: Final = "../../members/account"

    def __init__(self, accounts: "Accounts") -> None:
        self._accounts: Final = accounts
        self.cookie: Final = SessionCookie("chatapp-member", lasts_for=None)

    def session(self, request: Request) -> Session | None:
        """Return the session of a request. Raises RequestRefused if it asks too often."""
        session = self._accounts.sessions.find(self.cookie.read(request))
        if session is not None and not self._accounts.may_ask(session):
            raise RequestRefused(TOO_MANY)
        return session

    async def windows_for(self, request: Request) -> OpenWindows | Response:
        """As in `members.app.Door`. The address names the session: what is left of another one in
        the same browser does nothing in this one."""
        session = self.session(request)
        cookie = self.cookie.secret(request)
        if session is None or cookie is None or request.path_params["page"] != tag_of(session):
            return _signed_out(request)
        try:
            windows = await self._accounts.windows(session, cookie)
        except FolderDamaged:
            return PlainTextResponse(words.DAMAGED, 503)
        except NotOpened as error:
            return PlainTextResponse("\n".join(error.lines), 503)
        except AccountGone:
            return _signed_out(request)
        except OSError:
            return PlainTextResponse(words.NOT_KEPT, 503)
        return _signed_out(request) if windows is None else windows


def tag_of(session: Session) -> str:
    """Return what a session is called in the addresses of its pages. It opens nothing."""
    return session.id[:_TAG_SIZE]


def _signed_out(request: Request) -> Response:
    """Lead a browser to the page where one signs in; a form is not led there."""
    if request.method == "POST":
        return PlainTextResponse(words.NOT_HERE, 403)
    return RedirectResponse(SIGN_IN, 303)


class AccountPages:
    """What a gateway serves to members beside their windows."""

    def __init__(self, accounts: "Accounts", budget: WebBudget, *, title: str = "") -> None:
        """`title`: the name of the desk; empty for the usual one."""
        self._accounts: Final = accounts
        self._title: Final = title or "ChatApp"
        self._doors: Final = Doors(accounts)
        self._cookie: Final = self._doors.cookie
        forms = {
            "in": self._sign_in,
            "new": self._make,
            "out": self._sign_out,
            "out-everywhere": self._sign_out_everywhere,
            "passphrase": self._change_passphrase,
            "export": self._export,
            "remove": self._remove,
        }
        self.routes: Final[list[BaseRoute]] = [
            Route("/members", _to_sign_in),
            Route(SIGN_IN, self._entry),
            Route("/members/account", self._account),
            Route("/members/assets/{name}", ASSETS.serve),
            *(Route(f"/members/{name}", form, methods=["POST"]) for name, form in forms.items()),
            *(Route(f"/members/{name}", _to_sign_in) for name in forms),
            *MemberPages(self._doors, budget).routes,
        ]

    # --- signing in

    async def _entry(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site") == "cross-site":
            return page("visitors/again.html", title=self._title, kind="", address=SIGN_IN)
        session = self._doors.session(request)
        if session is not None:
            return RedirectResponse(f"/{tag_of(session)}/{query_asked(request)}", 303)
        return self._entry_page(request)

    def _entry_page(
        self,
        request: Request,
        *,
        wrong: str = "",
        told: str = "",
        name: str = "",
        status: int = 200,
    ) -> HTMLResponse:
        answer = page(
            "accounts/entry.html",
            title=self._title,
            kind="account",
            status=status,
            wrong=wrong or ("" if _is_safe(request) else words.NO_TLS),
            told=told,
            name=name,
            who_reads=words.WHO_READS,
            least=PASSPHRASE_MIN,
            most=PASSPHRASE_MAX,
        )
        if status == TOO_MANY.status:
            answer.headers["retry-after"] = "60"
        return answer

    async def _sign_in(self, request: Request) -> Response:
        fields = await fields_of(request)
        name = text_of(fields, "name")
        wrong = partial(self._entry_page, request, name=name)
        if not _is_safe(request):
            return wrong(wrong=words.NO_TLS, status=403)
        try:
            account, secret = await self._accounts.sign_in(
                name, fields.get("passphrase", ""), client_of(request.scope)
            )
            return await self._signed_in(request, account, secret, stays="stay" in fields)
        except WrongPassphrase:
            return wrong(wrong=words.WRONG, status=403)
        except TooManyTries:
            return wrong(wrong=words.TOO_MANY, status=429)
        except OSError:
            return wrong(wrong=words.NOT_KEPT, status=503)

    async def _make(self, request: Request) -> Response:
        fields = await fields_of(request)
        name = text_of(fields, "name")
        wrong = partial(self._entry_page, request, name=name)
        if not _is_safe(request):
            return wrong(wrong=words.NO_TLS, status=403)
        if why := _unfit(fields):
            return wrong(wrong=why, status=422)
        try:
            account, secret = await self._accounts.make(
                name,
                fields.get("passphrase", ""),
                client_of(request.scope),
                text_of(fields, "code") or None,
            )
            return await self._signed_in(request, account, secret, stays="stay" in fields)
        except TooManyTries:
            return wrong(wrong=words.TOO_MANY, status=429)
        except AccountsFull:
            return wrong(wrong=words.FULL, status=503)
        except NotLetIn as error:
            return wrong(wrong=words.not_let_in(error), status=422)
        except NotOpened as error:
            return wrong(wrong=" ".join(error.lines), status=503)
        except ChatAppError as error:
            return wrong(wrong=f"{error}.", status=422)
        except OSError:
            return wrong(wrong=words.NOT_KEPT, status=503)

    async def _signed_in(
        self, request: Request, account: "Account", secret: bytes, *, stays: bool
    ) -> Response:
        """Give the browser a cookie that it has never had, and end what it has had before."""
        before = self._accounts.sessions.find(self._cookie.read(request))
        session, cookie = await self._accounts.begin_session(account, secret, stays=stays)
        if before is not None:
            await self._accounts.end_session(before)
        response = RedirectResponse(f"/{tag_of(session)}/", 303)
        lasts_for = STAYING_LASTS_FOR if stays else None
        self._cookie.give(request, response, cookie, lasts_for=lasts_for)
        return response

    # --- signing out

    async def _sign_out(self, request: Request) -> Response:
        if (session := self._doors.session(request)) is not None:
            await self._accounts.end_session(session)
        return self._farewell(request, words.SIGNED_OUT)

    async def _sign_out_everywhere(self, request: Request) -> Response:
        session = self._doors.session(request)
        account = None if session is None else self._accounts.account_of(session)
        if account is not None:
            await self._accounts.end_all(account)
        return self._farewell(request, words.SIGNED_OUT)

    def _farewell(self, request: Request, told: str) -> Response:
        """Leave nothing in the browser."""
        answer = self._entry_page(request, told=told)
        self._cookie.take_back(request, answer)
        answer.headers.update(_FORGET)
        return answer

    # --- the account

    async def _account(self, request: Request) -> Response:
        session = self._doors.session(request)
        account = None if session is None else self._accounts.account_of(session)
        if session is None or account is None:
            return _signed_out(request)
        return await self._account_page(session, account)

    async def _account_page(
        self, session: Session, account: "Account", *, wrong: str = "", status: int = 200
    ) -> Response:
        size = await asyncio.to_thread(account.folder.size)
        browsers = sum(1 for _ in self._accounts.sessions.of(session.account))
        return page(
            "accounts/account.html",
            title=f"{account.record.name} · {self._title}",
            kind="account",
            status=status,
            wrong=wrong,
            name=account.record.name,
            renamed=words.renamed_line(account.record.name, account.person),
            back=f"/{tag_of(session)}/",
            folder=words.folder_line(size, FOLDER_MAX),
            browsers=words.browsers_line(browsers),
            who_reads=words.WHO_READS,
            least=PASSPHRASE_MIN,
            most=PASSPHRASE_MAX,
        )

    async def _proved(
        self, request: Request, does: "Callable[[Account, bytes, Fields], Awaitable[Response]]"
    ) -> Response:
        """Do something for which the passphrase is asked once more: the browser may be one that
        somebody left alone."""
        session = self._doors.session(request)
        account = None if session is None else self._accounts.account_of(session)
        if session is None or account is None:
            return _signed_out(request)
        fields = await fields_of(request)
        wrong = partial(self._account_page, session, account)
        try:
            network = client_of(request.scope)
            given = fields.get("passphrase", "")
            _, secret = await self._accounts.sign_in(account.record.name, given, network)
            return await does(account, secret, fields)
        except WrongPassphrase:
            return await wrong(wrong=words.WRONG, status=403)
        except TooManyTries:
            return await wrong(wrong=words.TOO_MANY, status=429)
        except (AccountGone, KeyError):
            return _signed_out(request)
        except NotReleased as error:
            return await wrong(wrong=f"Nothing is removed: {error}.", status=503)
        except (NotOpened, FolderDamaged, OSError):
            return await wrong(wrong=words.NOT_KEPT, status=503)

    async def _change_passphrase(self, request: Request) -> Response:
        async def change(account: "Account", secret: bytes, fields: Fields) -> Response:
            new = {"passphrase": fields.get("new", ""), "again": fields.get("again", "")}
            session = self._doors.session(request)
            if (why := _unfit(new)) and session is not None:
                return await self._account_page(session, account, wrong=why, status=422)
            network = client_of(request.scope)
            await self._accounts.change_passphrase(account, secret, new["passphrase"], network)
            return self._farewell(request, words.CHANGED)

        return await self._proved(request, change)

    async def _export(self, request: Request) -> Response:
        async def export(account: "Account", secret: bytes, _: Fields) -> Response:
            pieces = await account.exported(secret)
            file_name = f"{account.folder.key}.tar"
            return StreamingResponse(
                _in_threads(pieces),
                media_type="application/x-tar",
                headers={"content-disposition": f'attachment; filename="{file_name}"'},
            )

        return await self._proved(request, export)

    async def _remove(self, request: Request) -> Response:
        async def remove(account: "Account", secret: bytes, fields: Fields) -> Response:
            await self._accounts.remove(account, secret, gives_up="release" in fields)
            return self._farewell(request, words.GONE)

        return await self._proved(request, remove)


def _unfit(fields: Fields) -> str:
    """Return what is wrong with a new passphrase; empty if nothing is."""
    passphrase = fields.get("passphrase", "")
    if not PASSPHRASE_MIN <= len(passphrase) <= PASSPHRASE_MAX:
        return words.too_short(PASSPHRASE_MIN, PASSPHRASE_MAX)
    return "" if passphrase == fields.get("again", "") else words.NOT_TWICE


def _is_safe(request: Request) -> bool:
    """Whether nobody on the way can read a passphrase: it comes by https, or from this machine."""
    client = ip_literal(request.client.host) if request.client else None
    is_here = client is not None and ipaddress.ip_address(client).is_loopback
    return is_here or request.url.scheme == "https"


async def _to_sign_in(_: Request) -> Response:
    return RedirectResponse(SIGN_IN, 303)


async def _in_threads(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    while piece := await in_thread(lambda: next(pieces, b"")):
        yield piece
