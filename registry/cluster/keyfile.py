"""The cluster's key on disk: 64 hexadecimal digits in a file for its owner alone, the same on all
nodes."""

import os
import stat
from pathlib import Path
from typing import Final

from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterKey
from chatapp.registry.store.keystore import KeyUnusable
from chatapp.wire.folders import write_whole

NAME: Final = "cluster.key"
"""The file in the registry's folder, unless another one is named."""
_SIZE_MAX: Final = 1_000


def read_key(path: Path) -> ClusterKey | None:
    """Return the key in a file; None if there is no such file. Raises KeyUnusable."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    try:
        if stat.S_IMODE(os.fstat(file).st_mode) & 0o077:
            raise KeyUnusable(path, "others on this machine can read this key: run chmod 600 on it")
        text = os.read(file, _SIZE_MAX)
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    finally:
        os.close(file)
    try:
        return ClusterKey(bytes.fromhex(text.decode("ascii")))
    except ValueError:
        raise KeyUnusable(
            path, f"holds no cluster key, which is {2 * KEY_SIZE} hexadecimal digits"
        ) from None


def make_key(path: Path) -> ClusterKey:
    """Make a new key in a file that does not exist. Raises KeyUnusable."""
    secret = os.urandom(KEY_SIZE)
    try:
        write_whole(path, secret.hex().encode() + b"\n")
    except OSError as error:
        raise KeyUnusable(path, error.strerror or str(error)) from None
    return ClusterKey(secret)
