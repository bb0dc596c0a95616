"""Which names are whose: borne, promised, or reserved for a while to whoever bore them (clause 4.7).

Names come in as they are typed or by their keys; they are held by their keys, and refused where they look like others'.
"""

from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import NAMES_RESERVED_MAX
from chatapp.wire.names import looks_of, name_key, peer_name


class Names:
    """Every name that somebody has or had; each belongs to one identity."""

    def __init__(self) -> None:
        self._holders: dict[str, bytes] = {}
        self._looks: dict[str, set[str]] = {}
        """What each name looks like, in all spellings in which it was held."""
        self._alike: dict[str, dict[str, None]] = {}
        """The names that look so: all are of one identity."""
        self._claimed: set[str] = set()
        self._reserved: dict[bytes, dict[str, float]] = {}
        """Until when, the oldest first."""
        self._kept: dict[str, bytes] = {}
        """Codes with which names that are kept are had, by the keys of the names."""
        self._kept_looks: dict[str, set[str]] = {}
        self._bearers: dict[str, bytes] = {}
        """Of those names, whoever bears them or bore them last."""

    def __len__(self) -> int:
        return len(self._holders)

    def holder(self, key: str) -> bytes | None:
        """To whom the name with this key belongs."""
        return self._holders.get(key)

    def is_taken(self, name: str, identity: bytes, code: bytes = b"") -> bool:
        """Whether it, or one that looks like it, is another's, or kept for whoever has another code than this."""
        key = name_key(name)
        if key in self._holders:
            return self._holders[key] != identity
        looks = looks_of(name)
        if any(self._holders[alike] != identity for look in looks for alike in self._alike.get(look, ())):
            return True
        if key in self._kept:
            return not self.is_open(key, identity, code)
        return any(kept not in self._holders for look in looks for kept in self._kept_looks.get(look, ()))

    # --- names that are kept

    def keep_for_operator(self, name: str, code: bytes = b"") -> None:
        """Keep this name: while nobody has it, only its last bearer or somebody who shows this code gets it, and nobody gets
        a name that looks like it."""
        self._kept[name_key(name)] = code
        for look in looks_of(name):
            self._kept_looks.setdefault(look, set()).add(name_key(name))

    def is_operator_name(self, key: str) -> bool:
        """Return whether the name with this key is kept."""
        return key in self._kept

    def is_open(self, key: str, identity: bytes, code: bytes) -> bool:
        """Return whether this code, or this identity, opens a name that is kept; somebody else may have it all the same."""
        return (bool(code) and code == self._kept[key]) or self._bearers.get(key) == identity

    def bearer_of_kept(self, key: str) -> bytes | None:
        """Return the last bearer of a name that is kept, as far as this life of the registry knows."""
        return self._bearers.get(key)

    def is_held_or_alike(self, name: str) -> bool:
        """Return whether anybody has this name or one that looks like it."""
        return any(look in self._alike for look in looks_of(name))

    # --- whose they become

    def claim(self, name: str, identity: bytes) -> None:
        """Nobody else gets this name from now on, though it is not on disk yet."""
        self._claimed.add(self._hold(name, identity))

    def is_claimed(self, key: str) -> bool:
        """Whether it is on its way to the disk."""
        return key in self._claimed

    def release_claim(self, key: str, identity: bytes) -> None:
        """The disk did not take a promised name: it is what it was before."""
        if key in self._claimed:
            self._claimed.discard(key)
            if key not in self._reserved.get(identity, ()):
                self._free(key)

    def bind(self, name: str, identity: bytes) -> None:
        """They bear it."""
        key = self._hold(name, identity)
        if key in self._kept:
            self._note_bearer(key, identity)
        self._claimed.discard(key)
        if identity in self._reserved:
            self._end_reservation(key, identity)

    def reserve(self, key: str, identity: bytes, *, until: float) -> list[str]:
        """They bear it no more, and nobody else may until then. Returned are names that are free for it: nobody keeps
        more than `NAMES_RESERVED_MAX` beside their own."""
        self._hold(key, identity)
        if key in self._kept:
            self._note_bearer(key, identity)
        self._claimed.discard(key)
        mine = self._reserved.setdefault(identity, {})
        mine.pop(key, None)
        mine[key] = until
        over = [one for one in list(mine)[:-NAMES_RESERVED_MAX] if one not in self._claimed]
        for one in over:
            self._end_reservation(one, identity)
            self._free(one)
        return over

    def release(self, key: str, identity: bytes) -> None:
        """Nobody's any more."""
        self._bearers.pop(key, None)
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
            if until <= now and key not in self._claimed
        ]
        for key, identity in over:
            self._end_reservation(key, identity)
            self._free(key)
        return [key for key, _ in over]

    def _hold(self, name: str, identity: bytes) -> str:
        key = name_key(name)
        self._holders[key] = identity
        looks = looks_of(name)
        self._looks.setdefault(key, set()).update(looks)
        for look in looks:
            self._alike.setdefault(look, {})[key] = None
        return key

    def _note_bearer(self, key: str, identity: bytes) -> None:
        self._bearers[key] = identity
        self._kept[key] = b""  # a code is good once

    def _free(self, key: str) -> None:
        del self._holders[key]
        for look in self._looks.pop(key):
            alike = self._alike[look]
            del alike[key]
            if not alike:
                del self._alike[look]

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
