"""This file is about the sealed sessions between the registry and its peers: which datagram or link belongs to whom.

A session belongs to two live keys and counts its own nonces. So one is never made twice for the same two keys, and not
forgotten before our live key is: a peer that comes back with the live key it had must find the session it had.
Making one costs an X25519 agreement; it is put off until something is to be opened. Knows keys; no sockets or clocks.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from registry.leases import Leases
from registry.policy import Policy
from wire.identity import AgreementKey, Identity, make_card
from wire.limits import SESSIONS_FADING_MAX
from wire.messages.table import Card
from wire.sealing import Session, session_tag

_KEY_SIZE: Final = 32


class Randomness(Protocol):
    """Where chance comes from: `random.Random` in tests, the system's in earnest."""

    def randbytes(self, n: int, /) -> bytes:
        """`n` random bytes."""


class Channel:
    """What a peer and we seal with, under one live key each."""

    __slots__ = ("_our", "_session", "_whose", "identity", "is_current", "live", "newest", "tag")

    def __init__(self, identity: bytes, live: bytes, *, ours: AgreementKey, whose: bytes) -> None:
        self._our = ours
        self._whose = whose
        self._session: Session | None = None
        self.identity: Final = identity
        self.live: Final = live
        self.tag: Final = session_tag(live, ours.public)
        self.newest = -1
        """The highest counter that was opened."""
        self.is_current = True
        """Whether the peer has shown no newer live key since. Ours may be a newer one: that says nothing about the peer."""

    def session(self) -> Session:
        """Made at first use. Raises SealError when the peer's live key is no good."""
        if self._session is None:
            self._session = Session(
                live=self._our, identity=self._whose, their_live=self.live, their_identity=self.identity
            )
        return self._session


class Sessions:
    """Everybody's channel, and our own live key."""

    def __init__(
        self, identity: Identity, rng: Randomness, policy: Policy, *, counter: int, now: float
    ) -> None:
        self._identity = identity
        self._rng = rng
        self._policy = policy
        self._by_tag: dict[bytes, Channel] = {}
        self._by_identity: dict[bytes, Channel] = {}
        self._fading: Leases[bytes] = Leases(policy.grace_span)
        self._live = AgreementKey(rng.randbytes(_KEY_SIZE))
        self._mail = AgreementKey(rng.randbytes(_KEY_SIZE)).public
        self._renewed_at = now
        self._most = policy.sessions_max
        self.card = self._new_card(counter)

    def __len__(self) -> int:
        return len(self._by_tag)

    def find(self, tag: bytes) -> Channel | None:
        """Whose datagrams bear this tag."""
        return self._by_tag.get(tag)

    def of(self, identity: bytes) -> Channel | None:
        """The present session with somebody."""
        return self._by_identity.get(identity)

    def admit(self, card: Card, *, now: float) -> None:
        """From now on we share a session with the holder of this card."""
        known = self._by_identity.get(card.identity)
        if known is not None:
            if known.live == card.live:
                return
            known.is_current = False
            self._fade(known, now)
        self._begin(card.identity, card.live)

    def handle_timer(self, *, online: Callable[[], Iterable[bytes]], counter: int, now: float) -> bool:
        """Forget what was replaced long enough ago, and replace our live key when that is due (True)."""
        for tag in self._fading.expired(now=now):
            self._by_tag.pop(tag, None)
        if now < self._renewal_at:
            return False
        self._renew(online(), counter, now)
        return True

    def next_timer(self) -> float:
        """The earliest deadline."""
        fading = self._fading.next_deadline()
        return self._renewal_at if fading is None else min(fading, self._renewal_at)

    @property
    def _renewal_at(self) -> float:
        """At its time; early when there are too many sessions, but never while the last one fades."""
        is_full = len(self._by_identity) >= self._most
        return self._renewed_at + (2 * self._policy.grace_span if is_full else self._policy.live_key_span)

    def _renew(self, online: Iterable[bytes], counter: int, now: float) -> None:
        """A new live key. Who is away comes in anew with its next REGISTER."""
        before, self._by_identity = self._by_identity, {}
        self._live = AgreementKey(self._rng.randbytes(_KEY_SIZE))
        self._renewed_at = now
        self.card = self._new_card(max(counter, self.card.counter + 1))
        for channel in before.values():
            self._fade(channel, now)
        for identity in online:
            known = before.get(identity)
            if known is not None:
                self._begin(identity, known.live)
        self._most = max(self._policy.sessions_max, 2 * len(self._by_identity))

    def _begin(self, identity: bytes, live: bytes) -> None:
        channel = Channel(identity, live, ours=self._live, whose=self._identity.public)
        known = self._by_tag.get(channel.tag)
        if known is not None and known.identity != identity:
            return  # a live key that was another's a moment ago: nobody honest has it
        if known is not None:
            channel = known  # back to the key before: its nonces go on
            channel.is_current = True
            self._fading.end(channel.tag)
        self._by_tag[channel.tag] = self._by_identity[identity] = channel

    def _fade(self, channel: Channel, now: float) -> None:
        self._fading.renew(channel.tag, now=now)
        if len(self._fading) > SESSIONS_FADING_MAX and (oldest := self._fading.oldest()) is not None:
            self._fading.end(oldest)
            self._by_tag.pop(oldest, None)  # gone before where its owner showed another's live key

    def _new_card(self, counter: int) -> Card:
        return make_card(self._identity, name="", live=self._live.public, mail=self._mail, counter=counter)
