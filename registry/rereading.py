"""This file is about lists that are read again while the registry runs (SIGHUP), and about a terminal that is hung up.

Reading goes on beside the loop. Lists that are no good change nothing. It knows settings and lines for whoever runs the
registry; it must not know which signal came, or what a list does.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from registry.doors import DoorLists
from registry.settings import Settings, doors_of
from wire.errors import ChatAppError, quoted

Again = Callable[[], Settings]
"""Reads what was read at the start once more. Raises ChatAppError, whose text names the culprit."""


class Rereading:
    """Once at a time; what is asked for meanwhile is done behind it."""

    def __init__(
        self, again: Again, first: Settings, change: Callable[[DoorLists], int], say: Callable[[str], None]
    ) -> None:
        """`change`: puts lists in force and says how many who were here have to go."""
        self._again = again
        self._first: Final = first
        self._change = change
        self._say = say
        self._task: asyncio.Task[None] | None = None
        self._is_wanted = self._is_open = False

    def open(self) -> None:
        """The registry serves; what was asked for before is done now."""
        self._is_open = True
        self._begin()

    def ask(self) -> None:
        """Whoever runs the registry wants it."""
        self._is_wanted = True
        self._begin()

    def stop(self) -> None:
        """The registry ends."""
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        if self._is_open and self._is_wanted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            try:
                settings, lists = await asyncio.to_thread(self._load)
            except ChatAppError as wrong:
                self._say(f"[{wrong}; the lists stay as they were]")
                continue
            self._tell(settings, lists, self._change(lists))

    def _load(self) -> tuple[Settings, DoorLists]:
        settings = self._again()
        return settings, DoorLists(doors_of(settings.registry))

    def _tell(self, settings: Settings, lists: DoorLists, put_out: int) -> None:
        gone = f"; {put_out:,} put out" if put_out else ""
        self._say(f"[Lists read again: {len(lists.allowed):,} allowed, {len(lists.bans):,} kept out{gone}]")
        others = sorted(_others(settings) - _others(self._first))
        if others:
            changed = ", ".join(key for key, _ in others)
            self._say(f"[Changed, but in force from the next start only: {quoted(changed)}]")


def _others(settings: Settings) -> set[tuple[str, str]]:
    """All that is not read again, key by key."""
    return {
        (key, repr(value))
        for table in msgspec.structs.asdict(settings).values()
        for key, value in msgspec.structs.asdict(table).items()
        if key not in ("allow", "ban")
    }


class OurTerminal:
    """The terminal that this program belongs to, if any: closing it ends the program, as it ends all others."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        with suppress(OSError):
            self._descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)

    @property
    def is_hung_up(self) -> bool:
        """Whether it was there and is no more."""
        return self._descriptor is not None and not os.isatty(self._descriptor)
