"""Where a peer stands with its registry."""

import enum


class PeerState(enum.Enum):
    """Whether a peer is with the registry."""

    CLOSED = enum.auto()
    """The peer is not open."""
    SEEKING = enum.auto()
    """It is looking for the registry."""
    ONLINE = enum.auto()
    """It is registered and has a link to the registry."""
    ALONE = enum.auto()
    """The registry does not answer; direct chat goes on."""
    OFFLINE = enum.auto()
    """It has left, as the user asked."""
    REFUSED = enum.auto()
    """The registry does not let it in."""
