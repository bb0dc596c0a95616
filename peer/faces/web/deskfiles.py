"""Files of the help desk on its pages: taken from browsers, and given to them. They are held in memory
meanwhile, a few at a time."""

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatapp.peer.faces.web.guard import Refusal, RequestRefused
from chatapp.peer.faces.web.limits import (
    DESK_FILES_GIVEN_BURST,
    DESK_FILES_GIVEN_PER_SECOND,
    DESK_FILES_GIVEN_SHARES,
    RATES_MAX,
)
from chatapp.peer.faces.web.multipart import sent_file
from chatapp.peer.faces.web.pictures import picture_in
from chatapp.wire.buckets import Buckets

AT_ONCE: Final = 8
"""Files of all visits that are on their way at a time; of one visit, one."""

SANDBOXED: Final = "default-src 'none'; sandbox"

BUSY: Final = Refusal(429, "Another file is on its way.", {"retry-after": "5"})
_FORM_COSTS: Final = 8_192
"""Bytes of a form around the file in it."""


TOO_FAST: Final = Refusal(
    429, "Too many files at once: try again in a moment.", {"retry-after": "5"}
)


class FilesUnderWay:
    """The files that are on their way just now, and how many were given lately."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now: Final = now
        self._whose: Final[set[Hashable]] = set()
        rate, burst = DESK_FILES_GIVEN_PER_SECOND, DESK_FILES_GIVEN_BURST
        self._visits: Final[Buckets[Hashable]] = Buckets(rate=rate, burst=burst, most=RATES_MAX)
        self._networks: Final[Buckets[str]] = Buckets(
            rate=DESK_FILES_GIVEN_SHARES * rate,
            burst=DESK_FILES_GIVEN_SHARES * burst,
            most=RATES_MAX,
        )

    def begin(self, whose: Hashable) -> None:
        """Begin with one. `end` must follow. Raises RequestRefused."""
        if whose in self._whose or len(self._whose) >= AT_ONCE:
            raise RequestRefused(BUSY)
        self._whose.add(whose)

    def give(self, whose: Hashable, network: str) -> None:
        """Begin to give one to a visitor of this network. `end` must follow. Raises
        RequestRefused."""
        now = self._now()
        if not (self._visits.take(whose, now=now) and self._networks.take(network, now=now)):
            raise RequestRefused(TOO_FAST)
        self.begin(whose)

    def end(self, whose: Hashable) -> None:
        """End it."""
        self._whose.discard(whose)

    @contextlib.contextmanager
    def one(self, whose: Hashable) -> Iterator[None]:
        """Take one more on. `whose`: the visit. Raises RequestRefused."""
        self.begin(whose)
        try:
            yield
        finally:
            self.end(whose)


async def file_in(request: Request, *, most: int, too_large: str) -> tuple[str, bytes]:
    """Return the name and content of the file that a browser sends, as a body or in a form. Raises
    RequestRefused. `most`: its bytes. `too_large`: what to say of a larger one."""
    refused = RequestRefused(Refusal(413, too_large, {"connection": "close"}))
    name, length, pieces = await sent_file(request)
    if length > most + _FORM_COSTS:
        raise refused
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > most:
            raise refused
    return name, bytes(content)


class GivenFile(Response):
    """A file for the browser: to be stored; or shown, if it is a picture and that is asked for."""

    def __init__(
        self,
        name: str,
        content: bytes,
        *,
        is_shown: bool,
        under_way: FilesUnderWay,
        whose: Hashable,
    ) -> None:
        """`under_way`, `whose`: what has begun for it, which ends with it."""
        picture = picture_in(content) if is_shown else None
        super().__init__(
            content,
            media_type="application/octet-stream" if picture is None else picture.media_type,
            headers={"content-security-policy": SANDBOXED},
        )
        if picture is None:
            self.headers["content-disposition"] = f"attachment; filename*=utf-8''{quote(name)}"
        self._under_way: Final = under_way
        self._whose: Final = whose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._under_way.end(self._whose)
