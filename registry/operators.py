"""The keys that may serve at the help desk. A name in the list of operators stands for the key that bears it here.

A listed name that nobody bears is kept: only somebody who shows the code that the registry drew for it at its start gets it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from registry.directory import Directory
from registry.sessions import Randomness
from wire.identity import fingerprint_digits, fingerprint_from
from wire.invitations import CODE_BYTES, JoinCode
from wire.names import name_key


class Operators:
    """The list of operators, and the identities that it means."""

    def __init__(self, texts: Iterable[str], directory: Directory) -> None:
        """`texts`: names, and fingerprints of keys."""
        texts = tuple(texts)
        self._directory = directory
        self._keys: Final = frozenset(
            digits for text in texts if (digits := fingerprint_from(text)) is not None
        )
        self.names: Final = {name_key(text): text for text in texts if fingerprint_from(text) is None}
        """As they are typed, by their keys."""
        self.codes: Mapping[str, JoinCode] = {}
        """Of names that nobody bears, by their keys."""
        for text in self.names.values():
            directory.names.keep(text)

    def __bool__(self) -> bool:
        return bool(self.names or self._keys)

    def draw_codes(self, registry: bytes, rng: Randomness) -> None:
        """Draw a code for each listed name that nobody bears; the names of earlier lives are known by now. A name that looks
        like somebody else's gets none: nobody can have it."""
        names = self._directory.names
        free = {key: text for key, text in self.names.items() if not names.is_held_or_alike(text)}
        self.codes = {key: JoinCode.drawn(rng.randbytes(CODE_BYTES), registry=registry) for key in free}
        for key, code in self.codes.items():
            names.keep(free[key], code.public)

    def bearer(self, key: str) -> bytes | None:
        """The identity for which the listed name with this key stands."""
        return self._directory.names.bearer_of_kept(key)

    def is_one(self, identity: bytes) -> bool:
        """Return whether the member with this key may serve."""
        if self._directory.person(identity) is None:
            return False
        if self._keys and fingerprint_digits(identity) in self._keys:
            return True
        return any(self.bearer(key) == identity for key in self.names)

    def named(self, key: str) -> bytes | None:
        """Return the operator who goes by the name with this key, or for whom it stands in the list."""
        holder = self._directory.names.holder(key) or self.bearer(key)
        return holder if holder is not None and self.is_one(holder) else None
