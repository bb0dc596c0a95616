"""A person's own page against whoever reaches its port, other sites, a hostile browser, and hostile
text."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from starlette.types import Message

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.files import FileState, FileTransfer, FileTrouble
from chatapp.peer.faces.web.entrance import Access
from chatapp.peer.faces.web.limits import (
    BODY_MAX,
    LINES_SHOWN,
    STREAMS_PER_SESSION,
    WINDOW_STAYS,
    WINDOWS_MAX,
)
from chatapp.peer.faces.web.members.actions import ACTIONS
from chatapp.peer.faces.web.members.app import MemberApp
from chatapp.peer.faces.web.members.pages import Page, Sent
from chatapp.peer.faces.web.members.window import Window
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.rpc.place import Offer
from chatapp.peer.words import members as words
from tests.peer.faces.web.asking import Answer, ask, scope_of
from tests.peer.faces.windows import until
from tests.peer.village import Village, village  # noqa: F401
from tests.support.nodes import node_of

HOST: Final = "127.0.0.1:8082"
ACCESS: Final = Access()
PAGE: Final = f"/{ACCESS.page}"
HOSTILE: Final = '</p><script>alert(1)</script><a href="javascript:alert(2)" onclick=x>'


class Browser:
    """A browser that has entered."""

    def __init__(self, app: MemberApp, windows: OpenWindows, window: Window) -> None:
        self.app, self.windows, self.window = app, windows, window
        self.cookie = ACCESS.cookie
        self.path: Final = f"{PAGE}/{window.number}"

    async def ask(self, path: str, **how: Any) -> Answer:
        headers = {"host": HOST, "cookie": f"{ACCESS.cookie_name}={self.cookie}"}
        how = {"origin": f"http://{HOST}", **how}
        return await ask(self.app.asgi, path, headers=headers | how.pop("headers", {}), **how)

    async def post(self, verb: str, **fields: str) -> Answer:
        return await self.ask(f"{self.path}/do/{verb}", fields=fields)

    async def pieces(self, count: int, since: str = "") -> list[dict[str, Any]]:
        """Return the first pieces of a new stream. `since`: the last number that it has."""
        got: asyncio.Queue[str] = asyncio.Queue()
        is_gone = asyncio.Event()

        async def receive() -> Message:
            await is_gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message.get("body", b"").startswith(b"id: "):
                got.put_nowait(message["body"].decode().partition("data: ")[2])

        headers = {"host": HOST, "cookie": f"{ACCESS.cookie_name}={self.cookie}"}
        headers |= {"last-event-id": since} if since else {}
        scope = scope_of(f"{self.path}/events", headers=headers)
        stream = asyncio.create_task(self.app.asgi(scope, receive, send))
        taken = [json.loads(await got.get()) for _ in range(count)]
        is_gone.set()
        await stream
        return taken


@pytest_asyncio.fixture
async def browser(village: Village) -> AsyncIterator[Browser]:  # noqa: F811
    """Alice's browser."""
    async with village.peer("alice") as alice:
        await alice.ready()
        with contextlib.closing(Offer(alice)):
            windows = OpenWindows(lambda: alice.name, Path(alice.folder).parents[1])
            app = MemberApp(windows, ACCESS, hosts=[HOST], entered=lambda: None)
            browser = Browser(app, windows, await windows.open())
            browser.alice = alice  # type: ignore[attr-defined]
            yield browser
            await windows.close()


def tell(browser: Browser, count: int, text: str = HOSTILE) -> None:
    """Let somebody who claims to be mallory have said something, so many times."""
    what = person("mallory", is_claimed=True)
    said = [
        events.Said(
            conversation=what, id=900 + at, sender="mallory", identity=b"m" * 32, number=1 + at,
            text=f"{text} {at}", at=1.0, doubt=events.AuthorDoubt.NOT_IN_TABLE,
        )
        for at in range(count)
    ]  # fmt: skip
    node_of(browser.alice).tell(said)  # type: ignore[attr-defined]


async def reads_them(browser: Browser, count: int) -> None:
    """Open the conversation with them."""
    tell(browser, count)
    view = browser.window.view
    await until(lambda: any(row.unread == count for row in view.rows()))
    assert (await browser.post("move", news="1")).status == 303
    await until(lambda: view.open_pane.is_loaded and len(view.open_pane.log) >= count)


async def test_without_cookie_and_path_there_is_one_page(browser: Browser) -> None:
    for cookie, page in ((Access().cookie, PAGE), ("", PAGE), (ACCESS.cookie, f"/{Access().page}")):
        browser.cookie = cookie
        for path in (f"{page}/", f"{page}/1/", f"{page}/1/log"):
            answer = await browser.ask(path)
            assert (answer.status, answer.cookies) == (403, [])
            assert "This page is locked" in answer.text
        for verb in ACTIONS:
            assert (await browser.ask(f"{page}/1/do/{verb}", fields={})).status == 403
        stream = await browser.ask(f"{page}/1/events")
        assert stream.text == 'id: \ndata: {"locked": true}\n\n'
    assert len(browser.windows) == 1


async def test_other_sites_and_names_are_refused_even_with_the_cookie(browser: Browser) -> None:
    path = f"{browser.path}/do/say"
    foreign = await browser.ask(path, fields={"text": "x"}, origin="http://evil.example")
    unnamed = await browser.ask(path, fields={"text": "x"}, origin=None)
    rebound = await browser.ask(f"{browser.path}/", headers={"host": "evil.example:8082"})
    assert (foreign.status, unnamed.status, rebound.status) == (403, 403, 400)
    assert not browser.window.view.lines


@pytest.mark.parametrize(
    ("verb", "fields", "status"),
    [
        ("nothing", {}, 422),
        ("open", {"with": "person:"}, 422),
        ("open", {"with": "room:../../etc"}, 422),
        ("open", {"with": "claimed:" + "x" * 505}, 413),
        ("say", {"text": "x", "with": "void"}, 422),
        ("say", {"text": "x", "with": "start", "about": "e" + "9" * 400}, 303),
        ("choose", {"line": "-1"}, 422),
        ("choose", {"line": "9" * 18}, 303),
        ("about", {"what": "r"}, 303),
        ("about", {"what": HOSTILE}, 303),
        ("seen", {"upto": "two"}, 422),
        ("panel", {"name": "why", "about": "first"}, 422),
        ("panel", {"name": "number", "about": HOSTILE}, 303),
        ("panel", {"name": "__class__"}, 303),
        ("find", {"with": "everybody", "id": "9"}, 422),
        ("trust", {"about": "nobody", "digits": "1"}, 303),
        ("join", {"room": "a b c\n/quit"}, 422),
        ("leave", {"room": HOSTILE}, 422),
        ("file", {}, 422),
        ("file", {"accept": "../1"}, 422),
        ("file", {"accept": "9"}, 303),
        ("file", {"pause": "9" * 18}, 303),
        ("panel", {"name": "files", "about": HOSTILE}, 303),
        ("move", {"gap": "1"}, 303),
    ],
)
async def test_a_form_that_makes_no_sense_does_nothing(
    browser: Browser, verb: str, fields: dict[str, str], status: int
) -> None:
    answer = await browser.post(verb, **fields)
    assert (answer.status, answer.text.count("\n")) in ((status, 0), (status, 1))
    await browser.pieces(1)
    home = await browser.ask(f"{browser.path}/")
    assert home.status == 200
    assert "<script>alert" not in home.text
    assert not browser.window.is_over


async def test_hostile_text_stays_text(browser: Browser) -> None:
    await reads_them(browser, 2)
    await browser.post("panel", name="search", about=HOSTILE)
    for path in ("/", "/log"):
        page = await browser.ask(f"{browser.path}{path}")
        assert "alert(1)&lt;/script&gt;" in page.text
        assert "<script>alert" not in page.text
        assert '<a href="javascript' not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
    (piece,) = await browser.pieces(1)
    assert "<script>alert" not in json.dumps([piece["parts"], piece["lines"]])


async def test_a_hostile_name_of_a_file_stays_text(browser: Browser) -> None:
    await reads_them(browser, 1)
    file = FileTransfer(
        number=1, id=900, conversation=person("mallory", is_claimed=True), sender=HOSTILE,
        name=HOSTILE, size=1, is_ours=False, state=FileState.FAILED,
        trouble=FileTrouble.OWN_DISK, detail=HOSTILE, path=HOSTILE,
    )  # fmt: skip
    await browser.post("panel", name="files")
    node_of(browser.alice).tell([events.FileChanged(file=file)])  # type: ignore[attr-defined]
    await until(lambda: browser.window.view.transfers.find(900) is not None)
    (piece,) = await browser.pieces(1)
    shown = json.dumps([piece["parts"]["panel"], piece["lines"]])
    assert shown.count('name=\\"resume\\"') == 2
    assert "<script>alert" not in shown
    assert "<a href=" not in piece["parts"]["panel"]


async def test_a_stream_that_was_cut_goes_on_where_it_was(browser: Browser) -> None:
    await reads_them(browser, 3)
    (whole,) = await browser.pieces(1)
    assert len(whole["lines"]) == len(whole["keys"]) >= 3
    tell(browser, 4)  # one of them is new
    await until(lambda: len(browser.window.view.open_pane.log) > len(whole["keys"]))
    (rest,) = await browser.pieces(1, since=str(whole["version"]))
    assert len(rest["keys"]) == len(whole["keys"]) + 1
    assert set(rest["lines"]) <= {str(key) for key in rest["keys"][-2:]}


async def test_what_changes_nothing_on_the_page_is_not_told(browser: Browser) -> None:
    await reads_them(browser, 1)
    window, sent = browser.window, Sent()

    def news(since: int) -> dict[str, Any]:
        page = Page(window, now=asyncio.get_running_loop().time(), wall=0.0)
        return page.news(since=since, sent=sent) or {}

    before = window.version
    assert len(news(0)["lines"]) == 1
    window.changed()
    assert news(before) == {}
    before = window.version
    window.put_panel("places")
    assert list(news(before)["parts"]) == ["panel"]
    # A row that goes and comes back is told again: the page has removed it.
    (key,) = (key for key in sent.rows if "mallory" in key)
    others = [row for row in window.view.rows() if "mallory" not in str(row.conversation)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window.view, "rows", lambda: others)
        assert key not in news(window.version)["rows"]
    told = news(window.version)
    assert key in told["rows"]
    assert key in told["row"]


async def test_a_line_that_the_user_is_about_to_see_is_not_counted(browser: Browser) -> None:
    await reads_them(browser, 1)
    window = browser.window
    stream, log = window.streams.enter(), window.view.open_pane.log

    def unread() -> int:
        (row,) = (row for row in window.view.rows() if row.is_open)
        return row.unread

    async def comes(count: int) -> None:
        before = len(log)
        tell(browser, count)  # one of them is new
        await until(lambda: len(log) > before)

    for count, looking, has_end, expected in (
        (2, "1", True, 0),
        (3, "1", False, 2),
        (4, "0", True, 3),
    ):
        keys = [line.key for line in window.lines()]
        await browser.post("seen", upto=str(keys[-1] if has_end else keys[0]), looking=looking)
        await comes(count)
        assert (looking, has_end, unread()) == (looking, has_end, expected)
    window.streams.exit(stream)


async def test_windows_streams_lines_and_bytes_are_bounded(browser: Browser) -> None:
    stream = browser.window.streams
    watching = [stream.enter() for _ in range(STREAMS_PER_SESSION + 1)]
    assert [stream.is_served(one) for one in watching[:2]] == [False, True]
    stream.clear()
    assert (await browser.post("typing", text="x" * (BODY_MAX + 1))).status == 413
    for _ in range(WINDOWS_MAX + 2):
        assert (await browser.ask(f"{PAGE}/")).status == 303
    assert len(browser.windows) == WINDOWS_MAX
    gone = await browser.ask(f"{browser.path}/?with=everybody")
    assert (gone.status, gone.headers["location"]) == (303, "../?with=everybody")
    late = await browser.post("say", text="hello", **{"with": "everybody"})
    assert (late.status, late.text) == (410, words.GONE)
    assert len(browser.windows) == WINDOWS_MAX


async def test_a_long_log_is_shown_in_part(browser: Browser) -> None:
    await reads_them(browser, LINES_SHOWN + 20)
    (piece,) = await browser.pieces(1)
    assert len(piece["keys"]) == LINES_SHOWN
    assert "Earlier messages" in piece["parts"]["above"]
    await browser.post("move", older="1")
    (piece,) = await browser.pieces(1)
    assert len(piece["keys"]) > LINES_SHOWN


async def test_a_line_that_comes_twice_is_said_once(browser: Browser) -> None:
    for _ in range(2):
        await browser.post("say", text="/nonsense", key="7", **{"with": "start"})
    log = browser.window.view.open_pane.log
    await until(lambda: any("nonsense" in entry.text for entry in log.entries))
    assert not browser.window.view.is_saying
    assert sum("nonsense" in entry.text for entry in log.entries) == 1


async def test_a_window_that_no_browser_shows_is_closed(browser: Browser) -> None:
    other = await browser.windows.open()
    watching = other.streams.enter()
    for window in (other, browser.window):
        window.seen_at -= WINDOW_STAYS
    browser.windows.sweep()
    assert browser.windows.known(other.number) is other
    assert browser.windows.known(browser.window.number) is None
    other.streams.exit(watching)
    other.seen_at -= WINDOW_STAYS
    browser.windows.sweep()
    assert len(browser.windows) == 0
