"""Asks for the cards and addresses of people whom a roster only names, once they are needed (clause
3.3)."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from chatapp.peer.core.context import Outputs
from chatapp.wire.limits import CARDS_MAX
from chatapp.wire.messages.table import FetchCards


class CardRequests:
    """Whose cards are asked for. On a link, answers come in the order of the requests."""

    def __init__(self, out: Outputs) -> None:
        self._out: Final = out
        self._is_open = False
        """Whether there is a link to ask on."""
        self._awaited: dict[bytes, None] = {}
        """Those whose answer is to come, in the order in which they were wanted."""
        self._asked: deque[list[bytes]] = deque()
        """The requests on this link without an answer."""
        self._told: set[bytes] = set()
        """Those of whom the registry has told what it knows, on this link."""

    def ask(self, identities: Iterable[bytes]) -> None:
        """Ask for the cards of these people, unless that is done."""
        wanted = [one for one in identities if one not in self._awaited and one not in self._told]
        self._awaited.update(dict.fromkeys(wanted))
        if self._is_open:
            self._send(wanted)

    def is_awaited(self, identity: bytes) -> bool:
        """Whether the answer about somebody is to come."""
        return identity in self._awaited

    @property
    def are_awaited(self) -> bool:
        """Whether any answer is to come."""
        return bool(self._awaited)

    def outdated(self, identity: bytes) -> None:
        """Note that somebody may have a newer card than the one told on this link."""
        self._told.discard(identity)

    def answered(self) -> list[bytes]:
        """Take the answer to the oldest request. Return about whom it is."""
        answered = self._asked.popleft() if self._asked else []
        for identity in answered:
            self._awaited.pop(identity, None)
        self._told.update(answered)
        return answered

    def link_came(self) -> None:
        """Ask on a new link."""
        self._is_open = True
        self._send(list(self._awaited))

    def link_lost(self) -> None:
        """Ask later for what was not answered."""
        self._is_open = False
        self._asked.clear()
        self._told.clear()

    def _send(self, wanted: list[bytes]) -> None:
        for start in range(0, len(wanted), CARDS_MAX):
            some = wanted[start : start + CARDS_MAX]
            self._asked.append(some)
            self._out.requests.append(FetchCards(some))
