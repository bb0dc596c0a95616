"""The walk over all objects in memory, by which tests see that keys are gone."""

import asyncio
import gc

from tests.support.memory import keys_in_memory


async def test_it_finds_a_key_and_leaves_the_objects_as_they_are() -> None:
    waiting = [asyncio.get_running_loop().create_future() for _ in range(10)]
    tasks = [asyncio.create_task(_wait(future)) for future in waiting]
    await asyncio.sleep(0)
    for future in waiting:
        future.set_result(None)
    await asyncio.gather(*tasks)
    key = [bytes(range(32))]
    for _ in range(2):
        assert key[0].hex() in keys_in_memory()
    gc.collect()  # ends, though objects that died were kept for later


async def _wait(future: asyncio.Future[None]) -> None:
    await future
