"""A face while it runs: what it does side by side, and the exit status that ends all of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

DONE: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130


class Running:
    """One run of a face."""

    def __init__(self) -> None:
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(self, status: int) -> None:
        """End now with this exit status; the first one counts."""
        if not self.is_over:
            self._status.set_result(status)

    @property
    def is_over(self) -> bool:
        """Whether something has ended it."""
        return self._status.done()

    async def until_over(self, *work: Coroutine[Any, Any, None]) -> int:
        """Do all of this until something ends it, be it a fault of ours, which is raised. Returns the exit status."""
        tasks = [asyncio.create_task(one) for one in work]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        try:
            return await self._status
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.is_over:
            return
        error = task.exception()
        if isinstance(error, OSError):
            self.stop(DONE)  # the terminal is gone: nobody is there to be told
        elif isinstance(error, KeyboardInterrupt):
            self.stop(INTERRUPTED)
        elif error is not None:
            self._status.set_exception(error)
