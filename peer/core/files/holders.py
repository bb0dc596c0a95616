"""Those who may have a file that we fetch, and which of them is asked next (clause 6.19)."""

import random
from collections.abc import Iterable
from typing import Final

from chatapp.peer.api.files import FileTrouble, FileWay

WRONG_MAX: Final = 3
"""Wrong chunks after which what somebody sends is not the file that was offered."""

GIVES_WITHIN: Final = 2.0
"""Seconds within which one who is asked gives some, or people are asked who may have none: most of
them listen at no port, and it would be noted that they cannot be reached."""

TRIES_AGAIN_AFTER: Final = 1.0
TRIES_AGAIN_WITHIN: Final = 60.0
"""Seconds until the next attempt: twice as many each time."""


class Holder:
    """Somebody who may have the file."""

    __slots__ = (
        "again_after",
        "again_at",
        "asked_at",
        "given",
        "identity",
        "is_asked",
        "is_likely",
        "is_wireless",
        "trouble",
        "way",
        "wrong",
    )

    def __init__(self, identity: bytes) -> None:
        self.identity: Final = identity
        self.way: FileWay | None = None
        """By what they are asked now, or were last."""
        self.given = 0
        """Chunks that they have given."""
        self.wrong = 0
        self.is_likely = False
        """Whether there is a reason to think that they have some of it."""
        self.is_wireless = False
        """Whether they reach others by Wi-Fi alone, as they say."""
        self.trouble: FileTrouble | None = None
        """Why they are not asked any more."""
        self.is_asked = False
        self.asked_at = 0.0
        self.again_at = 0.0
        self.again_after = TRIES_AGAIN_AFTER


class Holders:
    """Who may have one file."""

    def __init__(self, origin: bytes, rng: random.Random) -> None:
        """`origin`: the identity of the one who offers it."""
        self.origin: Final = origin
        self._rng: Final = rng
        self._known: Final[dict[bytes, Holder]] = {}
        self.note((origin,))

    @property
    def trouble(self) -> FileTrouble | None:
        """Why the one who offers the file does not give it."""
        return self._known[self.origin].trouble

    def note(self, identities: Iterable[bytes]) -> None:
        """Note people who may have some of it."""
        for identity in identities:
            self._holder(identity).is_likely = True

    def next(self, present: Iterable[bytes], *, now: float) -> bytes | None:
        """Return whom to ask next. Of those present and likely to have some it is who has given
        least, those with a cable before those with Wi-Fi; somebody else only if nobody gives any."""
        able = {one: self._holder(one) for one in present if self._may_be_asked(one, now)}
        ranks = {one: (it.is_wireless, it.given) for one, it in able.items() if it.is_likely}
        if ranks:
            least = min(ranks.values())
            likely = [one for one, rank in ranks.items() if rank == least]
            return self.origin if self.origin in likely else self._rng.choice(likely)
        is_waited_for = any(
            holder.is_asked and (holder.given or now < holder.asked_at + GIVES_WITHIN)
            for holder in self._known.values()
        )
        return None if is_waited_for or not able else self._rng.choice(list(able))

    def _holder(self, identity: bytes) -> Holder:
        return self._known.setdefault(identity, Holder(identity))

    def _may_be_asked(self, identity: bytes, now: float) -> bool:
        holder = self._holder(identity)
        return holder.trouble is None and not holder.is_asked and now >= holder.again_at

    def begin(self, identity: bytes, *, now: float) -> Holder:
        """Note that somebody is asked now."""
        holder = self._holder(identity)
        holder.is_asked, holder.asked_at = True, now
        return holder

    def end(self, holder: Holder, *, has_given: bool, now: float) -> None:
        """Note that somebody is not asked now."""
        holder.is_asked = False
        if has_given:
            holder.again_after, holder.is_likely = TRIES_AGAIN_AFTER, True
        holder.again_at = now + holder.again_after
        holder.again_after = min(2 * holder.again_after, TRIES_AGAIN_WITHIN)

    def begin_again(self) -> None:
        """Let everybody be asked at once who is not left for good."""
        for holder in self._known.values():
            holder.again_at = 0.0
