"""Diagnosis of the link to a registry that answers by UDP: TCP is blocked, or the connection stalled.

`RegistryMonitor` handles a registry that does not answer at all.
"""

from typing import Final

from chatapp.peer.api.events import LinkTrouble, LinkTroubled
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import RegistrySession

BLOCKED_AFTER: Final = 3.0
"""Seconds without a TCP connection, to a registry that answers by UDP, after which TCP counts as blocked."""

TOLD_AGAIN_AFTER: Final = 600.0
"""Seconds until a stalled link is reported again. Where large packets are lost it stalls again and again."""


class LinkWatch:
    """Watches one link."""

    def __init__(self, session: RegistrySession, link: RegistryLink) -> None:
        self._session = session
        self._link = link
        self._asked_of: float | None = None
        """The start of the series of failed attempts in which we pinged the registry by UDP."""
        self.is_blocked = False
        """Whether the user was told that TCP is blocked."""
        self._stall_told_at = float("-inf")

    def look(self, *, now: float) -> LinkTroubled | None:
        """Return what to tell the user, if anything."""
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
        """Return when to ping the registry by UDP, to find out why there is no link."""
        since = self._link.tried_since
        return None if since is None or self.is_blocked or since == self._asked_of else since + BLOCKED_AFTER

    def _told(self, trouble: LinkTrouble) -> LinkTroubled:
        welcome = self._session.welcome
        return LinkTroubled(port=0 if welcome is None else welcome.link_port, trouble=trouble)
