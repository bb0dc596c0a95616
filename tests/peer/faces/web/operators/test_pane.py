"""The help desk on an operator's page: what the stream tells of it, what its forms do, and what a
hostile browser or visitor makes of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK
from chatapp.peer.faces.web.entrance import Access
from chatapp.peer.faces.web.members.app import MemberApp
from chatapp.peer.faces.web.members.window import Window
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.visitor import Visitor
from chatapp.peer.words import members as words
from tests.peer.faces.web.asking import HOST, Answer, ask
from tests.peer.faces.windows import until
from tests.peer.village import Village, village

__all__ = ["village"]

ACCESS: Final = Access()
PAGE: Final = f"/{ACCESS.page}"
HOSTILE: Final = "<script>alert(1)</script>"


class Pane:
    """Bob's page, and the visitor Asha Rao, who waits until he goes on duty."""

    def __init__(self, bob: Peer, visitor: Visitor, windows: OpenWindows, window: Window) -> None:
        self.bob, self.visitor, self.windows, self.window = bob, visitor, windows, window
        self._app: Final = MemberApp(windows, ACCESS, hosts=[HOST], entered=lambda: None)

    async def ask(self, path: str, **how: Any) -> Answer:
        headers = {"cookie": f"{ACCESS.cookie_name}={ACCESS.cookie}"} | how.pop("headers", {})
        path = f"{PAGE}/{self.window.number}/{path}"
        return await ask(self._app.asgi, path, headers=headers, **how)

    async def post(self, path: str, **fields: str) -> Answer:
        return await self.ask(path, fields=fields)

    async def shows(self, *texts: str) -> str:
        """Wait until the page shows all these texts, and return it."""
        page = ""
        while not all(text in page for text in texts):
            page = (await self.ask("")).text
            await asyncio.sleep(0.02)
        return page

    async def serves(self) -> int:
        """Go on duty; return the visit that comes."""
        await self.post("do/open", **{"with": "desk"})
        await until(lambda: self.window.desk is not None)
        assert (await self.post("desk/on")).status == 303
        await until(lambda: self.desk.view.visit != 0)
        return self.desk.view.visit

    @property
    def desk(self) -> OperatorDesk:
        assert self.window.desk is not None
        return self.window.desk

    async def says(self, text: str, **fields: str) -> Answer:
        return await self.post("do/say", **{"with": "desk", "text": text} | fields)

    async def until_asha_reads(self, text: str) -> None:
        def has_it(event: object) -> bool:
            return isinstance(event, events.Said) and event.text == text

        while not any(map(has_it, await self.visitor.next_events())):
            pass


@pytest_asyncio.fixture
async def pane(village: Village) -> AsyncIterator[Pane]:
    visitor, _ = await village.open_desk("bob")
    async with village.peer("bob") as bob:
        await bob.ready()
        with contextlib.closing(Offer(bob)):
            windows = OpenWindows(lambda: bob.name, Path(bob.folder).parents[1])
            yield Pane(bob, visitor, windows, await windows.open())
            await windows.close()
    await visitor.close(within=1.0)


async def test_a_visitor_is_served_in_the_page(pane: Pane) -> None:
    visit = str(await pane.serves())
    page = await pane.shows("Asha Rao", "+919876543210", f'name="visit" value="{visit}"')
    assert 'class="member desk serving"' in page
    for largest in (0, 5):  # without JavaScript there is a form for files where some are taken
        pane.desk.view.files_largest = largest
        assert ('id="file-given"' in (await pane.ask("")).text) is (largest > 0)
    for _ in range(2):  # a line that comes again under its key is said once
        assert (await pane.says("which book?", visit=visit, key="77")).status == 303
    await pane.until_asha_reads("which book?")
    pane.visitor.say(f"this one {HOSTILE}")
    page = await pane.shows("this one &lt;script&gt;", "mark saved")
    assert page.count("which book?") == 1
    assert 'data-key="77"' in page
    assert "<script>alert" not in page
    frame = (await pane.ask("log")).text  # without JavaScript
    assert "which book?" in frame and "this one &lt;script&gt;" in frame

    # A change, by the script and without it; a note; the end, which is asked for twice.
    line = next(one.said for one in pane.desk.view.lines if one.is_ours)
    part = await pane.ask(f"desk/change?line={line}", headers={"accept": "application/json"})
    alone = await pane.ask(f"desk/change?line={line}")
    assert part.text.startswith("<div")
    assert 'action="change"' in alone.text and "../?with=desk" in alone.text
    await pane.post("desk/change", line=str(line), text="which page?", visit=visit)
    await pane.shows("which page?", "(edited)")
    await pane.post("desk/note", visit=visit, text="lent two books")
    await pane.shows("Note about Asha Rao kept.")
    await pane.post("desk/end", visit=visit)
    await pane.shows("This talk ends in")
    await pane.post("desk/undo")
    assert "This talk ends in" not in (await pane.ask("")).text
    for _ in range(2):
        await pane.post("desk/end", visit=visit)
    await pane.shows("The session with Asha Rao has ended.", "No visitor")


async def test_a_line_goes_to_the_visitor_whom_the_page_showed_or_to_nobody(pane: Pane) -> None:
    visit = await pane.serves()
    for other in ("", "0"):
        refused = await pane.says("the secret of somebody else", visit=other)
        assert (refused.status, refused.text.count("\n")) == (422, 0)
    await pane.says("the secret of somebody else", visit=str(visit + 1))
    await pane.says("for Asha", visit=str(visit))
    await pane.until_asha_reads("for Asha")
    assert not any("secret" in one.text for one in pane.desk.view.lines)
    await pane.says(".note lent two books", visit=str(visit))
    await pane.shows("lent two books</textarea>")
    await pane.says("/nonsense", visit=str(visit))
    await pane.shows("Unknown command")
    await pane.post("desk/dismiss")
    assert "Unknown command" not in (await pane.ask("")).text
    assert [one.text for one in pane.desk.view.lines] == ["for Asha"]


async def test_all_windows_of_the_page_show_the_same_desk(pane: Pane) -> None:
    visit = await pane.serves()
    other = await pane.windows.open()
    other.runner.choose(DESK)
    await pane.says("hello", visit=str(visit))
    await until(lambda: other.desk is not None)
    assert other.desk is pane.desk
    assert [line.key for line in other.lines()] == [line.key for line in other.lines()]
    assert "hello" in other.lines()[0].html
    await pane.post("desk/end", visit=str(visit))
    assert other.desk.view.ending is not None


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("nothing", {}, 422),
        ("end", {}, 422),
        ("end", {"visit": "x" * 400}, 422),
        ("note", {"visit": "7", "text": "x" * 5_000}, 422),
        ("handover", {"visit": "7", "operator": HOSTILE}, 422),
        ("change", {"line": "1", "visit": "7", "text": "x"}, 409),
        ("retract", {"line": "9" * 400, "visit": "0"}, 409),
        ("past", {"name": HOSTILE}, 303),
        ("dismiss", {}, 303),
    ],
)
async def test_a_form_that_makes_no_sense_does_nothing(
    pane: Pane, path: str, fields: dict[str, str], status: int
) -> None:
    assert (await pane.post(f"desk/{path}", **fields)).status == 409  # the desk is not open there
    await pane.serves()
    answer = await pane.post(f"desk/{path}", **fields)
    assert (answer.status, answer.text.count("\n")) == (status, 0)
    assert "<script>alert" not in (await pane.ask("")).text
    assert pane.desk.view.ending is None


async def test_files_that_are_not_there_are_refused_in_one_line(pane: Pane) -> None:
    await pane.serves()
    for path in ("desk/file/9", f"desk/file/{'9' * 400}", "desk/file/1/2?show=1"):
        answer = await pane.ask(path)
        assert (answer.status, answer.text) == (404, "This page is out of date: reload it.")
    sent = {"content-type": "application/octet-stream", "content-length": "3"}
    upload = await pane.ask("desk/upload?name=a", method="POST", headers=sent, body=[b"abc"])
    assert (upload.status, upload.headers["connection"]) == (422, "close")


async def test_who_is_no_operator_has_no_desk(village: Village) -> None:
    async with village.peer("carol") as carol:
        await carol.ready()
        with contextlib.closing(Offer(carol)):
            windows = OpenWindows(lambda: carol.name, Path(carol.folder).parents[1])
            pane = Pane(carol, None, windows, await windows.open())  # type: ignore[arg-type]
            page = (await pane.ask("?with=desk")).text
            assert "You are not an operator of this help desk." in page
            assert 'class="member"' in page
            for verb in ("on", "next", "figures"):
                answer = await pane.post(f"desk/{verb}", visit="0")
                assert (answer.status, answer.text) == (409, words.NO_DESK)
            assert (await pane.ask("desk/change?line=1")).status == 409
            await windows.close()
