"""The programs of `docs/reference/sdk.md` run, as programs of their own, and print what the page says."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

import chatapp
from chatapp.peer.api import events
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village
from tests.support.nodes import node_of

__all__ = ["village"]

PAGE: Final = Path(__file__).parents[3] / "docs/reference/sdk.md"
PROGRAMS: Final = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
)
SAY, HEAR, READ, REFUSED = range(len(PROGRAMS))


class Program:
    """A running program of the page, with a folder of its own."""

    def __init__(self, village: Village, which: int) -> None:
        self._code = PROGRAMS[which].replace(
            '("192.0.2.1", 5000)', f'("127.0.0.1", {village.port})'
        )
        self._home = village.folder / "programs"

    async def __aenter__(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            self._code,
            env={**os.environ, "CHATAPP_HOME": str(self._home), "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return self._process

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


async def printed(village: Village, which: int) -> tuple[str, str]:
    """Run a program to its end; return what it wrote to standard output and to standard error."""
    async with Program(village, which) as process:
        out, err = await process.communicate()
    return out.decode(), err.decode()


async def test_they_say_something_and_read_the_past(village: Village) -> None:
    async with asyncio.timeout(WITHIN), village.peer("bob") as bob:
        assert await printed(village, SAY) == ("DELIVERED 1\n", "")
        assert (await next_of(bob, events.Said)).text == "hi"
        await outcome_of(await bob.send("alice", "tea?"))
        assert await printed(village, READ) == (
            "bob 1\n1 alice hi\n2 bob tea?\n0 older\n['tea?']\n",
            "",
        )
        assert (await printed(village, READ))[0].startswith("bob 0\n")  # it was marked as read


async def test_one_hears_what_happens(village: Village) -> None:
    async with (
        asyncio.timeout(WITHIN),
        village.peer("carol", rooms="lab") as carol,
        Program(village, HEAR) as it,
    ):
        await next_of(carol, events.MemberJoined)
        async with village.peer("bob") as bob:
            await bob.send("alice", "hello")
            await carol.say("lab", "hello, room")
            await node_of(bob).until(lambda core: core.is_settled)
            await node_of(carol).until(lambda core: core.is_settled)
            await bob.send("alice", "stop")
            out, err = await it.communicate()
    assert err == b""
    lines = set(out.decode().splitlines())
    assert {
        "bob is here",
        "bob in bob: hello",
        "carol in #lab: hello, room",
        "bob in bob: stop",
    } <= lines


async def test_one_is_told_that_the_name_is_taken(village: Village) -> None:
    async with asyncio.timeout(WITHIN), village.peer("alice"):
        assert await printed(village, REFUSED) == ("", "somebody else is alice\n")
    await village.close_registry()


@pytest.mark.parametrize("name", chatapp.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(chatapp, name) is not None
