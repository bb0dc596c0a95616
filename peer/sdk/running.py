"""Find the program that runs under a name, before another one is started."""

from collections.abc import Sequence

from chatapp.peer.api.errors import NotOpen, NotRunning
from chatapp.peer.node.driver import resolved
from chatapp.peer.rpc.place import is_offered
from chatapp.peer.sdk.client import Peer
from chatapp.wire.address import Address
from chatapp.wire.errors import AddressRefused
from chatapp.wire.identity import require_fingerprint


async def running_program(
    own: Peer, *, shows: bool = True, is_service: bool = False
) -> Peer | None:
    """Return the peer that another program runs under the name of this one, as `Peer.beside` does,
    open; None if none runs and offers one. Raises NotResponding, and NotRunning with the reason if
    the program that runs cannot be used."""
    if not is_offered(own.folder):
        return None
    peer = own.beside(shows=shows, is_service=is_service)
    try:
        await peer.open()
    except NotRunning as error:
        if error.reason:
            raise
        return None
    except (NotOpen, OSError):
        return None
    return peer


def runs_as_service(peer: Peer) -> bool:
    """Whether the program that runs an attached peer is one that is started again when it ends."""
    from chatapp.peer.node.window import WindowNode  # deferred: most programs need it not

    return isinstance(peer.node, WindowNode) and peer.node.runs_as_service


async def is_same_server(peer: Peer, servers: Sequence[Address], registry_key: str | None) -> bool:
    """Whether a running peer is at one of these servers, and the registry there has the demanded
    key."""
    if registry_key is not None and peer.server_key not in ("", require_fingerprint(registry_key)):
        return False
    try:
        return not set(servers).isdisjoint(peer.servers) or peer.address in await resolved(servers)
    except AddressRefused:
        return False
