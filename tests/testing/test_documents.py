"""The examples in the documents run."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatapp import events
from chatapp.testing import Town

HOWTO = Path(__file__).parents[2] / "docs/howto"


def examples(page: str) -> Iterator[Any]:
    """Yield the examples of a page."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (HOWTO / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    for number, block in enumerate(blocks, 1):
        yield pytest.param(block, id=f"{page}-{number}")


@pytest.mark.parametrize("code", [*examples("test-a-bot.md"), *examples("bots.md")])
async def test_an_example_runs(code: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    for name, value in names.items():
        if name.startswith("test_"):
            assert inspect.iscoroutinefunction(value)
            await value()


async def test_the_first_bot_of_the_page_answers() -> None:
    names: dict[str, Any] = {}
    exec(compile(next(examples("bots.md")).values[0], "example", "exec"), names)
    async with Town() as town:
        await town.bot(names["bot"], "echo")
        alice = await town.peer("alice")
        await alice.send("echo", "hello")
        assert (await town.event(alice, events.Said)).text == "hello"


async def test_the_second_bot_of_the_page_answers_and_chimes() -> None:
    names: dict[str, Any] = {}
    exec(compile(list(examples("bots.md"))[1].values[0], "example", "exec"), names)
    async with Town() as town:
        await town.bot(names["bot"], "clock", rooms="lab")
        alice = await town.peer("alice", rooms="lab")
        await alice.send("clock", "?who")
        assert (await town.event(alice, events.Said)).text == "alice, clock"
        chime = await town.event(alice, events.Said, within=3_700.0)
        assert chime.text == "Another hour has passed."
