"""Timers: a program that is woken when its core says so is never late for anything that is due
inside.

Checked in every part of a core that has a deadline, however deep.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.core.people.table import NameSearch
from chatapp.wire.delivery.parts import OutgoingMessage

if TYPE_CHECKING:
    from tests.support.world import World

OURS: Final = ("chatapp.",)
DEADLINES: Final = ("next_timer", "next_deadline", "next_probe", "deadline")
"""Methods or attributes that return when something is due; None for never."""
NO_DEADLINE: Final = (OutgoingMessage, NameSearch)
"""Objects that keep a deadline after nobody waits for it; their owners (the schedule of tries, the
look-ups) know."""


class Core(Protocol):
    """A registry, a peer or a visitor."""

    def next_timer(self) -> float | None: ...


class TimersPromise:
    """Checks the registry, people and visitors, one after the other."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._turn = 0

    def look_closely(self) -> None:
        """Check one program, every third time: looking at all its parts takes milliseconds."""
        self._turn += 1
        if self._turn % 3 == 0:
            self.look_at_all(self._turn // 3)

    def look_at_all(self, turn: int | None = None) -> None:
        """Check all programs, or the one whose turn it is."""
        registry, others = self._world.registry, (*self._world.people, *self._world.guests)
        cores: list[Core] = [other.core for other in others if other.is_running]
        cores += registry.cores  # type: ignore[arg-type]
        if turn is not None and cores:
            cores = [cores[turn % len(cores)]]
        late = [part for core in cores for part in late_parts(core)]
        assert not late, f"due before the next timer: {late}"


def late_parts(core: Core, *, shared: tuple[type, ...] = ()) -> list[str]:
    """Return the parts whose deadline is before the one that their core reports. `shared`: parts
    whose timer belongs to their owner."""
    due = core.next_timer()
    return [
        f"{where} at {deadline}, the core at {due}"
        for where, deadline in deadlines(core, but=(*NO_DEADLINE, *shared))
        if due is None or deadline < due
    ]


def deadlines(core: object, *, but: tuple[type, ...] = NO_DEADLINE) -> Iterator[tuple[str, float]]:
    """Return all deadlines of all parts except these, each with the path to it."""
    seen: set[int] = set()
    left: list[tuple[object, str]] = [(core, "")]
    while left:
        thing, way = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if type(thing).__module__.startswith(OURS):
            way = f"{way}/{type(thing).__name__}"
            for name in DEADLINES if not isinstance(thing, but) else ():
                value = getattr(thing, name, None)
                deadline = value() if callable(value) else value
                if deadline is not None:
                    yield f"{way}.{name}", deadline
        left += [
            (one, way) for one in _inside(thing) if not isinstance(one, str | bytes | int | float)
        ]


def _inside(thing: object) -> Iterable[object]:
    """Return what an object of ours, or a container, holds."""
    if isinstance(thing, dict):
        return thing.values()
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return thing
    if isinstance(thing, type) or not type(thing).__module__.startswith(OURS):
        return ()
    names = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}
    names.update(getattr(thing, "__struct_fields__", ()))
    return [
        *getattr(thing, "__dict__", {}).values(),
        *(getattr(thing, name, None) for name in names),
    ]
