"""The prompt that stands before the peer is loaded: keys and signals end the program there too."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatapp.peer.faces.line.main import PeerProgram
from chatapp.peer.faces.line.raw import RawTerminal
from chatapp.peer.faces.program import DONE, INTERRUPTED, StartOptions
from chatapp.wire.address import Address

CTRL_C, CTRL_D = b"\x03", b"\x04"


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a terminal that is the program's standard input."""
    master, slave = pty.openpty()
    with open(slave, closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
    os.close(master)
    os.close(slave)


async def ended_while_loading(end: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """Start a program whose peer is never loaded, and do something at its first prompt. Return the
    exit status."""
    is_loading = asyncio.Event()

    async def load(*_: object) -> None:
        is_loading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "to_thread", load)
    wanted = StartOptions(
        name="alice",
        servers=[Address("127.0.0.1", 5_000)],
        registry_key=None,
        port=0,
        home=Path("unused"),
    )
    with RawTerminal(sys.stdin.fileno()) as raw:
        chat = asyncio.ensure_future(PeerProgram(wanted).chat(raw))
        async with asyncio.timeout(20):
            await is_loading.wait()
            end()
            return await chat


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        (CTRL_C, INTERRUPTED),
        (CTRL_D, DONE),
        (b"half" + CTRL_D + CTRL_C + CTRL_C, INTERRUPTED),
        (b"hello\r" + CTRL_D + CTRL_C, INTERRUPTED),
    ],
    ids=["Ctrl-C", "Ctrl-D", "Ctrl-D behind half a line", "Ctrl-D behind a line that waits"],
)
async def test_keys_end_the_program_before_the_peer_is_loaded(
    keys: bytes, status: int, keyboard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ended_while_loading(lambda: os.write(keyboard, keys), monkeypatch) == status


async def test_lines_that_wait_are_quoted_at_the_end(
    keyboard: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    await ended_while_loading(lambda: os.write(keyboard, b"send bob hi\r" + CTRL_C), monkeypatch)
    assert "[Not sent: send bob hi]" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, DONE), (signal.SIGHUP, DONE), (signal.SIGINT, INTERRUPTED)],
)
@pytest.mark.usefixtures("keyboard")
async def test_a_signal_ends_the_program_before_the_peer_is_loaded(
    number: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ended_while_loading(lambda: signal.raise_signal(number), monkeypatch) == status


async def test_nothing_asks_for_the_size_of_the_window_again_and_again(
    keyboard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: set[str] = set()

    def look() -> None:
        running.update(str(task.get_coro()) for task in asyncio.all_tasks())
        os.write(keyboard, CTRL_C)

    await ended_while_loading(look, monkeypatch)
    assert any("run_async" in work for work in running)
    assert not any("poll" in work for work in running)
