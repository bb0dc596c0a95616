"""This file is about the numbers by which this registry runs, and the spans that follow from them.

It knows numbers. Caps on what a stranger can make us hold stand in `wire.limits`; here is how patient we are.
"""

import msgspec

from wire.limits import MAIL_PLACES, REQUESTS_PER_SECOND


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Spans are in seconds."""

    lease_span: int = 30
    """Without a sign of life for so long, somebody counts as away, whatever their connection looks like."""
    probe_span: float = 0.5
    """Somebody whom others cannot reach is asked for a sign of life so often,"""
    probes: int = 5
    """so many times, before they count as away."""
    late_after: float = 1.0
    """A timer later than this shows that we were stopped ourselves, and others' signs of life are still to be read."""
    cookie_window: float = 30.0
    """A cookie is good in the window in which it was made and in the next one."""
    grace_span: float = 60.0
    """How long a group's key that was replaced is still honoured."""

    coalesce_span: float = 0.005
    """The first changes after a quiet while are gathered for so long, then told: whoever came is known at once."""
    busy_span: float = 0.1
    """While it goes on changing, it is told no more often than this."""
    broadcasts_per_second: float = 50_000.0
    """Datagrams of news a second, over everybody: half a core at the worst, and what the sockets of a full house take."""
    announce_span: float = 0.25
    """So long after the last change its version is told once more, so that a lost last datagram is noticed."""
    storm_span: float = 1.0
    """While more changes than a broadcast holds, the version is told no more often than this."""
    broadcast_datagrams: int = 8
    """A larger change is fetched over the links: each row then travels once, and acknowledged."""

    sessions_max: int = 50_000
    """Who may open a session, about 0.5 KiB each: whoever was let in. Past it, those silent longest come in anew."""
    epoch_span: float = 60.0
    """A group's key is replaced no more often than this, however often its members change."""
    room_epoch_span: float = 1.0
    """The same of a room's key, which a few people's coming and going changes."""
    room_news_span: float = 0.02
    """Who came into a room and who went is gathered for so long, then told to those who are in it."""
    room_news_per_second: float = 20_000.0
    """Such news a second in one room, over all its members: each copy is sealed for its link."""

    sweep_span: float = 60.0
    """Expired mail and lines are looked for so often."""
    restart_grace: float = 86_400.0
    """What is loaded lives so long at least: after a restart the wall clock may be a year ahead, and set right later."""
    requests_per_second: float = REQUESTS_PER_SECOND
    """Requests that one link is served, averaged; all links of one network together four times as many."""
    mail_places: int = MAIL_PLACES
    """Places in all mailboxes together."""
    events_max: int = 10_000
    """Events kept for the operator's log until they are drained."""
