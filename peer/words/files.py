"""Lines about files: what is offered, how far one is, and why one stops."""

from collections.abc import Iterable
from typing import Final

from chatapp.peer.api.errors import DeskFileRefused, FileRefusal, FileRefused
from chatapp.peer.api.events import OfferedFile
from chatapp.peer.api.files import FileReply, FileState, FileTransfer, FileTrouble, FileWay
from chatapp.peer.words.formatting import counted, name, reason, span
from chatapp.wire.text import sanitize

_UNITS: Final = ("kB", "MB", "GB", "TB")
_NAME_SHOWN: Final = 60
"""Characters of a file's name in a line."""

NO_SUCH_FILE: Final = {
    "/accept": "[No file is offered to you.]",
    "/refuse": "[No file is offered to you.]",
    "/cancel file": "[No file is under way.]",
    "/pause": "[No file is under way to you.]",
    "/resume": "[No file is paused.]",
}
"""What is said when a command finds no file that it could mean."""
LABELS: Final = {
    "accept": "Accept",
    "pause": "Pause",
    "resume": "Resume",
    "refuse": "Refuse",
    "cancel file": "Cancel",
}
"""What stands on buttons, by what they do."""
NO_FILES: Final = "[No files yet. /send_file <name> <path> offers one.]"

_TROUBLES: Final = {
    FileTrouble.NOT_OFFERED: "{who} does not offer it any more",
    FileTrouble.CHANGED: "it has changed since {who} offered it",
    FileTrouble.UNREADABLE: "{who} cannot read it",
    FileTrouble.WRONG_BYTES: "what came is not what {who} offered",
    FileTrouble.NO_SPACE: "your disk has no space for it",
    FileTrouble.OWN_DISK: "your disk does not take it",
    FileTrouble.NOT_RELAYED: "neither TCP nor UDP gets through, and the server passes no more on for now",
    FileTrouble.NO_PERSON: "{who} is not in the table",
}
_WAYS: Final = {
    FileWay.TCP: "TCP",
    FileWay.UDP: "UDP, as no TCP connection can be made",
    FileWay.SERVER: "the server, as neither TCP nor UDP gets through",
    FileWay.KEPT: "the server, which had kept it",
}
_REFUSALS: Final = {
    FileRefusal.NOT_READABLE: "cannot be read",
    FileRefusal.NO_FILE: "is no file",
    FileRefusal.TOO_LARGE: "is larger than 1 TiB",
    FileRefusal.IS_US: "A file is offered to somebody else",
    FileRefusal.NOT_WRITTEN: "cannot be written",
    FileRefusal.NO_SUCH_OFFER: "No such file is offered to you",
    FileRefusal.IS_OVER: "is here already, or not offered any more",
    FileRefusal.NOT_UNDER_WAY: "is not under way",
    FileRefusal.EXISTS: "exists already",
    FileRefusal.NO_FOLDER: "is no folder that can be written to",
    FileRefusal.NOT_KEPT: "is not offered, as your disk takes no note of it",
    FileRefusal.NOT_YOURS: "is not in your folder at the web desk",
    FileRefusal.NO_ROOM: "finds no room in your folder at the web desk",
}


def size_shown(size: int) -> str:
    """Return a size as people read it: 2.3 MB."""
    if size < 1_000:
        return f"{size} bytes" if size != 1 else "1 byte"
    value, unit = float(size), ""
    for unit in _UNITS:  # noqa: B007 - the last one counts
        value /= 1_000
        if value < 999.5:
            break
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"


def file_shown(name_: str, file: OfferedFile) -> str:
    """Return the text of a line that offers a file, and how to get it as long as that is new."""
    nth = file.number
    how = f": /accept {nth} or /refuse {nth}" if nth else ""
    if file.is_coming:
        how = f": it comes, /refuse {nth} stops it"
    return f"[file {_short(name_)}, {size_shown(file.size)}{how}]"


def file_at_desk(name_: str, file: OfferedFile) -> str:
    """Return the text of a line of a visit that brings a file, and how to get it."""
    how = f": .get {file.number}" if file.number else ""
    return f"[file {_short(name_)}, {size_shown(file.size)}{how}]"


def sent_at_desk(name_: str, size: int) -> str:
    """Say that a file was sent to the visitor."""
    return f"[{_short(name_)} ({size_shown(size)}) is sent.]"


def here_from_desk(path: str) -> str:
    """Say where a file of the visit is now."""
    return f"[It is here: {sanitize(path)}]"


def refused_at_desk(refused: DeskFileRefused) -> str:
    """Say why a file of a visit is not sent or fetched."""
    return f"[Not done: {sanitize(str(refused))}.]"


def name_shown(file: FileTransfer) -> str:
    """Return the name of a file as it stands in lines."""
    return _short(file.name)


def _short(name_: str) -> str:
    return sanitize(name_, limit=_NAME_SHOWN)


def percent(file: FileTransfer) -> int:
    """Return how much of a file is there."""
    return 100 * file.done // file.size if file.size else 100


def about(file: FileTransfer) -> str:
    """Return how large a file is, and from whom or to whom."""
    other = f"to {file.conversation}" if file.is_ours else f"from {file.sender}"
    return f"{size_shown(file.size)}  {sanitize(other)}"


def file_lines(file: FileTransfer) -> list[str]:
    """Return the lines about a file that stands otherwise than before. How much is here is said by
    `progress_line`."""
    if file.is_ours:
        return []  # the answer of the one who gets it says so
    what = _short(file.name)
    match file.state:
        case FileState.DONE:
            return [f"[{what} is here: {sanitize(file.path)}]"]
        case FileState.FAILED:
            return [f"[{what} stopped: {_trouble(file)}. /resume {file.number} tries again.]"]
        case FileState.WITHDRAWN if file.done:
            return [f"[{what} stopped: {name(file.sender)} offers it no more.]"]
        case _:
            return []


def _trouble(file: FileTransfer) -> str:
    if file.trouble is None:
        return "nothing more is known"
    why = _TROUBLES[file.trouble].format(who=name(file.sender))
    return f"{why}: {reason(file.detail)}" if file.detail else why


def progress_lines(file: FileTransfer, before: FileTransfer | None) -> list[str]:
    """Say how much of a file is here, on a pipe: a line for each tenth."""
    now, then = (0 if one is None else 10 * one.done // max(one.size, 1) for one in (file, before))
    return [_progress(file)] if then < now < 10 else []


def _progress(file: FileTransfer) -> str:
    to = f" to {sanitize(str(file.conversation))}" if file.is_ours else ""
    return f"[{_short(file.name)}{to}: {percent(file)} % of {size_shown(file.size)}]"


def progress_note(file: FileTransfer) -> str:
    """Say how much of a file is here, beside a prompt."""
    rate = f" {size_shown(round(file.rate))}/s" if file.rate else ""
    return f"{_short(file.name)} {percent(file)} %{rate}"


def listed(files: Iterable[FileTransfer]) -> list[str]:
    """Return a line for each file."""
    lines = [_listed(file) for file in files]
    return lines or [NO_FILES]


def way_steps(file: FileTransfer) -> list[str]:
    """Say which way a file went or goes, and how it stands."""
    how = " and ".join(_WAYS[way] for way in file.ways)
    people = counted(file.people, "person", "people") if file.conversation.is_room else ""
    stands = f"{_short(file.name)}: {standing(file)}"
    if not how:
        none = "nobody has fetched any of it" if file.is_ours else "none of it has come"
        return [stands, none]
    if file.is_ours:
        return [stands, f"fetched by {how}, by {people or sanitize(str(file.conversation))}"]
    return [stands, f"came by {how}, from {people or name(file.sender)}"]


def _listed(file: FileTransfer) -> str:
    return f"{file.number:>3}  {_short(file.name)}  {about(file)}: {standing(file)}{_way(file)}"


def _way(file: FileTransfer) -> str:
    ways = () if FileWay.TCP in file.ways else file.ways[-1:]
    return "".join(f" (by {_WAYS[way]})" for way in ways)


def standing(file: FileTransfer) -> str:
    """Return how far a file got: how much is there, how fast it comes, and how long it takes."""
    match file.state:
        case FileState.WAITING:
            why = "" if file.trouble is None else f": {_trouble(file)}"
            return f"waits for {name(file.sender)}, {percent(file)} % is here{why}"
        case FileState.RUNNING:
            left = (file.size - file.done) / file.rate if file.rate else 0.0
            more = f", {size_shown(round(file.rate))}/s, {span(round(left))} left" if left else ""
            return f"{percent(file)} %{more}"
        case FileState.DONE if not file.is_ours:
            return f"here, {sanitize(file.path)}"
        case FileState.FAILED:
            return f"stopped: {_trouble(file)}"
        case FileState.WITHDRAWN:
            return "taken back"
        case FileState.OFFERED if file.is_kept:
            return "offered, kept at the server"
        case _:
            return file.state.name.lower()


def which_one(files: Iterable[FileTransfer], command: str) -> list[str]:
    """Ask which of several files is meant."""
    return [f"[Which one? Type {command} and its number.]", *map(_listed, files)]


def not_done(refused: FileRefused) -> str:
    """Say why a file is not offered or accepted."""
    what = f"{sanitize(refused.path)} " if refused.path else ""
    why = f": {reason(refused.detail)}" if refused.detail else ""
    return f"[{what}{_REFUSALS[refused.reason]}{why}.]"


def offered_line(file: FileTransfer) -> str:
    """Say that the user offers a file."""
    to = sanitize(str(file.conversation))
    return f"[You offer {_short(file.name)} ({size_shown(file.size)}) to {to}.]"


def accepted_line(file: FileTransfer, *, is_away: bool) -> str:
    """Say that a file comes. `is_away`: when the one who offers it is back."""
    what = _short(file.name)
    if is_away:
        return f"[{name(file.sender)} is away: {what} comes when they are back, or now if the server keeps it.]"
    return f"[{what} comes: /files shows how far it is.]"


def paused_line(file: FileTransfer) -> str:
    """Say that a file is fetched no further for now."""
    return f"[{_short(file.name)} is paused: /resume {file.number} goes on.]"


def refused_line(file: FileTransfer) -> str:
    """Say that the user does not want a file."""
    return f"[You refused {_short(file.name)} from {name(file.sender)}.]"


def cancel_hints(files: Iterable[FileTransfer]) -> list[str]:
    """Say how files that are under way are stopped."""
    return [f"[/cancel file {file.number} stops {_short(file.name)}.]" for file in files]


def cancelled_line(file: FileTransfer) -> str:
    """Say that the user has given up a file that was on its way, or offers one no more."""
    if file.is_ours:
        return f"[You offer {_short(file.name)} no more.]"
    return f"[{_short(file.name)} is cancelled: /accept {file.number} begins anew.]"


_REPLIES: Final = {
    FileReply.HAS: "has received {what}",
    FileReply.REFUSED: "does not want {what}",
    FileReply.STOPPED: "has stopped fetching {what}",
}


def answer_line(who: str, name_: str, reply: FileReply) -> str:
    """Say what somebody has done with a file that the user offers."""
    return f"[{who} {_REPLIES[reply].format(what=_short(name_))}.]"
