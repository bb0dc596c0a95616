"""The addresses at which our registry may answer: which one is in use, and which are asked next.

A registry may be several servers, of which any may be away. They have one identity, so a peer may
go to whichever answers (clause 4.11).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from chatapp.wire.address import Address, ip_literal, is_server
from chatapp.wire.limits import SERVER_ADDRESSES_MAX


class RegistryServers:
    """The addresses of one registry, in the order in which they are asked."""

    def __init__(self, addresses: Sequence[Address], named: Sequence[Address] = ()) -> None:
        """`addresses`: at least one, the preferred one first. `named`: the servers that the
        registry named the last time."""
        self._addresses: Final = list(dict.fromkeys(addresses))[:SERVER_ADDRESSES_MAX]
        self._at = 0
        self._last_home: Address | None = None
        self.strangers: Final[dict[Address, bytes]] = {}
        """The keys of other registries that answered, by address."""
        self.named: tuple[Address, ...] = ()
        """The other servers that the registry names, by IP address or host name."""
        self.to_look_up: list[Address] = []
        """Those of them whose host names have to be looked up; their addresses are then to be
        added."""
        self.name(named)

    def __len__(self) -> int:
        return len(self._addresses)

    def __contains__(self, address: Address) -> bool:
        return address in self._addresses

    @property
    def current(self) -> Address:
        """The address in use."""
        return self._addresses[self._at]

    def name(self, named: Sequence[Address]) -> None:
        """Note the other servers that the registry names. What cannot be a server is left out."""
        found = tuple(Address(*server) for server in named if is_server(Address(*server)))
        if found == self.named:
            return
        self.named = found
        literals = {server: ip_literal(server.host) for server in found}
        self.add(
            Address(host, server.port) for server, host in literals.items() if host is not None
        )
        self.to_look_up = [server for server, host in literals.items() if host is None]

    def add(self, addresses: Iterable[Address]) -> None:
        """Add further addresses behind those that are there."""
        for address in addresses:
            if address not in self._addresses and len(self._addresses) < SERVER_ADDRESSES_MAX:
                self._addresses.append(address)

    def asked_at(self, attempt: int, *, tries: int) -> list[Address]:
        """Return the addresses to which the attempt with this number, from 1 to `tries`, sends its
        HELLO.

        The first attempt asks the address in use alone. Each further one asks more, so that all
        have been asked by the last attempt, and those that may be slow are asked again."""
        others = len(self._addresses) - 1
        each_time = -(-others // max(tries - 1, 1))
        count = 1 + min(others, (attempt - 1) * each_time)
        return self.in_order()[:count]

    def in_order(self) -> list[Address]:
        """Return all addresses in the order in which they are asked, the one in use first."""
        return self._addresses[self._at :] + self._addresses[: self._at]

    def use(self, address: Address) -> None:
        """Use this address from now on: our registry has answered there."""
        self._at = self._addresses.index(address)

    def let_in(self) -> None:
        """Note that the server in use let us in."""
        self._last_home = self.current

    @property
    def are_replaced(self) -> bool:
        """Whether another registry answered at all addresses, or at the one that let us in last."""
        return self._last_home in self.strangers or all(
            one in self.strangers for one in self._addresses
        )

    def pass_on(self) -> None:
        """Begin the next attempt at the next address: our registry answers at this one, but does
        not serve us."""
        self._at = (self._at + 1) % len(self._addresses)
