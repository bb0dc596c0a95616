"""Work that may wait for the disk, in threads beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Result = TypeVar("Result")

THREADS: Final = 2
"""Files are sealed, opened and hashed by so many at a time; what is left of the machine is for chat."""


class Worker:
    """Runs functions in threads, and tells the event loop what came of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what the work returns. Raises what it raises."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="chatapp-files")
        return await self._loop.run_in_executor(self._executor, work)

    def close(self) -> None:
        """Let the threads end."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
