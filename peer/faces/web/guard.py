"""What every request must pass before a page sees it, and the headers of every answer.

An attacker may be a page of another site that is open in the same browser (cross-site requests), or
any program that can reach the port.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.peer.faces.web.budget import Ledger, TurnsFull, WebBudget
from chatapp.peer.faces.web.limits import (
    BODY_MAX,
    BODY_WITHIN,
    RATES_MAX,
    REQUESTS_BURST,
    REQUESTS_PER_SECOND,
    UPLOAD_RATE_LEAST,
)
from chatapp.wire.address import KnownHosts, network_of, normalized_host
from chatapp.wire.buckets import Buckets

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; manifest-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
"""The content security policy of every page: only files of this server, and no script or style
inside a page."""

HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    # Not `no-referrer`: with it browsers send `Origin: null` with a form, and every form would be
    # refused.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

_ADDED: Final = [
    (name.encode(), value.encode())
    for name, value in {**HEADERS, "cache-control": "no-store"}.items()
]
"""What an answer says that does not say something else itself, as ASGI writes it: names in small
letters."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
METHODS: Final = SAFE_METHODS | {"POST"}
_LENGTH_DIGITS: Final = 15


class Refusal(NamedTuple):
    """Why a request is not carried out."""

    status: int
    text: str
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


FOREIGN_ORIGIN: Final = Refusal(403, "This request comes from another site.")
BAD_HOST: Final = Refusal(400, "No page is served under this name; --host NAME adds a name.")
BAD_METHOD: Final = Refusal(
    405, "Only GET, HEAD and POST are served.", {"allow": "GET, HEAD, POST"}
)
TOO_LARGE: Final = Refusal(413, f"A request has at most {BODY_MAX:,} bytes.")
TOO_MUCH: Final = Refusal(
    429, "Too much is on its way from your address; try again in a moment.", {"retry-after": "5"}
)
TOO_SLOW: Final = Refusal(408, "The request did not arrive in time.")
FAULT: Final = Refusal(500, "Something went wrong here.")
CROWDED: Final = Refusal(
    503,
    "Too many people come in at this moment; try again in a few seconds.",
    {"retry-after": "5", "refresh": "5"},  # by itself, if it is a page
)
TOO_MANY: Final = Refusal(
    429, "Too many requests of your address; try again in a moment.", {"retry-after": "5"}
)


class RequestRefused(Exception):
    """A request is not carried out: its body is too large or too slow, or it asks too often."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def client_of(scope: Scope) -> str:
    """Return the address under which a client is counted: its network."""
    client = scope.get("client")
    return network_of(normalized_host(client[0])) if client else ""


def is_gone(scope: Scope) -> bool:
    """Whether the client has closed the connection: then nobody reads an answer."""
    asked = scope.get("state", {}).get("is_gone")
    return asked is not None and bool(asked())


def _is_unread(scope: Scope) -> bool:
    """Whether the client asks for more before it has taken the answer before it, as no browser
    does."""
    asked = scope.get("state", {}).get("unsent")
    return asked is not None and bool(asked())


def _note_taken(scope: Scope) -> None:
    """Have the connection count anew what it holds, without what a page has just taken."""
    note = scope.get("state", {}).get("note_arrived")
    if note is not None:
        note()


def cut(scope: Scope) -> None:
    """Cut the connection of a request: its answer has begun, and cannot be taken back."""
    abort = scope.get("state", {}).get("abort")
    if abort is not None:
        abort()


def is_own_origin(scope: Scope, headers: Headers) -> bool:
    """Whether a request was sent by a page of this server. A request that changes something must
    say so."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return f"{parts.scheme}://{parts.netloc}" == f"{scope['scheme']}://{headers.get('host', '')}"


def has_one_host(headers: Headers) -> bool:
    """Whether a request names one host."""
    return len(headers.getlist("host")) == 1


class Guard:
    """Checks each request and adds the headers of each answer (ASGI middleware)."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str] = (),
        forwarded: Callable[[], None] | None = None,
        uploads: str | None = None,
        read_clock: Callable[[], float] = time.monotonic,
        budget: WebBudget | None = None,
    ) -> None:
        """`hosts`: the names under which pages are served, as `wire.address.KnownHosts` takes them.
        `forwarded` is called once when a request comes by a proxy, by a gateway that was told of
        none: then all visitors seem to have the proxy's address. `uploads`: the end of the paths to
        which files are sent, whose bodies are longer and are not held. `budget`: what all clients of the
        port share; by default one of its own."""
        self._app: Final = app
        self._hosts: Final = KnownHosts(hosts)
        self._rates: Buckets[str] = Buckets(
            rate=REQUESTS_PER_SECOND, burst=REQUESTS_BURST, most=RATES_MAX
        )
        self._now: Final = read_clock
        self._forwarded = forwarded
        self._uploads: Final = uploads
        self._budget: Final = budget or WebBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                own = list(message.get("headers", ()))
                named = {name for name, _ in own}
                message["headers"] = own + [one for one in _ADDED if one[0] not in named]
            await send(message)

        if is_gone(scope):
            self._budget.incidents.note("cut by the client")
            return
        if _is_unread(scope):
            self._budget.incidents.note("answers not taken")
            cut(scope)
            return
        refusal = self._refusal_of(scope) or await self._served(scope, receive, send_with_headers)
        if refusal is None:
            return
        self._budget.incidents.note(f"refused with {refusal.status}")
        if has_begun:
            cut(scope)
            return
        answer = PlainTextResponse(
            f"{refusal.text}\n", refusal.status, headers={"connection": "close", **refusal.headers}
        )
        await answer(scope, receive, send_with_headers)

    async def _served(self, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        """Carry a request out. Return why that was not possible; None if there is nothing to say to
        the client."""
        is_upload = self._is_upload(scope)
        body = _File() if is_upload else _Body(self._budget.flight, client_of(scope))
        try:
            await self._app(scope, body.bounded(scope, receive), send)
        except RequestRefused as refused:
            return refused.refusal
        except TurnsFull:
            return CROWDED
        except ClientDisconnect:
            self._budget.incidents.note("cut by the client")
        except Exception as error:  # noqa: BLE001 - a bug in one page must not fill the log, nor end the others
            self._budget.incidents.fault(error)
            return FAULT
        finally:
            body.release()
        return None

    def _refusal_of(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        if self._forwarded is not None and "x-forwarded-for" in headers:
            self._forwarded()
            self._forwarded = None
        if not self._rates.take(client_of(scope), now=self._now()):
            return TOO_MANY
        if not has_one_host(headers) or not self._hosts.serves(headers["host"]):
            return BAD_HOST
        if scope["method"] not in METHODS:
            return BAD_METHOD
        if scope["method"] not in SAFE_METHODS and not is_own_origin(scope, headers):
            return FOREIGN_ORIGIN
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > _LENGTH_DIGITS:
            return TOO_LARGE
        return TOO_LARGE if int(length) > BODY_MAX and not self._is_upload(scope) else None

    def _is_upload(self, scope: Scope) -> bool:
        return self._uploads is not None and scope["path"].endswith(self._uploads)


class _File:
    """The bytes of a file, of which nothing is held here: whoever takes them bounds their number."""

    def __init__(self) -> None:
        self._taken = 0

    def release(self) -> None:
        """Note that the request is answered."""

    def bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return `receive` for a body that comes at a least rate."""
        loop = asyncio.get_running_loop()
        begun, is_whole = loop.time(), False

        async def receive_bounded() -> Message:
            nonlocal is_whole
            if is_whole:
                return await receive()
            try:
                async with asyncio.timeout_at(
                    begun + BODY_WITHIN + self._taken / UPLOAD_RATE_LEAST
                ):
                    message = await receive()
            except TimeoutError:
                raise RequestRefused(TOO_SLOW) from None
            _note_taken(scope)
            self._taken += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            return message

        return receive_bounded


class _Body:
    """The bytes of one request's body, which are held until the request is answered."""

    def __init__(self, flight: Ledger, network: str) -> None:
        self._flight: Final = flight
        self._network: Final = network
        self._size = 0

    def release(self) -> None:
        """Note that nothing is held any more."""
        self._flight.add(self._network, -self._size)
        self._size = 0

    def bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return `receive` for a body of limited size and time. What follows the body, the end of
        the connection, may take as long as it takes."""
        if scope["method"] in SAFE_METHODS:
            return receive
        is_whole = False
        due: float | None = None

        async def receive_bounded() -> Message:
            nonlocal is_whole, due
            if is_whole:
                return await receive()
            due = due or asyncio.get_running_loop().time() + BODY_WITHIN
            try:
                async with asyncio.timeout_at(due):
                    message = await receive()
            except TimeoutError:
                raise RequestRefused(TOO_SLOW) from None
            _note_taken(scope)
            self._take(len(message.get("body", b"")))
            is_whole = not message.get("more_body", False)
            return message

        return receive_bounded

    def _take(self, size: int) -> None:
        if self._size + size > BODY_MAX:
            raise RequestRefused(TOO_LARGE)
        if not self._flight.take(self._network, size):
            raise RequestRefused(TOO_MUCH)
        self._size += size
