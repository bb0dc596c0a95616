"""A peer, whichever program runs it."""

from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.remote import RemotePeer

AnyPeer = Peer | RemotePeer
"""Our own peer, or one that another program of this user runs: both have the same interface."""
