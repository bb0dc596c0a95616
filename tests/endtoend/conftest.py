"""Fixtures for end-to-end tests: each test has its own programs, which are gone at its end and have
reported no error."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.cast.stage import Stage
from tests.cast.terminal import Open, Terminal
from tests.support.ports import free_port

if TYPE_CHECKING:
    from playwright.async_api import Browser


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


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The programs of one test. Whatever the test is about, no program may write to standard
    error."""
    stage = Stage(tmp_path)
    try:
        yield stage
        assert stage.complaints() == []
    finally:
        await stage.close()
        print(*stage.programs, sep="\n")  # shown for a test that failed


@pytest.fixture
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
