"""What faces, programs and the socket stand on: an open peer, whichever program runs it."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from chatapp.peer.api.events import Event, Person
from chatapp.peer.api.requests import Command, Request
from chatapp.peer.api.state import State

Answer = TypeVar("Answer")


class Node(Protocol):
    """An open peer. The state is told before the answers and events that follow from it."""

    @property
    def state(self) -> State:
        """The state now. Raises NotOpen."""

    def people(self) -> tuple[Person, ...]:
        """Return everybody in the table, by name. Raises NotOpen."""

    async def request(self, request: Request[Answer]) -> Answer:
        """Carry out a request and return its answer. Raises what the request says, and NotOpen."""

    def post(self, command: Command) -> None:
        """Begin a command and wait for nothing. Requests begin in the order in which they are asked
        and posted. Raises NotOpen, and what the command says if it is known at once."""

    async def next_events(self) -> list[Event]:
        """Return all that happened since the last call, waiting for something; empty once the peer
        is closed. For a program that is the only reader and shows many events at a time; it calls
        `shown` afterwards."""

    def take_events(self) -> list[Event]:
        """Return the same as `next_events`, without waiting."""

    def shown(self, batch: Sequence[Event]) -> None:
        """Note that the user has seen these events; their lines are not given again after a
        restart."""
