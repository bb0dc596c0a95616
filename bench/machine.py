"""The machine under a measurement: programs built and run, ports, folders, processor time and
memory.

Every process started here is stopped by its id and cannot outlive the bench: the kernel ends it
with its parent, and its processor time is limited.
"""

import ctypes
import hashlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from bench import interpreter

CHECKOUT: Final = Path(__file__).parents[1]
_LIMITS: Final = Path(__file__).parent / "limits"
_PROCESSOR_SECONDS: Final = 400
_PR_SET_PDEATHSIG: Final = 1
_CLOCK_OF_PROCESS: Final = 2
"""Linux's name for the clock of all threads of a process, beside its id (`clock_getcpuclockid`)."""
_libc: Final = ctypes.CDLL(None)


class Failed(Exception):
    """A measurement could not be made; the text says why."""


def cache() -> Path:
    """Where built programs and scratch files are: on a disk, which the system's folder for
    temporary files may not be."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "chatapp-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(dir=cache(), prefix="run-") as folder:
        yield Path(folder)


def built(name: str, *flags: str | Path) -> Path:
    """The program `limits/<name>.c`, compiled when its source is newer than what was built before.
    `flags`: for the compiler, after the source."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Failed("no C compiler on the PATH")
    sources = [*sorted(_LIMITS.glob("*.h")), _LIMITS / f"{name}.c"]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    program = cache() / f"{name}-{digest}"
    if not program.exists():
        fresh = program.with_suffix(f".{os.getpid()}")
        done = subprocess.run(
            [compiler, "-O2", "-o", str(fresh), str(sources[-1]), *map(str, flags)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{name}.c does not compile:\n{done.stderr}")
        fresh.replace(program)
    return program


def free_port() -> int:
    """A port free for UDP and TCP, below those that the system hands out by itself."""
    chance = random.SystemRandom()
    for _ in range(200):
        port = chance.randrange(10_000, 30_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            try:
                udp.bind(("0.0.0.0", port))
                tcp.bind(("0.0.0.0", port))
            except OSError:
                continue
        return port
    raise Failed("no free port")


def allow_descriptors() -> int:
    """Raise the limit of open files as far as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _bounded(core: int | None) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if core is not None and len(cores) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS))


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has had, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | _CLOCK_OF_PROCESS)


class Process:
    """One process of the bench. Use it as a context."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        fds: Sequence[int] = (),
        env: dict[str, str] | None = None,
        quiet: bool = False,
        core: int | None = None,
    ) -> None:
        """`core`: run on this core only, if the machine has several."""
        self.name: Final = Path(command[0]).name
        self.joined: Any = None
        """What a load said when it was in place."""
        self._complaints = tempfile.TemporaryFile(dir=cache())  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,
            stderr=self._complaints,
            cwd=CHECKOUT,
            env={**os.environ, **(env or {})},
            pass_fds=fds,
            preexec_fn=lambda: _bounded(core),  # noqa: PLW1509 - the bench has one thread
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def line(self) -> str:
        """The next line that it prints. Raises Failed when it ends instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended: {self.complaint()}")
        return line.decode().rstrip("\n")

    def lines_until(self, wanted: str) -> str:
        """Read up to the line that contains `wanted`."""
        while wanted not in (line := self.line()):
            pass
        return line

    def told(self) -> Any:
        """The next line, as JSON."""
        return json.loads(self.line())

    def tell(self, line: str) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{self.name} ended: {self.complaint()}") from None

    def ask(self, line: str) -> Any:
        """Write a line, read one as JSON."""
        self.tell(line)
        return self.told()

    def cpu(self) -> float:
        """Seconds of processor time that all its threads have had, those that ended included."""
        return processor_time(self.pid)

    def memory(self) -> int:
        """Bytes resident."""
        return self._bytes_of("VmRSS:")

    def begin_peak(self) -> None:
        """Have `peak` count from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The most bytes that were resident since `begin_peak`."""
        return self._bytes_of("VmHWM:")

    def _bytes_of(self, key: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
        return 0

    def complaint(self) -> str:
        """The end of its standard error."""
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace")[-1_000:].strip() or "without a word"

    def kill(self) -> None:
        """End it at once (`kill -9`)."""
        self._process.kill()

    def stop(self) -> None:
        """Ask it to end, then make it."""
        process = self._process
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._complaints.close()


def said(
    command: Sequence[str | Path], *, env: dict[str, str] | None = None, core: int | None = None
) -> Any:
    """Run a program to its end; the JSON that it prints."""
    with Process(command, env=env, core=core) as process:
        return process.told()


def described() -> dict[str, Any]:
    """Describe the machine for a reader of the figures, without paths."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": interpreter.described(),
        "load": [round(one, 2) for one in os.getloadavg()],
    }


def summary(machine: dict[str, Any]) -> str:
    """Return what `described` found, in one line above a table."""
    cores, load = machine["cores"], machine["load"][0]
    return f"{machine['processor']}, {cores} cores, Python {machine['python']}, load {load} at the start"
