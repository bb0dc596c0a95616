"""The folder of each name in a peer's home, and the name's last start there: the server at which it
was registered. `ChatApp -c <name>` goes on
there, and a name that is taken is explained by it."""

import contextlib
import enum
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from chatapp.wire.address import Address, is_port
from chatapp.wire.errors import NameRefused
from chatapp.wire.folders import write_whole
from chatapp.wire.limits import SERVERS_MAX
from chatapp.wire.names import PeerName, file_name_of, is_same_name, name_key, peer_name

IDENTITY_FILE: Final = "identity.key"
"""The file of the secret key that a name belongs to."""


def peers_folder(home: Path) -> Path:
    """Return the folder that has the folders of all names."""
    return home / "peers"


def folder_of(home: Path, name: str) -> Path:
    """Return the folder of a name's keys and messages."""
    return peers_folder(home) / file_name_of(name_key(name))


FILE: Final = "start.json"
"""The file in the folder of a name."""

_HOST_MAX: Final = 255
_FORMER_MAX: Final = 20


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A start that the registry let in."""

    name: str
    servers: tuple[Address, ...]
    """The registry's servers, as the user typed them; at least one."""
    at: float
    """When it was, in Unix seconds."""
    key: str = ""
    """The 32 digits of the fingerprint of the registry's key; empty if it is not known."""
    former: tuple[str, ...] = ()
    """Other names that this person had, the latest last."""
    is_released: bool = False
    """Whether the name was given up since."""


def remember(folder: Path, name: str, servers: Sequence[Address], *, key: str = "") -> None:
    """Note in the folder of a name that it was registered at these servers. `key`: the digits of
    the fingerprint of its key. A disk that does not take the note costs only the note."""
    before = _read(folder)
    names = () if before is None else (*before.former, before.name)
    former = tuple(one for one in dict.fromkeys(names) if not is_same_name(one, name))[
        -_FORMER_MAX:
    ]
    start = Start(name=name, servers=tuple(servers), at=time.time(), key=key, former=former)
    with contextlib.suppress(OSError):
        write_whole(folder / FILE, msgspec.json.encode(start))


def note_release(folder: Path) -> None:
    """Note in the folder of a name that it was given up. A disk that does not take the note costs
    only the note."""
    start = _read(folder)
    if start is not None:
        with contextlib.suppress(OSError):
            write_whole(
                folder / FILE, msgspec.json.encode(msgspec.structs.replace(start, is_released=True))
            )


def start_of(home: Path, name: str) -> Start | None:
    """Return the last start of a name; None if there is none that can be read."""
    start = _read(folder_of(home, name))
    return start if start is not None and is_same_name(start.name, name) else None


def latest_name(home: Path) -> PeerName | None:
    """Return the name that was started last."""
    starts = _all(home)
    return peer_name(max(starts, key=lambda start: start.at).name) if starts else None


class TakenBy(enum.Enum):
    """The owner of a name that the registry refuses us, as far as this machine knows."""

    SOMEBODY = "somebody else, or we ourselves with a key that is on another machine"
    SELF_RENAMED = "we ourselves, who have another name now"
    OWN_PROGRAM = "a program of ours that is running"
    RELEASED = "somebody else, since we gave it up"
    KEY_ELSEWHERE = "we ourselves, with a key in another folder of this machine"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Why we cannot have a name."""

    name: str
    by: TakenBy
    now_called: str = ""
    """Our present name, with SELF_RENAMED."""
    folder: str = ""
    """The folder to give as `--data`, with KEY_ELSEWHERE."""
    process: int = 0
    """The number of the running program, with OWN_PROGRAM; 0 if it is not known."""
    port: int = 0
    """Its UDP port; 0 if it is not known."""


def why_taken(home: Path, name: str, *, others: Iterable[Path]) -> Taken:
    """Return whose the name is that a registry has refused. `others`: homes besides `home` in which
    our keys may be."""
    for start in sorted(_all(home), key=lambda start: start.at, reverse=True):
        if any(is_same_name(one, name) for one in start.former):
            return Taken(name=name, by=TakenBy.SELF_RENAMED, now_called=start.name)
    mine = _read(folder_of(home, name))
    if mine is not None and mine.is_released and is_same_name(mine.name, name):
        return Taken(name=name, by=TakenBy.RELEASED)
    for other in others:
        if other != home and (folder_of(other, name) / IDENTITY_FILE).exists():
            return Taken(name=name, by=TakenBy.KEY_ELSEWHERE, folder=str(other))
    return Taken(name=name, by=TakenBy.SOMEBODY)


def _all(home: Path) -> list[Start]:
    try:
        folders = list(peers_folder(home).iterdir())
    except OSError:
        return []
    return [start for start in map(_read, folders) if start is not None]


def _read(folder: Path) -> Start | None:
    try:
        start = msgspec.json.decode((folder / FILE).read_bytes(), type=Start)
        peer_name(start.name)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, NameRefused):
        return None
    are_valid = all(is_port(port) and 0 < len(host) <= _HOST_MAX for host, port in start.servers)
    return start if are_valid and 0 < len(start.servers) <= SERVERS_MAX else None
