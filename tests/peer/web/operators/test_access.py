"""Who may open the operator's page: the token, the cookie, the host and the origin."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatapp.peer.core import events as happened
from chatapp.peer.web.operators.access import KEY_FILE, Access, access_of
from chatapp.peer.web.operators.app import OperatorApp
from chatapp.peer.web.operators.desk import OperatorDesk
from chatapp.peer.web.operators.pages import parts
from chatapp.peer.web.operators.view import OperatorView
from chatapp.testing import Town
from tests.peer.web.asking import Answer, ask

HOST = "127.0.0.1:8081"
ACCESS = Access(b"s" * 32)
PAGE = f"/{ACCESS.page}"


def test_the_secret_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    made = access_of(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert (access_of(tmp_path).token, access_of(tmp_path).cookie) == (made.token, made.cookie)
    (tmp_path / KEY_FILE).write_bytes(b"damaged")
    assert access_of(tmp_path).token != made.token


def test_the_token_and_the_cookie_do_not_stand_for_each_other() -> None:
    assert ACCESS.is_token(ACCESS.token)
    assert not ACCESS.is_token(ACCESS.cookie)
    for wrong in ("", "é", ACCESS.token[:-1], Access(b"o" * 32).token):
        assert not ACCESS.is_token(wrong)
    assert not ACCESS.is_cookie(None)
    assert not ACCESS.is_cookie(ACCESS.cookie)
    assert ACCESS.is_page(ACCESS.page)
    for wrong in ("", "é", ACCESS.token, ACCESS.cookie, Access(b"o" * 32).page):
        assert not ACCESS.is_page(wrong)


@pytest.fixture
async def app() -> AsyncIterator[OperatorApp]:
    """The page of somebody who is no operator, in virtual time."""
    async with Town() as town:
        desk = OperatorDesk(await town.peer("bob"), is_shared=False)
        yield OperatorApp(desk, ACCESS, hosts=[HOST], port=8081)
        await desk.close()


async def asked(app: OperatorApp, path: str = f"{PAGE}/", *, cookie: str = "", **more: str) -> Answer:
    """Ask as a browser does; a `fields` of forms is empty."""
    headers = {"host": HOST, **({"cookie": f"chatapp-operator-8081={cookie}"} if cookie else {}), **more}
    is_form = "/do/" in path
    return await ask(app.asgi, path, headers=headers, fields={} if is_form else None, origin=f"http://{HOST}")


async def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(app: OperatorApp) -> None:
    answer = await asked(app, f"/?token={ACCESS.token}")
    assert (answer.status, answer.headers["location"]) == (303, f".{PAGE}/")
    (cookie,) = answer.cookies
    assert ACCESS.token not in cookie
    assert {"httponly", "samesite=strict", "path=/"} <= set(cookie.lower().split("; "))
    page = await asked(app, cookie=ACCESS.cookie)
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert ACCESS.token not in page.text


@pytest.mark.parametrize(
    "path",
    [
        f"{PAGE}/",
        "/",
        "/?token=",
        "/?token=wrong",
        f"/?token={ACCESS.cookie}",
        f"{PAGE}/do/on",
        "/wrong/do/on",
    ],
)
async def test_without_them_there_is_one_clear_page(app: OperatorApp, path: str) -> None:
    for cookie in ("", "wrong", ACCESS.token, Access(b"o" * 32).cookie):
        answer = await asked(app, path, cookie=cookie)
        assert answer.status == 403
        assert "Open the address that ChatApp web --as has printed" in answer.text
        assert answer.cookies == []


@pytest.mark.parametrize("path", ["/", "/wrong/", f"/{ACCESS.token}/", f"/{ACCESS.cookie}/"])
async def test_the_cookie_alone_which_other_ports_see_opens_nothing(app: OperatorApp, path: str) -> None:
    answer = await asked(app, path, cookie=ACCESS.cookie)
    assert answer.status == 403
    assert ACCESS.page not in f"{answer.headers} {answer.text}"
    assert (await asked(app, f"{path.rstrip('/')}/do/on", cookie=ACCESS.cookie)).status in (403, 404)
    stream = await asked(app, "/wrong/events", cookie=ACCESS.cookie)
    assert stream.text == 'id: \ndata: {"locked": true}\n\n'


async def test_a_wrong_token_does_not_use_the_cookie(app: OperatorApp) -> None:
    assert (await asked(app, "/?token=wrong", cookie=ACCESS.cookie)).status == 403


async def test_another_host_or_site_is_refused_even_with_the_cookie(app: OperatorApp) -> None:
    rebound = await asked(app, cookie=ACCESS.cookie, host="evil.example:8081")
    assert rebound.status == 421
    foreign = await asked(app, f"{PAGE}/do/on", cookie=ACCESS.cookie, origin="http://evil.example")
    assert foreign.status == 403
    assert "another site" in foreign.text
    assert (await asked(app, f"{PAGE}/do/on", cookie=ACCESS.cookie)).status == 303


async def test_a_stream_without_the_cookie_tells_nothing_but_that(app: OperatorApp) -> None:
    answer = await asked(app, f"{PAGE}/events")
    assert answer.text == 'id: \ndata: {"locked": true}\n\n'


async def test_a_fault_behind_the_page_is_logged_and_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(view: OperatorView, event: happened.Event, *, at: float) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(OperatorView, "handle", handle)
    async with Town() as town:
        bob = await town.peer("bob")
        desk = OperatorDesk(bob, is_shared=False)
        bob.enter_room("lab")
        while not desk.view.is_faulty:
            await desk.news(within=1)
        assert "A fault of the program" in parts(desk.view)["state"]
        await desk.close()
    assert "fault of the operator's page: ZeroDivisionError()" in caplog.text


async def test_a_form_that_makes_no_sense_is_answered_with_one_line(app: OperatorApp) -> None:
    answer = await asked(app, f"{PAGE}/do/end", cookie=ACCESS.cookie)
    assert (answer.status, answer.text) == (422, "This page is out of date: reload it.")
