"""The registry's driver and real links: it carries out the core's outputs, and ignores links that are over."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from chatapp.registry.core import RegistryCore
from chatapp.registry.driver import RegistryDriver
from chatapp.registry.effects import LinkEndReason
from chatapp.registry.outputs import Output
from chatapp.wire.address import Address
from chatapp.wire.aio.link import TcpLink
from tests.support.memory_store import MemoryStore


class Core:
    """Says what a test has told it to say, once, and nothing else."""

    def __init__(self) -> None:
        self.says: dict[str, list[object]] = {}
        self.opened: list[int] = []

    def link_opened(self, number: int, remote: Address, *, now: float) -> None:
        self.opened.append(number)

    def next_timer(self) -> float:
        return float("inf")

    def take_links_to_widen(self) -> list[object]:
        return self.says.pop("links_to_widen", [])

    def take_output(self) -> Output:
        says = {name: self.says.pop(name, []) for name in Output._fields}
        return Output(**cast("dict[str, Any]", says))

    def __getattr__(self, name: str) -> Callable[..., list[object]]:
        return lambda *_, **__: self.says.pop(name, [])


class Line:
    """A link, as far as the shell knows it."""

    remote = Address("10.0.0.1", 40_000)

    def __init__(self) -> None:
        self.done: list[object] = []

    def __getattr__(self, name: str) -> Callable[..., bool]:
        def note(*what: Any) -> bool:
            self.done.append((name, *what) if what else name)
            return True

        return note


class Pump:
    """A shell with two links."""

    def __init__(self) -> None:
        self.core = Core()
        self.shell = RegistryDriver(
            asyncio.get_running_loop(), cast("RegistryCore", self.core), MemoryStore()
        )
        self.lines = [Line(), Line()]
        for line in self.lines:
            self.shell.link_opened(cast("TcpLink", line))

    async def turn(self, **says: list[object]) -> list[list[object]]:
        """The core says this in one turn; what is done with each link."""
        self.core.says = says
        self.shell.console_typed("")  # anything that wakes it
        await asyncio.sleep(0)
        done = [line.done for line in self.lines]
        for line in self.lines:
            line.done = []
        return done


@pytest.fixture
async def pump() -> Pump:
    return Pump()


async def test_a_link_that_floods_is_paused_and_read_on_from(pump: Pump) -> None:
    first, second = pump.core.opened
    assert await pump.turn(links_to_pause=[second]) == [[], ["pause_reading"]]
    assert await pump.turn(links_to_pause=[first], links_to_resume=[second]) == [
        ["pause_reading"],
        ["resume_reading"],
    ]


async def test_links_are_written_to_widened_and_closed(pump: Pump) -> None:
    first, second = pump.core.opened
    done = await pump.turn(
        link_writes=[(first, [b"hello"])],
        links_to_widen=[second],
        links_to_close=[(second, LinkEndReason.SILENT)],
    )
    assert done == [[("write", [b"hello"])], ["allow_full_frames", ("close", "silent")]]


async def test_nothing_is_done_with_links_that_are_over(pump: Pump) -> None:
    first, second = pump.core.opened
    pump.shell.link_closed(cast("TcpLink", pump.lines[1]), "gone")
    done = await pump.turn(
        link_writes=[(second, [b"hello"])],
        links_to_widen=[second],
        links_to_pause=[second, first],
        links_to_resume=[second],
        links_to_close=[(second, LinkEndReason.SILENT)],
    )
    assert done == [["pause_reading"], []]
    assert not pump.core.says
