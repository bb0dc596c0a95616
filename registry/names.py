"""This file is about which names are whose: borne, promised, or reserved for a while to whoever bore them (clause 4.7).

It knows keys and skeletons of names; it must not know cards, rows, disks or clocks.
"""

from wire.errors import NameRefused
from wire.limits import NAMES_RESERVED_MAX
from wire.names import name_key, peer_name, skeleton


class Names:
    """Every name that somebody has or had; each belongs to one identity."""

    def __init__(self) -> None:
        self._holders: dict[str, bytes] = {}
        self._skeletons: dict[str, dict[str, None]] = {}
        """The names that look alike: all are of one identity."""
        self._promised: set[str] = set()
        self._reserved: dict[bytes, dict[str, float]] = {}
        """Until when, the oldest first."""

    def __len__(self) -> int:
        return len(self._holders)

    def holder(self, key: str) -> bytes | None:
        """To whom the name with this key belongs."""
        return self._holders.get(key)

    def is_taken(self, key: str, identity: bytes) -> bool:
        """Whether it, or one that looks like it, is another's."""
        if self._holders.get(key, identity) != identity:
            return True
        alike = next(iter(self._skeletons.get(skeleton(key), ())), None)
        return alike is not None and self._holders[alike] != identity

    def promise(self, key: str, identity: bytes) -> None:
        """Nobody else gets this name from now on, though it is not on disk yet."""
        self._hold(key, identity)
        self._promised.add(key)

    def is_promised(self, key: str) -> bool:
        """Whether it is on its way to the disk."""
        return key in self._promised

    def take_back(self, key: str, identity: bytes) -> None:
        """The disk did not take a promised name: it is what it was before."""
        if key in self._promised:
            self._promised.discard(key)
            if key not in self._reserved.get(identity, ()):
                self._free(key)

    def bind(self, key: str, identity: bytes) -> None:
        """They bear it."""
        self._hold(key, identity)
        self._promised.discard(key)
        self._end_reservation(key, identity)

    def reserve(self, key: str, identity: bytes, *, until: float) -> list[str]:
        """They bear it no more, and nobody else may until then. Returned are names that are free for it: nobody keeps
        more than `NAMES_RESERVED_MAX` beside their own."""
        self._hold(key, identity)
        self._promised.discard(key)
        mine = self._reserved.setdefault(identity, {})
        mine.pop(key, None)
        mine[key] = until
        over = [one for one in list(mine)[:-NAMES_RESERVED_MAX] if one not in self._promised]
        for one in over:
            self._end_reservation(one, identity)
            self._free(one)
        return over

    def release(self, key: str, identity: bytes) -> None:
        """Nobody's any more."""
        self._end_reservation(key, identity)
        self._free(key)

    def reserved(self) -> list[tuple[str, bytes]]:
        """Names that nobody bears, and whose they were."""
        return [(key, identity) for identity, mine in self._reserved.items() for key in mine]

    def expired(self, *, now: float) -> list[str]:
        """Drained: names that nobody bears, and nobody is kept from any more."""
        over = [
            (key, identity)
            for identity, mine in self._reserved.items()
            for key, until in mine.items()
            if until <= now and key not in self._promised
        ]
        for key, identity in over:
            self._end_reservation(key, identity)
            self._free(key)
        return [key for key, _ in over]

    def _hold(self, key: str, identity: bytes) -> None:
        self._holders[key] = identity
        self._skeletons.setdefault(skeleton(key), {})[key] = None

    def _free(self, key: str) -> None:
        del self._holders[key]
        alike = self._skeletons[skeleton(key)]
        del alike[key]
        if not alike:
            del self._skeletons[skeleton(key)]

    def _end_reservation(self, key: str, identity: bytes) -> None:
        mine = self._reserved.get(identity)
        if mine is not None:
            mine.pop(key, None)
            if not mine:
                del self._reserved[identity]


def key_of(name: str) -> str | None:
    """The key of a name, None when it is no name in its one right form."""
    try:
        return name_key(name) if peer_name(name) == name else None
    except NameRefused:
        return None
