"""Pages: their templates, and the files that they load.

Every value that a template writes is made safe to read and escaped (`{{ ... }}`); only what a
template has made, and what the filters `lines` and `untouched` return, is markup already. An
unknown name is an error.
"""

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from chatapp.peer.words.files import size_shown
from chatapp.wire.desk.kinds import ending
from chatapp.wire.text import sanitize

_FOLDER: Final = Path(__file__).with_name("assets")
_TEMPLATES: Final = Path(__file__).with_name("templates")
_KINDS: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_LAYOUT: Final = re.compile(r"(?<=[>}])\n\s*|\n\s*(?=[<{])")
"""Line ends and indentation of a template beside a tag: they are no part of the page, where a blank
between two elements would be seen."""


_ADDRESS: Final = re.compile(r"\bhttps?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_BEHIND_ADDRESS: Final = ".,;:!?'*_)]}"
"""What stands behind an address rather than in it."""
_LINK: Final = Markup(
    '<a href="{address}" target="_blank" rel="noopener noreferrer nofollow">{address}</a>'
)


_PICTURES: Final = ("png", "jpg", "jpeg", "webp")
"""The ends of the names of files that pages show as pictures, if they are."""


class Assets:
    """The files that pages load, named by their content so that browsers may keep them."""

    def __init__(self) -> None:
        self._files: Final = {
            path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _KINDS
        }

    def link(self, name: str) -> str:
        """Return the address of a file, relative to a page."""
        return f"assets/{name}?{self._version(name)}"

    def _version(self, name: str) -> str:
        return hashlib.blake2b(self._files[name], digest_size=6).hexdigest()

    async def serve(self, request: Request) -> Response:
        """Answer a request for a file."""
        name = request.path_params["name"]
        if name not in self._files:
            return Response(status_code=404)
        is_current = request.url.query == self._version(name)
        kept = "public, max-age=31536000, immutable" if is_current else "no-cache"
        return Response(
            self._files[name], media_type=_KINDS[Path(name).suffix], headers={"cache-control": kept}
        )


ASSETS: Final = Assets()


# --- what templates write


def several_lines(text: str) -> Markup:
    """Return a text of a stranger with its line ends, to be shown where CSS keeps them
    (`white-space: pre-wrap`). What would reorder or hide its neighbours is made visible, as on a
    terminal."""
    return escape("\n".join(map(sanitize, text.replace("\r\n", "\n").split("\n"))))


def with_links(text: str) -> Markup:
    """Return a text of a stranger as `several_lines` does, with its addresses of pages as links.
    Each shows the whole address, and opens a window that knows nothing of this one."""
    shown, end = Markup(), 0
    for found in _ADDRESS.finditer(text):
        address = found[0].rstrip(_BEHIND_ADDRESS)
        if address.count("(") > address.count(")") and found[0][len(address) :].startswith(")"):
            address += ")"
        if sanitize(address) != address:
            continue
        shown += several_lines(text[end : found.start()]) + _LINK.format(address=address)
        end = found.start() + len(address)
    return shown + several_lines(text[end:])


def _written(value: object) -> object:
    """Make a value that a template writes safe to read. Markup is safe already."""
    is_plain = isinstance(value, str) and not isinstance(value, Markup)
    return sanitize(str(value)) if is_plain else value


def local(at: float, form: str) -> str:
    """Return a Unix time in the zone of this machine, as `strftime` writes it."""
    return format(_when(at), form)


def _when(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at).astimezone()


def _source(name: str) -> str:
    return _LAYOUT.sub("", (_TEMPLATES / name).read_text(encoding="utf-8"))


ENVIRONMENT: Final = Environment(
    loader=FunctionLoader(_source),
    autoescape=True,
    finalize=_written,
    undefined=StrictUndefined,
    auto_reload=False,
)
"""The templates, each compiled once."""
ENVIRONMENT.globals["asset"] = ASSETS.link
ENVIRONMENT.filters |= {
    "iso": lambda at: _when(at).isoformat(),
    "lines": several_lines,
    "local": local,
    "pictured": lambda name: ending(name) in _PICTURES,
    "said": with_links,
    "size": size_shown,
    "untouched": escape,  # for what a browser sends back as it is
}


def compile_templates(folder: str) -> None:
    """Compile the templates of one kind of pages, so that no visitor waits for that."""
    for path in (_TEMPLATES / folder).iterdir():
        ENVIRONMENT.get_template(f"{folder}/{path.name}")


class LineWords(NamedTuple):
    """What stands at lines of a conversation, and where a line of the reader's own is changed."""

    edited: str
    taken_back: str
    change: str
    """The link to change a line; empty where none can be changed."""
    heading: str
    save: str
    retract: str
    cancel: str
    address: str = "change"
    save_at: str = "change"
    retract_at: str = "retract"
    back: str = "./"
    """The address of the conversation."""
    files_at: str = "file/"
    """The address of files, in front of what names one."""
    show: str = ""
    """What opens a picture."""


def macro(template: str, name: str, *values: object) -> Markup:
    """Return what a macro of a template writes."""
    written: Markup = getattr(ENVIRONMENT.get_template(template).module, name)(*values)
    return written


def page(
    template: str,
    *,
    title: str,
    language: str = "en",
    direction: str = "ltr",
    kind: str,
    status: int = 200,
    **values: object,
) -> HTMLResponse:
    """Return a page. `kind`: its class for the style sheet. `values`: what its template names."""
    html = ENVIRONMENT.get_template(template).render(
        title=title, language=language, direction=direction, kind=kind, **values
    )
    return HTMLResponse(html, status)
