"""This file is about finding out how far the registry is in reach, for everybody who waits for it.

It looks at the session and the link; what it finds stands in the node's `Outlook`. It must not know what anybody does
about it.
"""

from typing import Final

from peer.core.linkwatch import LinkWatch
from peer.core.parts import Parts
from peer.core.reach import Reach
from peer.core.renaming import Renaming
from peer.core.rooms import Rooms

SEEKING_SPAN: Final = 5.0
"""Seconds after which a registry that answers by UDP and has no link for us counts as lost for what needs the link."""


class Lookout:
    """Looks after whatever may have changed it."""

    def __init__(self, parts: Parts, rooms: Rooms, renaming: Renaming) -> None:
        self._parts = parts
        self._named = parts.named
        self._session = parts.session
        self._link = parts.link
        self._table = parts.table
        self._ladder = parts.ladder
        self._outlook = parts.outlook
        self._rooms = rooms
        self._lines = rooms.lines
        self._renaming = renaming
        self._out = parts.out
        self._watch = LinkWatch(parts.session, parts.link)
        self._seeking_since: float | None = None

    def seek(self, *, now: float) -> None:
        """There is reason to expect the registry: for a while it counts as being looked for."""
        self._seeking_since = now

    def look(self, *, now: float) -> None:
        """Tell whoever waits for the registry how far it is in reach."""
        if self._named.waiting:  # mostly not: no call
            self._named.look(wall=now + self._parts.wall_offset, now=now)
        link, watch = self._link, self._watch
        if (
            link.tried_since is not None or link.stalled_since is not None or watch.is_blocked
        ):  # mostly not: no call
            trouble = watch.look(now=now)
            if trouble is not None:
                self._out.events.append(trouble)
        reach = self._measure(now)
        if self._outlook.reach is not Reach.NONE:
            self._ladder.set_reach(reach, now=now)
        if self._outlook.reach is Reach.LOST:
            self._lines.registry_lost(now=now)
            if not self._session.is_wanted:  # else what is asked of it waits for one more attempt
                self._rooms.registry_lost(now=now)
            self._renaming.registry_lost()

    def next_timer(self) -> float | None:
        """When we have been looking for it long enough, or for a link to it."""
        due = None if self._link.tried_since is None else self._watch.next_timer()
        if self._seeking_since is None or self._outlook.reach is not Reach.SEEKING:
            return due
        sought = self._seeking_since + SEEKING_SPAN
        return sought if due is None else min(sought, due)

    def _measure(self, now: float) -> Reach:
        if self._link.is_up and self._table.is_fresh:
            self._seeking_since = None
            return Reach.UP
        if self._session.is_lost:
            return Reach.LOST
        if self._seeking_since is None:
            self._seeking_since = now
        return Reach.SEEKING if now < self._seeking_since + SEEKING_SPAN else Reach.LOST
