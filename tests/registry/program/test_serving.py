"""What people are told at a node that has no engine: which node keeps the state, and that none
does."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final, cast

from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.cluster.jetstream import JetStream
from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterKey
from chatapp.registry.program.app import ListeningPort
from chatapp.registry.program.serving import UNSEEN_AFTER, Bus, EdgeOffice, NodeEdge
from chatapp.registry.rules.limits import RegistryPolicy

NONE_IS_SEEN: Final = "[No node that keeps the state is seen: nobody is served here until one is.]"


class Timers:
    """The timers of an event loop, which run when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, act: Callable[[], None]) -> SimpleNamespace:
        timer = (seconds, act)
        self.waiting.append(timer)

        def cancel() -> None:
            self.waiting = [one for one in self.waiting if one is not timer]

        return SimpleNamespace(cancel=cancel)

    def ring(self) -> None:
        ((_, act),) = self.waiting
        self.waiting.clear()
        act()


async def test_people_are_told_once_that_no_node_keeps_the_state_and_which_one_does() -> None:
    told: list[str] = []
    edge = NodeEdge(
        Bus(
            cast(JetStream, SimpleNamespace(bus="c")), ClusterKey(bytes(KEY_SIZE)), "c", name="one"
        ),
        cast(ListeningPort, SimpleNamespace(number=5000)),
        EdgeOffice(
            say=told.append,
            opened=lambda node, key: told.append(node),
            reload=None,
            stop=lambda: None,
        ),
        trouble=lambda: None,
        policy=RegistryPolicy(),
    )
    timers = Timers()
    edge._loop = cast(asyncio.AbstractEventLoop, timers)

    def look(engine: str) -> None:
        identity = SimpleNamespace(public=bytes(32)) if engine else None
        state = EngineState.OPEN if engine else EngineState.SEARCHING
        edge._core = SimpleNamespace(state=state, identity=identity, engine_name=engine)  # type: ignore[assignment]
        edge._tell()

    look("")
    look("")
    assert ([seconds for seconds, _ in timers.waiting], told) == ([UNSEEN_AFTER], [])
    timers.ring()
    look("")
    assert (timers.waiting, told) == ([], [NONE_IS_SEEN])
    look("two")
    look("two")
    assert told[1:] == ["two"]
    look("")
    look("three")  # in time: nobody is told that there was none
    assert (timers.waiting, told[2:]) == ([], ["three"])
    look("")
    timers.ring()
    look("three")
    assert told[3:] == [NONE_IS_SEEN, "three"]
