"""Names that complete a line although the registry does not tell us of those who bear them: they are
asked for once somebody wants to complete what they begin (clause 3.9).

Only that is asked for, so that no word of a message goes to the registry by itself.
"""

from collections.abc import Generator
from typing import Any, Final

from chatapp.peer.api.events import PeopleFound
from chatapp.peer.api.requests import FindPeople
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.wire.buckets import Buckets
from chatapp.wire.errors import ChatAppError
from chatapp.wire.limits import FINDS_BURST, FINDS_PER_SECOND

SOUGHT_AFTER: Final = 0.15
"""Seconds without another wish after which names are asked for."""
BEGUN_LEAST: Final = 2
"""Characters that a name must begin with: many people share one."""
FOUND_MOST: Final = 20
KNOWN_FOR: Final = 60.0
"""Seconds for which an answer counts."""
AGAIN_AFTER: Final = 5.0
"""Seconds after which the same is asked again if no answer came."""
_ASKED_MOST: Final = 256
_SHARE: Final = 3
"""Which part of what the registry answers is for completion; the rest is left to messages."""


class NameSearch:
    """The names for which one window has asked."""

    def __init__(self, completions: CompletionIndex) -> None:
        """`completions`: where names that were found are noted."""
        self._completions: Final = completions
        self._asked: dict[str, tuple[float, bool]] = {}
        """Until when the answer about a beginning counts, and whether it had everybody."""
        self._is_asking = False
        self._allowed: Final[Buckets[None]] = Buckets(
            rate=FINDS_PER_SECOND / _SHARE, burst=FINDS_BURST / _SHARE
        )

    def wants(self, begun: str, *, now: float) -> bool:
        """Return whether to ask whose names begin so: it is not known, nothing is being asked, and
        little was asked lately."""
        return (
            len(begun) >= BEGUN_LEAST
            and not self._is_asking
            and not self._is_known(begun.casefold(), now)
            and self._allowed.has_token(None, now=now)
        )

    def seek(self, begun: str, *, now: float) -> Generator[FindPeople, Any, None]:
        """Ask whose names begin so, if that is wanted. Without an answer nothing more is offered."""
        if not self.wants(begun, now=now):
            return
        begun = begun.casefold()
        self._allowed.take(None, now=now)
        self._note(begun, until=now + AGAIN_AFTER, is_all=False)
        self._is_asking = True
        try:
            found: PeopleFound = yield FindPeople(first=begun, limit=FOUND_MOST)
        except ChatAppError:
            return
        finally:
            self._is_asking = False
        self._note(begun, until=now + KNOWN_FOR, is_all=not found.more)
        self._completions.add_found(somebody.name for somebody in found.people)

    def _note(self, begun: str, *, until: float, is_all: bool) -> None:
        self._asked.pop(begun, None)
        self._asked[begun] = until, is_all
        if len(self._asked) > _ASKED_MOST:
            del self._asked[next(iter(self._asked))]

    def _is_known(self, begun: str, now: float) -> bool:
        """Whether an answer about this beginning counts, or one with everybody about a shorter
        one."""
        for length in range(BEGUN_LEAST, len(begun) + 1):
            until, is_all = self._asked.get(begun[:length], (now, False))
            if now < until and (is_all or length == len(begun)):
                return True
        return False
