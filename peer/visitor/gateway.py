"""The key of a gateway: a program through which visitors without a program of their own come to a help desk (clause
4.10)."""

import os
from pathlib import Path
from typing import Final

from chatapp.peer.keystore import BrokenKeyFile
from chatapp.wire.folders import make_private, write_whole
from chatapp.wire.identity import Identity

GATEWAY_KEY_FILE: Final = "gateway.key"
_KEY_SIZE: Final = 32


def gateway_key(folder: Path) -> Identity:
    """Return the gateway's key in `folder`, which is made if it is missing. Its fingerprint
    (`chatapp.wire.identity.fingerprint`) is what the registry is given by `--gateway`; `Visitor(gateway=...)` takes the key.
    Raises BrokenKeyFile, OSError."""
    make_private(folder)
    path = folder / GATEWAY_KEY_FILE
    if not path.exists():
        write_whole(path, os.urandom(_KEY_SIZE))
    secret = path.read_bytes()
    if len(secret) != _KEY_SIZE:
        raise BrokenKeyFile(path)
    return Identity(secret)
