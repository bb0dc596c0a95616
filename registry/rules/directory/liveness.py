"""Signs of life: who was heard of within the lease, and who is to be probed (clause 5.4)."""

from typing import Final, NamedTuple

from chatapp.registry.rules.limits import Leases, RegistryPolicy
from chatapp.wire.address import Address


class Place(NamedTuple):
    """Where somebody is: the link, the address of their datagrams, and the node at which those come
    in."""

    link: int | None
    address: Address | None
    node: int


NOWHERE: Final = Place(None, None, 0)


class Liveness:
    """Decides which members and guests are silent, and whom to probe."""

    def __init__(self, policy: RegistryPolicy) -> None:
        self._leases: Final[Leases[bytes]] = Leases(policy.lease_span)
        self._doubted: Final[Leases[bytes]] = Leases(policy.probe_span)
        """Deadlines of those in doubt: for a sign of life, or else for the next probe."""
        self._probes: Final[dict[bytes, int]] = {}
        """How often each was probed."""
        self._probes_max: Final = policy.probes
        self._late_after: Final = policy.late_after
        self._patience: Final = policy.probe_span * policy.probes
        self._patient_until = float("-inf")

    def note_if_present(self, identity: bytes, *, now: float) -> None:
        """Note a sign of life of somebody who is here already."""
        if identity in self._leases:
            self.note(identity, now=now)

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._leases

    def note(self, identity: bytes, *, now: float) -> None:
        """Note a sign of life: the lease is renewed and any doubt is over."""
        self._leases.renew(identity, now=now)
        if identity in self._probes:
            self._settle(identity)

    def end(self, identity: bytes) -> None:
        """Forget somebody who has gone."""
        self._leases.end(identity)
        self._settle(identity)

    def check_alive(self, identity: bytes, *, now: float) -> None:
        """Start probing somebody whom another peer cannot reach, after a short wait for a sign of
        life.

        Whoever answers stays online, and repeated reports send no more probes.
        """
        if identity in self._leases and identity not in self._probes:
            self._probes[identity] = 0
            self._doubted.renew(identity, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> tuple[list[bytes], list[bytes]]:
        """Return who is silent from now on, and whom to probe now."""
        due = self.next_timer()
        if due is None or now < due:
            return [], []
        if now > due + self._late_after:
            # The registry itself was stopped, and signs of life from meanwhile are still to be
            # read: wait before judging.
            self._patient_until = now + self._patience
            return [], []
        to_ask: list[bytes] = []
        silent: list[bytes] = []
        for identity in self._doubted.expired(now=now):
            if self._probes[identity] < self._probes_max:
                self._probes[identity] += 1
                self._doubted.renew(identity, now=now)
                to_ask.append(identity)
            else:
                del self._probes[identity]
                self._leases.end(identity)
                silent.append(identity)
        for identity in self._leases.expired(now=now):
            self._settle(identity)
            silent.append(identity)
        return silent, to_ask

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        deadlines = (self._leases.next_deadline(), self._doubted.next_deadline())
        due = min((deadline for deadline in deadlines if deadline is not None), default=None)
        return None if due is None else max(due, self._patient_until)

    def _settle(self, identity: bytes) -> None:
        if self._probes.pop(identity, None) is not None:
            self._doubted.end(identity)
