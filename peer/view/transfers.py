"""The files that a window knows: how each stands, and what the user can do about it."""

import enum
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from chatapp.peer.api.files import FileState, FileTransfer
from chatapp.peer.words import files as words
from chatapp.wire.limits import FILES_KNOWN_MAX


class FileAction(enum.Enum):
    """What the user can do about a file."""

    ACCEPT = "accept"
    PAUSE = "pause"
    RESUME = "resume"
    REFUSE = "refuse"
    CANCEL = "cancel file"

    @property
    def command(self) -> str:
        """The command that does it."""
        return f"/{self.value}"


STATES: Final = {
    FileAction.ACCEPT: frozenset({FileState.OFFERED}),
    FileAction.PAUSE: frozenset({FileState.WAITING, FileState.RUNNING}),
    FileAction.RESUME: frozenset({FileState.PAUSED, FileState.FAILED}),
    FileAction.REFUSE: frozenset({FileState.OFFERED, FileState.PAUSED, FileState.FAILED}),
    FileAction.CANCEL: frozenset(
        {FileState.WAITING, FileState.RUNNING, FileState.PAUSED, FileState.FAILED}
    ),
}
"""When each makes sense for a file of somebody else. A command that names no file means one in such
a state."""

_OURS: Final = {FileAction.CANCEL: frozenset({FileState.OFFERED, FileState.RUNNING})}
"""The same for one of ours."""


UNDER_WAY: Final = (FileState.WAITING, FileState.RUNNING)
"""The states of a file that goes, or goes on by itself."""


def is_for(action: FileAction, file: FileTransfer) -> bool:
    """Whether something makes sense for a file as it stands."""
    return file.state in (_OURS if file.is_ours else STATES).get(action, ())


_HAS_BAR: Final = (FileState.WAITING, FileState.RUNNING, FileState.PAUSED, FileState.FAILED)

_PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp")


class Offer(NamedTuple):
    """Something that the user is offered to do about a file."""

    action: FileAction
    label: str
    command: str
    """What they type for it."""


class ShownFile(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to show of a file at one moment. All texts are sanitized."""

    id: int
    """Of the line that offers it."""
    number: int
    name: str
    about: str
    """How large it is, and from whom or to whom."""
    standing: str
    """How far it got: how much, how fast and how long it takes."""
    percent: int | None
    """How much of it is there; None for a file that is not on its way."""
    offers: tuple[Offer, ...]
    is_here: bool
    """Whether it is a file of somebody else, which is here, whole."""
    is_picture: bool
    """Whether its name says that it is a picture."""


def shown(file: FileTransfer) -> ShownFile:
    """Return what there is to show of a file."""
    is_on_its_way = file.state in _HAS_BAR and (not file.is_ours or file.done > 0)
    return ShownFile(
        id=file.id,
        number=file.number,
        name=words.name_shown(file),
        about=words.about(file),
        standing=words.standing(file),
        percent=words.percent(file) if is_on_its_way else None,
        offers=tuple(
            Offer(action, words.LABELS[action.value], f"{action.command} {file.number}")
            for action in FileAction
            if is_for(action, file)
        ),
        is_here=file.state is FileState.DONE and not file.is_ours,
        is_picture=file.name.lower().endswith(_PICTURES),
    )


class Transfers:
    """All files that the window knows, as they stand."""

    def __init__(self) -> None:
        self._files: Final[dict[int, FileTransfer]] = {}

    def __iter__(self) -> Iterator[FileTransfer]:
        return iter(self._files.values())

    def take(self, files: Iterable[FileTransfer]) -> None:
        """Take all files as the node knows them."""
        for file in files:
            self.note(file)

    def note(self, file: FileTransfer) -> FileTransfer | None:
        """Note how a file stands now. Return how it stood before."""
        before = self._files.get(file.id)
        self._files[file.id] = file
        if len(self._files) > FILES_KNOWN_MAX:
            del self._files[min(self._files)]
        return before

    def find(self, id_: int) -> FileTransfer | None:
        """Return the file that the line with this id offers."""
        return self._files.get(id_)

    def shown(self, id_: int) -> ShownFile | None:
        """Return what there is to show of the file that the line with this id offers; None if it
        offers none, or not any more."""
        file = self._files.get(id_)
        is_over = file is None or file.state is FileState.WITHDRAWN
        return None if file is None or is_over else shown(file)

    def running(self) -> list[FileTransfer]:
        """Return the files on their way now."""
        return [file for file in self if file.state is FileState.RUNNING]

    def rows(self) -> list[ShownFile]:
        """Return what there is to show of all, the newest first."""
        newest = sorted(self, key=lambda file: file.number, reverse=True)
        return list(map(shown, newest))
