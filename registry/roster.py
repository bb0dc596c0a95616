"""This file is about who has come in during this life of the registry: their link, their station, their last REGISTER.

It knows links by number only; it must not know addresses, names or bytes.
"""

from collections.abc import Iterator
from typing import Final

_STATION_LAST: Final = 2**32 - 1


class Seat:
    """What one identity holds while it comes and goes."""

    __slots__ = ("link", "nonce", "station")

    def __init__(self) -> None:
        self.link: int | None = None
        self.station = 0
        """The number by which its group frames are known, while its link lasts."""
        self.nonce = b""
        """Of its last REGISTER: the same once more is a repeated datagram."""


class Roster:
    """Seats by identity. Stations rise and are never given twice in one life (a group's nonce is made of them)."""

    def __init__(self, *, first_station: int) -> None:
        self._seats: dict[bytes, Seat] = {}
        self._next_station = max(first_station % _STATION_LAST, 1)

    def seat(self, identity: bytes) -> Seat:
        """Their seat, made when they have none."""
        seat = self._seats.get(identity)
        if seat is None:
            seat = self._seats[identity] = Seat()
        return seat

    def link_of(self, identity: bytes) -> int | None:
        """Their link, if they have one."""
        seat = self._seats.get(identity)
        return None if seat is None else seat.link

    def sit(self, seat: Seat, link: int) -> None:
        """They have a link, and a station of its own."""
        seat.link, seat.station = link, self._next_station
        self._next_station = self._next_station % _STATION_LAST + 1

    def rise(self, seat: Seat) -> None:
        """Their link is gone."""
        seat.link, seat.station = None, 0

    def seated(self) -> Iterator[Seat]:
        """All who have a link."""
        return (seat for seat in self._seats.values() if seat.link is not None)
