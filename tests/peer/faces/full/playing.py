"""A full screen that is played: a real peer in the village, Textual without a terminal, and the
screen as text."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Self

from textual.pilot import Pilot

from chatapp.peer.faces.full.app import FullApp
from chatapp.peer.faces.full.theme import UNICODE, Signs
from chatapp.peer.faces.program import Running
from chatapp.peer.faces.runner import ScreenRunner
from chatapp.peer.sdk.client import Peer
from chatapp.peer.view.screen import ScreenView
from chatapp.peer.view.view import Start
from tests.peer.village import WITHIN, Village


class Played:
    """One full screen."""

    def __init__(self, peer: Peer, *, signs: Signs = UNICODE, has_started: bool = False) -> None:
        self.peer: Final = peer
        self.app: Final = FullApp(peer.node, signs, is_quiet=True, start=Start(is_over=has_started))
        self.view: Final[ScreenView] = self.app.view
        self.runner: Final[ScreenRunner] = self.app.runner
        self.running: Final[Running] = self.runner.running
        self.rang: list[str] = []
        self._pilot: Pilot[None] | None = None

    @contextlib.asynccontextmanager
    async def on_screen(self, columns: int = 80, rows: int = 24) -> AsyncIterator[Self]:
        """Run the screen with so many columns and rows."""
        async with self.app.run_test(size=(columns, rows)) as pilot:
            self._pilot = pilot
            work = asyncio.create_task(self.runner.run_all())
            try:
                yield self
            finally:
                self.runner.stop(0)
                await work

    @property
    def pilot(self) -> Pilot[None]:
        assert self._pilot is not None
        return self._pilot

    @property
    def rows(self) -> list[str]:
        """Return the rows of the screen as text, without blanks at their ends."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    async def shows(self, *texts: str) -> None:
        """Wait until the screen has all these texts."""
        await self.until(lambda: all(text in self.text for text in texts), lambda: f"{texts}")

    async def counts(self, name: str, unread: int) -> None:
        """Wait until the list has this conversation with so many unread lines; 0: without a
        number."""
        row = re.compile(
            rf"\S {re.escape(name)} +{unread}$" if unread else rf"\S {re.escape(name)}$"
        )
        await self.until(
            lambda: any(row.match(one[1:22].rstrip()) for one in self.rows), lambda: row.pattern
        )

    async def hides(self, text: str) -> None:
        """Wait until the screen has this text no more."""
        await self.until(lambda: text not in self.text, lambda: f"no {text!r}")

    async def until(
        self, holds: Callable[[], bool], about: Callable[[], str] = lambda: "that"
    ) -> None:
        """Wait until a condition holds."""
        try:
            async with asyncio.timeout(WITHIN):
                while not holds():
                    await self.pilot.pause()
                    await asyncio.sleep(0)
        except TimeoutError:
            raise AssertionError(f"the screen never had {about()}; it is:\n{self.text}") from None

    async def press(self, *keys: str) -> None:
        """Press keys, by Textual's names."""
        await self.pilot.press(*keys)

    async def type(self, line: str) -> None:
        """Type a line and press Enter."""
        composer = self.app.composer
        composer.put(line)
        await self.pilot.press("enter")


@contextlib.asynccontextmanager
async def alices_screen(
    village: Village,
    columns: int = 80,
    rows: int = 24,
    *,
    signs: Signs = UNICODE,
    rooms: str | Sequence[str] = (),
) -> AsyncIterator[Played]:
    """Open alice, and her full screen while she comes in."""
    alice = village.peer("alice", rooms=rooms)
    await alice.open()
    async with Played(alice, signs=signs).on_screen(columns, rows) as screen:
        yield screen


async def alice_has_said(village: Village, *texts: str) -> None:
    """Let alice come, say this to bob, and leave."""
    async with village.peer("alice") as alice:
        for text in texts:
            await alice.send("bob", text)
        await alice.settled()
