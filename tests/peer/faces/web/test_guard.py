"""What every request must pass, and the headers of every answer."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from chatapp.peer.faces.web import limits
from chatapp.peer.faces.web.guard import HEADERS, POLICY, Guard, client_of
from chatapp.peer.faces.web.limits import UPLOAD_RATE_LEAST
from chatapp.testing.clock import VirtualClock
from tests.peer.faces.web.asking import HOST, ask, scope_of


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message["body"])
        more = message["more_body"]
    await PlainTextResponse(str(size))(scope, receive, send)


def guard(*, uploads: str | None = None) -> Guard:
    return Guard(echo, hosts=[HOST], read_clock=lambda: 0.0, uploads=uploads)


async def test_every_answer_has_the_headers() -> None:
    for answer in (
        await ask(guard()),
        await ask(guard(), method="PUT"),
        await ask(guard(), method="POST", origin=None),
    ):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["cache-control"] == "no-store"


def test_the_policy_allows_nothing_but_files_of_this_server() -> None:
    sources = {source for part in POLICY.split("; ") for source in part.split()[1:]}
    assert sources == {"'none'", "'self'"}
    assert POLICY.startswith("default-src 'none';")


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "https://desk.example",
        "http://evil.example",
        f"http://{HOST}:81",
        f"http://{HOST}.evil.example",
        f"http://evil.example/{HOST}",
        f"http://{HOST}@evil.example",
        "http://[",
    ],
)
async def test_posts_of_other_sites_are_refused(origin: str | None) -> None:
    assert (await ask(guard(), method="POST", origin=origin)).status == 403


async def test_posts_of_its_own_pages_pass() -> None:
    assert (await ask(guard(), method="POST", body=[b"ab", b"c"])).text == "3"
    own = {"sec-fetch-site": "same-origin"}
    assert (await ask(guard(), method="POST", headers=own)).status == 200
    secure = await ask(guard(), method="POST", scheme="https", origin=f"https://{HOST}")
    assert secure.status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_what_the_browser_says_of_the_sender_counts(site: str) -> None:
    assert (await ask(guard(), method="POST", headers={"sec-fetch-site": site})).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
async def test_other_methods_are_refused(method: str) -> None:
    answer = await ask(guard(), method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    "host",
    [
        HOST,
        f"{HOST}:8080",
        "DESK.example.",
        "localhost",
        "localhost:8080",
        "127.0.0.1:8080",
        "192.0.2.1",
        "[::1]:80",
    ],
)
async def test_its_own_names_and_ip_addresses_are_served(host: str) -> None:
    assert (await ask(guard(), headers={"host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        f"{HOST}.evil.example",
        f"evil.{HOST}",
        f"{HOST}:",
        f"{HOST}:x",
        "localhost@evil",
        "[evil]",
        "::1",
        "a b",
    ],
)
async def test_other_names_are_refused_in_one_line(host: str) -> None:
    answer = await ask(guard(), headers={"host": host})
    assert answer.status == 400
    assert answer.text == "No page is served under this name; --host NAME adds a name.\n"


async def test_a_body_has_a_limit_whether_it_says_its_length_or_not() -> None:
    most = limits.BODY_MAX
    assert (
        await ask(guard(), method="POST", headers={"content-length": str(most + 1)})
    ).status == 413
    assert (await ask(guard(), method="POST", headers={"content-length": "-1"})).status == 413
    assert (await ask(guard(), method="POST", body=[b"x" * most])).text == str(most)
    assert (await ask(guard(), method="POST", body=[b"x" * most, b"x"])).status == 413


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.faces.web.guard.BODY_WITHIN", 0.01)
    answers: list[int] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    headers = [(b"host", HOST.encode()), (b"origin", f"http://{HOST}".encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "headers": headers,
        "client": ("192.0.2.1", 1),
    }
    await guard()(scope, receive, send)
    assert answers == [408]


@pytest.mark.parametrize(
    ("path", "size", "status", "taken"),
    [("/", 1, 408, 2), ("/upload", 1, 408, 2), ("/upload", 3 * UPLOAD_RATE_LEAST, 408, 6),
     ("/upload", 4 * UPLOAD_RATE_LEAST, 200, 100)],
)  # fmt: skip
async def test_a_body_that_comes_byte_by_byte_is_given_up(
    monkeypatch: pytest.MonkeyPatch, path: str, size: int, status: int, taken: int
) -> None:
    """A piece each four seconds, of a form and of a file. A file may be as long as it is."""
    monkeypatch.setattr("chatapp.peer.faces.web.guard.BODY_WITHIN", 10.0)
    clock = VirtualClock()
    clock.start()
    pieces = 0

    async def receive() -> Message:
        nonlocal pieces
        await asyncio.sleep(4.0)
        pieces += 1
        return {"type": "http.request", "body": bytes(size), "more_body": pieces < 100}

    answers: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    scope = scope_of(path, method="POST", headers={"host": HOST, "origin": f"http://{HOST}"})
    try:
        await guard(uploads="/upload")(scope, receive, send)
    finally:
        await clock.stop()
    assert (answers, pieces) == ([status], taken)


async def test_each_address_has_its_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.faces.web.guard.REQUESTS_BURST", 3.0)
    app = guard()
    assert [(await ask(app)).status for _ in range(4)] == [200, 200, 200, 429]
    assert (await ask(app, client="192.0.2.8")).status == 200


def test_addresses_are_counted_by_their_networks() -> None:
    for address, network in (
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ):
        assert client_of({"type": "http", "client": (address, 1)}) == network
