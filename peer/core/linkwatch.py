"""What is wrong with the link to a registry that answers by UDP: TCP does not get through, or the link stands still.

A registry that does not answer at all is told otherwise (`peer.core.dispatch`).
"""

from typing import Final

from chatapp.peer.core.events import LinkTrouble, LinkTroubled
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import RegistrySession

BLOCKED_AFTER: Final = 3.0
"""Seconds without a TCP connection to a registry that answers by UDP."""

TOLD_AGAIN_AFTER: Final = 600.0
"""Seconds until it is told again that the link has stalled: where large packets are lost, it does so again and again."""


class LinkWatch:
    """Looks at one link."""

    def __init__(self, session: RegistrySession, link: RegistryLink) -> None:
        self._session = session
        self._link = link
        self._asked_of: float | None = None
        """Of which series of failed attempts the registry has been asked by UDP whether it is there."""
        self.is_blocked = False
        """Whether it is told that no connection comes about."""
        self._stall_told_at = float("-inf")

    def look(self, *, now: float) -> LinkTroubled | None:
        """Return what is to be told."""
        link, session = self._link, self._session
        if session.is_lost:
            link.tried_since = link.stalled_since = None
        if link.stalled_since is not None:
            stalled_since, link.stalled_since = link.stalled_since, None
            if session.heard_at >= stalled_since and now >= self._stall_told_at + TOLD_AGAIN_AFTER:
                self._stall_told_at = now
                return self._told(LinkTrouble.STALLED)
        if link.is_up and self.is_blocked:
            self.is_blocked = False
            return self._told(LinkTrouble.OVER)
        since = link.tried_since
        if since is None or self.is_blocked or now < since + BLOCKED_AFTER:
            return None
        if session.heard_at >= since + BLOCKED_AFTER:
            self.is_blocked = True
            return self._told(LinkTrouble.BLOCKED)
        if self._asked_of != since:
            self._asked_of = since
            session.ping(now=now)
        return None

    def next_timer(self) -> float | None:
        """When to ask by UDP why there is no link."""
        since = self._link.tried_since
        return None if since is None or self.is_blocked or since == self._asked_of else since + BLOCKED_AFTER

    def _told(self, trouble: LinkTrouble) -> LinkTroubled:
        welcome = self._session.welcome
        return LinkTroubled(port=0 if welcome is None else welcome.link_port, trouble=trouble)
