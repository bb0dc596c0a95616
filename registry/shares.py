"""Places that people of many networks share, such that one flooder never takes them all.

A network may hold as many places as are left for everybody, and an identity as many as are left for its network. So the
first network runs out at half of the places, a second one at a quarter, and whoever comes next still finds some. Identities
cost nothing and networks do: both are counted.
"""

from typing import Final, NamedTuple


class _Held(NamedTuple):
    """What one identity holds, and as part of which network."""

    places: int
    network: str


class Shares:
    """Who holds how many of the places."""

    __slots__ = ("_identities", "_most", "_networks", "held")

    def __init__(self, *, most: int) -> None:
        self._most: Final = most
        self._identities: dict[bytes, _Held] = {}
        self._networks: dict[str, int] = {}
        self.held = 0
        """Places that are taken."""

    def has_room(self, identity: bytes, network: str, places: int = 1) -> bool:
        """Whether this identity may take so many places more."""
        held = self._identities.get(identity)
        if held is not None:
            network = held.network
        left = self._most - self.held
        of_network = self._networks.get(network, 0)
        of_identity = 0 if held is None else held.places
        return of_network + places <= left and of_identity + places <= left - of_network

    def has_left(self, places: int = 1) -> bool:
        """Whether there are so many places left at all."""
        return places <= self._most - self.held

    def take(self, identity: bytes, network: str, places: int = 1) -> None:
        """They hold so many places more. Those of an earlier life are taken whether or not there is room."""
        held = self._identities.get(identity)
        if held is None:
            held = _Held(0, network)
        self._identities[identity] = _Held(held.places + places, held.network)
        self._networks[held.network] = self._networks.get(held.network, 0) + places
        self.held += places

    def give_back(self, identity: bytes, places: int = 1) -> None:
        """They hold so many places less."""
        held = self._identities[identity]
        self.held -= places
        if held.places > places:
            self._identities[identity] = _Held(held.places - places, held.network)
        else:
            del self._identities[identity]
        of_network = self._networks[held.network] - places
        if of_network:
            self._networks[held.network] = of_network
        else:
            del self._networks[held.network]
