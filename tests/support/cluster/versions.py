"""Messages of a cluster as a later version of the program writes them."""

from unittest.mock import patch

from chatapp.registry.cluster.stream import bundles
from chatapp.registry.cluster.stream.bundles import ClusterKey, Kind, Sealer


def sealed_by_later_version(
    key: ClusterKey, cluster: str, kind: Kind, number: int, previous: bytes, content: bytes
) -> bytes:
    """Seal a message with the version after this one in its header."""
    with patch.object(bundles, "VERSION", bundles.VERSION + 1):
        return Sealer(key, cluster, bytes(16)).seal(kind, number, previous, content)
