"""D5 and I1: what a lone message and an idle face cost: processor, disk, wake-ups, memory.

What a process did is read from `/proc`: the calls and bytes of `io`, and how often its threads went
to sleep, each of which is a wake-up later.
"""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.direct import Pair, pair, ready, wait_until_indexed
from bench.figures import LOWER, Figure
from bench.machine import CHECKOUT, Failed, free_port, processor_time, scratch
from bench.measures import Plan
from bench.registry import RegistryProcess
from bench.size import user_environment

MESSAGES: Final = 60
"""Messages of D5, one each second."""
SETTLED_MAX: Final = 0.03
"""How much more may be read 30 s after everything was filed and indexed, as a share."""
_AGAIN_AFTER: Final = 30.0
_COMPILED_AFTER: Final = 12.0
"""Seconds after which a face has compiled itself, which needs more memory."""
_CALM_AFTER: Final = 40.0
"""Seconds after its start at which a face has done what it put off: it files after 30."""
IDLE_FOR: Final = 90.0

_FACES: Final = {
    "line": (True, []),
    "full": (True, ["--full"]),
    "plain": (False, ["--stay"]),
    "daemon": (False, []),
}
"""Each face: whether it needs a terminal, and its options."""


class Usage(NamedTuple):
    """What processes have used so far."""

    cpu: float
    """Seconds."""
    written: int
    """Bytes that went to the disk."""
    writes: int
    """Calls that wrote, to files and to pipes."""
    wakeups: int
    """How often a thread went to sleep."""

    def since(self, before: "Usage") -> "Usage":
        """Return what was used since."""
        return Usage(
            self.cpu - before.cpu,
            self.written - before.written,
            self.writes - before.writes,
            self.wakeups - before.wakeups,
        )


def usage_of(*pids: int) -> Usage:
    """Return what these processes have used so far, all their threads together."""
    totals = [0.0, 0.0, 0.0, 0.0]
    for pid in pids:
        process = Path(f"/proc/{pid}")
        totals[0] += processor_time(pid)
        io = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
        totals[1] += int(io["write_bytes"])
        totals[2] += int(io["syscw"])
        for task in (process / "task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    totals[3] += int(line.split()[1])
    return Usage(totals[0], int(totals[1]), int(totals[2]), int(totals[3]))


def d5(plan: Plan) -> Iterator[Figure]:
    """A message each second until all are filed and indexed at both ends. A reading 30 s later must
    say the same: nothing was put off beyond what is counted."""
    count = plan.count(MESSAGES)
    found: list[Usage] = []
    with scratch() as folder, pair(folder=folder) as both:
        for _ in plan.rounds(1):
            time.sleep(_CALM_AFTER)
            pids = (both.alice.pid, both.bob.pid)
            before = usage_of(*pids)
            _talk(both, count)
            wait_until_indexed(folder, both.said)
            used = usage_of(*pids).since(before)
            idle = usage_of(*pids)
            time.sleep(_AGAIN_AFTER)
            later = usage_of(*pids).since(idle)
            if later.written > SETTLED_MAX * used.written:
                raise Failed(f"{later.written} bytes were written after all was filed and indexed")
            found.append(used)
    what = "a message a second until filed and indexed, both ends"
    for name, unit, bound, values in (
        ("CPU a message", "ms", 1.2, [used.cpu / count * 1e3 for used in found]),
        ("disk a message", "KB", 4.0, [used.written / count / 1e3 for used in found]),
        ("writes a message", "", 12.0, [used.writes / count for used in found]),
        ("wake-ups a message", "", 8.0, [used.wakeups / count for used in found]),
    ):
        yield Figure(
            goal="D5",
            what=f"{what}: {name}",
            unit=unit,
            ours=values,
            sense=LOWER,
            bound=bound,
        )


def _talk(both: Pair, count: int) -> None:
    both.said += count
    ready(both.bob, {"do": "expect", "count": count})
    both.alice.ask(json.dumps({"do": "talk", "to": both.to, "count": count, "every": 1.0}))
    both.bob.told()


def i1(plan: Plan) -> Iterator[Figure]:
    """Each face with nothing to do, on a terminal or a pipe."""
    span = IDLE_FOR if not plan.is_quick else IDLE_FOR / 10
    with scratch() as folder, RegistryProcess(folder / "registry") as registry:
        for face, (is_terminal, options) in _FACES.items():
            server = ["127.0.0.1", str(registry.port), str(free_port())]
            name, home = f"{face}-idler", folder / face
            words = ["daemon", name] if face == "daemon" else ["-c", name]
            line = [*words, *server, *options]
            with _Idler(line, home, is_terminal=is_terminal) as idler:
                idler.drain(_COMPILED_AFTER)
            with _Idler(line, home, is_terminal=is_terminal) as idler:
                idler.drain(_CALM_AFTER)
                before = usage_of(idler.pid)
                idler.drain(span)
                used = usage_of(idler.pid).since(before)
                memory = idler.memory()
            for name, unit, bound, value in (
                ("wake-ups a second", "", 1.0, used.wakeups / span),
                ("bytes to disk", "", 0.5, float(used.written)),
                ("memory", "MiB", {"line": 48.0, "full": 58.0}.get(face, 40.0), memory / 2**20),
            ):
                yield Figure(
                    goal="I1",
                    what=f"{face}, idle for {span:.0f} s: {name}",
                    unit=unit,
                    ours=[value],
                    sense=LOWER,
                    bound=bound,
                )


class _Idler:
    """A face of the real program whose output is read and whose input stays silent."""

    def __init__(self, words: Sequence[str], home: Path, *, is_terminal: bool) -> None:
        self._ours, theirs = pty.openpty() if is_terminal else os.pipe()
        environment = user_environment(home / "compiled")
        environment |= {"CHATAPP_HOME": str(home), "TERM": "xterm-256color"}
        self._process = subprocess.Popen(
            [sys.executable, str(CHECKOUT / "ChatApp.py"), *words],
            stdin=theirs if is_terminal else subprocess.PIPE,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            cwd=CHECKOUT,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def memory(self) -> int:
        """Bytes resident."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def drain(self, span: float) -> None:
        """Read what it shows for so many seconds, and answer what it asks of a terminal."""
        end = time.monotonic() + span
        while (left := end - time.monotonic()) > 0:
            if not select.select([self._ours], [], [], left)[0]:
                continue
            if self._process.poll() is not None:
                raise Failed("the face ended")
            if b"\x1b[6n" in os.read(self._ours, 65_536):
                os.write(self._ours, b"\x1b[1;1R")

    def __enter__(self) -> "_Idler":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)
