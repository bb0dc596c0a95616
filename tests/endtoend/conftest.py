"""Fixtures for end-to-end tests: each test has its own programs, which are gone at its end and have reported no error."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.endtoend.terminal import Open, Terminal
from tests.support.ports import free_port
from tests.support.stage import Stage


@pytest.fixture(autouse=True, scope="session")
def nobody_said_nohup() -> Iterator[None]:
    """A registry heeds `nohup`, and so would ours where the tests are run in that way: what has a handler here has none in a
    program that is started."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Programs of one test. Whatever a test is about, no program may complain on standard error meanwhile."""
    stage = Stage(tmp_path)
    try:
        yield stage
        assert stage.complaints() == []
    finally:
        await stage.close()
        print(*stage.programs, sep="\n")  # shown for a test that failed


@pytest.fixture
async def at_terminal(stage: Stage) -> AsyncIterator[Open]:
    """Opens a terminal with a peer of some name on it; all are gone at the end."""
    terminals: list[Terminal] = []

    async def open_one(name: str, *options: str, answers: bool = True, **environment: str) -> Terminal:
        words = ["-c", name, "127.0.0.1", str(stage.port), str(free_port()), *options]
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
