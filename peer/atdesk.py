"""What an operator of the help desk asks of a peer: a part of the SDK (`Peer.desk`). What comes of it comes as events."""

from collections.abc import Awaitable, Callable
from typing import Final

from peer.core.duty import Duty, Whom
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
    def visit(self) -> int:
        """The number of the visit of the visitor whom we serve; 0 for nobody."""
        return self._open_core().duty.visit

    @property
    def is_on_duty(self) -> bool:
        """Whether visitors may be given to us."""
        return self._open_core().duty.is_on

    def takes_lines(self, *, entered_at: float) -> bool:
        """Whether text that is typed at this time (of the loop's clock) is for a visitor, be it for one who has just
        left."""
        return self._open_core().duty.takes_lines(entered_at=entered_at)

    # What concerns a visitor names the visit (`visit`, as ClientCame said it), or the time at which an operator has
    # typed it (`entered_at`, by the loop's clock; now, if neither is given). Then it is for the visitor whom the
    # operator was shown, and is held back, with HeldBack as the event, if that is not clear.

    def say(
        self, text: str, *, visit: int | None = None, entered_at: float | None = None, is_maybe: bool = False
    ) -> None:
        """A line for our visitor. `is_maybe`: the line would mean something else if nobody were served. Raises TooLong,
        UnicodeEncodeError."""
        now = self._now()
        whom = self._whom(visit, entered_at)._replace(is_maybe=is_maybe)
        self._open_core().speech.say_on_duty(text, whom, now=now)
        self._schedule()

    def take_duty(self, queue: str = "") -> None:
        """Visitors of this queue as they come; empty for the first one. `DutyChanged` follows."""
        self._duty().commands.take_duty(queue)

    def end_duty(self) -> None:
        """Nobody new. `DutyChanged` follows."""
        self._duty().end()

    def call_next(
        self, queue: str = "", *, visit: int | None = None, entered_at: float | None = None
    ) -> None:
        """End the session; `ClientCame` follows when somebody waits."""
        self._duty().call_next(queue, self._whom(visit, entered_at))

    def end_session(self, *, visit: int | None = None, entered_at: float | None = None) -> None:
        """End the session."""
        self._duty().end_session(self._whom(visit, entered_at))

    def hand_over(self, operator: str, *, visit: int | None = None, entered_at: float | None = None) -> None:
        """Our visitor goes to this operator."""
        self._duty().hand_over(operator, self._whom(visit, entered_at))

    def note(self, text: str, *, visit: int | None = None, entered_at: float | None = None) -> None:
        """A note about our visitor, for operators only."""
        self._duty().note(text, self._whom(visit, entered_at))

    def drop(self, place: int) -> None:
        """Take a visitor out of the waiting room: number `place` of the one that was shown last."""
        self._duty().commands.drop(place)

    def move(self, place: int, to: int) -> None:
        """Give a visitor the number `to`: number `place` of the waiting room that was shown last."""
        self._duty().commands.move(place, to)

    def show_room(self, queue: str = "") -> None:
        """`WaitingRoom` follows."""
        self._duty().commands.show_room(queue)

    def show_figures(self, queue: str = "") -> None:
        """`Figures` follows."""
        self._duty().commands.show_figures(queue)

    async def answered(self) -> None:
        """Wait until all that was asked is answered: what follows from it was told before. Raises NotOpen."""
        while not self._open_core().duty.commands.is_answered:
            await self._change()

    async def said(self) -> None:
        """Wait until what we said to our visitor is on its way: an end of the session would overtake it. Raises NotOpen."""
        while not self._open_core().duty.is_said:
            await self._change()

    def _whom(self, visit: int | None, entered_at: float | None) -> Whom:
        return Whom(visit, self._now() if entered_at is None else entered_at)

    def _duty(self) -> Duty:
        self._schedule()
        return self._open_core().duty
