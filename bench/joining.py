"""J1: 1,000 people come in at once, and each knows all others.

ngircd: everybody has registered, joined one channel, and has been told of everybody in it. Ours:
everybody is registered under a signature, has a sealed link, and holds a table in which all 1,000
are online.
"""

import time
from collections.abc import Iterator
from typing import Final

from bench.crowd import Crowd
from bench.figures import LOWER, Figure
from bench.machine import scratch
from bench.measures import Plan, Side
from bench.members import Member
from bench.registry import RegistryProcess
from bench.rivals import Absent, ngircd, room_of

PEOPLE: Final = 1_000
_DEAREST_ROUNDS: Final = 3


def j1(plan: Plan) -> Iterator[Figure]:
    """Everybody in."""
    people = PEOPLE if not plan.is_quick else 200
    ours: list[float] = []
    rival: list[float] = []
    cpu: list[float] = []
    rows: list[float] = []
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
    for about, unit, found, bound in (
        ("CPU at the registry", "ms", [one / people * 1e3 for one in cpu], 1.5),
        ("table", "KiB", [one / 1_024 for one in rows], 64.0),
    ):
        yield Figure(
            goal="J1",
            what=f"{people:,} come in, {about} a newcomer",
            unit=unit,
            ours=found,
            sense=LOWER,
            bound=bound,
        )
