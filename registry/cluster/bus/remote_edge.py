"""The edge of another node as the engine sees it: what the engine tells it is queued for the
bus."""

from typing import Final

import msgspec

from chatapp.registry.cluster.bus.messages import (
    AdminAnswerPart,
    AdmitPeer,
    AnswerDatagram,
    AnswerOnLink,
    AudienceChanged,
    BroadcastTable,
    EndLink,
    OfferOnLink,
    RefusePeer,
    RelayToAll,
    RelayToSome,
    SendOnLink,
    SendSealed,
    SendToEverybody,
    TableChanged,
    encode,
    pack_address,
)
from chatapp.registry.cluster.bus.session import PART_MAX, BusSession
from chatapp.registry.edge.links import QUEUED_MAX
from chatapp.registry.rules.admin_requests import AdminAnswer
from chatapp.registry.rules.directory.directory import Person
from chatapp.registry.rules.directory.table import Table
from chatapp.registry.rules.effects import (
    Admit,
    Caller,
    LinkEndReason,
    Refuse,
    link_at,
    node_of,
    number_at_edge,
)
from chatapp.wire.address import Address

_ADDRESSES_AT_ONCE: Final = 1_024
_ROWS_AT_ONCE: Final = 4_096
TABLE_AT_ONCE: Final = 1024 * 1024
"""Bytes of the whole table that an edge is sent at once. After a takeover all edges want it, and
others wait behind it."""


class RemoteEdge:
    """The edge of another node. It is a `EdgePort` for the engine, under one number of a node."""

    def __init__(
        self, edge_id: bytes, run: bytes, node: int, name: str, *, table: Table[Person], now: float
    ) -> None:
        """`run`: the session's name, drawn by the edge. `name`: the node's, for people. `table`:
        the engine's, of which the edge keeps a copy."""
        self.id: Final = edge_id
        self.node: Final = node
        self.name: Final = name
        self.session: Final = BusSession(run, now=now)
        self._table: Final = table
        self._told_version = -1
        self.has_table = False
        """Whether the edge was sent the whole table. Until then the engine answers all who fetch
        it."""
        self._links: dict[int, bytes] = {}
        self._ended: dict[int, None] = {}
        """Attached links that the engine has ended, until the edge says that they are over."""
        self._queued: dict[int, int] = {}
        """Bytes queued in this turn for single links."""
        self.asking = 0
        """The link whose request is being served, 0 for none: what it is sent meanwhile is an
        answer."""
        self._audience: dict[Address, None] = {}

    # --- its links

    def attached(self, number: int, identity: bytes) -> None:
        """Note that the edge has attached a link, with its own number."""
        self._links[number] = identity

    def detached(self, number: int) -> None:
        """Note that an attached link is over."""
        self._links.pop(number, None)
        self._ended.pop(number, None)

    def has_ended(self, number: int) -> bool:
        """Return whether the engine has ended this link: nothing that comes on it is served any
        more."""
        return number in self._ended

    @property
    def links(self) -> list[tuple[int, bytes]]:
        """The attached links, as the engine names them, with their identities."""
        return [(link_at(self.node, number), identity) for number, identity in self._links.items()]

    def _sender(self, link: int) -> int:
        """Return the edge's own number of the link that sent something; 0 if another edge has
        it."""
        return number_at_edge(link) if node_of(link) == self.node else 0

    # --- from the engine

    def reply(self, to: Caller, payload: bytes) -> None:
        """Answer a caller on the link or in the session by which the request came."""
        if to.link is not None:
            self._send(AnswerOnLink(number_at_edge(to.link), payload))
        elif to.address is not None:
            self.session.add(AnswerDatagram(pack_address(to.address), to.session, payload))

    def push(self, link: int, payload: bytes) -> None:
        """Send on a link."""
        number = number_at_edge(link)
        self._send((AnswerOnLink if number == self.asking else SendOnLink)(number, payload))

    def _send(self, item: AnswerOnLink | SendOnLink) -> None:
        """Queue a message for a link. One too many in a turn ends the link, as at an edge in the
        engine's process."""
        if item.link in self._ended:
            return
        queued = self._queued[item.link] = self._queued.get(item.link, 0) + len(item.payload)
        if queued > QUEUED_MAX:
            self._end(item.link, LinkEndReason.OUTPUT_UNREAD)
        else:
            self.session.add(item)

    def offer(self, link: int, payload: bytes, *, is_idle: bool) -> None:
        """Send on a link, unless its reader is behind; `is_idle` as in `Edge`."""
        self.session.add(OfferOnLink(number_at_edge(link), payload, is_idle))

    def send_datagram(
        self, identity: bytes, address: Address, payload: bytes, *, now: float
    ) -> None:
        """Send in a sealed datagram."""
        self.session.add(SendSealed(identity, pack_address(address), payload))

    def admit(self, admitted: Admit, *, table_version: int, clock: int, now: float) -> None:
        """Let the edge send the signed WELCOME and allow sessions with the peer."""
        address = admitted.to.address
        assert address is not None
        self.tell_table()  # the peer fetches what the WELCOME names
        self.session.add(
            AdmitPeer(
                pack_address(address),
                admitted.card,
                admitted.nonce,
                admitted.is_new,
                admitted.is_guest,
                table_version,
                clock,
            )
        )

    def refuse(self, refused: Refuse) -> None:
        """Let the edge send the signed REFUSED."""
        address = refused.to.address
        assert address is not None
        self.session.add(
            RefusePeer(
                pack_address(address),
                refused.nonce,
                refused.name,
                refused.reason,
                refused.counter,
                refused.seconds,
                refused.text,
            )
        )

    def disconnect(self, link: int, reason: LinkEndReason) -> None:
        """End a link after what is queued for it."""
        self._end(number_at_edge(link), reason)

    def _end(self, number: int, reason: LinkEndReason) -> None:
        if number in self._links:
            self._ended[number] = None
        self.session.add(EndLink(number, reason))

    def relay(self, frame: bytes, sender: int) -> None:
        """Send the same bytes on all links of members but the sender's."""
        if self._links:
            self.session.add(RelayToAll(frame, self._sender(sender)))

    def relay_to(self, frame: bytes, links: tuple[int, ...], sender: int) -> None:
        """Send the same bytes on those of these links that are this edge's, but not on the
        sender's."""
        own = [
            number_at_edge(link) for link in links if link != sender and node_of(link) == self.node
        ]
        if own:
            self.session.add(RelayToSome(frame, own, self._sender(sender)))

    def tell_everybody(self, payload: bytes) -> None:
        """Send on every link, of members and of guests."""
        if self._links:
            self.session.add(SendToEverybody(payload))

    @property
    def takes_broadcasts(self) -> bool:
        """Whether its people are told of the table by broadcasts: the edge itself decides."""
        return True

    def broadcast(self, frame: bytes, addresses: list[Address]) -> None:
        """Send one datagram to the people online at this edge. Only what has changed about the
        addresses is sent along."""
        self.tell_table()  # peers fetch what the broadcast names
        before, self._audience = self._audience, dict.fromkeys(addresses)
        removed = [pack_address(address) for address in before if address not in self._audience]
        added = [pack_address(address) for address in self._audience if address not in before]
        for start in range(0, len(removed), _ADDRESSES_AT_ONCE):
            self.session.add(AudienceChanged([], removed[start : start + _ADDRESSES_AT_ONCE]))
        for start in range(0, len(added), _ADDRESSES_AT_ONCE):
            self.session.add(AudienceChanged(added[start : start + _ADDRESSES_AT_ONCE], []))
        if self._audience:
            self.session.add(BroadcastTable(frame))

    def tell_table(self) -> None:
        """Send what has changed in the table since the last call, to an edge that has the whole
        table."""
        while self.has_table and self._told_version < self._table.version:
            self._tell_part()

    def tell_next_of_table(self) -> None:
        """Send as much of the table as may go at once to an edge that has not the whole of it."""
        size = 0
        while size < TABLE_AT_ONCE and self._told_version < self._table.version:
            size += self._tell_part()
        self.has_table = self._told_version >= self._table.version

    def _tell_part(self) -> int:
        """Send the next rows. Return their size."""
        delta = self._table.delta(
            max(self._told_version, 0), bytes_max=PART_MAX, rows_max=_ROWS_AT_ONCE
        )
        self._told_version = delta.version
        self.session.add(TableChanged(delta.version, delta.more, delta.rows))
        return sum(map(len, delta.rows))

    def answer_admin(self, ticket: str, answer: AdminAnswer) -> None:
        """Pass on the answer to an admin request of the edge's node."""
        encoded = encode(answer)
        for start in range(0, len(encoded), PART_MAX):
            end = start + PART_MAX
            self.session.add(AdminAnswerPart(ticket, encoded[start:end], end >= len(encoded)))

    # --- out

    def take_bundles(self) -> list[tuple[int, list[msgspec.Raw]]]:
        """Drain the numbered bundles of this turn."""
        self.tell_table()
        self._queued.clear()
        return self.session.take_bundles()
