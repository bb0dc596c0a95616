"""One run of a window: its tasks, and the exit status that ends them all."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from chatapp.peer.api.errors import NotOpen

DONE: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130


class Running:
    """The tasks of a face, until one of them or a signal ends the run."""

    def __init__(self) -> None:
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(self, status: int) -> None:
        """End the run with this exit status. The first call counts."""
        if not self.is_over:
            self._status.set_result(status)

    @property
    def is_over(self) -> bool:
        """Whether the run has been ended."""
        return self._status.done()

    async def until_over(self, *work: Coroutine[Any, Any, None]) -> int:
        """Run these coroutines side by side until the run is ended. Returns the exit status; raises
        what a task raised."""
        tasks = [asyncio.create_task(coroutine) for coroutine in work]
        for task in tasks:
            task.add_done_callback(self.note_end)
        try:
            return await self._status
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def note_end(self, task: asyncio.Task[None]) -> None:
        """End the run if a task has ended with an error."""
        if task.cancelled() or self.is_over:
            return
        error = task.exception()
        if isinstance(error, OSError):
            self.stop(DONE)  # the terminal is gone: nobody would read an error
        elif isinstance(error, NotOpen):
            self.stop(FAILED)  # the program that runs the peer is gone; an event tells of it
        elif isinstance(error, KeyboardInterrupt):
            self.stop(INTERRUPTED)
        elif error is not None:
            self._status.set_exception(error)
