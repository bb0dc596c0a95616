"""Programs that begin in a moment: one process has loaded ChatApp, and forks for each start.

A start takes 0.2 s of processor time, nearly all of it to load modules, and end-to-end tests start
many hundred programs. What is forked is the same code with arguments, environment and streams of its
own; how the program itself begins is tested by those that start it anew (`is_forked=False`).
"""

import asyncio
import atexit
import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol

CHECKOUT: Final = Path(__file__).parents[2]
CHATAPP: Final = (sys.executable, str(CHECKOUT / "ChatApp.py"))
LOADED: Final = (
    "chatapp.__main__",
    "chatapp.commands.program",
    "chatapp.peer.faces.line.main",
    "chatapp.peer.faces.line.pipe",
    "chatapp.peer.faces.line.start",
    "chatapp.peer.faces.line.visitor",
    "chatapp.peer.node.attached",
    "chatapp.registry.program.server",
)
READ_AT_THE_BEGINNING: Final = ("PYTHON", "LANG", "LC_", "LD_")
"""What the names of variables begin with that a process reads when it begins."""

_REQUEST_MAX: Final = 1 << 17
_STATUS: Final = struct.Struct("!i")


class Process(Protocol):
    """A process as tests use it: `asyncio.subprocess.Process`, or one that was forked."""

    @property
    def stdin(self) -> asyncio.StreamWriter | None: ...
    @property
    def stdout(self) -> asyncio.StreamReader | None: ...
    @property
    def stderr(self) -> asyncio.StreamReader | None: ...
    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int:
        """Wait for its end; returns the exit status."""


def can_fork(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a command is ChatApp, and its environment has nothing that is read at the
    beginning."""
    return tuple(command[:2]) == CHATAPP and not any(
        name.startswith(READ_AT_THE_BEGINNING) for name in environment
    )


class Forked:
    """A program that was forked."""

    def __init__(
        self,
        stdin: asyncio.StreamWriter | None,
        stdout: asyncio.StreamReader | None,
        stderr: asyncio.StreamReader,
        status: asyncio.StreamReader,
    ) -> None:
        self.stdin: Final = stdin
        self.stdout: Final = stdout
        self.stderr: Final = stderr
        self.pid = 0
        self.returncode: int | None = None
        self._status: Final = status

    @classmethod
    async def start(
        cls,
        words: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        environment: Mapping[str, str],
        limit: int,
    ) -> "Forked":
        """Begin ChatApp with these words. `stdin`, `stdout`: as of `asyncio.subprocess`."""
        with contextlib.ExitStack() as theirs:
            read_in, in_writer = await _input(stdin, theirs)
            write_out, out_reader = await _output(stdout, theirs, limit)
            write_err, err_reader = await _output(asyncio.subprocess.PIPE, theirs, limit)
            write_status, status = await _output(asyncio.subprocess.PIPE, theirs, limit)
            assert err_reader is not None
            assert status is not None
            request = json.dumps([list(words), dict(environment)]).encode()
            socket.send_fds(_nursery(), [request], [read_in, write_out, write_err, write_status])
        forked = cls(in_writer, out_reader, err_reader, status)
        (forked.pid,) = _STATUS.unpack(await status.readexactly(_STATUS.size))
        return forked

    async def wait(self) -> int:
        """Wait for its end; returns the exit status."""
        (status,) = _STATUS.unpack(await self._status.readexactly(_STATUS.size))
        self.returncode = os.waitstatus_to_exitcode(status)
        await self._status.read()
        if self.stdin is not None:
            self.stdin.close()
        return self.returncode


async def _input(
    wanted: int, theirs: contextlib.ExitStack
) -> tuple[int, asyncio.StreamWriter | None]:
    """Return the end of the program, and ours of a pipe."""
    if wanted != asyncio.subprocess.PIPE:
        return _given(wanted, theirs), None
    theirs_end, ours = os.pipe()
    theirs.callback(os.close, theirs_end)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(ours, "wb", 0)
    )
    return theirs_end, asyncio.StreamWriter(transport, protocol, None, loop)


async def _output(
    wanted: int, theirs: contextlib.ExitStack, limit: int
) -> tuple[int, asyncio.StreamReader | None]:
    if wanted != asyncio.subprocess.PIPE:
        return _given(wanted, theirs), None
    ours, theirs_end = os.pipe()
    theirs.callback(os.close, theirs_end)
    reader = asyncio.StreamReader(limit=limit)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
    )
    return theirs_end, reader


def _given(wanted: int, theirs: contextlib.ExitStack) -> int:
    if wanted != asyncio.subprocess.DEVNULL:
        return wanted
    nothing = os.open(os.devnull, os.O_RDWR)
    theirs.callback(os.close, nothing)
    return nothing


@cache
def _nursery() -> socket.socket:
    """Return the socket of the process that forks. It ends with ours."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cast.nursery", str(theirs.fileno())],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# --- in the process that forks


def _serve(asked: socket.socket) -> list[str] | None:
    """Fork for each request until our parent is gone. In the program that was forked, return its
    words."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(asked, selectors.EVENT_READ)
        selector.register(reading, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if reading in ready:
                os.read(reading, 4_096)
                _reap(running)
            if asked not in ready:
                continue
            request, descriptors, _, _ = socket.recv_fds(asked, _REQUEST_MAX, 4)
            if not request:
                return None
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (reading, writing, *running.values()):
                    os.close(descriptor)
                asked.close()
                return _become(json.loads(request), descriptors)
            *streams, running[pid] = descriptors
            os.write(running[pid], _STATUS.pack(pid))
            for stream in streams:
                os.close(stream)


def _reap(running: dict[int, int]) -> None:
    """Tell how programs have ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with contextlib.suppress(BrokenPipeError):
                os.write(running[pid], _STATUS.pack(status))
            os.close(running.pop(pid))


def _become(request: tuple[list[str], dict[str, str]], descriptors: list[int]) -> list[str]:
    words, environment = request
    *streams, status = descriptors
    os.close(status)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    return words


def _run() -> int:
    import importlib

    for module in LOADED:
        importlib.import_module(module)
    words = _serve(socket.socket(fileno=int(sys.argv[1])))
    if words is None:
        return 0
    from chatapp.__main__ import main

    sys.argv = [CHATAPP[1], *words]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return main()


if __name__ == "__main__":
    sys.exit(_run())
