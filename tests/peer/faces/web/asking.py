"""Requests to an ASGI application without a server or a socket."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message, Scope

HOST: Final = "desk.example"
CLIENT: Final = "192.0.2.7"


class Answer:
    """What the application has answered."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.cookies: list[str] = []
        self.body = b""

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(
    app: ASGIApp,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    body: Sequence[bytes] = (),
    client: str = CLIENT,
    scheme: str = "http",
    origin: str | None = f"http://{HOST}",
) -> Answer:
    """Send one request. `fields`: those of a form, which is posted. `body`: the pieces of another
    body."""
    sent = {"host": HOST}
    if fields is not None:
        method, body = "POST", (urlencode(fields).encode(),)
        sent["content-type"] = "application/x-www-form-urlencoded"
    if method == "POST" and origin is not None:
        sent["origin"] = origin
    sent.update(headers or {})
    scope = scope_of(path, method=method, headers=sent, client=client, scheme=scheme)
    pieces = list(body) or [b""]
    answer = Answer()

    async def receive() -> Message:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            for name, value in message["headers"]:
                answer.headers[name.decode()] = value.decode()
                if name == b"set-cookie":
                    answer.cookies.append(value.decode())
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


def scope_of(
    path: str,
    *,
    headers: Mapping[str, str],
    method: str = "GET",
    client: str = CLIENT,
    scheme: str = "http",
) -> Scope:
    """What a server tells an application of a request."""
    address, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": address,
        "raw_path": address.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": (client, 40_000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
