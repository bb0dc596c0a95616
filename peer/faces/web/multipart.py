"""A file in the form of a page without JavaScript (RFC 7578): a body of one part, taken as it comes."""

import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final, NamedTuple

from starlette.requests import Request

from chatapp.peer.faces.web.guard import Refusal, RequestRefused

_HEAD_MAX: Final = 4_096
"""Bytes before the file: its boundary and name. Browsers send a few hundred."""

_BOUNDARY: Final = re.compile(
    r'multipart/form-data;.*?boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?$'
)
_NAME: Final = re.compile(
    r'^content-disposition:.*; filename="([^"\r\n]*)"', re.IGNORECASE | re.MULTILINE
)
_ESCAPES: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))
"""What browsers write for characters that would end a name."""

NO_FILE: Final = Refusal(400, "This form has no file.")


def boundary_of(content_type: str) -> bytes | None:
    """Return what separates the parts of such a body; None for another kind of body."""
    found = _BOUNDARY.match(content_type)
    return None if found is None else found[1].encode()


class FilePart:
    """The file in a body, whose other parts are not looked at."""

    def __init__(self, boundary: bytes, pieces: AsyncIterable[bytes]) -> None:
        self._open: Final = b"--" + boundary + b"\r\n"
        self._end: Final = b"\r\n--" + boundary
        self._pieces: Final = aiter(pieces)
        self._held = b""
        self.name = ""
        """As the browser has it."""

    async def begin(self) -> None:
        """Read up to the file. Raises RequestRefused."""
        while b"\r\n\r\n" not in self._held:
            piece = await anext(self._pieces, b"")
            if not piece or len(self._held) > _HEAD_MAX:
                raise RequestRefused(NO_FILE)
            self._held += piece
        head, _, rest = self._held.partition(b"\r\n\r\n")
        found = _NAME.search(head.decode("utf-8", "replace"))
        if not head.startswith(self._open) or found is None or not found[1]:
            raise RequestRefused(NO_FILE)
        self.name = found[1]
        for written, meant in _ESCAPES:
            self.name = self.name.replace(written, meant)
        self._held = rest

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the file. Raises RequestRefused if they do not end."""
        while (end := self._held.find(self._end)) < 0:
            kept = len(self._end) - 1  # the end may have begun there
            ready, self._held = self._held[:-kept], self._held[-kept:]
            if ready:
                yield ready
            piece = await anext(self._pieces, b"")
            if not piece:
                raise RequestRefused(NO_FILE)
            self._held += piece
        if end:
            yield self._held[:end]


NO_LENGTH: Final = Refusal(411, "A file is sent with its length.")


class SentFile(NamedTuple):
    """A file that a browser sends, as a body or in a form."""

    name: str
    length: int
    """Bytes of the body, and of the form around the file if there is one."""
    content: AsyncIterator[bytes]


async def sent_file(request: Request) -> SentFile:
    """Return the file that comes with a request. Raises RequestRefused."""
    length = request.headers.get("content-length")
    if length is None:
        raise RequestRefused(NO_LENGTH)
    boundary = boundary_of(request.headers.get("content-type", ""))
    if boundary is None:
        return SentFile(request.query_params.get("name", ""), int(length), request.stream())
    part = FilePart(boundary, request.stream())
    await part.begin()
    return SentFile(part.name, int(length), part.content())
