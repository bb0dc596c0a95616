"""This file is about join codes as a registry knows them: the public half of each, and how long it is good.

A code that a newcomer shows is spoken for until the disk has their name, and used up with it. It knows keys and spans; it
must not know who may come in, what a code looks like, or files.
"""

from collections.abc import Iterable, Sequence

from registry.clock import remaining
from registry.store.entries import InviteMade
from wire.limits import INVITE_KEPT_FOR, INVITES_MAX


class Invites:
    """Codes that are not used up."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}
        self._spoken_for: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._until)

    def load(self, made: Iterable[InviteMade], *, wall: float, now: float) -> None:
        """Codes of earlier lives."""
        for one in made:
            left = remaining(one.at, wall, kept_for=INVITE_KEPT_FOR, at_least=0.0)
            self._until[one.code] = now + left

    def add(self, codes: Sequence[bytes], *, now: float) -> bool:
        """New ones; those that are known stay as they are. False, and none is added, when there would be too many."""
        fresh = [code for code in dict.fromkeys(codes) if code not in self._until]
        if len(self) + len(fresh) > INVITES_MAX:
            return False
        self._until.update(dict.fromkeys(fresh, now + INVITE_KEPT_FOR))
        return True

    def is_good(self, code: bytes, *, now: float) -> bool:
        """Whether it lets somebody in, unless another has just shown it."""
        return now < self._until.get(code, now)

    def is_spoken_for(self, code: bytes) -> bool:
        """Whether a name is on its way to the disk with it."""
        return code in self._spoken_for

    def speak_for(self, code: bytes) -> None:
        """A name goes to the disk with it."""
        self._spoken_for.add(code)

    def use_up(self, code: bytes) -> None:
        """The disk has that name."""
        self._spoken_for.discard(code)
        self._until.pop(code, None)

    def give_back(self, code: bytes) -> None:
        """The disk has not."""
        self._spoken_for.discard(code)

    def expired(self, *, now: float) -> list[bytes]:
        """Drained: codes that are good no more."""
        over = [code for code, until in self._until.items() if until <= now and code not in self._spoken_for]
        for code in over:
            del self._until[code]
        return over
