"""The node behind a peer, for tests that look inside."""

from chatapp.peer.node.attached import AttachedNode
from chatapp.peer.node.local import PeerNode
from chatapp.peer.node.window import WindowNode
from chatapp.peer.sdk.client import Peer


def node_of(peer: Peer) -> PeerNode:
    """Return the node of a peer that this program runs. Raises NotOpen."""
    assert isinstance(peer.node, PeerNode)
    return peer.node


def attached_node_of(peer: Peer) -> AttachedNode:
    """Return the node of a peer that another program runs. Raises NotOpen."""
    assert isinstance(peer.node, WindowNode)
    inner = peer.node.inner
    assert isinstance(inner, AttachedNode)
    return inner
