"""Admission: what an unknown address must show before it costs the registry memory or much time
(clauses 4.1 to 4.3), and which peers may open a session then.

A COOKIE for a HELLO costs one keyed hash and no state. A REGISTER is examined only if it shows the
cookie that was given to its address, and within the address's rate. Its two signatures, which cost
most, are checked when its turn comes.
"""

import hashlib
import itertools
from collections import OrderedDict, deque
from collections.abc import Container
from typing import Final, Generic, TypeVar

from chatapp.registry.rules.effects import DropReason
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.address import Address, network_of
from chatapp.wire.admission import (
    is_invitation_for,
    is_register_authentic,
    is_voucher_for,
    make_refused,
)
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import Kind, decode_hello, encode
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.limits import BUCKETS_MAX, REGISTERS_BURST, REGISTERS_PER_SECOND
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Cookie, RefusalReason, Register
from chatapp.wire.messages.table import Card
from chatapp.wire.sessions.opening import Randomness
from chatapp.wire.sessions.session import SessionTable

_COOKIE_SIZE: Final = 16
_KEY_SIZE: Final = 32
_OLDEST_TRIED: Final = 16
"""How many of the oldest registrations are tried to find one without a live session."""
_VERSION_REFUSALS_PER_SECOND: Final = 20.0
"""Signed answers a second to HELLOs of another version, over all addresses: a HELLO proves
nothing."""
_BY_VERSION: Final = "version"


class Gate:
    """Answers HELLOs and screens REGISTERs."""

    def __init__(self, registry: Identity, *, secret: bytes, window: float) -> None:
        self._registry = registry
        self.secret = secret
        self._window: Final = window
        self._registers: Buckets[str] = Buckets(
            rate=REGISTERS_PER_SECOND, burst=REGISTERS_BURST, most=BUCKETS_MAX
        )
        self._refusals: Buckets[str] = Buckets(
            rate=_VERSION_REFUSALS_PER_SECOND, burst=_VERSION_REFUSALS_PER_SECOND, most=1
        )

    def answer_hello(self, data: bytes, sender: Address, *, card: Card, now: float) -> bytes | None:
        """Return the answer to a HELLO, never longer than the HELLO; None for no answer. Raises
        DecodeError."""
        hello = decode_hello(data[1:])
        if hello.version == PROTOCOL_VERSION:
            return self._cookie_for(hello.nonce, sender, card, now)
        if not self._refusals.take(_BY_VERSION, now=now):
            return None
        refused = make_refused(
            self._registry,
            nonce=hello.nonce,
            reason=RefusalReason.VERSION,
            name="",
            counter=PROTOCOL_VERSION,
        )
        return bytes((Kind.REFUSED,)) + encode(refused)

    def renew_cookie(self, register: Register, sender: Address, *, card: Card, now: float) -> bytes:
        """Return the COOKIE that answers a REGISTER with a bad cookie, as of a former start: it is
        shorter than the REGISTER."""
        return self._cookie_for(register.nonce, sender, card, now)

    def screen(self, register: Register, sender: Address, *, now: float) -> DropReason | None:
        """Return why a REGISTER is dropped; None if its cookie is valid and its network within the
        rate. These checks cost little."""
        window = int(now // self._window)
        if all(register.cookie != self._cookie(sender, at) for at in (window, window - 1)):
            return DropReason.BAD_COOKIE
        if not self._registers.take(network_of(sender.host), now=now):
            return DropReason.REGISTER_RATE
        return None

    def flaw_of(self, register: Register) -> DropReason | None:
        """Return what is wrong with the signatures; None if they are good. This check costs much.

        The signature of the card itself is not checked: that of the REGISTER is by the same key and
        covers the card, and whoever uses the card checks it.
        """
        if not is_register_authentic(register, registry=self._registry.public):
            return DropReason.BAD_REGISTER_SIGNATURE
        shown, identity = register.invitation, register.card.identity
        registry, nonce = self._registry.public, register.nonce
        if shown and not is_invitation_for(
            shown, registry=registry, nonce=nonce, identity=identity
        ):
            return DropReason.BAD_INVITATION
        voucher = register.voucher
        if voucher and not is_voucher_for(
            voucher, registry=registry, nonce=nonce, identity=identity
        ):
            return DropReason.BAD_VOUCHER
        return None

    def _cookie_for(self, nonce: bytes, sender: Address, card: Card, now: float) -> bytes:
        cookie = self._cookie(sender, int(now // self._window))
        return bytes((Kind.COOKIE,)) + encode(Cookie(nonce=nonce, cookie=cookie, card=card))

    def _cookie(self, sender: Address, window: int) -> bytes:
        material = f"{window} {sender.port} {sender.host}".encode()
        return hashlib.blake2s(
            material, digest_size=_COOKIE_SIZE, key=self.secret, person=b"chat-cok"
        ).digest()


Waiting = TypeVar("Waiting")

RATE: Final = 1_000.0
BURST: Final = 100.0
"""REGISTERs a second, and at once, that are handled as they come, from everybody together: a tenth
of a core, and 20 ms in which nothing else is done. Further ones are queued."""

SERVED_IN_ONE_TURN: Final = 4
"""REGISTERs handled in one turn of the queue, half a millisecond, before the event loop goes on,
above all to the datagrams that wait in the socket."""


class FairQueue(Generic[Waiting]):
    """A queue for each network, served in turns."""

    def __init__(self, *, most: int) -> None:
        self._most: Final = most
        self._shared: Final = most - most // 4
        self._immediate: Final[Buckets[None]] = Buckets(rate=RATE, burst=BURST)
        self._lines: OrderedDict[str, deque[Waiting]] = OrderedDict()
        self._count = 0
        self.due = float("inf")
        """When `taken` is to be called next."""

    def __len__(self) -> int:
        return self._count

    def is_free(self, *, now: float) -> bool:
        """Return whether one more may be handled as it comes."""
        return not self._count and self._immediate.take(None, now=now)

    def join(self, network: str, waiting: Waiting, *, now: float) -> bool:
        """Queue behind others of the network. Return False if too many wait."""
        line = self._lines.setdefault(network, deque())
        has_capacity = (
            self._count < self._most if not line else len(line) < self._shared - self._count
        )
        if has_capacity:
            line.append(waiting)
            self._count += 1
            self.due = min(self.due, now)
        elif not line:
            del self._lines[network]
        return has_capacity

    def taken(self, *, now: float) -> list[Waiting]:
        """Remove and return those whose turn it is."""
        taken: list[Waiting] = []
        while self._lines and len(taken) < SERVED_IN_ONE_TURN:
            network, line = self._lines.popitem(last=False)
            taken.append(line.popleft())
            if line:
                self._lines[network] = line
        self._count -= len(taken)
        self.due = now if self._lines else float("inf")
        return taken


class Sessions:
    """The peers that may open sessions, and the registry's own card.

    A session is bound to the nonce of the peer's latest registration, so an opening of an earlier
    registration, or of an earlier run of the registry, opens nothing.
    """

    def __init__(
        self, identity: Identity, rng: Randomness, policy: RegistryPolicy, *, counter: int
    ) -> None:
        self._contexts: dict[bytes, bytes] = {}
        self._places: dict[bytes, Address] = {}
        """From which address each has registered, or sent its newest datagram."""
        self._most: Final = policy.sessions_max
        self.guests: Final[set[bytes]] = set()
        """The visitors without a name among them."""
        self.table: Final = SessionTable(identity, rng=rng, context_of=self._contexts.get)
        self._identity: Final = identity
        self._mail: Final = AgreementKey(rng.randbytes(_KEY_SIZE)).public
        self.renew_card(counter)

    def renew_card(self, counter: int) -> None:
        """Show another card, by which peers without a session tell that theirs is forgotten."""
        self.card = make_card(self._identity, name="", mail=self._mail, counter=counter)

    def __len__(self) -> int:
        """Return how many peers may open sessions."""
        return len(self._contexts)

    def admit(
        self, identity: bytes, nonce: bytes, place: Address, *, is_guest: bool, now: float
    ) -> None:
        """Allow sessions with a peer that was admitted by the REGISTER with this nonce, which came
        from `place`."""
        (self.guests.add if is_guest else self.guests.discard)(identity)
        if self._contexts.pop(identity, nonce) != nonce:
            self.table.meet_anew(identity, now=now)
        self._contexts[identity], self._places[identity] = nonce, place
        if len(self._contexts) > self._most:
            self._forget_oldest(identity)

    def is_at(self, identity: bytes, place: Address) -> None:
        """Note from where the newest datagram of a peer came."""
        if identity in self._contexts:
            self._places[identity] = place

    def registration_of(self, identity: bytes) -> tuple[bytes, Address] | None:
        """Return the nonce of a peer's registration, and where the peer is; None if it may open no
        session."""
        nonce = self._contexts.get(identity)
        return None if nonce is None else (nonce, self._places[identity])

    def keep_only(self, identities: Container[bytes]) -> None:
        """Forget the registrations of all other peers."""
        for identity in [one for one in self._contexts if one not in identities]:
            del self._contexts[identity], self._places[identity]
        self.guests.intersection_update(self._contexts)
        self.table.keep_only(identities)

    def _forget_oldest(self, newest: bytes) -> None:
        """Forget the oldest registration that has no live session: that peer has to register
        again."""
        for identity in list(itertools.islice(self._contexts, _OLDEST_TRIED)):
            if identity != newest and not self.table.is_in_use(identity):
                del self._contexts[identity], self._places[identity]
                self.guests.discard(identity)
                self.table.forget(identity)
                return
            self._contexts[identity] = self._contexts.pop(identity)
