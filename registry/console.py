"""This file is about the registry's own terminal, or whatever its standard input and output are: lines in, lines out.

Whoever types nothing, or reads nothing, must not hold up the registry: reading a file or a pipe and writing each wait in a
thread of their own, and lines that nobody reads are counted past a cap. A terminal is watched by the loop instead, so that
a registry in the background never reads what is typed for somebody else. It knows bytes and lines, not what they mean.
"""

import asyncio
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Final

from wire.limits import DESK_CONSOLE_LINES_MAX, TEXT_MAX

CHUNK: Final = 65_536
LINE_MAX: Final = TEXT_MAX + 1_024
"""Bytes of one typed line that are looked at: a text of full length and a command; the rest is cut off and refused."""

FLUSH_FOR: Final = 0.25
"""Seconds that the last lines have when the registry stops."""


class Console:
    """`typed` is told each line, `closed` that the input is over. On a terminal Ctrl-D is `ended` instead."""

    def __init__(
        self, *, typed: Callable[[str], None], closed: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._typed = typed
        self._closed = closed
        self._ended = ended
        self._rest = b""
        self._output: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._unwritten = 0
        self._unshown = 0
        self._is_writing = False
        self._written = asyncio.Event()

    def open(self) -> bool:
        """Read from now on; whether there is an input at all."""
        try:
            descriptor = sys.stdin.fileno()
            os.fstat(descriptor)
        except (AttributeError, OSError, ValueError):
            return False
        if os.isatty(descriptor):
            self._loop.add_reader(descriptor, self._read_terminal, descriptor)
        else:
            threading.Thread(target=self._read_all, args=(descriptor,), daemon=True).start()
        return True

    # --- out

    def show(self, lines: Iterable[str]) -> None:
        """Handed to the writing thread."""
        for line in lines:
            if self._unwritten >= DESK_CONSOLE_LINES_MAX:
                self._unshown += 1
                continue
            gap = f"[{self._unshown} lines were not shown.]\n" if self._unshown else ""
            self._unshown = 0
            self._unwritten += 1
            self._output.put(f"{gap}{line}\n".encode("utf-8", "backslashreplace"))
        if self._unwritten and not self._is_writing:
            self._is_writing = True
            threading.Thread(target=self._write_all, daemon=True).start()

    async def finish(self) -> None:
        """Until the last lines are written, or nobody reads them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_FOR):
                while self._unwritten:
                    self._written.clear()
                    await self._written.wait()

    def _write_all(self) -> None:
        """In a thread of its own."""
        while True:
            text = self._output.get()
            with contextlib.suppress(OSError):  # nobody reads: no reason to stop
                while text:
                    text = text[os.write(1, text) :]
            try:
                self._loop.call_soon_threadsafe(self._was_written)
            except RuntimeError:
                return  # the loop is closed: the program ends

    def _was_written(self) -> None:
        self._unwritten -= 1
        self._written.set()

    # --- in

    def _read_terminal(self, descriptor: int) -> None:
        is_ours, data = False, b""
        with contextlib.suppress(OSError):
            # In the background what is typed is somebody else's, and reading it would stop us.
            is_ours = os.tcgetpgrp(descriptor) == os.getpgrp()
            data = os.read(descriptor, CHUNK) if is_ours else b""
        if data:
            self._take(data)
            return
        self._loop.remove_reader(descriptor)
        (self._ended if is_ours else self._closed)()

    def _read_all(self, descriptor: int) -> None:
        """In a thread of its own; waits until the loop has taken what was read before it reads more. Nothing that it waits
        for is cancelled by the end of the program, which would be told as a fault."""
        taken = threading.Semaphore(1)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
            with contextlib.suppress(OSError):  # the input is gone: that is its end
                while data := os.read(descriptor, CHUNK):
                    taken.acquire()
                    self._loop.call_soon_threadsafe(self._take_and_tell, data, taken)
            self._loop.call_soon_threadsafe(self._input_over)

    def _take_and_tell(self, data: bytes, taken: threading.Semaphore) -> None:
        self._take(data)
        taken.release()

    def _take(self, data: bytes) -> None:
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_MAX]
        for line in whole:
            self._typed(line[:LINE_MAX].decode("utf-8", "replace"))

    def _input_over(self) -> None:
        if self._rest:
            self._typed(self._rest.decode("utf-8", "replace"))
        self._closed()
