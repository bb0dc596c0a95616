"""This file is about names of earlier lives: from what the store has kept to who holds which name.

It knows cards and names; it must not know how somebody comes in, or files.
"""

from registry.clock import WallClock, remaining
from registry.directory import Directory
from registry.policy import Policy
from registry.store.entries import NameBound, NameReserved
from registry.store.protocol import Loaded
from wire.codec import decode_card
from wire.errors import DecodeError, NameRefused
from wire.limits import NAME_KEPT_FOR
from wire.names import name_key


def recall(loaded: Loaded, directory: Directory, clock: WallClock, policy: Policy, *, now: float) -> int:
    """Bind and reserve them all; how many cards there were of no shape that we know."""
    unreadable, wall = 0, clock.seconds(now)
    for kept in loaded.names:
        if isinstance(kept, NameReserved):
            left = remaining(kept.at, wall, kept_for=NAME_KEPT_FOR, at_least=policy.restart_grace)
            directory.names.reserve(kept.name_key, kept.identity, until=now + left)
            continue
        try:
            _recall_bound(kept, directory, wall, now)
        except (DecodeError, NameRefused):
            unreadable += 1
    return unreadable


def _recall_bound(bound: NameBound, directory: Directory, wall: int, now: float) -> None:
    """Whoever has two names was changing them when we stopped: the newer card says which one is theirs."""
    card = decode_card(bound.card)
    person = directory.person(card.identity)
    until = now + NAME_KEPT_FOR
    if person is None:
        at = min(bound.at // 1_000, wall)
        directory.bind(card, channel_since=bound.channel_since, at=at, network=bound.network)
    elif card.counter > person.card.counter:
        key = name_key(card.name)
        directory.rename(person, card, key, reserved_until=until)
    else:
        directory.names.reserve(bound.name_key, card.identity, until=until)
