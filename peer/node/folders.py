"""Where the keys and messages of each name are in a peer's home folder."""

from pathlib import Path
from typing import Final

from chatapp.wire.names import file_name_of, name_key

IDENTITY_FILE: Final = "identity.key"
"""The file of the secret key that a name belongs to."""


def peers_folder(home: Path) -> Path:
    """Return the folder that has the folders of all names."""
    return home / "peers"


def folder_of(home: Path, name: str) -> Path:
    """Return the folder of a name's keys and messages."""
    return peers_folder(home) / file_name_of(name_key(name))
