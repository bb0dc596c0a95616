"""The windows that browsers have open on one person's node."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final

from chatapp.peer.faces.web.limits import WINDOW_STAYS, WINDOWS_MAX
from chatapp.peer.faces.web.members.uploads import Uploads
from chatapp.peer.faces.web.members.window import Window
from chatapp.peer.faces.web.operators.desk import DeskOfWindows
from chatapp.peer.sdk.client import Peer
from chatapp.wire.errors import ChatAppError
from chatapp.wire.names import PeerName

UPLOADS: Final = "uploads"
"""The folder of the home with what browsers have given to the program, by person."""
_FIRST_MAX: Final = 1 << 30

_log: Final = logging.getLogger("chatapp.peer")


class OpenWindows:
    """The windows that browsers have open on one person's node."""

    def __init__(
        self,
        name: Callable[[], PeerName],
        home: Path,
        *,
        uploads: int | None = None,
        is_own: bool = True,
    ) -> None:
        """`name`: tells the person's name, which may change. `home`: where their folder is.
        `uploads`: how many bytes of files browsers may give, if not as many as on one's own
        machine. `is_own`: whether the pages belong to this run of the program, and are over with
        it."""
        self._last_word = "bye" if is_own else ""
        self._name: Final = name
        self._home: Final = home
        self.uploads: Final = Uploads(home / UPLOADS / name(), most=uploads)
        self._loop: Final = asyncio.get_running_loop()
        self._open: Final[dict[int, Window]] = {}
        # Windows of an earlier run have other numbers, or a page would go on in a window that is not
        # its own.
        self._count = 0 if is_own else secrets.randbelow(_FIRST_MAX)
        self._desk: Final = DeskOfWindows(
            lambda: Peer.attach(name(), home=home, shows=False),
            changed=self._desk_changed,
            is_watched=lambda: any(one.is_at_desk and one.streams for one in self._open.values()),
        )
        self._closing: Final[set[asyncio.Task[None]]] = set()
        self._sweeps: asyncio.TimerHandle | None = None
        self.is_over = False

    def __len__(self) -> int:
        return len(self._open)

    def known(self, number: int) -> Window | None:
        """Return the window with this number, which somebody asks for; None if it is closed."""
        window = self._open.get(number)
        if window is not None:
            window.seen_at = self._loop.time()
        return window

    async def open(self) -> Window:
        """Open one more; that which has been silent longest goes if they are too many. Raises as
        `Peer.open`."""
        peer = Peer.attach(self._name(), home=self._home)
        await peer.open()
        await self.uploads.sweep(await peer.files())
        self._count += 1
        window = self._open[self._count] = Window(self._count, peer, self.uploads, self._desk)
        if len(self._open) > WINDOWS_MAX:
            self._drop(min(self._open.values(), key=self._silent_since))
        if self._sweeps is None:
            self._sweeps = self._loop.call_later(WINDOW_STAYS, self.sweep)
        return window

    def _desk_changed(self) -> None:
        for window in self._open.values():
            window.desk_changed()

    def _silent_since(self, window: Window) -> float:
        return self._loop.time() if window.streams else window.seen_at

    def sweep(self) -> None:
        """Close windows that no browser shows any more; without any, look at the copies of files. Look
        again later."""
        for window in list(self._open.values()):
            if window.is_over or self._silent_since(window) <= self._loop.time() - WINDOW_STAYS:
                self._drop(window)
        if self._sweeps is not None:
            self._sweeps.cancel()
        self._sweeps = None
        if not self._open:
            self._begin(self._desk.close())
        if not self._open and self.uploads.has_any:
            self._begin(self._sweep_copies())
        if self._open or self.uploads.has_any:
            self._sweeps = self._loop.call_later(WINDOW_STAYS, self.sweep)

    async def _sweep_copies(self) -> None:
        """Remove copies that are not offered any more while nobody has a page open."""
        try:
            async with Peer.attach(self._name(), home=self._home) as peer:
                await self.uploads.sweep(await peer.files())
        except (ChatAppError, OSError) as error:
            _log.debug("copies of files are not looked at: %s", error)

    def _drop(self, window: Window) -> None:
        del self._open[window.number]
        self._begin(window.close())

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def lock(self) -> None:
        """Have all pages locked: whoever has them is signed out."""
        self._last_word = "locked"
        self.end_streams()

    def end_streams(self) -> None:
        """Let all browsers go."""
        self.is_over = True
        for window in self._open.values():
            window.last_word = self._last_word
            window.streams.clear()

    async def close(self) -> None:
        """Close all."""
        self.end_streams()
        if self._sweeps is not None:
            self._sweeps.cancel()
        for window in list(self._open.values()):
            self._drop(window)
        await self._desk.close()
        await asyncio.gather(*self._closing, return_exceptions=True)
