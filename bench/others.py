"""R1: direct messages of others: what people would use instead, with whatever settles a message
there.

Texts of 100 bytes from one program to another. c-toxcore settles them by its read receipts,
mosquitto by an acknowledgement of the broker (at least once with QoS 1, once with QoS 2). ngircd,
NATS and Redis promise nothing: the other program answers, as it does in one row of c-toxcore.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from bench.direct import Pair, pair
from bench.figures import HIGHER, LOWER, Figure, middle
from bench.machine import built, said
from bench.measures import Plan
from bench.rivals import Absent, Rival, libraries, mosquitto, nats, ngircd, redis, toxcore

WINDOW: Final = 64
_IRC_WINDOW: Final = 16
"""ngircd leaves more lines than that lying in its buffer now and then."""
_ALONE, _MANY = 1_000, 10_000


class Load(NamedTuple):
    """How many messages, one at a time and many at once."""

    alone: int
    many: int
    window: int


class Found(NamedTuple):
    """What one round said."""

    p50: float
    """Microseconds from sending a message to its settling, one at a time."""
    cpu: float
    """Microseconds of CPU a message, one at a time, of all who take part."""
    rate: float
    """Messages a second, many at once."""
    cpu_of_many: float


class Goals(NamedTuple):
    """What is wanted of ours against a rival that promises something like it."""

    rate: float
    cpu: float
    alone: float | None
    """Of p50 and CPU together, one at a time."""


def r1(plan: Plan) -> Iterator[Figure]:
    """Each rival and ours, in turn."""
    names = list(_RIVALS)
    ours: dict[str, list[Found]] = {name: [] for name in names}
    theirs: dict[str, list[Found]] = {name: [] for name in names}
    with pair() as both:
        for _ in plan.rounds():
            mine = _ours(both, Load(plan.count(_ALONE), plan.count(_MANY), WINDOW))
            for name in list(names):
                run, load, _ = _RIVALS[name]
                scaled = Load(plan.count(load.alone), plan.count(load.many), load.window)
                try:
                    theirs[name].append(run(scaled))
                except Absent as absence:
                    plan.skip(f"R1, {name}: {absence}")
                    names.remove(name)
                    continue
                ours[name].append(mine)
    for name in names:
        yield from _figures(name, ours[name], theirs[name])
    for name, found in [("ours", ours[names[0]] if names else []), *theirs.items()]:
        if found:
            plan.side(f"R1 {name}", **_facts(found))


def _figures(name: str, ours: list[Found], theirs: list[Found]) -> Iterator[Figure]:
    goals = _RIVALS[name][2]
    if goals is None:
        return
    many = f"{WINDOW} at once"
    rows: list[tuple[str, str, Callable[[Found], float], str, float | None]] = [
        (f"{many}, settled a second", "/s", lambda found: found.rate, HIGHER, goals.rate),
        (f"{many}, CPU a message", "us", lambda found: found.cpu_of_many, LOWER, goals.cpu),
        (
            "one at a time, p50 and CPU together",
            "us",
            lambda found: found.p50 + found.cpu,
            LOWER,
            goals.alone,
        ),
    ]
    for what, unit, value, sense, bound in rows:
        if bound is not None:
            yield Figure(
                goal="R1",
                what=what,
                unit=unit,
                ours=[value(found) for found in ours],
                against=name,
                theirs=[value(found) for found in theirs],
                sense=sense,
                bound=bound,
            )


def _facts(found: list[Found]) -> dict[str, float]:
    names = ("p50 us", "CPU us", "many a second", "CPU us of many")
    return {
        name: middle(values) for name, values in zip(names, zip(*found, strict=True), strict=True)
    }


def _ours(both: Pair, load: Load) -> Found:
    alone = both.ping(load.alone)
    many = both.stream(load.many, load.window)
    return Found(
        p50=alone["p50"] * 1e6,
        cpu=(alone["cpu"] + alone["bob"]) / load.alone * 1e6,
        rate=load.many / many["seconds"],
        cpu_of_many=(many["cpu"] + many["bob"]) / load.many * 1e6,
    )


def _by_server(
    server: Callable[[], AbstractContextManager[Rival]], protocol: str
) -> Callable[[Load], Found]:
    """Two C programs that use a server."""

    def run(load: Load) -> Found:
        with server() as rival:

            def talk(count: int, window: int) -> dict[str, Any]:
                before = rival.process.cpu()
                words = (protocol, str(rival.port), str(count), str(window))
                found: dict[str, Any] = said([built("exchange"), *words])
                found["cpu"] += rival.process.cpu() - before
                return found

            return _found(load, talk)

    return run


def _by_toxcore(settled_by: str) -> Callable[[Load], Found]:
    """Two programs that c-toxcore connects."""

    def run(load: Load) -> Found:
        program = toxcore()
        return _found(
            load,
            lambda count, window: said(
                [program, settled_by, str(count), str(window)], env=libraries()
            ),
        )

    return run


def _found(load: Load, talk: Callable[[int, int], dict[str, Any]]) -> Found:
    alone, many = talk(load.alone, 1), talk(load.many, load.window)
    return Found(
        p50=alone["p50"] * 1e6,
        cpu=alone["cpu"] / load.alone * 1e6,
        rate=many["rate"],
        cpu_of_many=many["cpu"] / load.many * 1e6,
    )


_SERVED: Final = Load(_ALONE, _MANY, WINDOW)
_RIVALS: Final[dict[str, tuple[Callable[[Load], Found], Load, Goals | None]]] = {
    "c-toxcore, its receipts": (
        _by_toxcore("receipts"),
        Load(10, 1_000, WINDOW),
        Goals(rate=20.0, cpu=0.5, alone=1.0),
    ),
    "c-toxcore, an answer of the program": (_by_toxcore("answers"), _SERVED, None),
    "mosquitto, QoS 1": (
        _by_server(mosquitto, "mqtt1"),
        _SERVED,
        Goals(rate=2.0, cpu=0.5, alone=None),
    ),
    "mosquitto, QoS 2": (
        _by_server(mosquitto, "mqtt2"),
        _SERVED,
        Goals(rate=2.0, cpu=0.5, alone=1.0),
    ),
    "ngircd, an answer of the program": (
        _by_server(ngircd, "irc"),
        Load(_ALONE, _MANY, _IRC_WINDOW),
        None,
    ),
    "NATS, an answer of the program": (_by_server(nats, "nats"), _SERVED, None),
    "Redis, an answer of the program": (_by_server(redis, "redis"), _SERVED, None),
}
"""Each rival: how it is run, with how much, and what is wanted of ours beside it."""
