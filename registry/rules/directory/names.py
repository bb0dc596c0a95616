"""Names: in use, claimed while on their way to the disk, reserved for their last owner, or kept for operators (clause
4.7).

Names are held by their keys, and refused where they look like somebody else's.
"""

from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import NAMES_RESERVED_MAX
from chatapp.wire.names import looks_of, name_key, person_name


class Names:
    """All names that are not free, each with the identity it belongs to."""

    def __init__(self) -> None:
        self._holders: dict[str, bytes] = {}
        self._looks: dict[str, frozenset[str]] = {}
        """What each name looks like (its skeletons), in all spellings in which it was held."""
        self._alike: dict[str, tuple[str, ...]] = {}
        """The names with each look; all belong to one identity, so they are few."""
        self._claimed: set[str] = set()
        self._reserved: dict[bytes, dict[str, float]] = {}
        """By identity: reserved names and when each becomes free, the oldest first."""
        self._kept: dict[str, bytes] = {}
        """Names kept for operators, by key, with the join code that opens each."""
        self._kept_looks: dict[str, set[str]] = {}
        self._bearers: dict[str, bytes] = {}
        """The present or last owner of each name in `_kept`."""

    def __len__(self) -> int:
        return len(self._holders)

    def holder(self, key: str) -> bytes | None:
        """Return the identity that holds the name with this key."""
        return self._holders.get(key)

    def is_taken(self, name: str, identity: bytes, code: bytes = b"") -> bool:
        """Return whether the name, or a look-alike, is another identity's, or kept for an operator
        with another code."""
        key = name_key(name)
        if key in self._holders:
            return self._holders[key] != identity
        looks = looks_of(name)
        if any(
            self._holders[alike] != identity
            for look in looks
            for alike in self._alike.get(look, ())
        ):
            return True
        if key in self._kept:
            return not self.is_open(key, identity, code)
        return any(
            kept not in self._holders for look in looks for kept in self._kept_looks.get(look, ())
        )

    # --- names that are kept

    def keep_for_operator(self, name: str, code: bytes = b"") -> None:
        """Keep a name for an operator: while nobody has it, only its last owner or a peer that
        shows this code gets it, and nobody gets a look-alike."""
        self._kept[name_key(name)] = code
        for look in looks_of(name):
            self._kept_looks.setdefault(look, set()).add(name_key(name))

    def is_operator_name(self, key: str) -> bool:
        """Return whether the name with this key is kept for an operator."""
        return key in self._kept

    def is_open(self, key: str, identity: bytes, code: bytes) -> bool:
        """Return whether this code or this identity opens a name that is kept. Somebody else may
        have it all the same."""
        return (bool(code) and code == self._kept[key]) or self._bearers.get(key) == identity

    def bearer_of_kept(self, key: str) -> bytes | None:
        """Return the present or last owner of a name that is kept, as far as this run of the
        registry knows."""
        return self._bearers.get(key)

    def is_held_or_alike(self, name: str) -> bool:
        """Return whether anybody has this name or one that looks like it."""
        return any(look in self._alike for look in looks_of(name))

    # --- names given to an identity

    def claim(self, name: str, identity: bytes) -> None:
        """Hold a name for an identity while it is on its way to the disk."""
        self._claimed.add(self._hold(name, identity))

    def is_claimed(self, key: str) -> bool:
        """Return whether a name is on its way to the disk."""
        return key in self._claimed

    def release_claim(self, key: str, identity: bytes) -> None:
        """Undo `claim`: the name was not stored."""
        if key in self._claimed:
            self._claimed.discard(key)
            if key not in self._reserved.get(identity, ()):
                self._free(key)

    def bind(self, name: str, identity: bytes) -> None:
        """Give a name to an identity."""
        key = self._hold(name, identity)
        if key in self._kept:
            self._note_bearer(key, identity)
        self._claimed.discard(key)
        if identity in self._reserved:
            self._end_reservation(key, identity)

    def reserve(self, key: str, identity: bytes, *, until: float) -> list[str]:
        """Reserve a name for its last owner. Return the owner's older reservations above
        `NAMES_RESERVED_MAX`, which become free."""
        self._hold(key, identity)
        if key in self._kept:
            self._note_bearer(key, identity)
        self._claimed.discard(key)
        mine = self._reserved.setdefault(identity, {})
        mine.pop(key, None)
        mine[key] = until
        over = [old for old in list(mine)[:-NAMES_RESERVED_MAX] if old not in self._claimed]
        for old in over:
            self._end_reservation(old, identity)
            self._free(old)
        return over

    def release(self, key: str, identity: bytes) -> None:
        """Free a name."""
        self._bearers.pop(key, None)
        self._end_reservation(key, identity)
        self._free(key)

    def reserved_for(self, identity: bytes) -> list[str]:
        """Return the names that are reserved for an identity."""
        return list(self._reserved.get(identity, ()))

    def reserved(self) -> list[tuple[str, bytes]]:
        """Return the reserved names, each with its last owner."""
        return [(key, identity) for identity, mine in self._reserved.items() for key in mine]

    def expired(self, *, now: float) -> list[str]:
        """Free the reservations that have expired and return their names."""
        over = [
            (key, identity)
            for identity, mine in self._reserved.items()
            for key, until in mine.items()
            if until <= now and key not in self._claimed
        ]
        for key, identity in over:
            self._end_reservation(key, identity)
            self._free(key)
        return [key for key, _ in over]

    def _hold(self, name: str, identity: bytes) -> str:
        key = name_key(name)
        self._holders[key] = identity
        looks, before = looks_of(name), self._looks.get(key)
        self._looks[key] = looks if before is None else before | looks
        for look in looks:
            alike = self._alike.get(look, ())
            if key not in alike:
                self._alike[look] = (*alike, key)
        return key

    def _note_bearer(self, key: str, identity: bytes) -> None:
        self._bearers[key] = identity
        self._kept[key] = b""  # a code is good once

    def _free(self, key: str) -> None:
        del self._holders[key]
        for look in self._looks.pop(key):
            left = tuple(name for name in self._alike[look] if name != key)
            if left:
                self._alike[look] = left
            else:
                del self._alike[look]

    def _end_reservation(self, key: str, identity: bytes) -> None:
        mine = self._reserved.get(identity)
        if mine is not None:
            mine.pop(key, None)
            if not mine:
                del self._reserved[identity]


def key_of(name: str) -> str | None:
    """Return the key of a person's name, None if it is not a valid one in its canonical form."""
    try:
        return name_key(name) if person_name(name) == name else None
    except NameRefused:
        return None
