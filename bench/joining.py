"""J1: 1,000 people come in at once, and each knows all others. Then some of them restart their
programs.

ngircd: everybody has registered, joined one channel, and has been told of everybody in it. Ours:
everybody is registered under a signature, has a sealed link, and holds a table in which all 1,000
are online.
"""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from bench.crowd import Crowd
from bench.figures import LOWER, Figure
from bench.machine import scratch
from bench.measures import Plan, Side
from bench.members import Member
from bench.registry import RegistryProcess
from bench.rivals import Absent, ngircd, room_of

PEOPLE: Final = 1_000
RETURNING: Final = 100
_DEAREST_ROUNDS: Final = 3


class _Return(NamedTuple):
    """What coming back cost."""

    seconds: float
    """Until the tables of all were complete."""
    cpu: float
    """Seconds of the registry for each."""
    table: float
    """Bytes for each."""


def j1(plan: Plan) -> Iterator[Figure]:
    """Everybody in."""
    people = PEOPLE if not plan.is_quick else 200
    ours: list[float] = []
    rival: list[float] = []
    cpu: list[float] = []
    rows: list[float] = []
    again: list[_Return] = []
    server, load = Side("registry"), Side("load")
    is_there = True
    for _ in plan.rounds(_DEAREST_ROUNDS):
        if is_there:
            try:
                with ngircd() as other, room_of(other, people) as room:
                    rival.append(room.joined["joined"])
            except Absent as absence:
                plan.skip(f"J1: {absence}")
                is_there = False
        with scratch() as folder, RegistryProcess(folder / "data") as registry:
            members = [
                Member(index, counter=time.time_ns() // 1_000_000) for index in range(people)
            ]
            members[0].rows = {}
            with Crowd(registry.servers, members) as crowd:
                before, own = registry.cpu(), time.process_time()
                ours.append(crowd.join(tables=True))
                cpu.append(registry.cpu() - before)
                server.add(cpu[-1], ours[-1])
                load.add(time.process_time() - own, ours[-1])
                rows.append(sum(member.table_bytes for member in members) / people)
                again.append(_returned(crowd, registry, people * RETURNING // PEOPLE))
    plan.side("J1 ours", server, load)
    what = f"{people:,} come in, every table complete"
    if rival:
        yield Figure(
            goal="J1",
            what=what,
            unit="s",
            ours=ours,
            against="ngircd",
            theirs=rival,
            sense=LOWER,
            bound=0.3,
        )
    back = f"{people * RETURNING // PEOPLE} of {people:,} return"
    for about, unit, found, bound in (
        (
            f"{people:,} come in, CPU at the registry a newcomer",
            "ms",
            [one / people * 1e3 for one in cpu],
            1.0,
        ),
        (f"{people:,} come in, table a newcomer", "KiB", [one / 1_024 for one in rows], 40.0),
        (f"{back}, every table complete", "s", [one.seconds for one in again], 1.0),
        (f"{back}, CPU at the registry each", "ms", [one.cpu * 1e3 for one in again], 1.0),
        (f"{back}, table each", "KiB", [one.table / 1_024 for one in again], 6.0),
    ):
        yield Figure(
            goal="J1",
            what=about,
            unit=unit,
            ours=found,
            sense=LOWER,
            bound=bound,
        )


def _returned(crowd: Crowd, registry: RegistryProcess, count: int) -> _Return:
    """Let the last `count` members end their programs and start them again with the tables that
    they have kept. The CPU counts from their leaving on, since the others are told of both."""
    before = registry.cpu()
    leaving = crowd.members[-count:]
    crowd.part(leaving)
    crowd.quiet()
    members = [member.again() for member in leaving]
    members[0].rows = dict(crowd.members[0].rows or {})
    with Crowd(registry.servers, members) as returning:
        seconds = returning.join(tables=True)
        crowd.quiet()
        table = sum(member.table_bytes for member in members) / count
        return _Return(seconds, (registry.cpu() - before) / count, table)
