"""Who may open a person's own page: the token, the cookie, the host and the origin."""

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

import pytest

from chatapp.peer.faces.web.entrance import Access
from chatapp.peer.faces.web.members.app import MemberApp
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.wire.names import PeerName
from tests.peer.faces.web.asking import Answer, ask

HOST = "127.0.0.1:8081"
ACCESS = Access()
FORMER = Access()
"""That of an earlier run."""
PAGE = f"/{ACCESS.page}"


def test_nothing_of_a_run_is_that_of_another_run() -> None:
    for secret in ("token", "cookie_name", "cookie", "page", "proof_key"):
        assert getattr(ACCESS, secret) != getattr(FORMER, secret)


def test_the_token_and_the_cookie_do_not_stand_for_each_other() -> None:
    access = Access()
    for wrong in ("", "é", access.cookie, access.page, access.token[:-1], FORMER.token):
        assert not access.use_token(wrong)
    assert not access.is_cookie(None)
    assert not access.is_cookie(access.cookie)
    assert access.is_page(access.page)
    for wrong in ("", "é", access.token, access.cookie, FORMER.page):
        assert not access.is_page(wrong)


def test_a_token_is_for_one_use() -> None:
    access = Access()
    used = access.token
    assert access.use_token(used)
    assert not access.use_token(used)
    assert access.token != used
    assert access.use_token(access.token)


@pytest.fixture
async def app(tmp_path: Path) -> MemberApp:
    """The page of a person whose program does not run."""
    return app_of(tmp_path, ACCESS)


def app_of(home: Path, access: Access, entered: Callable[[], None] = lambda: None) -> MemberApp:
    windows = OpenWindows(lambda: PeerName("bob"), home)
    return MemberApp(windows, access, hosts=[HOST], start="?with=desk", entered=entered)


async def asked(app: MemberApp, path: str = f"{PAGE}/", *, cookie: str = "", **more: str) -> Answer:
    """Ask as a browser does; a `fields` of forms is empty."""
    headers = {
        "host": HOST,
        **({"cookie": f"{ACCESS.cookie_name}={cookie}"} if cookie else {}),
        **more,
    }
    is_form = "/desk/" in path
    return await ask(
        app.asgi, path, headers=headers, fields={} if is_form else None, origin=f"http://{HOST}"
    )


def named(path: str) -> str:
    """Fill the secrets of this run into a path."""
    return path.format(page=ACCESS.page, cookie=ACCESS.cookie, token=ACCESS.token)


async def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(app: MemberApp) -> None:
    token = ACCESS.token
    answer = await asked(app, f"/?token={token}")
    assert (answer.status, answer.headers["location"]) == (303, f"{PAGE}/?with=desk")
    (cookie,) = answer.cookies
    assert token not in cookie
    assert cookie.startswith(f"{ACCESS.cookie_name}={ACCESS.cookie}; ")
    assert {"httponly", "samesite=strict", f"path={PAGE}/"} <= set(cookie.lower().split("; "))
    page = await asked(app, cookie=ACCESS.cookie)
    assert (page.status, token in page.text) == (503, False)  # let in, and nobody is there
    again = await asked(app, f"/?token={token}")
    assert (again.status, again.cookies) == (403, [])


async def test_each_browser_that_enters_is_told_to_the_operator_with_the_next_token(
    tmp_path: Path,
) -> None:
    access, entered = Access(), list[str]()
    app = app_of(tmp_path, access, lambda: entered.append(access.token))
    first = access.token
    assert (await asked(app, "/?token=wrong")).status == 403
    assert entered == []
    assert (await asked(app, f"/?token={first}")).status == 303
    assert entered == [access.token] != [first]


async def test_looking_at_the_address_without_opening_it_does_not_use_it_up(
    app: MemberApp,
) -> None:
    path = f"/?token={ACCESS.token}"
    looked = await ask(app.asgi, path, headers={"host": HOST}, method="HEAD")
    assert (looked.status, looked.cookies) == (403, [])
    assert (await asked(app, path)).status == 303


async def test_cookie_and_path_of_an_earlier_run_open_nothing(app: MemberApp) -> None:
    shown = f"{FORMER.cookie_name}={FORMER.cookie}"
    for path in (f"/{FORMER.page}/", f"{PAGE}/", f"/?token={FORMER.token}"):
        answer = await ask(app.asgi, path, headers={"host": HOST, "cookie": shown})
        assert (answer.status, answer.cookies) == (403, [])


async def test_the_program_proves_to_its_pages_that_it_is_theirs(app: MemberApp) -> None:
    proof = await asked(app, "/proof?nonce=1b9d6bcd")
    assert proof.text == hmac.new(ACCESS.proof_key, b"1b9d6bcd", hashlib.sha256).hexdigest()
    assert (await asked(app, "/proof")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/{page}/",
        "/",
        "/?token=",
        "/?token=wrong",
        "/?token={cookie}",
        "/{page}/1/desk/on",
        "/wrong/1/desk/on",
    ],
)
async def test_without_them_there_is_one_clear_page(app: MemberApp, path: str) -> None:
    for cookie in ("", "wrong", ACCESS.token, FORMER.cookie):
        answer = await asked(app, named(path), cookie=cookie)
        assert answer.status == 403
        assert "Open the address that ChatApp has printed" in answer.text
        assert answer.cookies == []


@pytest.mark.parametrize("path", ["/", "/wrong/", "/{token}/", "/{cookie}/"])
async def test_the_cookie_alone_which_other_ports_see_opens_nothing(
    app: MemberApp, path: str
) -> None:
    path = named(path)
    answer = await asked(app, path, cookie=ACCESS.cookie)
    assert answer.status == 403
    assert ACCESS.page not in f"{answer.headers} {answer.text}"
    assert (await asked(app, f"{path.rstrip('/')}/1/desk/on", cookie=ACCESS.cookie)).status in (
        403,
        404,
    )
    stream = await asked(app, "/wrong/1/events", cookie=ACCESS.cookie)
    assert stream.text == 'id: \ndata: {"locked": true}\n\n'


async def test_a_wrong_token_does_not_use_the_cookie(app: MemberApp) -> None:
    assert (await asked(app, "/?token=wrong", cookie=ACCESS.cookie)).status == 403


async def test_another_host_or_site_is_refused_even_with_the_cookie(app: MemberApp) -> None:
    rebound = await asked(app, cookie=ACCESS.cookie, host="evil.example:8081")
    assert rebound.status == 400
    foreign = await asked(
        app, f"{PAGE}/1/desk/on", cookie=ACCESS.cookie, origin="http://evil.example"
    )
    assert foreign.status == 403
    assert "another site" in foreign.text
    assert (await asked(app, f"{PAGE}/1/desk/on", cookie=ACCESS.cookie)).status == 410


async def test_a_stream_without_the_cookie_tells_nothing_but_that(app: MemberApp) -> None:
    answer = await asked(app, f"{PAGE}/1/events")
    assert answer.text == 'id: \ndata: {"locked": true}\n\n'
