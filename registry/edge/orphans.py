"""Links that outlive the engine of a cluster (clause 9.8): their peers attach again, and need not
register.

What was on its way between a peer and the engine that has gone is in doubt. So nothing of an
orphaned link is served until its peer has attached again, as on a new link: from then on the peer
asks again what was not answered.
"""

from typing import Final, NamedTuple

from chatapp.registry.edge.admission import Sessions
from chatapp.registry.edge.interest import Interest
from chatapp.registry.edge.links import Links, PeerLink
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.wire.address import Address
from chatapp.wire.codec import encode
from chatapp.wire.limits import LINK_FIRST_FRAME_TIMEOUT
from chatapp.wire.messages.link import AttachAgain

_ASKED: Final = encode(AttachAgain())


class OrphanedLink(NamedTuple):
    """A link, and what the last engine knew of its peer's registration."""

    number: int
    identity: bytes
    nonce: bytes
    """Of the peer's last REGISTER."""
    address: Address
    """From which the peer's newest datagram came."""


class Orphans:
    """The orphaned links of one edge."""

    def __init__(self, links: Links, sessions: Sessions, interest: Interest) -> None:
        self._links: Final = links
        self._sessions: Final = sessions
        self._interest: Final = interest
        self.waiting: dict[bytes, PeerLink] = {}
        """By the identities of their peers."""
        self._late_at = float("inf")

    def begin(self, reason: LinkEndReason) -> None:
        """The engine has gone: keep the newest link of each member, and end all others. `reason`:
        why these end. Sessions without a link end too: their peers register anew."""
        newest = self.waiting | {link.identity: link for link in self._links.members()}
        kept = {link.number for link in newest.values()}
        self._links.end_all(reason, but=kept)
        for link in self._links.members():
            self._links.orphan(link)
        self._interest.begin_anew()
        self._sessions.keep_only(newest)
        self.waiting, self._late_at = newest, float("inf")

    def adopt(self, *, now: float) -> list[OrphanedLink]:
        """There is an engine again: ask the peers to attach again. Return the links of which it has
        to know."""
        self._late_at = now + LINK_FIRST_FRAME_TIMEOUT
        adopted: list[OrphanedLink] = []
        for identity, link in self.waiting.items():
            registration = self._sessions.registration_of(identity)
            if registration is None:
                self._links.end(link.number, LinkEndReason.NO_SESSION)
                continue
            link.attaches_owed += 1
            self._links.send(link, _ASKED)
            adopted.append(OrphanedLink(link.number, identity, *registration))
        return adopted

    def attach_came(self, link: PeerLink) -> bool:
        """Note that the peer of an orphaned link has sent Attach. Return whether the link is
        attached from now on: it is by the answer to the last question."""
        link.attaches_owed -= 1
        if link.attaches_owed:
            return False
        del self.waiting[link.identity]
        self._links.attach_again(link)
        self._interest.tell_scope(link)
        return True

    def registered(self, identity: bytes) -> None:
        """End the orphaned link of a peer that has registered anew."""
        if (link := self.waiting.pop(identity, None)) is not None:
            self._links.end(link.number, LinkEndReason.REPLACED)

    def link_over(self, link: PeerLink) -> None:
        """Note that a link is over."""
        if self.waiting.get(link.identity) is link:
            del self.waiting[link.identity]

    def handle_timer(self, *, now: float) -> None:
        """End the links whose peers have not attached again in time."""
        if now < self._late_at:
            return
        self._late_at = float("inf")
        for link in self.waiting.values():
            self._links.end(link.number, LinkEndReason.FIRST_FRAME_LATE)
        self.waiting = {}

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next."""
        return self._late_at if self.waiting else float("inf")
