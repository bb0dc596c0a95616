"""The terminal of a program whose input and output are pipes or files: one event a line after the
prompt, flushed.

Reading and writing block in threads of their own: a program at the other end that gives no input,
or reads no output, must not keep the peer from acknowledging messages or from ending.
"""

import asyncio
import contextlib
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from chatapp.peer.words.formatting import LINE_MAX, PROMPT, Status, TypedLine, prompt_of

CHUNK: Final = 65_536
BATCHES_WAITING_MAX: Final = 2
"""Batches of lines that were read and not carried out yet. A faster writer waits, as at any
pipe."""


class PipeTerminal:
    """Lines on standard input and output; no colours, no editing."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._prompt = PROMPT
        self._output: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._unwritten = 0
        self._error: OSError | None = None
        self._changed = asyncio.Event()
        self._batches: asyncio.Queue[list[TypedLine] | None] = asyncio.Queue()
        self._lines: deque[TypedLine] = deque()
        descriptor = sys.stdout.fileno()
        sys.stdout.flush()
        threading.Thread(target=self._write_all, args=(descriptor,), daemon=True).start()

    def show(self, lines: Iterable[str]) -> None:
        """Hand lines to the writing thread; `shown` waits for it."""
        text = "".join(f"{self._prompt}{line}\n" for line in lines)
        if text:
            self._unwritten += 1
            self._output.put(text.encode("utf-8", "backslashreplace"))

    async def shown(self) -> None:
        """Wait until all lines are written. Raises OSError when nobody reads them any more."""
        while self._unwritten and self._error is None:
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    def set_status(self, status: Status) -> None:
        """Take the prompt from the state; a pipe shows nothing else of it."""
        self._prompt = prompt_of(status)

    def ask(self, question: str) -> None:
        """Show a question as a line like any other, so that a script sees it."""
        if question:
            self.show([question])

    def fill(self, before: str, now: str) -> None:
        """Do nothing: a pipe has no prompt."""

    async def drafts(self) -> AsyncGenerator[str, None]:
        """Yield nothing: a pipe gives whole lines only."""
        for draft in tuple[str, ...]():
            yield draft

    async def typed(self) -> AsyncGenerator[TypedLine, None]:
        """Yield the lines of standard input. A thread reads them: an event loop cannot wait for a
        file."""
        batches = self._batches
        room = threading.Semaphore(BATCHES_WAITING_MAX)
        threading.Thread(
            target=_read_lines, args=(sys.stdin.fileno(), batches, room, self._loop), daemon=True
        ).start()
        while (batch := await batches.get()) is not None:
            room.release()
            self._lines.extend(batch)
            while self._lines:
                yield self._lines.popleft()

    def unread(self) -> list[str]:
        """Take the lines that were read and not yielded yet."""
        unread: list[str] = [*self._lines]
        self._lines.clear()
        while not self._batches.empty():
            unread += self._batches.get_nowait() or ()
        return unread

    def _write_all(self, descriptor: int) -> None:
        """Write what is queued, for ever; runs in a thread of its own."""
        while True:
            text = self._output.get()
            failure: OSError | None = None
            try:
                while text:
                    text = text[os.write(descriptor, text) :]
            except OSError as error:
                failure = error
            try:
                self._loop.call_soon_threadsafe(self._written, failure)
            except RuntimeError:
                return  # the loop is closed: the program ends
            if failure is not None:
                return

    def _written(self, error: OSError | None) -> None:
        self._unwritten -= 1
        self._error = self._error or error
        self._changed.set()


def _read_lines(
    descriptor: int,
    lines: asyncio.Queue[list[TypedLine] | None],
    room: threading.Semaphore,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Read lines to the end of input, as long as there is `room` for another batch; runs in a
    thread of its own.

    The room is a semaphore of threads and not of the loop: a wait that the end of the program
    cancels would be reported as an error."""
    rest, waited_since = b"", float("inf")
    at = time.monotonic()
    with contextlib.suppress(OSError):  # input that is gone has ended
        while data := os.read(descriptor, CHUNK):
            at, waited_since = min(waited_since, time.monotonic()), float("inf")
            *whole, rest = (rest + data).split(b"\n")
            rest = rest[: LINE_MAX + 1]
            if whole:
                if not room.acquire(blocking=False):
                    waited_since = time.monotonic()  # what is read next may have been typed by then
                    room.acquire()
                _hand_over(_entered(whole, at), lines, loop)
        if rest:
            _hand_over(_entered([rest], at), lines, loop)
    _hand_over(None, lines, loop)


def _entered(lines: list[bytes], at: float) -> list[TypedLine]:
    return [TypedLine(line.decode("utf-8", "replace"), at) for line in lines]


def _hand_over(
    whole: list[TypedLine] | None,
    lines: asyncio.Queue[list[TypedLine] | None],
    loop: asyncio.AbstractEventLoop,
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
        loop.call_soon_threadsafe(lines.put_nowait, whole)
