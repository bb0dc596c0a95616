"""X1 to X3: files from one program to others.

X1: a file over loopback, against scp and against a plain HTTP download. All read it from the cache
of the system and write it to the same disk. X2: to many at slow lines. X3: beside chat.
"""

import filecmp
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from bench.copies import Copy, http, scp
from bench.direct import Pair, node, pair, ready
from bench.figures import HIGHER, LOWER, Figure, middle
from bench.lan import lan
from bench.machine import Failed, scratch
from bench.measures import Plan
from bench.registry import RegistryProcess
from bench.rivals import Absent
from chatapp.wire.limits import CHUNK_SIZE

SIZE: Final = 1 << 30
_MEGABYTE: Final = 1e6
_MEBIBYTE: Final = 1 << 20
_PIECE: Final = 16 * _MEBIBYTE
PINGS: Final = 400
ROOM: Final = "#lab"
RECEIVERS: Final = 30
RECEIVERS_LEAST: Final = 8
MEGABITS: Final = 100
SHARED_SIZE: Final = 100 * _MEBIBYTE
KILLED_AT: Final = 0.6

_RIVALS: Final = {
    "scp": (scp, 1.5),
    "http.server and curl": (http, 0.6),
}
"""Each rival, and how fast ours is wanted against it."""


def write_random(path: Path, size: int) -> Path:
    """Write a file that nothing can shrink."""
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(_PIECE, size)))
    return path


def x1(plan: Plan) -> Iterator[Figure]:
    """One file, ours and the others' in turn."""
    size = plan.count(SIZE)
    ours, memory, offering = list[float](), list[float](), list[float]()
    theirs: dict[str, list[float]] = {name: [] for name in _RIVALS}
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        source, copy = write_random(folder / "file", size), folder / "copy"
        both = stack.enter_context(pair(cores=(None, None)))
        idle = _memory(both)
        rivals: dict[str, Copy] = {}
        for name, (start, _) in _RIVALS.items():
            try:
                rivals[name] = stack.enter_context(start(folder))
            except Absent as absence:
                plan.skip(f"X1, {name}: {absence}; skipped")
        for _ in plan.rounds():
            for name, run in rivals.items():
                theirs[name].append(size / _MEGABYTE / run(source, copy))
                _check(source, copy)
            for one in (both.alice, both.bob):
                one.begin_peak()
            offering.append(size / _MEGABYTE / both.offer(source))
            both.fetch(copy)
            ours.append(size / _MEGABYTE / both.fetched()["seconds"])
            memory.append(max(now - before for now, before in zip(_peaks(both), idle, strict=True)))
            _check(source, copy)
    for name in rivals:
        yield Figure(
            goal="X1",
            what=f"a file of {size // _MEBIBYTE:,} MiB over loopback",
            unit="MB/s",
            ours=ours,
            against=name,
            theirs=theirs[name],
            sense=HIGHER,
            bound=_RIVALS[name][1],
        )
    yield Figure(
        goal="X1",
        what="memory above idle, the larger end",
        unit="MiB",
        ours=[one / _MEBIBYTE for one in memory],
        sense=LOWER,
        bound=20.0,
    )
    plan.side("X1", **{"making the offer, MB/s": middle(offering)})


def _memory(both: Pair) -> list[int]:
    return [one.memory() for one in (both.alice, both.bob)]


def _peaks(both: Pair) -> list[int]:
    return [one.peak() for one in (both.alice, both.bob)]


def _check(source: Path, copy: Path) -> None:
    """Check that a copy is whole, and remove it."""
    if not filecmp.cmp(source, copy, shallow=False):
        raise Failed("a copy is not what was copied")
    copy.unlink()


class Crowd:
    """A registry, one who offers a file in a room, and those who fetch it: each on a machine of its
    own, at a line of 100 Mbit/s."""

    def __init__(self, receivers: int, folder: Path, stack: ExitStack) -> None:
        """Raises Absent."""
        net = stack.enter_context(lan())
        address, prefix = net.machine()
        registry = RegistryProcess(folder / "registry", prefix=prefix)
        stack.enter_context(registry)
        self.size: Final = receivers
        self._folder: Final = folder
        self._nodes: Final = [
            stack.enter_context(
                node(
                    f"n{number}",
                    (address, registry.port),
                    folder,
                    str(number),
                    ROOM,
                    prefix=net.machine(MEGABITS)[1],
                )
            )
            for number in range(receivers + 1)
        ]
        for one in self._nodes:
            if one.told() != "ready":
                raise Failed("a node did not start")

    def copy(self, source: Path, receivers: int, *, killed_at: float | None = None) -> float:
        """Let the first so many fetch a file; return the seconds until all have it. `killed_at`:
        the share of it that each has when the one who offers it is killed, at the earliest: all of
        it must be there among them."""
        origin, *others = self._nodes
        origin.ask(json.dumps({"do": "offer", "to": ROOM, "path": str(source)}))
        began = time.monotonic()
        for number, one in enumerate(others):
            if number < receivers:
                ready(one, {"do": "fetch", "path": str(self._copy(number))})
            else:
                one.ask(json.dumps({"do": "ignore"}))
        if killed_at is not None:
            wanted = killed_at * source.stat().st_size
            while min(
                one.ask('{"do": "here"}') for one in others
            ) < wanted or not self._is_among_them(source):
                time.sleep(0.2)
            origin.kill()
        for one in others[:receivers]:
            one.ask('{"do": "fetched"}')
        took = time.monotonic() - began
        for number in range(receivers):
            _check(source, self._copy(number))
        return took

    def _is_among_them(self, source: Path) -> bool:
        """Whether each chunk is at one of those who fetch it, as far as its beginning shows."""
        with ExitStack() as stack:
            try:
                parts = [stack.enter_context(part.open("rb")) for part in self._parts()]
            except FileNotFoundError:
                return True  # it has just got its name: it is whole
            original = stack.enter_context(source.open("rb"))
            return all(
                any(_beginning(part, at) == _beginning(original, at) for part in parts)
                for at in range(0, source.stat().st_size, CHUNK_SIZE)
            )

    def _parts(self) -> list[Path]:
        """Return what is there, whole or not."""
        return [path for number in range(self.size) for path in self._folder.glob(f"copy{number}*")]

    def _copy(self, number: int) -> Path:
        return self._folder / f"copy{number}"


def _beginning(file: BinaryIO, at: int) -> bytes:
    return os.pread(file.fileno(), 16, at)


def x2(plan: Plan) -> Iterator[Figure]:
    """One copy, then all at once, then all with the origin killed at 60 %: once, as it takes
    minutes."""
    receivers, size = max(plan.count(RECEIVERS), RECEIVERS_LEAST), plan.count(SHARED_SIZE)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        try:
            crowd = Crowd(receivers, folder, stack)
        except Absent as absence:
            plan.skip(f"X2: {absence}")
            return
        alone, *others = [write_random(folder / f"file{number}", size) for number in range(3)]
        one = crowd.copy(alone, 1)
        every = [crowd.copy(others[0], receivers)]
        every.append(crowd.copy(others[1], receivers, killed_at=KILLED_AT))
    what = f"{size // _MEBIBYTE} MiB to {receivers} at {MEGABITS} Mbit/s each"
    for fate, took in zip(("", f", the origin killed at {KILLED_AT:.0%}"), every, strict=True):
        yield Figure(
            goal="X2",
            what=f"{what}{fate}",
            unit="s",
            ours=[took],
            against="one copy",
            theirs=[one],
            sense=LOWER,
            bound=3.0,
        )


def x3(plan: Plan) -> Iterator[Figure]:
    """One message at a time, with and without a file on its way between the two."""
    size, count = plan.count(SIZE), plan.count(PINGS)
    alone, beside = list[float](), list[float]()
    with scratch() as folder, pair(cores=(None, None)) as both:
        source, copy = write_random(folder / "file", size), folder / "copy"
        for _ in plan.rounds():
            alone.append(both.ping(count)["p50"] * 1e6)
            both.offer(source)
            both.fetch(copy)
            found = both.ping(count)
            if both.fetched()["ended"] < found["ended"]:
                raise Failed("the file was there before the last message")
            beside.append(found["p50"] * 1e6)
            _check(source, copy)
    yield Figure(
        goal="X3",
        what="one message beside a file, acknowledged, p50",
        unit="us",
        ours=beside,
        against="without it",
        theirs=alone,
        sense=LOWER,
        bound=3.0,
    )
