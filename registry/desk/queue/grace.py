"""Deadlines of those who are out of reach: how long a position, a duty and a place in front are kept."""

from chatapp.registry.desk.queue.visit import OperatorId
from chatapp.registry.desk.settings import DeskSettings
from chatapp.registry.limits import Leases


class GraceTimers:
    """Deadlines of visitors and operators who are out of reach."""

    def __init__(self, settings: DeskSettings) -> None:
        self._kept_positions: Leases[int] = Leases(settings.keep_place)
        self._patience: Leases[int] = Leases(settings.pass_over_after)
        self._settling: Leases[int] = Leases(settings.restart_grace)
        self._served: Leases[int] = Leases(settings.absent_after)
        self._duties: Leases[OperatorId] = Leases(settings.operator_grace)

    # --- visitors

    def visitor_lost(self, number: int, *, now: float) -> None:
        """Begin to keep a visitor's position."""
        self._kept_positions.renew(number, now=now)

    def hold_line(self, number: int, *, now: float) -> None:
        """Hold the line for a moment, so that nobody is called before this visitor."""
        self._patience.renew(number, now=now)

    def hold_line_after_restart(self, number: int, *, now: float) -> None:
        """Hold the line for longer: everybody has to find the registry again."""
        self._settling.renew(number, now=now)

    def hold_operator(self, number: int, *, now: float) -> None:
        """Let an operator wait for a while for this visitor, whom they serve."""
        self._served.renew(number, now=now)

    def visitor_settled(self, number: int) -> None:
        """Stop the deadlines: back, or gone for good."""
        for leases in (self._kept_positions, self._patience, self._settling, self._served):
            leases.end(number)

    def no_longer_held_for(self, *, now: float) -> list[int]:
        """Remove and return the visitors for whom the line was held long enough."""
        return self._patience.expired(now=now) + self._settling.expired(now=now)

    def operators_held(self, *, now: float) -> list[int]:
        """Remove and return the visitors for whom an operator has waited long enough."""
        return self._served.expired(now=now)

    def positions_over(self, *, now: float) -> list[int]:
        """Remove and return the visitors whose position was kept long enough."""
        return self._kept_positions.expired(now=now)

    # --- operators

    def operator_lost(self, who: OperatorId, *, now: float) -> None:
        """Begin to keep an operator's duty and visitor."""
        self._duties.renew(who, now=now)

    def operator_settled(self, who: OperatorId) -> None:
        """Stop the deadlines: back, or gone for good."""
        self._duties.end(who)

    def duties_over(self, *, now: float) -> list[OperatorId]:
        """Remove and return the operators who were away for too long."""
        return self._duties.expired(now=now)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        deadlines = (
            self._kept_positions.next_deadline(),
            self._patience.next_deadline(),
            self._settling.next_deadline(),
            self._served.next_deadline(),
            self._duties.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)
