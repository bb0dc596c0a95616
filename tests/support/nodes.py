"""The node behind a peer, for tests that look inside."""

from chatapp.peer.node.attached import AttachedNode
from chatapp.peer.node.local import PeerNode
from chatapp.peer.node.window import WindowNode
from chatapp.peer.rpc.place import Offer
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


def kill(node: PeerNode, offer: Offer) -> None:
    """End the program that runs and offers a peer as by `kill -9`: nobody is told."""
    node.let_go()
    offer._is_withdrawn = True
    if offer._server is None:
        offer._loop.remove_reader(offer._listening)
    else:
        offer._server._is_closed = True  # for clients that are just coming
        offer._server.withdraw()
        for client in list(offer._server._clients):
            client._transport.abort()  # type: ignore[union-attr]
    offer._listening.close()
