"""The frame of every page, and the files that pages load."""

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from chatapp.peer.faces.web.html import Html, element, fragment

_FOLDER: Final = Path(__file__).with_name("assets")
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


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


def document(
    *,
    title: str,
    language: str,
    body: Html,
    scripts: tuple[str, ...] = (),
    styles: tuple[str, ...] = (),
    refresh: int | None = None,
    again: str = "",
    redirect: str = "",
    kind: str = "",
    direction: str = "ltr",
    status: int = 200,
) -> HTMLResponse:
    """Return a page. `scripts`, `styles`: names of files, beside the style sheet of all pages.
    `refresh`: seconds after which the browser loads the page again, unless a script keeps it up to
    date. `again`: the address that it loads then, if it is another one. `redirect`: the page that a
    browser opens instead at once. `kind`: a class of the page for the style sheet."""
    head = fragment(
        element("meta", charset="utf-8"),
        element("title", title),
        element(
            "meta",
            name="viewport",
            content="width=device-width, initial-scale=1, viewport-fit=cover",
        ),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="robots", content="noindex"),
        element("link", rel="icon", href=ASSETS.link("icon.svg"), type="image/svg+xml"),
        element("link", rel="stylesheet", href=ASSETS.link("desk.css")),
        [element("link", rel="stylesheet", href=ASSETS.link(name)) for name in styles],
        [element("script", src=ASSETS.link(name), defer=True) for name in scripts],
        _again(refresh, again, has_script=bool(scripts)) if refresh else None,
        element("meta", http_equiv="refresh", content=f"0; url={redirect}") if redirect else None,
    )
    page = element(
        "html",
        element("head", head),
        element("body", body, class_=kind or None),
        lang=language,
        dir=direction,
    )
    return HTMLResponse(f"<!doctype html>{page}", status)


def _again(seconds: int, address: str, *, has_script: bool) -> Html:
    content = f"{seconds}; url={address}" if address else seconds
    refresh = element("meta", http_equiv="refresh", content=content)
    return element("noscript", refresh) if has_script else refresh
