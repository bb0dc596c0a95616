"""Presence: a program that cannot reach the registry does not count as online for long.

Checked in the registry.
"""

from typing import TYPE_CHECKING, Final

from tests.support.guests import Guest
from tests.support.people import Person

if TYPE_CHECKING:
    from tests.support.world import World

ON_THE_WAY: Final = 5.0
"""Seconds after the end of a lease in which everybody knows."""

AWAY_WITHIN: Final = 30.0 + ON_THE_WAY
"""Seconds until somebody silent is away, unless their link is slow."""


class PresencePromise:
    """Checks the presence of people who are stopped, dead or cut off."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._mute_since: dict[bytes, float] = {}
        self._judges_since = float("inf")
        """When the registry last started or continued."""
        self._identities: dict[str, bytes] = {}

    def look(self) -> None:
        """After every step."""
        registry, now = self._world.registry, self._world.network.now
        if not registry.is_running or registry.is_stopped:
            self._judges_since = float("inf")
        elif now < self._judges_since:
            self._judges_since = now
        for machine in (*self._world.people, *self._world.guests):
            if machine.is_running:
                self._identities[machine.name] = _identity_of(machine)
            identity = self._identities.get(machine.name)
            if identity is None:
                continue
            if self._can_speak(machine):
                self._mute_since.pop(identity, None)
                continue
            since = self._mute_since.setdefault(identity, now)
            if registry.is_running and not registry.counts_as_present(identity):
                # Whoever replays a REGISTER that was refused, for the disk took no name, lets them
                # in for a lease.
                self._mute_since[identity] = now
                continue
            silent_since = max(since, self._judges_since, registry.started_at)
            if now <= silent_since + AWAY_WITHIN:
                continue
            if now > silent_since + registry.lease_of(identity) + ON_THE_WAY:
                assert not registry.counts_as_present(identity), (
                    f"{machine.name} has been silent for {now - since:.1f} s and counts as present"
                )

    def _can_speak(self, machine: Person) -> bool:
        registry = self._world.registry
        return (
            self._judges_since <= self._world.network.now
            and machine.is_running
            and not machine.is_asleep
            and registry.can_hear(machine)
        )


def _identity_of(machine: Person) -> bytes:
    """Return the identity; a visitor has a new key in each run."""
    if isinstance(machine, Guest):
        return machine.guest.me.identity.public
    return machine.identity.public
