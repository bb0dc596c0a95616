"""Standard input and output as pipes: lines, prompts, and no delays."""

import asyncio
import fcntl
import os
import struct
import termios
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Final

import pytest

from chatapp.peer.faces.line.pipe import BATCHES_WAITING_MAX, PipeTerminal
from chatapp.peer.words.formatting import LINE_MAX, Status
from chatapp.wire.limits import TEXT_MAX

WITHIN: Final = 60.0


class Pipes:
    """Both pipes of a program, as seen from outside."""

    def __init__(self) -> None:
        self.stdin, self.typing = os.pipe()
        self.reading, self.stdout = os.pipe()

    def hang_up(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            os.close(descriptor)


@pytest.fixture
def pipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipes]:
    pipes = Pipes()
    stdin = SimpleNamespace(fileno=lambda: pipes.stdin)
    stdout = SimpleNamespace(fileno=lambda: pipes.stdout, flush=lambda: None)
    monkeypatch.setattr(
        "chatapp.peer.faces.line.pipe.sys", SimpleNamespace(stdin=stdin, stdout=stdout)
    )
    yield pipes
    pipes.hang_up(pipes.stdin, pipes.stdout)


async def typed(pipes: Pipes, *pieces: bytes) -> list[str]:
    """Return the lines that the terminal reads from these bytes, written one by one, and the end of
    input."""
    terminal = PipeTerminal()

    async def read() -> list[str]:
        return [line async for line in terminal.typed()]

    def write() -> None:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(pipes.typing, view) :]
        os.close(pipes.typing)

    async with asyncio.timeout(WITHIN):
        reading = asyncio.ensure_future(read())
        await asyncio.to_thread(write)
        lines = await reading
    os.close(pipes.reading)
    return lines


async def test_lines_are_cut_where_they_end_however_they_come(pipes: Pipes) -> None:
    assert await typed(pipes, b"one\ntw", b"o\n\nthr", "eé".encode(), b"\xff") == [
        "one",
        "two",
        "",
        "threé\ufffd",
    ]


async def test_lines_that_nobody_asked_for_can_be_had_at_the_end(pipes: Pipes) -> None:
    """The program ends at the first line, although more lines were typed."""
    terminal = PipeTerminal()
    os.write(pipes.typing, b"quit\none\n")
    async with asyncio.timeout(WITHIN):
        assert await anext(terminal.typed()) == "quit"
        os.write(pipes.typing, b"two\nthree")
        os.close(pipes.typing)
        unread = terminal.unread()
        while unread[-1] != "three":
            await asyncio.sleep(0)
            unread += terminal.unread()
    assert unread == ["one", "two", "three"]
    os.close(pipes.reading)


async def test_a_line_without_an_end_is_not_gathered_without_end(pipes: Pipes) -> None:
    """The beginning of a line that is too long is kept, so that it is recognised; the next line is
    whole."""
    endless = b"x" * (3 * LINE_MAX)
    first, second = await typed(pipes, endless + b"\nsecond\n")
    assert LINE_MAX < len(first) < 2 * LINE_MAX
    assert second == "second"


async def test_the_longest_message_passes_whole(pipes: Pipes) -> None:
    text = "\U0001f600" * (TEXT_MAX // 4)
    assert await typed(pipes, text.encode() + b"\n") == [text]


async def test_each_line_has_its_prompt_and_is_out_when_it_is_shown(pipes: Pipes) -> None:
    terminal = PipeTerminal()
    terminal.show(["one", "two \udcff"])
    terminal.show([])
    async with asyncio.timeout(WITHIN):
        await terminal.shown()
    assert os.read(pipes.reading, 99) == b">>> one\n>>> two \\udcff\n"
    pipes.hang_up(pipes.reading, pipes.typing)


async def test_the_prompt_is_the_one_of_the_moment_and_a_question_is_a_line(pipes: Pipes) -> None:
    terminal = PipeTerminal()
    terminal.show(["one"])
    terminal.set_status(Status(me="alice", room="lab"))
    terminal.show(["two"])
    terminal.ask("To: ")
    terminal.ask("")
    terminal.set_status(Status(me="alice", room="lab", is_server_away=True, in_reach=1))
    terminal.show(["three"])
    async with asyncio.timeout(WITHIN):
        await terminal.shown()
    assert os.read(pipes.reading, 99).splitlines() == [
        b">>> one",
        b"[lab] >>> two",
        b"[lab] >>> To: ",
        b"[lab, server away, 1 in reach] >>> three",
    ]
    pipes.hang_up(pipes.reading, pipes.typing)


async def test_a_reader_that_is_gone_is_an_error_and_one_that_does_not_read_is_none(
    pipes: Pipes,
) -> None:
    terminal = PipeTerminal()
    terminal.show(["x" * 1_000_000])  # more than a pipe holds
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(terminal.shown(), 0.05)
    pipes.hang_up(pipes.reading, pipes.typing)
    async with asyncio.timeout(WITHIN):
        with pytest.raises(BrokenPipeError):
            await terminal.shown()


def test_a_program_that_ends_while_lines_wait_leaves_no_fault(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading thread outlives the loop; its error would appear on standard error after the last
    line."""
    rooms: list[threading.Semaphore] = []

    class Room(threading.Semaphore):
        def __init__(self, value: int) -> None:
            super().__init__(value)
            rooms.append(self)

    async def end_while_lines_wait() -> None:
        lines = PipeTerminal().typed()
        os.write(pipes.typing, b"first\n")
        assert await anext(lines) == "first"
        for _ in range(BATCHES_WAITING_MAX + 1):
            os.write(pipes.typing, b"more\n")
            while unread(pipes.stdin):
                os.sched_yield()

    monkeypatch.setattr("chatapp.peer.faces.line.pipe.threading.Semaphore", Room)
    before = set(threading.enumerate())
    with asyncio.Runner() as runner:
        runner.run(asyncio.wait_for(end_while_lines_wait(), WITHIN))
    pipes.hang_up(pipes.reading, pipes.typing)
    (reading,) = (one for one in set(threading.enumerate()) - before if "_read_lines" in one.name)
    for room in rooms:
        room.release(BATCHES_WAITING_MAX + 2)
    reading.join(WITHIN)  # had it failed, pytest would say so
    assert not reading.is_alive()


def unread(descriptor: int) -> int:
    """Return the number of bytes that wait in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
    return int(count)


async def test_a_line_that_lay_unread_has_the_time_at_which_reading_stopped(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line may have been typed since then; nothing shows the contrary."""
    waits = threading.Event()
    now = [1.0]

    class Room(threading.Semaphore):
        def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
            if blocking:
                waits.set()
            return super().acquire(blocking, timeout)

    monkeypatch.setattr("chatapp.peer.faces.line.pipe.threading.Semaphore", Room)
    monkeypatch.setattr(
        "chatapp.peer.faces.line.pipe.time", SimpleNamespace(monotonic=lambda: now[0])
    )
    lines = PipeTerminal().typed()
    async with asyncio.timeout(WITHIN):
        os.write(pipes.typing, b"first\n")
        assert (await anext(lines)).at == 1.0
        now[0] = 2.0
        for _ in range(BATCHES_WAITING_MAX + 1):
            os.write(pipes.typing, b"more\n")
            while unread(pipes.stdin):
                os.sched_yield()
        assert waits.wait(WITHIN)
        now[0] = 9.0
        os.write(pipes.typing, b"late\n")
        now[0] = 20.0
        came = {
            str(line): line.at
            for line in [await anext(lines) for _ in range(BATCHES_WAITING_MAX + 2)]
        }
        assert came == {"more": 2.0, "late": 2.0}
        os.close(pipes.typing)
        assert [line async for line in lines] == []
    os.close(pipes.reading)
