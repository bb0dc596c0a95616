"""What faces, programs and the socket stand on: an open peer, whichever program runs it."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from chatapp.peer.api.events import Event, Person, Said
from chatapp.peer.api.requests import Request
from chatapp.peer.api.state import State

Answer = TypeVar("Answer")


class Node(Protocol):
    """An open peer. The state is told before the answers and events that follow from it."""

    @property
    def state(self) -> State:
        """The state now."""

    def people(self) -> tuple[Person, ...]:
        """Return everybody in the table, by name."""

    async def request(self, request: Request[Answer]) -> Answer:
        """Carry out a request and return its answer. Raises what the request says, and NotOpen."""

    def post(self, request: Request[None]) -> None:
        """Begin a request whose end nobody waits for. Requests begin in the order in which they are
        asked and posted. Raises NotOpen, and what the request says if it is known at once."""

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen, before any reader gets them, until the peer
        is closed or the function that this returns is called. It must return at once."""

    def shown(self, batch: Sequence[Event]) -> None:
        """Note that the user has seen these events; their lines are not given again after a
        restart."""

    def listen_shown(self, listener: Callable[[Sequence[Said]], None]) -> Callable[[], None]:
        """Call `listener` with lines when they are reported as shown, until the function that this
        returns is called."""
