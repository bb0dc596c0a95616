"""This file is about what an operator of the help desk asks of a peer: a part of the SDK (`Peer.desk`).

It hands on; what a command means stands in `peer.core.dutycommands`, and what comes of it comes as events.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from peer.core.duty import Duty
from peer.core.engine import PeerCore


class AtDesk:
    """The desk, as one peer sees it. Every method raises NotOpen."""

    def __init__(
        self,
        open_core: Callable[[], PeerCore],
        *,
        schedule: Callable[[], None],
        read_clock: Callable[[], float],
        change: Callable[[], Awaitable[None]],
    ) -> None:
        self._open_core: Final = open_core
        self._schedule: Final = schedule
        self._now: Final = read_clock
        self._change: Final = change

    @property
    def client(self) -> str | None:
        """The name of the visitor whom we serve."""
        return self._open_core().duty.client

    @property
    def is_on_duty(self) -> bool:
        """Whether visitors may be given to us."""
        return self._open_core().duty.is_on

    def say(self, text: str) -> None:
        """A line for our visitor. Raises TooLong, UnicodeEncodeError."""
        self._open_core().speech.say_on_duty(text, now=self._now())
        self._schedule()

    def take_duty(self, queue: str = "") -> None:
        """Visitors of this queue as they come; empty for the first one. `DutyChanged` follows."""
        self._duty().commands.take_duty(queue)

    def end_duty(self) -> None:
        """Nobody new. `DutyChanged` follows."""
        self._duty().end()

    def call_next(self, queue: str = "") -> None:
        """End the present session; `ClientCame` follows when somebody waits."""
        self._duty().commands.call_next(queue)

    def end_session(self) -> None:
        """End the present session."""
        self._duty().commands.end_session()

    def drop(self, place: int) -> None:
        """Take number `place` out of the waiting room."""
        self._duty().commands.drop(place)

    def move(self, place: int, to: int) -> None:
        """Number `place` of the waiting room becomes number `to`."""
        self._duty().commands.move(place, to)

    def hand_over(self, operator: str) -> None:
        """Our visitor goes to this operator."""
        self._duty().commands.hand_over(operator)

    def note(self, text: str) -> None:
        """A note about our visitor, for operators only."""
        self._duty().commands.note(text)

    def show_room(self, queue: str = "") -> None:
        """`WaitingRoom` follows."""
        self._duty().commands.show_room(queue)

    def show_figures(self, queue: str = "") -> None:
        """`Figures` follows."""
        self._duty().commands.show_figures(queue)

    async def answered(self) -> None:
        """Wait until all that was asked is answered, and whom we called is here. Raises NotOpen."""
        while not self._open_core().duty.commands.is_answered:
            await self._change()

    async def said(self) -> None:
        """Wait until what we said to our visitor is on its way: an end of the session would overtake it. Raises NotOpen."""
        while not self._open_core().duty.is_said:
            await self._change()

    def _duty(self) -> Duty:
        self._schedule()
        return self._open_core().duty
