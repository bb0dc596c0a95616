"""This file is about how long those who are out of reach keep what they have: a visitor the place, an operator the duty.

It counts time for numbers and ids; it must not know what follows when a span is over.
"""

from registry.desk.settings import DeskSettings
from registry.desk.visit import OperatorId
from registry.leases import Leases


class Absences:
    """Who is out of reach, and until when that is borne."""

    def __init__(self, settings: DeskSettings) -> None:
        self._places: Leases[int] = Leases(settings.keep_place)
        self._patience: Leases[int] = Leases(settings.pass_over_after)
        self._settling: Leases[int] = Leases(settings.restart_grace)
        self._duties: Leases[OperatorId] = Leases(settings.operator_grace)

    # --- visitors

    def visitor_lost(self, number: int, *, now: float) -> None:
        """Their place is kept for a while."""
        self._places.renew(number, now=now)

    def hold_line(self, number: int, *, now: float) -> None:
        """For a moment nobody is called before them."""
        self._patience.renew(number, now=now)

    def hold_line_after_restart(self, number: int, *, now: float) -> None:
        """The same for longer: everybody has to find the registry again."""
        self._settling.renew(number, now=now)

    def visitor_settled(self, number: int) -> None:
        """They are back, or gone for good."""
        for leases in (self._places, self._patience, self._settling):
            leases.end(number)

    def no_longer_held_for(self, *, now: float) -> list[int]:
        """Drained: for whom the line was held long enough."""
        return self._patience.expired(now=now) + self._settling.expired(now=now)

    def places_over(self, *, now: float) -> list[int]:
        """Drained: whose place was kept long enough."""
        return self._places.expired(now=now)

    # --- operators

    def operator_lost(self, who: OperatorId, *, now: float) -> None:
        """What they have is theirs for a while."""
        self._duties.renew(who, now=now)

    def operator_settled(self, who: OperatorId) -> None:
        """They are back, or gone for good."""
        self._duties.end(who)

    def duties_over(self, *, now: float) -> list[OperatorId]:
        """Drained: who was away for too long."""
        return self._duties.expired(now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        deadlines = (
            self._places.next_deadline(),
            self._patience.next_deadline(),
            self._settling.next_deadline(),
            self._duties.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)
