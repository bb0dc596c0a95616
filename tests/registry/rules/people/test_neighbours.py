"""The driver of a registry in a cluster: what it hears of other nodes, and until when."""

import asyncio

from chatapp.registry.program.driver import RegistryDriver
from tests.registry.rig import Rig
from tests.support.memory_store import MemoryStore


class Neighbours:
    """Other nodes that record what is done with them."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def receive_bus(self, data: bytes, *, now: float) -> None:
        self.done.append(data)

    def send_messages(self) -> None: ...

    def leave(self) -> None:
        self.done.append("left")

    def handle_timer(self, *, now: float) -> None: ...

    def next_timer(self) -> float:
        return float("inf")

    def figures(self, *, now: float) -> dict[str, float]:
        return {"cluster_keeps_state": 1}


async def test_an_engine_that_has_left_hears_nothing_more() -> None:
    """What a node still sends would be handled, and never stored: the store is closed."""
    store, neighbours = MemoryStore(), Neighbours()
    driver = RegistryDriver(
        asyncio.get_running_loop(), Rig(store).core, store, neighbours=neighbours
    )
    driver.receive_bus(b"early")
    await driver.stop()
    driver.receive_bus(b"late")
    assert neighbours.done == [b"early", "left"]
