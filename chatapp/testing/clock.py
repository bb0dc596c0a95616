"""Virtual time for an event loop of asyncio: a span in which nothing happens takes no time at
all."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from chatapp.wire.errors import ChatAppError

Result = TypeVar("Result")

BEGIN: Final = 1_000.0
"""The loop's time when a town begins. It is always the same, so that sums of times are rounded in
the same way."""

PASS_SPAN: Final = 1e-6
"""Seconds that one pass of the loop takes. So even a task that never sleeps lets time go on."""

_REPLACED: Final = ("time", "run_in_executor")


class VirtualClock:
    """Takes the place of the clock of the running event loop, from `start` to `stop`.

    When every task waits, the clock goes forward to the next timer at once. Timers that were set
    before `start` or are left at `stop` keep the span that is left. Work for threads is done at
    once, in the loop's own thread, so that its end does not depend on the machine."""

    def __init__(self) -> None:
        """Raises TownMisused for an event loop whose clock cannot be replaced."""
        self._loop: Any = asyncio.get_running_loop()
        self._selector: Any = getattr(self._loop, "_selector", None)
        if self._selector is None or not hasattr(self._loop, "_scheduled"):
            kind = f"{type(self._loop).__module__}.{type(self._loop).__name__}"
            raise TownMisused(
                f"virtual time needs an event loop of asyncio itself (asyncio.run), not {kind}"
            )
        if "time" in vars(self._loop):
            raise TownMisused("a town is open in this event loop already")
        self._now = BEGIN
        self._is_over = False
        self._wait: Callable[[float | None], Any] = self._selector.select

    def start(self) -> None:
        """Replace the loop's clock."""
        self._shift_timers(BEGIN - self._loop.time())
        self._loop.time = self.now
        self._loop.run_in_executor = self._run_at_once
        self._selector.select = self._pass

    async def stop(self) -> None:
        """Give the loop its own clock back."""
        self._is_over = True
        await asyncio.sleep(
            0
        )  # the clock changes between two callbacks, or asyncio would measure how long one took

    def now(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def _pass(self, timeout: float | None) -> Any:
        """Stand in for `select`: return what sockets and pipes have, and let time pass instead of
        waiting. Without a timer only a socket, a pipe or a signal can wake the loop, so it waits
        for that."""
        if self._is_over:
            self._restore()
            return self._selector.select(0.0)
        found = self._wait(None if timeout is None else 0.0)
        if not found and timeout is not None:
            self._now += max(timeout, PASS_SPAN)
        return found

    def _restore(self) -> None:
        for name in _REPLACED:
            delattr(self._loop, name)
        del self._selector.select
        self._shift_timers(self._loop.time() - self._now)

    def _run_at_once(
        self, _executor: object, function: Callable[..., Result], *arguments: object
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self._loop.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - for whoever awaits it
            future.set_exception(error)
        return future

    def _shift_timers(self, by: float) -> None:
        for timer in self._loop._scheduled:  # noqa: SLF001 - the order of the heap stays as it is
            timer._when += by  # noqa: SLF001


class TownMisused(ChatAppError):
    """A town was asked for something that it cannot do; the text says what, and what it can do."""
