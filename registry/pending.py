"""Requests that wait because an earlier one of the same identity waits for the disk."""

from collections import deque

from registry.effects import Caller, Resume
from wire.limits import REQUESTS_QUEUED_MAX
from wire.messages.renaming import Rename
from wire.messages.room import EnterRoom, LeaveRoom


class PendingRequests:
    """The identities with a request at the disk, each with a queue of what it asked since.

    A queue is released by the answer to the very request for which it waits, never by another one: what is released can
    therefore always go on.
    """

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Resume]] = {}

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._queues

    def begin(self, identity: bytes) -> None:
        """A request of this identity is on its way to the disk."""
        assert identity not in self._queues
        self._queues[identity] = deque()

    def wait(self, request: EnterRoom | LeaveRoom | Rename, caller: Caller) -> bool:
        """Queue a request behind the one at the disk; False when too many wait."""
        queue = self._queues[caller.identity]
        if len(queue) >= REQUESTS_QUEUED_MAX:
            return False
        queue.append(Resume(request=request, to=caller))
        return True

    def end(self, identity: bytes) -> list[Resume]:
        """The disk has answered: what waited, in order. The first that goes to the disk makes the others wait again."""
        return list(self._queues.pop(identity, ()))
