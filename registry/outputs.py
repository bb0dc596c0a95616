"""This file is about what goes out of the registry: sealed answers and signed ones, in queues that the shell drains.

It knows links, sessions and how an answer becomes bytes; it must not know why anything is said.
"""

import contextlib
from collections import Counter

import msgspec

from registry.effects import Caller, Denied, Offer, Welcomed
from registry.errands import Answer
from registry.events import CameIn, Event, TurnedAway
from registry.links import Links
from registry.policy import Policy
from registry.sessions import Sessions
from wire.address import Address
from wire.admission import make_refused, make_welcome
from wire.codec import encode, join_frames
from wire.errors import SealError
from wire.header import Kind
from wire.identity import Identity
from wire.messages.link import RegistryNotice


class Outputs:
    """The queues."""

    def __init__(
        self, identity: Identity, sessions: Sessions, policy: Policy, *, link_port: int, links_max: int
    ) -> None:
        self._identity = identity
        self._sessions = sessions
        self._policy = policy
        self._link_port = link_port
        self._datagrams: list[tuple[bytes, Address]] = []
        self._broadcasts: list[tuple[bytes, list[Address]]] = []
        self._events: list[Event] = []
        self._console_lines: list[str] = []
        self._answers: list[tuple[str, Answer]] = []
        self._links = Links(most=links_max, requests_per_second=policy.requests_per_second)
        self.dropped: Counter[str] = Counter()
        """What was not served, by reason."""

    # --- drained by the shell

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def broadcasts_to_send(self) -> list[tuple[bytes, list[Address]]]:
        """Drained: one datagram each for many. Long lists are the shell's to slice."""
        broadcasts, self._broadcasts = self._broadcasts, []
        return broadcasts

    def link_writes(self) -> list[tuple[int, list[bytes]]]:
        """Drained: pieces for each link, framed already; write them before links are closed."""
        return self._links.writes()

    def links_to_widen(self) -> list[int]:
        """Drained: links that have proved themselves, whose frames may be long from now on."""
        return self._links.to_widen()

    def links_to_pause(self) -> list[int]:
        """Drained: links that ask too much. Pause before you resume."""
        return self._links.pace.to_pause()

    def links_to_resume(self) -> list[int]:
        """Drained: links to read on from."""
        return self._links.pace.to_resume()

    def links_to_close(self) -> list[tuple[int, str]]:
        """Drained: links that are over, and why; what was written to them still goes."""
        return self._links.to_close()

    def events(self) -> list[Event]:
        """Drained: what happened, for a log."""
        events, self._events = self._events, []
        return events

    def answers(self) -> list[tuple[str, Answer]]:
        """Drained: answers to errands, by ticket."""
        answers, self._answers = self._answers, []
        return answers

    def console_lines(self) -> list[str]:
        """Drained: lines for the registry's own terminal."""
        lines, self._console_lines = self._console_lines, []
        return lines

    # --- filled by the core

    def _reply(self, to: Caller, message: RegistryNotice | msgspec.Raw) -> None:
        if to.link is not None:
            self._push(to.link, message)
            return
        if to.address is not None:
            datagram = self._sessions.table.seal_back(to.session, join_frames([encode(message)]))
            if datagram is not None:
                self._datagrams.append((datagram, to.address))

    def _tell(self, identity: bytes, address: Address, message: RegistryNotice, now: float) -> None:
        with contextlib.suppress(SealError):  # they were let in too long ago
            datagrams = self._sessions.table.seal(identity, join_frames([encode(message)]), now=now)
            self._datagrams += [(datagram, address) for datagram in datagrams]

    def _push(self, number: int, message: RegistryNotice | msgspec.Raw) -> None:
        link = self._links.find(number)
        if link is not None:
            self._links.send(link, encode(message))

    def _offer(self, offer: Offer) -> None:
        link = self._links.find(offer.link)
        if link is not None and not link.is_behind:
            self._links.send(link, encode(offer.message))
        else:
            self._drop("no room on the recipient's link")

    def _welcome(self, welcomed: Welcomed, *, table_version: int, clock: int, now: float) -> None:
        address = welcomed.to.address
        assert address is not None
        self._sessions.admit(welcomed.card.identity, welcomed.nonce, now=now)
        welcome = make_welcome(
            self._identity,
            card=welcomed.card,
            nonce=welcomed.nonce,
            host=address.host,
            port=address.port,
            table_version=table_version,
            lease=self._policy.lease_span,
            link_port=self._link_port,
            clock=clock,
        )
        self._datagrams.append((bytes((Kind.WELCOME,)) + encode(welcome), address))
        if welcomed.is_new:
            self._note(CameIn(name=welcomed.card.name or "a guest", address=address))

    def _deny(self, denied: Denied) -> None:
        address = denied.to.address
        assert address is not None
        refused = make_refused(
            self._identity,
            nonce=denied.nonce,
            reason=denied.reason,
            name=denied.name,
            counter=denied.counter,
        )
        self._datagrams.append((bytes((Kind.REFUSED,)) + encode(refused), address))
        self._note(TurnedAway(name=denied.name, address=address, reason=denied.reason))

    def _drop(self, reason: str) -> None:
        self.dropped[reason] += 1

    def _note(self, event: Event) -> None:
        if len(self._events) < self._policy.events_max:
            self._events.append(event)
