"""The last start of each name: the server at which it was registered. `ChatApp -c <name>` goes on there."""

import contextlib
import time
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.keystore import folder_of
from chatapp.wire.address import Address, is_port
from chatapp.wire.errors import NameRefused
from chatapp.wire.folders import write_whole
from chatapp.wire.names import PeerName, is_same_name, peer_name

FILE: Final = "start.json"
"""The file in the folder of a name."""

_HOST_MAX: Final = 255


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A start that the registry let in."""

    name: str
    host: str
    """The server's host, as the user typed it."""
    port: int
    at: float
    """When it was, in Unix seconds."""

    @property
    def server(self) -> Address:
        """The server's host and port."""
        return Address(self.host, self.port)


def remember(folder: Path, name: str, server: Address) -> None:
    """Note in the folder of a name that it was registered at this server. A disk that does not take the note costs only the
    note."""
    start = Start(name=name, host=server.host, port=server.port, at=time.time())
    with contextlib.suppress(OSError):
        write_whole(folder / FILE, msgspec.json.encode(start))


def start_of(home: Path, name: str) -> Start | None:
    """Return the last start of a name; None if there is none that can be read."""
    start = _read(folder_of(home, name))
    return start if start is not None and is_same_name(start.name, name) else None


def latest_name(home: Path) -> PeerName | None:
    """Return the name that was started last."""
    try:
        folders = list((home / "peers").iterdir())
    except OSError:
        return None
    starts = [start for start in map(_read, folders) if start is not None]
    return peer_name(max(starts, key=lambda start: start.at).name) if starts else None


def _read(folder: Path) -> Start | None:
    try:
        start = msgspec.json.decode((folder / FILE).read_bytes(), type=Start)
        peer_name(start.name)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, NameRefused):
        return None
    return start if is_port(start.port) and 0 < len(start.host) <= _HOST_MAX else None
