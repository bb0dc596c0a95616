"""The seam between the two halves of a registry: edges hold the connections, the engine keeps the
state and decides.

A registry on one machine is one edge and one engine in one process, which call each other. In a
cluster each node is a edge, and one of them has the engine; a bus carries the same calls.

A link is named by one number: the node's in the upper bits, and below it the number that the edge
gave it. The edge of the engine's own process is node 0, so a registry on one machine sees plain
numbers.
"""

from typing import Protocol

from chatapp.registry.rules.admin_requests import AdminAnswer
from chatapp.registry.rules.effects import Admit, Caller, LinkEndReason, Refuse
from chatapp.wire.address import Address
from chatapp.wire.codec import GroupHeader
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.registration import Register


class EnginePort(Protocol):
    """What an edge asks of the engine. The callers are authenticated; requests may still be
    nonsense."""

    def admits(self, now: float, /) -> bool:
        """Return whether people are let in at this time. If not, a HELLO gets no answer, so that
        peers look elsewhere."""

    def name_of(self, identity: bytes) -> str:
        """Return the name of a person, for the log; empty if it is not known."""

    def register(self, register: Register, caller: Caller, *, now: float) -> None:
        """Handle a REGISTER whose signatures were checked."""

    def request(self, request: PeerRequest, caller: Caller, *, now: float) -> None:
        """Handle a request."""

    def group_frame(self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float) -> None:
        """Handle a line for a group, which stays sealed."""

    def link_lost(self, identity: bytes, link: int, *, now: float) -> None:
        """Note that an attached link is over, whichever side ended it."""

    def sign_of_life(self, identity: bytes, *, now: float) -> None:
        """Note that something came on an attached link."""

    def settle(self, *, now: float) -> None:
        """Finish an input, after all that it led to."""


class EdgePort(Protocol):
    """What the engine tells an edge. What is for a link that has gone is lost. `payload`: an
    encoded message."""

    @property
    def takes_broadcasts(self) -> bool:
        """Whether its people are told of the table by broadcasts."""

    def reply(self, to: Caller, payload: bytes) -> None:
        """Answer a caller on the link or in the session by which the request came."""

    def push(self, link: int, payload: bytes) -> None:
        """Send on a link."""

    def offer(self, link: int, payload: bytes, *, is_idle: bool) -> None:
        """Send on a link, unless its reader is behind. `is_idle`: or unless more than a little waits
        for it."""

    def send_datagram(
        self, identity: bytes, address: Address, payload: bytes, *, now: float
    ) -> None:
        """Send in a sealed datagram."""

    def admit(self, admitted: Admit, *, table_version: int, clock: int, now: float) -> None:
        """Send the signed WELCOME and allow sessions with the peer. `clock`: the engine's, in
        milliseconds."""

    def refuse(self, refused: Refuse) -> None:
        """Send the signed REFUSED."""

    def disconnect(self, link: int, reason: LinkEndReason) -> None:
        """End a link after what is queued for it."""

    def relay(self, frame: bytes, sender: int) -> None:
        """Send the same bytes on all links of members but the sender's."""

    def relay_to(self, frame: bytes, links: tuple[int, ...], sender: int) -> None:
        """Send the same bytes on these links but the sender's. Links of other nodes are left
        out."""

    def tell_everybody(self, payload: bytes) -> None:
        """Send on every link, of members and of guests."""

    def broadcast(self, frame: bytes, addresses: list[Address]) -> None:
        """Send one datagram to the people online at this edge, who are at these addresses."""

    def answer_admin(self, ticket: str, answer: AdminAnswer) -> None:
        """Pass on the answer to the admin request with this ticket."""
