"""The fields of forms that browsers send."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from chatapp.peer.faces.web.guard import Refusal, RequestRefused
from chatapp.peer.faces.web.limits import BODY_MAX, FIELDS_MAX, FORM_FIELD_MAX, KEY_MAX
from chatapp.wire.errors import quoted

Fields = Mapping[str, str]
"""The fields of a form, by name."""

NO_FORM: Final = Refusal(400, f"A form has at most {FIELDS_MAX} fields.")
_LENGTHS: Final = {"text": BODY_MAX, "about": BODY_MAX, "key": KEY_MAX}
"""The most characters of a field, where they are not FORM_FIELD_MAX. A page says how long a text
may be."""
_PIECE: Final = 1_024
"""Bytes that are decoded at once. The standard library needs 200 bytes for each escape meanwhile,
12 MiB for the longest text, and the allocator does not give them back to the system."""


async def fields_of(request: Request) -> Fields:
    """Return the fields of a form. Other kinds of bodies have none. Raises RequestRefused."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    fields = parsed(await request.body())
    for name, value in fields.items():
        most = _LENGTHS.get(name, FORM_FIELD_MAX)
        if len(value) > most:
            raise RequestRefused(
                Refusal(413, f'The field "{quoted(name)}" has at most {most:,} characters.')
            )
    return fields


def text_of(fields: Fields, name: str) -> str:
    """Return a text that was typed into a form, with plain line ends; empty if there is none."""
    return fields.get(name, "").replace("\r\n", "\n").strip()


def query_asked(request: Request) -> str:
    """Return the query of a request with its question mark, for an address to which it is led on;
    empty if there is none."""
    return f"?{request.url.query}" if request.url.query else ""


def wants_json(request: Request) -> bool:
    """Whether the script of a page has sent the form, which needs no page for an answer."""
    return "application/json" in request.headers.get("accept", "")


def parsed(body: bytes) -> Fields:
    """Return the fields that a body holds (WHATWG, `application/x-www-form-urlencoded`). Raises
    RequestRefused."""
    if body.count(b"&") >= FIELDS_MAX:
        raise RequestRefused(NO_FORM)
    named = (field.partition(b"=") for field in body.split(b"&") if field)
    return {_decoded(name): _decoded(value) for name, _, value in named}


def _decoded(written: bytes) -> str:
    written = written.replace(b"+", b" ")
    plain = bytearray()
    begin = 0
    while begin < len(written):
        end = begin + _PIECE
        escape = written.find(b"%", end - 2, end)  # one that the end of the piece would cut
        end = end if escape < 0 else escape
        plain += unquote_to_bytes(written[begin:end])
        begin = end
    return plain.decode("utf-8", "replace")
