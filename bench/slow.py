"""L1: somebody returns by a slow link to a network in which 1,000 have come online meanwhile."""

import time
from collections.abc import Iterator
from typing import Final

from bench.crowd import Crowd
from bench.direct import node
from bench.figures import LOWER, Figure
from bench.machine import scratch
from bench.measures import Plan
from bench.members import Member
from bench.registry import RegistryProcess
from bench.rivals import Absent
from bench.slowpath import NEAR, SlowPath, slow_path

PEOPLE: Final = 1_000
_LEASE: Final = 240
"""Seconds, for those of the load: less than a slow link has."""
_CALM_AFTER: Final = 200.0
"""Seconds from the whole table until the link has the lease of a slow one, and new keys."""
_IDLE_FOR: Final = 525.0
"""Two signs of life of a slow link."""


def l1(plan: Plan) -> Iterator[Figure]:
    """Once: it takes minutes."""
    try:
        with slow_path() as path:
            found = _returned(path, plan)
    except Absent as absence:
        plan.skip(f"L1: {absence}")
        return
    people = f"return by 9.6 kbit/s and 600 ms to {plan.count(PEOPLE):,} new people"
    for what, unit, bound in (
        (f"{people}: the table complete", "s", 60.0),
        (f"{people}: a message sent at once is acknowledged", "s", 5.0),
        (f"{people}: bytes of IP", "kB", 40.0),
        ("idle there, an hour", "kB", 6.0),
    ):
        yield Figure(
            goal="L1",
            what=what,
            unit=unit,
            ours=[found.pop(0)],
            against="(a number)",
            theirs=[],
            sense=LOWER,
            bound=bound,
        )


def _returned(path: SlowPath, plan: Plan) -> list[float]:
    """Return seconds until the table is complete and the message acknowledged, and kilobytes."""
    people, counter = plan.count(PEOPLE), time.time_ns() // 1_000_000
    with scratch() as folder, RegistryProcess(folder / "registry", lease=_LEASE) as registry:
        address = (NEAR, registry.port)
        with node("bob", address, folder, "1") as bob:
            bob.told()
            with path.at_far_end():
                alice = node("alice", address, folder, "2")
            with alice:
                alice.told()
                alice.ask('{"do": "come in", "to": "bob"}')
            members = [Member(index, counter=counter) for index in range(people)]
            with Crowd(registry.servers, members, keeps_links=True) as crowd:
                crowd.join()
                crowd.quiet(2.0)
                before = path.carried()
                with path.at_far_end():
                    alice = node("alice", address, folder, "2", "early")
                with alice:
                    alice.told()
                    found = alice.ask('{"do": "come in", "to": "bob"}')
                    whole = path.carried() - before
                    _wait(crowd, _CALM_AFTER / 10 if plan.is_quick else _CALM_AFTER)
                    span = _IDLE_FOR / 10 if plan.is_quick else _IDLE_FOR
                    idle = path.carried()
                    _wait(crowd, span)
                    idle = path.carried() - idle
    return [found["complete"], found["settled"], whole / 1e3, idle / 1e3 * 3_600 / span]


def _wait(crowd: Crowd, span: float) -> None:
    """Let time pass in which the crowd shows its signs of life."""
    ends = time.monotonic() + span
    while (left := ends - time.monotonic()) > 0:
        crowd.turn(min(left, 1.0))
