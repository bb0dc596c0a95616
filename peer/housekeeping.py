"""When a history tidies itself up (`peer.store.tidy`): while nothing has been said for a moment, a little at a time.

A history that is never left in peace is tidied after a minute all the same: whoever talks all the time must not keep it
growing.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from peer.store.tidy import Tidy

LOOK_SPAN: Final = 5.0
"""Seconds between looks, and of quiet before anything is done."""

BUSY_LOOKS: Final = 12
"""Looks in a row with news behind each, after which it is tidied nevertheless."""

STEP_SPAN: Final = 0.05
"""Seconds between two steps, each of which takes some milliseconds."""

_log = logging.getLogger("chatapp.peer")


class Housekeeping:
    """Tidies one history until it is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tidy: Tidy) -> None:
        self._loop = loop
        self._tidy = tidy
        self._newest = -1
        self._busy = 0
        """Looks with news, since there was nothing more to do."""
        self._timer = loop.call_later(LOOK_SPAN, self._look)

    def close(self) -> None:
        """The last chance; the history is closed next."""
        self._timer.cancel()
        self._do(self._tidy.finish)

    def _look(self) -> None:
        newest = self._do(self._tidy.newest)
        is_quiet, self._newest = newest == self._newest, newest
        self._busy += not is_quiet
        is_due = is_quiet or self._busy > BUSY_LOOKS
        is_more = is_due and bool(self._do(self._tidy.step))
        if is_due and not is_more:
            self._busy = 0
        self._timer = self._loop.call_later(STEP_SPAN if is_more else LOOK_SPAN, self._look)

    @staticmethod
    def _do(what: Callable[[], int | None]) -> int:
        try:
            return int(what() or 0)
        except sqlite3.Error as error:
            # A full disk, say; the next look tries again.
            _log.warning("history.db is not tidied up: %s", error)
            return 0
