"""The way to a registry: the addresses at which it may answer, and the handshake, in which each end
proves its identity to the other (clauses 4.1 to 4.5).

A registry may be several servers, of which any may be away. They have one identity, so a peer may
go to whichever answers (clause 4.11).

The registry that we accept is the one whose key the user named; otherwise the pinned one; otherwise
the one that made our join code; otherwise the one that was announced; otherwise the first that
answers. An announcement is a stranger's word: its key must be proved, and proves nothing else.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Final

from chatapp.wire.address import Address, ip_literal, is_server
from chatapp.wire.admission import (
    JoinCode,
    is_refused_authentic,
    is_welcome_authentic,
    make_register,
)
from chatapp.wire.codec import Kind, encode, encode_hello
from chatapp.wire.identity import (
    Identity,
    fingerprint,
    fingerprint_digits,
    in_groups_of_four,
    is_authentic,
)
from chatapp.wire.limits import SERVER_ADDRESSES_MAX
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Cookie, Hello, Refused, Welcome
from chatapp.wire.messages.table import Card


class RegistryServers:
    """The addresses of one registry, in the order in which they are asked."""

    def __init__(self, addresses: Sequence[Address], named: Sequence[Address] = ()) -> None:
        """`addresses`: at least one, the preferred one first. `named`: the servers that the
        registry named the last time."""
        self._addresses: Final = list(dict.fromkeys(addresses))[:SERVER_ADDRESSES_MAX]
        self._at = 0
        self.current: Address = self._addresses[0]
        """The address in use."""
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
        self._at, self.current = self._addresses.index(address), address

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
        self.current = self._addresses[self._at]


class Handshake:
    """Our end of the handshake. Each attempt has its own nonce."""

    def __init__(self, *, identity: Identity, pinned: bytes | None, rng: random.Random) -> None:
        self._identity = identity
        self._rng = rng
        self._nonce = b""
        self._cookie: Cookie | None = None
        self._card: Card | None = None
        self._code: JoinCode | None = None
        self._gateway: Identity | None = None
        self.pinned = pinned
        self.demanded: str | None = None
        """The digits of the fingerprint that the registry must have, whatever is pinned."""
        self.announced: str | None = None
        """The digits of the fingerprint that the registry must have at a first contact without a
        join code."""
        self.is_key_named = False
        """Whether the user, or a join code, named the key of the registry that let us in last."""
        self.stranger: bytes | None = None
        """The key that answered this attempt instead of the expected one."""

    @property
    def is_code_foreign(self) -> bool:
        """Whether our join code is of another registry than the one that answers; it is not shown
        to that one."""
        met = self.stranger or (self._cookie.card.identity if self._cookie is not None else None)
        return self._code is not None and met is not None and not self._code.is_made_by(met)

    @property
    def expected(self) -> str:
        """The fingerprint of the expected key; empty if any key is accepted, or that of the
        registry of our join code."""
        if self.demanded is not None:
            return in_groups_of_four(self.demanded)
        if self.pinned is not None:
            return fingerprint(self.pinned)
        return (
            ""
            if self.announced is None or self._code is not None
            else in_groups_of_four(self.announced)
        )

    @property
    def is_as_announced(self) -> bool:
        """Whether nothing but the announcement says which key is expected."""
        return self.demanded is None and self.pinned is None and self.expected != ""

    def use_card(self, card: Card) -> None:
        """Register with this card from now on."""
        self._card = card

    def use_code(self, code: JoinCode | None) -> None:
        """Show this join code from now on."""
        self._code = code

    def use_gateway(self, gateway: Identity) -> None:
        """Show a voucher of this gateway with each attempt (clause 4.10)."""
        self._gateway = gateway

    def begin(self) -> None:
        """Begin a new attempt."""
        self._nonce, self.stranger = self._rng.randbytes(16), None

    def hello(self) -> bytes:
        """Return a HELLO."""
        return bytes((Kind.HELLO,)) + encode_hello(
            Hello(version=PROTOCOL_VERSION, nonce=self._nonce)
        )

    def takes_cookie(self, cookie: Cookie) -> bool:
        """Take a COOKIE. Return whether it answers our HELLO and is from the expected registry."""
        if cookie.nonce != self._nonce or not is_authentic(cookie.card):
            return False
        if not self._is_expected(cookie.card.identity):
            self.stranger = cookie.card.identity
            return False
        self._cookie, self.stranger = cookie, None
        return True

    def takes_renewed(self, cookie: Cookie) -> bool:
        """Take a new COOKIE from the registry that rejected our last one. Return whether it is
        one."""
        shown = self._cookie
        return (
            shown is not None
            and cookie.cookie != shown.cookie
            and cookie.card.identity == shown.card.identity
            and self.takes_cookie(cookie)
        )

    def _is_expected(self, registry: bytes) -> bool:
        if self.demanded is not None:
            return fingerprint_digits(registry) == self.demanded
        if self.pinned is not None:
            return registry == self.pinned
        if self._code is not None:
            return self._code.is_made_by(registry)
        return self.announced is None or fingerprint_digits(registry) == self.announced

    def register(self) -> bytes:
        """Return a REGISTER."""
        assert self._cookie is not None and self._card is not None
        return bytes((Kind.REGISTER,)) + encode(
            make_register(
                self._identity,
                registry=self._cookie.card.identity,
                nonce=self._nonce,
                cookie=self._cookie.cookie,
                card=self._card,
                code=None if self.is_code_foreign else self._code,
                gateway=self._gateway,
            )
        )

    def takes_welcome(self, welcome: Welcome) -> Card | None:
        """Take a WELCOME. Return the card of the registry, which is pinned from now on; None if the
        WELCOME is invalid."""
        if welcome.nonce != self._nonce or self._cookie is None:
            return None
        card = self._cookie.card
        if not is_welcome_authentic(
            welcome, registry=card.identity, identity=self._identity.public
        ):
            return None
        self.pinned = card.identity
        is_named_by_code = self._code is not None and self._code.is_made_by(card.identity)
        self.is_key_named |= self.demanded is not None or is_named_by_code
        return card

    def takes_refused(self, refused: Refused, *, is_registering: bool) -> bool:
        """Return whether a REFUSED is from the registry that we asked. Without a pinned key we
        believe anybody who knows the nonce, as we would believe that sender's COOKIE."""
        if refused.nonce != self._nonce:
            return False
        registry = self._cookie.card.identity if is_registering and self._cookie else self._known
        return registry is None or is_refused_authentic(refused, registry=registry)

    @property
    def _known(self) -> bytes | None:
        """The pinned key, unless the user demands another one."""
        return self.pinned if self.pinned is not None and self._is_expected(self.pinned) else None
