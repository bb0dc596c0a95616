"""Signs of life: who has shown one within the lease, and who is asked for one because somebody cannot reach them.

An open TCP connection is no sign of life: the kernel of a program that hangs, or of a machine that is gone, keeps it open
for minutes. Only what a program says itself counts: a REGISTER, a Ping, any frame on its link (clause 5.4).
"""

from typing import Final

from chatapp.registry.limits import Leases, RegistryPolicy


class Liveness:
    """Members and guests alike, by identity. It decides who is silent; what follows from that is decided elsewhere."""

    def __init__(self, policy: RegistryPolicy) -> None:
        self._leases: Final[Leases[bytes]] = Leases(policy.lease_span)
        self._doubted: Final[Leases[bytes]] = Leases(policy.probe_span)
        """By when each must show a sign of life, or is asked (again)."""
        self._probes: Final[dict[bytes, int]] = {}
        """How often each of them was asked."""
        self._probes_max: Final = policy.probes
        self._late_after: Final = policy.late_after
        self._patience: Final = policy.probe_span * policy.probes
        self._patient_until = float("-inf")

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._leases

    def note(self, identity: bytes, *, now: float) -> None:
        """They have shown a sign of life: they are here for one more lease, and no longer in doubt."""
        self._leases.renew(identity, now=now)
        if identity in self._probes:
            self._settle(identity)

    def end(self, identity: bytes) -> None:
        """They are gone."""
        self._leases.end(identity)
        self._settle(identity)

    def check_alive(self, identity: bytes, *, now: float) -> None:
        """Somebody waits for them in vain. Unless they show a sign of life soon, they are asked for one, several times.

        It makes nobody silent who answers; and each doubt costs one probe at most, after a pause."""
        if identity in self._leases and identity not in self._probes:
            self._probes[identity] = 0
            self._doubted.renew(identity, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> tuple[list[bytes], list[bytes]]:
        """Drained: who is silent (and gone from here), and who is to be asked for a sign of life now."""
        due = self.next_timer()
        if due is None or now < due:
            return [], []
        if now > due + self._late_after:
            # We were stopped ourselves, and what was said meanwhile is still to be read: it would be unjust to judge now.
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
        """The earliest deadline."""
        deadlines = (self._leases.next_deadline(), self._doubted.next_deadline())
        due = min((deadline for deadline in deadlines if deadline is not None), default=None)
        return None if due is None else max(due, self._patient_until)

    def _settle(self, identity: bytes) -> None:
        if self._probes.pop(identity, None) is not None:
            self._doubted.end(identity)
