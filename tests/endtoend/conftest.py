"""Fixtures for end-to-end tests: each test has its own programs, or shares some that it leaves as
they were; they are gone at the end and have reported no error.

All these tests run in one event loop, to which the shared programs and the browser belong.
"""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
import pytest_asyncio

from tests.cast.people import Person
from tests.cast.stage import Stage, playing
from tests.cast.terminal import Open, Terminal
from tests.support.ports import free_port

if TYPE_CHECKING:
    from playwright.async_api import Browser

HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(autouse=True, scope="session")
def nobody_said_nohup() -> Iterator[None]:
    """Reset the signals that `nohup` ignores: a registry respects `nohup`, and inherits it from the
    test run."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> "AsyncIterator[Browser]":
    """One browser for all tests."""
    from playwright.async_api import async_playwright  # deferred: most tests need none

    from tests.cast.browser import CHROMIUM

    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


class Hall(NamedTuple):
    """A registry, and three people who know each other."""

    stage: Stage
    alice: Person
    bob: Person
    carol: Person

    @property
    def people(self) -> list[Person]:
        """All three."""
        return [self.alice, self.bob, self.carol]


@pytest.fixture(scope="module")
def is_forked() -> bool:
    """Whether programs are forked from one that has loaded ChatApp (`tests.cast.nursery`). Files
    about starts override it."""
    return True


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path, is_forked: bool) -> AsyncIterator[Stage]:
    """The programs of one test."""
    async with playing(tmp_path, is_forked=is_forked) as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled_hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    async with playing(tmp_path_factory.mktemp("hall"), is_forked=True) as stage:
        await stage.registry()
        yield Hall(stage, *await stage.welcome("alice", "bob", "carol"))


@pytest_asyncio.fixture(loop_scope="session")
async def hall(filled_hall: Hall) -> Hall:
    """A hall for tests that leave everybody there and online, who share it within a file. Nobody is
    in a room, and what was shown before is forgotten."""
    for person in filled_hall.people:
        for _ in range(2):
            await person.answer("/leave")
        person.forget()
    return filled_hall


@pytest_asyncio.fixture(loop_scope="session")
async def at_terminal(stage: Stage) -> AsyncIterator[Open]:
    """Open terminals with peers on them; all are closed at the end."""
    terminals: list[Terminal] = []

    async def open_one(
        name: str, *options: str, port: int | None = None, answers: bool = True, **environment: str
    ) -> Terminal:
        words = ["-c", name, "127.0.0.1", str(stage.port), str(port or free_port()), *options]
        if name in stage.codes:
            environment.setdefault("CHATAPP_CODE", stage.codes[name])
        terminal = await Terminal.open(
            *words, home=stage.folder / name, environment=environment, answers=answers
        )
        terminals.append(terminal)
        return terminal

    yield open_one
    for terminal in terminals:
        await terminal.clear_away()
