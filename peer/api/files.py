"""Files that are offered, fetched and given, as values."""

import msgspec

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.enums import Explained


class FileState(Explained):
    """How far a file got."""

    OFFERED = "offered", "it is offered, and nobody has taken it yet"
    WAITING = "waiting", "it was accepted; the one who has it cannot be reached now"
    RUNNING = "running", "its bytes are on their way"
    PAUSED = "paused", "the user has stopped it for now"
    DONE = "done", "it is there, whole"
    FAILED = "failed", "it does not go on by itself; accepting it again goes on from what is there"
    REFUSED = "refused", "it is not wanted"
    WITHDRAWN = "withdrawn", "it is not offered any more"


class FileWay(Explained):
    """By what the bytes of a file go from one program to another."""

    TCP = "tcp", "a TCP connection between the two programs"
    UDP = "udp", "datagrams between the two: no TCP connection can be made"
    SERVER = "server", "the registry, which passes little on: nothing goes between the two directly"
    KEPT = "kept", "the registry, which had kept a sealed copy while the one who offers it was away"


class FileReply(Explained):
    """What somebody has done with a file that was offered to them."""

    HAS = "has", "they have it, whole"
    REFUSED = "refused", "they do not want it"
    STOPPED = "stopped", "they had begun to fetch it, and have given that up; they may begin again"


class FileTrouble(Explained):
    """Why a file is not complete."""

    NOT_OFFERED = "not_offered", "the one who offered it does not have it any more"
    CHANGED = "changed", "it has changed since it was offered"
    UNREADABLE = "unreadable", "the one who offered it cannot read it"
    WRONG_BYTES = "wrong_bytes", "what came is not what was offered"
    NO_SPACE = "no_space", "our disk has no space for it"
    OWN_DISK = "own_disk", "our disk does not take it"
    NOT_RELAYED = (
        "not_relayed",
        "nothing goes between the two directly, and the registry passes no more on for now; it goes on by itself",
    )
    NO_PERSON = "no_person", "the one who offered it is not in the table"


class AutoAccept(msgspec.Struct, frozen=True, kw_only=True):
    """Whose files are fetched without a question."""

    people: tuple[str, ...]
    size_most: int = 100_000_000
    """Bytes of such a file at most."""


class FileTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was offered, as it stands."""

    number: int
    """By which the user names it."""
    id: int
    """The id of the line that offers it."""
    conversation: Conversation
    sender: str
    """Who offers it."""
    name: str
    """Its name, safe for a disk."""
    size: int
    is_ours: bool
    """Whether we offer it."""
    state: FileState = FileState.OFFERED
    trouble: FileTrouble | None = None
    detail: str = ""
    """What the system says of OWN_DISK."""
    done: int = 0
    """The bytes that are there, or that somebody has fetched."""
    rate: float = 0.0
    """Bytes a second, while it is RUNNING."""
    path: str = ""
    """Where it is, or what the user wants to have it called."""
    ways: tuple[FileWay, ...] = ()
    """By what it has come so far, or was fetched of us."""
    people: int = 0
    """How many have given some of it, or fetched some of it of us."""
    is_kept: bool = False
    """Whether it is ours, and the registry keeps a sealed copy for those who are away."""
