"""F1 and F2: a room of 1,000 members and one speaker; ours is sealed and stored, the others are
plain text.

All servers run side by side for the whole measure and are measured in turn. Each has its own load
generator, the same C program, which idles in between.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from bench.crowd import Crowd, lines_of, script_of
from bench.figures import HIGHER, LOWER, Figure
from bench.machine import Failed, Process, built, scratch
from bench.measures import Plan, Side
from bench.members import Member
from bench.registry import RegistryProcess
from bench.rivals import RELAYS, Absent, c_relay, room_of
from chatapp.wire.codec import decode_group_body, unpack_relayed

ROOM: Final = 1_000
_TEXT: Final = "x" * 100
_LINES_MOST: Final = 3_000


class Room:
    """A server, and its load in place."""

    def __init__(self, name: str, server: Process, load: Process) -> None:
        self.name, self.server, self.load = name, server, load
        self.sides = Side("server"), Side("load")
        self.results: list[dict[str, float]] = []

    def run(self, lines: int, window: int) -> dict[str, float]:
        """Send so many lines. Return deliveries a second, and the server's cost."""
        before = self.server.cpu()
        found: dict[str, Any] = self.load.ask(f"run {lines} {window}")
        spent = self.server.cpu() - before
        self.sides[0].add(spent, found["seconds"])
        self.sides[1].add(found["cpu"], found["seconds"])
        return {
            "rate": found["deliveries"] / found["seconds"],
            "per_cpu": found["deliveries"] / max(spent, 1e-9),
            "cpu": spent / found["deliveries"] * 1e6,
            "p50": found["p50"] * 1e6,
        }


Start = Callable[[Path], AbstractContextManager[RegistryProcess]]
"""Starts a registry, or a node of one, that keeps what it has in a folder, and finds it there when
it is started again."""


def alone(folder: Path) -> RegistryProcess:
    """Start a registry on one machine."""
    return RegistryProcess(folder / "data")


@contextmanager
def ours(size: int, lines: int, *, folder: Path, start: Start = alone) -> Iterator[Room]:
    """A registry with a channel of `size` receivers and one speaker, who has `lines` sealed in
    advance.

    The names are bound in an earlier life of the registry: a newcomer's binding makes a new channel
    key due a minute later, and lines are sealed for one.
    """
    counter = time.time_ns() // 1_000_000
    newcomers = [Member(index, counter=counter) for index in range(size + 1)]
    with start(folder) as first, Crowd(first.servers, newcomers, sockets=200) as crowd:
        crowd.join(links=False)
    with ExitStack() as stack:
        registry = stack.enter_context(start(folder))
        members = [Member(index, counter=counter + 1) for index in range(size + 1)]
        crowd = stack.enter_context(Crowd(registry.servers, members, sockets=200))
        crowd.join()
        crowd.quiet()
        _prove(crowd)
        script = folder / "lines"
        script.write_bytes(script_of(lines_of(members[-1], lines, text=_TEXT)))
        fds = [member.link.fileno() for member in members if member.link is not None]
        load = stack.enter_context(
            Process([built("room"), "links", "-", str(size), script, *map(str, fds)], fds=fds)
        )
        load.joined = load.told()
        yield Room("ours", registry, load)


def _prove(crowd: Crowd) -> None:
    """Send one line through the real registry and let everybody open it, so that the count that
    follows is of real lines."""
    speaker, heard = crowd.members[-1], set()
    key = speaker.group_key()

    def take(member: Member, data: bytes, /) -> None:
        body = decode_group_body(key.open_stored(unpack_relayed(data)[1]))
        if body.text == "proof":
            heard.add(member.index)

    crowd.relayed = take  # type: ignore[method-assign]
    assert speaker.link is not None
    speaker.link.sendall(lines_of(speaker, 1, text="proof")[0])
    crowd.quiet()
    if len(heard) != len(crowd.members) - 1:
        raise Failed(f"a line reached {len(heard)} of {len(crowd.members) - 1} members")


@contextmanager
def rooms(plan: Plan, size: int, lines: int) -> Iterator[list[Room]]:
    """Start the limit, the rivals and ours, each with everybody in."""
    with ExitStack() as stack:
        relay = stack.enter_context(c_relay())
        found = [Room("C", relay.process, stack.enter_context(room_of(relay, size)))]
        for name, start in RELAYS:
            try:
                rival = stack.enter_context(start())
            except Absent as absence:
                plan.skip(f"F1, F2: {absence}")
                continue
            found.append(Room(name, rival.process, stack.enter_context(room_of(rival, size))))
        folder = stack.enter_context(scratch())
        found.append(stack.enter_context(ours(size, lines, folder=folder)))
        yield found


def measured(plan: Plan, window: int, *, seconds: float) -> dict[str, Room]:
    """Measure each server in turn, some seconds a round."""
    size = ROOM if not plan.is_quick else 200
    most = plan.count(_LINES_MOST)
    with rooms(plan, size, (plan.rounds_wanted + 1) * (most + 100)) as all_rooms:
        lines = {}
        for room in all_rooms:  # also warms up
            trial = room.run(100, window)
            lines[room.name] = min(max(int(trial["rate"] / size * seconds), 50), most)
        for _ in plan.rounds():
            for room in all_rooms:
                room.results.append(room.run(lines[room.name], window))
        for room in all_rooms:
            facts = {
                key: statistics.median(one[key] for one in room.results) for key in room.results[0]
            }
            plan.side(
                f"{'F1' if window == 1 else 'F2'} {room.name}",
                *room.sides,
                **{
                    "deliveries/s": facts["rate"],
                    "us a delivery": facts["cpu"],
                    "p50 us a line": facts["p50"],
                },
            )
        return {room.name: room for room in all_rooms}


def _figures(
    goal: str,
    what: str,
    unit: str,
    key: str,
    sense: str,
    bounds: dict[str, float],
    found: dict[str, Room],
) -> Iterator[Figure]:
    for name, bound in bounds.items():
        if name in found:
            yield Figure(
                goal=goal,
                what=what,
                unit=unit,
                ours=[one[key] for one in found["ours"].results],
                against=name,
                theirs=[one[key] for one in found[name].results],
                sense=sense,
                bound=bound,
            )


def f1(plan: Plan) -> Iterator[Figure]:
    """One line at a time."""
    found = measured(plan, 1, seconds=0.7)
    what = f"room of {ROOM if not plan.is_quick else 200:,}, one at a time"
    yield from _figures("F1", f"{what}, CPU a delivery", "us", "cpu", LOWER, {"C": 1.5}, found)


def f2(plan: Plan) -> Iterator[Figure]:
    """16 lines in flight."""
    found = measured(plan, 16, seconds=0.7)
    what = f"room of {ROOM if not plan.is_quick else 200:,}, 16 in flight"
    yield from _figures("F2", f"{what}, CPU a delivery", "us", "cpu", LOWER, {"C": 1.15}, found)
    bounds = {"ngircd": 1.9, "NATS": 1.9, "Redis": 1.35}
    yield from _figures(
        "F2", f"{what}, deliveries a CPU-second", "/s", "per_cpu", HIGHER, bounds, found
    )
