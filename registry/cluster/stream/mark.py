"""What a node's folder says about its cluster, so that a stream that has become empty, shorter or
another one is noticed."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.cluster.stream.bundles import HASH_SIZE, ClusterFounded, Head, encode_control
from chatapp.registry.store.protocol import StoreUnusable
from chatapp.registry.store.storage import CLUSTER_MARK, marked_cluster
from chatapp.wire.folders import write_whole

_NOT_KNOWN: Final = b""


class Mark(msgspec.Struct, frozen=True):
    """The newest message of the journal that this node knows to be stored."""

    number: int
    """Its place, at least 1."""
    hash: bytes = _NOT_KNOWN
    """The hash of the message; empty if only the place is known."""
    founding: bytes = _NOT_KNOWN
    """The hash of the cluster's first record, which differs in a cluster that was restored; empty
    if it is not known."""


def mark_of(head: Head, founded: ClusterFounded) -> Mark:
    """Return the mark of a stream that begins with `founded` and ends with `head`."""
    return Mark(head.number, head.hash, hash_of_founding(founded))


def hash_of_founding(founded: ClusterFounded) -> bytes:
    """Return a hash (32 bytes) that no two clusters share: the sealed identity has a random
    part."""
    return hashlib.sha256(encode_control(founded)).digest()


def read_mark(folder: Path, cluster: str) -> Mark | None:
    """Return the mark in a node's folder, None if it has none. Raises OSError; StoreUnusable if the
    folder belongs to a node of another cluster, or if the mark is damaged."""
    path = folder / CLUSTER_MARK
    found = marked_cluster(folder)
    if found is None:
        return None
    if found != cluster:
        raise StoreUnusable(
            str(folder),
            f"this folder belongs to a node of the cluster {found}, not {cluster}: choose it by --cluster-name, or name "
            "another folder by --data",
        )
    lines = path.read_text(errors="replace").splitlines()[1:]
    if not lines:
        return None
    try:
        number, own, founding = lines[0].split(" ")
        mark = Mark(int(number), *(bytes.fromhex(part.strip("-")) for part in (own, founding)))
    except ValueError:
        mark = None
    if (
        mark is None
        or mark.number < 1
        or not {len(mark.hash), len(mark.founding)} <= {0, HASH_SIZE}
    ):
        raise StoreUnusable(
            str(path),
            "is damaged; if the cluster's streams are whole, remove this file and start again",
        )
    return mark


def write_mark(folder: Path, cluster: str, mark: Mark | None) -> None:
    """Write the mark of a node's folder. None: nothing of the stream is known yet. Raises
    OSError."""
    text = f"{cluster}\n"
    if mark is not None:
        text += f"{mark.number} {mark.hash.hex() or '-'} {mark.founding.hex() or '-'}\n"
    write_whole(folder / CLUSTER_MARK, text.encode())
