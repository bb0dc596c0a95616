"""The stream of news to a window of the operator's page, without a browser: what each piece has,
and when it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from msgspec.structs import replace
from starlette.types import Message

from chatapp.peer.api import events
from chatapp.peer.faces.web.entrance import Access
from chatapp.peer.faces.web.limits import STREAM_SIGN_OF_LIFE
from chatapp.peer.faces.web.operators.app import OperatorApp
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.testing import Town
from tests.peer.faces.web.asking import scope_of
from tests.support.visits import CAME, line_of, settled

HOST: Final = "127.0.0.1:8081"
ACCESS: Final = Access()
ASHA: Final = replace(CAME, name="Asha <Rao>")


class Stream:
    """One window."""

    def __init__(self, app: OperatorApp) -> None:
        self._pieces: asyncio.Queue[str] = asyncio.Queue()
        self._is_gone = asyncio.Event()
        headers = {"host": HOST, "cookie": f"{ACCESS.cookie_name}={ACCESS.cookie}"}
        scope = scope_of(f"/{ACCESS.page}/events", headers=headers)
        self.task: Final = asyncio.ensure_future(app.asgi(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message.get("body"):
            self._pieces.put_nowait(message["body"].decode())

    async def piece(self) -> str:
        return await self._pieces.get()

    async def news(self) -> dict[str, Any]:
        """The next event; comments are skipped."""
        while not (piece := await self.piece()).startswith("id: "):
            pass
        number, data = piece.removesuffix("\n\n").split("\ndata: ")
        told: dict[str, Any] = json.loads(data)
        return told | {"number": int(number.removeprefix("id: "))}

    def is_idle(self) -> bool:
        return self._pieces.empty()

    async def close(self) -> None:
        self._is_gone.set()
        await self.task


@pytest.fixture
async def desk() -> AsyncIterator[OperatorDesk]:
    """The desk of a person, in virtual time, after everything that happened when they came in."""
    async with Town() as town:
        made = OperatorDesk(await town.peer("bob"), is_shared=False)
        while not made.view.is_here:
            await made.windows.news(within=1.0)
        yield made
        await made.close()


@asynccontextmanager
async def window(desk: OperatorDesk) -> AsyncIterator[Stream]:
    stream = Stream(OperatorApp(desk, ACCESS, hosts=[HOST], entered=lambda: None))
    yield stream
    await stream.close()


def happen(desk: OperatorDesk, *events: events.Event) -> None:
    for event in events:
        desk.view.handle(event, at=0.0)
    desk.windows.wake()


def said(text: str, position: int) -> events.Said:
    return line_of(ASHA.name, text, position, visit=ASHA.visit)


async def test_a_window_is_told_everything_and_then_what_has_changed(desk: OperatorDesk) -> None:
    async with window(desk) as stream:
        whole = await stream.news()
        assert (whole["visit"], whole["number"]) == (0, desk.view.version)
        assert {"title", "parts", "log"} <= set(whole)
        happen(desk, ASHA)
        came = await stream.news()
        assert came["visit"] == ASHA.visit
        assert "log" in came and "lines" not in came  # another conversation: the old one goes
        assert set(came["parts"]) < set(whole["parts"])
        assert "Asha &lt;Rao&gt;" in json.dumps(came["parts"])
        happen(desk, said("my <screen> is black", 1))
        first = await stream.news()
        assert "log" not in first
        ((_, line),) = first["lines"]
        assert "my &lt;screen&gt; is black" in line
        happen(desk, said("two", 2), said("three", 3))
        later = await stream.news()
        assert ["two" in line or "three" in line for _, line in later["lines"]] == [True, True]
        assert later["number"] > first["number"] > came["number"] > whole["number"]


async def test_a_line_whose_mark_changes_is_told_again_under_its_number(desk: OperatorDesk) -> None:
    async with window(desk) as stream:
        await stream.news()
        happen(desk, ASHA)
        await stream.news()
        desk.view.said("hello", at=0.0, number=1)
        desk.windows.wake()
        ((sent, before),) = (await stream.news())["lines"]
        happen(desk, settled(1, is_saved=True))
        ((again, after),) = (await stream.news())["lines"]
        assert sent == again
        assert before != after
        happen(desk, said("next", 1))
        assert len((await stream.news())["lines"]) == 1


async def test_a_window_that_opens_later_has_what_the_first_one_has(desk: OperatorDesk) -> None:
    async with window(desk) as first:
        await first.news()
        happen(desk, ASHA, said("one", 1))
        await first.news()
        async with window(desk) as second:
            whole = await second.news()
            assert whole["visit"] == ASHA.visit
            assert "one" in whole["log"]
            happen(desk, said("two", 2))
            assert (await first.news())["lines"] == (await second.news())["lines"]


async def test_a_quiet_stream_gives_signs_of_life_and_no_news(desk: OperatorDesk) -> None:
    async with window(desk) as stream:
        await stream.news()
        begin = asyncio.get_running_loop().time()
        for count in (1, 2):
            assert await stream.piece() == ":\n\n"
            assert asyncio.get_running_loop().time() - begin >= count * STREAM_SIGN_OF_LIFE
        assert stream.is_idle()


async def test_a_stream_ends_when_the_window_is_closed_and_when_the_desk_ends(
    desk: OperatorDesk,
) -> None:
    async with window(desk) as stream:
        await stream.news()
        assert len(desk.windows) == 1
    assert not desk.windows
    async with window(desk) as stream:
        await stream.news()
        desk.end_streams()
        await stream.task
        assert not desk.windows
