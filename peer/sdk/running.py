"""Find the program that runs under a name, before another one is started."""

from collections.abc import Sequence
from pathlib import Path

from chatapp.peer.api.errors import NotOpen, NotRunning
from chatapp.peer.node.driver import resolved
from chatapp.peer.node.starts import folder_of
from chatapp.peer.rpc.place import is_offered
from chatapp.peer.sdk.client import Peer
from chatapp.wire.address import Address
from chatapp.wire.errors import AddressRefused
from chatapp.wire.identity import require_fingerprint
from chatapp.wire.names import PeerName


async def running_program(name: PeerName, home: Path, *, shows: bool = True) -> Peer | None:
    """Return the peer of this name that another program runs, attached; None if none runs and
    offers one. `shows`: as in `Peer.attach`. Raises NotResponding, and NotRunning with the reason
    if the program that runs cannot be used."""
    if not is_offered(folder_of(home, name)):
        return None
    peer = Peer.attach(name, home=home, shows=shows)
    try:
        await peer.open()
    except NotRunning as error:
        if error.reason:
            raise
        return None
    except (NotOpen, OSError):
        return None
    return peer


async def is_same_server(peer: Peer, servers: Sequence[Address], registry_key: str | None) -> bool:
    """Whether a running peer is at one of these servers, and the registry there has the demanded
    key."""
    if registry_key is not None and peer.server_key not in ("", require_fingerprint(registry_key)):
        return False
    try:
        return not set(servers).isdisjoint(peer.servers) or peer.address in await resolved(servers)
    except AddressRefused:
        return False
