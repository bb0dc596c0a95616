"""Who may open a page that is for one person alone: the token in the address, and the cookie and the
path for which it is exchanged.

All of them are random bytes of one run of the program. Another user of this machine can take the
port once the program has ended, and a browser then shows that user the cookie and the path of an
open page: they open nothing in the next run.
"""

import hashlib
import hmac
import json
import os
from collections.abc import AsyncGenerator, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from chatapp.peer.faces.web.cookies import SessionCookie, hashed, new_secret
from chatapp.peer.faces.web.page import page
from chatapp.peer.faces.web.streams import StreamResponse, server_event
from chatapp.wire.address import Address

_SIZE: Final = 16
COOKIE_LASTS_FOR: Final = 12 * 3_600
"""Seconds."""
_FIRST: Final = (
    "[Your page, for this machine alone; whoever opens the address can act as you. It works once:]"
)
_NEXT: Final = "[A browser has opened your page. The address for another one:]"
WRONG_ADDRESS: Final = (
    "Open the address that ChatApp has printed last in the terminal. "
    "Each address lets one browser in, once."
)


class Access:
    """The token, the cookie and the path of a page, and its proof, in one run of the
    program."""

    def __init__(self) -> None:
        self.token = _random()
        """What the address holds: 32 hexadecimal digits, for one use."""
        self.cookie_name: Final = f"chatapp-{_random()}"
        self.cookie: Final = new_secret()
        """What the browser shows from then on: 64 hexadecimal digits."""
        self.page: Final = _random()
        """The name of the page in its address: 32 hexadecimal digits."""
        self.proof_key: Final = os.urandom(_SIZE)
        """What the page knows, and is never sent to the port: by it the page tells this program
        from another one."""
        self._hashed: Final = hashed(self.cookie)

    def use_token(self, text: str) -> bool:
        """Return whether this is the token, compared in constant time. A new one then takes its
        place."""
        if not _is_same(text, self.token):
            return False
        self.token = _random()
        return True

    def is_page(self, text: str) -> bool:
        """Whether this is the name of the page, compared in constant time."""
        return _is_same(text, self.page)

    def is_cookie(self, remembered: str | None) -> bool:
        """Whether a browser has shown the cookie. `remembered`: as `SessionCookie.read` returns
        it."""
        return remembered is not None and _is_same(remembered, self._hashed)

    def prove(self, nonce: str) -> str:
        """Return what shows a page with this nonce that it still talks to this program:
        HMAC-SHA-256, hexadecimal."""
        return hmac.digest(self.proof_key, nonce.encode("utf-8", "replace"), hashlib.sha256).hex()

    def invitation(self, place: Address, *, is_first: bool) -> list[str]:
        """Return lines for whoever runs the program, the last of which is what the next browser may
        open at this port. `is_first`: whether none has entered yet."""
        host = f"[{place.host}]" if ":" in place.host else place.host
        address = f"http://{host}:{place.port}/?token={self.token}"
        return [_FIRST if is_first else _NEXT, address]


class Entrance:
    """Lets browsers in that have the token, and knows them again by their cookie."""

    def __init__(
        self, access: Access, *, title: str, entered: Callable[[], None], start: str = ""
    ) -> None:
        """`title`: of the page for all others. `entered` is called when a browser has used the
        token, so that the next one can be told. `start`: the part of the first address that names
        what is open."""
        self._start: Final = start
        self._access: Final = access
        self._title: Final = title
        self._entered: Final = entered
        self._cookie: Final = SessionCookie(access.cookie_name, lasts_for=COOKIE_LASTS_FOR)
        self.routes: Final = [Route("/", self._enter), Route("/proof", self._prove)]

    def admits(self, request: Request) -> bool:
        """Whether a request for the page shows the cookie and the path of this run."""
        is_page = self._access.is_page(request.path_params["page"])
        return is_page and self._access.is_cookie(self._cookie.read(request))

    def locked(self) -> Response:
        """Return the page for a browser that has shown neither."""
        return page("locked.html", title=self._title, kind="told", status=403, why=WRONG_ADDRESS)

    async def _enter(self, request: Request) -> Response:
        """Exchange the token for the cookie and the address of the page. A program that only looks,
        by HEAD, does not use the token up."""
        if request.method != "GET" or not self._access.use_token(
            request.query_params.get("token", "")
        ):
            return self.locked()
        self._entered()
        path = f"/{self._access.page}/"
        response = RedirectResponse(f"{path}{self._start}", 303)
        self._cookie.give(request, response, self._access.cookie, path=path)
        return response

    async def _prove(self, request: Request) -> Response:
        """Show a page that this is the program that it came from, before it sends its cookie and
        its path again."""
        return PlainTextResponse(self._access.prove(request.query_params.get("nonce", "")))


def locked_stream() -> Response:
    """Return the stream for a window that may not have one."""
    return StreamResponse(_locked())


async def _locked() -> AsyncGenerator[bytes, None]:
    yield server_event(json.dumps({"locked": True}), number="")


def _random() -> str:
    return os.urandom(_SIZE).hex()


def _is_same(text: str, secret: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "replace"), secret.encode())
