"""What every request must pass before a page sees it, and the headers of every answer.

An attacker may be a page of another site that is open in the same browser (cross-site requests), or any program that can
reach the port.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.peer.web.limits import BODY_MAX, BODY_WITHIN, REQUESTS_BURST, REQUESTS_PER_SECOND
from chatapp.peer.web.rates import RateLimiter
from chatapp.wire.address import network_of, normalized_host

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
"""The content security policy of every page: only files of this server, and no script or style inside a page."""

HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    # Not `no-referrer`: with it browsers send `Origin: null` with a form, and every form would be refused.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
METHODS: Final = SAFE_METHODS | {"POST"}


class Refusal(NamedTuple):
    """Why a request is not carried out."""

    status: int
    text: str
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


FOREIGN_ORIGIN: Final = Refusal(403, "This request comes from another site.")
BAD_HOST: Final = Refusal(421, "This address is not served here.")
BAD_METHOD: Final = Refusal(405, "Only GET, HEAD and POST are served.", {"allow": "GET, HEAD, POST"})
TOO_LARGE: Final = Refusal(413, f"A request has at most {BODY_MAX:,} bytes.")
TOO_SLOW: Final = Refusal(408, "The request did not arrive in time.")
TOO_MANY: Final = Refusal(
    429, "Too many requests of your address; try again in a moment.", {"retry-after": "5"}
)


class BodyRefused(Exception):
    """The body of a request is too large or too slow."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def client_of(scope: Scope) -> str:
    """Return the address under which a client is counted: its network."""
    client = scope.get("client")
    return network_of(normalized_host(client[0])) if client else ""


def is_own_origin(scope: Scope, headers: Headers) -> bool:
    """Whether a request was sent by a page of this server. A request that changes something must say so."""
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
        hosts: Sequence[str] | None = None,
        forwarded: Callable[[], None] | None = None,
        read_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hosts`: the only values of the header `Host` that are served, such as `127.0.0.1:8080`; None for any.
        `forwarded` is called once when a request comes by a proxy, by a gateway that was told of none: then all visitors
        seem to have the proxy's address."""
        self._app: Final = app
        self._hosts: Final = None if hosts is None else frozenset(hosts)
        self._rates: Final = RateLimiter(rate=REQUESTS_PER_SECOND, burst=REQUESTS_BURST)
        self._now: Final = read_clock
        self._forwarded = forwarded

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
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal_of(scope)
        if refusal is None:
            try:
                await self._app(scope, _bounded(scope, receive), send_with_headers)
                return
            except BodyRefused as refused:
                if has_begun:
                    raise
                refusal = refused.refusal
        answer = PlainTextResponse(
            f"{refusal.text}\n", refusal.status, headers={"connection": "close", **refusal.headers}
        )
        await answer(scope, receive, send_with_headers)

    def _refusal_of(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        if self._forwarded is not None and "x-forwarded-for" in headers:
            self._forwarded()
            self._forwarded = None
        if not self._rates.take(client_of(scope), now=self._now()):
            return TOO_MANY
        if not has_one_host(headers) or (self._hosts is not None and headers["host"] not in self._hosts):
            return BAD_HOST
        if scope["method"] not in METHODS:
            return BAD_METHOD
        if scope["method"] not in SAFE_METHODS and not is_own_origin(scope, headers):
            return FOREIGN_ORIGIN
        length = headers.get("content-length", "0")
        return TOO_LARGE if not length.isdecimal() or int(length) > BODY_MAX else None


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Return `receive` for a body of limited size and time. What follows the body, the end of the connection, may take as
    long as it takes."""
    if scope["method"] in SAFE_METHODS:
        return receive
    size = 0
    is_whole = False
    due: float | None = None

    async def receive_bounded() -> Message:
        nonlocal size, is_whole, due
        if is_whole:
            return await receive()
        due = due or asyncio.get_running_loop().time() + BODY_WITHIN
        try:
            async with asyncio.timeout_at(due):
                message = await receive()
        except TimeoutError:
            raise BodyRefused(TOO_SLOW) from None
        size += len(message.get("body", b""))
        if size > BODY_MAX:
            raise BodyRefused(TOO_LARGE)
        is_whole = not message.get("more_body", False)
        return message

    return receive_bounded
