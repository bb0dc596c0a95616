"""The registry's own terminal over real pipes: neither unread output nor pending input blocks the
registry."""

import asyncio
import os
import sys
from collections.abc import Iterator

import pytest

from chatapp.registry.program.server import LINE_MAX, Console
from chatapp.registry.rules.desk.texts import CallingLine
from chatapp.wire.limits import DESK_CONSOLE_LINES_MAX


class Pipes:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reading, self.writing = os.pipe()
        self._stdin = os.fdopen(self.reading)
        monkeypatch.setattr(sys, "stdin", self._stdin)
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()

    def console(self, *, quiet: bool = False) -> Console:
        def over() -> None:
            self.lines.put_nowait(None)

        return Console(typed=self.lines.put_nowait, closed=over, ended=over, quiet=quiet)

    async def next(self) -> str | None:
        async with asyncio.timeout(60):
            return await self.lines.get()

    def close(self) -> None:
        self._stdin.close()


@pytest.fixture
def pipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipes]:
    pipes = Pipes(monkeypatch)
    yield pipes
    pipes.close()


async def test_lines_come_whole_and_the_end_is_told(pipes: Pipes) -> None:
    assert pipes.console().open()
    os.write(pipes.writing, "é ✓\n.ro".encode())
    assert await pipes.next() == "é ✓"
    os.write(pipes.writing, b"om\n\xff\nrest")
    os.close(pipes.writing)
    assert [await pipes.next() for _ in range(4)] == [".room", "\ufffd", "rest", None]


async def test_a_line_without_an_end_is_cut(pipes: Pipes) -> None:
    assert pipes.console().open()
    loop = asyncio.get_running_loop()
    for _ in range(8):
        await loop.run_in_executor(None, os.write, pipes.writing, b"x" * 40_000)
    os.write(pipes.writing, b"\nnext\n")
    cut = await pipes.next()
    assert cut is not None
    assert len(cut) == LINE_MAX
    assert await pipes.next() == "next"
    os.close(pipes.writing)
    assert await pipes.next() is None


async def test_without_an_input_there_is_none(
    monkeypatch: pytest.MonkeyPatch, pipes: Pipes
) -> None:
    os.close(pipes.writing)
    monkeypatch.setattr(sys, "stdin", None)
    assert not pipes.console().open()


async def test_lines_that_nobody_reads_are_counted(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.close(pipes.writing)
    shown: list[bytes] = []
    console = pipes.console()
    held = asyncio.Event()
    monkeypatch.setattr("chatapp.registry.program.server.threading.Thread", lambda **_: held)
    monkeypatch.setattr(held, "start", lambda: None, raising=False)
    console.show(["x"] * (DESK_CONSOLE_LINES_MAX + 7))
    console._was_written()
    console.show(["y"])
    while not console._output.empty():
        shown.append(console._output.get())
    assert len(shown) == DESK_CONSOLE_LINES_MAX + 1
    assert shown[-1] == b"[7 lines were not shown.]\ny\n"
    console.show(["there was room for one"])
    assert console._output.empty()


class Writer:
    """Replaces the writing thread: it writes when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started = 0
        monkeypatch.setattr("chatapp.registry.program.server.threading.Thread", self._made)

    def _made(self, **_: object) -> "Writer":
        return self

    def start(self) -> None:
        self.started += 1


async def test_one_thread_writes_all_lines(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipes.writing)
    writer, console = Writer(monkeypatch), pipes.console()
    console.show([])
    assert writer.started == 0
    for text in ("one", "two"):
        console.show([text])
        assert writer.started == 1


@pytest.mark.parametrize(("quiet", "is_terminal"), [(False, True), (True, True), (False, False)])
async def test_a_terminal_rings_for_a_line_that_calls(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch, quiet: bool, is_terminal: bool
) -> None:
    os.close(pipes.writing)
    Writer(monkeypatch)
    monkeypatch.setattr("chatapp.registry.program.server.os.isatty", lambda descriptor: is_terminal)
    console = pipes.console(quiet=quiet)
    console.show([CallingLine("[Next client.]"), "Name: Ana"])
    bell = b"\a" if is_terminal and not quiet else b""
    assert [console._output.get(), console._output.get()] == [
        bell + b"[Next client.]\n",
        b"Name: Ana\n",
    ]


async def test_the_end_waits_until_the_last_line_is_written(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.close(pipes.writing)
    monkeypatch.setattr("chatapp.registry.program.server.FLUSH_FOR", 60.0)
    Writer(monkeypatch)
    console = pipes.console()
    console.show(["one", "two"])
    ending = asyncio.create_task(console.finish())
    for _ in range(2):
        for _ in range(3):
            await asyncio.sleep(0)
        assert not ending.done()
        console._was_written()
    async with asyncio.timeout(10):
        await ending


async def test_the_end_does_not_wait_for_ever_for_a_reader(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.close(pipes.writing)
    monkeypatch.setattr("chatapp.registry.program.server.FLUSH_FOR", 0.0)
    Writer(monkeypatch)
    console = pipes.console()
    console.show(["one"])
    async with asyncio.timeout(10):
        await console.finish()


async def test_lines_are_written_in_order_whatever_a_terminal_takes_at_once(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.close(pipes.writing)
    real, written = os.write, bytearray()

    def write(descriptor: int, data: bytes) -> int:
        if descriptor != 1:
            return real(descriptor, data)
        written.extend(data[:3])
        return min(len(data), 3)

    monkeypatch.setattr("chatapp.registry.program.server.os.write", write)
    console = pipes.console()
    console.show(["é ✓", "two"])
    console.show(["three"])
    await console.finish()
    assert written.decode() == "é ✓\ntwo\nthree\n"
