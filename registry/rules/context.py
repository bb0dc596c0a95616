"""What the rules of every kind use: the registry's key, chance, the clock, the numbers, and what the
store has."""

import msgspec

from chatapp.registry.rules.limits import DiskState, RegistryPolicy, WallClock
from chatapp.registry.store.protocol import RecordReader
from chatapp.wire.identity import Identity
from chatapp.wire.sessions.opening import Randomness


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """One value for all rules of one registry."""

    identity: Identity
    """The registry's."""
    rng: Randomness
    clock: WallClock
    store: RecordReader
    policy: RegistryPolicy = RegistryPolicy()
    disk: DiskState = msgspec.field(default_factory=DiskState)
