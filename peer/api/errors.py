"""The exceptions of the SDK, besides those of `wire.errors`. Each carries its facts; `str()` of
each is one clear line.

ChatAppError
+-- NotOpen               the peer is not open
+-- AlreadyOpen           the peer is open
+-- AlreadyRead           another loop reads the events
+-- FellBehind            a subscriber did not read in time      lost
+-- NotAnswered           the registry did not answer            reason
+-- ChangeRefused         a line is not to be changed so         reason
+-- FileRefused           a file is not offered or accepted      reason, path, detail
+-- DeskFileRefused       the help desk does not take a file     reason, limit, kinds
+-- NotRunning            no program of ours offers this name     name, reason
+-- NotResponding         our program of this name does not answer   name, process
+-- ServerUnreachable     the server's name has no address now      reason
+-- NotLetIn              something answers at the registry's address, but we are not registered
    +-- NameTaken         somebody else holds the name             name
    +-- NotAdmitted       the registry refuses us                  reason, key
    +-- OtherRegistry     another registry is at this address      expected, got
"""

from chatapp.peer.api.enums import Explained
from chatapp.peer.api.events import AdmissionRefusal, NoAnswer
from chatapp.wire.errors import ChatAppError, quoted


class NotOpen(ChatAppError):
    """The peer is not open yet, or not any more."""

    def __str__(self) -> str:
        return "this peer is not open"


class AlreadyOpen(ChatAppError):
    """The peer is open already."""

    def __str__(self) -> str:
        return "this peer is open already"


class AlreadyRead(ChatAppError):
    """Another loop over `events()` runs. Any number of readers may `subscribe()`."""

    def __str__(self) -> str:
        return "another loop reads the events of this peer; subscribe() gives them to any number of readers"


class FellBehind(ChatAppError):
    """A subscriber did not read its events in time, so it gets no more of them."""

    def __init__(self, lost: int) -> None:
        """`lost`: how many events waited for it, and are not given to it any more."""
        super().__init__(lost)
        self.lost = lost

    def __str__(self) -> str:
        return f"this subscriber reads too slowly: {self.lost:,} events waited for it and are not given to it any more"


class NotAnswered(ChatAppError):
    """The registry did not answer a question."""

    def __init__(self, reason: NoAnswer) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"no answer: {self.reason.meaning}"


class ChangeRefusal(Explained):
    """Why a line is not edited, taken back, answered or given an emoji."""

    NO_SUCH_LINE = "no_such_line", "there is no such line"
    NOT_OURS = "not_ours", "only its author can do that"
    TOO_OLD = "too_old", "it is older than 7 days"
    TAKEN_BACK = "taken_back", "it was taken back"
    NO_EMOJI = "no_emoji", "that is not one emoji"
    ELSEWHERE = "elsewhere", "it was said in another conversation"
    OTHER_KEY = "other_key", "the name has another key since it was said"
    SETTLED = "settled", "it has got through"
    NOT_SENT = "not_sent", "it did not get through"
    IS_FILE = "is_file", "it offers a file"


class ChangeRefused(ChatAppError):
    """A line is not edited, taken back, answered or given an emoji."""

    def __init__(self, reason: ChangeRefusal) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"nothing was sent: {self.reason.meaning}"


class FileRefusal(Explained):
    """Why a file is not offered or accepted."""

    NOT_READABLE = "not_readable", "it cannot be read"
    NO_FILE = "no_file", "it is no file"
    TOO_LARGE = "too_large", "it is larger than 1 TiB"
    IS_US = "is_us", "a file is offered to others"
    NO_SUCH_OFFER = "no_such_offer", "no such file is offered"
    IS_OVER = "is_over", "it is here already, or not offered any more"
    NOT_UNDER_WAY = "not_under_way", "it is not being fetched"
    EXISTS = "exists", "there is a file of that name"
    NO_FOLDER = "no_folder", "the folder cannot be written to"
    NOT_KEPT = "not_kept", "our own disk takes no note of it"
    NOT_WRITTEN = "not_written", "it cannot be written"
    NOT_YOURS = "not_yours", "it is on the machine of the web desk, and not in your folder"
    NO_ROOM = "no_room", "your folder at the web desk has no room for it"


class DeskFileRefusal(Explained):
    """Why the help desk does not take a file, or has none to give."""

    OFF = "off", "this help desk takes no files"
    TOO_LARGE = "too_large", "it is empty, or larger than this help desk takes"
    WRONG_KIND = "wrong_kind", "this help desk takes no files of this kind"
    NOT_WHAT_IT_SAYS = "not_what_it_says", "its content is not what its name says"
    TALK_FULL = "talk_full", "the files of this conversation have no room for it"
    DESK_FULL = "desk_full", "the help desk has no room for it now"
    TOO_FAST = "too_fast", "too many files at once"
    NOT_SERVED = "not_served", "the conversation does not go on now"
    LOST = "lost", "it did not arrive whole"
    UNANSWERED = "unanswered", "the server does not answer"
    NOT_HERE = "not_here", "the help desk does not have it any more"


class DeskFileRefused(ChatAppError):
    """The help desk does not take a file, or has none to give."""

    def __init__(
        self, reason: DeskFileRefusal, limit: int = 0, kinds: tuple[str, ...] = ()
    ) -> None:
        """`limit`: the most bytes, of TOO_LARGE and TALK_FULL. `kinds`: the ends of the names that
        it takes, of WRONG_KIND."""
        super().__init__(reason, limit, kinds)
        self.reason = reason
        self.limit = limit
        self.kinds = kinds

    def __str__(self) -> str:
        detail = f" (at most {self.limit:,} bytes)" if self.limit else ""
        detail = f" (it takes {', '.join(self.kinds)})" if self.kinds else detail
        return f"{self.reason.meaning}{detail}"


class FileRefused(ChatAppError):
    """A file is not offered or accepted."""

    def __init__(self, reason: FileRefusal, path: str = "", detail: str = "") -> None:
        """`detail`: what the system says."""
        super().__init__(reason, path, detail)
        self.reason = reason
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        parts = (quoted(self.path), self.reason.meaning, quoted(self.detail))
        return ": ".join(filter(None, parts))


class NotRunning(ChatAppError):
    """No program of this user runs under this name and lets others attach to it."""

    def __init__(self, name: str, reason: str = "") -> None:
        """`reason`: why the program that runs cannot be used, if one does."""
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        if self.reason:
            return f'the program of "{quoted(self.name)}" that runs here cannot be used: {quoted(self.reason)}'
        return f'no program of "{quoted(self.name)}" runs here'


class NotResponding(ChatAppError):
    """The program of this user that runs under this name does not answer: it is stopped, or too
    busy."""

    def __init__(self, name: str, process: int = 0) -> None:
        """`process`: its number; 0 if it is not known."""
        super().__init__(name, process)
        self.name = name
        self.process = process

    def __str__(self) -> str:
        which = f" (process {self.process})" if self.process else ""
        return f'the program of "{quoted(self.name)}" that runs here{which} does not answer'


class ServerUnreachable(ChatAppError):
    """The server's host is not an IP address, and its name has none now."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class NotLetIn(ChatAppError):
    """Something answers at the registry's address, but we are not registered."""


class NameTaken(NotLetIn):
    """Somebody else has our name at this registry."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f'the name "{quoted(self.name)}" is taken'


class NotAdmitted(NotLetIn):
    """The registry does not let us in, and the name is not the reason."""

    def __init__(self, reason: AdmissionRefusal, key: str = "") -> None:
        """`key`: as in `events.AdmissionRefused`."""
        super().__init__(reason, key)
        self.reason = reason
        self.key = key

    def __str__(self) -> str:
        return f"not registered: {self.reason.meaning}"


class OtherRegistry(NotLetIn):
    """Another registry answers at this address than the one that we know. Both are given by their
    fingerprints."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"the key of the registry has changed: expected {self.expected}, got {self.got}"
