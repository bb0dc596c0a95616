"""Guests: visitors' programs that are connected to the registry without a name, by their keys."""

from collections import Counter
from typing import Final

from chatapp.registry.rules.desk.queue.visit import GATEWAY, is_gateway
from chatapp.registry.rules.directory.connections import NOWHERE, Liveness, Place
from chatapp.registry.rules.effects import (
    Admit,
    Caller,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    LinkEndReason,
    Refuse,
)
from chatapp.registry.rules.limits import Leases
from chatapp.wire.address import Address
from chatapp.wire.identity import fingerprint_digits
from chatapp.wire.limits import (
    DESK_VISITS_PER_ADDRESS,
    DESK_VISITS_PER_GATEWAY,
    GUEST_KEPT_FOR,
    GUESTS_MAX,
    GUESTS_PER_ADDRESS,
    GUESTS_PER_GATEWAY,
)
from chatapp.wire.messages.registration import RefusalReason, Register
from chatapp.wire.messages.table import Card


def source_of(address: Address, gateway: bytes) -> str:
    """Return what a visitor is counted with: the gateway, or without one the address."""
    return f"{GATEWAY}{fingerprint_digits(gateway)}" if gateway else address.host


def visits_max(source: str) -> int:
    """Return how many visits of one source there may be at once."""
    return DESK_VISITS_PER_GATEWAY if is_gateway(source) else DESK_VISITS_PER_ADDRESS


class Guest:
    """A connected program without a name."""

    __slots__ = ("address", "card", "gateway", "host", "link", "node", "nonce", "source")

    def __init__(self, card: Card, address: Address, gateway: bytes) -> None:
        self.card = card
        self.host: Final = address.host
        """The first address."""
        self.gateway: Final = gateway
        """The key of the gateway through which the guest came first; empty for none."""
        self.source: Final = source_of(address, gateway)
        """What the guest is counted with."""
        self.address = address
        self.node = 0
        """Where the newest sign of life came in."""
        self.link: int | None = None
        self.nonce = b""
        """The nonce of the last REGISTER: the same once more is a repeated datagram."""


class Guests(dict[bytes, Guest]):
    """All guests, by their keys."""

    def __init__(self, liveness: Liveness) -> None:
        super().__init__()
        self._liveness = liveness
        self._of_source: Counter[str] = Counter()
        self._leases: Leases[bytes] = Leases(GUEST_KEPT_FOR)

    def host_of(self, identity: bytes) -> str:
        """Return a guest's first address."""
        return self[identity].host

    def gateway_of(self, identity: bytes) -> bytes:
        """Return the key of the gateway through which a guest came first; empty for none."""
        return self[identity].gateway

    def source_of(self, identity: bytes) -> str:
        """Return what a guest is counted with."""
        return self[identity].source

    def linked(self) -> list[bytes]:
        """Return the guests with a link."""
        return [identity for identity, guest in self.items() if guest.link is not None]

    def register(
        self, register: Register, caller: Caller, *, gateway: bytes = b"", now: float
    ) -> list[Effect]:
        """Admit a guest whose signatures were checked. A guest's key cannot take a name as well.
        `gateway`: the key of a known gateway that vouches for the guest. A guest stays counted as
        when it came first."""
        card, nonce = register.card, register.nonce
        if card.name:
            return [Refuse(to=caller, nonce=nonce, name=card.name, reason=RefusalReason.BAD_NAME)]
        guest = self.get(card.identity)
        if guest is not None and guest.nonce == nonce:
            return [Admit(to=caller, card=guest.card, nonce=nonce, is_new=False, is_guest=True)]
        refusal = self._refusal_of(card, guest, caller, gateway)
        if refusal is not None:
            return [Refuse(to=caller, nonce=nonce, name="", reason=refusal)]
        if guest is None:
            assert caller.address is not None
            guest = self[card.identity] = Guest(card, caller.address, gateway)
            self._of_source[guest.source] += 1
        guest.card, guest.nonce = card, nonce
        self.sign_of_life(caller, now=now)
        if guest.link is None:
            self._leases.renew(card.identity, now=now)
        return [Admit(to=caller, card=card, nonce=nonce, is_new=True, is_guest=True)]

    def sign_of_life(self, caller: Caller, *, now: float) -> None:
        """Note a sign of life, and the address of the newest one."""
        if caller.is_newest:
            self._liveness.note(caller.identity, now=now)
            if caller.address is not None:
                guest = self[caller.identity]
                guest.address, guest.node = caller.address, caller.node

    def silent(self, identity: bytes) -> list[Effect]:
        """Disconnect a silent guest. The end of the link decides what becomes of the visit."""
        link = self.link_of(identity)
        return [] if link is None else [Disconnect(link=link, reason=LinkEndReason.SILENT)]

    def place_of(self, identity: bytes) -> Place:
        """Return where a guest is."""
        guest = self.get(identity)
        return NOWHERE if guest is None else Place(guest.link, guest.address, guest.node)

    def attach(self, caller: Caller, link: int, *, now: float) -> list[Effect]:
        """Attach a guest's link and end a former one."""
        guest = self[caller.identity]
        if guest.link == link:
            return [Drop(reason=DropReason.MISPLACED_ATTACH)]
        former, guest.link = guest.link, link
        self._liveness.note(caller.identity, now=now)
        self._leases.end(caller.identity)
        return [] if former is None else [Disconnect(link=former, reason=LinkEndReason.REPLACED)]

    def link_lost(self, identity: bytes, link: int, *, now: float) -> None:
        """Note that a guest's link is over."""
        guest = self.get(identity)
        if guest is not None and guest.link == link:
            guest.link = None
            self._liveness.end(identity)
            self._leases.renew(identity, now=now)

    def link_of(self, identity: bytes) -> int | None:
        """Return a guest's link, None for none."""
        guest = self.get(identity)
        return None if guest is None else guest.link

    def expire(self, *, now: float) -> None:
        """Forget guests that have been without a link for long enough."""
        for identity in self._leases.expired(now=now):
            guest = self.pop(identity)
            self._of_source[guest.source] -= 1
            if not self._of_source[guest.source]:
                del self._of_source[guest.source]

    def next_timer(self) -> float | None:
        """Return when the first guest is to be forgotten."""
        return self._leases.next_deadline()

    def _refusal_of(
        self, card: Card, guest: Guest | None, caller: Caller, gateway: bytes
    ) -> RefusalReason | None:
        if guest is not None:
            is_other = card.counter == guest.card.counter and card != guest.card
            return RefusalReason.OLD_CARD if card.counter < guest.card.counter or is_other else None
        assert caller.address is not None
        of_source = self._of_source[source_of(caller.address, gateway)]
        if len(self) >= GUESTS_MAX or (gateway and of_source >= GUESTS_PER_GATEWAY):
            return RefusalReason.VISITORS_FULL
        if not gateway and of_source >= GUESTS_PER_ADDRESS:
            return RefusalReason.ADDRESS_FULL
        return None
